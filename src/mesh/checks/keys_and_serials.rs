//! Public keys, digests and serial numbers of every certificate of the set.

use std::collections::BTreeMap;

use crate::mesh::checks::parts::{Role, critical, graded, look_at, parts, warning};
use crate::mesh::consumers::material::Material;
use crate::pki::certificate::Certificate;
use crate::pki::go_reading;
use crate::pki::signature_check::weak_digest;
use crate::pki::weak_key::weaknesses;
use crate::problem::{Code, Finding, Problem};

/// More keys than this are not looked into: a root file so large is refused for its size anyway.
const MOST_KEYS: usize = 256;

pub(super) fn keys(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for part in parts(material).iter().take(MOST_KEYS) {
        let cert = &part.certificate;
        if go_reading::has_unknown_curve(cert) {
            let what = format!(
                "{}: the key of \"{}\" is a {}, on a curve that Go does not know",
                part.file,
                cert.subject(),
                cert.public_key().title()
            );
            found.push(critical(part.file, Problem::new(Code::KeyCurveUnknown, what).hint("use ECDSA P-256 or P-384")));
            continue;
        }
        for weakness in weaknesses(cert) {
            let code = weakness.code();
            let mut problem = Problem::new(code, format!("{}: {}", part.file, weakness.what()));
            for fact in weakness.facts() {
                problem = problem.fact(fact.as_str());
            }
            if let Some(hint) = weakness.advice() {
                problem = problem.hint(hint);
            }
            found.push(graded(!matches!(code, Code::KeyKindUnusual | Code::RsaWeakExponent), part.file, problem));
        }
    }
    found
}

pub(super) fn digests(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for part in parts(material) {
        let cert = &part.certificate;
        let Some(digest) = weak_digest(cert) else { continue };
        // Nobody verifies the signature of a trusted root over itself.
        let matters = !(cert.is_self_issued() && matches!(part.role, Role::Anchor | Role::OtherRoot));
        let what = format!("{}: \"{}\" is signed with {digest}, not with SHA-256 or better", part.file, cert.subject());
        let problem = Problem::new(Code::WeakSignature, what).hint(look_at(part.file));
        found.push(graded(matters, part.file, problem));
    }
    found
}

pub(super) fn serials(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut seen = BTreeMap::new();
    for part in parts(material) {
        let cert: &Certificate = &part.certificate;
        let subject = cert.subject();
        if go_reading::has_negative_serial(cert) {
            let what = format!(
                "{}: the serial number of \"{subject}\" is negative (0x{}); Go refuses to read the certificate",
                part.file,
                cert.serial_text()
            );
            found.push(critical(part.file, Problem::new(Code::SerialNegative, what).hint(look_at(part.file))));
        } else if cert.serial().iter().all(|byte| *byte == 0) || cert.serial().len() > 20 {
            let what = format!(
                "{}: the serial number of \"{subject}\" has {} octets with the value 0x{}; it should be positive and at most 20 octets",
                part.file,
                cert.serial().len(),
                cert.serial_text()
            );
            found.push(warning(part.file, Problem::new(Code::SerialOdd, what).hint(look_at(part.file))));
        }
        let name = (cert.issuer().der().to_vec(), cert.serial().to_vec());
        if let Some((other, file)) = seen.get(&name) {
            let what = format!(
                "{}: \"{subject}\" has the serial number 0x{} of \"{other}\" in {file}, by the same issuer",
                part.file,
                cert.serial_text()
            );
            found.push(warning(part.file, Problem::new(Code::SerialRepeated, what).hint(look_at(part.file))));
        } else {
            seen.insert(name, (subject.to_string(), part.file));
        }
    }
    found
}

//! The root file.

use std::collections::{BTreeMap, BTreeSet};

use crate::mesh::checks::parts::{Role, critical, graded, look_at, parts, warning};
use crate::mesh::consumers::envoy::identifiers_allow;
use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::{agent, envoy};
use crate::pki::certificate::Certificate;
use crate::pki::go_reading;
use crate::pki::moment::utc;
use crate::pki::signature_check::{Signature, signature};
use crate::problem::{Code, Finding, Problem};

/// The signatures of more roots than these are not verified: a root file so large is refused for its size anyway.
const MOST_SIGNATURES: usize = 256;
/// A key rollover has one or two certificates of the same name.
const MOST_NAMESAKES: usize = 8;

pub(super) fn check(material: &Material<'_>) -> Vec<Finding> {
    let name = material.roots.name;
    let mut found = too_many(material);
    let all = parts(material);
    let roots: Vec<&Certificate> =
        all.iter().filter(|part| part.file == name).map(|part| part.certificate.as_ref()).collect();
    for root in roots.iter().filter(|root| !root.is_self_issued()) {
        let what = format!("{name}: \"{}\" is issued by \"{}\", not by itself", root.subject(), root.issuer());
        found.push(warning(name, Problem::new(Code::RootNotSelfSigned, what).hint(look_at(name))));
    }
    for root in roots.iter().filter(|root| root.is_self_issued()).take(MOST_SIGNATURES) {
        found.extend(not_self_signed(root, &roots, name));
    }
    for part in all.iter().filter(|part| part.role == Role::OtherRoot) {
        let root = &part.certificate;
        let used = material.lineage.paths.iter().any(|path| path.last() == Some(root));
        if root.not_after() < material.now && !used {
            let what =
                format!("{name}: \"{}\" ended {} and signed nothing here", root.subject(), utc(root.not_after()));
            found.push(warning(name, Problem::new(Code::RootUnused, what).hint(look_at(name))));
        }
    }
    let mut by_subject: BTreeMap<&[u8], Vec<&Certificate>> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for root in roots {
        let same = by_subject.entry(root.subject().der()).or_default();
        if seen.insert((root.subject().der(), root.spki())) {
            same.push(root);
        }
    }
    for same in by_subject.values() {
        let [first, _, ..] = same.as_slice() else { continue };
        let identified = same.iter().all(|root| root.extensions().subject_key_identifier.is_some());
        let child = material.path().iter().rev().nth(1);
        let told_apart = identified && child.is_none_or(|child| child.extensions().authority_key_identifier.is_some());
        let what = format!("{name}: {} roots with different keys are named \"{}\"", same.len(), first.subject());
        let mut problem = Problem::new(Code::RootsShareSubject, what);
        if !told_apart {
            problem =
                problem.fact("without key identifiers Envoy takes the first one only, in the order of their PEM text");
        }
        for root in same.iter().take(5) {
            problem = problem.fact(format!("public key {}", root.key_fingerprint()));
        }
        found.push(graded(!told_apart, name, problem.hint("give each generation of the root a name of its own")));
    }
    found
}

/// What is wrong with a root that says it signed itself, if its key did not. No consumer verifies that signature, so a
/// wrong one means a wrong or damaged file. A certificate of a key rollover (RFC 4210 §4.4) has one name twice as well,
/// and was signed by the other key.
fn not_self_signed(root: &Certificate, roots: &[&Certificate], name: &str) -> Option<Finding> {
    if go_reading::has_unknown_curve(root) || signature(root, root) != Signature::Broken {
        return None;
    }
    let subject = root.subject();
    let namesakes = roots.iter().filter(|other| other.subject() == subject && other.spki() != root.spki());
    let is_signed_by_one = || namesakes.take(MOST_NAMESAKES).any(|other| signature(root, other) == Signature::Holds);
    if !identifiers_allow(root, root) || is_signed_by_one() {
        let what = format!("{name}: \"{subject}\" is issued by another key of the same name, not by its own");
        return Some(warning(name, Problem::new(Code::RootNotSelfSigned, what).hint(look_at(name))));
    }
    let what = format!("{name}: \"{subject}\" names itself as its issuer, and its own key did not make its signature");
    let problem = Problem::new(Code::SignatureBroken, what)
        .fact(format!("public key {}", root.key_fingerprint()))
        .fact(format!("certificate {}", root.fingerprint()));
    Some(critical(name, problem.hint(format!("compare {name} with the file that the ceremony left"))))
}

fn too_many(material: &Material<'_>) -> Vec<Finding> {
    let name = material.roots.name;
    let presented = envoy::presented_size(material);
    let names = agent::ca_names_size(material);
    let count = material.roots.certificates().count();
    let mut problem = None;
    if presented > envoy::MOST_PRESENTED {
        problem = Some(format!(
            "{name} holds {count} certificates: chains of about {presented} bytes would be presented, and Envoy takes {}",
            envoy::MOST_PRESENTED
        ));
    }
    if names > agent::MOST_CA_NAMES {
        problem = Some(format!(
            "{name} holds {count} certificates: istiod would name {names} bytes of client CAs, and TLS takes {}",
            agent::MOST_CA_NAMES
        ));
    }
    let hint = "take roots out that sign nothing any more";
    problem.map(|what| critical(name, Problem::new(Code::RootsTooMany, what).hint(hint))).into_iter().collect()
}

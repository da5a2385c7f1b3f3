//! What rustls-webpki (0.103, ztunnel's library) does with a workload's chain of this set.
//!
//! It looks at neither the anchor's own dates nor its path length, at no key usage of a CA and at no key identifier.
//! Parsing is done by the library itself; the rules of the path are written out, since no workload certificate can be
//! made without the key.

use std::rc::Rc;

use rustls_pki_types::CertificateDer;

use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::verdict::Verdict;
use crate::pki::certificate::{Certificate, KeyFacts, bits};
use crate::pki::extensions::{CLIENT_AUTH, SERVER_AUTH};
use crate::pki::moment::utc;
use crate::pki::signature_check::weak_digest;

/// The library gives up after this many signatures; so many anchors of one name are too many.
const MOST_NAMESAKES: usize = 99;

/// The prediction for traffic in ambient mode.
pub(in crate::mesh) fn verdict(material: &Material<'_>) -> Verdict {
    Verdict::of(judge(material))
}

fn judge(material: &Material<'_>) -> Result<(), String> {
    const UNKNOWN: &str = "UnknownIssuer";
    let Some(signer) = material.signer_certificate() else { return Err(UNKNOWN.to_owned()) };
    if !material.signer_is_root() && !material.chain.certificates().any(|(_, cert)| cert == signer) {
        return Err(format!("{UNKNOWN} (chains come without \"{}\")", signer.subject()));
    }
    let refusals = || material.lineage.paths.iter().map(|path| refusal(path, material));
    if refusals().any(|refusal| refusal.is_none()) {
        return Ok(());
    }
    let otherwise = if material.lineage.broken.is_empty() { UNKNOWN } else { "InvalidSignatureForPublicKey" };
    Err(refusals().flatten().next().unwrap_or_else(|| otherwise.to_owned()))
}

fn refusal(path: &[Rc<Certificate>], material: &Material<'_>) -> Option<String> {
    let (anchor, below) = path.split_last()?;
    if let Err(why) = webpki::anchor_from_trusted_cert(&CertificateDer::from(anchor.der())) {
        return Some(format!("{why:?} (root \"{}\")", anchor.subject()));
    }
    let namesakes = material.roots.certificates().filter(|(_, root)| root.subject() == anchor.subject()).count();
    if namesakes > MOST_NAMESAKES {
        return Some(format!("MaximumSignatureChecksExceeded ({namesakes} roots named \"{}\")", anchor.subject()));
    }
    for (index, cert) in below.iter().enumerate() {
        let subject = cert.subject();
        if let Err(why) = webpki::EndEntityCert::try_from(&CertificateDer::from(cert.der())) {
            return Some(format!("{why:?} (\"{subject}\")"));
        }
        if material.now > cert.not_after() {
            return Some(format!("CertExpired (\"{subject}\" at {})", utc(cert.not_after())));
        }
        if material.now < cert.validity().not_before() {
            return Some(format!("CertNotValidYet (\"{subject}\" before {})", utc(cert.validity().not_before())));
        }
        if !cert.is_ca() {
            return Some(format!("EndEntityUsedAsCa (\"{subject}\")"));
        }
        let length = cert.extensions().basic_constraints.and_then(|constraints| constraints.path_length);
        if length.is_some_and(|length| index > length as usize) {
            return Some(format!("PathLenConstraintViolated (\"{subject}\")"));
        }
        let lists = |usages: &[String], wanted: &str| usages.iter().any(|usage| usage == wanted);
        let usages = cert.extensions().extended_key_usage.as_deref();
        if usages.is_some_and(|usages| !lists(usages, SERVER_AUTH) || !lists(usages, CLIENT_AUTH)) {
            return Some(format!("RequiredEkuNotFound (\"{subject}\")"));
        }
        if let Some(digest) = weak_digest(cert) {
            return Some(format!("UnsupportedSignatureAlgorithm (\"{subject}\", {digest})"));
        }
    }
    for cert in path {
        let constraints = cert.extensions().name_constraints.as_ref();
        if constraints.is_some_and(|constraints| constraints.has_uris() || constraints.directory_names) {
            return Some(format!("NameConstraintViolation (\"{}\")", cert.subject()));
        }
        if matches!(cert.public_key(), KeyFacts::Rsa { modulus, .. } if bits(modulus) < 2048) {
            return Some(format!(
                "UnsupportedSignatureAlgorithmForPublicKey (\"{}\", {})",
                cert.subject(),
                cert.public_key().title()
            ));
        }
    }
    None
}

//! What Envoy does: it loads the chain and the roots that its agent hands it, and verifies peers that present chains
//! of the same set, with BoringSSL (`crypto/x509/x509_vfy.c`) and partial chains allowed.
//!
//! Judged: one Envoy against a peer of the same set with a workload certificate that istiod just made, in the trust
//! domain of the circumstances.

use std::rc::Rc;

use time::OffsetDateTime;

use crate::mesh::consumers::go_path::{ANY_USAGE, host, outside, unknown_critical};
use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::public_file::PublicFile;
use crate::mesh::consumers::verdict::Verdict;
use crate::pki::certificate::Certificate;
use crate::pki::extensions::{CLIENT_AUTH, NameConstraints, SERVER_AUTH};
use crate::pki::pem_boringssl;
use crate::pki::signature_check::{Signature, signature};

/// What BoringSSL takes as a presented chain, in bytes (`SSL_MAX_CERT_LIST_DEFAULT`). The whole root file travels
/// inside it: 200 roots were seen to pass, and 300 to fail.
pub(in crate::mesh) const MOST_PRESENTED: usize = 100 * 1024;
/// A workload certificate by istiod, about.
const LEAF: usize = 900;
/// The frame of each certificate in a TLS 1.3 certificate message.
const FRAME: usize = 5;

const NO_ISSUER: &str = "unable to get local issuer certificate";

/// The prediction for traffic between proxies of this set.
pub(in crate::mesh) fn verdict(material: &Material<'_>) -> Verdict {
    Verdict::of(judge(material))
}

fn judge(material: &Material<'_>) -> Result<(), String> {
    let load = |what: &str, document: &PublicFile, bytes: &[u8]| {
        load(bytes).map_err(|why| format!("Failed to load {what} from <inline> ({}: {why})", document.name))
    };
    load("certificate chain", &material.chain, handed_on(&material.chain))?;
    load("certificate chain", &material.roots, material.roots.bytes())?;
    load("trusted CA certificates", &material.roots, handed_on(&material.roots))?;
    if material.roots.certificates().next().is_none() {
        return Err("Failed to load trusted CA certificates from <inline> (there is none)".to_owned());
    }
    let presented = presented_size(material);
    if presented > MOST_PRESENTED {
        return Err(format!(
            "EXCESSIVE_MESSAGE_SIZE (a presented chain of about {presented} bytes, more than {MOST_PRESENTED})"
        ));
    }
    let Some(signer) = material.signer_certificate() else { return Err(NO_ISSUER.to_owned()) };
    if !material.signer_is_root() && !material.chain.certificates().any(|(_, cert)| cert == signer) {
        return Err(format!("{NO_ISSUER} (chains come without \"{}\")", signer.subject()));
    }
    let refusals = || material.lineage.paths.iter().map(|path| refusal(path, material));
    if refusals().any(|refusal| refusal.is_none()) {
        return Ok(());
    }
    Err(refusals().flatten().next().unwrap_or_else(|| NO_ISSUER.to_owned()))
}

/// The text that istiod (`CreateCertificate`) or the agent (`mergeTrustAnchorBytes`) hands on of a file: up to the end
/// of the last block that Go finds, or of the last one before an empty block (`PemCertBytestoString`).
fn handed_on(document: &PublicFile) -> &[u8] {
    let kept = document.entries.iter().map(|entry| &entry.block).take_while(|block| !block.der.is_empty()).last();
    kept.and_then(|block| document.bytes().get(..block.end)).unwrap_or_default()
}

fn load(bytes: &[u8]) -> Result<(), String> {
    for block in pem_boringssl::read(bytes)? {
        if block.label.ends_with("CERTIFICATE") && Certificate::from_der(&block.der).is_err() {
            return Err(format!("ASN.1 error (block of line {})", block.line));
        }
    }
    Ok(())
}

/// About how large the chain is that a workload presents: its own certificate, the chain file, the root file.
pub(in crate::mesh) fn presented_size(material: &Material<'_>) -> usize {
    let documents = [&material.chain, &material.roots];
    LEAF + documents
        .iter()
        .flat_map(|document| document.certificates())
        .map(|(_, certificate)| certificate.der().len() + FRAME)
        .sum::<usize>()
}

fn refusal(path: &[Rc<Certificate>], material: &Material<'_>) -> Option<String> {
    path_refusal(path, material.circumstances.trust_domain, material.now)
        .or_else(|| wrong_namesake(path, material))
        .or_else(|| material.crl.as_ref().and_then(|crl| crl.envoy_refusal(path, material.now)))
}

/// Why it would refuse this path to a root, the signer first, below which a workload of this trust domain is; `None`: it
/// takes it. Signatures, other roots of the same name and revocation lists are not looked at.
pub(in crate::mesh) fn path_refusal(
    path: &[Rc<Certificate>],
    trust_domain: &str,
    now: OffsetDateTime,
) -> Option<String> {
    // With partial chains the first certificate that is trusted ends the path.
    for (index, cert) in path.iter().enumerate() {
        let subject = cert.subject();
        let is_anchor = index + 1 == path.len();
        if cert.extensions().key_usage.is_some_and(|usage| !usage.key_cert_sign) {
            return Some(format!("{NO_ISSUER} (\"{subject}\" has no keyCertSign)"));
        }
        if !cert.validity().contains(now) {
            return Some(format!("certificate has expired or is not yet valid ({})", outside(cert, now)));
        }
        if is_anchor {
            continue;
        }
        if let Some(parent) = path.get(index + 1)
            && !identifiers_allow(cert, parent)
        {
            return Some(format!(
                "{NO_ISSUER} (the authority key identifier of \"{subject}\" is not that of \"{}\")",
                parent.subject()
            ));
        }
        if let Some(identifier) = unknown_critical(cert) {
            return Some(format!("unhandled critical extension ({identifier} of \"{subject}\")"));
        }
        if !cert.is_ca() {
            return Some(format!("invalid CA certificate (\"{subject}\")"));
        }
        if lacks_usages(cert) {
            return Some(format!("unsupported certificate purpose (\"{subject}\")"));
        }
        let length = cert.extensions().basic_constraints.and_then(|constraints| constraints.path_length);
        let below = path.iter().take(index).filter(|cert| !cert.is_self_issued()).count();
        if length.is_some_and(|length| below > length as usize) {
            return Some(format!("path length constraint exceeded (\"{subject}\")"));
        }
    }
    wrong_uri(path, trust_domain)
}

/// Whether the key identifiers, where both are there, agree.
pub(in crate::mesh) fn identifiers_allow(child: &Certificate, parent: &Certificate) -> bool {
    match (&child.extensions().authority_key_identifier, &parent.extensions().subject_key_identifier) {
        (Some(wanted), Some(found)) => wanted == found,
        _ => true,
    }
}

/// BoringSSL wants both usages listed: `any` and an empty list are none of them.
fn lacks_usages(cert: &Certificate) -> bool {
    let lists = |usages: &Vec<String>, wanted: &str| usages.iter().any(|usage| usage == wanted && usage != ANY_USAGE);
    cert.extensions()
        .extended_key_usage
        .as_ref()
        .is_some_and(|usages| !lists(usages, SERVER_AUTH) || !lists(usages, CLIENT_AUTH))
}

/// Whether URI constraints do not let one of these hosts through. An empty one cannot be compared, and is refused.
pub(in crate::mesh) fn shuts_out_uri<'a>(
    constraints: &NameConstraints,
    mut hosts: impl Iterator<Item = &'a str>,
) -> bool {
    hosts.any(|host| {
        host.is_empty()
            || constraints.excluded_uris.iter().any(|base| is_under(host, base))
            || (!constraints.permitted_uris.is_empty()
                && !constraints.permitted_uris.iter().any(|base| is_under(host, base)))
    })
}

/// `nc_uri` in `v3_ncons.c`: the very host, or whatever ends with a constraint that begins with a dot. Go takes a
/// constraint without a dot for what is below it, too.
fn is_under(host: &str, base: &str) -> bool {
    let (host, base) = (host.to_ascii_lowercase(), base.to_ascii_lowercase());
    if base.starts_with('.') { host.ends_with(&base) } else { host == base }
}

fn wrong_uri(path: &[Rc<Certificate>], trust_domain: &str) -> Option<String> {
    path.iter().enumerate().find_map(|(index, cert)| {
        let constraints = cert.extensions().name_constraints.as_ref().filter(|it| it.has_uris())?;
        let below = path.iter().take(index).filter(|cert| !cert.is_self_issued());
        let hosts = below.flat_map(|cert| cert.extensions().uris.iter()).map(|uri| host(uri).unwrap_or_default());
        shuts_out_uri(constraints, hosts.chain([trust_domain])).then(|| {
            format!(
                "permitted subtree violation or excluded subtree violation (URI constraints of \"{}\")",
                cert.subject()
            )
        })
    })
}

/// BoringSSL takes the first root of the right name that the identifiers allow, and does not try another one when its
/// key turns out to be wrong. The agent sorts the roots as text, so the order in the file does not matter.
fn wrong_namesake(path: &[Rc<Certificate>], material: &Material<'_>) -> Option<String> {
    let child = path.iter().rev().nth(1)?;
    let mut candidates: Vec<(String, &Rc<Certificate>)> = material
        .roots
        .certificates()
        .map(|(_, root)| root)
        .filter(|root| root.subject() == child.issuer() && identifiers_allow(child, root))
        .filter(|root| root.validity().contains(material.now))
        .map(|root| (root.pem(), root))
        .collect();
    candidates.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (_, first) = candidates.first()?;
    (signature(child, first) == Signature::Broken).then(|| {
        format!("certificate signature failure (of the roots named \"{}\" the wrong one comes first)", first.subject())
    })
}

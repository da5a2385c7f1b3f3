//! What istiod does with a set when it starts (`createIstioCA` in `pilot/pkg/bootstrap/istio_ca.go`, `Verify` in
//! `security/pkg/pki/util/keycertbundle.go`, `minTTL` in `security/pkg/pki/ca/ca.go`; Istio 1.32-dev of August 2026).

use crate::mesh::consumers::go_path::{self, UNKNOWN_AUTHORITY};
use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::public_file::{Entry, PublicFile};
use crate::mesh::consumers::verdict::{Outcome, Verdict};
use crate::mesh::secret_files::{FOUR, Form, TLS_THREE};
use crate::pki::key_file::Belongs;
use crate::problem::Code;

/// The prediction for a start with these files.
pub(in crate::mesh) fn verdict(material: &Material<'_>) -> Verdict {
    let missing = missing(material);
    if missing.len() == expected(material).len() {
        let why = "Use self-signed certificate as the CA certificate";
        return Verdict::new(Outcome::RunsSelfSigned, why);
    }
    if !missing.is_empty() {
        let why = format!(
            "failed to create an istiod CA: incomplete signing CA bundle detected (without {})",
            missing.join(", ")
        );
        return Verdict::new(Outcome::Refuses, why);
    }
    Verdict::of(
        verify(material)
            .map_err(|why| format!("failed to create an istiod CA: failed to create CA KeyCertBundle ({why})"))
            .and_then(|()| after_verify(material)),
    )
}

/// The files of this form that istiod wants to see.
pub(in crate::mesh) fn expected(material: &Material<'_>) -> &'static [&'static str] {
    match material.form {
        Form::Istio => &FOUR,
        Form::Tls => &TLS_THREE,
    }
}

/// Those of them that are not there. A key that was left out on purpose does not count, unless nothing else is there.
pub(in crate::mesh) fn missing(material: &Material<'_>) -> Vec<&'static str> {
    let absent = |withheld: bool| {
        let there = move |name: &str| material.files.has(name) || withheld && name == material.key_name;
        expected(material).iter().copied().filter(move |name| !there(name)).collect::<Vec<_>>()
    };
    let all = absent(false);
    if all.len() == expected(material).len() { all } else { absent(material.circumstances.key_withheld) }
}

/// The checks that start and reload share, in istiod's order.
pub(in crate::mesh) fn verify(material: &Material<'_>) -> Result<(), String> {
    let Some(entry) = material.signer.entries.first() else {
        return Err("failed to parse cert PEM: invalid PEM encoded certificate".to_owned());
    };
    if entry.go_refusal().is_some() {
        return Err("failed to parse cert PEM: failed to parse X.509 certificate".to_owned());
    }
    verify_path(material).map_err(|why| {
        format!("cannot verify the cert with the provided root chain and cert pool with error: {why}")
    })?;
    verify_key(material)?;
    if !material.signer.entries.iter().any(|entry| entry.block.is_certificate()) {
        return Err(
            "the cert does not match the key: tls: failed to find \"CERTIFICATE\" PEM block in certificate input"
                .to_owned(),
        );
    }
    match material.crl.as_ref().and_then(|crl| crl.istiod_refusal(&material.chain)) {
        Some(why) => Err(why),
        None => Ok(()),
    }
}

fn verify_path(material: &Material<'_>) -> Result<(), String> {
    let Some(signer) = material.signer_certificate() else { return Err(UNKNOWN_AUTHORITY.to_owned()) };
    if !signer.validity().contains(material.now) {
        return Err(go_path::outside(signer, material.now));
    }
    let refusals = || material.lineage.paths.iter().map(|path| go_path::refusal(path, &[], material.now));
    if refusals().any(|refusal| refusal.is_none()) {
        return Ok(());
    }
    match refusals().flatten().next() {
        Some(why) => Err(why),
        None if material.lineage.broken.is_empty() => Err(UNKNOWN_AUTHORITY.to_owned()),
        None => Err(format!(
            "{UNKNOWN_AUTHORITY} (possibly because of a verification error while trying to verify candidate authority certificate)"
        )),
    }
}

fn verify_key(material: &Material<'_>) -> Result<(), String> {
    let Some(file) = &material.key else { return Ok(()) };
    let key = file.key.as_ref().map_err(|problem| {
        let label = file.text.as_ref().ok().and_then(|text| text.first()).map(|block| block.label.as_str());
        match (problem.code(), label) {
            (Code::PemNoBlock, _) => "failed to parse private key PEM: invalid PEM-encoded key".to_owned(),
            (Code::KeyParametersFirst | Code::KeyWrongBlock | Code::KeyEncrypted, Some(label))
                if !label.ends_with("RSA PRIVATE KEY") && !label.ends_with("EC PRIVATE KEY") =>
            {
                format!("failed to parse private key PEM: unsupported PEM block type for a private key: {label}")
            }
            _ => format!("failed to parse private key PEM: {}", problem.what()),
        }
    })?;
    if key.has_close_primes() {
        return Err(match key.form() {
            "PKCS#8" => "failed to parse private key PEM: failed to parse the PKCS8 private key: x509: failed to parse RSA private key embedded in PKCS#8: crypto/rsa: |p - q| too small",
            _ => "failed to parse private key PEM: failed to parse the RSA private key: crypto/rsa: |p - q| too small",
        }
        .to_owned());
    }
    match file.belongs {
        Some(Belongs::No) => {
            Err("the cert does not match the key: tls: private key does not match public key".to_owned())
        }
        _ => Ok(()),
    }
}

/// What comes after the bundle was built, only at start.
fn after_verify(material: &Material<'_>) -> Result<(), String> {
    if !material.signer_certificate().is_some_and(|signer| signer.is_ca()) {
        return Err(
            "failed to create an istiod CA: certificate is not authorized to sign other certificates".to_owned()
        );
    }
    if !material.chain.bytes().is_empty() {
        match material.chain.entries.first().map(|first| &first.certificate) {
            Some(Ok(first)) if first.not_after() <= material.now => {
                return Err("failed to create an istiod CA: cert chain has expired".to_owned());
            }
            Some(Ok(_)) => {}
            _ => {
                return Err(
                    "failed to create an istiod CA: failed to get cert chain TTL: invalid PEM encoded certificate"
                        .to_owned(),
                );
            }
        }
    }
    if let Some(why) = unreadable_in_chain(&material.chain) {
        return Err(format!("first time load IstiodCert failed: x509 cert - ParseCertificates() error: {why}"));
    }
    if material.circumstances.multi_root {
        trust_anchor(&material.roots)?;
    }
    match unreadable_root(&material.roots) {
        Some(why) => Err(format!(
            "error initializing secure gRPC Listener: add root CAs into peerCertVerifier failed: parse certificate from rootPEM got error: {why}"
        )),
        None => Ok(()),
    }
}

/// A block of the chain file that istiod's own serving certificate would carry and cannot be parsed.
pub(in crate::mesh) fn unreadable_in_chain(chain: &PublicFile) -> Option<&'static str> {
    chain.entries.iter().filter(|entry| entry.block.is_certificate()).find_map(Entry::go_refusal)
}

/// `verifyTrustAnchor` in `pilot/pkg/trustbundle/trustbundle.go`, which runs with multi-root on: the first block only.
pub(in crate::mesh) fn trust_anchor(roots: &PublicFile) -> Result<(), String> {
    let Some(first) = roots.entries.first() else { return Err("failed to decode pem certificate".to_owned()) };
    if let Some(why) = first.go_refusal() {
        return Err(format!("failed to parse X.509 certificate: {why}"));
    }
    match &first.certificate {
        Ok(certificate) if !certificate.is_ca() => Err("certificate is not a CA certificate".to_owned()),
        _ => Ok(()),
    }
}

/// `AddMappingFromPEM` in `pkg/spiffe/spiffe.go` parses every block of the root file, whatever its label.
fn unreadable_root(roots: &PublicFile) -> Option<&'static str> {
    roots.entries.iter().filter(|entry| !entry.block.der.is_empty()).find_map(Entry::go_refusal)
}

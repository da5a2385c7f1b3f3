//! What makes the certificates of the path, and the other roots, certificate authorities.

use crate::mesh::checks::parts::{Part, Role, critical, graded, look_at, parts, warning};
use crate::mesh::consumers::go_path::unknown_critical;
use crate::mesh::consumers::material::Material;
use crate::mesh::secret_files::CA_CRL;
use crate::pki::extensions::{CLIENT_AUTH, SERVER_AUTH};
use crate::problem::{Code, Finding, Problem};

/// All but strangers.
fn authorities(material: &Material<'_>) -> impl Iterator<Item = Part> {
    parts(material).into_iter().filter(|part| part.role != Role::Stranger)
}

pub(super) fn authority(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for part in authorities(material) {
        let subject = part.certificate.subject();
        let file = part.file;
        let constraints = part.certificate.extensions().basic_constraints;
        if !part.certificate.is_ca() {
            let said = if constraints.is_some() { "CA:FALSE" } else { "no basic constraints" };
            let is_signer = material.signer_certificate().is_some_and(|signer| *signer == part.certificate);
            let (code, what) = if is_signer {
                (
                    Code::SignerNotCa,
                    format!(
                        "{}: \"{subject}\" is no CA ({said}); istiod takes it live and exits at its next start",
                        material.signer.name
                    ),
                )
            } else {
                (Code::IssuerNotCa, format!("{file}: \"{subject}\" is no CA ({said})"))
            };
            found.push(critical(file, Problem::new(code, what).hint(look_at(file))));
        } else if constraints.is_some_and(|constraints| !constraints.critical) {
            let what = format!("{file}: the basic constraints of \"{subject}\" are not critical");
            found.push(warning(file, Problem::new(Code::BasicConstraintsNotCritical, what).hint(look_at(file))));
        }
    }
    found
}

pub(super) fn key_usage(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for part in authorities(material) {
        let subject = part.certificate.subject();
        let file = part.file;
        let Some(usage) = part.certificate.extensions().key_usage else {
            let what = format!("{file}: \"{subject}\" has no key usage; a CA should have keyCertSign and cRLSign");
            found.push(warning(file, Problem::new(Code::KeyUsageMissing, what).hint(look_at(file))));
            continue;
        };
        if !usage.critical {
            let what = format!("{file}: the key usage of \"{subject}\" is not critical");
            found.push(warning(file, Problem::new(Code::KeyUsageNotCritical, what).hint(look_at(file))));
        }
        if !usage.key_cert_sign {
            let what = format!("{file}: the key usage of \"{subject}\" lacks keyCertSign; Envoy refuses what it signs");
            found.push(critical(file, Problem::new(Code::CertSignMissing, what).hint(look_at(file))));
        }
        if !usage.crl_sign {
            let has_lists = material.files.has(CA_CRL) && part.is_on_path();
            let what = format!(
                "{file}: the key usage of \"{subject}\" lacks cRLSign; it cannot be used with revocation lists"
            );
            found.push(graded(has_lists, file, Problem::new(Code::CrlSignMissing, what).hint(look_at(file))));
        }
    }
    found
}

pub(super) fn extended_key_usage(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for part in authorities(material) {
        let Some(usages) = &part.certificate.extensions().extended_key_usage else { continue };
        let lists = |wanted: &str| usages.iter().any(|usage| usage == wanted);
        let is_root = matches!(part.role, Role::Anchor | Role::OtherRoot);
        let go_refuses =
            !usages.is_empty() && !lists(SERVER_AUTH) && !lists(crate::mesh::consumers::go_path::ANY_USAGE);
        let lists_both = lists(SERVER_AUTH) && lists(CLIENT_AUTH);
        let envoy_refuses = !is_root && !lists_both;
        let consequence = match (go_refuses, envoy_refuses) {
            (true, _) => "istiod refuses it",
            (false, true) => "istiod takes it and Envoy refuses every peer",
            (false, false) => "nobody refuses these, and they serve no purpose",
        };
        let what = format!(
            "{}: \"{}\" has the extended key usages [{}]: {consequence}",
            part.file,
            part.certificate.subject(),
            usages.join(", ")
        );
        let problem = Problem::new(Code::ExtendedKeyUsagePresent, what).hint("a CA of a mesh should have none");
        found.push(graded((go_refuses && part.is_on_path()) || envoy_refuses, part.file, problem));
    }
    found
}

pub(super) fn critical_extensions(material: &Material<'_>) -> Vec<Finding> {
    authorities(material)
        .filter_map(|part| {
            let identifier = unknown_critical(&part.certificate)?;
            let what = format!(
                "{}: \"{}\" has the critical extension {identifier}, which verifiers must refuse",
                part.file,
                part.certificate.subject()
            );
            Some(graded(
                part.is_on_path(),
                part.file,
                Problem::new(Code::UnknownCriticalExtension, what).hint(look_at(part.file)),
            ))
        })
        .collect()
}

pub(super) fn path_lengths(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let path = material.path();
    for (index, cert) in path.iter().enumerate() {
        let length = cert.extensions().basic_constraints.and_then(|constraints| constraints.path_length);
        let subject = cert.subject();
        let is_root = index + 1 == path.len();
        let file = match (is_root, index) {
            (true, _) => material.roots.name,
            (false, 0) => material.signer.name,
            (false, _) => material.chain.name,
        };
        match length {
            Some(length) if index > length as usize => {
                let (code, who) = if is_root {
                    (Code::RootPathTooShort, "istio-agent refuses istiod, so that no proxy gets a certificate")
                } else {
                    (Code::IssuingPathTooShort, "istio-agent and Envoy refuse")
                };
                let what = format!(
                    "{file}: \"{subject}\" has path length {length}, and {index} CA certificates stand below it: {who}"
                );
                found.push(critical(file, Problem::new(code, what).hint(look_at(file))));
            }
            length if index == 0 && !is_root && length != Some(0) && cert.is_ca() => {
                let said = length.map_or_else(|| "no path length".to_owned(), |length| format!("path length {length}"));
                let what = format!("{file}: \"{subject}\" has {said}, not 0: further CAs could be made under it");
                found.push(warning(file, Problem::new(Code::SignerPathOpen, what).hint(look_at(file))));
            }
            _ => {}
        }
    }
    found
}

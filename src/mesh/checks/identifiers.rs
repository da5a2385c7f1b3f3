//! Key identifiers and names: what lets a verifier find the right issuer at once.

use crate::mesh::checks::parts::{Role, critical, look_at, parts, warning};
use crate::mesh::consumers::material::Material;
use crate::pki::hexadecimal::digits;
use crate::problem::{Code, Finding, Problem};

pub(super) fn check(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for part in parts(material).iter().filter(|part| part.role != Role::Stranger) {
        let cert = &part.certificate;
        let (subject, file) = (cert.subject(), part.file);
        if cert.extensions().subject_key_identifier.is_none() {
            let what = format!("{file}: \"{subject}\" has no subject key identifier");
            found.push(warning(file, Problem::new(Code::SubjectKeyIdMissing, what).hint(look_at(file))));
        }
        if cert.extensions().authority_key_identifier.is_none() && !cert.is_self_issued() {
            let what = format!("{file}: \"{subject}\" has no authority key identifier");
            found.push(warning(file, Problem::new(Code::AuthorityKeyIdMissing, what).hint(look_at(file))));
        }
    }
    let path = material.path();
    for (child, parent) in path.iter().zip(path.iter().skip(1)) {
        let file = if path.first() == Some(child) { material.signer.name } else { material.chain.name };
        if let (Some(wanted), Some(there)) =
            (&child.extensions().authority_key_identifier, &parent.extensions().subject_key_identifier)
            && wanted != there
        {
            let what = format!(
                "{file}: the authority key identifier of \"{}\" is {}, and \"{}\" has {}: Envoy refuses every peer",
                child.subject(),
                hexadecimal(wanted),
                parent.subject(),
                hexadecimal(there)
            );
            found.push(critical(file, Problem::new(Code::AuthorityKeyIdMismatch, what).hint(look_at(file))));
        }
    }
    for (index, cert) in path.iter().enumerate() {
        let above = path.iter().skip(index + 1);
        if let Some(other) =
            above.into_iter().find(|other| other.subject() == cert.subject() && other.spki() != cert.spki())
        {
            let what = format!(
                "two keys in the path have the subject \"{}\": {} and {}",
                cert.subject(),
                cert.key_fingerprint(),
                other.key_fingerprint()
            );
            found.push(warning(
                material.chain.name,
                Problem::new(Code::SubjectRepeated, what).hint(look_at(material.signer.name)),
            ));
        }
    }
    found
}

fn hexadecimal(bytes: &[u8]) -> String {
    digits(bytes.get(..32).unwrap_or(bytes))
}

//! Whether a path leads from the signer to a root, and whether lifetimes nest along it.

use crate::mesh::checks::parts::{critical, warning};
use crate::mesh::consumers::envoy::identifiers_allow;
use crate::mesh::consumers::material::Material;
use crate::pki::moment::utc;
use crate::problem::{Code, Finding, Problem};

pub(super) fn check(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let Some(signer) = material.signer_certificate() else { return found };
    let hint = format!(
        "openssl verify -CAfile {} -untrusted {} {}",
        material.roots.name, material.chain.name, material.signer.name
    );
    let no_path = material.lineage.paths.is_empty();
    for (child, parent) in &material.lineage.broken {
        let named = child.extensions().authority_key_identifier.is_some()
            && parent.extensions().subject_key_identifier.is_some()
            && identifiers_allow(child, parent);
        if named || no_path {
            let what = format!(
                "the signature of \"{}\" was not made by the key of \"{}\", which it names as its issuer",
                child.subject(),
                parent.subject()
            );
            let problem = Problem::new(Code::SignatureBroken, what)
                .fact(format!("issuer's public key {}", parent.key_fingerprint()));
            found.push(critical(material.signer.name, problem.hint(hint.as_str())));
        }
    }
    if no_path && found.is_empty() {
        let what = format!(
            "no path leads from \"{}\" in {} to a root: its issuer is \"{}\"",
            signer.subject(),
            material.signer.name,
            signer.issuer()
        );
        let mut problem = Problem::new(Code::PathBroken, what);
        for (_, root) in material.roots.certificates().take(5) {
            problem = problem.fact(format!("{} holds \"{}\"", material.roots.name, root.subject()));
        }
        found.push(critical(material.signer.name, problem.hint(hint.as_str())));
    }
    let path = material.path();
    for (child, parent) in path.iter().zip(path.iter().skip(1)) {
        let (inner, outer) = (child.validity(), parent.validity());
        if outer.encloses(inner) {
            continue;
        }
        let window = |validity: crate::pki::validity::Validity| {
            format!("{} to {}", utc(validity.not_before()), utc(validity.not_after()))
        };
        let what = format!(
            "\"{}\" is valid from {}, its issuer \"{}\" only from {}",
            child.subject(),
            window(inner),
            parent.subject(),
            window(outer)
        );
        let file = if child == signer { material.signer.name } else { material.chain.name };
        found.push(warning(file, Problem::new(Code::OutlivesIssuer, what).hint(hint.as_str())));
    }
    found
}

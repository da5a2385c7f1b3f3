//! The certificates of a set, each once, with the part that it plays; and the shape of a finding about one.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::mesh::consumers::material::Material;
use crate::pki::certificate::Certificate;
use crate::problem::{Finding, Problem, Severity};

/// One certificate and what it is in this set.
pub(super) struct Part {
    pub(super) certificate: Rc<Certificate>,
    /// The file in which it was found first.
    pub(super) file: &'static str,
    pub(super) role: Role,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// It signs workload certificates; no root.
    Signer,
    /// It stands between signer and root.
    Issuing,
    /// The path ends here.
    Anchor,
    /// Another certificate of the root file.
    OtherRoot,
    /// Anything else.
    Stranger,
}

impl Part {
    pub(super) const fn is_on_path(&self) -> bool {
        matches!(self.role, Role::Signer | Role::Issuing | Role::Anchor)
    }
}

/// The path first, then the other roots, then strangers.
pub(super) fn parts(material: &Material<'_>) -> Vec<Part> {
    let mut seen: BTreeSet<Vec<u8>> = BTreeSet::new();
    let mut parts = Vec::new();
    let path = material.path();
    let mut add = |certificate: &Rc<Certificate>, file: &'static str, role: Role| {
        if seen.insert(certificate.der().to_vec()) {
            parts.push(Part { certificate: Rc::clone(certificate), file, role });
        }
    };
    for (index, certificate) in path.iter().enumerate() {
        let (file, role) = match index {
            _ if index + 1 == path.len() => (material.roots.name, Role::Anchor),
            0 => (material.signer.name, Role::Signer),
            _ => (material.chain.name, Role::Issuing),
        };
        add(certificate, file, role);
    }
    if let Some(signer) = material.signer_certificate() {
        add(signer, material.signer.name, Role::Signer);
    }
    for (_, certificate) in material.roots.certificates() {
        add(certificate, material.roots.name, Role::OtherRoot);
    }
    for document in [&material.signer, &material.chain] {
        for (_, certificate) in document.certificates() {
            add(certificate, document.name, Role::Stranger);
        }
    }
    parts
}

pub(super) fn critical(place: &str, problem: Problem) -> Finding {
    Finding { severity: Severity::Critical, place: place.to_owned(), problem }
}

pub(super) fn warning(place: &str, problem: Problem) -> Finding {
    Finding { severity: Severity::Warning, place: place.to_owned(), problem }
}

pub(super) fn graded(is_critical: bool, place: &str, problem: Problem) -> Finding {
    if is_critical { critical(place, problem) } else { warning(place, problem) }
}

/// The command that shows a file's first certificate.
pub(super) fn look_at(file: &str) -> String {
    format!("openssl x509 -in {file} -noout -text")
}

//! Name constraints of the path.

use crate::mesh::checks::parts::{critical, look_at, warning};
use crate::mesh::consumers::go_path::forbidden;
use crate::mesh::consumers::material::Material;
use crate::problem::{Code, Finding, Problem};

pub(super) fn check(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let path = material.path();
    let istiod = material.circumstances.istiod_names();
    for (index, cert) in path.iter().enumerate() {
        let Some(constraints) = &cert.extensions().name_constraints else { continue };
        let file = match index {
            _ if index + 1 == path.len() => material.roots.name,
            0 => material.signer.name,
            _ => material.chain.name,
        };
        let subject = cert.subject();
        let hint = look_at(file);
        if let Some(name) = forbidden(constraints, istiod.iter()) {
            let what = format!(
                "{file}: the DNS constraints of \"{subject}\" do not permit istiod's name {name}: istio-agent refuses istiod"
            );
            let problem = Problem::new(Code::NameConstraintShutsOutIstiod, what).fact(format!(
                "permitted [{}], excluded [{}]",
                constraints.permitted_dns.join(", "),
                constraints.excluded_dns.join(", ")
            ));
            found.push(critical(file, problem.hint(hint.as_str())));
        }
        for below in path.iter().take(index) {
            if let Some(name) = forbidden(constraints, below.extensions().dns_names.iter()) {
                let what = format!(
                    "{file}: the DNS constraints of \"{subject}\" do not permit the name {name} of \"{}\" below it",
                    below.subject()
                );
                found.push(critical(file, Problem::new(Code::NameConstraintViolated, what).hint(hint.as_str())));
            }
        }
        if constraints.uris {
            let what = format!(
                "{file}: \"{subject}\" constrains URI names: rustls-webpki refuses every workload certificate, and with it ambient mode"
            );
            found.push(warning(file, Problem::new(Code::UriNameConstraint, what).hint(hint.as_str())));
        }
        if constraints.directory_names {
            let what = format!("{file}: \"{subject}\" constrains directory names: Go and rustls-webpki refuse it");
            found.push(critical(file, Problem::new(Code::DirectoryNameConstraint, what).hint(hint.as_str())));
        }
    }
    found
}

//! Name constraints of the path.

use crate::mesh::checks::parts::{critical, graded, look_at};
use crate::mesh::consumers::envoy::shuts_out_uri;
use crate::mesh::consumers::go_path::forbidden;
use crate::mesh::consumers::material::Material;
use crate::pki::certificate::Certificate;
use crate::pki::extensions::NameConstraints;
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
        found.extend(uris(constraints, cert, file, material.circumstances.trust_domain));
        if constraints.directory_names {
            let (who, is_critical) = if constraints.critical {
                ("Go and rustls-webpki refuse it", true)
            } else {
                (
                    "Go passes over it, and rustls-webpki refuses every workload certificate, and with it ambient mode",
                    false,
                )
            };
            let what = format!("{file}: \"{subject}\" constrains directory names: {who}");
            found.push(graded(
                is_critical,
                file,
                Problem::new(Code::DirectoryNameConstraint, what).hint(hint.as_str()),
            ));
        }
    }
    found
}

fn uris(constraints: &NameConstraints, cert: &Certificate, file: &str, trust_domain: &str) -> Option<Finding> {
    if !constraints.has_uris() {
        return None;
    }
    let shut_out = shuts_out_uri(constraints, std::iter::once(trust_domain));
    let who = if shut_out {
        "Envoy and rustls-webpki refuse every workload certificate"
    } else {
        "rustls-webpki refuses every workload certificate, and with it ambient mode"
    };
    let subject = cert.subject();
    let what = format!("{file}: \"{subject}\" constrains URI names: {who} of the trust domain {trust_domain}");
    let problem = Problem::new(Code::UriNameConstraint, what).fact(format!(
        "permitted [{}], excluded [{}]",
        constraints.permitted_uris.join(", "),
        constraints.excluded_uris.join(", ")
    ));
    Some(graded(shut_out, file, problem.hint(look_at(file))))
}

//! The chain file, which istiod appends to every certificate that it signs.

use std::collections::BTreeSet;
use std::rc::Rc;

use crate::mesh::checks::parts::{critical, graded, warning};
use crate::mesh::consumers::material::Material;
use crate::mesh::secret_files::Form;
use crate::pki::certificate::Certificate;
use crate::pki::moment::utc;
use crate::problem::{Code, Finding, Problem};

pub(super) fn check(material: &Material<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let name = material.chain.name;
    let Some(signer) = material.signer_certificate() else { return found };
    if material.chain.bytes.is_none() {
        return found;
    }
    let chain: Vec<&Rc<Certificate>> = material.chain.certificates().map(|(_, certificate)| certificate).collect();
    let hint = format!("put together signer, then its issuers: cat {} ISSUING > {name}", material.signer.name);
    if chain.is_empty() {
        if !material.signer_is_root() || !material.chain.bytes().is_empty() {
            let what = format!(
                "{name} holds no certificate in {} bytes; workloads must present \"{}\"",
                material.chain.bytes().len(),
                signer.subject()
            );
            found.push(critical(name, Problem::new(Code::ChainEmpty, what).hint(hint)));
        }
        return found;
    }
    if !material.signer_is_root() && !chain.contains(&signer) {
        let first = chain.first().map(|first| first.subject().to_string()).unwrap_or_default();
        let what = format!(
            "{name} starts with \"{first}\" and lacks the signer \"{}\": Envoy refuses every peer",
            signer.subject()
        );
        found.push(critical(name, Problem::new(Code::ChainLacksSigner, what).hint(hint.as_str())));
    }
    if let Some(first) = chain.first()
        && *first != signer
        && first.not_after() < material.now
    {
        let what = format!(
            "{name} starts with \"{}\", which ended {}: istiod exits at its next start",
            first.subject(),
            utc(first.not_after())
        );
        found.push(critical(name, Problem::new(Code::ChainFirstExpired, what).hint(hint.as_str())));
    }
    if has_repeats(&chain) && material.form == Form::Istio {
        let what = format!("{name} holds a certificate more than once, among {} certificates", chain.len());
        found.push(warning(name, Problem::new(Code::ChainRepeatsCertificate, what).hint(hint.as_str())));
    }
    // Other paths may be as good; a certificate is foreign only if it is on none. Where there is no path, none can be told.
    let on_a_path = |cert: &Certificate| material.lineage.paths.iter().flatten().any(|known| **known == *cert);
    let roots = material.roots.pool();
    let roots: BTreeSet<&[u8]> = roots.iter().map(|root| root.der()).collect();
    let has_path = !material.lineage.paths.is_empty();
    for cert in chain.iter().filter(|cert| has_path && !on_a_path(cert) && **cert != signer) {
        if material.form == Form::Tls && roots.contains(cert.der()) {
            continue;
        }
        let what = format!(
            "{name} holds \"{}\", which is not on the path from \"{}\" to a root",
            cert.subject(),
            signer.subject()
        );
        found.push(graded(false, name, Problem::new(Code::ChainForeignCertificate, what).hint(hint.as_str())));
    }
    if is_out_of_order(material.path(), &chain) {
        let what = format!(
            "{name} is not in the order signer first, root last: it starts with \"{}\"",
            chain.first().map(|first| first.subject().to_string()).unwrap_or_default()
        );
        let problem = Problem::new(Code::ChainOrder, what)
            .fact("istiod's expiry metric and its check at start read the first certificate only");
        found.push(warning(name, problem.hint(hint)));
    }
    found
}

fn has_repeats(chain: &[&Rc<Certificate>]) -> bool {
    let distinct: BTreeSet<&[u8]> = chain.iter().map(|certificate| certificate.der()).collect();
    distinct.len() < chain.len()
}

fn is_out_of_order(path: &[Rc<Certificate>], chain: &[&Rc<Certificate>]) -> bool {
    let places: Vec<usize> = chain.iter().filter_map(|cert| path.iter().position(|known| known == *cert)).collect();
    let strangers_first = chain.first().is_some_and(|first| path.len() > 1 && path.first() != Some(*first));
    places.windows(2).any(|pair| matches!(pair, [one, next] if one > next)) || strangers_first && places.contains(&0)
}

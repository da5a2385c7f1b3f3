//! The judgement of one `cacerts` set: what is wrong with it, and what each of its consumers would do.

use serde::Serialize;
use time::OffsetDateTime;

use crate::mesh::checks::{
    authorities, chain, crl, dates, identifiers, key, keys_and_serials, name_constraints, path, pem_text, reload,
    repeats, roots, which_files,
};
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::verdict::{IstiodVerdicts, Predictions};
use crate::mesh::consumers::{agent, envoy, istiod_reload, istiod_start, webpki};
use crate::mesh::secret_files::SecretFiles;
use crate::problem::Finding;

/// What is to be said about one set.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What is wrong, in the order of the checks; one finding of a kind for each file, and at most 200.
    pub findings: Vec<Finding>,
    /// What each consumer would do.
    pub predictions: Predictions,
    /// What could not be looked at or is not told, and why: a verdict that depends on it leaves it out.
    pub not_judged: Vec<String>,
}

/// One check by name: a small function from what was read to what is wrong.
#[derive(Clone, Copy, Serialize)]
pub struct Check {
    /// Its name, for `--explain` and for tests.
    pub name: &'static str,
    #[serde(skip)]
    run: fn(&Material<'_>) -> Vec<Finding>,
}

/// All checks, in the order in which their findings are shown.
pub const CHECKS: &[Check] = &[
    Check { name: "the files that must be there", run: which_files::presence },
    Check { name: "files that should not be there", run: which_files::surplus },
    Check { name: "PEM text", run: pem_text::damage },
    Check { name: "blocks in public files", run: pem_text::blocks },
    Check { name: "private keys in other files", run: pem_text::private_keys },
    Check { name: "the signer's key", run: key::check },
    Check { name: "keys of certificates", run: keys_and_serials::keys },
    Check { name: "signature digests", run: keys_and_serials::digests },
    Check { name: "serial numbers", run: keys_and_serials::serials },
    Check { name: "what makes a CA", run: authorities::authority },
    Check { name: "key usage", run: authorities::key_usage },
    Check { name: "extended key usage", run: authorities::extended_key_usage },
    Check { name: "critical extensions", run: authorities::critical_extensions },
    Check { name: "path lengths", run: authorities::path_lengths },
    Check { name: "key identifiers", run: identifiers::check },
    Check { name: "name constraints", run: name_constraints::check },
    Check { name: "the path from signer to root", run: path::check },
    Check { name: "the chain file", run: chain::check },
    Check { name: "the roots", run: roots::check },
    Check { name: "dates", run: dates::check },
    Check { name: "revocation lists", run: crl::check },
];

/// Judges a set at a moment.
///
/// The findings follow Istio's sources and meshca's own rules; the predictions follow what istiod (1.32-dev of August
/// 2026), istio-agent, Envoy 1.40 and rustls-webpki 0.103 do. Not judged: whether the roots are the ones that the mesh
/// should trust, and anything of other clusters.
#[must_use]
pub fn judge(files: &SecretFiles, circumstances: &Circumstances<'_>, now: OffsetDateTime) -> Judgement {
    let material = Material::gather(files, circumstances, now);
    let predictions = Predictions {
        istiod: IstiodVerdicts { start: istiod_start::verdict(&material), reload: istiod_reload::verdict(&material) },
        agent: agent::verdict(&material),
        envoy: envoy::verdict(&material),
        webpki: webpki::verdict(&material),
    };
    let mut findings: Vec<Finding> = CHECKS.iter().flat_map(|check| (check.run)(&material)).collect();
    findings.extend(reload::check(&material, &predictions));
    let (findings, untold) = repeats::told_once(findings);
    let mut not_judged = not_judged(&material);
    if untold > 0 {
        not_judged.push(format!("{untold} more findings are not told: none of them is worse than those that are"));
    }
    Judgement { findings, predictions, not_judged }
}

fn not_judged(material: &Material<'_>) -> Vec<String> {
    let mut left_out = Vec::new();
    if material.key.is_none() && material.circumstances.key_withheld {
        let name = material.key_name;
        left_out.push(format!("{name} was not given: whether it can be read and belongs to {}", material.signer.name));
    }
    for (child, parent) in &material.lineage.not_judged {
        left_out.push(format!(
            "whether \"{}\" ({}) signed \"{}\": signatures of this kind are not verified here",
            parent.subject(),
            parent.public_key().title(),
            child.subject()
        ));
    }
    if material.lineage.cut_short {
        left_out.push("further paths from the signer to a root: there are too many".to_owned());
    }
    for document in [&material.signer, &material.chain, &material.roots] {
        if document.text.is_err() {
            left_out.push(format!("{}: it is too large, and counts as empty", document.name));
        }
    }
    left_out
}

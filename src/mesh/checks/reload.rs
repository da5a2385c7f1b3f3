//! What follows from the predictions of istiod taken together.

use crate::mesh::checks::parts::critical;
use crate::mesh::consumers::istiod_reload::roots_refusal;
use crate::mesh::consumers::material::Material;
use crate::mesh::consumers::verdict::{Outcome, Predictions};
use crate::problem::{Code, Finding, Problem};

pub(super) fn check(material: &Material<'_>, predictions: &Predictions) -> Vec<Finding> {
    let name = material.roots.name;
    let mut found = Vec::new();
    let istiod = &predictions.istiod;
    // Without the loaded set it is not known whether an istiod runs there at all.
    let who = match material.circumstances.loaded {
        Some(_) => "istiod would",
        None => "if istiod is running, it would",
    };
    if let Some(why) = roots_refusal(material) {
        let what = format!("istiod would drop the whole update, the new signer included: {why}");
        let problem = Problem::new(Code::ReloadDropped, what)
            .fact(format!("{name} has {} bytes that are not those that are loaded", material.roots.bytes().len()));
        found.push(critical(name, problem.hint("kubectl rollout restart deployment/istiod -n istio-system")));
    }
    if istiod.reload.outcome == Outcome::HalfApplies {
        let what = format!("{who} take a part of this update only: {}", istiod.reload.reason);
        found.push(critical(
            material.chain.name,
            Problem::new(Code::ReloadHalfApplied, what).hint("do not publish this set"),
        ));
    }
    let taken = matches!(istiod.reload.outcome, Outcome::Accepts | Outcome::HalfApplies);
    if taken && istiod.start.outcome == Outcome::Refuses {
        let what = format!("{who} take this set live, and exit at its next start: {}", istiod.start.reason);
        found.push(critical(
            material.signer.name,
            Problem::new(Code::FatalAtNextStart, what).hint("do not publish this set"),
        ));
    }
    found
}

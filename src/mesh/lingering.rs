//! Replicas of istiod that still have a root which meshca has removed, after the walk of an adoption has ended: of a root
//! that a cluster came with, nothing but its fingerprint is known once no set and no ConfigMap holds it, so that no walk
//! would look for it any more.

use crate::mesh::evidence::{Evidence, bundled_at, loaded_at, mark_of};
use crate::mesh::fleet::{Access, Cluster};
use crate::mesh::observed::{Observed, Replica, Way};
use crate::pki::moment::utc;

/// That a replica still has what was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mesh) struct Lingering {
    /// What, and what helps.
    pub(in crate::mesh) why: String,
    /// Whether meshca may restart it, and has not done so since.
    pub(in crate::mesh) may_restart: bool,
}

/// The first replica of a cluster that was adopted once which still has a root that was removed; `None`: none is seen to.
pub(in crate::mesh) fn lingering(evidence: Evidence<'_>, cluster: &Cluster, observed: &Observed) -> Option<Lingering> {
    let mark = mark_of(observed)?;
    if mark.from.is_empty() || mark.removed.is_empty() || !evidence.needs_restart(cluster) {
        return None;
    }
    let changed = bundled_at(observed)?;
    let is_behind = |replica: &&Replica| replica.way == Way::Chain && loaded_at(replica).is_some_and(|at| at < changed);
    let replica = observed.replicas.iter().find(is_behind)?;
    let is_behind_api = matches!(cluster.access, Access::Kubeconfig { .. } | Access::InCluster);
    let deployment = observed.deployment.as_ref().and_then(|it| it.as_ref().ok());
    let is_left_to_us =
        deployment.is_some_and(|it| !it.names.is_empty() && it.restarted_at.is_none_or(|at| at < changed));
    Some(Lingering {
        why: format!(
            "istiod at {} was not restarted since its trust bundle lost a root {}, and has that still: kubectl rollout \
             restart deployment -l app=istiod -n {}",
            replica.name,
            utc(changed),
            cluster.namespace
        ),
        may_restart: is_behind_api && cluster.istiod.restart && is_left_to_us,
    })
}

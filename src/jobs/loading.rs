//! Waiting until istiods sign with what was published, for `publish --wait`.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::jobs::publish::Delivery;
use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::loaded::{Loaded, loaded};
use crate::mesh::observed::Observed;
use crate::world::clock::Patience;
use crate::world::targets::Targets;

/// Between two looks at the istiods that have not loaded it yet. The kubelet takes up to two minutes anyway.
const PAUSE: std::time::Duration = std::time::Duration::from_secs(1);

/// Waits until the istiods of all targets that hold what they should have loaded it, this long at most, and says with
/// each delivery how that stands.
pub fn run(mesh: &Mesh, targets: &Targets<'_>, deliveries: &mut [Delivery], within: Duration, now: OffsetDateTime) {
    let there: Vec<&Cluster> = deliveries
        .iter()
        .filter(|delivery| delivery.change.is_ok())
        .filter_map(|delivery| mesh.cluster(&delivery.cluster))
        .collect();
    let mut known = wait(mesh, targets, there, within, now);
    for delivery in deliveries {
        delivery.loaded = known.remove(&delivery.cluster);
    }
}

fn wait<'a>(
    mesh: &'a Mesh,
    targets: &Targets<'_>,
    mut waiting: Vec<&'a Cluster>,
    within: Duration,
    now: OffsetDateTime,
) -> BTreeMap<ClusterName, Loaded> {
    let within = std::time::Duration::try_from(within).unwrap_or_default();
    let patience = Patience::of(within);
    let mut known = BTreeMap::new();
    loop {
        let left = patience.left();
        let at = now + within.saturating_sub(left.unwrap_or_default());
        let seen = targets.in_parallel(&waiting, mesh.rotation.observe, |cluster| targets.observe(cluster));
        let seen = seen.into_iter().map(|observed| (observed.cluster.clone(), observed)).collect();
        let seen = targets.look_at_istiods(seen);
        for cluster in &waiting {
            if let Some(observed) = seen.get(&cluster.name) {
                known.insert(cluster.name.clone(), state(cluster, observed, at));
            }
        }
        waiting.retain(|cluster| known.get(&cluster.name).is_none_or(|it| !it.is_loaded));
        let Some(left) = left.filter(|_| waiting.iter().any(|cluster| may_come(cluster))) else { return known };
        std::thread::sleep(PAUSE.min(left));
    }
}

fn state(cluster: &Cluster, observed: &Observed, now: OffsetDateTime) -> Loaded {
    match &observed.secret {
        Ok(Some(there)) => loaded(there, observed, cluster, now),
        Ok(None) => Loaded::unknown("it has no cacerts"),
        Err(problem) => Loaded::unknown(problem.what()),
    }
}

/// Whether waiting may change anything: the mesh file says how to look, or after what time to assume.
fn may_come(cluster: &Cluster) -> bool {
    let istiod = &cluster.istiod;
    !istiod.addresses.is_empty() || !istiod.metrics.is_empty() || istiod.assume_loaded_after.is_some()
}

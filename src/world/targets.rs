//! Targets of every kind: looked at, and written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use time::OffsetDateTime;

use crate::mesh::cacerts::Cacerts;
use crate::mesh::change::Change;
use crate::mesh::fleet::{Access, Cluster, ClusterName, Mesh};
use crate::mesh::observed::Observed;
use crate::mesh::ownership::Ownership;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::{directory, manifest};

/// Looks at one target. Never fails: what could not be seen is said in what was observed.
#[must_use]
pub fn observe(cluster: &Cluster, entropy: &Entropy, now: OffsetDateTime) -> Observed {
    match &cluster.access {
        Access::Directory(folder) => directory::observe(folder, cluster, entropy, now),
        Access::Manifest(path) => manifest::observe(path, cluster, entropy, now),
        Access::Kubeconfig { .. } | Access::InCluster => {
            let problem = through_kubernetes(cluster);
            Observed {
                cluster: cluster.name.clone(),
                at: now,
                secret: Err(problem.clone()),
                system_roots: Err(problem),
                self_signed: false,
                replicas: Vec::new(),
                written_at: None,
            }
        }
    }
}

/// The values of a target's `cacerts` as they are, a private key included, for `check`; `None`: it has none.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, `too-many-values`, `secret-manifest-malformed`, `not-yet`.
pub fn values(cluster: &Cluster) -> Result<Option<BTreeMap<String, Secret>>, Problem> {
    let values = match &cluster.access {
        Access::Directory(folder) => directory::values(folder)?,
        Access::Manifest(path) => manifest::values(path)?,
        Access::Kubeconfig { .. } | Access::InCluster => return Err(through_kubernetes(cluster)),
    };
    Ok((!values.is_empty()).then_some(values))
}

/// Looks at every target of the mesh, `rotation.observe` at once.
#[must_use]
pub fn observe_all(mesh: &Mesh, entropy: &Entropy, now: OffsetDateTime) -> BTreeMap<ClusterName, Observed> {
    let seen = in_parallel(&mesh.clusters, mesh.rotation.observe, |cluster| {
        #[cfg_attr(not(feature = "k8s"), expect(unused_mut, reason = "only a build with a network looks at istiod"))]
        let mut observed = observe(cluster, entropy, now);
        #[cfg(feature = "k8s")]
        crate::world::istiod::look(cluster, mesh.rotation.deadline, &mut observed);
        observed
    });
    seen.into_iter().map(|observed| (observed.cluster.clone(), observed)).collect()
}

/// Does the same with every item, at most so many at once and no more than there are processors; results in the order
/// of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], at_once: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    // Asking for the processors reads several files, which a single item is not worth.
    let wanted = at_once.min(items.len());
    let threads = if wanted > 1 { wanted.min(std::thread::available_parallelism().map_or(1, usize::from)) } else { 1 };
    if threads == 1 {
        return items.iter().map(work).collect();
    }
    let next = AtomicUsize::new(0);
    let worker = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut results: Vec<(usize, R)> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(worker)).collect();
        // A worker that panicked hands its panic on: it is a defect, not a result.
        workers.into_iter().flat_map(|it| it.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    results.sort_by_key(|(index, _)| *index);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Writes a set to a target, if it is still what was decided on.
///
/// # Errors
/// `target-changed-meanwhile`, `file-unwritable`, `not-yet`; then the target is what it was.
pub fn write(
    cluster: &Cluster,
    set: &Cacerts,
    mark: &Ownership,
    change: &Change,
    entropy: &Entropy,
    now: OffsetDateTime,
) -> Result<(), Problem> {
    match &cluster.access {
        Access::Directory(folder) => directory::write(folder, set, mark, change, entropy, now),
        Access::Manifest(path) => manifest::write(path, cluster, set, mark, change),
        Access::Kubeconfig { .. } | Access::InCluster => Err(through_kubernetes(cluster)),
    }
}

/// Removes what a crash left in a target.
///
/// # Errors
/// `file-unwritable`, `file-unreadable`.
pub fn tidy(cluster: &Cluster) -> Result<(), Problem> {
    match &cluster.access {
        Access::Directory(folder) => directory::tidy(folder),
        Access::Manifest(path) => manifest::tidy(path),
        Access::Kubeconfig { .. } | Access::InCluster => Ok(()),
    }
}

fn through_kubernetes(cluster: &Cluster) -> Problem {
    Problem::new(
        Code::NotYet,
        format!("{} is reached through the Kubernetes API, which this version of meshca cannot do", cluster.name),
    )
    .hint("access: { manifest: PATH } and `kubectl apply --server-side`, or access: { directory: PATH }")
}

//! Targets of every kind: looked at, and written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};

use time::OffsetDateTime;

use crate::mesh::cacerts::{CA_KEY, Cacerts};
#[cfg(feature = "k8s")]
use crate::mesh::cacerts::{SECRET_NAME, SELF_SIGNED_SECRET};
use crate::mesh::change::Change;
use crate::mesh::event::Event;
use crate::mesh::fleet::{Access, Cluster, ClusterName, Mesh};
use crate::mesh::istiod_deployment::IstiodDeployment;
use crate::mesh::observed::{Observed, Owner, SecretKind, SecretSight};
use crate::mesh::ownership::Ownership;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
#[cfg(feature = "k8s")]
use crate::world::kubernetes::{self, api_servers::ApiServers};
use crate::world::terminal::Progress;
use crate::world::{directory, key_half, manifest};

/// A private key, as the value of `ca-key.pem`, and its public half.
pub type Key = (Secret, Vec<u8>);

/// The targets of a mesh, as they are reached: each observed and written by its kind of access.
#[derive(Debug)]
pub struct Targets<'a> {
    mesh: &'a Mesh,
    entropy: &'a Entropy,
    now: OffsetDateTime,
    shows_progress: bool,
    is_pretended: bool,
    #[cfg(feature = "k8s")]
    api_servers: ApiServers,
}

impl<'a> Targets<'a> {
    /// The targets of this mesh at one moment. Nothing is touched yet.
    #[must_use]
    pub fn new(mesh: &'a Mesh, entropy: &'a Entropy, now: OffsetDateTime) -> Self {
        Self {
            mesh,
            entropy,
            now,
            shows_progress: false,
            is_pretended: false,
            #[cfg(feature = "k8s")]
            api_servers: ApiServers::new(mesh.rotation.deadline),
        }
    }

    /// The same; people are shown how far it has come to look at all of them, if they want that.
    #[must_use]
    pub fn with_progress(self, wanted: bool) -> Self {
        Self { shows_progress: wanted, ..self }
    }

    /// The same at a moment that is not the present one, if so: what the clocks of API servers say has no meaning then.
    #[must_use]
    pub fn at_pretended_moment(self, is_pretended: bool) -> Self {
        Self { is_pretended, ..self }
    }

    /// How far it has come to look at so many of them, for people.
    #[must_use]
    pub fn progress(&self, total: usize) -> Progress {
        Progress::new("looking at", total, self.shows_progress)
    }

    /// Looks at one target. Never fails: what could not be seen is said in what was observed.
    #[must_use]
    pub fn observe(&self, cluster: &Cluster) -> Observed {
        let observed = match &cluster.access {
            Access::Directory(folder) => directory::observe(folder, cluster, self.entropy, self.now),
            Access::Manifest(path) => manifest::observe(path, cluster, self.entropy, self.now),
            Access::Kubeconfig { .. } | Access::InCluster => self.observe_through_kubernetes(cluster),
        };
        Observed { server_clock: observed.server_clock.filter(|_| !self.is_pretended), ..observed }
    }

    /// Looks at every target of the mesh, `rotation.observe` at once.
    #[must_use]
    pub fn observe_all(&self) -> BTreeMap<ClusterName, Observed> {
        let progress = self.progress(self.mesh.clusters.len());
        let seen = self.in_parallel(&self.mesh.clusters, self.mesh.rotation.observe, |cluster| {
            progress.step(cluster.name.as_str());
            self.observe(cluster)
        });
        drop(progress);
        self.look_at_istiods(seen.into_iter().map(|observed| (observed.cluster.clone(), observed)).collect())
    }

    /// Adds to what was observed of some targets what their istiods show, where the mesh file says how to look.
    #[must_use]
    pub fn look_at_istiods(&self, observed: BTreeMap<ClusterName, Observed>) -> BTreeMap<ClusterName, Observed> {
        #[cfg(feature = "k8s")]
        let observed = crate::world::istiod::look_at_all(self.mesh, observed);
        observed
    }

    /// Adds to what was observed of some targets what the Deployments of their istiods say, `rotation.observe` at once
    /// and one request each: for a root change. Not looked at: remotes, targets that could not be read, and those that
    /// are not reached through the Kubernetes API.
    #[must_use]
    pub fn look_at_deployments(
        &self,
        mut observed: BTreeMap<ClusterName, Observed>,
    ) -> BTreeMap<ClusterName, Observed> {
        let is_looked_at = |it: &&Observed| it.secret.is_ok();
        let clusters: Vec<&Cluster> = observed
            .values()
            .filter(is_looked_at)
            .filter_map(|it| self.mesh.cluster(&it.cluster))
            .filter(|it| it.role.has_cacerts() && is_behind_an_api_server(it))
            .collect();
        let said =
            self.in_parallel(&clusters, self.mesh.rotation.observe, |it| self.deployments_through_kubernetes(it));
        for (cluster, said) in clusters.into_iter().zip(said) {
            if let Some(observed) = observed.get_mut(&cluster.name) {
                observed.deployment = Some(said);
            }
        }
        observed
    }

    /// Restarts the istiod of a target, all its Deployments, as `kubectl rollout restart` does; the moment is the one of
    /// these targets. Whether its new replicas come up is not waited for.
    ///
    /// # Errors
    /// `istiod-not-restartable`; what an API server refuses.
    pub fn restart(&self, cluster: &Cluster) -> Result<(), Problem> {
        match &cluster.access {
            Access::Kubeconfig { .. } | Access::InCluster if cluster.role.has_cacerts() => {
                self.restart_through_kubernetes(cluster)
            }
            _ => Err(not_restartable(cluster)),
        }
    }

    /// The values of a target's `cacerts` as they are, a private key included, for `check`; `None`: it has none.
    ///
    /// # Errors
    /// `file-unreadable`, `file-too-large`, `too-many-values`, `secret-manifest-malformed`; what the way to an API
    /// server refuses.
    pub fn values(&self, cluster: &Cluster) -> Result<Option<BTreeMap<String, Secret>>, Problem> {
        let values = match &cluster.access {
            Access::Directory(folder) => directory::values(folder)?,
            Access::Manifest(path) => manifest::values(path)?,
            Access::Kubeconfig { .. } | Access::InCluster => self.values_through_kubernetes(cluster)?,
        };
        Ok((!values.is_empty()).then_some(values))
    }

    /// The private key that a target holds, as the value of `ca-key.pem`, and its public half; `None`: it holds none that
    /// istiod would read.
    ///
    /// # Errors
    /// As [`Targets::values`].
    pub fn key(&self, cluster: &Cluster) -> Result<Option<Key>, Problem> {
        let Some(mut values) = self.values(cluster)? else { return Ok(None) };
        let spki = key_half::of(&values, self.entropy);
        Ok(values.remove(CA_KEY).zip(spki))
    }

    /// The CA that istiod made for itself in a target (`istio-ca-secret`): its public view, and its key as the value of
    /// `ca-key.pem` with the public half; `None`: it has none, or is not reached through the Kubernetes API.
    ///
    /// # Errors
    /// As [`Targets::values`].
    pub fn own_ca(&self, cluster: &Cluster) -> Result<Option<(SecretSight, Option<Key>)>, Problem> {
        let values = match &cluster.access {
            Access::Directory(_) | Access::Manifest(_) => BTreeMap::new(),
            Access::Kubeconfig { .. } | Access::InCluster => self.own_ca_through_kubernetes(cluster)?,
        };
        if values.is_empty() {
            return Ok(None);
        }
        let spki = key_half::of(&values, self.entropy);
        let public = values.iter().map(|(name, value)| (name.clone(), value.expose().to_vec())).collect();
        let sight = SecretSight::new(SecretKind::Opaque, Owner::Istiod, public, spki.clone());
        Ok(Some((sight, values.get(CA_KEY).cloned().zip(spki))))
    }

    /// Writes a set to a target, if it is still what was decided on.
    ///
    /// # Errors
    /// `target-changed-meanwhile`, `file-unwritable`, what an API server refuses; then the target is what it was.
    pub fn write(&self, cluster: &Cluster, set: &Cacerts, mark: &Ownership, change: &Change) -> Result<(), Problem> {
        match &cluster.access {
            Access::Directory(folder) => directory::write(folder, set, mark, change, self.entropy, self.now),
            Access::Manifest(path) => manifest::write(path, cluster, set, mark, change),
            Access::Kubeconfig { .. } | Access::InCluster => self.write_through_kubernetes(cluster, set, mark, change),
        }
    }

    /// Tells of something where a target has a place for it: as an Event in its cluster.
    ///
    /// # Errors
    /// What an API server refuses.
    pub fn tell(&self, cluster: &Cluster, event: &Event) -> Result<(), Problem> {
        match &cluster.access {
            Access::Directory(_) | Access::Manifest(_) => Ok(()),
            Access::Kubeconfig { .. } | Access::InCluster => self.tell_through_kubernetes(cluster, event),
        }
    }

    /// Does the same with every item, at most so many at once; results in the order of the items. Where no target is
    /// reached over a network there is nothing to wait for, and no more run at once than there are processors.
    pub fn in_parallel<T: Sync, R: Send>(&self, items: &[T], at_once: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
        if self.mesh.clusters.iter().any(is_behind_an_api_server) {
            return spread(items, at_once.min(items.len()), work);
        }
        in_parallel(items, at_once, work)
    }
}

#[cfg(feature = "k8s")]
impl Targets<'_> {
    fn observe_through_kubernetes(&self, cluster: &Cluster) -> Observed {
        kubernetes::target::observe(&self.api_servers, cluster, self.mesh, self.entropy, self.now)
    }

    fn values_through_kubernetes(&self, cluster: &Cluster) -> Result<BTreeMap<String, Secret>, Problem> {
        kubernetes::target::values(&self.api_servers, cluster, SECRET_NAME)
    }

    fn own_ca_through_kubernetes(&self, cluster: &Cluster) -> Result<BTreeMap<String, Secret>, Problem> {
        kubernetes::target::values(&self.api_servers, cluster, SELF_SIGNED_SECRET)
    }

    fn deployments_through_kubernetes(&self, cluster: &Cluster) -> Result<IstiodDeployment, Problem> {
        kubernetes::rollout::look(&self.api_servers, cluster)
    }

    fn restart_through_kubernetes(&self, cluster: &Cluster) -> Result<(), Problem> {
        kubernetes::rollout::restart(&self.api_servers, cluster, self.now)
    }

    fn write_through_kubernetes(
        &self,
        cluster: &Cluster,
        set: &Cacerts,
        mark: &Ownership,
        change: &Change,
    ) -> Result<(), Problem> {
        kubernetes::target::write(&self.api_servers, cluster, set, mark, change, self.entropy)
    }

    fn tell_through_kubernetes(&self, cluster: &Cluster, event: &Event) -> Result<(), Problem> {
        kubernetes::announcement::tell(&self.api_servers, cluster, event, self.now)
    }
}

#[cfg(not(feature = "k8s"))]
impl Targets<'_> {
    fn observe_through_kubernetes(&self, cluster: &Cluster) -> Observed {
        Observed::unseen(&cluster.name, self.now, &without_kubernetes(cluster))
    }

    #[expect(clippy::unused_self, reason = "the build that speaks to API servers needs it")]
    fn values_through_kubernetes(&self, cluster: &Cluster) -> Result<BTreeMap<String, Secret>, Problem> {
        Err(without_kubernetes(cluster))
    }

    #[expect(clippy::unused_self, reason = "the build that speaks to API servers needs it")]
    fn own_ca_through_kubernetes(&self, cluster: &Cluster) -> Result<BTreeMap<String, Secret>, Problem> {
        Err(without_kubernetes(cluster))
    }

    #[expect(clippy::unused_self, reason = "the build that speaks to API servers needs it")]
    fn deployments_through_kubernetes(&self, cluster: &Cluster) -> Result<IstiodDeployment, Problem> {
        Err(without_kubernetes(cluster))
    }

    #[expect(clippy::unused_self, reason = "the build that speaks to API servers needs it")]
    fn restart_through_kubernetes(&self, cluster: &Cluster) -> Result<(), Problem> {
        Err(without_kubernetes(cluster))
    }

    #[expect(clippy::unused_self, reason = "the build that speaks to API servers needs it")]
    fn write_through_kubernetes(
        &self,
        cluster: &Cluster,
        _: &Cacerts,
        _: &Ownership,
        _: &Change,
    ) -> Result<(), Problem> {
        Err(without_kubernetes(cluster))
    }

    #[expect(clippy::unused_self, reason = "the build that speaks to API servers needs it")]
    fn tell_through_kubernetes(&self, cluster: &Cluster, _: &Event) -> Result<(), Problem> {
        Err(without_kubernetes(cluster))
    }
}

const fn is_behind_an_api_server(cluster: &Cluster) -> bool {
    matches!(cluster.access, Access::Kubeconfig { .. } | Access::InCluster)
}

fn not_restartable(cluster: &Cluster) -> Problem {
    let Cluster { name, namespace, role, .. } = cluster;
    let what = match role.has_cacerts() {
        true => format!("{name} is not reached through the Kubernetes API, so that its istiod cannot be restarted"),
        false => format!("{name} is a {}, and its istiod is that of its control plane", role.as_str()),
    };
    Problem::new(Code::IstiodNotRestartable, what)
        .hint(format!("kubectl rollout restart deployment -l app=istiod -n {namespace}   where that istiod runs"))
}

/// Does the same with every item, at most so many at once and no more than there are processors; results in the order
/// of the items.
pub fn in_parallel<T: Sync, R: Send>(items: &[T], at_once: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    // Asking for the processors reads several files, which a single item is not worth.
    let wanted = at_once.min(items.len());
    let threads = if wanted > 1 { wanted.min(std::thread::available_parallelism().map_or(1, usize::from)) } else { 1 };
    spread(items, threads, work)
}

/// Does the same with every item, on so many threads; results in the order of the items.
pub(in crate::world) fn spread<T: Sync, R: Send>(items: &[T], threads: usize, work: impl Fn(&T) -> R + Sync) -> Vec<R> {
    if threads <= 1 {
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

#[cfg(not(feature = "k8s"))]
fn without_kubernetes(cluster: &Cluster) -> Problem {
    Problem::new(
        Code::NotBuiltIn,
        format!("{} is reached through the Kubernetes API, for which this meshca was not built", cluster.name),
    )
    .hint("build it with the feature k8s, or reach the cluster by access: { manifest: PATH }")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use std::sync::{Condvar, Mutex};
    use std::time::Duration;

    /// Only a hang takes this long.
    const PATIENCE: Duration = Duration::from_secs(60);

    /// So long it is waited for one more than there should be. It decides nothing where all is well.
    const OVERRUN: Duration = Duration::from_millis(10);

    /// How many run now, and the most that ever did.
    #[derive(Default)]
    struct Crowd {
        count: Mutex<(usize, usize)>,
        grown: Condvar,
    }

    impl Crowd {
        /// One comes, waits until so many were there at once, and for one more that must not come, and goes.
        fn visit(&self, expected: usize) {
            let mut count = self.count.lock().unwrap();
            count.0 += 1;
            count.1 = count.1.max(count.0);
            self.grown.notify_all();
            let (count, late) = self.grown.wait_timeout_while(count, PATIENCE, |it| it.1 < expected).unwrap();
            assert!(!late.timed_out(), "{} at once, never {expected}", count.1);
            let (mut count, _) = self.grown.wait_timeout_while(count, OVERRUN, |it| it.1 == expected).unwrap();
            count.0 -= 1;
        }

        fn most(&self) -> usize {
            self.count.lock().unwrap().1
        }
    }

    /// The most that ran at once of twelve, where so many are allowed and so many expected.
    fn most_at_once(mesh: &Mesh, at_once: usize, expected: usize) -> usize {
        let (entropy, crowd) = (Entropy::new(), Crowd::default());
        let items: Vec<u8> = (0..12).collect();
        let targets = Targets::new(mesh, &entropy, NOW);
        let results = targets.in_parallel(&items, at_once, |item| {
            crowd.visit(expected);
            *item
        });
        assert_eq!(results, items, "each once, in their order");
        crowd.most()
    }

    #[test]
    fn as_many_targets_as_are_allowed_are_worked_on_at_once_and_never_more() {
        let mut story = Story::new();
        story.cluster("west").access = Access::Kubeconfig { path: "kubeconfig".into(), context: None };
        for at_once in [1, 2, 5] {
            assert_eq!(most_at_once(&story.mesh, at_once, at_once), at_once);
        }
        assert_eq!(most_at_once(&story.mesh, 64, 12), 12, "there are no more");
    }

    #[test]
    fn where_nothing_is_waited_for_no_more_are_worked_on_at_once_than_there_are_processors() {
        let story = Story::new();
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        for at_once in [1, 2, 64] {
            let expected = at_once.min(processors).min(12);
            assert_eq!(most_at_once(&story.mesh, at_once, expected), expected);
        }
    }
}

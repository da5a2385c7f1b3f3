//! What shows that a cluster's workloads trust a root, and that its istiod signs with what is published; with its grade,
//! and since when. A change of root goes on upon this and nothing else.
//!
//! What cannot be seen even so: a replica of istiod that the mesh file does not name. The ConfigMap is written by the one
//! that leads; the others are expected to follow within `workload.margin`.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::mesh::cacerts::CONTROL_PLANES;
use crate::mesh::fleet::{Access, Cluster, ClusterName, Istiod, Mesh, Role};
use crate::mesh::holdings::Held;
use crate::mesh::istiod_deployment::DEFAULT_MAX_WORKLOAD_TTL;
use crate::mesh::loaded::loaded;
use crate::mesh::observed::{Grade, Observed, Owner, Replica, SecretSight, Way};
use crate::mesh::walk_mark::WalkMark;
use crate::pki::certificate::Certificate;

/// Something that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) struct Shown {
    /// How well it is known.
    pub(in crate::mesh) grade: Grade,
    /// Since when at the latest, in UTC.
    pub(in crate::mesh) since: OffsetDateTime,
    /// Whether the bundle that was shown has other roots of the walk beside the wanted one.
    pub(in crate::mesh) alone: bool,
}

/// What is lacking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mesh) struct Lack {
    /// What, in words that name no cluster.
    pub(in crate::mesh) why: String,
    /// When it will be there, if nothing else happens.
    pub(in crate::mesh) by: Option<OffsetDateTime>,
}

impl Lack {
    pub(in crate::mesh) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), by: None }
    }
}

/// The bundle that is wanted: this root in it, and those no more.
#[derive(Debug, Clone, Copy)]
pub(in crate::mesh) struct Wanted<'a> {
    pub(in crate::mesh) present: &'a Certificate,
    pub(in crate::mesh) absent: &'a [Held],
    /// The other roots of the walk, which may be there or not.
    pub(in crate::mesh) others: &'a [Held],
}

impl Wanted<'_> {
    /// Whether these are such a bundle's, by whatever tells one root's from another's.
    fn is_met(&self, has: impl Fn(&Certificate) -> bool) -> bool {
        has(self.present) && !self.absent.iter().any(|held| has(&held.certificate))
    }

    /// Whether none of the other roots is among these.
    fn is_alone(&self, roots: &[Certificate]) -> bool {
        !self.others.iter().any(|held| roots.contains(&held.certificate))
    }
}

/// What evidence is read from. Moments come from outside, and may be any that there is.
#[derive(Debug, Clone, Copy)]
pub(in crate::mesh) struct Evidence<'a> {
    pub(in crate::mesh) mesh: &'a Mesh,
    pub(in crate::mesh) observed: &'a BTreeMap<ClusterName, Observed>,
    pub(in crate::mesh) now: OffsetDateTime,
}

/// How far istiod dates the beginning of its own serving certificate back.
///
/// Source: Istio, `security/pkg/pki/util/generate_cert.go`, `ClockSkewGracePeriod`.
pub(in crate::mesh) const SERVING_BACKDATE: Duration = Duration::minutes(2);

impl<'a> Evidence<'a> {
    /// How long a workload certificate of this cluster may live, with the margin on top. What the mesh file says counts
    /// only as far as istiod's own settings confirm it; behind a folder or a file there is nothing to confirm it by.
    pub(in crate::mesh) fn leaf_bound(&self, cluster: &Cluster) -> Duration {
        let believed = self.mesh.workload.max_ttl;
        let signer = self.mesh.signer_of(cluster).unwrap_or(cluster);
        let longest = match &signer.access {
            Access::Directory(_) | Access::Manifest(_) => believed,
            Access::Kubeconfig { .. } | Access::InCluster => {
                let deployment = self.observed.get(&signer.name).and_then(|it| it.deployment.as_ref()?.as_ref().ok());
                deployment
                    .and_then(|it| it.max_workload_ttl.as_ref().ok().copied()?)
                    .unwrap_or(DEFAULT_MAX_WORKLOAD_TTL)
            }
        };
        longest.max(believed) + self.mesh.workload.margin
    }

    /// Whether the cluster's workloads are shown such a bundle, and since when. Whether they have fetched it is for who
    /// asks: a workload does so when it renews its certificate.
    pub(in crate::mesh) fn bundle(&self, cluster: &Cluster, wanted: Wanted<'_>) -> Result<Shown, Lack> {
        let observed = self.observed.get(&cluster.name).ok_or_else(|| Lack::new("it was not looked at"))?;
        let is_behind_api = matches!(cluster.access, Access::Kubeconfig { .. } | Access::InCluster);
        match (&observed.system_roots, &cluster.role) {
            (Err(problem), _) => Err(Lack::new(problem.what())),
            (Ok(Some(text)), _) => self.shown(cluster, observed, text.certificates(), wanted),
            (Ok(None), Role::Remote { primary }) if is_behind_api => Err(unclaimed(cluster, observed, primary)),
            (Ok(None), _) if is_behind_api => Err(Lack::new("its workloads are shown no trust bundle")),
            // Nothing to look at: what its control plane has is what it gets.
            (Ok(None), Role::Remote { primary }) => match self.mesh.cluster(primary) {
                Some(signer) => {
                    self.bundle(signer, wanted).map_err(|it| Lack { why: format!("{primary}: {}", it.why), ..it })
                }
                None => Err(Lack::new(format!("{primary}, its primary, is not in the mesh file"))),
            },
            (Ok(None), Role::Primary | Role::External { .. }) => self.published(cluster, observed, wanted),
        }
    }

    /// By the object in which istiod hands out its bundle.
    fn shown(
        &self,
        cluster: &Cluster,
        observed: &Observed,
        roots: &[Certificate],
        wanted: Wanted<'_>,
    ) -> Result<Shown, Lack> {
        holds(roots, wanted, "its workloads are shown")?;
        let mark = mark_of(observed);
        let loaded = self.replicas_follow(cluster, observed, wanted)?;
        let changed = observed.system_roots_since.or_else(|| bundled_at(observed));
        let since = changed.ok_or_else(|| Lack::new("since when its workloads are shown that cannot be seen"))?;
        // The replica that leads writes the object; what the others hand out changed when they loaded.
        let since = loaded.map_or(since, |loaded| since.max(loaded));
        let since = mark.and_then(|mark| mark.shown_since).unwrap_or(since);
        Ok(Shown { grade: Grade::Seen, since, alone: wanted.is_alone(roots) })
    }

    /// By the published set, where its istiod shows nothing else of the bundle.
    fn published(&self, cluster: &Cluster, observed: &Observed, wanted: Wanted<'_>) -> Result<Shown, Lack> {
        let there = match &observed.secret {
            Err(problem) => return Err(Lack::new(problem.what())),
            Ok(None) => return Err(Lack::new("it has no cacerts")),
            Ok(Some(there)) => there,
        };
        let roots = there.roots();
        holds(roots, wanted, "its root-cert.pem holds")?;
        let (grade, since) = match self.replicas_follow(cluster, observed, wanted)? {
            Some(loaded) => (Grade::Seen, loaded),
            None => (Grade::Assumed, self.assumed(cluster, bundled_at(observed), true)?),
        };
        let since = mark_of(observed).and_then(|mark| mark.shown_since).unwrap_or(since);
        Ok(Shown { grade, since, alone: wanted.is_alone(roots) })
    }

    /// Whether its istiod signs with the published signer, and since when it does so under the root that this signer is
    /// under. By gauges it is not seen since when: then it is since now.
    pub(in crate::mesh) fn signer(&self, cluster: &Cluster, there: &SecretSight) -> Result<Shown, Lack> {
        let observed = self.observed.get(&cluster.name).ok_or_else(|| Lack::new("it was not looked at"))?;
        let known = loaded(there, observed, cluster, self.now);
        if !known.is_loaded {
            let by =
                observed.written_at.zip(cluster.istiod.assume_loaded_after).map(|(at, after)| at.saturating_add(after));
            return Err(Lack { why: known.why, by: by.filter(|by| *by > self.now) });
        }
        let since = match known.grade {
            Grade::Assumed => self.assumed(cluster, observed.written_at, false)?,
            _ => observed.replicas.iter().filter_map(loaded_at).max().unwrap_or(self.now),
        };
        let since = mark_of(observed).and_then(|mark| mark.signs_since).unwrap_or(since);
        Ok(Shown { grade: known.grade, since, alone: false })
    }

    /// When something may count as loaded behind a folder or a file, where nothing can be looked at.
    fn assumed(
        &self,
        cluster: &Cluster,
        changed: Option<OffsetDateTime>,
        is_bundle: bool,
    ) -> Result<OffsetDateTime, Lack> {
        let istiod = &cluster.istiod;
        if looks_somewhere(istiod) {
            return Err(Lack::new(
                "what its istiod trusts is seen at istiod.addresses only, and nothing was seen there",
            ));
        }
        if is_bundle && self.needs_restart(cluster) {
            return Err(Lack::new(
                "its istiod takes another trust bundle only at a restart, and nothing is named where that could be \
                 seen: istiod.addresses",
            ));
        }
        let changed = changed.ok_or_else(|| Lack::new("when it was written cannot be seen"))?;
        let after = istiod
            .assume_loaded_after
            .ok_or_else(|| Lack::new("nothing to look at: the mesh file names no istiod.addresses"))?;
        let loaded = changed.saturating_add(after);
        if loaded <= self.now {
            return Ok(loaded);
        }
        Err(Lack { why: "its istiod is not assumed to have loaded it yet".to_owned(), by: Some(loaded) })
    }

    /// Whether istiod takes another trust bundle only at a restart. Its own settings count before what is declared. One
    /// that began without this set does not watch it at all.
    pub(in crate::mesh) fn needs_restart(&self, cluster: &Cluster) -> bool {
        let there = self.observed.get(&cluster.name).and_then(|it| it.secret.as_ref().ok()?.as_ref());
        // It was seen to read the set before it got another signer.
        let is_unread = |there: &SecretSight| there.is_adopted() && mark_on(there).is_some_and(|mark| mark.own_ca);
        there.is_some_and(is_unread) || self.is_fixed_at_start(cluster)
    }

    fn is_fixed_at_start(&self, cluster: &Cluster) -> bool {
        let deployment = self.observed.get(&cluster.name).and_then(|it| it.deployment.as_ref()?.as_ref().ok());
        let multi_root = deployment.and_then(|it| it.multi_root).unwrap_or(cluster.istiod.multi_root);
        !multi_root || cluster.istiod.client_cert_auth
    }

    /// Whether every replica that can be seen has loaded something since the bundle changed and, where only a restart
    /// brings a bundle, offers the client CAs of the wanted one. When the last did; `None`: none can be seen.
    fn replicas_follow(
        &self,
        cluster: &Cluster,
        observed: &Observed,
        wanted: Wanted<'_>,
    ) -> Result<Option<OffsetDateTime>, Lack> {
        let mut last = None;
        for replica in observed.replicas.iter().filter(|it| it.way == Way::Chain) {
            if let Some(problem) = &replica.unseen {
                return Err(Lack::new(problem.what()));
            }
            let at = loaded_at(replica).ok_or_else(|| Lack::new(format!("istiod at {} was not seen", replica.name)))?;
            let changed = bundled_at(observed).ok_or_else(|| {
                Lack::new("when its trust bundle changed cannot be seen, nor who has loaded it since")
            })?;
            if at < changed {
                let why = format!("istiod at {} has not loaded its trust bundle since that changed", replica.name);
                return Err(Lack::new(why));
            }
            if self.needs_restart(cluster) {
                offers(replica, wanted, cluster.istiod.client_cert_auth)?;
            }
            last = last.max(Some(at));
        }
        if last.is_none() && cluster.istiod.client_cert_auth {
            return Err(Lack::new(
                "clients authenticate to its istiod by certificate, and nothing is named where it could be seen which \
                 it takes: istiod.addresses",
            ));
        }
        Ok(last)
    }
}

/// A replica's client CAs are fixed at its start: they show whether it was restarted since the bundle changed.
fn offers(replica: &Replica, wanted: Wanted<'_>, must: bool) -> Result<(), Lack> {
    let names = &replica.client_ca_names;
    if names.is_empty() && !must {
        return Ok(());
    }
    let has = |root: &Certificate| names.iter().any(|name| name == root.subject().der());
    if wanted.is_met(has) {
        return Ok(());
    }
    Err(Lack::new(format!("istiod at {} was not restarted since its trust bundle changed", replica.name)))
}

/// When a replica last loaded something, at the latest; `None`: not seen.
pub(in crate::mesh) fn loaded_at(replica: &Replica) -> Option<OffsetDateTime> {
    replica.served_since.map(|begin| begin.saturating_add(SERVING_BACKDATE))
}

/// What is noted for a walk on the set that is there, if the note belongs to it.
pub(in crate::mesh) fn mark_of(observed: &Observed) -> Option<&WalkMark> {
    observed.secret.as_ref().ok()?.as_ref().and_then(mark_on)
}

/// What is noted for a walk on this set. A note that came from another set (a hand or a backup put the values there) says
/// nothing of this one.
pub(in crate::mesh) fn mark_on(there: &SecretSight) -> Option<&WalkMark> {
    let Owner::Ours(mark) = &there.owner else { return None };
    let signer = there.signer.as_ref().ok()?;
    mark.walk.as_deref().filter(|_| signer.has_serial(&mark.serial))
}

/// When the trust bundle that is published last changed, as far as it can be told: as noted, or else when it was written.
pub(in crate::mesh) fn bundled_at(observed: &Observed) -> Option<OffsetDateTime> {
    mark_of(observed).and_then(|mark| mark.bundled_at).or(observed.written_at)
}

const fn looks_somewhere(istiod: &Istiod) -> bool {
    !istiod.addresses.is_empty() || !istiod.metrics.is_empty() || istiod.prometheus.is_some()
}

fn holds(roots: &[Certificate], wanted: Wanted<'_>, what: &str) -> Result<(), Lack> {
    if wanted.is_met(|root| roots.contains(root)) {
        return Ok(());
    }
    let named = |root: &Certificate| root.subject().common_name().unwrap_or("a root without a name").to_owned();
    let names: Vec<String> = roots.iter().map(named).collect();
    let names = if names.is_empty() { "no root".to_owned() } else { names.join(" and ") };
    Err(Lack::new(format!("{what} {names}")))
}

fn unclaimed(cluster: &Cluster, observed: &Observed, primary: &ClusterName) -> Lack {
    let named = observed.control_planes.as_deref().unwrap_or_default();
    if named.iter().any(|it| it == "*" || it == primary.as_str()) {
        return Lack::new("its workloads are shown no trust bundle");
    }
    Lack::new(format!(
        "its workloads are shown no trust bundle, since namespace {} does not name {primary} ({CONTROL_PLANES})",
        cluster.namespace
    ))
}

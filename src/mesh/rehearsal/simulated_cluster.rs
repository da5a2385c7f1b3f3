//! A cluster that exists only here: its `cacerts`, its istiod, and what can be seen of both.

use std::rc::Rc;

use time::{Duration, OffsetDateTime};

use crate::mesh::cacerts::{CERT_CHAIN, Cacerts};
use crate::mesh::fleet::{Access, Cluster, ClusterName, Role, Workload};
use crate::mesh::istiod_deployment::IstiodDeployment;
use crate::mesh::observed::{Observed, Owner, SecretKind, SecretSight};
use crate::mesh::ownership::Ownership;
use crate::mesh::rehearsal::simulated_istiod::SimulatedIstiod;
use crate::mesh::secret_files::SecretFiles;
use crate::pki::certificate_pem::CertificatePem;
use crate::pki::signing_key::SigningKey;
use crate::problem::{Code, Problem};

/// How long a kubelet takes to bring a changed Secret to istiod.
const PROJECTION: Duration = Duration::minutes(1);

/// A published set.
#[derive(Clone)]
pub(super) struct Published {
    pub(super) files: SecretFiles,
    pub(super) key: Rc<SigningKey>,
    pub(super) mark: Ownership,
    /// What can be seen of it.
    pub(super) sight: SecretSight,
    pub(super) written_at: OffsetDateTime,
}

impl Published {
    pub(super) fn new(set: &Cacerts, key: &Rc<SigningKey>, mark: Ownership, now: OffsetDateTime) -> Self {
        let files =
            set.files().iter().fold(SecretFiles::new(), |files, (name, value)| files.with(*name, value.expose()));
        Self { sight: sight(&files, key, &mark), files, key: Rc::clone(key), mark, written_at: now }
    }

    /// The same after somebody took the chain out by hand.
    pub(super) fn without_chain(&self, now: OffsetDateTime) -> Self {
        let mut files = self.files.clone();
        files.remove(CERT_CHAIN);
        Self { sight: sight(&files, &self.key, &self.mark), files, written_at: now, ..self.clone() }
    }
}

fn sight(files: &SecretFiles, key: &SigningKey, mark: &Ownership) -> SecretSight {
    let value = |name: &str| (name.to_owned(), files.get(name).unwrap_or_default().to_vec());
    let values = files.names().map(value).collect();
    SecretSight::new(SecretKind::Opaque, Owner::Ours(mark.clone()), values, Some(key.spki()))
}

/// A simulated cluster.
#[derive(Default)]
pub(super) struct SimulatedCluster {
    pub(super) published: Option<Published>,
    /// What lay there before, in its order.
    earlier: Vec<Published>,
    pub(super) istiod: SimulatedIstiod,
    /// Until when meshca cannot reach it.
    pub(super) down_until: Option<OffsetDateTime>,
    restarted_at: Option<OffsetDateTime>,
}

/// What a look at one cluster needs besides the cluster itself.
pub(super) struct View<'a> {
    pub(super) workload: Workload,
    /// The bundle that the control plane of a remote hands out, and since when.
    pub(super) from_primary: Option<(&'a ClusterName, &'a SimulatedIstiod)>,
    pub(super) now: OffsetDateTime,
}

impl SimulatedCluster {
    /// Lays a set down.
    pub(super) fn publish(&mut self, set: Published) {
        self.earlier.extend(self.published.replace(set));
    }

    /// Puts back what lay there then.
    pub(super) fn restore(&mut self, then: OffsetDateTime, now: OffsetDateTime) {
        let backup = self.earlier.iter().chain(&self.published).rfind(|set| set.written_at <= then).cloned();
        if let Some(backup) = backup {
            self.publish(Published { written_at: now, ..backup });
        }
    }

    /// Notes that its istiod was restarted as `kubectl rollout restart` does it.
    pub(super) const fn restart(&mut self, now: OffsetDateTime) {
        self.restarted_at = Some(now);
    }

    /// Whether meshca cannot reach it.
    pub(super) fn is_down(&self, now: OffsetDateTime) -> bool {
        self.down_until.is_some_and(|until| now < until)
    }

    /// How long it takes until istiod sees what was written. A fleet does not do it in one second.
    pub(super) fn projection(place: usize) -> Duration {
        PROJECTION + Duration::seconds(i64::try_from(place * 7 % 60).unwrap_or(0))
    }

    /// What meshca sees of it.
    pub(super) fn observe(&self, cluster: &Cluster, view: &View<'_>) -> Observed {
        let now = view.now;
        let name = &cluster.name;
        if self.is_down(now) {
            let problem = Problem::new(Code::TargetUnreadable, format!("{name} cannot be reached, as the script says"));
            return Observed::unseen(name, now, &problem);
        }
        let is_behind_api = matches!(cluster.access, Access::Kubeconfig { .. } | Access::InCluster);
        let (primary, hands_out) = match &cluster.role {
            Role::Remote { .. } => (view.from_primary.map(|(name, _)| name), view.from_primary.map(|(_, it)| it)),
            Role::Primary | Role::External { .. } => (None, Some(&self.istiod)),
        };
        let shown = hands_out.filter(|_| is_behind_api);
        let deployment = || IstiodDeployment {
            max_workload_ttl: Ok(Some(view.workload.max_ttl)),
            multi_root: Some(cluster.istiod.multi_root),
            restarted_at: self.restarted_at,
            names: vec!["istiod".to_owned()],
        };
        Observed {
            cluster: name.clone(),
            at: now,
            secret: Ok(self.published.as_ref().map(|set| set.sight.clone())),
            system_roots: Ok(shown.and_then(SimulatedIstiod::bundle).map(CertificatePem::from)),
            self_signed: false,
            replicas: self.istiod.replicas(cluster),
            written_at: self.published.as_ref().map(|set| set.written_at),
            control_planes: primary.map(|name| vec![name.to_string()]),
            system_roots_since: shown.and_then(|istiod| istiod.bundle_since),
            server_clock: is_behind_api.then_some(now),
            deployment: (is_behind_api && cluster.role.has_cacerts()).then(|| Ok(deployment())),
        }
    }
}

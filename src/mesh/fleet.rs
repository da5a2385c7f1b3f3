//! The declared mesh: what the mesh file says, parsed, so that a value of these types always keeps the rules.
//!
//! Paths are already joined to the folder of the mesh file. Durations are whole seconds.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::path::PathBuf;

use time::Duration;

use crate::mesh::name_list::few;
use crate::mesh::windows::Windows;
use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::key_kind::KeyKind;
use crate::problem::{Code, Problem};

/// The whole mesh file, after every rule held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mesh {
    /// The mesh's name: it stands in records and in the rows of root and issuing CA.
    pub name: String,
    /// The SPIFFE trust domain, without `spiffe://`.
    pub trust_domain: String,
    /// Whether this is a lab: `--at` may write and plaintext keys may exist.
    pub lab: bool,
    /// Where certificates and sealed keys lie.
    pub material: PathBuf,
    /// Where ledger and status go.
    pub records: Records,
    /// What the root should look like.
    pub root: RootWish,
    /// What the online issuing CA should look like; `None`: the root signs intermediates itself.
    pub issuing: Option<TierWish>,
    /// What each cluster's intermediate should look like.
    pub intermediate: TierWish,
    /// How long it takes to arrange a ceremony.
    pub lead: Duration,
    /// Whether `cert-chain.pem` ends with the root.
    pub include_root: bool,
    /// How long workload certificates live at most, and the slack on top.
    pub workload: Workload,
    /// How the unattended side works.
    pub rotation: Rotation,
    /// The roots and issuing CAs whose private key may be in other hands, each once, in the order of the file.
    pub leaked: Vec<Fingerprint>,
    /// The clusters, in the order of the file. Names are unique.
    pub clusters: ClusterList,
}

/// Where ledger and status go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Records {
    /// A folder.
    Folder(PathBuf),
    /// Standard output, as JSON lines.
    Stdout,
}

/// What a root should look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootWish {
    /// `O` of the subject. Always present: some verifiers want a non-empty organisation.
    pub organization: String,
    /// `CN` of the subject, without the generation, which is added.
    pub common_name: String,
    /// Kind of key, life and renewal.
    pub tier: TierWish,
    /// SHA-256 pins of root certificates that the unattended side may use besides endorsed ones.
    pub trusted: Vec<Fingerprint>,
}

/// Kind of key, life and renewal of one tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierWish {
    /// Kind of key.
    pub key: KeyKind,
    /// From issue to end, before it is clamped to the issuer's end.
    pub lifetime: Duration,
    /// Renewal is due when this much is left.
    pub renew_before: Duration,
}

/// Workload certificates, which istiod signs, never we.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Workload {
    /// What istiod hands out at most.
    pub max_ttl: Duration,
    /// Slack on top of it.
    pub margin: Duration,
}

/// How the unattended side works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Nothing is renewed while this is set; it is shown in the report and as a metric.
    pub paused: bool,
    /// How often `rotate` is scheduled.
    pub tick: Duration,
    /// The cluster that gets a new intermediate first.
    pub canary: Option<ClusterName>,
    /// Targets read at once.
    pub observe: usize,
    /// Targets written at once.
    pub write: usize,
    /// For one target.
    pub deadline: Duration,
    /// Renewal comes earlier by up to this much, by a stable hash of the target.
    pub jitter: Duration,
    /// When renewals and steps of a change of root may be done.
    pub windows: Windows,
    /// How long after Drain the old root is removed without being asked; `None`: only when approved.
    pub remove_after: Option<Duration>,
}

/// One cluster of the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cluster {
    /// Its name, unique in the mesh.
    pub name: ClusterName,
    /// Its network.
    pub network: Option<String>,
    /// What it is in the mesh.
    pub role: Role,
    /// The namespace of its istiod (`cacerts` lies there); of a remote, its system namespace.
    pub namespace: String,
    /// Whether it takes part.
    pub state: Membership,
    /// How it is reached.
    pub access: Access,
    /// What is known about its istiod.
    pub istiod: Istiod,
    /// The object that carries its trust bundle.
    pub trust_bundle: TrustBundle,
}

/// The name of a cluster: never empty, never `unknown`, at most 63 characters of a DNS label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClusterName(String);

impl ClusterName {
    /// The name, if it is one: a DNS-1123 label (what Istio takes as a cluster ID in a remote secret) other than
    /// `unknown`, which the alert rules in the field exclude.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let sound = is_dns_label(text) && text != "unknown";
        sound.then(|| Self(text.to_owned()))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A DNS-1123 label: 1 to 63 lower-case letters, digits and dashes, no dash at an end.
pub(crate) fn is_dns_label(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.len() <= 63 && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// A SPIFFE trust domain: its characters (SPIFFE-ID §2.1), and a length that fits into a certificate.
#[must_use]
pub fn is_trust_domain(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.len() <= 255 && text.chars().all(sound)
}

/// A label value of Kubernetes that is not empty: Istio carries mesh IDs and networks as such.
pub(crate) fn is_label_value(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    text.len() <= 63
        && text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
}

impl fmt::Display for ClusterName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a cluster is in the mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Role {
    /// Runs its own istiod and gets `cacerts`.
    Primary,
    /// Its workloads are signed by its primary's intermediate; it gets no `cacerts`.
    Remote {
        /// The primary or external control plane that serves it.
        primary: ClusterName,
    },
    /// Runs an istiod for another cluster and gets `cacerts` in that istiod's namespace.
    External {
        /// The cluster whose configuration that istiod reads.
        config_cluster: ClusterName,
    },
}

impl Role {
    /// The word in the mesh file.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Remote { .. } => "remote",
            Role::External { .. } => "external",
        }
    }

    /// Whether a cluster of this role gets `cacerts`.
    #[must_use]
    pub const fn has_cacerts(&self) -> bool {
        matches!(self, Role::Primary | Role::External { .. })
    }
}

/// Whether a cluster takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Membership {
    /// It does.
    Member,
    /// It is on its way out.
    Leaving,
    /// It is left out, and somebody said why and until when.
    Excluded {
        /// Why.
        reason: String,
        /// Until when, in UTC.
        until: time::OffsetDateTime,
    },
}

/// How a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A folder laid out as the kubelet projects a Secret.
    Directory(PathBuf),
    /// A Secret as a YAML file, for `kubectl apply --server-side`.
    Manifest(PathBuf),
    /// The Kubernetes API, by a kubeconfig.
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// The context; `None`: the current one.
        context: Option<String>,
    },
    /// The Kubernetes API, from inside the cluster.
    InCluster,
}

/// What is known about a cluster's istiod, and how it can be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Istiod {
    /// Behind a directory there is nothing to look at: count a set as loaded this long after it was written.
    pub assume_loaded_after: Option<Duration>,
    /// `host:port` where replicas can be asked for their serving chain.
    pub addresses: Vec<String>,
    /// URLs of istiod's metrics.
    pub metrics: Vec<String>,
    /// The URL of a Prometheus that has its metrics; only without `metrics`.
    pub prometheus: Option<String>,
    /// Whether istiod runs with multi-root on.
    pub multi_root: bool,
    /// Whether clients authenticate to it by certificate.
    pub client_cert_auth: bool,
    /// Whether meshca may restart it where a root change needs that.
    pub restart: bool,
}

/// The object that carries a cluster's trust bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrustBundle {
    /// A ConfigMap of the system namespace.
    ConfigMap(String),
    /// A ClusterTrustBundle.
    ClusterTrustBundle(String),
}

impl Mesh {
    /// Whether the private key to this certificate of a root or an issuing CA may be in other hands.
    #[must_use]
    pub fn is_leaked(&self, authority: &Certificate) -> bool {
        !self.leaked.is_empty() && self.leaked.contains(&authority.fingerprint())
    }

    /// The cluster of this name.
    #[must_use]
    pub fn cluster(&self, name: &ClusterName) -> Option<&Cluster> {
        self.clusters.named(name)
    }

    /// The cluster of this name, which is to be there.
    ///
    /// # Errors
    /// `unknown-cluster`.
    pub fn known_cluster(&self, name: &ClusterName) -> Result<&Cluster, Problem> {
        self.cluster(name).ok_or_else(|| {
            let known: Vec<&str> = self.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
            Problem::new(Code::UnknownCluster, format!("the mesh file has no cluster named {name}"))
                .fact(format!("it has  {}", few(&known)))
                .hint("name one that is there, or add it to the mesh file")
        })
    }

    /// The clusters of these names, which all get `cacerts`; each once, however often it is named: what is done to two
    /// targets at the same time must not be done to one.
    ///
    /// # Errors
    /// `unknown-cluster`, `remote-gets-no-cacerts`.
    pub fn signing_clusters(&self, names: &[ClusterName]) -> Result<Vec<&Cluster>, Problem> {
        let mut seen = BTreeSet::new();
        names.iter().filter(|name| seen.insert(*name)).map(|name| self.signing_cluster(name)).collect()
    }

    /// The cluster of this name, if it is one that gets `cacerts`.
    ///
    /// # Errors
    /// `unknown-cluster`, `remote-gets-no-cacerts`.
    pub fn signing_cluster(&self, name: &ClusterName) -> Result<&Cluster, Problem> {
        let cluster = self.known_cluster(name)?;
        if cluster.role.has_cacerts() {
            return Ok(cluster);
        }
        Err(Problem::new(
            Code::RemoteGetsNoCacerts,
            format!(
                "{name} is a {}: its workloads are signed by its control plane's intermediate",
                cluster.role.as_str()
            ),
        )
        .hint("leave it out; a needless copy of a signing key is a risk"))
    }

    /// The cluster whose intermediate signs the workloads of this one: itself, or the control plane it names.
    #[must_use]
    pub fn signer_of<'a>(&'a self, cluster: &'a Cluster) -> Option<&'a Cluster> {
        match &cluster.role {
            Role::Primary | Role::External { .. } => Some(cluster),
            Role::Remote { primary } => self.cluster(primary),
        }
    }
}

/// The clusters, in the order of the file.
#[derive(Debug, Clone)]
pub struct ClusterList {
    all: Vec<Cluster>,
    /// Their places, in the order of their names.
    by_name: Vec<usize>,
}

impl ClusterList {
    /// The cluster of this name; of two, either.
    #[must_use]
    pub fn named(&self, name: &ClusterName) -> Option<&Cluster> {
        let at = |place: &usize| self.all.get(*place);
        let found = self.by_name.binary_search_by(|place| at(place).map(|it| &it.name).cmp(&Some(name)));
        // Somebody may have changed names since; then the places tell nothing.
        let known = found.ok().and_then(|found| self.by_name.get(found)).and_then(at);
        known.or_else(|| self.all.iter().find(|it| it.name == *name))
    }
}

impl From<Vec<Cluster>> for ClusterList {
    fn from(all: Vec<Cluster>) -> Self {
        let mut by_name: Vec<usize> = (0..all.len()).collect();
        by_name.sort_by_key(|place| all.get(*place).map(|it| &it.name));
        Self { all, by_name }
    }
}

impl FromIterator<Cluster> for ClusterList {
    fn from_iter<I: IntoIterator<Item = Cluster>>(clusters: I) -> Self {
        clusters.into_iter().collect::<Vec<_>>().into()
    }
}

impl Deref for ClusterList {
    type Target = [Cluster];

    fn deref(&self) -> &[Cluster] {
        &self.all
    }
}

impl DerefMut for ClusterList {
    fn deref_mut(&mut self) -> &mut [Cluster] {
        &mut self.all
    }
}

impl PartialEq for ClusterList {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for ClusterList {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{cluster, name};

    #[test]
    fn each_is_found_by_its_name_and_the_order_stays() {
        let mut list = ClusterList::from(["b", "c", "a"].map(|it| cluster(it, Role::Primary)).to_vec());
        assert_eq!(list.iter().map(|it| it.name.as_str()).collect::<Vec<_>>(), ["b", "c", "a"]);
        for text in ["a", "b", "c"] {
            assert_eq!(list.named(&name(text)).map(|it| it.name.as_str()), Some(text));
        }
        assert_eq!(list.named(&name("d")), None);
        list[0].name = name("d");
        assert_eq!(list.named(&name("d")), Some(&list[0]), "though its name came later");
        assert_eq!(list.named(&name("b")), None);
    }
}

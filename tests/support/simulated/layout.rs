//! What does not change while a simulation runs: the mesh file, what the material folder holds, and how each cluster is
//! reached and looked at.

use meshca::mesh::fleet::{
    Access, Cluster, ClusterName, Istiod, Membership, Mesh, Records, Role, RootWish, Rotation, TierWish, TrustBundle,
    Workload,
};
use meshca::mesh::holdings::{Held, Holdings};
use meshca::pki::endorsement::Endorsement;
use meshca::pki::key_kind::KeyKind;
use meshca::pki::validity::Validity;
use ring::rand::SystemRandom;
use time::Duration;

use super::ages::Age;
use super::pool::{Made, Pool, START, Signer};

/// How long a workload certificate lives, in seconds.
pub(crate) const TTL: Age = 24 * 3600;

/// How long it may take until a set behind a folder is loaded, in seconds.
pub(crate) const ASSUMED: Age = 600;

/// How a cluster is reached, and by what meshca learns what its istiod has loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eyes {
    /// An API server, and a handshake with each replica.
    Chain,
    /// An API server, and the gauges of each replica.
    Gauges,
    /// A folder, and a handshake with each replica.
    FolderAndChain,
    /// A folder, and nothing but time.
    Folder,
}

impl Eyes {
    pub(crate) const fn is_behind_api(self) -> bool {
        matches!(self, Eyes::Chain | Eyes::Gauges)
    }
}

/// One cluster with an istiod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) eyes: Eyes,
    pub(crate) replicas: u8,
    pub(crate) multi_root: bool,
    pub(crate) client_cert_auth: bool,
    /// Whether meshca may restart istiod.
    pub(crate) restart: bool,
    /// Whether istiod began without a set, on a CA of its own: it reads one only from its next start on.
    pub(crate) own_ca: bool,
}

impl Site {
    pub(crate) const fn new(eyes: Eyes) -> Self {
        Self { eyes, replicas: 1, multi_root: true, client_cert_auth: false, restart: false, own_ca: false }
    }

    /// Whether istiod takes another trust bundle only at a restart.
    pub(crate) const fn needs_restart(self) -> bool {
        !self.multi_root || self.client_cert_auth
    }
}

/// The fixed part of a simulation.
pub(crate) struct Layout {
    pub(crate) mesh: Mesh,
    pub(crate) holdings: Holdings,
    pub(crate) pool: Pool,
    pub(crate) sites: Vec<Site>,
    /// Of each remote, the place of its primary.
    pub(crate) remotes: Vec<u8>,
    /// How many roots, the first ones, are not ours: adopted clusters came with them.
    pub(crate) foreign: u8,
    /// Of each primary, the root that it begins with.
    pub(crate) begins: Vec<u8>,
    /// How many seconds what was signed before may live, as the planner reckons it: it is told one second more than the
    /// truth, so that one second of difference shows.
    pub(crate) bound: Age,
}

impl Layout {
    /// A mesh of these primaries and remotes, with this many roots, of which each endorses the next.
    pub(crate) fn new(sites: Vec<Site>, remotes: Vec<u8>, roots: u8) -> Self {
        let begins = vec![1; sites.len()];
        Self::beginning(sites, remotes, 0, begins, roots)
    }

    /// A mesh of which some primaries were adopted a moment ago. The first `foreign` roots are not ours; the next one is our
    /// founding root. `begins` says of each primary with which of them it begins.
    pub(crate) fn adopted(sites: Vec<Site>, remotes: Vec<u8>, foreign: u8, begins: Vec<u8>) -> Self {
        Self::beginning(sites, remotes, foreign, begins, foreign + 1)
    }

    fn beginning(sites: Vec<Site>, remotes: Vec<u8>, foreign: u8, begins: Vec<u8>, roots: u8) -> Self {
        let pool = Pool::new(roots);
        let (own_roots, own_issuing) = (&pool.roots[usize::from(foreign)..], &pool.issuing[usize::from(foreign)..]);
        let clusters = clusters(&sites, &remotes);
        let held = |made: &[Made]| -> Vec<Held> {
            let numbered = (1..).zip(made);
            numbered.map(|(generation, made)| Held { generation, certificate: made.certificate.clone() }).collect()
        };
        let random = SystemRandom::new();
        let endorsements = own_roots.iter().zip(own_roots.iter().skip(1)).zip(2..);
        let endorsements = endorsements.map(|((by, next), generation)| {
            Endorsement::sign(&by.certificate, &by.key, &next.certificate, generation, &random).unwrap()
        });
        let holdings = Holdings {
            endorsements: endorsements.collect(),
            roots: held(own_roots),
            issuing: held(own_issuing),
            stock: Vec::new(),
        };
        let bound = TTL + 1;
        Self { mesh: mesh(clusters), holdings, pool, sites, remotes, foreign, begins, bound }
    }

    /// The window of an intermediate that is minted at the beginning. One whose renewal is due has 20 days left. No two
    /// end at the same moment, since by its gauges an istiod tells them apart by their ends alone.
    pub(crate) fn window(&self, signer: Signer) -> Validity {
        let apart =
            Duration::minutes(i64::from(signer.generation) * 64 + i64::from(signer.copy) * 8 + i64::from(signer.root));
        let left = if signer.is_due { Duration::days(20) } else { Duration::days(80) };
        Validity::new(START - Duration::days(10), START + left + apart)
    }

    /// Whether the primary at this place was adopted.
    pub(crate) fn is_adopted(&self, at: usize) -> bool {
        self.begins[at] <= self.foreign
    }

    pub(crate) fn name(&self, cluster: usize) -> &ClusterName {
        &self.mesh.clusters[cluster].name
    }

    /// The ages at which something changes by itself: what was signed before ends, or something may count as loaded.
    pub(crate) fn thresholds(&self) -> Vec<Age> {
        if self.sites.iter().any(|site| site.eyes == Eyes::Folder) {
            vec![ASSUMED, self.bound, self.bound + ASSUMED]
        } else {
            vec![self.bound]
        }
    }
}

fn clusters(sites: &[Site], remotes: &[u8]) -> Vec<Cluster> {
    let primaries = sites.iter().enumerate().map(|(at, site)| cluster(&format!("c{at}"), Role::Primary, *site));
    let remotes = remotes.iter().enumerate().map(|(at, of)| {
        let primary = ClusterName::parse(&format!("c{of}")).unwrap();
        let remote = cluster(&format!("r{at}"), Role::Remote { primary }, sites[usize::from(*of)]);
        // It has no istiod that anything could be said of.
        Cluster { istiod: Istiod::default(), ..remote }
    });
    primaries.chain(remotes).collect()
}

fn cluster(name: &str, role: Role, site: Site) -> Cluster {
    let access = if site.eyes.is_behind_api() {
        Access::Kubeconfig { path: "kubeconfig".into(), context: Some(name.to_owned()) }
    } else {
        Access::Directory(format!("clusters/{name}").into())
    };
    let each = |what: &str| (0..site.replicas).map(|at| format!("{what}{name}-{at}:15012")).collect();
    Cluster {
        name: ClusterName::parse(name).unwrap(),
        network: None,
        istiod: Istiod {
            assume_loaded_after: (site.eyes == Eyes::Folder).then(|| Duration::seconds(i64::from(ASSUMED))),
            addresses: if matches!(site.eyes, Eyes::Chain | Eyes::FolderAndChain) { each("") } else { Vec::new() },
            metrics: if site.eyes == Eyes::Gauges { each("http://") } else { Vec::new() },
            prometheus: None,
            multi_root: site.multi_root,
            client_cert_auth: site.client_cert_auth,
            restart: site.restart,
        },
        role,
        namespace: "istio-system".to_owned(),
        state: Membership::Member,
        access,
        trust_bundle: TrustBundle::ConfigMap("istio-ca-root-cert".to_owned()),
    }
}

fn wish(lifetime: i64, renew_before: i64) -> TierWish {
    let (lifetime, renew_before) = (Duration::days(lifetime), Duration::days(renew_before));
    TierWish { key: KeyKind::EcdsaP256, lifetime, renew_before }
}

fn mesh(clusters: Vec<Cluster>) -> Mesh {
    Mesh {
        name: "mesh1".to_owned(),
        trust_domain: "cluster.local".to_owned(),
        lab: false,
        material: "material".into(),
        leaked: Vec::new(),
        records: Records::Stdout,
        root: RootWish {
            organization: "Hash Foundry".to_owned(),
            common_name: "mesh1 root".to_owned(),
            tier: wish(3650, 730),
            trusted: Vec::new(),
        },
        issuing: Some(wish(3600, 120)),
        intermediate: wish(90, 30),
        lead: Duration::days(30),
        include_root: false,
        workload: Workload { max_ttl: Duration::seconds(i64::from(TTL)), margin: Duration::SECOND },
        rotation: Rotation {
            paused: false,
            tick: Duration::hours(1),
            canary: None,
            observe: 64,
            write: 4,
            deadline: Duration::seconds(30),
            jitter: Duration::ZERO,
            windows: meshca::mesh::windows::Windows::default(),
            remove_after: None,
        },
        clusters: clusters.into(),
    }
}

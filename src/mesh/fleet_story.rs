//! A small mesh for tests: real keys and certificates, made by the crate's own road.
#![expect(clippy::disallowed_methods, reason = "tests make real keys")]

use std::cell::Cell;
use std::collections::BTreeMap;

use ring::rand::SystemRandom;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use crate::mesh::cacerts::Cacerts;
use crate::mesh::fleet::{
    Access, Cluster, ClusterName, Istiod, Membership, Mesh, Records, Role, RootWish, Rotation, TierWish, TrustBundle,
    Workload,
};
use crate::mesh::holdings::{Held, Holdings, Prepared};
use crate::mesh::observed::{Observed, Owner, SecretKind, SecretSight};
use crate::mesh::ownership::Ownership;
use crate::mesh::windows::Windows;
use crate::pki::certificate::Certificate;
use crate::pki::draft::Proof;
use crate::pki::endorsement::Endorsement;
use crate::pki::key_kind::KeyKind;
use crate::pki::profile::{Draft, Subject, Tier};
use crate::pki::serial::SerialNumber;
use crate::pki::signing_key::SigningKey;
use crate::pki::validity::Validity;

/// The moment of most stories.
pub(crate) const NOW: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);

/// A certificate and its key.
pub(crate) struct Made {
    pub(crate) certificate: Certificate,
    pub(crate) key: SigningKey,
}

/// Two primaries `east` and `west`, and `far`, a remote of `east`, under one root and one issuing CA that began a month
/// before [`NOW`].
pub(crate) struct Story {
    pub(crate) mesh: Mesh,
    pub(crate) holdings: Holdings,
    pub(crate) observed: BTreeMap<ClusterName, Observed>,
    pub(crate) root: Made,
    pub(crate) issuing: Made,
    serial: Cell<u8>,
}

pub(crate) fn name(text: &str) -> ClusterName {
    ClusterName::parse(text).unwrap()
}

pub(crate) fn held(generation: u32, made: &Made) -> Held {
    Held { generation, certificate: made.certificate.clone() }
}

fn wish(lifetime: i64, renew_before: i64) -> TierWish {
    let (lifetime, renew_before) = (Duration::days(lifetime), Duration::days(renew_before));
    TierWish { key: KeyKind::EcdsaP256, lifetime, renew_before }
}

pub(crate) fn cluster(text: &str, role: Role) -> Cluster {
    Cluster {
        name: name(text),
        network: None,
        role,
        namespace: "istio-system".to_owned(),
        state: Membership::Member,
        access: Access::Directory(format!("clusters/{text}").into()),
        istiod: Istiod::default(),
        trust_bundle: TrustBundle::ConfigMap("istio-ca-root-cert".to_owned()),
    }
}

fn mesh() -> Mesh {
    Mesh {
        name: "mesh1".to_owned(),
        trust_domain: "cluster.local".to_owned(),
        lab: false,
        material: "material".into(),
        records: Records::Stdout,
        root: RootWish {
            organization: "Hash Foundry".to_owned(),
            common_name: "mesh1 root".to_owned(),
            tier: wish(3650, 730),
            trusted: Vec::new(),
        },
        issuing: Some(wish(365, 120)),
        intermediate: wish(90, 30),
        lead: Duration::days(30),
        include_root: false,
        workload: Workload { max_ttl: Duration::hours(24), margin: Duration::hours(1) },
        rotation: Rotation {
            paused: false,
            tick: Duration::hours(24),
            canary: None,
            observe: 64,
            write: 4,
            deadline: Duration::seconds(30),
            jitter: Duration::ZERO,
            windows: Windows::default(),
            remove_after: None,
        },
        leaked: Vec::new(),
        clusters: vec![
            cluster("east", Role::Primary),
            cluster("west", Role::Primary),
            cluster("far", Role::Remote { primary: name("east") }),
        ]
        .into(),
    }
}

impl Story {
    /// East and west hold a first intermediate with 71 and 80 days left.
    pub(crate) fn new() -> Self {
        let serial = Cell::new(1);
        let month = Duration::days(30);
        let window = |days| Validity::new(NOW - month, NOW - month + Duration::days(days));
        let root = mint(&serial, Tier::Root, "mesh1 root g1", window(3650), None);
        let issuing = mint(&serial, Tier::Issuing, "mesh1 issuing g1", window(365), Some(&root));
        let (roots, issuing_cas) = (vec![held(1, &root)], vec![held(1, &issuing)]);
        let holdings = Holdings { roots, issuing: issuing_cas, ..Holdings::default() };
        let mut story = Self { mesh: mesh(), holdings, observed: BTreeMap::new(), root, issuing, serial };
        story.publish("east", 1, NOW + Duration::days(71));
        story.publish("west", 1, NOW + Duration::days(80));
        story.look_at("far");
        story
    }

    /// The mesh file's cluster, to be changed.
    pub(crate) fn cluster(&mut self, text: &str) -> &mut Cluster {
        self.mesh.clusters.iter_mut().find(|cluster| cluster.name.as_str() == text).unwrap()
    }

    /// A root of its own, that began a month ago.
    pub(crate) fn other_root(&self, common_name: &str) -> Made {
        let window = Validity::new(NOW - Duration::days(30), NOW + Duration::days(3000));
        mint(&self.serial, Tier::Root, common_name, window, None)
    }

    /// A root with exactly this window.
    pub(crate) fn root_within(&self, common_name: &str, window: Validity) -> Made {
        mint(&self.serial, Tier::Root, common_name, window, None)
    }

    /// Lays down a root of this generation with its endorsement by that one.
    pub(crate) fn endorse(&mut self, by: &Made, next: &Made, generation: u32) {
        let random = SystemRandom::new();
        let made = Endorsement::sign(&by.certificate, &by.key, &next.certificate, generation, &random).unwrap();
        self.holdings.roots.push(held(generation, next));
        self.holdings.endorsements.push(made);
    }

    /// Lays down a root of this generation with its endorsement by the root of the story.
    pub(crate) fn endorse_next(&mut self, next: &Made, generation: u32) {
        let (by, random) = (&self.root, SystemRandom::new());
        let made = Endorsement::sign(&by.certificate, &by.key, &next.certificate, generation, &random).unwrap();
        self.holdings.roots.push(held(generation, next));
        self.holdings.endorsements.push(made);
    }

    /// An issuing CA under that root, with exactly this window.
    pub(crate) fn issuing_of(&self, by: &Made, common_name: &str, window: Validity) -> Made {
        mint(&self.serial, Tier::Issuing, common_name, window, Some(by))
    }

    /// Two certificates of one root, of one name and one key, that end then.
    pub(crate) fn root_issued_twice(
        &self,
        first: OffsetDateTime,
        second: OffsetDateTime,
    ) -> (Certificate, Certificate) {
        let key = SigningKey::generate(KeyKind::EcdsaP256, &SystemRandom::new()).unwrap();
        let made = |end| {
            let window = Validity::new(NOW - Duration::days(30), end);
            mint_with(&self.serial, Tier::Root, "issued twice", window, None, &key)
        };
        (made(first), made(second))
    }

    /// A certificate of the very key of the story's root, of another name.
    pub(crate) fn renamed_root(&self, common_name: &str) -> Certificate {
        let window = self.root.certificate.validity();
        mint_with(&self.serial, Tier::Root, common_name, window, None, &self.root.key)
    }

    /// An issuing CA under the root of the story.
    pub(crate) fn other_issuing(&self, common_name: &str, not_before: OffsetDateTime, end: OffsetDateTime) -> Made {
        mint(&self.serial, Tier::Issuing, common_name, Validity::new(not_before, end), Some(&self.root))
    }

    /// An intermediate under the issuing CA of the story, that began 19 days before [`NOW`], or 90 before its end.
    pub(crate) fn intermediate(&self, cluster: &str, generation: u32, end: OffsetDateTime) -> Made {
        let begin = (end - Duration::days(90)).min(NOW - Duration::days(19)).max(self.issuing_begin());
        self.intermediate_under(&self.issuing, cluster, generation, Validity::new(begin, end))
    }

    fn issuing_begin(&self) -> OffsetDateTime {
        self.issuing.certificate.validity().not_before()
    }

    /// An intermediate with exactly this window.
    pub(crate) fn intermediate_under(&self, by: &Made, cluster: &str, generation: u32, window: Validity) -> Made {
        let common_name = format!("mesh1 {cluster} g{generation}");
        mint(&self.serial, Tier::Intermediate, &common_name, window, Some(by))
    }

    /// The complete set for a cluster.
    pub(crate) fn set(&self, signer: &Made) -> Cacerts {
        let upper = [&self.issuing.certificate];
        let bundle = self.root.certificate.pem();
        Cacerts::assemble(signer.certificate.clone(), &signer.key, &upper, None, bundle.as_bytes())
    }

    /// An intermediate that ends then is what the cluster holds.
    pub(crate) fn publish(&mut self, cluster: &str, generation: u32, end: OffsetDateTime) -> Made {
        let made = self.intermediate(cluster, generation, end);
        let sight = self.sight(cluster, generation, &made);
        self.look_at(cluster).secret = Ok(Some(sight));
        made
    }

    /// What is seen where a set with this signer lies.
    pub(crate) fn sight(&self, cluster: &str, generation: u32, made: &Made) -> SecretSight {
        let set = self.set(made);
        let values = set.files().iter().map(|(file, value)| ((*file).to_owned(), value.expose().to_vec())).collect();
        let mark = Ownership::new("mesh1", &name(cluster), generation, made.certificate.serial_text());
        SecretSight::new(SecretKind::Opaque, Owner::Ours(mark), values, Some(made.key.spki()))
    }

    /// A look at a cluster that showed nothing.
    pub(crate) fn look_at(&mut self, cluster: &str) -> &mut Observed {
        let cluster = name(cluster);
        self.observed.entry(cluster.clone()).or_insert(Observed {
            cluster,
            at: NOW,
            secret: Ok(None),
            system_roots: Ok(None),
            self_signed: false,
            replicas: Vec::new(),
            written_at: None,
            control_planes: None,
            system_roots_since: None,
            server_clock: None,
            deployment: None,
        })
    }

    /// What the last look at a cluster's set showed, to be changed.
    pub(crate) fn sight_of(&mut self, cluster: &str) -> &mut SecretSight {
        self.look_at(cluster).secret.as_mut().unwrap().as_mut().unwrap()
    }

    /// Lays an intermediate in stock.
    pub(crate) fn prepare(&mut self, cluster: &str, generation: u32, made: &Made) {
        self.holdings.stock.push(Prepared {
            cluster: name(cluster),
            generation,
            signer: made.certificate.clone(),
            upper: vec![self.issuing.certificate.clone()],
            has_key: true,
        });
    }
}

fn mint(serial: &Cell<u8>, tier: Tier, common_name: &str, window: Validity, by: Option<&Made>) -> Made {
    let key = SigningKey::generate(KeyKind::EcdsaP256, &SystemRandom::new()).unwrap();
    let certificate = mint_with(serial, tier, common_name, window, by, &key);
    Made { certificate, key }
}

fn mint_with(
    serial: &Cell<u8>,
    tier: Tier,
    common_name: &str,
    window: Validity,
    by: Option<&Made>,
    key: &SigningKey,
) -> Certificate {
    serial.set(serial.get() + 1);
    let (organization, common_name) = ("Hash Foundry".to_owned(), common_name.to_owned());
    let draft = Draft {
        tier,
        subject: Subject { organization, unit: None, common_name },
        validity: window,
        serial: SerialNumber::from_random([serial.get(); 16]),
        spki: key.spki(),
    };
    let cleared = match by {
        None => draft.clear_as_root().unwrap(),
        Some(by) => draft.clear_under(&by.certificate).unwrap(),
    };
    let signer = by.map_or(key, |by| &by.key);
    cleared.sign(signer, &Proof::Signature, &SystemRandom::new()).unwrap().into_certificate()
}

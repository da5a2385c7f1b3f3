//! How long a plan takes for 50, 500 and 5,000 targets: with nothing due, and at each stage of a root change. No disk and no
//! network: this is what `rotate` does between looking and acting.
//!
//! `cargo bench --bench plans`; the meaning of its figures is in docs/PERFORMANCE.md.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so by stopping")]
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use meshca::mesh::cacerts::Cacerts;
use meshca::mesh::fleet::{Cluster, ClusterName, Mesh};
use meshca::mesh::gates::Approvals;
use meshca::mesh::holdings::{Held, Holdings};
use meshca::mesh::mesh_file;
use meshca::mesh::minting::{self, Authority, Ingredients};
use meshca::mesh::observed::{Observed, Owner, SecretKind, SecretSight};
use meshca::mesh::ownership::Ownership;
use meshca::mesh::plan;
use meshca::mesh::step::Act;
use meshca::mesh::walk_mark::WalkMark;
use meshca::pki::certificate::Certificate;
use meshca::pki::signing_key::SigningKey;
use meshca::world::entropy::Entropy;
use meshca::world::targets::in_parallel;

mod processor;

use processor::{busy, memory};

const NOW: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);
/// Longer than a workload certificate lives.
const LATER: Duration = Duration::hours(30);
const ROUNDS: usize = 9;
/// So many targets are planned for between two looks at the clock, which is not exact to the millisecond: those of one large
/// fleet, or of small ones.
const TARGETS: usize = 5_000;
/// One of so many clusters is a remote.
const REMOTES: usize = 10;

/// A root and an issuing CA under it.
struct Tree {
    root: Certificate,
    issuing: Certificate,
    issuing_key: SigningKey,
}

struct Fleet {
    mesh: Mesh,
    holdings: Holdings,
    trees: [Tree; 2],
    entropy: Entropy,
    observed: BTreeMap<ClusterName, Observed>,
}

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    println!(
        "milliseconds of processor time for one plan: the first one of a process, and the median of {ROUNDS} more; memory of \
         the process, in MiB"
    );
    for count in [50, 500, TARGETS] {
        let mut fleet = Fleet::new(count);
        fleet.measure(count, "nothing due", NOW + LATER);
        fleet.pin();
        fleet.measure(count, "Trust begins", NOW + LATER);
        fleet.act(NOW + LATER);
        fleet.measure(count, "Trust waits", NOW + LATER);
        fleet.measure(count, "Sign begins", NOW + LATER * 2);
        fleet.act(NOW + LATER * 2);
        fleet.measure(count, "Drain waits", NOW + LATER * 2);
        fleet.measure(count, "Remove begins", NOW + LATER * 3);
        fleet.act(NOW + LATER * 3);
        fleet.measure(count, "Remove waits", NOW + LATER * 3);
    }
}

impl Fleet {
    /// Every target holds its set under the first root.
    fn new(count: usize) -> Self {
        let mesh = mesh(count);
        let entropy = Entropy::new();
        let trees = [1, 2].map(|generation| tree(&mesh, &entropy, generation));
        let held = |pick: fn(&Tree) -> &Certificate| {
            (1..).zip(&trees).map(|(generation, tree)| Held { generation, certificate: pick(tree).clone() }).collect()
        };
        let holdings = Holdings { roots: held(|it| &it.root), issuing: held(|it| &it.issuing), ..Holdings::default() };
        let mut fleet = Self { mesh, holdings, trees, entropy, observed: BTreeMap::new() };
        let [first, _] = &fleet.trees;
        let bundle = first.root.pem();
        let sights = in_parallel(&fleet.mesh.clusters, usize::MAX, |cluster| {
            let sight = cluster.role.has_cacerts().then(|| fleet.sight(cluster, 0, 1, bundle.as_bytes(), None, NOW));
            (cluster.name.clone(), observed(&cluster.name, sight, NOW))
        });
        fleet.observed = sights.into_iter().collect();
        fleet
    }

    /// The second root may be used from now on.
    fn pin(&mut self) {
        self.mesh.root.trusted = self.holdings.roots.iter().map(|held| held.certificate.fingerprint()).collect();
    }

    /// What lies there after a set was minted under one of the trees.
    fn sight(
        &self,
        cluster: &Cluster,
        tree: usize,
        generation: u32,
        bundle: &[u8],
        mark: Option<WalkMark>,
        now: OffsetDateTime,
    ) -> SecretSight {
        let (mesh, entropy, tree) = (&self.mesh, &self.entropy, self.trees.get(tree).unwrap());
        let key = SigningKey::generate(mesh.intermediate.key, entropy.source()).unwrap();
        let with = Ingredients { key: &key, serial: entropy.serial().unwrap(), random: entropy.source(), now };
        let issuer = Authority { certificate: &tree.issuing, key: &tree.issuing_key };
        let signer =
            minting::intermediate(mesh, &cluster.name, generation, issuer, now, &with).unwrap().into_certificate();
        let own = Ownership::new(&mesh.name, &cluster.name, generation, signer.serial_text()).walking(mark);
        let set = minting::set(mesh, signer, &key, std::slice::from_ref(&tree.issuing), &tree.root, bundle);
        seen(&set, own, key.spki())
    }

    /// Does what is planned.
    fn act(&mut self, now: OffsetDateTime) {
        let plan = plan::next(&self.mesh, &self.holdings, &self.observed, &self.approvals(), now).unwrap();
        let acts: Vec<_> = plan.steps.into_iter().filter(|step| step.act.writes()).collect();
        let done = in_parallel(&acts, usize::MAX, |step| {
            let cluster = self.mesh.cluster(&step.cluster).unwrap();
            let before = self.observed.get(&step.cluster).unwrap().secret.as_ref().unwrap().as_ref().unwrap();
            let bundle = step.bundle.clone().unwrap();
            let sight = match step.act {
                Act::Mint { generation, .. } => self.sight(cluster, 1, generation, &bundle, step.mark.clone(), now),
                _ => {
                    let mut sight = before.clone();
                    sight.public.insert("root-cert.pem".to_owned(), bundle.into());
                    if let Owner::Ours(mark) = &mut sight.owner {
                        mark.walk = step.mark.clone().map(Box::new);
                    }
                    sight
                }
            };
            (step.cluster.clone(), observed(&step.cluster, Some(sight), now))
        });
        self.observed.extend(done);
    }

    fn approvals(&self) -> Approvals {
        Approvals {
            removal: self.holdings.roots.first().map(|held| held.certificate.fingerprint()).into_iter().collect(),
            urgent: None,
        }
    }

    fn measure(&self, count: usize, what: &str, now: OffsetDateTime) {
        // As a tick does: what it looks at comes fresh from the targets.
        let (mut took, mut steps) = (Vec::new(), 0);
        for _ in 0..=ROUNDS {
            let looks: Vec<_> = (0..TARGETS / count).map(|_| looked_at_anew(&self.observed)).collect();
            let begun = busy();
            let plans = looks.iter().map(|look| plan::next(&self.mesh, &self.holdings, look, &self.approvals(), now));
            steps =
                plans.map(|plan| plan.unwrap().steps.iter().filter(|step| step.act.writes()).count()).max().unwrap();
            took.push((busy() - begun) / 1_000_000.0 * count as f64 / TARGETS as f64);
        }
        let first = took.remove(0);
        took.sort_by(f64::total_cmp);
        let median = took.get(ROUNDS / 2).copied().unwrap();
        println!(
            "  {count:>5} targets  {what:<14} {first:>9.2} first {median:>9.2} later  {steps:>5} steps  {:>5} MiB",
            memory()
        );
    }
}

fn mesh(count: usize) -> Mesh {
    let mut text = "version: 1\nmesh: bench\nclusters:\n".to_owned();
    for number in 0..count {
        let role = if number % REMOTES == REMOTES - 1 {
            format!("remote, primary: c{:04}", number - 1)
        } else {
            "primary".to_owned()
        };
        writeln!(
            text,
            "  - {{ name: c{number:04}, network: n, role: {role}, access: {{ directory: d{number} }}, istiod: {{ assumeLoadedAfter: 0s, multiRoot: true }} }}"
        )
        .unwrap();
    }
    mesh_file::parse(&text, Path::new("mesh.yaml")).unwrap().0
}

fn tree(mesh: &Mesh, entropy: &Entropy, generation: u32) -> Tree {
    let key = || SigningKey::generate(mesh.root.tier.key, entropy.source()).unwrap();
    let (root_key, issuing_key) = (key(), key());
    let with = |key| Ingredients { key, serial: entropy.serial().unwrap(), random: entropy.source(), now: NOW };
    let root = minting::root(mesh, generation, &with(&root_key)).unwrap().into_certificate();
    let above = Authority { certificate: &root, key: &root_key };
    let issuing = minting::issuing(mesh, mesh.issuing.unwrap(), generation, above, &with(&issuing_key)).unwrap();
    Tree { root, issuing: issuing.into_certificate(), issuing_key }
}

fn seen(set: &Cacerts, mark: Ownership, spki: Vec<u8>) -> SecretSight {
    let values = set.files().iter().map(|(file, value)| ((*file).to_owned(), value.expose().to_vec())).collect();
    SecretSight::new(SecretKind::Opaque, Owner::Ours(mark), values, Some(spki))
}

/// The same sights, read from the bytes once more.
fn looked_at_anew(observed: &BTreeMap<ClusterName, Observed>) -> BTreeMap<ClusterName, Observed> {
    let anew = |observed: &Observed| {
        let mut anew = observed.clone();
        if let Ok(Some(there)) = &mut anew.secret {
            // Of the key nothing is left but its name.
            let key = [("ca-key.pem".to_owned(), Vec::new())];
            let values = there.public.iter().map(|(name, text)| (name.clone(), text.to_vec())).chain(key).collect();
            *there = SecretSight::new(there.kind.clone(), there.owner.clone(), values, there.key_spki.clone());
        }
        anew
    };
    observed.iter().map(|(name, observed)| (name.clone(), anew(observed))).collect()
}

fn observed(cluster: &ClusterName, secret: Option<SecretSight>, at: OffsetDateTime) -> Observed {
    Observed {
        cluster: cluster.clone(),
        at,
        secret: Ok(secret),
        system_roots: Ok(None),
        self_signed: false,
        replicas: Vec::new(),
        written_at: Some(at),
        control_planes: None,
        system_roots_since: None,
        server_clock: None,
        deployment: None,
    }
}

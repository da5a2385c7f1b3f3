//! Two changes of root, one after the other, with real handshakes between real workload certificates at every stage.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![expect(clippy::disallowed_methods, reason = "tests make real keys")]

#[expect(dead_code, reason = "each test crate uses only some of this")]
#[path = "support/simulated/mod.rs"]
mod simulated;
#[path = "support/simulated/workload.rs"]
mod workload;

use std::collections::{BTreeMap, BTreeSet};

use time::{Duration, OffsetDateTime};

use simulated::layout::{Eyes, Layout, Site};
use simulated::pool::{Bundle, START, Signer};
use simulated::sight::Seen;
use simulated::tick::planned;
use simulated::truth;
use simulated::world::World;
use workload::{End, Leaf, handshake};

/// A fleet, its clock, and the newest certificate that each of its intermediates ever signed for a workload.
struct Fleet {
    layout: Layout,
    world: World,
    now: OffsetDateTime,
    leafs: BTreeMap<(String, Signer), Leaf>,
    handshakes: u32,
    stages: BTreeSet<(Vec<u8>, Vec<u8>)>,
}

impl Fleet {
    fn new() -> Self {
        let site = Site { replicas: 2, ..Site::new(Eyes::Chain) };
        let layout = Layout::new(vec![site, Site::new(Eyes::Chain)], vec![0], 3);
        let world = World::new(&layout);
        let (leafs, stages) = (BTreeMap::new(), BTreeSet::new());
        Self { layout, world, now: START, leafs, handshakes: 0, stages }
    }

    /// Every cluster that has workloads, and the one whose istiod serves them.
    fn homes(&self) -> Vec<(String, usize)> {
        let primaries = (0..self.world.primaries.len()).map(|at| (format!("c{at}"), at));
        let remotes = self.layout.remotes.iter().enumerate().map(|(at, of)| (format!("r{at}"), usize::from(*of)));
        primaries.chain(remotes).collect()
    }

    /// Each istiod signs one more certificate, with what it has loaded.
    fn sign(&mut self) {
        for (name, at) in self.homes() {
            for replica in &self.world.primaries[at].replicas {
                let leaf = Leaf::new(&self.layout, replica.signer, &name, self.now);
                self.leafs.insert((name.clone(), replica.signer), leaf);
            }
        }
        self.leafs.retain(|_, leaf| leaf.validity.not_after() >= self.now);
    }

    /// Every workload of every cluster talks to every workload of every cluster, in both directions.
    fn meet(&mut self, moment: &str) {
        let mut ends: Vec<End<'_>> = Vec::new();
        for (name, at) in self.homes() {
            let bundles: BTreeSet<Bundle> = self.world.primaries[at].live_bundles().collect();
            let of_it = self.leafs.iter().filter(|((of, _), _)| *of == name);
            ends.extend(of_it.flat_map(|(_, leaf)| bundles.iter().map(move |bundle| End { leaf, bundle: *bundle })));
        }
        for client in &ends {
            for server in &ends {
                self.handshakes += 1;
                let outcome = handshake(&self.layout, *client, *server, self.now);
                assert_eq!(outcome, Ok(()), "{moment}: {} to {}", client.leaf.identity, server.leaf.identity);
            }
        }
        let alive: BTreeSet<u8> = ends.iter().map(|end| end.leaf.signer.root).collect();
        let trusted: BTreeSet<u8> = ends.iter().flat_map(|end| self.layout.pool.roots_in(end.bundle)).collect();
        self.stages.insert((alive.into_iter().collect(), trusted.into_iter().collect()));
        assert_eq!(truth::broken(&self.layout, &self.world), None, "{moment}");
    }

    fn wait(&mut self, seconds: u32) {
        self.world.wait(seconds);
        self.now += Duration::seconds(i64::from(seconds));
        self.leafs.retain(|_, leaf| leaf.validity.not_after() >= self.now);
    }

    /// One tick; after each of its writes each istiod that takes it loads it, one after the other.
    fn tick(&mut self, removal: Option<u8>) {
        for step in planned(&self.layout, &Seen::all(&self.world), removal.as_slice(), self.now) {
            self.sign();
            let cluster = usize::from(step.cluster);
            self.wait(1);
            assert!(self.world.take(step), "nobody is in the way");
            self.meet("after a write");
            for replica in 0..self.world.primaries[cluster].replicas.len() {
                self.sign();
                self.world.load(&self.layout, cluster, replica, false);
                self.sign();
                self.meet("after a load");
            }
        }
        (0..self.world.remotes.len()).for_each(|remote| self.world.sync(&self.layout, remote));
    }
}

#[test]
fn every_workload_talks_to_every_other_through_two_changes_of_root() {
    let mut fleet = Fleet::new();
    let old_is_alone = fleet.layout.pool.alone(1);
    fleet.sign();
    fleet.meet("before");
    // A tick every six hours; the last second of what was signed before a change is among the moments.
    for tick in 0..60 {
        fleet.tick(Some(if tick < 30 { 1 } else { 2 }));
        fleet.wait(6 * 3600 - 1);
        fleet.sign();
        fleet.meet("between two ticks");
        fleet.wait(1);
    }
    assert_eq!(truth::unfinished(&fleet.layout, &fleet.world, 3), None);
    let stages: Vec<(&[u8], &[u8])> = fleet.stages.iter().map(|(alive, trusted)| (&**alive, &**trusted)).collect();
    for stage in [
        (&[1][..], &[1][..]),
        (&[1], &[1, 2]),
        (&[1, 2], &[1, 2]),
        (&[2], &[1, 2]),
        // The next walk begins as soon as each istiod has let go of the first root, while workloads still trust it.
        (&[2], &[1, 2, 3]),
        (&[2], &[2, 3]),
        (&[2, 3], &[2, 3]),
        (&[3], &[2, 3]),
        (&[3], &[3]),
    ] {
        assert!(stages.contains(&stage), "nobody met while {stage:?}: {stages:?}");
    }
    assert!(fleet.handshakes > 1000, "{}", fleet.handshakes);
    // The handshakes can fail: who trusts the first root alone refuses what stands under the third.
    let leaf = Leaf::new(&fleet.layout, fleet.world.primaries[0].replicas[0].signer, "c0", fleet.now);
    let (new, old) = (fleet.world.primaries[0].map, old_is_alone);
    let refused = |client, server| {
        handshake(&fleet.layout, End { leaf: &leaf, bundle: client }, End { leaf: &leaf, bundle: server }, fleet.now)
            .is_err()
    };
    assert!(refused(old, new) && refused(new, old) && !refused(new, new));
    let end = leaf.validity.not_after();
    let at = |now| handshake(&fleet.layout, End { leaf: &leaf, bundle: new }, End { leaf: &leaf, bundle: new }, now);
    assert!(at(end).is_ok() && at(end + Duration::SECOND).is_err(), "a certificate is good in its last second");
}

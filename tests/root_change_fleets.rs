//! Root changes of fleets of every size and mixture under random schedules of faults.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![expect(clippy::disallowed_methods, reason = "tests make real keys")]

#[path = "support/simulated/ending.rs"]
mod ending;
#[expect(dead_code, reason = "each test crate uses only some of this")]
#[path = "support/simulated/model.rs"]
mod model;
#[expect(dead_code, reason = "each test crate uses only some of this")]
#[path = "support/simulated/mod.rs"]
mod simulated;
#[expect(dead_code, reason = "each test crate uses only some of this")]
#[path = "support/simulated/workload.rs"]
mod workload;

use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, TestCaseResult};
use stateright::Model;

use model::{Approves, Event, Faults, RootChange, State};
use simulated::layout::{Eyes, Layout, Site};
use simulated::pool::{Bundle, START};
use simulated::truth;
use workload::{End, Leaf, handshake};

/// After so many acts two workloads of the fleet meet in a real handshake; after each event all of them do by reckoning.
const ACTS_BETWEEN_HANDSHAKES: usize = 12;

/// One thing after another. A number is taken modulo how many there are.
#[derive(Debug, Clone, Copy)]
enum Act {
    /// A tick; this many of its steps are done before it is killed, in an order that `turn` chooses.
    Tick {
        approves: bool,
        killed_after: Option<u8>,
        turn: u8,
    },
    /// The same, with one target seen as it was before.
    Stale {
        turn: u8,
    },
    /// Every istiod loads what it takes, but those whose number this divides.
    Load {
        but: u8,
    },
    Wait,
    Almost,
    Down(u8),
    Up,
    Turn {
        back: bool,
        killed_after: Option<u8>,
    },
    Due(u8),
    Stumble(u8),
    Lose(u8),
    /// As `Tick`, with an approval of the first of several old roots only.
    TickForOne {
        killed_after: Option<u8>,
        turn: u8,
    },
    Restore,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (any::<bool>(), prop::option::weighted(0.3, 0..6_u8), any::<u8>())
            .prop_map(|(approves, killed_after, turn)| Act::Tick { approves, killed_after, turn }),
        5 => (2..12_u8).prop_map(|but| Act::Load { but }),
        3 => Just(Act::Load { but: 0 }),
        7 => Just(Act::Wait),
        1 => Just(Act::Almost),
        1 => any::<u8>().prop_map(|turn| Act::Stale { turn }),
        1 => any::<u8>().prop_map(Act::Down),
        2 => Just(Act::Up),
        1 => (any::<bool>(), prop::option::weighted(0.3, 0..3_u8))
            .prop_map(|(back, killed_after)| Act::Turn { back, killed_after }),
        1 => any::<u8>().prop_map(Act::Due),
        1 => any::<u8>().prop_map(Act::Stumble),
        1 => any::<u8>().prop_map(Act::Lose),
    ]
}

/// The same, and what happens in an adoption only.
fn act_in_adoption() -> impl Strategy<Value = Act> {
    prop_oneof![
        30 => act(),
        2 => (prop::option::weighted(0.3, 0..6_u8), any::<u8>())
            .prop_map(|(killed_after, turn)| Act::TickForOne { killed_after, turn }),
        1 => Just(Act::Restore),
    ]
}

/// A primary, and the root that it begins with, modulo how many there are. One in three of those that can be seen at an API
/// server runs on a CA that its istiod made for itself.
fn adopted_site() -> impl Strategy<Value = (Site, u8)> {
    (site(), prop::bool::weighted(0.3), any::<u8>())
        .prop_map(|(site, own_ca, root)| (Site { own_ca: own_ca && site.eyes.is_behind_api(), ..site }, root))
}

fn site() -> impl Strategy<Value = Site> {
    let eyes = prop_oneof![
        5 => Just(Eyes::Chain),
        1 => Just(Eyes::Gauges),
        1 => Just(Eyes::Folder),
        1 => Just(Eyes::FolderAndChain),
    ];
    (eyes, 1..3_u8, any::<bool>(), any::<bool>()).prop_map(|(eyes, replicas, multi_root, restart)| {
        let is_seen = matches!(eyes, Eyes::Chain | Eyes::FolderAndChain);
        Site {
            replicas: if is_seen { replicas } else { 1 },
            multi_root: multi_root || eyes == Eyes::Folder,
            restart: restart && eyes.is_behind_api(),
            ..Site::new(eyes)
        }
    })
}

struct Story {
    model: RootChange,
    state: State,
}

impl Story {
    fn new(sites: Vec<Site>, remotes: &[u8], has_canary: bool, roots: u8) -> Self {
        let primaries = sites.len();
        let remotes = remotes.iter().map(|of| u8::try_from(usize::from(*of) % primaries).unwrap()).collect();
        Self::of(Layout::new(sites, remotes, roots), has_canary)
    }

    /// Clusters that were adopted with so many roots, and some that are ours already, where `has_ours`. Which root is whose
    /// is taken modulo how many there are.
    fn adopted(sites: &[(Site, u8)], remotes: &[u8], has_canary: bool, foreign: u8, has_ours: bool) -> Self {
        let primaries = sites.len();
        let remotes = remotes.iter().map(|of| u8::try_from(usize::from(*of) % primaries).unwrap()).collect();
        let choices = foreign + u8::from(has_ours);
        let begins = sites.iter().map(|(_, root)| root % choices + 1).collect();
        let sites = sites.iter().map(|(site, _)| *site).collect();
        Self::of(Layout::adopted(sites, remotes, foreign, begins), has_canary)
    }

    fn of(mut layout: Layout, has_canary: bool) -> Self {
        layout.mesh.rotation.canary = has_canary.then(|| layout.name(0).clone());
        let plenty = u8::MAX;
        let faults = Faults {
            crashes: plenty,
            stale_reads: plenty,
            outages: plenty,
            turns: plenty,
            renewals: plenty,
            restarts: plenty,
            losses: plenty,
            close_calls: plenty,
        };
        let model = RootChange::new(layout, faults);
        let state = model.init_states().remove(0);
        Self { model, state }
    }

    /// Lets something happen, if it can.
    fn happen(&mut self, event: Event) -> TestCaseResult {
        if let Some(next) = self.model.next_state(&self.state, event) {
            self.state = next;
            prop_assert_eq!(truth::broken(&self.model.layout, &self.state.world), None, "after {:?}", event);
        }
        Ok(())
    }

    fn run(&mut self, act: Act) -> TestCaseResult {
        let world = &self.state.world;
        let (primaries, all) = (world.primaries.len(), world.primaries.len() + world.remotes.len());
        let primary = |number: u8| u8::try_from(usize::from(number) % primaries).unwrap();
        let any = |number: u8| u8::try_from(usize::from(number) % all).unwrap();
        match act {
            Act::Tick { approves, killed_after, turn } => {
                self.happen(Event::Tick {
                    approves: if approves { Approves::All } else { Approves::Nothing },
                    stale: None,
                })?;
                self.finish(killed_after, turn)
            }
            Act::Stale { turn } => {
                let stale = self.state.earlier.iter().position(Option::is_some);
                let stale = stale.map(|at| u8::try_from(at).unwrap());
                self.happen(Event::Tick { approves: Approves::All, stale })?;
                self.finish(None, turn)
            }
            Act::Load { but } => self.load(but),
            Act::Wait => self.happen(Event::Wait),
            Act::Almost => self.happen(Event::Almost),
            Act::Down(at) => self.happen(Event::Down(any(at))),
            Act::Up => (0..u8::try_from(all).unwrap()).try_for_each(|at| self.happen(Event::Up(at))),
            Act::Turn { back, killed_after } => {
                self.happen(if back { Event::TurnBack } else { Event::TurnForward })?;
                self.finish(killed_after, 0)
            }
            Act::Due(at) => self.happen(Event::Due(primary(at))),
            Act::Stumble(at) => self.happen(Event::Stumble(primary(at), 0)),
            Act::Lose(at) => self.happen(Event::Lose(primary(at))),
            Act::TickForOne { killed_after, turn } => {
                self.happen(Event::Tick { approves: Approves::One, stale: None })?;
                self.finish(killed_after, turn)
            }
            Act::Restore => (0..u8::try_from(primaries).unwrap()).try_for_each(|at| self.happen(Event::Restore(at))),
        }
    }

    /// The steps of the running tick, as many as come before it is killed. The canary's is the first.
    fn finish(&mut self, killed_after: Option<u8>, turn: u8) -> TestCaseResult {
        let mut done = 0;
        while !self.state.world.flight.is_empty() {
            if killed_after == Some(done) {
                return self.happen(Event::Crash);
            }
            let at = if done == 0 { 0 } else { usize::from(turn) % self.state.world.flight.len() };
            self.happen(Event::Write(u8::try_from(at).unwrap()))?;
            done = done.saturating_add(1);
        }
        Ok(())
    }

    fn load(&mut self, but: u8) -> TestCaseResult {
        let mut number = 0_u32;
        let mut is_left = || {
            number += 1;
            but > 0 && number.is_multiple_of(u32::from(but))
        };
        for at in 0..self.state.world.primaries.len() {
            for replica in 0..self.state.world.primaries[at].replicas.len() {
                if is_left() {
                    continue;
                }
                let (c, r) = (u8::try_from(at).unwrap(), u8::try_from(replica).unwrap());
                let world = &self.state.world;
                if world.primaries[at].replicas[replica].is_to_restart || self.model.is_for_people(world, at, replica) {
                    self.happen(Event::Restart(c, r))?;
                } else if world.lags(at, replica) && world.takes(&self.model.layout, at, replica) {
                    self.happen(Event::Load(c, r))?;
                }
            }
        }
        for remote in 0..self.state.world.remotes.len() {
            if !self.state.world.remotes[remote].is_down {
                self.happen(Event::Sync(u8::try_from(remote).unwrap()))?;
            }
        }
        Ok(())
    }

    /// Two workloads with certificates that two istiods sign now talk to each other, each with a trust bundle that one of
    /// its cluster's workloads may still have. Which ones, `turn` chooses.
    fn meet(&self, turn: usize) -> TestCaseResult {
        let (layout, primaries) = (&self.model.layout, &self.state.world.primaries);
        let (one, other) = (turn % primaries.len(), turn / primaries.len() % primaries.len());
        if layout.begins[one] != layout.begins[other] {
            return Ok(());
        }
        let leaf_of = |at: usize| {
            let replicas = &primaries[at].replicas;
            Leaf::new(layout, replicas[turn % replicas.len()].signer, &format!("c{at}"), START)
        };
        let bundle_of = |at: usize| {
            let bundles: Vec<Bundle> = primaries[at].live_bundles().collect();
            bundles[turn % bundles.len()]
        };
        let (one, other) = ((leaf_of(one), bundle_of(one)), (leaf_of(other), bundle_of(other)));
        let (one, other) = (End { leaf: &one.0, bundle: one.1 }, End { leaf: &other.0, bundle: other.1 });
        for (client, server) in [(one, other), (other, one)] {
            let outcome = handshake(layout, client, server, START);
            prop_assert_eq!(outcome, Ok(()), "{} to {}", client.leaf.identity, server.leaf.identity);
        }
        Ok(())
    }

    fn survives(mut self, acts: &[Act]) -> TestCaseResult {
        for (number, act) in acts.iter().enumerate() {
            self.run(*act)?;
            if number % ACTS_BETWEEN_HANDSHAKES == 0 {
                self.meet(number * 7 + acts.len())?;
            }
        }
        prop_assert_eq!(self.model.stuck(&self.state.world), None, "once the faults end");
        Ok(())
    }
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct("tests/root_change_fleets.regressions"))),
        max_shrink_iters: 2000,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn small_fleets_survive_long_schedules(
        sites in prop::collection::vec(site(), 1..6),
        remotes in prop::collection::vec(any::<u8>(), 0..3),
        has_canary: bool,
        acts in prop::collection::vec(act(), 0..80),
    ) {
        Story::new(sites, &remotes, has_canary, 2).survives(&acts)?;
    }

    #[test]
    fn two_walks_in_a_row_survive_long_schedules(
        sites in prop::collection::vec(site(), 1..5),
        remotes in prop::collection::vec(any::<u8>(), 0..3),
        acts in prop::collection::vec(act(), 0..80),
    ) {
        Story::new(sites, &remotes, false, 3).survives(&acts)?;
    }

    #[test]
    fn adopted_fleets_survive_long_schedules(
        sites in prop::collection::vec(adopted_site(), 1..6),
        remotes in prop::collection::vec(any::<u8>(), 0..3),
        has_canary: bool,
        foreign in 1..4_u8,
        has_ours: bool,
        acts in prop::collection::vec(act_in_adoption(), 0..80),
    ) {
        Story::adopted(&sites, &remotes, has_canary, foreign, has_ours).survives(&acts)?;
    }
}

proptest! {
    #![proptest_config(config(3))]

    #[test]
    fn two_hundred_targets_survive_short_schedules(
        sites in prop::collection::vec(site(), 100..150),
        remotes in prop::collection::vec(any::<u8>(), 20..51),
        has_canary: bool,
        acts in prop::collection::vec(act(), 0..25),
    ) {
        Story::new(sites, &remotes, has_canary, 2).survives(&acts)?;
    }

    #[test]
    fn two_hundred_adopted_targets_survive_short_schedules(
        sites in prop::collection::vec(adopted_site(), 100..150),
        remotes in prop::collection::vec(any::<u8>(), 20..51),
        has_canary: bool,
        foreign in 1..4_u8,
        has_ours: bool,
        acts in prop::collection::vec(act_in_adoption(), 0..25),
    ) {
        Story::adopted(&sites, &remotes, has_canary, foreign, has_ours).survives(&acts)?;
    }
}

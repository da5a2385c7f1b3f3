//! Schedules of faults under which the planner of a root change once failed: each was found by the model checker or by a
//! random walk, made as short as it could be, and is kept.

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

use stateright::Model;

use model::Event::{self, Almost, Crash, Down, Due, Load, Lose, Restart, Stumble, Sync, TurnBack, Up, Wait, Write};
use model::{Approves, Faults, RootChange};
use simulated::layout::{Eyes, Layout, Site};
use simulated::truth;

const PLENTY: Faults =
    Faults { crashes: 9, stale_reads: 9, outages: 9, turns: 9, renewals: 9, restarts: 9, losses: 9, close_calls: 9 };

const TICK: Event = Event::Tick { approves: Approves::Nothing, stale: None };
const APPROVED: Event = Event::Tick { approves: Approves::All, stale: None };

const CHAIN: Site = Site::new(Eyes::Chain);
const TWICE: Site = Site { replicas: 2, ..CHAIN };
const OFF: Site = Site { multi_root: false, restart: true, ..CHAIN };
const GAUGES: Site = Site::new(Eyes::Gauges);
const FOLDER: Site = Site::new(Eyes::Folder);
const FOLDER_AND_CHAIN: Site = Site { replicas: 2, ..Site::new(Eyes::FolderAndChain) };

/// Runs a schedule over two primaries like this one and a remote of the first. What cannot happen at its turn, since the
/// planner knows better by now, is passed over.
fn survives(site: Site, roots: u8, schedule: &[Event]) {
    runs(Layout::new(vec![site; 2], vec![0], roots), schedule);
}

fn runs(layout: Layout, schedule: &[Event]) {
    let model = RootChange::new(layout, PLENTY);
    let mut state = model.init_states().remove(0);
    for (at, event) in schedule.iter().enumerate() {
        let mut possible = Vec::new();
        model.actions(&state, &mut possible);
        if possible.contains(event)
            && let Some(next) = model.next_state(&state, *event)
        {
            state = next;
        }
        assert_eq!(truth::broken(&model.layout, &state.world), None, "after event {at}, {event:?}");
        assert_eq!(model.stuck(&state.world), None, "once the faults end after event {at}, {event:?}");
    }
}

/// As [`survives`], of a fleet of which some clusters were adopted.
fn adopted_survives(sites: Vec<Site>, foreign: u8, begins: Vec<u8>, schedule: &[Event]) {
    runs(Layout::adopted(sites, vec![0], foreign, begins), schedule);
}

fn joined(parts: &[&[Event]]) -> Vec<Event> {
    parts.concat()
}

/// Both primaries of one replica trust both roots, and everybody knows.
const TRUSTED: &[Event] = &[TICK, Write(0), Write(0), Load(0, 0), Load(1, 0), Sync(0), Wait];

/// Both sign under the new root as well.
const SIGNED: &[Event] = &[TICK, Write(0), Write(0), Load(0, 0), Load(1, 0), Wait];

#[test]
fn a_turn_while_the_one_that_lost_the_old_root_is_out_of_sight() {
    let removed = [
        APPROVED,
        Write(0),
        Crash,
        Load(0, 0),
        Sync(0),
        Down(0),
        TurnBack,
        Write(0),
        Write(0),
        TICK,
        Write(0),
        Load(1, 0),
    ];
    survives(CHAIN, 2, &joined(&[TRUSTED, SIGNED, &removed]));
    let removed =
        [APPROVED, Write(0), Crash, Load(0, 0), Sync(0), Down(0), TurnBack, Write(0), TICK, Write(0), Load(1, 0)];
    survives(CHAIN, 2, &joined(&[TRUSTED, SIGNED, &removed]));
}

#[test]
fn the_next_walk_before_the_last_replica_has_let_go_of_the_oldest_root() {
    let both_signed = [
        TICK,
        Write(1),
        Load(1, 0),
        Load(1, 1),
        Write(0),
        Load(0, 1),
        Load(0, 0),
        Sync(0),
        Wait,
        TICK,
        Write(0),
        Write(0),
        Load(0, 1),
        Load(0, 0),
        Load(1, 0),
        Load(1, 1),
        Wait,
    ];
    let early = [APPROVED, Write(1), Write(0), Load(0, 0), Load(1, 0), Sync(0), APPROVED, Write(0)];
    survives(TWICE, 3, &joined(&[&both_signed, &early]));
    survives(FOLDER_AND_CHAIN, 3, &joined(&[&both_signed, &early]));
}

#[test]
fn the_next_walk_behind_folders_before_the_last_one_may_count_as_loaded() {
    let loaded = [Load(0, 0), Sync(0), Load(1, 0)];
    let walk = joined(&[
        &[TICK, Write(0), Write(0)],
        &loaded,
        &[Wait; 4],
        &[TICK, Write(0), Load(0, 0), Write(0), Load(1, 0)],
        &[Wait; 6],
        &[APPROVED, Write(0), Load(0, 0), Write(0), Sync(0), Wait, TICK, Write(0), Write(0)],
    ]);
    survives(FOLDER, 3, &walk);
}

#[test]
fn one_replica_that_loads_the_new_root_a_day_after_the_other() {
    let late = [TICK, Write(1), Write(0), Load(1, 0), Load(1, 1), Load(0, 0), Sync(0), Almost, Load(0, 1), Wait, TICK];
    survives(TWICE, 2, &late);
}

#[test]
fn an_istiod_that_starts_between_plan_and_write_and_misses_the_update() {
    let missed = [TICK, Stumble(1, 0), Write(1), Write(0), Load(0, 1), Load(0, 0), Sync(0), Wait, TICK, Write(1)];
    survives(FOLDER_AND_CHAIN, 2, &missed);
    let missed = [TICK, Stumble(1, 1), Write(1), Write(0), Load(1, 0), Load(0, 1), Load(0, 0), Sync(0), Wait, TICK];
    survives(TWICE, 2, &missed);
}

#[test]
fn a_set_that_is_lost_before_one_replica_ever_took_the_new_root() {
    let lost = [TICK, Write(0), Load(0, 0), Write(0), Sync(0), Lose(0), Load(1, 0), Load(1, 1), Wait, TICK];
    survives(TWICE, 2, &lost);
}

#[test]
fn a_set_that_is_lost_while_the_other_cluster_is_out_of_sight() {
    for (before, site) in [(TRUSTED, CHAIN), (TRUSTED, GAUGES), (TRUSTED, OFF)] {
        let lost = [TICK, Write(0), Write(0), Load(1, 0), Down(1), Lose(0), APPROVED, Write(0), Load(0, 0)];
        survives(site, 2, &joined(&[before, &lost]));
    }
    let removed =
        [APPROVED, Write(1), Crash, Load(1, 0), Down(1), Lose(0), APPROVED, Write(0), Load(0, 0), Wait, Up(1)];
    survives(CHAIN, 2, &joined(&[TRUSTED, SIGNED, &removed]));
}

#[test]
fn a_turn_where_only_gauges_are_seen() {
    survives(GAUGES, 2, &[TICK, Write(0), TurnBack, Write(0), Write(0)]);
    survives(GAUGES, 2, &joined(&[TRUSTED, SIGNED, &[TurnBack, Write(0), Write(0)]]));
}

#[test]
fn a_turn_before_an_istiod_without_multi_root_was_restarted() {
    survives(OFF, 2, &[TICK, Write(0), Write(0), TurnBack, Write(0), Write(0), Due(1)]);
    survives(OFF, 2, &[TICK, Write(0), Write(0), TurnBack, Write(0), Due(1), TICK, Write(0), Restart(1, 0)]);
}

#[test]
fn a_run_that_saw_one_cluster_before_its_last_step_and_another_after_the_turn() {
    let stale = Event::Tick { approves: Approves::Nothing, stale: Some(0) };
    let trusted = [TICK, Write(0), Write(0), Load(1, 0), Wait, Load(0, 0), TICK, Write(0), Crash, Sync(0), Wait];
    let turned = [TICK, Write(0), Crash, Load(0, 0), Down(0), TurnBack, Write(0), stale, Write(1), Load(1, 0)];
    survives(CHAIN, 2, &joined(&[&trusted, &turned]));
    let removed =
        [APPROVED, Write(0), Crash, Load(0, 0), Sync(0), Down(0), TurnBack, Write(0), stale, Write(0), Load(1, 0)];
    survives(CHAIN, 2, &joined(&[TRUSTED, SIGNED, &removed]));
}

#[test]
fn a_run_that_does_once_more_what_another_did() {
    let again =
        [TICK, Write(0), Write(0), Load(0, 0), Event::Tick { approves: Approves::Nothing, stale: Some(0) }, Write(0)];
    survives(CHAIN, 2, &again);
}

/// Once no set and no ConfigMap holds it, nobody knows the certificate of a root that a cluster came with.
#[test]
fn a_replica_that_is_not_restarted_once_its_adopted_root_is_forgotten() {
    let site = Site { replicas: 2, ..OFF };
    let both = [Restart(0, 0), Restart(0, 1), Sync(0)];
    let walk = [
        &[TICK, Write(0), TICK, Write(0)][..],
        &both,
        &[Wait, TICK, Write(0), TICK, Write(0), Load(0, 0), Load(0, 1), Wait, TICK, Write(0)],
        &[APPROVED, Write(0), Stumble(0, 0), Sync(0)],
    ];
    adopted_survives(vec![site], 1, vec![1], &joined(&walk));
}

#[test]
fn a_set_that_is_lost_after_a_turn_while_the_other_is_seen_as_it_was() {
    let removed = [
        APPROVED,
        Write(0),
        Write(0),
        Down(0),
        TurnBack,
        Write(0),
        Up(0),
        TICK,
        Write(0),
        Lose(0),
        Event::Tick { approves: Approves::Nothing, stale: Some(1) },
        Write(0),
        Load(0, 0),
        Load(1, 0),
    ];
    let sign = [TICK, Write(0), Write(0), Load(0, 0), TICK, Write(0), Write(0), Load(1, 0), Wait];
    let trust = [TICK, Write(0), Write(0), Load(0, 0), TICK, Write(0), Load(1, 0), Sync(0), Wait];
    survives(CHAIN, 2, &joined(&[&trust, &sign, &removed]));
    // The lost set comes back before the run that sees the other as it was.
    let back = [&removed[..10], &[TICK, Write(0)], &removed[10..]].concat();
    survives(CHAIN, 2, &joined(&[&trust, &sign, &back]));
}

//! The planner of a root change against every order of its faults, by a model checker: docs/PROOF.md says what is
//! modelled, and how far.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![expect(clippy::disallowed_methods, reason = "tests make real keys")]
#![expect(clippy::print_stdout, reason = "what was explored is printed")]

#[path = "support/simulated/ending.rs"]
mod ending;
#[path = "support/simulated/model.rs"]
mod model;
#[path = "support/simulated/mod.rs"]
mod simulated;

use stateright::{Checker, Model};

use model::{Faults, RootChange};
use simulated::layout::{Eyes, Layout, Site};
use simulated::truth;

const CHAIN: Site = Site::new(Eyes::Chain);
const TWICE: Site = Site { replicas: 2, ..CHAIN };
const BY_PEOPLE: Site = Site { multi_root: false, ..CHAIN };
const BY_MESHCA: Site = Site { restart: true, ..BY_PEOPLE };
const BY_CERTIFICATE: Site = Site { client_cert_auth: true, ..CHAIN };

/// A walk from the first root to the second over these primaries and a remote of the first: every order of events, each
/// fault as often as said. Nothing but lagging is free of charge. There are `least` states at least: a tenth less than
/// there once were, since of a model in which nothing happens any more everything would be true.
fn explore(name: &str, sites: Vec<Site>, faults: Faults, least: usize) {
    explore_layout(name, Layout::new(sites, vec![0], 2), faults, least);
}

fn explore_layout(name: &str, layout: Layout, faults: Faults, least: usize) {
    let checker = RootChange::new(layout, faults).checker().threads(2).spawn_bfs().join();
    let model = checker.model();
    println!(
        "{name}: {} states, {} of them different, up to {} events deep, {} plans, with at most {faults:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        model.planner.plans()
    );
    if let Some((property, path)) = checker.discoveries().into_iter().next() {
        let steps = path.into_vec();
        let (last, _) = steps.last().unwrap();
        let events: Vec<_> = steps.iter().filter_map(|(_, event)| *event).collect();
        let why = truth::broken(&model.layout, &last.world).or_else(|| model.stuck(&last.world));
        panic!("{name}: not so: {property}: {}\n{events:#?}\n{last:#?}", why.unwrap_or_default());
    }
    let seen = checker.unique_state_count();
    assert!(seen >= least, "{name}: {seen} states of {least} at least");
}

#[test]
fn crashes_a_stale_read_and_an_outage() {
    explore("crashes", vec![CHAIN; 2], Faults { crashes: 2, stale_reads: 1, outages: 1, ..Faults::NONE }, 220_000);
}

#[test]
fn a_turn_and_a_crash() {
    explore("turn", vec![CHAIN; 2], Faults { crashes: 1, turns: 1, ..Faults::NONE }, 38_000);
}

#[test]
fn a_turn_and_an_outage() {
    explore("turn out of sight", vec![CHAIN; 2], Faults { outages: 1, turns: 1, ..Faults::NONE }, 75_000);
}

#[test]
fn two_replicas_of_which_one_stumbles() {
    explore("two replicas", vec![TWICE], Faults { crashes: 1, restarts: 2, ..Faults::NONE }, 30_000);
}

#[test]
fn what_happens_in_the_last_second() {
    explore("seconds", vec![CHAIN; 2], Faults { close_calls: 2, ..Faults::NONE }, 6_200);
    explore("seconds, two replicas", vec![TWICE], Faults { close_calls: 2, ..Faults::NONE }, 2_000);
}

#[test]
fn a_renewal_in_the_middle() {
    explore("renewal", vec![CHAIN; 2], Faults { renewals: 1, ..Faults::NONE }, 32_000);
}

#[test]
fn a_set_that_is_lost() {
    explore("lost set", vec![CHAIN; 2], Faults { outages: 1, losses: 1, ..Faults::NONE }, 120_000);
}

#[test]
fn without_multi_root_people_restart() {
    explore("restarts by people", vec![BY_PEOPLE; 2], Faults { crashes: 1, restarts: 1, ..Faults::NONE }, 51_000);
}

#[test]
fn without_multi_root_meshca_restarts() {
    explore("restarts by meshca", vec![BY_MESHCA; 2], Faults { crashes: 1, outages: 1, ..Faults::NONE }, 57_000);
}

#[test]
fn where_clients_authenticate_by_certificate() {
    explore("client certificates", vec![BY_CERTIFICATE; 2], Faults { crashes: 1, ..Faults::NONE }, 37_000);
}

#[test]
fn behind_folders_with_nothing_to_look_at() {
    explore("folders", vec![Site::new(Eyes::Folder); 2], Faults { crashes: 1, outages: 1, ..Faults::NONE }, 4_700);
}

#[test]
fn behind_folders_with_istiods_to_look_at() {
    let sites = vec![Site::new(Eyes::FolderAndChain); 2];
    explore("folders and chains", sites, Faults { crashes: 1, restarts: 1, ..Faults::NONE }, 49_000);
}

#[test]
fn by_gauges() {
    explore("gauges", vec![Site::new(Eyes::Gauges); 2], Faults { crashes: 1, turns: 1, ..Faults::NONE }, 52_000);
}

#[test]
fn two_adopted_clusters_of_one_root() {
    let layout = Layout::adopted(vec![CHAIN; 2], vec![0], 1, vec![1, 1]);
    explore_layout("adopted, one root", layout, Faults { crashes: 1, outages: 1, ..Faults::NONE }, 36_000);
}

#[test]
fn two_adopted_clusters_of_two_roots() {
    let layout = Layout::adopted(vec![CHAIN; 2], vec![], 2, vec![1, 2]);
    explore_layout("adopted, two roots", layout, Faults { crashes: 1, turns: 1, ..Faults::NONE }, 10_400);
}

#[test]
fn an_adopted_istiod_with_a_ca_of_its_own_and_a_cluster_of_ours() {
    let own = Site { own_ca: true, ..CHAIN };
    let layout = Layout::adopted(vec![own, CHAIN], vec![], 1, vec![1, 2]);
    explore_layout("adopted, own CA", layout, Faults { restarts: 1, losses: 1, ..Faults::NONE }, 17_600);
}

#[test]
fn two_crashes_a_stale_read_an_outage_and_a_turn() {
    let faults = Faults { crashes: 2, stale_reads: 1, outages: 1, turns: 1, ..Faults::NONE };
    explore("all at once", vec![CHAIN; 2], faults, 2_200_000);
}

#[test]
#[ignore = "a quarter of an hour: cargo test --release --test slow_root_change_model -- --ignored --nocapture three_primaries"]
fn three_primaries() {
    let faults = Faults { crashes: 2, stale_reads: 1, outages: 1, ..Faults::NONE };
    explore("three primaries", vec![CHAIN; 3], faults, 9_900_000);
    explore("three primaries, a turn", vec![CHAIN; 3], Faults { crashes: 1, turns: 1, ..Faults::NONE }, 1_290_000);
}

/// What `tests/run` has no time for: more kinds of faults at once, in layouts that it tries with fewer.
#[test]
#[ignore = "an hour and several GiB at least, two layouts never ended yet: cargo test --release --test slow_root_change_model -- --ignored --nocapture mixtures"]
fn mixtures() {
    let turned = Faults { crashes: 1, stale_reads: 1, outages: 1, turns: 1, ..Faults::NONE };
    let two_roots = || Layout::adopted(vec![CHAIN; 2], vec![], 2, vec![1, 2]);
    explore_layout("adopted, two roots, turned", two_roots(), turned, 281_000);
    explore("restarts by meshca, turned", vec![BY_MESHCA; 2], turned, 4_445_000);
    explore("restarts by people, turned", vec![BY_PEOPLE; 2], Faults { restarts: 1, ..turned }, 10_567_000);
    explore("gauges, turned", vec![Site::new(Eyes::Gauges); 2], turned, 1_551_000);
    explore("folders, turned", vec![Site::new(Eyes::Folder); 2], Faults { stale_reads: 0, ..turned }, 127_000);
    explore("a lost set, turned", vec![CHAIN; 2], Faults { losses: 1, ..turned }, 12_350_000);
    explore("a renewal, turned", vec![CHAIN; 2], Faults { renewals: 1, ..turned }, 21_750_000);
    explore("two replicas, turned", vec![TWICE, CHAIN], Faults { outages: 0, ..turned }, 1);
    explore("two turns", vec![CHAIN; 2], Faults { turns: 2, ..turned }, 1);
}

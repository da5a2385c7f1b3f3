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
/// fault as often as said. Nothing but lagging is free of charge.
fn explore(name: &str, sites: Vec<Site>, faults: Faults) {
    explore_layout(name, Layout::new(sites, vec![0], 2), faults);
}

fn explore_layout(name: &str, layout: Layout, faults: Faults) {
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
}

#[test]
fn crashes_a_stale_read_and_an_outage() {
    explore("crashes", vec![CHAIN; 2], Faults { crashes: 2, stale_reads: 1, outages: 1, ..Faults::NONE });
}

#[test]
fn a_turn_and_a_crash() {
    explore("turn", vec![CHAIN; 2], Faults { crashes: 1, turns: 1, ..Faults::NONE });
}

#[test]
fn a_turn_and_an_outage() {
    explore("turn out of sight", vec![CHAIN; 2], Faults { outages: 1, turns: 1, ..Faults::NONE });
}

#[test]
fn two_replicas_of_which_one_stumbles() {
    explore("two replicas", vec![TWICE], Faults { crashes: 1, restarts: 2, ..Faults::NONE });
}

#[test]
fn what_happens_in_the_last_second() {
    explore("seconds", vec![CHAIN; 2], Faults { close_calls: 2, ..Faults::NONE });
    explore("seconds, two replicas", vec![TWICE], Faults { close_calls: 2, ..Faults::NONE });
}

#[test]
fn a_renewal_in_the_middle() {
    explore("renewal", vec![CHAIN; 2], Faults { renewals: 1, ..Faults::NONE });
}

#[test]
fn a_set_that_is_lost() {
    explore("lost set", vec![CHAIN; 2], Faults { outages: 1, losses: 1, ..Faults::NONE });
}

#[test]
fn without_multi_root_people_restart() {
    explore("restarts by people", vec![BY_PEOPLE; 2], Faults { crashes: 1, restarts: 1, ..Faults::NONE });
}

#[test]
fn without_multi_root_meshca_restarts() {
    explore("restarts by meshca", vec![BY_MESHCA; 2], Faults { crashes: 1, outages: 1, ..Faults::NONE });
}

#[test]
fn where_clients_authenticate_by_certificate() {
    explore("client certificates", vec![BY_CERTIFICATE; 2], Faults { crashes: 1, ..Faults::NONE });
}

#[test]
fn behind_folders_with_nothing_to_look_at() {
    explore("folders", vec![Site::new(Eyes::Folder); 2], Faults { crashes: 1, outages: 1, ..Faults::NONE });
}

#[test]
fn behind_folders_with_istiods_to_look_at() {
    let sites = vec![Site::new(Eyes::FolderAndChain); 2];
    explore("folders and chains", sites, Faults { crashes: 1, restarts: 1, ..Faults::NONE });
}

#[test]
fn by_gauges() {
    explore("gauges", vec![Site::new(Eyes::Gauges); 2], Faults { crashes: 1, turns: 1, ..Faults::NONE });
}

#[test]
fn two_adopted_clusters_of_one_root() {
    let layout = Layout::adopted(vec![CHAIN; 2], vec![0], 1, vec![1, 1]);
    explore_layout("adopted, one root", layout, Faults { crashes: 1, outages: 1, ..Faults::NONE });
}

#[test]
fn two_adopted_clusters_of_two_roots() {
    let layout = Layout::adopted(vec![CHAIN; 2], vec![], 2, vec![1, 2]);
    explore_layout("adopted, two roots", layout, Faults { crashes: 1, turns: 1, ..Faults::NONE });
}

#[test]
fn an_adopted_istiod_with_a_ca_of_its_own_and_a_cluster_of_ours() {
    let own = Site { own_ca: true, ..CHAIN };
    let layout = Layout::adopted(vec![own, CHAIN], vec![], 1, vec![1, 2]);
    explore_layout("adopted, own CA", layout, Faults { restarts: 1, losses: 1, ..Faults::NONE });
}

#[test]
fn two_crashes_a_stale_read_an_outage_and_a_turn() {
    let faults = Faults { crashes: 2, stale_reads: 1, outages: 1, turns: 1, ..Faults::NONE };
    explore("all at once", vec![CHAIN; 2], faults);
}

#[test]
#[ignore = "hours: cargo test --release --test slow_root_change_model -- --ignored --nocapture three_primaries"]
fn three_primaries() {
    let faults = Faults { crashes: 2, stale_reads: 1, outages: 1, ..Faults::NONE };
    explore("three primaries", vec![CHAIN; 3], faults);
    explore("three primaries, a turn", vec![CHAIN; 3], Faults { crashes: 1, turns: 1, ..Faults::NONE });
}

//! The planner of a root change against every order of faults, by a model checker (docs/PROOF.md).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test stops at the first surprise"
)]
#![expect(clippy::disallowed_methods, reason = "tests make real keys")]
#![expect(clippy::print_stdout, reason = "what was explored is printed")]

#[path = "support/simulated/model.rs"]
mod model;
#[path = "support/simulated/mod.rs"]
mod simulated;

use stateright::{Checker, Model};

use model::{Faults, RootChange};
use simulated::layout::{Eyes, Layout, Site};

fn explore(name: &str, layout: Layout, faults: Faults) {
    let checker = RootChange::new(layout, faults).checker().threads(2).spawn_bfs().join();
    let model = checker.model();
    println!(
        "{name}: {} states, {} of them different, up to {} events deep; {} plans; {faults:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        model.planner.plans()
    );
    for (property, path) in checker.discoveries() {
        let steps = path.into_vec();
        for (state, event) in &steps {
            println!("{state:?}\n  --> {event:?}");
        }
        let (last, _) = steps.last().unwrap();
        let events: Vec<_> = steps.iter().filter_map(|(_, event)| *event).collect();
        let why = simulated::truth::broken(&model.layout, &last.world).or_else(|| model.stuck(&last.world));
        panic!("{name}: not so: {property}: {why:?}\n{events:#?}");
    }
}

#[test]
fn a_root_change_seen_by_chains_survives_crashes_and_lags() {
    let layout = Layout::new(vec![Site::new(Eyes::Chain); 2], vec![0], 2);
    explore("chains", layout, Faults { crashes: 1, ..Faults::default() });
}

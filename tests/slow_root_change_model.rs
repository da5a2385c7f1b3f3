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

#[test]
#[ignore = "hunt"]
fn hunt() {
    let faults = Faults { crashes: 2, stale_reads: 1, outages: 2, turns: 2, renewals: 2, restarts: 2, losses: 0 };
    let chain = Site { replicas: 2, ..Site::new(Eyes::Chain) };
    let layouts: Vec<(&str, fn() -> Layout)> = vec![
        ("chain", || {
            Layout::new(vec![Site { replicas: 2, ..Site::new(Eyes::Chain) }, Site::new(Eyes::Chain)], vec![0], 2)
        }),
        ("off", || {
            Layout::new(
                vec![
                    Site { multi_root: false, ..Site::new(Eyes::Chain) },
                    Site { multi_root: false, ..Site::new(Eyes::Chain) },
                ],
                vec![0],
                2,
            )
        }),
        ("restart", || {
            Layout::new(
                vec![
                    Site { multi_root: false, restart: true, ..Site::new(Eyes::Chain) },
                    Site { multi_root: false, restart: true, ..Site::new(Eyes::Chain) },
                ],
                vec![0],
                2,
            )
        }),
        ("folder", || Layout::new(vec![Site::new(Eyes::Folder), Site::new(Eyes::Folder)], vec![0], 2)),
        ("folderchain", || {
            Layout::new(
                vec![Site { replicas: 2, ..Site::new(Eyes::FolderAndChain) }, Site::new(Eyes::FolderAndChain)],
                vec![0],
                2,
            )
        }),
        ("gauges", || Layout::new(vec![Site::new(Eyes::Gauges), Site::new(Eyes::Gauges)], vec![0], 2)),
        ("cca", || {
            Layout::new(
                vec![
                    Site { client_cert_auth: true, ..Site::new(Eyes::Chain) },
                    Site { client_cert_auth: true, ..Site::new(Eyes::Chain) },
                ],
                vec![0],
                2,
            )
        }),
        ("chain3", || {
            Layout::new(vec![Site { replicas: 2, ..Site::new(Eyes::Chain) }, Site::new(Eyes::Chain)], vec![0], 3)
        }),
        ("folder3", || Layout::new(vec![Site::new(Eyes::Folder), Site::new(Eyes::Folder)], vec![0], 3)),
    ];
    let _ = chain;
    let only = std::env::var("HUNT").unwrap_or_default();
    let seeds: u64 = std::env::var("SEEDS").ok().and_then(|it| it.parse().ok()).unwrap_or(100);
    let mut faults = faults;
    if let Ok(f) = std::env::var("FAULTS") {
        let v: Vec<u8> = f.split(',').map(|it| it.parse().unwrap()).collect();
        faults = Faults {
            crashes: v[0],
            stale_reads: v[1],
            outages: v[2],
            turns: v[3],
            renewals: v[4],
            restarts: v[5],
            losses: v[6],
        };
    }
    for (name, layout) in layouts {
        if !only.is_empty() && !only.split(',').any(|it| it == name) {
            continue;
        }
        let mut faults = faults;
        if name.ends_with('3') {
            faults.turns = 0;
        }
        let model = RootChange::new(layout(), faults);
        let mut best: Option<(usize, String, Vec<model::Event>)> = None;
        for seed in 0..seeds {
            let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc;
            let mut next = |n: usize| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                (random >> 11) as usize % n
            };
            let mut state = model.init_states().remove(0);
            let mut path = Vec::new();
            let mut found = None;
            for _ in 0..150 {
                let mut events = Vec::new();
                model.actions(&state, &mut events);
                // Faults rarely
                let is_fault = |e: &model::Event| {
                    matches!(
                        e,
                        model::Event::Crash
                            | model::Event::Down(_)
                            | model::Event::Turn(..)
                            | model::Event::Due(_)
                            | model::Event::Stumble(..)
                            | model::Event::Tick { stale: Some(_), .. }
                            | model::Event::Lose(_)
                    )
                };
                let (faulty, plain): (Vec<_>, Vec<_>) = events.into_iter().partition(is_fault);
                let pick = if !faulty.is_empty() && next(6) == 0 {
                    faulty[next(faulty.len())]
                } else {
                    plain[next(plain.len())]
                };
                if let Some(after) = model.next_state(&state, pick) {
                    path.push(pick);
                    state = after;
                    if let Some(why) = simulated::truth::broken(&model.layout, &state.world) {
                        found = Some(why);
                        break;
                    }
                }
            }
            if found.is_none() {
                found = model.stuck(&state.world).map(|it| format!("STUCK {it}"));
            }
            if let Some(why) = found
                && best.as_ref().is_none_or(|it| it.0 > path.len())
            {
                best = Some((path.len(), why, path));
            }
        }
        // shrink
        if let Some((_, why, path)) = best {
            let run = |path: &[model::Event]| -> Option<String> {
                let mut state = model.init_states().remove(0);
                for event in path {
                    let mut events = Vec::new();
                    model.actions(&state, &mut events);
                    if !events.contains(event) {
                        return None;
                    }
                    state = model.next_state(&state, *event)?;
                    if let Some(why) = simulated::truth::broken(&model.layout, &state.world) {
                        return Some(why);
                    }
                }
                model.stuck(&state.world).map(|it| format!("STUCK {it}"))
            };
            let mut path = path;
            let mut why = why;
            let mut again = true;
            while again {
                again = false;
                for len in (1..=3).rev() {
                    let mut at = 0;
                    while at + len <= path.len() {
                        let mut shorter = path.clone();
                        shorter.drain(at..at + len);
                        if let Some(other) = run(&shorter) {
                            path = shorter;
                            why = other;
                            again = true;
                        } else {
                            at += 1;
                        }
                    }
                }
            }
            println!("== {name}: {why}");
            let mut state = model.init_states().remove(0);
            for event in &path {
                println!("  {event:?}");
                state = model.next_state(&state, *event).unwrap();
            }
            println!("{state:#?}");
        } else {
            println!("== {name}: fine, {} plans", model.planner.plans());
        }
    }
}

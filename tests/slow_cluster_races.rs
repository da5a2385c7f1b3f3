//! Two runs on one target at the same time, and others who change it between a decision and its write: on a real API
//! server, with every version of the Secret recorded and judged.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a race that does not come about is a failed test")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::{Value, json};

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/faults/mod.rs"]
mod faults;
mod support;

use clusters::{ApiServer, Clusters};
use faults::fleet::{MOMENT, at_once, copy_of, copy_through, delete, live, one, step};
use faults::proxy::Proxy;
use faults::watcher::Watcher;
use support::snapshot::private_keys;
use support::story::{Said, Story};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(1));

fn server() -> &'static ApiServer {
    CLUSTERS.server(0)
}

fn rotate(story: &Story, at: &str) -> Said {
    story.meshca(&format!("--at {at} rotate"))
}

fn serial(secret: &Value) -> String {
    secret["metadata"]["annotations"]["meshca.io/serial"].as_str().unwrap().to_owned()
}

/// The serial numbers that this machine says it brought to the target.
fn brought(machine: &Story) -> BTreeSet<String> {
    let ledger: Value = serde_json::from_str(&machine.meshca("ledger show -o json").fine().out).unwrap();
    let entries = ledger["entries"].as_array().unwrap().iter();
    let done = entries.filter(|entry| entry["act"] == "publish" && entry["phase"] == "done");
    done.map(|entry| entry["certificate"]["serial"].as_str().unwrap().to_owned()).collect()
}

const ROUNDS: i32 = 200;

#[test]
fn two_machines_that_work_on_one_target_at_the_same_time_never_undo_each_other() {
    let namespace = "races";
    let first = one(server(), namespace, "20s");
    let second = copy_of(&first);
    let watcher = Watcher::start(server(), namespace);
    let (mut collided, mut winners) = (0, Vec::new());
    for round in 0..ROUNDS {
        let at = step(round);
        // Both mint; both create; both bring the same stock; one brings it and the other mints.
        let words = match round % 4 {
            0 => ["rotate", "rotate"],
            1 => {
                delete(server(), namespace);
                ["rotate", "rotate"]
            }
            kind => {
                first.meshca(&format!("--at {at} issue --passphrase-file passphrase")).fine();
                copy_stock(&first, &second);
                ["publish", if kind == 2 { "publish" } else { "rotate" }]
            }
        };
        let commands = [(&first, words[0]), (&second, words[1])]
            .map(|(machine, word)| machine.command(&format!("--at {at} {word} --passphrase-file passphrase")));
        let said = at_once(commands.into());
        for said in &said {
            let lost = said.code == Some(1) && said.err.contains("error: target-changed-meanwhile: ");
            assert!(said.code == Some(0) || lost, "round {round} {words:?}: {said:?}");
            collided += usize::from(lost);
        }
        assert!(said.iter().any(|said| said.code == Some(0)), "round {round} {words:?}: nobody did it: {said:?}");
        winners.push(serial(&live(server(), namespace).unwrap()));
    }
    // One new set in each round, which is the one at its end: nothing that was brought was ever replaced by its twin.
    let versions = watcher.versions();
    let shown: BTreeSet<String> = versions.iter().filter(|it| it.event != "DELETED").map(|it| it.serial()).collect();
    let winners: BTreeSet<String> = winners.into_iter().collect();
    let is_same = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.symmetric_difference(other).count() == 0;
    assert_eq!(winners.len(), ROUNDS as usize);
    assert!(is_same(&shown, &winners), "{} sets were shown in {ROUNDS} rounds", shown.len());
    assert!(is_same(&shown, &(&brought(&first) | &brought(&second))), "what a run says that it brought was there");
    assert!(collided > 0, "they were never there at the same time");
    // Keys that lost against another machine's are of no use to anybody.
    for machine in [&first, &second] {
        rotate(machine, &step(ROUNDS - 1)).fine();
        assert_eq!(private_keys(&machine.path("material/stock")), Vec::<std::path::PathBuf>::new());
        machine.meshca("ledger verify").fine();
    }
    println!("{ROUNDS} rounds, {collided} collisions, {} sets, {} versions", watcher.all_sound(), versions.len());
}

/// What lies in stock on one machine is carried to the other.
fn copy_stock(from: &Story, to: &Story) {
    let mut cp = std::process::Command::new("cp");
    cp.arg("-a").arg(from.path("material/stock")).arg(to.path("material/"));
    assert!(support::judges::run(&mut cp).status.success());
}

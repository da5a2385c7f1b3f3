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
use faults::watcher::{Version, Watcher};
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
    let done = entries.filter(|entry| entry["act"] == "publish" && entry["outcome"] == "done");
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
                first.meshca(&format!("--at {at} issue east --passphrase-file passphrase")).fine();
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
        let winner = serial(&live(server(), namespace).unwrap());
        assert!(!winners.contains(&winner), "round {round} {words:?} changed nothing: {said:?}");
        winners.push(winner);
    }
    // One new set in each round, which is the one at its end: nothing that was brought was ever replaced by its twin.
    let versions = watcher.versions();
    let shown: BTreeSet<String> = versions.iter().filter(|it| it.event != "DELETED").map(Version::serial).collect();
    let winners: BTreeSet<String> = winners.into_iter().collect();
    let is_same = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.symmetric_difference(other).count() == 0;
    assert_eq!(winners.len(), ROUNDS as usize);
    assert!(is_same(&shown, &winners), "{} sets were shown in {ROUNDS} rounds", shown.len());
    let brought = &brought(&first) | &brought(&second);
    let differs: Vec<&String> = brought.symmetric_difference(&shown).collect();
    assert!(differs.is_empty(), "what a run says that it brought was there, and nothing else: {differs:?}");
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

/// What a rotation says when this happens while its write is on the way; with a second machine at hand.
fn rotated_while(namespace: &str, at: &str, act: impl FnOnce(&Story) + Send + 'static) -> (Story, Said) {
    let story = one(server(), namespace, "20s");
    if at != MOMENT {
        rotate(&story, MOMENT).fine();
    }
    let other = copy_of(&story);
    let proxy = Proxy::holding_a_write(server().port(), move || {
        act(&other);
        true
    });
    let through = copy_through(&story, server(), proxy.port);
    let said = rotate(&through, at);
    (through, said)
}

#[test]
fn a_renewal_that_another_machine_made_meanwhile_stays() {
    for (namespace, at) in [("late-renewal", step(1)), ("late-creation", MOMENT.to_owned())] {
        let moment = at.clone();
        let (story, said) = rotated_while(namespace, &at, move |other| {
            rotate(other, &moment).fine();
        });
        said.refused(1, "target-changed-meanwhile");
        let watcher = Watcher::start(server(), namespace);
        assert_eq!(watcher.all_sound(), 1);
        let there = serial(&live(server(), namespace).unwrap());
        assert!(!brought(&story).contains(&there), "{namespace}: the other machine's set is gone");
        rotate(&story, &at).fine();
        assert_eq!(serial(&live(server(), namespace).unwrap()), there, "nothing is due any more");
    }
}

#[test]
fn a_secret_that_was_deleted_meanwhile_is_not_written_unseen() {
    let (story, said) = rotated_while("deleted", &step(1), |_| delete(server(), "deleted"));
    said.fine();
    let ledger = story.meshca("ledger show").fine();
    assert!(ledger.out.contains("failed"), "the write upon the deleted Secret did not count: {ledger:?}");
    let there = live(server(), "deleted").unwrap();
    let managers = there["metadata"]["managedFields"].as_array().unwrap();
    assert_eq!(managers.len(), 1, "{managers:?}");
    assert!(
        managers[0]["manager"].as_str().unwrap().starts_with("meshca-create-"),
        "it was decided anew: {managers:?}"
    );
    assert_eq!(Watcher::start(server(), "deleted").all_sound(), 1);
}

#[test]
fn a_secret_that_somebody_made_anew_meanwhile_is_theirs() {
    for (namespace, at) in [("made-anew", step(1)), ("made-first", MOMENT.to_owned())] {
        let (_, said) = rotated_while(namespace, &at, move |_| {
            if live(server(), namespace).is_some() {
                delete(server(), namespace);
            }
            server().create_secret(namespace, "cacerts", &[("ca-cert.pem", b"theirs")]);
        });
        said.refused(1, "owned-by-somebody-else");
        let there = live(server(), namespace).unwrap();
        assert_eq!(there["data"], json!({ "ca-cert.pem": "dGhlaXJz" }));
        assert_eq!(there["metadata"]["annotations"], Value::Null);
    }
}

/// A creation has no precondition, and an apply leaves what others wrote beside it.
#[test]
fn a_value_that_somebody_else_put_there_first_is_found_when_the_set_is_read_back() {
    let (story, said) = rotated_while("put-first", MOMENT, |_| {
        server().create_secret("put-first", "cacerts", &[("tls.crt", b"theirs")]);
    });
    said.refused(1, "written-differs-from-read").saying("cert-chain.pem, root-cert.pem, tls.crt");
    let there = live(server(), "put-first").unwrap();
    assert_eq!(there["data"]["tls.crt"], "dGhlaXJz", "what is theirs stays");
    rotate(&story, &step(1)).refused(1, "owned-by-somebody-else");
    assert_eq!(live(server(), "put-first").unwrap(), there);
}

fn patch(namespace: &str, patch: &Value) {
    let kubectl = ["patch", "secret", "cacerts", "-n", namespace, "--type=merge", "-p", &patch.to_string()];
    assert!(server().kubectl(kubectl).status.success());
}

#[test]
fn a_secret_that_was_changed_by_hand_is_refused_and_names_who_changed_it() {
    for (namespace, change, code, words) in [
        ("stray", json!({ "data": { "tls.crt": "YWxpZW4=" } }), "owned-by-somebody-else", "kubectl-patch"),
        ("swapped", json!({ "data": { "root-cert.pem": "YWxpZW4=" } }), "owned-by-somebody-else", "kubectl-patch"),
        ("immutable", json!({ "immutable": true }), "secret-immutable", "immutable"),
        ("generated", json!({ "data": { "istio-generated": "" } }), "istio-generated-secret", "istio-generated"),
    ] {
        let story = one(server(), namespace, "20s");
        rotate(&story, MOMENT).fine();
        patch(namespace, &change);
        let before = live(server(), namespace).unwrap();
        for command in ["rotate", "publish --passphrase-file passphrase"] {
            if command != "rotate" {
                story.meshca(&format!("--at {MOMENT} issue --passphrase-file passphrase")).fine();
            }
            let said = story.meshca(&format!("--at {} {command}", step(1)));
            assert_eq!(said.code, Some(1), "{namespace} {command}: {said:?}");
            said.saying(code).saying(words);
        }
        assert_eq!(live(server(), namespace).unwrap(), before, "{namespace}");
    }
}

#[test]
fn a_value_that_was_taken_out_by_hand_is_brought_back_with_a_new_set() {
    let story = one(server(), "taken-out", "20s");
    rotate(&story, MOMENT).fine();
    patch("taken-out", &json!({ "data": { "cert-chain.pem": null } }));
    rotate(&story, MOMENT).fine();
    let there = live(server(), "taken-out").unwrap();
    assert_eq!(there["metadata"]["annotations"]["meshca.io/generation"], "2");
    assert_eq!(Watcher::start(server(), "taken-out").all_sound(), 1);
}

#[test]
fn a_secret_of_the_tls_type_is_refused() {
    let story = one(server(), "tls-type", "20s");
    server().create(&json!({ "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": { "name": "cacerts", "namespace": "tls-type" },
        "data": { "tls.crt": "YWxpZW4=", "tls.key": "YWxpZW4=" } }));
    let said = rotate(&story, MOMENT);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.saying("secret-type-fixed").saying("kubernetes.io/tls");
}

fn config_map(namespace: &str, roots: &str) {
    server().create(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "root-cert.pem": roots },
        "metadata": { "name": "istio-ca-root-cert", "namespace": namespace } }));
}

#[test]
fn a_cluster_that_runs_on_a_root_of_its_own_gets_no_set() {
    let alien = one(server(), "own-root", "20s");
    let theirs = one(server(), "their-root", "20s");
    config_map("own-root", &theirs.read("material/root/g1/root-cert.pem"));
    let own_ca = one(server(), "own-ca", "20s");
    server().create_secret("own-ca", "istio-ca-secret", &[("ca-cert.pem", b"theirs")]);
    for (story, namespace) in [(&alien, "own-root"), (&own_ca, "own-ca")] {
        story.meshca(&format!("--at {MOMENT} issue --passphrase-file passphrase")).fine();
        for command in ["rotate", "publish --passphrase-file passphrase"] {
            let said = story.meshca(&format!("--at {MOMENT} {command}"));
            assert_eq!(said.code, Some(1), "{namespace} {command}: {said:?}");
            said.saying("already-running-under-another-root");
        }
        assert!(live(server(), namespace).is_none(), "{namespace}");
    }
}

#[test]
fn a_set_that_was_lost_is_restored_where_istiod_still_hands_out_our_root() {
    let story = one(server(), "lost", "20s");
    rotate(&story, MOMENT).fine();
    config_map("lost", &story.read("material/root/g1/root-cert.pem"));
    delete(server(), "lost");
    rotate(&story, MOMENT).fine();
    assert_eq!(Watcher::start(server(), "lost").all_sound(), 1);
}

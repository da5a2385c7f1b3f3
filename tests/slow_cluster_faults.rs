//! What breaks between meshca and a real API server, or behind it: each run ends with a named error or well, every
//! version of the Secret is sound, and the next run puts right what is left.

#![expect(clippy::disallowed_methods, reason = "a hang shows on the clock")]
#![expect(clippy::unwrap_used, reason = "a fault that does not come about is a failed test")]

use std::net::TcpListener;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/faults/mod.rs"]
mod faults;
mod support;

use clusters::{ApiServer, Clusters, kubeconfig};
use faults::fleet::{MOMENT, Target, copy_through, delete, fleet, live, one, step};
use faults::proxy::{Harm, Proxy, Way};
use faults::watcher::Watcher;
use support::story::{Said, Story};

/// Clusters that only their proxies harm.
static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(1));

/// Clusters that are stopped and paused.
static FRAGILE: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(2));

/// What a broken way may be called.
const NAMED: [&str; 6] = [
    "answer-lost",
    "api-answer-malformed",
    "api-server-failing",
    "api-server-slow",
    "api-server-unreachable",
    "target-changed-meanwhile",
];

/// Only a hang takes this long: many times the deadlines of a run.
const HANG: Duration = Duration::from_secs(120);

fn server() -> &'static ApiServer {
    CLUSTERS.server(0)
}

fn rotate(story: &Story, at: &str) -> Said {
    let start = Instant::now();
    let said = story.meshca(&format!("--at {at} rotate"));
    assert!(start.elapsed() < HANG, "it hung: {said:?}");
    said
}

/// It went well, or what was wrong has a name; whether it went well.
fn ended(said: &Said, place: &str) -> bool {
    let is_named = NAMED.iter().any(|code| said.err.contains(&format!("error: {code}: ")));
    assert!(said.code == Some(0) || (said.code == Some(1) && is_named), "{place}: {said:?}");
    said.code == Some(0)
}

/// At so many places of each way, each harm once: in renewals, and where the set is made for the first time.
const PLACES: usize = 12;

#[test]
fn bytes_that_are_cut_corrupted_doubled_or_late_anywhere_on_the_way_do_no_harm() {
    let namespace = "harms";
    let story = one(server(), namespace, "20s");
    rotate(&story, MOMENT).fine();
    let watcher = Watcher::start(server(), namespace);
    let honest = Proxy::honest(server().port());
    rotate(&copy_through(&story, server(), honest.port), &step(1)).fine();
    let (mut runs, mut well) = (0, 0);
    for way in [Way::ToServer, Way::ToMeshca] {
        let length = honest.passed(way);
        for harm in [Harm::Cut, Harm::Corrupt, Harm::Duplicate, Harm::Delay(Duration::from_millis(300))] {
            // One that is late harms nothing by where it is.
            let places = if matches!(harm, Harm::Delay(_)) { 3 } else { PLACES };
            for place in 0..places {
                // Not at the same places for each harm.
                let byte = (length * (2 * place + 1) / (2 * places) + 7 * runs) % length;
                let place = format!("{harm:?} {way:?} at byte {byte} of {length}");
                runs += 1;
                if runs % 4 == 0 {
                    delete(server(), namespace);
                }
                let at = step(i32::try_from(runs).unwrap() + 1);
                let proxy = Proxy::harming(server().port(), way, byte, harm);
                well += usize::from(ended(&rotate(&copy_through(&story, server(), proxy.port), &at), &place));
                let next = rotate(&story, &at);
                assert_eq!(next.code, Some(0), "{place}: {next:?}");
                story.meshca(&format!("--at {at} rotate --dry-run")).fine().saying("nothing is due");
            }
        }
    }
    assert!(well > 0 && well < runs, "{well} of {runs} went well");
    println!("{runs} runs through harm, {well} of them went well, {} sets", watcher.all_sound());
}

#[test]
fn an_answer_that_is_garbled_after_the_write_was_done_is_looked_up() {
    let namespace = "garbled";
    let story = one(server(), namespace, "20s");
    // The first bytes to meshca after the write went to the server are its answer, on whatever connection.
    let is_written = std::sync::atomic::AtomicBool::new(false);
    let proxy = Proxy::treating(server().port(), move |way, piece| {
        use std::sync::atomic::Ordering::SeqCst;
        if way == Way::ToServer && piece.len() > 2500 {
            is_written.store(true, SeqCst);
        } else if way == Way::ToMeshca && is_written.swap(false, SeqCst) {
            let middle = piece.len() / 2;
            piece.splice(middle..=middle, [0]);
        }
        true
    });
    rotate(&copy_through(&story, server(), proxy.port), MOMENT).fine();
    assert!(live(server(), namespace).is_some());
}

#[test]
fn a_way_that_always_breaks_off_early_is_named_in_time() {
    let story = one(server(), "breaks-off", "5s");
    for (way, most) in [(Way::ToServer, 900), (Way::ToMeshca, 100), (Way::ToMeshca, 2500)] {
        let proxy = Proxy::treating(server().port(), move |to, piece| {
            let is_over = to == way && piece.len() > most;
            piece.truncate(if to == way { most } else { usize::MAX });
            !is_over
        });
        let said = rotate(&copy_through(&story, server(), proxy.port), MOMENT);
        assert!(!ended(&said, &format!("{way:?} breaks off after {most}")), "{said:?}");
    }
    rotate(&story, MOMENT).fine();
}

/// A mesh of targets in new namespaces of these servers.
fn across(mesh: &str, servers: &[&'static ApiServer], deadline: &str) -> Story {
    let targets: Vec<Target> = servers
        .iter()
        .zip(["east", "west"])
        .map(|(server, name)| {
            server.create_namespace(mesh);
            (name.to_owned(), mesh.to_owned(), server.kubeconfig("admin"))
        })
        .collect();
    fleet(mesh, deadline, &targets)
}

/// A server that stops before it has the write, or after it. And an etcd that hangs. One after the other: they are the
/// same clusters.
#[test]
fn servers_that_stop_and_a_store_that_hangs_in_the_middle_of_a_write_leave_what_the_next_run_finishes() {
    let servers = [FRAGILE.server(0), FRAGILE.server(1)];
    let story = across("stopping", &servers, "5s");
    story.meshca(&format!("--at {MOMENT} issue --passphrase-file passphrase")).fine();
    let watchers = servers.map(|server| Watcher::start(server, "stopping"));
    let publish = |story: &Story, at: &str| story.meshca(&format!("--at {at} publish --passphrase-file passphrase"));
    let [east, west] = servers;

    // Before the run: the other target is published all the same.
    east.stop();
    let said = publish(&story, MOMENT);
    assert!(!ended(&said, "stopped before"), "{said:?}");
    said.saying("api-server-unreachable");
    assert!(live(west, "stopping").is_some(), "the other target has its set");
    east.start();
    publish(&story, MOMENT).fine();
    assert!(live(east, "stopping").is_some());

    // In the middle of the write: it never had it.
    let proxy = Proxy::holding_a_write(east.port(), || {
        FRAGILE.server(0).stop();
        false
    });
    let at = step(1);
    assert!(!ended(&rotate(&copy_through(&story, east, proxy.port), &at), "stopped in the middle"));
    east.start();
    rotate(&story, &at).fine();

    // Its store hangs with the write in hand; whether it is done after all is nobody's guess.
    for (number, is_there) in [(2, true), (3, false)] {
        let at = step(number);
        if !is_there {
            delete(east, "stopping");
        }
        let proxy = Proxy::holding_a_write(east.port(), || {
            FRAGILE.etcd().pause();
            true
        });
        let said = rotate(&copy_through(&story, east, proxy.port), &at);
        FRAGILE.etcd().resume();
        assert!(!ended(&said, "etcd hangs"), "{said:?}");
        said.saying("api-server-slow");
        // The server may still be writing; a run that meets it looks again, and one more finds all done.
        ended(&rotate(&story, &at), "etcd goes on");
        rotate(&story, &at).fine();
        story.meshca(&format!("--at {at} rotate --dry-run")).fine().saying("nothing is due");
    }
    for watcher in watchers {
        watcher.all_sound();
    }
    story.meshca("ledger verify").fine();
}

/// Ten targets, one of which refuses connections and one of which says nothing.
#[test]
fn of_ten_targets_two_are_dead_and_the_others_get_their_sets() {
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    // It takes connections, as the kernel does for it, and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let dead = [("refusing", refusing), ("silent", silent.local_addr().unwrap().port())].map(|(name, port)| {
        let path = folder.path().join(name);
        let config = kubeconfig("c", &format!("https://127.0.0.1:{port}"), server().authority(), "none");
        std::fs::write(&path, config.to_string()).unwrap();
        (name.to_owned(), "nowhere".to_owned(), path)
    });
    let alive = (1..=8).map(|number| {
        let namespace = format!("alive-{number}");
        server().create_namespace(&namespace);
        (format!("c{number}"), namespace, server().kubeconfig("admin"))
    });
    let targets: Vec<Target> = dead.into_iter().chain(alive).collect();
    let story = fleet("dead", "3s", &targets);
    story.meshca(&format!("--at {MOMENT} issue --passphrase-file passphrase"));
    let publish = format!("--at {MOMENT} publish --passphrase-file passphrase");
    for (number, line) in [(0, publish), (1, format!("--at {} rotate", step(1)))] {
        let start = Instant::now();
        let said = story.meshca(&line);
        assert!(start.elapsed() < HANG, "it hung: {said:?}");
        assert_eq!(said.code, Some(1), "{said:?}");
        let errors: Vec<&str> = said.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 2, "each dead target is named once: {said:?}");
        for words in ["error: api-server-unreachable: refusing/nowhere", "error: api-server-slow: silent/nowhere"] {
            assert!(errors.iter().any(|line| line.starts_with(words)), "{words}: {errors:?}");
        }
        for cluster in 1..=8 {
            let there = live(server(), &format!("alive-{cluster}")).unwrap();
            let generation = there.pointer("/metadata/annotations/meshca.io~1generation").unwrap();
            assert_eq!(generation, &format!("{}", number + 1), "{line}");
        }
    }
}

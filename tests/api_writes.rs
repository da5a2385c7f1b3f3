//! Writes that go wrong on the way: what is assumed, what is looked up, and what is left behind. The server here is a
//! stub that keeps one Secret and treats a write as the test says; a real one cannot be made to do this at will.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a stub that cannot listen is a failed test"
)]

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};
use support::story::{Said, Story};

const MOMENT: &str = "2026-11-23T10:00:00Z";

/// How the stub treats a write.
#[derive(Clone, Copy, PartialEq)]
enum Writes {
    /// Keeps it, and ends the connection in the middle of the answer.
    KeepAndCut,
    /// Keeps nothing, and ends the connection.
    Cut,
    /// Keeps something else and says that all is well.
    KeepAnother,
    /// Says that the Secret changed meanwhile.
    Conflict,
    /// Keeps it, with one value more, as an apply does that meets the value of somebody else.
    KeepWithMore,
    /// Keeps it, and says that something is broken.
    KeepAndFail,
    /// Keeps nothing, and says that something is broken.
    Fail,
    /// Says that there is too much to do, once, and keeps it the next time.
    KeepOnceAsked(u16),
    /// Keeps it, as a server should.
    Keep,
}

/// What the stub was asked for, in order, and the Secret that it keeps.
#[derive(Default)]
struct Shelf {
    asked: Vec<String>,
    secret: Option<Value>,
}

fn server(writes: Writes) -> (u16, Arc<Mutex<Shelf>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let shelf = Arc::new(Mutex::new(Shelf::default()));
    let kept = Arc::clone(&shelf);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let kept = Arc::clone(&kept);
            thread::spawn(move || while serve(&stream, &kept, writes).is_some() {});
        }
    });
    (port, shelf)
}

/// Answers one request; `None`: the connection has ended.
fn serve(mut stream: &TcpStream, shelf: &Mutex<Shelf>, writes: Writes) -> Option<()> {
    let (first, body) = request(stream)?;
    let mut shelf = shelf.lock().unwrap();
    shelf.asked.push(first.clone());
    let is_cacerts = first.contains("/secrets/cacerts");
    let (status, answer) = match (first.starts_with("PATCH"), shelf.secret.clone()) {
        (true, _) if !is_cacerts => ("201 Created", json!({})),
        (true, _) => {
            let mut secret: Value = serde_json::from_slice(&body).unwrap();
            secret["metadata"]["uid"] = json!("u1");
            secret["metadata"]["resourceVersion"] = json!("1");
            match writes {
                Writes::KeepAnother => secret["data"]["root-cert.pem"] = json!("bm90IG91cnM="),
                Writes::KeepWithMore => secret["data"]["tls.crt"] = json!("bm90IG91cnM="),
                _ => {}
            }
            let is_first = shelf.asked.iter().filter(|line| line.starts_with("PATCH")).count() == 1;
            let keeps_nothing = match writes {
                Writes::Cut | Writes::Conflict | Writes::Fail => true,
                Writes::KeepOnceAsked(_) => is_first,
                _ => false,
            };
            if !keeps_nothing {
                shelf.secret = Some(secret);
            }
            match writes {
                Writes::KeepAndCut | Writes::Cut => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{\"kind\":");
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                    return None;
                }
                Writes::KeepOnceAsked(429) if is_first => ("429 Too Many Requests", json!({ "kind": "Status" })),
                Writes::KeepOnceAsked(_) if is_first => ("503 Service Unavailable", json!({ "kind": "Status" })),
                Writes::KeepAndFail | Writes::Fail => ("500 Internal Server Error", json!({ "kind": "Status" })),
                Writes::KeepAnother | Writes::KeepWithMore | Writes::KeepOnceAsked(_) | Writes::Keep => {
                    ("200 OK", json!({}))
                }
                Writes::Conflict => ("409 Conflict", json!({ "kind": "Status", "message": "it has been modified" })),
            }
        }
        (false, Some(secret)) if is_cacerts => ("200 OK", secret),
        (false, _) if first.contains("/namespaces/istio-system ") => ("200 OK", json!({})),
        (false, _) => ("404 Not Found", json!({ "kind": "Status" })),
    };
    let body = answer.to_string();
    stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).ok()
}

/// The first line of a request, and its body.
fn request(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line);
    }
    let length = |line: &String| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok();
    let mut body = vec![0; lines.iter().find_map(length).unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some((lines.first()?.clone(), body))
}

/// A lab with one target behind such a server, for which an intermediate lies in stock.
fn lab(writes: Writes) -> (Story, Arc<Mutex<Shelf>>) {
    let (port, shelf) = server(writes);
    let story = Story::new(
        "version: 1\nmesh: m1\nlab: true\nclusters:\n  - { name: east, network: n, role: primary, access: { kubeconfig: \
         ./kubeconfig } }\n",
    )
    .founded("m1", MOMENT);
    story.write_kubeconfig("kubeconfig", port);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    shelf.lock().unwrap().asked.clear();
    (story, shelf)
}

/// What `publish` says to such a server, and what was asked of it.
fn published(writes: Writes) -> (Said, Vec<String>) {
    let (story, shelf) = lab(writes);
    let said = story.with_passphrase(&format!("--at {MOMENT} publish"));
    let ledger = story.meshca("ledger show").fine();
    let wanted = if said.code == Some(0) { "done" } else { "failed" };
    assert!(ledger.out.contains(wanted), "the ledger says how it ended: {ledger:?}");
    (said, std::mem::take(&mut shelf.lock().unwrap().asked))
}

fn patches(asked: &[String]) -> usize {
    asked.iter().filter(|line| line.starts_with("PATCH")).count()
}

#[test]
fn a_write_whose_answer_was_lost_is_looked_up_and_counts_when_it_is_there() {
    let (said, asked) = published(Writes::KeepAndCut);
    said.fine();
    assert_eq!(patches(&asked), 1, "{asked:?}");
    assert!(asked.last().unwrap().starts_with("GET"), "it was read back: {asked:?}");
}

#[test]
fn a_write_whose_answer_was_lost_and_that_is_not_there_has_failed() {
    let (said, asked) = published(Writes::Cut);
    said.refused(1, "answer-lost");
    assert_eq!(patches(&asked), 1, "it is not sent again blindly: {asked:?}");
}

#[test]
fn a_target_that_holds_another_set_after_the_write_is_named() {
    let (said, _) = published(Writes::KeepAnother);
    said.refused(1, "written-differs-from-read");
}

#[test]
fn a_target_that_changes_each_time_is_decided_on_again_three_times_and_then_left() {
    let (said, asked) = published(Writes::Conflict);
    said.refused(1, "target-changed-meanwhile");
    assert_eq!(patches(&asked), 3, "{asked:?}");
}

#[test]
fn a_write_that_a_broken_server_kept_counts_and_is_sent_once() {
    let (said, asked) = published(Writes::KeepAndFail);
    said.fine();
    assert_eq!(patches(&asked), 1, "{asked:?}");
}

#[test]
fn a_write_that_a_broken_server_did_not_keep_is_not_sent_again_blindly() {
    let (said, asked) = published(Writes::Fail);
    said.refused(1, "api-server-failing").saying("could not patch secrets/cacerts: status 500");
    assert_eq!(patches(&asked), 1, "{asked:?}");
}

#[test]
fn a_write_that_a_busy_server_put_off_is_sent_again() {
    for status in [429, 503] {
        let (said, asked) = published(Writes::KeepOnceAsked(status));
        said.fine();
        assert_eq!(patches(&asked), 2, "{status}: {asked:?}");
    }
}

#[test]
fn a_value_of_somebody_else_beside_the_four_is_found_when_it_is_read_back() {
    let (said, _) = published(Writes::KeepWithMore);
    said.refused(1, "written-differs-from-read")
        .saying("found  ca-cert.pem, ca-key.pem, cert-chain.pem, root-cert.pem, tls.crt");
}

#[test]
fn where_nothing_is_due_a_target_costs_two_reads_and_no_write() {
    let (story, shelf) = lab(Writes::Keep);
    let asked = |line: &str| {
        shelf.lock().unwrap().asked.clear();
        story.with_passphrase(&format!("--at {MOMENT} {line}")).fine();
        let mut asked = std::mem::take(&mut shelf.lock().unwrap().asked);
        asked.sort();
        asked.iter().filter_map(|it| it.trim_end().strip_suffix(" HTTP/1.1").map(str::to_owned)).collect::<Vec<_>>()
    };
    assert_eq!(patches(&asked("publish")), 1);
    let namespace = "GET /api/v1/namespaces/istio-system";
    let two = [format!("{namespace}/configmaps/istio-ca-root-cert"), format!("{namespace}/secrets/cacerts")];
    for line in ["publish", "rotate", "publish --dry-run", "rotate --dry-run"] {
        let asked = asked(line);
        let paths: Vec<&str> = asked.iter().filter_map(|it| it.split('?').next()).collect();
        assert_eq!(paths, two, "{line}");
    }
}

/// Every command that asks an API server; a test holds that it asks for single objects.
const COMMANDS: [&str; 10] = [
    "publish --dry-run",
    "publish --passphrase-file passphrase",
    "publish --wait=1s --passphrase-file passphrase",
    "rotate --dry-run",
    "rotate --passphrase-file passphrase",
    "rotate --passphrase-file passphrase --status-configmap home/status --home-kubeconfig kubeconfig",
    "rotate --passphrase-file passphrase --shard 0/1",
    "report",
    "check",
    "check --context c --kubeconfig kubeconfig",
];

#[test]
fn no_command_lists_watches_or_deletes_anything_and_what_creates_forces_nothing() {
    for writes in [Writes::Keep, Writes::KeepAndCut] {
        let (story, shelf) = lab(writes);
        for line in COMMANDS {
            let _ = story.meshca(&format!("--at {MOMENT} {line}"));
            let asked = std::mem::take(&mut shelf.lock().unwrap().asked);
            assert!(!asked.is_empty(), "{line} asked nothing");
            asked.iter().for_each(|request| is_about_one_object(line, request));
        }
        // When its renewal is due, there is an Event.
        let said = story.with_passphrase("--at 2027-01-23T10:00:00Z rotate");
        let asked = std::mem::take(&mut shelf.lock().unwrap().asked);
        asked.iter().for_each(|request| is_about_one_object("rotate", request));
        assert!(asked.iter().any(|request| request.starts_with("POST ")), "{said:?} {asked:?}");
    }
    let (_, asked) = published(Writes::Keep);
    let write = asked.iter().find(|line| line.starts_with("PATCH")).unwrap();
    assert!(!write.contains("force=true"), "{write}");
    assert!(write.contains("fieldManager=meshca-create-"), "a name that nobody else has: {write}");
}

/// Read or applied by its name; only an Event is created by a request that has no name in it.
fn is_about_one_object(command: &str, request: &str) {
    let words: Vec<&str> = request.split(' ').collect();
    let path = words[1].split('?').next().unwrap();
    let is_collection = ["secrets", "configmaps", "namespaces", "events", "leases"].iter().any(|it| path.ends_with(it));
    match words[0] {
        "GET" | "PATCH" => assert!(!is_collection && !request.contains("watch="), "{command}: {request}"),
        "POST" => {
            assert!(path.ends_with("/events") && path.starts_with("/apis/events.k8s.io/"), "{command}: {request}");
        }
        _ => panic!("{command}: {request}"),
    }
}

//! Writes that go wrong on the way: what is assumed, what is looked up, and what is left behind. The server here is a
//! stub that keeps one Secret and treats a write as the test says; a real one cannot be made to do this at will.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a stub that cannot listen is a failed test")]

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
        (true, _) => {
            let mut secret: Value = serde_json::from_slice(&body).unwrap();
            secret["metadata"]["uid"] = json!("u1");
            secret["metadata"]["resourceVersion"] = json!("1");
            if writes == Writes::KeepAnother {
                secret["data"]["root-cert.pem"] = json!("bm90IG91cnM=");
            }
            if matches!(writes, Writes::KeepAndCut | Writes::KeepAnother) {
                shelf.secret = Some(secret);
            }
            match writes {
                Writes::KeepAndCut | Writes::Cut => {
                    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n{\"kind\":");
                    let _ = stream.shutdown(std::net::Shutdown::Both);
                    return None;
                }
                Writes::KeepAnother => ("200 OK", json!({})),
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

/// What `publish` says to such a server, and what was asked of it.
fn published(writes: Writes) -> (Said, Vec<String>) {
    let (port, shelf) = server(writes);
    let story = Story::new(
        "version: 1\nmesh: m1\nlab: true\nclusters:\n  - { name: east, network: n, role: primary, access: { kubeconfig: \
         ./kubeconfig } }\n",
    )
    .founded("m1", MOMENT);
    story.write(
        "kubeconfig",
        format!(
            "current-context: c\nclusters: [{{ name: c, cluster: {{ server: 'http://127.0.0.1:{port}' }} }}]\ncontexts: [{{ \
             name: c, context: {{ cluster: c }} }}]\n"
        ),
    );
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    shelf.lock().unwrap().asked.clear();
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
fn nothing_is_ever_listed_watched_or_deleted_and_what_creates_forces_nothing() {
    let (_, asked) = published(Writes::KeepAndCut);
    for line in &asked {
        assert!(line.starts_with("GET ") || line.starts_with("PATCH "), "{line}");
        assert!(!line.contains("watch=") && !line.contains("force=true"), "{line}");
        let path = line.split_whitespace().nth(1).unwrap();
        let collections = ["secrets", "configmaps", "namespaces"];
        assert!(!collections.iter().any(|it| path.ends_with(it) || path.contains(&format!("{it}?"))), "{line}");
    }
    let write = asked.iter().find(|line| line.starts_with("PATCH")).unwrap();
    assert!(write.contains("fieldManager=meshca-create-"), "a name that nobody else has: {write}");
}

//! How many targets are worked on at once: `rotation.observe` and `rotation.write` of the mesh file, counted by the API server.
//! It is a stub that keeps Secrets, and answers nobody before as many ask as may.

#![expect(clippy::unwrap_used, reason = "a stub that cannot listen is a failed test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use support::judges;
use support::story::{Said, Story};

const MOMENT: &str = "2026-11-23T10:00:00Z";
/// When every intermediate of [`MOMENT`] is due.
const DUE: &str = "2027-01-23T10:00:00Z";

/// Only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// So long it is waited for one more than there should be. It decides nothing where all is well.
const OVERRUN: Duration = Duration::from_millis(20);

const CLUSTERS: usize = 7;

/// What is counted: requests for a Secret `cacerts` by this method, of which so many may come at once.
#[derive(Clone, Copy, Default)]
struct Counted {
    method: &'static str,
    allowed: usize,
}

#[derive(Default)]
struct Held {
    counted: Counted,
    /// The Secrets for which such a request waits.
    waiting: BTreeSet<String>,
    most: usize,
    secrets: BTreeMap<String, Value>,
}

#[derive(Default)]
struct Server {
    held: Mutex<Held>,
    grown: Condvar,
}

impl Server {
    fn started() -> (Arc<Self>, u16) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Arc::new(Self::default());
        let serving = Arc::clone(&server);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = Arc::clone(&serving);
                thread::spawn(move || while server.serve(&stream).is_some() {});
            }
        });
        (server, port)
    }

    /// Answers one request; `None`: the connection has ended.
    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let (first, body) = request(stream)?;
        let mut words = first.split([' ', '?']);
        let (method, path) = (words.next()?, words.next()?);
        let is_cacerts = path.ends_with("/secrets/cacerts");
        if is_cacerts {
            self.hold(method, path);
        }
        let mut held = self.held.lock().unwrap();
        let (status, answer) = match (method, held.secrets.get(path)) {
            ("PATCH", _) if is_cacerts => {
                let mut secret: Value = serde_json::from_slice(&body).unwrap();
                let metadata = secret.get_mut("metadata").and_then(Value::as_object_mut).unwrap();
                metadata.extend([("uid".to_owned(), json!("u1")), ("resourceVersion".to_owned(), json!("1"))]);
                held.secrets.insert(path.to_owned(), secret);
                ("200 OK", json!({}))
            }
            ("PATCH", _) => ("201 Created", json!({})),
            (_, Some(secret)) => ("200 OK", secret.clone()),
            _ if !path.contains("/secrets") && path.rsplit('/').nth(1) == Some("namespaces") => ("200 OK", json!({})),
            _ => ("404 Not Found", json!({ "kind": "Status" })),
        };
        drop(held);
        let body = answer.to_string();
        stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).as_bytes()).ok()
    }

    /// Keeps a request that is counted until as many as may have come at once, and for one more that must not.
    fn hold(&self, method: &str, path: &str) {
        let mut held = self.held.lock().unwrap();
        let allowed = held.counted.allowed;
        if method != held.counted.method {
            return;
        }
        held.waiting.insert(path.to_owned());
        held.most = held.most.max(held.waiting.len());
        self.grown.notify_all();
        let (mut held, late) = self.grown.wait_timeout_while(held, PATIENCE, |it| it.most < allowed).unwrap();
        if late.timed_out() {
            // It is known by now, and nobody else need wait.
            held.counted = Counted::default();
        }
        let (mut held, _) = self.grown.wait_timeout_while(held, OVERRUN, |it| it.most == allowed).unwrap();
        held.waiting.remove(path);
    }

    /// The most that came at once in what a command asked.
    fn most(&self, counted: Counted, command: impl FnOnce()) -> usize {
        let mut held = self.held.lock().unwrap();
        (held.counted, held.most) = (counted, 0);
        drop(held);
        command();
        let mut held = self.held.lock().unwrap();
        held.counted = Counted::default();
        held.most
    }
}

/// The first line of a request, and its body.
fn request(stream: &TcpStream) -> Option<(String, Vec<u8>)> {
    let mut reader = BufReader::new(stream);
    let (mut first, mut length) = (String::new(), 0);
    reader.read_line(&mut first).ok().filter(|count| *count > 0)?;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
        if line.trim().is_empty() {
            break;
        }
        if let Some(text) = line.to_lowercase().strip_prefix("content-length:") {
            length = text.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((first, body))
}

#[test]
fn as_many_targets_are_looked_at_and_written_at_once_as_the_mesh_file_allows_and_never_more() {
    let (server, port) = Server::started();
    let (observe, write) = (4, 2);
    let mut text = format!(
        "version: 1\nmesh: m1\nlab: true\nrotation: {{ observe: {observe}, write: {write}, deadline: 5m }}\nclusters:\n"
    );
    for number in 0..CLUSTERS {
        text.push_str(&format!(
            "  - {{ name: c{number}, network: n{number}, role: primary, namespace: c{number}, access: {{ kubeconfig: \
             ./kubeconfig }}, istiod: {{ assumeLoadedAfter: 0s }} }}\n"
        ));
    }
    let story = Story::new(&text).founded("m1", MOMENT);
    story.write_kubeconfig("kubeconfig", port);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    let (looks, writes) = (Counted { method: "GET", allowed: observe }, Counted { method: "PATCH", allowed: write });
    let publish = || _ = story.with_passphrase(&format!("--at {MOMENT} publish")).fine();
    assert_eq!(server.most(writes, publish), write, "publish");
    let report = || _ = story.meshca(&format!("--at {MOMENT} report")).fine();
    assert_eq!(server.most(looks, report), observe, "report");
    let rotate = || _ = story.with_passphrase(&format!("--at {DUE} rotate")).fine();
    assert_eq!(server.most(writes, rotate), write, "rotate");
    let check = || _ = story.meshca(&format!("--at {DUE} check"));
    assert_eq!(server.most(looks, check), observe, "check");
    // The walk to another root begins, and is turned back.
    let mut create = story.command(&format!(
        "--at {DUE} root create --next --passphrase-file passphrase --next-passphrase-file passphrase --confirm"
    ));
    Said::of(&judges::run(create.arg("m1 root g2"))).fine();
    story.issuing_create(DUE);
    assert_eq!(server.most(writes, rotate), write, "rotate, to trust the next root");
    let rollback = || _ = story.with_passphrase(&format!("--at {DUE} rollback")).fine().saying("goes back");
    assert_eq!(server.most(writes, rollback), write, "rollback");
    assert_eq!(server.held.lock().unwrap().secrets.len(), CLUSTERS);
}

//! The exporter over a status in ConfigMaps. The API server here is a stub that serves what a test puts into it, and counts
//! what it is asked for; a real one is in `slow_exporter.rs`.

#![cfg(feature = "k8s")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a stub that cannot listen is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests wait")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::{Value, json};

#[path = "support/exporting.rs"]
mod exporting;
mod support;

use exporting::{Exporting, LONG, is_read, samples};
use support::story::{Story, lab};

const MOMENT: &str = "2026-11-23T10:00:00Z";
const PLACE: &str = "/api/v1/namespaces/meshca/configmaps/";

/// ConfigMaps by name, and the paths that were asked for.
#[derive(Default)]
struct Cluster {
    maps: BTreeMap<String, Value>,
    asked: Vec<String>,
    version: u64,
    refuses: bool,
}

struct Stub {
    cluster: Arc<Mutex<Cluster>>,
    port: u16,
}

impl Stub {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cluster = Arc::new(Mutex::new(Cluster::default()));
        let shared = Arc::clone(&cluster);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let (mut bytes, mut byte) = (Vec::new(), [0]);
                while !bytes.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                    bytes.extend(byte);
                }
                let head = String::from_utf8(bytes).unwrap();
                let line = head.lines().next().unwrap_or_default().trim_end_matches(" HTTP/1.1").trim_end_matches('?');
                let (status, body) = shared.lock().unwrap().answer(line);
                let text = body.to_string();
                let head = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                    text.len()
                );
                let _ = stream.write_all((head + &text).as_bytes());
            }
        });
        Self { cluster, port }
    }

    /// A ConfigMap with this report, which says that it is this part of so many.
    fn put(&self, number: usize, count: usize, report: &Value) {
        let mut cluster = self.cluster.lock().unwrap();
        cluster.version += 1;
        let name = format!("meshca-status-{number}");
        let annotations = json!({ "meshca.io/part": number.to_string(), "meshca.io/parts": count.to_string() });
        let metadata = json!({ "name": name, "namespace": "meshca", "annotations": annotations,
            "resourceVersion": cluster.version.to_string() });
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
            "data": { "status.json": report.to_string() } });
        cluster.maps.insert(name, map);
    }

    fn kubeconfig(&self) -> String {
        format!(
            "apiVersion: v1\nkind: Config\ncurrent-context: a\nclusters: [{{ name: a, cluster: {{ server: 'http://127.0.0.1:{}' }} }}]\n\
             users: [{{ name: a, user: {{ token: t }} }}]\ncontexts: [{{ name: a, context: {{ cluster: a, user: a }} }}]\n",
            self.port
        )
    }
}

impl Cluster {
    fn answer(&mut self, line: &str) -> (&'static str, Value) {
        self.asked.push(line.to_owned());
        let failure = |code: u16, reason: &str| json!({ "apiVersion": "v1", "kind": "Status", "status": "Failure", "code": code, "reason": reason, "message": reason });
        if self.refuses {
            return ("403 Forbidden", failure(403, "Forbidden"));
        }
        let name = line.strip_prefix("GET ").and_then(|path| path.strip_prefix(PLACE)).unwrap_or_default();
        match self.maps.get(name) {
            Some(map) => ("200 OK", map.clone()),
            None => ("404 Not Found", failure(404, "NotFound")),
        }
    }
}

/// A lab and the document of its status.
fn published() -> (Story, Value) {
    let story = Story::new(&lab("mesh1", "", &["east", "west"])).founded("mesh1", MOMENT);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    story.with_passphrase(&format!("--at {MOMENT} publish")).fine();
    story.with_passphrase(&format!("--at {MOMENT} rotate")).fine();
    let report = serde_json::from_str(&story.read("records/status.json")).unwrap();
    (story, report)
}

/// The part of a report that is about these clusters; what is said of the mesh goes with the first.
fn part(report: &Value, cluster: &str, is_first: bool) -> Value {
    let mut part = report.clone();
    let is_here = |it: &Value| it["cluster"] == cluster || (is_first && it["cluster"].is_null());
    for key in ["clusters", "rows", "lastSafeStarts"] {
        part[key] = report[key].as_array().unwrap().iter().filter(|it| is_here(it)).cloned().collect();
    }
    if !is_first {
        part["ceremonies"] = json!([]);
    }
    part
}

#[test]
fn parts_are_gathered_by_name_and_only_read_and_what_is_missing_is_told() {
    let (story, report) = published();
    let stub = Stub::start();
    story.write("home", stub.kubeconfig());
    let line = format!(
        "--at {MOMENT} exporter --listen 127.0.0.1:0 --every 1s --status-configmap meshca/meshca-status --home-kubeconfig home"
    );
    let mut exporter = Exporting::start(&story, &line);
    let nothing = exporter.once("it has looked", |text| text.contains("meshca_status_readable 0"));
    assert_eq!((samples(&nothing).len(), exporter.get("/readyz").status), (2, 503));
    // The first of two parts is there, the second is not: a part is no status of the fleet.
    stub.put(0, 2, &part(&report, "east", true));
    let asks_for_both = || stub.cluster.lock().unwrap().asked.iter().any(|line| line.ends_with("meshca-status-1"));
    let start = Instant::now();
    while !asks_for_both() {
        assert!(start.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(samples(&exporter.get("/metrics").body).len(), 2);
    stub.put(1, 2, &part(&report, "west", false));
    let text = exporter.once("both parts are there", is_read);
    assert!(text == story.meshca(&format!("--at {MOMENT} report -o prometheus")).fine().out, "{text}");
    // One part is replaced: the other is not a reason to wait.
    let mut newer = part(&report, "west", false);
    newer["clusters"][0]["observedAtSeconds"] = 1_795_431_600.into();
    stub.put(1, 2, &newer);
    let seen = "meshca_last_observation_timestamp_seconds{cluster=\"west\"} 1795431600";
    exporter.once("it reads the part that changed", |text| text.contains(seen) && is_read(text));
    // The list shrinks, and what is left of the longer one does not count.
    stub.put(0, 1, &part(&report, "east", true));
    let shrunk = exporter.once("it goes by what the first part says", |text| !text.contains("\"west\""));
    assert!(is_read(&shrunk), "{shrunk}");
    // Parts that contradict each other, one that is none, and no right any more.
    stub.put(0, 2, &part(&report, "east", true));
    stub.put(1, 3, &newer);
    exporter.once("parts of different lists are no status", |text| !is_read(text));
    stub.put(1, 2, &newer);
    exporter.once("it is whole again", is_read);
    stub.put(1, 2, &json!("nonsense"));
    exporter.once("a part that is no report is none", |text| !is_read(text));
    stub.put(1, 2, &newer);
    exporter.once("it is whole once more", is_read);
    stub.cluster.lock().unwrap().refuses = true;
    let last = exporter.once("it may not read any more", |text| !is_read(text));
    assert!(last.contains(seen), "what it knew it still tells\n{last}");
    assert_eq!(exporter.end(Signal::TERM), Some(0));
    let words = exporter.words();
    assert!(words.contains("error: not-allowed: ") && words.contains("meshca manifests exporter"), "{words}");
    let asked = stub.cluster.lock().unwrap().asked.clone();
    let allowed = [
        format!("GET {PLACE}meshca-status-0"),
        format!("GET {PLACE}meshca-status-1"),
        format!("GET {PLACE}meshca-status-2"),
    ];
    assert!(asked.iter().all(|line| allowed.contains(line)), "{asked:?}");
}

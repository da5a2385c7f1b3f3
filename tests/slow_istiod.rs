//! A real istiod that watches a directory of ours, or one in which our Secret is mounted: what it serves and what its
//! gauges say is what the report tells, and where it has made itself a CA nothing is published.
//!
//! istiod reads the machine's clock, so everything is made sixty-one days ago and renewed now.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk and the clock, and wait")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "an istiod that does not answer is a failed test")]

#[path = "support/clusters/mod.rs"]
mod clusters;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command;
use serde_json::Value;
use tempfile::TempDir;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use clusters::{Clusters, Istiod, Kubelet};

/// One for each test.
static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| {
    let clusters = Clusters::start(3);
    (0..3).for_each(|index| clusters.server(index).create_namespace("istio-system"));
    clusters
});

/// istiod reloads in a fraction of a second; a machine that builds meanwhile needs many times that.
const PATIENCE: Duration = Duration::from_secs(120);

/// A mesh of one primary whose intermediate has 29 days left: its renewal is due.
struct Lab {
    folder: TempDir,
    access: String,
}

impl Lab {
    fn new() -> Self {
        Self::reached_by("directory: ./east")
    }

    fn reached_by(access: &str) -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap(), access: access.to_owned() };
        fs::write(lab.path("passphrase"), "a passphrase of the lab\n").unwrap();
        lab.look_by("");
        let then = (OffsetDateTime::now_utc() - time::Duration::days(61)).format(&Rfc3339).unwrap();
        for words in [
            "root create --confirm m1_root_g1",
            "issuing create --issuing-passphrase-file passphrase",
            "issue",
            "publish",
        ] {
            lab.meshca(&format!("--at {then} {words} --passphrase-file passphrase"));
        }
        lab
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the mesh file with this about its istiod.
    fn look_by(&self, istiod: &str) {
        let access = &self.access;
        let east = format!("{{ name: east, role: primary, access: {{ {access} }}, istiod: {{ {istiod} }} }}");
        let mesh = format!("version: 1\nmesh: m1\nlab: true\nclusters:\n  - {east}\n");
        fs::write(self.path("mesh.yaml"), mesh).unwrap();
    }

    /// Runs a command, words apart by spaces; `_` in a word is a space.
    fn meshca(&self, words: &str) -> String {
        let words = words.split(' ').map(|word| word.replace('_', " "));
        let mut command = Command::cargo_bin("meshca").unwrap();
        let assert = command.current_dir(self.folder.path()).args(words).assert().success();
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    }

    /// Runs a command that has to end with this exit code; what it said on both ends.
    fn ends(&self, code: i32, words: &str) -> String {
        let mut command = Command::cargo_bin("meshca").unwrap();
        let assert = command.current_dir(self.folder.path()).args(words.split(' ')).assert().code(code);
        let output = assert.get_output();
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
    }

    fn report(&self) -> Report {
        Report(serde_json::from_str(&self.meshca("report -o json")).unwrap())
    }

    /// The report as soon as it says this word about east.
    fn report_once(&self, word: &str) -> Report {
        let start = Instant::now();
        loop {
            let report = self.report();
            if report.loaded() == word {
                return report;
            }
            assert!(start.elapsed() < PATIENCE, "not {word} after {PATIENCE:?}: {:#}", report.0);
            thread::sleep(Duration::from_millis(100));
        }
    }

    fn start_istiod(&self, server: usize, folder: &str) -> Istiod {
        Istiod::start(CLUSTERS.server(server), &self.path("east"), &self.path(folder))
    }
}

struct Report(Value);

impl Report {
    fn row(&self, role: &str) -> &Value {
        self.0["rows"].as_array().unwrap().iter().find(|row| row["cluster"] == "east" && row["role"] == role).unwrap()
    }

    fn loaded(&self) -> &str {
        self.row("intermediate")["loaded"].as_str().unwrap()
    }

    fn why(&self) -> &str {
        self.row("intermediate")["loadedWhy"].as_str().unwrap()
    }

    fn replicas(&self) -> &[Value] {
        self.0["clusters"][0]["replicas"].as_array().unwrap()
    }

    fn replica(&self, way: &str) -> &Value {
        self.replicas().iter().find(|it| it["way"] == way).unwrap()
    }

    fn codes(&self) -> Vec<&str> {
        self.0["findings"].as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect()
    }
}

#[test]
fn an_istiod_on_a_directory_of_ours_is_seen_to_load_each_renewal() {
    let lab = Lab::new();
    assert_eq!(lab.report().loaded(), "none");
    let istiod = lab.start_istiod(0, "istiod");
    let (address, metrics) = (istiod.address(), istiod.metrics());
    lab.look_by(&format!("addresses: ['{address}'], metrics: ['{metrics}']"));

    let before = lab.report();
    assert_eq!((before.loaded(), before.why()), ("seen", "the one replica serves it"), "{:#}", before.0);
    let chain = before.replica("chain");
    let root = before.row("root");
    assert_eq!(root["subjectCommonName"], "m1 root g1");
    let offered = chain["clientCaNames"].as_array().unwrap();
    assert_eq!((offered.len(), offered[0].as_str().unwrap()), (1, "O=m1, CN=m1 root g1"));
    let gauges = before.replica("gauges");
    assert_eq!(gauges["chainEnd"], before.row("intermediate")["notAfter"]);
    assert_eq!(gauges["rootEnd"], root["notAfter"]);

    lab.meshca("rotate --passphrase-file passphrase");
    let after = lab.report_once("seen");
    assert_ne!(after.row("intermediate")["serial"], before.row("intermediate")["serial"], "it was renewed");
    assert_ne!(after.replica("chain")["signer"], chain["signer"]);
    assert!(after.replica("chain")["servedSinceSeconds"].as_i64() >= chain["servedSinceSeconds"].as_i64());

    // 51 days later the next generation is due; publishing it waits until istiod signs with it.
    lab.meshca("issue --passphrase-file passphrase");
    let published = lab.meshca("publish --wait=2m --passphrase-file passphrase");
    assert!(published.contains("loaded   seen: the one replica serves it"), "{published}");
    let after = lab.report();
    assert_eq!(after.loaded(), "seen");

    lab.look_by(&format!("metrics: ['{metrics}']"));
    let by_gauges = lab.report_once("seen");
    assert_eq!(by_gauges.why(), "by its gauges, the one replica serves it");
    assert_eq!(by_gauges.replica("gauges")["chainEnd"], after.row("intermediate")["notAfter"]);
    assert_ne!(by_gauges.replica("gauges")["chainEnd"], gauges["chainEnd"]);

    lab.look_by(&format!("addresses: ['{address}']"));
    let process = PathBuf::from(format!("/proc/{}", istiod.pid()));
    assert!(process.exists());
    drop(istiod);
    assert!(!process.exists(), "it ended");
    let gone = lab.report();
    assert_eq!((gone.loaded(), gone.codes()), ("none", vec!["istiod-unreachable"]));
    assert!(gone.why().contains(&format!("istiod at {address} cannot be reached")), "{}", gone.why());
}

#[test]
fn an_update_that_istiod_drops_is_seen_until_it_is_restarted() {
    let lab = Lab::new();
    let istiod = lab.start_istiod(1, "istiod");
    lab.look_by(&format!("addresses: ['{}'], metrics: ['{}']", istiod.address(), istiod.metrics()));
    assert_eq!(lab.report().loaded(), "seen");

    // One byte more in the trust bundle, which meshca then keeps: without multi-root istiod drops whatever comes with it.
    append(&lab.path("east/root-cert.pem"), "\n");
    lab.meshca("rotate --passphrase-file passphrase");
    let refusal = "Multi root is disabled, updating new ROOT-CA not supported";
    let start = Instant::now();
    while !istiod.log().contains(refusal) {
        assert!(start.elapsed() < PATIENCE, "{}", istiod.log());
        thread::sleep(Duration::from_millis(100));
    }
    let stale = lab.report();
    let why = format!("istiod at {} serves another signer than its cacerts", istiod.address());
    assert_eq!((stale.loaded(), stale.why()), ("no", why.as_str()));
    assert_eq!(stale.codes(), ["istiod-serves-another"]);
    assert!(lab.meshca("report -o prometheus").contains("meshca_istiod_loaded{cluster=\"east\",grade=\"seen\"} 0\n"));
    assert!(lab.meshca("report").lines().any(|line| line.contains("  no  ") && line.contains("another signer")));
    lab.look_by(&format!("metrics: ['{}']", istiod.metrics()));
    assert_eq!(lab.report().loaded(), "no", "its gauges say the same");

    // A second replica starts with what is published; the first one still signs with the old intermediate.
    let second = lab.start_istiod(1, "istiod-again");
    lab.look_by(&format!("addresses: ['{}', '{}']", istiod.address(), second.address()));
    let half = lab.report();
    assert_eq!((half.loaded(), half.why()), ("no", why.as_str()));
    let signers: Vec<_> = half.replicas().iter().map(|it| it["signer"].as_str().unwrap()).collect();
    assert!(signers.len() == 2 && signers[0] != signers[1], "{signers:?}");

    drop(istiod);
    let istiod = second;
    lab.look_by(&format!("addresses: ['{}'], metrics: ['{}']", istiod.address(), istiod.metrics()));
    assert_eq!(lab.report().loaded(), "seen");
    assert!(lab.meshca("report -o prometheus").contains("meshca_istiod_loaded{cluster=\"east\",grade=\"seen\"} 1\n"));
}

fn until(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come about");
        thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn behind_an_api_server_publishing_waits_for_istiod_and_one_that_made_itself_a_ca_is_left_alone() {
    let server = CLUSTERS.server(2);
    let lab = Lab::reached_by(&format!("kubeconfig: {}", server.kubeconfig("admin").display()));
    let mounted = lab.path("mounted");
    let _kubelet = Kubelet::start(server, mounted.clone());
    until("the mount", || mounted.join("ca-key.pem").exists());
    let istiod = Istiod::start(server, &mounted, &lab.path("istiod"));
    lab.look_by(&format!("addresses: ['{}'], metrics: ['{}']", istiod.address(), istiod.metrics()));
    until("the trust bundle of istiod", || lab.report().row("root")["status"] == "ok");
    assert_eq!(lab.report_once("seen").why(), "the one replica serves it");
    lab.meshca("issue --passphrase-file passphrase");
    let published = lab.meshca("publish --wait=2m --passphrase-file passphrase");
    assert!(published.contains("loaded   seen: the one replica serves it"), "{published}");

    // Somebody deletes it, and istiod starts again: it makes itself a CA, and hands out its root.
    assert!(server.kubectl(["delete", "secret", "cacerts", "-n", "istio-system"]).status.success());
    until("the empty mount", || !mounted.join("ca-key.pem").exists());
    drop(istiod);
    let _alone = Istiod::start(server, &mounted, &lab.path("istiod-alone"));
    until("a CA of its own", || server.secret("istio-system", "istio-ca-secret").is_some());
    lab.look_by("");
    let said = lab.ends(1, "rotate --passphrase-file passphrase");
    assert!(said.contains("error: already-running-under-another-root: east"), "{said}");
    lab.ends(0, "issue east --passphrase-file passphrase");
    let said = lab.ends(1, "publish --passphrase-file passphrase");
    assert!(said.contains("error: already-running-under-another-root: east"), "{said}");
    assert!(server.secret("istio-system", "cacerts").is_none());
}

fn append(file: &Path, text: &str) {
    let whole = fs::read_to_string(file).unwrap() + text;
    fs::write(file, whole).unwrap();
}

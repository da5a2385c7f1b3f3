//! The API servers that other tests use: that they are what those tests take them for, and that nothing of them stays.

#![expect(clippy::disallowed_methods, reason = "tests look at processes, and wait for them")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a server that does not answer is a failed test")]

#[path = "support/clusters/mod.rs"]
mod clusters;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use clusters::{ApiServer, Clusters};

/// Two clusters for the tests that stop nothing.
static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start_with_users(2, &["robot"]));

const APPLY: &str = "application/apply-patch+yaml";

fn words(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

/// Applies the Secret on the server's side with this metadata beside its name, and returns the HTTP status.
fn apply(server: &ApiServer, namespace: &str, name: &str, mut metadata: Value) -> u16 {
    metadata["name"] = name.into();
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": { "word": "bmV3" } });
    let path = format!("/api/v1/namespaces/{namespace}/secrets/{name}?fieldManager=test&force=true");
    server.ask(server.token("admin"), &format!("PATCH {path}"), APPLY, &secret.to_string()).unwrap().status
}

#[test]
fn every_server_is_ready_and_is_the_version_that_is_pinned() {
    for index in 0..2 {
        let server = CLUSTERS.server(index);
        assert_eq!(words(&server.kubectl(["get", "--raw", "/readyz"])), "ok");
        let version = server.ask(server.token("admin"), "GET /version", "", "").unwrap().json();
        let pins = include_str!("tools/kube/go.mod");
        let pinned = format!("k8s.io/kubernetes {}", version["gitVersion"].as_str().unwrap());
        assert!(std::env::var_os("KUBEBUILDER_ASSETS").is_some() || pins.contains(&pinned), "{version}");
        assert!(server.log().contains("Serving securely"), "its log can be read");
    }
}

#[test]
fn two_servers_on_one_etcd_know_nothing_of_each_other() {
    let (first, second) = (CLUSTERS.server(0), CLUSTERS.server(1));
    first.create_namespace("only-in-the-first");
    assert!(first.kubectl(["get", "namespace", "only-in-the-first"]).status.success());
    let missing = second.kubectl(["get", "namespace", "only-in-the-first"]);
    assert!(words(&missing).contains("NotFound"), "{}", words(&missing));
    let uid =
        |server: &ApiServer| server.kubectl(["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
    assert_ne!(words(&uid(first)), words(&uid(second)));
    assert_eq!(second.ask(first.token("admin"), "GET /api", "", "").unwrap().status, 401, "a token is of one cluster");
    assert_ne!(first.authority(), second.authority());
}

#[test]
fn the_admin_may_do_everything_and_a_plain_user_nothing() {
    let server = CLUSTERS.server(0);
    server.create_namespace("rights");
    let made = server.create_secret("rights", "cacerts", &[("word", b"old")]);
    assert_eq!(made["type"], "Opaque");
    assert_eq!(server.secret("rights", "cacerts").unwrap()["data"]["word"], "b2xk");
    assert_eq!(server.secret("rights", "meshca-next"), None);
    let path = "GET /api/v1/namespaces/rights/secrets/cacerts";
    let answers = ["admin", "plain", "robot"].map(|user| server.ask(server.token(user), path, "", "").unwrap());
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 403, 403]);
    assert!(answers[1].body.contains(r#"User \"plain\" cannot get resource \"secrets\""#), "{answers:?}");
    let refused = server.kubectl_as("plain", ["get", "secret", "cacerts", "-n", "rights"]);
    assert!(words(&refused).contains("Forbidden"), "{}", words(&refused));
    assert_eq!(server.ask("no token of anybody", path, "", "").unwrap().status, 401);
}

#[test]
fn a_role_gives_a_service_account_its_rights() {
    let server = CLUSTERS.server(1);
    server.create_namespace("account");
    server.create_secret("account", "cacerts", &[("word", b"old")]);
    let token = server.service_account_token("account", "meshca");
    let config = server.kubeconfig_with_token("meshca", &token).display().to_string();
    let get = ["get", "secret", "cacerts", "-n", "account", "--kubeconfig", config.as_str()];
    assert!(
        words(&server.kubectl(get)).contains("system:serviceaccount:account:meshca"),
        "{}",
        words(&server.kubectl(get))
    );
    let role =
        ["create", "role", "one", "-n", "account", "--verb=get", "--resource=secrets", "--resource-name=cacerts"];
    assert!(server.kubectl(role).status.success());
    let binding = ["create", "rolebinding", "one", "-n", "account", "--role=one", "--serviceaccount=account:meshca"];
    assert!(server.kubectl(binding).status.success());
    // A server learns of new roles by a watch, a moment later.
    assert!(becomes_true(|| server.kubectl(get).status.success()), "{}", words(&server.kubectl(get)));
}

#[test]
fn an_apply_with_a_stale_resource_version_is_a_conflict() {
    let server = CLUSTERS.server(0);
    server.create_namespace("conflict");
    let old = server.create_secret("conflict", "cacerts", &[("word", b"old")])["metadata"].clone();
    let precondition = json!({ "uid": old["uid"], "resourceVersion": old["resourceVersion"] });
    assert_eq!(apply(server, "conflict", "cacerts", precondition.clone()), 200);
    assert_eq!(apply(server, "conflict", "cacerts", precondition), 409, "it was changed meanwhile");
}

#[test]
fn only_a_uid_keeps_an_apply_from_making_a_deleted_secret_again() {
    let server = CLUSTERS.server(0);
    server.create_namespace("deleted");
    let old = server.create_secret("deleted", "cacerts", &[("word", b"old")])["metadata"].clone();
    assert!(server.kubectl(["delete", "secret", "cacerts", "-n", "deleted"]).status.success());
    let both = json!({ "uid": old["uid"], "resourceVersion": old["resourceVersion"] });
    assert_eq!(apply(server, "deleted", "cacerts", both), 409);
    assert_eq!(apply(server, "deleted", "cacerts", json!({ "resourceVersion": old["resourceVersion"] })), 201);
}

#[test]
fn a_server_that_was_stopped_comes_back_with_its_objects_and_a_paused_etcd_stops_every_answer() {
    let clusters = Clusters::start(1);
    let server = clusters.server(0);
    server.create_namespace("kept");
    let made = server.create_secret("kept", "cacerts", &[("word", b"old")]);
    let (port, pid) = (server.port(), server.pid());

    server.stop();
    assert_eq!(server.pid(), None);
    let get = || server.ask(server.token("admin"), "GET /api/v1/namespaces/kept/secrets/cacerts", "", "");
    assert_eq!(get().unwrap_err().kind(), ErrorKind::ConnectionRefused);
    let squatter = TcpListener::bind(("127.0.0.1", port)).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| server.start());
        assert!(becomes_true(|| server.log().contains("address already in use")), "{}", server.log());
        drop(squatter);
    });
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), pid);
    assert_eq!(server.secret("kept", "cacerts"), Some(made));

    clusters.etcd().pause();
    let kind = get().unwrap_err().kind();
    assert!(matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{kind:?}");
    let slow = server.kubectl(["get", "secret", "cacerts", "-n", "kept", "--request-timeout=2s"]);
    assert!(!slow.status.success(), "{}", words(&slow));
    clusters.etcd().resume();
    assert!(becomes_true(|| get().is_ok_and(|answer| answer.status == 200)), "it does not heal");
}

#[test]
fn nothing_is_left_when_the_clusters_are_dropped_nor_when_a_test_panics() {
    let clusters = Clusters::start(1);
    let (pids, folder) = (clusters.pids(), clusters.folder().to_owned());
    assert_eq!(pids.len(), 3);
    assert!(pids.iter().all(|pid| is_running(*pid, &folder)), "they are running and can be told by their folder");
    drop(clusters);
    assert_eq!(left(&pids, &folder), Vec::<String>::new());

    let (tell, told) = std::sync::mpsc::channel();
    let panicking = thread::spawn(move || {
        let clusters = Clusters::start(1);
        // Killed or stopped, it ends all the same.
        clusters.etcd().pause();
        tell.send((clusters.pids(), clusters.folder().to_owned())).unwrap();
        panic!("this panic is a part of the test");
    });
    assert!(panicking.join().is_err());
    let (pids, folder) = told.recv().unwrap();
    assert_eq!(left(&pids, &folder), Vec::<String>::new());
}

#[test]
fn nothing_is_left_when_the_test_program_is_killed() {
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--ignored", "--exact", "--nocapture", "clusters_that_wait_for_the_end_of_their_program"]);
    let mut program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(program.stdout.take().unwrap());
    let line = said.lines().map_while(Result::ok).find_map(|line| Some(line.split_once("CLUSTERS ")?.1.to_owned()));
    program.kill().unwrap();
    program.wait().unwrap();
    let told: Value = serde_json::from_str(&line.unwrap()).unwrap();
    let pids: Vec<u32> = serde_json::from_value(told["pids"].clone()).unwrap();
    let folder = PathBuf::from(told["folder"].as_str().unwrap());
    assert_eq!(pids.len(), 3);
    assert!(becomes_true(|| left(&pids, &folder).is_empty()), "{:?}", left(&pids, &folder));
}

#[test]
fn servers_are_those_of_kubebuilder_assets_where_nothing_else_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log").display().to_string();
    for name in ["kube-apiserver", "etcd", "kubectl"] {
        let real = clusters::programs::program(name).display().to_string();
        let script = folder.path().join("script");
        fs::write(&script, format!("#!/bin/sh\necho {name} >> '{log}'\nexec '{real}' \"$@\"\n")).unwrap();
        // Copied by another program: a test beside this one that starts a process would inherit the open file, and what
        // is open for writing cannot be run.
        let installed = Command::new("install").arg(&script).arg(folder.path().join(name)).status().unwrap();
        assert!(installed.success());
    }
    let mut program = Command::new(std::env::current_exe().unwrap());
    program.args(["--exact", "a_role_gives_a_service_account_its_rights"]);
    let ran = program.env_remove("MESHCA_TEST_KUBE").env("KUBEBUILDER_ASSETS", folder.path()).output().unwrap();
    assert!(ran.status.success(), "{}", words(&ran));
    let started = fs::read_to_string(&log).unwrap();
    for name in ["kube-apiserver", "etcd", "kubectl"] {
        assert!(started.lines().any(|line| line == name), "{name} was not started from there: {started}");
    }
}

/// A static, which nobody drops, as tests use it.
#[test]
#[ignore = "only for nothing_is_left_when_the_test_program_is_killed, which starts it"]
fn clusters_that_wait_for_the_end_of_their_program() {
    static WAITING: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(1));
    // From a thread that ends before the servers should.
    let told = thread::spawn(|| json!({ "pids": WAITING.pids(), "folder": WAITING.folder() })).join().unwrap();
    assert!(WAITING.server(0).kubectl(["get", "namespaces"]).status.success());
    println!("CLUSTERS {told}");
    // Standard input ends if the program that started this one does.
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

/// Whether this process is running and is one of the clusters in this folder: a number may be used again.
fn is_running(pid: u32, folder: &Path) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&command).contains(&folder.display().to_string())
}

/// What is left of clusters.
fn left(pids: &[u32], folder: &Path) -> Vec<String> {
    let pids = pids.iter().filter(|pid| is_running(**pid, folder)).map(|pid| format!("process {pid}"));
    pids.chain(folder.exists().then(|| folder.display().to_string())).collect()
}

/// Asks again for a minute at least.
fn becomes_true(condition: impl Fn() -> bool) -> bool {
    (0..300).any(|round| {
        thread::sleep(Duration::from_millis(if round == 0 { 0 } else { 200 }));
        condition()
    })
}

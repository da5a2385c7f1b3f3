//! One tick over 1,000 targets behind real API servers: with all of them due, with none, and with 100 that never answer.
//! How long, how many requests a target, how much memory.
//!
//! `cargo bench --bench clusters` (needs what `tests/run tools` installs, and GNU time); the meaning of its figures is in
//! docs/PERFORMANCE.md. `CLUSTERS=100` makes it shorter.

#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run says so by stopping")]
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock, its environment and files, and prints"
)]

#[path = "../support/clusters/mod.rs"]
mod clusters;

use std::fmt::Write;
use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use clusters::{ApiServer, Clusters};

const SERVERS: usize = 3;
/// One of so many is dead in the last round.
const DEAD: usize = 10;
const DEADLINE: u32 = 5;
const MOMENT: &str = "2026-11-23T10:00:00Z";
const LATER: &str = "2027-01-23T10:00:00Z";

fn main() {
    // `cargo test --benches` only wants to know that it builds.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let count = std::env::var("CLUSTERS").map_or(1_000, |text| text.parse().unwrap());
    let rig = Clusters::start(SERVERS);
    let namespaces: Vec<String> = (0..count).map(|number| format!("t{number:04}")).collect();
    for (number, namespace) in namespaces.iter().enumerate() {
        rig.server(number % SERVERS).create_namespace(namespace);
    }
    let folder = rig.folder().join("bench");
    fs::create_dir(&folder).unwrap();
    found(&folder, &rig, &namespaces);
    println!("{count} targets behind {SERVERS} API servers, 64 looked at and 4 written at once");
    let tick = |what: &str, mesh: &str, at: &str| measure(&folder, &rig, count, what, mesh, at);
    tick("all new", "mesh.yaml", MOMENT);
    tick("nothing due", "mesh.yaml", MOMENT);
    tick("all due", "mesh.yaml", LATER);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let dead = clusters::kubeconfig("dead", &format!("http://{}", silent.local_addr().unwrap()), "", "none");
    fs::write(folder.join("dead.json"), dead.to_string()).unwrap();
    fs::write(folder.join("some-dead.yaml"), mesh_file(&rig, &namespaces, true)).unwrap();
    tick("nothing due, every tenth dead", "some-dead.yaml", LATER);
}

fn mesh_file(rig: &Clusters, namespaces: &[String], some_dead: bool) -> String {
    let mut text = format!(
        "version: 1\nmesh: bench\nlab: true\nrotation: {{ observe: 64, write: 4, deadline: {DEADLINE}s }}\nclusters:\n"
    );
    for (number, namespace) in namespaces.iter().enumerate() {
        let kubeconfig = match some_dead && number % DEAD == 0 {
            true => "./dead.json".to_owned(),
            false => rig.server(number % SERVERS).kubeconfig("admin").display().to_string(),
        };
        writeln!(
            text,
            "  - {{ name: {namespace}, network: n, role: primary, namespace: {namespace}, access: {{ kubeconfig: {kubeconfig} }} }}"
        )
        .unwrap();
    }
    text
}

/// Root and issuing CA, the latter in plain text, so that no passphrase is stretched.
fn found(folder: &Path, rig: &Clusters, namespaces: &[String]) {
    fs::write(folder.join("mesh.yaml"), mesh_file(rig, namespaces, false)).unwrap();
    fs::write(folder.join("passphrase"), "a passphrase for measuring\n").unwrap();
    let run = |arguments: &[&str]| {
        let all = [&["-q", "-f", "mesh.yaml", "--at", MOMENT], arguments].concat();
        let status = meshca().args(all).current_dir(folder).stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "{arguments:?}");
    };
    run(&["root", "create", "--passphrase-file", "passphrase", "--confirm", "bench root g1"]);
    run(&["issuing", "create", "--passphrase-file", "passphrase", "--issuing-passphrase-file", "passphrase"]);
    let key = folder.join("material/issuing/g1/issuing-key.pem");
    let opened = Command::new("openssl")
        .args(["pkey", "-passin", "file:passphrase", "-in"])
        .arg(&key)
        .current_dir(folder)
        .output()
        .unwrap();
    fs::write(&key, opened.stdout).unwrap();
}

fn meshca() -> Command {
    Command::new(env!("CARGO_BIN_EXE_meshca"))
}

fn measure(folder: &Path, rig: &Clusters, count: usize, what: &str, mesh: &str, at: &str) {
    let before = requests(rig);
    let begun = Instant::now();
    let output = Command::new("/usr/bin/time")
        .args(["-f", "%M", env!("CARGO_BIN_EXE_meshca"), "-q", "-f", mesh, "--at", at, "rotate", "-o", "json"])
        .current_dir(folder)
        .output()
        .unwrap();
    let took = begun.elapsed();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let kibibytes: f64 = words.lines().last().unwrap().parse().unwrap();
    let asked = f64::from(u32::try_from(requests(rig) - before).unwrap());
    let targets = f64::from(u32::try_from(count).unwrap());
    println!(
        "  {what:<32} {:>6.1} s  {:>5.2} requests a target  {:>4.0} MiB  exit {:?}",
        took.as_secs_f64(),
        asked / targets,
        kibibytes / 1024.0,
        output.status.code()
    );
}

/// What all API servers were asked for single Secrets, ConfigMaps and namespaces so far.
fn requests(rig: &Clusters) -> u64 {
    (0..SERVERS).map(|number| asked(rig.server(number))).sum()
}

fn asked(server: &ApiServer) -> u64 {
    let answer = server.ask(server.token("admin"), "GET /metrics", "", "").unwrap();
    let lines = answer.body.lines().filter(|line| line.starts_with("apiserver_request_total{"));
    let of_ours = lines.filter(|line| {
        let is_kind =
            ["secrets", "configmaps", "namespaces"].iter().any(|it| line.contains(&format!("resource=\"{it}\"")));
        is_kind && line.contains("scope=\"resource\"") && !line.contains("verb=\"POST\"")
    });
    of_ours.map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap() as u64).sum()
}

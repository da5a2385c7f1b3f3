//! `rotate --watch` on real API servers: it renews what becomes due, ends cleanly, works in one replica at a time, and says
//! what it did in Events and ConfigMaps.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a cluster that does not answer is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests touch the disk and wait")]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/exporting.rs"]
mod exporting;
mod support;

use clusters::{ApiServer, Clusters};
use exporting::{Exporting, is_read, samples};
use support::snapshot::snapshot;
use support::story::{FILES, Story, later, seconds};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(1));

const MOMENT: &str = "2026-11-23T10:00:00Z";
/// When every intermediate of [`MOMENT`] is due.
const DUE: &str = "2027-01-23T10:00:00Z";

fn server() -> &'static ApiServer {
    CLUSTERS.server(0)
}

/// A lab of so many clusters, each a namespace of the one API server, reached by this kubeconfig; published at
/// [`MOMENT`].
fn fleet(mesh: &str, clusters: usize, more: &str, kubeconfig: &str) -> Story {
    let mut text = format!(
        "version: 1\nmesh: {mesh}\nlab: true\nrecords: stdout\nrotation: {{ deadline: 30s, tick: 1h{more} }}\nclusters:\n"
    );
    for number in 0..clusters {
        let name = namespace(mesh, number);
        text.push_str(&format!(
            "  - {{ name: {name}, network: {name}, role: primary, namespace: {name}, access: {{ kubeconfig: {kubeconfig} }} }}\n"
        ));
    }
    let story = Story::new(&text).founded(mesh, MOMENT);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    let names = (0..clusters).map(
        |number| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace(mesh, number) } }),
    );
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": names.collect::<Vec<_>>() });
    assert!(server().kubectl_with_input(&["create", "-f", "-"], &list).status.success());
    story
}

fn published(mesh: &str, clusters: usize, more: &str) -> Story {
    let story = fleet(mesh, clusters, more, &server().kubeconfig("admin").display().to_string());
    story.with_passphrase(&format!("--at {MOMENT} publish")).fine();
    story
}

fn namespace(mesh: &str, number: usize) -> String {
    format!("{mesh}-{number}")
}

/// The same mesh on another machine: another folder, so that no lock keeps the two apart.
fn elsewhere(story: &Story) -> Story {
    let other = Story::new(&story.read("mesh.yaml"));
    for (path, _) in snapshot(&story.path("material")) {
        let name = format!("material/{}", path.display());
        if story.path(&name).is_file() {
            other.write(&name, story.bytes(&name));
        }
    }
    other
}

/// A watch that runs.
struct Watch {
    child: Child,
    folder: PathBuf,
}

impl Watch {
    /// `rotate --watch` with these words.
    fn start(story: &Story, line: &str) -> Self {
        let mut command = story.command(&format!("rotate --watch --passphrase-file passphrase {line}"));
        command.env_remove("POD_NAME");
        Self::spawn(story, command)
    }

    fn spawn(story: &Story, mut command: Command) -> Self {
        let folder = story.path("");
        let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
        let child = command.stdin(Stdio::null()).stdout(file("out")).stderr(file("err")).spawn().unwrap();
        Self { child, folder }
    }

    /// Under the Lease NAMESPACE/rotate.
    fn replica(story: &Story, namespace: &str, identity: &str, line: &str) -> Self {
        let home = server().kubeconfig("admin").display().to_string();
        let lease = format!("--lease {namespace}/rotate --lease-duration 6s --home-kubeconfig {home}");
        Self::start(story, &format!("{line} {lease} --identity {identity}"))
    }

    fn out(&self) -> String {
        fs::read_to_string(self.folder.join("out")).unwrap()
    }

    fn err(&self) -> String {
        fs::read_to_string(self.folder.join("err")).unwrap()
    }

    /// Ticks that came to their end.
    fn ticks(&self) -> usize {
        self.out().lines().filter(|line| line.starts_with("nothing ") || line.contains(" renewed")).count()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until it is so; what takes this long does not come about.
    fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "{what}: it ended with {ended:?}\n{}\n{}", self.out(), self.err());
            assert!(start.elapsed() < Duration::from_secs(300), "{what}\n{}\n{}", self.out(), self.err());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// SIGTERM, and how it ended.
    fn end(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(what: &[&str]) -> Value {
    let output = server().kubectl(["get", "-o", "json"].iter().chain(what));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn generation(namespace: &str) -> String {
    let secret = server().secret(namespace, "cacerts").unwrap();
    secret["metadata"]["annotations"]["meshca.io/generation"].as_str().unwrap().to_owned()
}

/// Whether the Secret of a namespace is complete and verifies at this moment.
fn sound(story: &Story, namespace: &str, at: &str) {
    let secret = server().secret(namespace, "cacerts").unwrap();
    for file in FILES {
        let bytes = STANDARD.decode(secret["data"][file].as_str().unwrap()).unwrap();
        story.write(&format!("fetched/{namespace}/{file}"), bytes);
    }
    story.sound(&format!("fetched/{namespace}"), seconds(at)).unwrap();
}

/// Namespace, name and reason of the Events of a mesh.
fn events(mesh: &str, clusters: usize) -> Vec<(String, String, String)> {
    let list = get(&["events.events.k8s.io", "--all-namespaces"]);
    let ours: BTreeSet<String> = (0..clusters).map(|number| namespace(mesh, number)).collect();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut events = Vec::new();
    for event in list["items"].as_array().unwrap() {
        if ours.contains(event["metadata"]["namespace"].as_str().unwrap()) {
            assert_eq!(event["reportingController"], "meshca.io/meshca");
            let regarding = &event["regarding"];
            assert_eq!((&regarding["kind"], &regarding["name"]), (&json!("Secret"), &json!("cacerts")));
            let metadata = &event["metadata"];
            events.push((text(&metadata["namespace"]), text(&metadata["name"]), text(&event["reason"])));
        }
    }
    events.sort();
    events
}

#[test]
fn a_watch_renews_what_becomes_due_and_says_so_once() {
    let story = published("due", 2, "");
    let report: Value = serde_json::from_str(&story.meshca(&format!("--at {MOMENT} -o json report")).out).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let first =
        rows.iter().filter(|row| row["role"] == "intermediate").filter_map(|row| row["renewsAtSeconds"].as_i64());
    let soon = OffsetDateTime::from_unix_timestamp(first.min().unwrap() - 5).unwrap().format(&Rfc3339).unwrap();
    let mut watch = Watch::start(&story, &format!("--at {soon} --every 1s"));
    watch.until("a tick in which nothing is due", |it| it.out().contains("nothing is due for 2 clusters"));
    watch.until("a renewal", |it| it.out().contains("1 of 1 renewed") || it.out().contains("2 of 2 renewed"));
    let ticks = watch.ticks();
    watch.until("two more ticks", |it| it.ticks() >= ticks + 2);
    assert_eq!(watch.end(), Some(0), "{}", watch.err());
    let renewed: Vec<String> = (0..2).map(|it| namespace("due", it)).filter(|it| generation(it) == "2").collect();
    assert!(!renewed.is_empty());
    let told = renewed.iter().map(|it| (it.clone(), "cacerts.rotated.g2".to_owned(), "Rotated".to_owned()));
    assert_eq!(events("due", 2), told.collect::<Vec<_>>());
    assert_eq!(watch.out().matches(r#""act":"publish","outcome":"done""#).count(), renewed.len(), "{}", watch.out());
}

#[test]
fn a_tick_that_fails_does_not_end_the_watch_and_is_how_it_ends() {
    let story = published("failing", 1, "");
    let mesh = story.read("mesh.yaml");
    let mut watch = Watch::start(&story, &format!("--at {MOMENT} --every 1s"));
    watch.until("a tick", |it| it.ticks() >= 1);
    story.write("mesh.yaml", "nonsense: [");
    watch.until("a tick that fails", |it| it.err().contains("error: unknown-key"));
    let ticks = watch.ticks();
    story.write("mesh.yaml", mesh);
    watch.until("a tick that works again", |it| it.ticks() > ticks);
    story.write("mesh.yaml", "nonsense: [");
    let failed = watch.err().matches("error: unknown-key").count();
    watch.until("the next that fails", |it| it.err().matches("error: unknown-key").count() > failed);
    assert_eq!(watch.end(), Some(1), "the last tick failed");
    let refused = story.with_passphrase("rotate --watch");
    assert_eq!(refused.code, Some(1), "what is wrong from the beginning ends it: {refused:?}");
}

#[test]
fn sigterm_in_the_middle_of_a_tick_leaves_every_secret_sound() {
    const MANY: usize = 40;
    let story = published("many", MANY, ", write: 2");
    let mut watch = Watch::start(&story, &format!("--at {DUE} --every 1h"));
    watch.until("the first renewal", |_| generation(&namespace("many", 0)) == "2");
    assert_eq!(watch.end(), Some(0), "{}\n{}", watch.out(), watch.err());
    let out = watch.out();
    let renewed = (0..MANY).filter(|number| generation(&namespace("many", *number)) == "2").count();
    assert!(out.contains(&format!("{renewed} of {MANY} renewed")), "{out}");
    assert_eq!(out.matches(r#""act":"publish","outcome":"done""#).count(), renewed, "the ledger has each: {out}");
    assert_eq!(out.matches("held back  this run was asked to end").count(), MANY - renewed, "{out}");
    for number in 0..MANY {
        sound(&story, &namespace("many", number), DUE);
    }
    assert_eq!(events("many", MANY).len(), renewed);
    // What was held back is done by the next.
    story.with_passphrase(&format!("--at {DUE} rotate")).fine();
    assert!((0..MANY).all(|number| generation(&namespace("many", number)) == "2"));
}

#[test]
fn sigterm_ends_a_single_tick_as_cleanly_and_says_that_it_was_not_all() {
    const MANY: usize = 20;
    let story = published("once", MANY, ", write: 2");
    let mut tick = Watch::spawn(&story, story.command(&format!("--at {DUE} rotate --passphrase-file passphrase")));
    tick.until("the first renewal", |_| generation(&namespace("once", 0)) == "2");
    assert_eq!(tick.end(), Some(1), "{}\n{}", tick.out(), tick.err());
    let renewed = (0..MANY).filter(|number| generation(&namespace("once", *number)) == "2").count();
    assert!(renewed < MANY && tick.out().contains(&format!("{renewed} of {MANY} renewed")), "{}", tick.out());
    assert!(tick.err().contains("error: interrupted: "), "{}", tick.err());
    for number in 0..MANY {
        sound(&story, &namespace("once", number), DUE);
    }
    story.with_passphrase(&format!("--at {DUE} rotate")).fine();
}

fn lease(namespace: &str) -> Value {
    get(&["lease", "rotate", "-n", namespace])["spec"].clone()
}

#[test]
fn of_two_replicas_one_works_and_the_other_takes_over_when_it_is_killed() {
    let story = published("pair", 1, "");
    let home = namespace("pair", 0);
    let other = elsewhere(&story);
    let mut first = Watch::replica(&story, &home, "pod-1", &format!("--at {MOMENT} --every 1s"));
    first.until("it holds the Lease", |it| it.err().contains(&format!("pod-1 holds the Lease {home}/rotate")));
    let mut second = Watch::replica(&other, &home, "pod-2", &format!("--at {DUE} --every 1s"));
    second.until("it stands by", |it| it.err().contains(&format!("stands by: pod-1 holds the Lease {home}/rotate")));
    first.until("it works", |it| it.ticks() >= 5);
    assert_eq!(second.out(), "", "who stands by does nothing");
    assert_eq!(generation(&home), "1");
    assert_eq!(lease(&home)["holderIdentity"], "pod-1");
    first.signal(Signal::KILL);
    first.child.wait().unwrap();
    second.until("it takes over", |it| it.ticks() >= 2);
    assert!(second.err().contains("pod-2 holds the Lease"), "{}", second.err());
    assert_eq!(generation(&home), "2", "it works at once: by its clock the renewal is due");
    let taken = lease(&home);
    assert_eq!((&taken["holderIdentity"], &taken["leaseTransitions"]), (&json!("pod-2"), &json!(2)));
    // Who is asked to end lets go of it.
    assert_eq!(second.end(), Some(0));
    assert!(lease(&home)["holderIdentity"].is_null());
}

/// A replica that serves metrics, under the Lease NAMESPACE/rotate.
fn scraped_replica(story: &Story, namespace: &str, identity: &str) -> Exporting {
    let home = server().kubeconfig("admin").display().to_string();
    let lease =
        format!("--lease {namespace}/rotate --lease-duration 6s --home-kubeconfig {home} --identity {identity}");
    let watch = "rotate --watch --every 1s --passphrase-file passphrase --listen 127.0.0.1:0";
    Exporting::start(story, &format!("--at {MOMENT} {watch} {lease}"))
}

/// The series of a scrape, without their values.
fn series(text: &str) -> BTreeSet<String> {
    samples(text).into_iter().map(|line| line.rsplit_once(' ').unwrap().0.to_owned()).collect()
}

/// It is alive, ready, and tells of nothing but itself, in both forms.
fn tells_of_itself_alone(replica: &Exporting) {
    let alone = |text: &str| {
        let told = series(text);
        told.len() == 1 && told.iter().all(|it| it.starts_with("meshca_build_info{version="))
    };
    let text = replica.once("it tells of itself alone", alone);
    let open = replica.get_as("/metrics", "application/openmetrics-text;version=1.0.0").body;
    assert_eq!(open, format!("{text}# EOF\n"));
    for path in ["/healthz", "/readyz"] {
        let reply = replica.get(path);
        assert_eq!((reply.status, reply.body.as_str()), (200, "ok\n"), "{path}");
    }
}

#[test]
fn of_two_replicas_the_holder_of_the_lease_tells_of_the_fleet_and_the_other_of_itself_alone() {
    let story = published("scraped", 2, "");
    let home = namespace("scraped", 0);
    let other = elsewhere(&story);
    let mut first = scraped_replica(&story, &home, "pod-1");
    let fleet = series(&first.once("its first tick has ended", is_read));
    for number in 0..2 {
        let managed = format!("meshca_cluster_managed{{cluster=\"{}\"}}", namespace("scraped", number));
        assert!(fleet.contains(&managed), "{fleet:?}");
    }
    assert_eq!(first.get("/readyz").status, 200);
    // The other is asked from its first moment on until the holder has done several ticks more.
    let mut second = scraped_replica(&other, &home, "pod-2");
    let start = Instant::now();
    let stands_by = format!("stands by: pod-1 holds the Lease {home}/rotate");
    while !second.words().contains(&stands_by) || start.elapsed() < Duration::from_secs(4) {
        tells_of_itself_alone(&second);
        assert!(start.elapsed() < Duration::from_secs(120), "{}", second.words());
    }
    assert_eq!(series(&first.once("it still reads its status", is_read)), fleet);
    // The holder is gone: the other tells of the same fleet once it has looked.
    first.end(Signal::KILL);
    assert_eq!(series(&second.once("it takes over", is_read)), fleet);
    // Its Lease is taken from it: what it knew is not told any more, since somebody else tells of what is.
    let stolen = json!({ "spec": { "holderIdentity": "thief", "leaseDurationSeconds": 3600 } }).to_string();
    let patch = ["patch", "lease", "rotate", "-n", &home, "--type=merge", "-p", &stolen];
    assert!(server().kubectl(patch).status.success());
    tells_of_itself_alone(&second);
    assert_eq!(second.end(Signal::TERM), Some(0), "{}", second.words());
}

#[test]
fn a_replica_whose_lease_was_taken_from_it_stops_and_writes_nothing() {
    let story = published("stolen", 1, "");
    let home = namespace("stolen", 0);
    let mut watch = Watch::replica(&story, &home, "pod-1", &format!("--at {MOMENT} --every 1s"));
    watch.until("it works", |it| it.ticks() >= 1);
    let stolen = json!({ "spec": { "holderIdentity": "thief", "leaseDurationSeconds": 3600 } }).to_string();
    let patch = ["patch", "lease", "rotate", "-n", &home, "--type=merge", "-p", &stolen];
    assert!(server().kubectl(patch).status.success());
    watch.until("it notices", |it| it.err().contains("stands by: thief holds the Lease"));
    // What would be written now if it still worked.
    assert!(server().kubectl(["delete", "secret", "cacerts", "-n", &home]).status.success());
    let ticks = watch.ticks();
    std::thread::sleep(Duration::from_secs(5));
    assert!(watch.ticks() <= ticks, "it works without the Lease: {}", watch.out());
    assert!(server().secret(&home, "cacerts").is_none());
    assert_eq!(lease(&home)["holderIdentity"], "thief");
    watch.end();
    assert_eq!(lease(&home)["holderIdentity"], "thief", "it lets go only of what is its own");
}

#[test]
fn what_is_due_and_must_wait_and_what_is_refused_are_events_and_none_comes_twice() {
    let story = published("told", 2, "");
    let stranger = namespace("told", 1);
    let annotate = ["annotate", "secret", "cacerts", "-n", &stranger, "meshca.io/generation-", "meshca.io/cluster-"];
    assert!(
        server().kubectl(annotate.iter().copied().chain(["meshca.io/mesh-", "meshca.io/serial-"])).status.success()
    );
    story.write("mesh.yaml", story.read("mesh.yaml").replace("tick: 1h", "tick: 1h, paused: true"));
    for _ in 0..3 {
        let _ = story.with_passphrase(&format!("--at {DUE} rotate"));
    }
    let told: Vec<(String, String)> = events("told", 2).into_iter().map(|(place, _, why)| (place, why)).collect();
    let wanted = [(namespace("told", 0), "RotationDue".to_owned()), (stranger, "RotationRefused".to_owned())];
    assert_eq!(told, wanted);
}

#[test]
fn without_the_right_to_make_events_a_tick_says_so_once_and_is_fine() {
    let token = server().service_account_token("default", "mute");
    let kubeconfig = server().kubeconfig_with_token("mute", &token).display().to_string();
    let story = fleet("mute", 2, "", &kubeconfig);
    for number in 0..2 {
        let name = namespace("mute", number);
        let rules = json!([
            { "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "patch", "create"] },
            { "apiGroups": [""], "resources": ["configmaps", "namespaces"], "verbs": ["get"] },
        ]);
        let metadata = json!({ "name": "mute", "namespace": name });
        let api = "rbac.authorization.k8s.io";
        let version = format!("{api}/v1");
        server().create(&json!({ "apiVersion": version, "kind": "Role", "metadata": metadata, "rules": rules }));
        let subject = json!({ "kind": "ServiceAccount", "name": "mute", "namespace": "default" });
        server().create(&json!({ "apiVersion": version, "kind": "RoleBinding", "metadata": metadata,
            "roleRef": { "apiGroup": api, "kind": "Role", "name": "mute" }, "subjects": [subject] }));
    }
    // The server learns of roles a moment later.
    let start = Instant::now();
    while story.with_passphrase(&format!("--at {MOMENT} publish")).code != Some(0) {
        assert!(start.elapsed() < Duration::from_secs(120));
    }
    let said = story.with_passphrase(&format!("--at {DUE} rotate")).fine();
    assert_eq!(said.err.matches("not-allowed").count(), 1, "{said:?}");
    said.saying("warning: not-allowed: mute-").saying("2 of 2 renewed");
}

#[test]
fn the_status_of_a_large_fleet_lies_in_several_config_maps_that_lose_nobody() {
    const MANY: usize = 501;
    let mut mesh = "version: 1\nmesh: large\nlab: true\nrotation: { paused: true }\nclusters:\n".to_owned();
    for number in 0..MANY {
        mesh.push_str(&format!(
            "  - {{ name: c{number}, network: n, role: primary, access: {{ directory: ./c{number} }} }}\n"
        ));
    }
    let story = Story::new(&mesh).founded("large", MOMENT);
    server().create_namespace("large");
    let kubeconfig = server().kubeconfig("admin").display().to_string();
    let line = format!("--at {MOMENT} rotate --status-configmap large/status --home-kubeconfig {kubeconfig}");
    story.with_passphrase(&line).fine().saying("501 waiting");
    let list = get(&["configmaps", "-l", "meshca.io/status=large", "-n", "large"]);
    let mut names = BTreeSet::new();
    let parts = list["items"].as_array().unwrap();
    for (number, map) in parts.iter().enumerate() {
        assert_eq!(map["metadata"]["name"], format!("status-{number}"));
        assert_eq!(map["metadata"]["annotations"]["meshca.io/parts"], "3");
        let status: Value = serde_json::from_str(map["data"]["status.json"].as_str().unwrap()).unwrap();
        let clusters = status["clusters"].as_array().unwrap();
        assert!(clusters.len() <= 500, "{}", clusters.len());
        names.extend(clusters.iter().map(|it| it["cluster"].as_str().unwrap().to_owned()));
    }
    assert_eq!((parts.len(), names.len()), (3, MANY));
}

#[test]
fn the_status_lies_in_a_config_map_and_a_second_tick_replaces_it() {
    let story = published("shown", 3, "");
    let home = namespace("shown", 0);
    let kubeconfig = server().kubeconfig("admin").display().to_string();
    for at in [MOMENT.to_owned(), later(MOMENT, time::Duration::hours(1))] {
        let line = format!("--at {at} rotate --status-configmap {home}/public --home-kubeconfig {kubeconfig}");
        story.with_passphrase(&line).fine();
        let list = get(&["configmaps", "-l", "meshca.io/status=shown", "--all-namespaces"]);
        assert_eq!(list["items"].as_array().unwrap().len(), 1);
        let map = &list["items"][0];
        assert_eq!((&map["metadata"]["name"], &map["metadata"]["namespace"]), (&json!("public-0"), &json!(home)));
        assert_eq!(map["metadata"]["annotations"]["meshca.io/parts"], "1");
        let text = map["data"]["status.json"].as_str().unwrap();
        let status: Value = serde_json::from_str(text).unwrap();
        assert_eq!((&status["kind"], &status["generatedAtSeconds"]), (&json!("Report"), &json!(seconds(&at))));
        assert_eq!(status["clusters"].as_array().unwrap().len(), 3);
        assert!(!text.contains("BEGIN"), "no PEM in it");
        // Counted on from the tick before, which another replica may have made.
        let tally = &status["clusters"][0]["tally"];
        assert_eq!(tally["sinceSeconds"], json!(seconds(MOMENT)), "{tally}");
    }
    let refused = story.with_passphrase(&format!(
        "--at {MOMENT} rotate --status-configmap {home}/public --home-kubeconfig {}",
        server().kubeconfig("plain").display()
    ));
    refused.refused(1, "not-allowed").saying("manifests daemon");
}

#[test]
fn a_report_looks_in_the_config_maps_for_the_last_tick_and_says_where_it_is_overdue_or_cannot_be_seen() {
    let story = published("looked", 2, "");
    let home = namespace("looked", 0);
    let report = |at: &str, configmap: &str, account: &str| {
        let kubeconfig = server().kubeconfig(account).display().to_string();
        story.meshca(&format!("--at {at} report --status-configmap {configmap} --home-kubeconfig {kubeconfig}"))
    };
    // A tick is an hour.
    let (public, two_ticks) = (format!("{home}/public"), later(MOMENT, time::Duration::hours(2)));
    let unseen = |said: support::story::Said| {
        assert_eq!(said.code, Some(1), "{said:?}");
        said.saying("warning: ").saying("looked-0")
    };
    unseen(report(MOMENT, &public, "admin")).saying("status-unreadable: there is no ConfigMap public-0");
    let kubeconfig = server().kubeconfig("admin").display().to_string();
    let tick = |at: &str| {
        let line = format!("--at {at} rotate --status-configmap {public} --home-kubeconfig {kubeconfig}");
        story.with_passphrase(&line).fine();
    };
    tick(MOMENT);
    let said = report(&two_ticks, &public, "admin").fine();
    assert!(!said.out.contains("tick-overdue"), "{said:?}");
    let late = later(&two_ticks, time::Duration::SECOND);
    report(&late, &public, "admin").fine().saying("warning: tick-overdue: the last tick of rotate was 2 h ago");
    let said = story.meshca(&format!("--at {late} report")).fine();
    assert!(!said.out.contains("tick-overdue"), "{said:?}");
    unseen(report(&late, &public, "plain")).saying("not-allowed");
    let config = std::fs::read_to_string(server().kubeconfig("admin")).unwrap();
    story.write("gone.config", config.replace(&format!(":{}", server().port()), ":1"));
    let said = story.meshca(&format!("--at {late} report --status-configmap {public} --home-kubeconfig gone.config"));
    unseen(said).saying("api-server-unreachable: home/looked-0: ");
    tick(&late);
    let said = report(&late, &public, "admin").fine();
    assert!(!said.out.contains("tick-overdue"), "{said:?}");
    // What it counted is told of, too.
    let line = format!("--at {late} report -o prometheus --status-configmap {public} --home-kubeconfig {kubeconfig}");
    story.meshca(&line).fine().saying("meshca_rotations_total{cluster=\"looked-0\"");
}

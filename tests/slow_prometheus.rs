//! The seven-day alert on its whole way: a real Prometheus scrapes the real exporter, and a real Alertmanager tells a webhook of
//! exactly the cluster that is due, and of its end after `rotate`. And the two ways for runs that end, through the real
//! node-exporter and the real Pushgateway.

#![cfg(feature = "k8s")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a server that does not answer is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests touch the disk and ask what time it is")]

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use meshca::mesh::manifests::dashboard::SOURCE;
use rustix::process::Signal;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

#[path = "support/exporting.rs"]
mod exporting;
mod support;
#[path = "support/watchtower.rs"]
mod watchtower;

use exporting::{Exporting, is_read};
use support::judges::{program, run, tools_folder};
use support::story::{Said, Story, lab};
use watchtower::{Listener, Server, alertmanager_config, once, prometheus_config};

const SEVEN_DAYS: &str = "CrossClusterCertificateExpiry";

const PAGE: &str = include_str!("../docs/guide/watching.md");

/// So many days ago. A server that really runs takes the present for now, so the lab has a past.
fn ago(days: i64) -> String {
    (OffsetDateTime::now_utc().replace_nanosecond(0).unwrap() - Duration::days(days)).format(&Rfc3339).unwrap()
}

/// A fleet in which the intermediate of east has six days left, and that of west 70.
fn fleet() -> Story {
    let story = Story::new(&lab("mesh1", "", &["east", "west"])).founded("mesh1", &ago(84));
    for (cluster, days) in [("east", 84), ("west", 20)] {
        let at = ago(days);
        story.with_passphrase(&format!("--at {at} issue {cluster}")).fine();
        story.with_passphrase(&format!("--at {at} publish {cluster}")).fine();
    }
    story
}

/// A target of this job.
fn job(name: &str, server: impl std::fmt::Display, more: &str) -> String {
    format!("- {{ job_name: {name}, static_configs: [{{ targets: ['{server}']{more} }}]")
}

fn values(found: &[Value], label: &str) -> BTreeSet<String> {
    found.iter().map(|it| it[label].as_str().unwrap_or_default().to_owned()).collect()
}

fn set(values: &[&str]) -> BTreeSet<String> {
    values.iter().map(|&it| it.to_owned()).collect()
}

/// What the panels of a dashboard ask Prometheus: the title of each, and a question. This job is chosen, and all clusters; east has
/// the row.
fn questions(dashboard: &str, job: &str) -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(dashboard).unwrap();
    // Grafana puts the range that is chosen into a question, too, and the step in which it draws that.
    let chosen = [
        ("=\"$cluster\"", "=\"east\""),
        ("$cluster", ".+"),
        ("$job", job),
        ("$instance", ".+"),
        ("$__range", "5m"),
        ("$__interval", "1s"),
    ];
    let filled_in = |question: &str| chosen.iter().fold(question.to_owned(), |text, (it, is)| text.replace(it, is));
    let panels = dashboard["panels"].as_array().unwrap().iter().filter(|panel| panel["type"] != "row");
    let asked = panels.flat_map(|panel| panel["targets"].as_array().unwrap().iter().map(|it| (&panel["title"], it)));
    asked.map(|(title, it)| (title.as_str().unwrap().to_owned(), filled_in(it["expr"].as_str().unwrap()))).collect()
}

/// Series that there are only after a first step of `rotate`, and while a root change is under way.
const ONLY_ON_A_WALK: [&str; 3] =
    ["meshca_last_rotation_attempt_timestamp_seconds", "meshca_root_change_stage", "meshca_root_change_waits_for"];

/// Every question of a dashboard has an answer for a fleet that is walked to another root, and for one that stands still, too, but
/// for those that ask for [`ONLY_ON_A_WALK`].
fn every_question_has_an_answer(dashboard: &str, prometheus: &Server, walking: &str, still: &str) {
    for (_, question) in questions(dashboard, walking) {
        prometheus.finds(&question);
    }
    for (_, question) in questions(dashboard, still) {
        if ONLY_ON_A_WALK.iter().any(|series| question.contains(series)) {
            assert!(prometheus.query(&question).is_empty(), "{question}");
        } else {
            prometheus.finds(&question);
        }
    }
}

/// A fleet of which `rotate` has left a status, and changed nothing: a tick that is not allowed to renew looks.
fn looked_at() -> Story {
    let story = fleet();
    let mesh = story.read("mesh.yaml");
    story.write("mesh.yaml", format!("{mesh}rotation: {{ paused: true }}\n"));
    story.with_passphrase("rotate");
    story.write("mesh.yaml", &mesh);
    story
}

/// A fleet in the middle of a root change: for three days all bundles have had both roots, and nothing is signed under the new one,
/// since nobody can say whether the istiod of west has taken its bundle. That is late.
fn walking() -> Story {
    let mesh = lab("mesh2", "", &["east", "west"]).replace(": 0s }", ": 0s, multiRoot: true }");
    let story = Story::new(&mesh).founded("mesh2", &ago(4));
    let at = format!("--at {}", ago(4));
    story.with_passphrase(&format!("{at} issue")).fine();
    story.with_passphrase(&format!("{at} publish")).fine();
    let create = "root create --next --passphrase-file passphrase --next-passphrase-file passphrase --confirm";
    let mut create = story.command(&format!("{at} {create}"));
    Said::of(&run(create.arg("mesh2 root g2"))).fine();
    story.issuing_create(&ago(4));
    story.with_passphrase(&format!("--at {} rotate", ago(3))).fine().saying("stage Trust (1 of 4)");
    let (east, west) = mesh.split_once("- name: west").unwrap();
    story.write("mesh.yaml", format!("{east}- name: west{}", west.replace("assumeLoadedAfter: 0s, ", "")));
    let said = story.with_passphrase("rotate").saying("root-change-late: stage Trust waits for west");
    assert_eq!(said.code, Some(3), "{said:?}");
    story
}

/// The panels show where the root change stands and who holds it up; and, once west can be told of, where it stands then and the
/// steps that led there. The label names the cluster.
fn a_walk_is_followed(story: &Story, dashboard: &str, prometheus: &Server, job: &str, label: &str) {
    let questions = questions(dashboard, job);
    let first = |title: &str| &questions.iter().find(|(it, _)| it == title).unwrap().1;
    let [stage, held_up, steps] = ["Stage", "Held up by", "Steps and errors of rotate"].map(first);
    assert_eq!(values(&prometheus.query(stage), "stage"), set(&["Trust"]));
    assert_eq!(values(&prometheus.query(held_up), label), set(&["west"]));
    assert_eq!(values(&prometheus.query(&format!("{held_up} == 1")), label), set(&["west"]), "it is late");
    assert!(prometheus.query(&format!("{steps} > 0")).is_empty(), "nothing happened while Prometheus looked");
    let mesh = story.read("mesh.yaml");
    story.write("mesh.yaml", mesh.replace("{ multiRoot: true }", "{ assumeLoadedAfter: 0s, multiRoot: true }"));
    story.with_passphrase("rotate").fine().saying("stage Sign (2 of 4)");
    let words = || format!("{}\n{}", prometheus.get("/api/v1/targets").body, prometheus.log());
    let is_so = |query: &str, label: &str, is: &[&str]| {
        once(query, || (values(&prometheus.query(query), label) == set(is)).then_some(()), words);
    };
    // The status is that of after the step: what the old signers signed has to end.
    is_so(stage, "stage", &["Drain"]);
    is_so(&format!("{held_up} == 0"), label, &["east", "west"]);
    is_so(&format!("{steps} > 0"), label, &["east", "west"]);
}

#[test]
fn where_cluster_is_taken_another_label_names_the_due_cluster_in_alert_and_dashboard() {
    let story = looked_at();
    let label = "--cluster-label mesh_cluster";
    let mut exporter = Exporting::start(&story, &format!("exporter --listen 127.0.0.1:0 --every 1s {label}"));
    exporter.once("it reads the status", is_read);
    let walking = walking();
    let follower = Exporting::start(&walking, &format!("exporter --listen 127.0.0.1:0 --every 1s {label}"));
    follower.once("it reads the status", is_read);
    let rules = story.meshca(&format!("manifests alerts --plain {label}")).fine().out;
    // Whose cluster it is stands on every target of this Prometheus.
    let config = [("meshca", exporter.address), ("walking", follower.address)]
        .map(|(name, it)| format!("{}, honor_labels: false }}\n", job(name, it, ", labels: { cluster: mgmt }")))
        .concat();
    let prometheus = Server::prometheus(&prometheus_config(&config, None), &rules);
    let firing = format!("ALERTS{{alertname=\"{SEVEN_DAYS}\", alertstate=\"firing\"}}");
    let told = once(
        "it fires",
        || Some(prometheus.query(&firing)).filter(|it| !it.is_empty()),
        || format!("{}\n{}", prometheus.get("/api/v1/rules").body, prometheus.log()),
    );
    assert_eq!((values(&told, "mesh_cluster"), values(&told, "cluster")), (set(&["east"]), set(&["mgmt"])));
    let rules: Value = serde_json::from_str(&prometheus.get("/api/v1/rules").body).unwrap();
    let groups = rules["data"]["groups"].as_array().unwrap().iter();
    let due =
        groups.flat_map(|group| group["rules"].as_array().unwrap()).find(|rule| rule["name"] == SEVEN_DAYS).unwrap();
    let says = &due["alerts"][0]["annotations"]["description"];
    assert_eq!(says, "Certificate in cluster east expires in less than 7 days");
    let dashboard = story.meshca(&format!("manifests dashboard --plain {label}")).fine().out;
    every_question_has_an_answer(&dashboard, &prometheus, "walking", "meshca");
    a_walk_is_followed(&walking, &dashboard, &prometheus, "walking", "mesh_cluster");
    assert_eq!(exporter.end(Signal::TERM), Some(0));
}

#[test]
fn the_seven_day_alert_reaches_a_webhook_for_exactly_the_due_cluster_and_is_resolved_by_a_rotation() {
    let story = looked_at();
    let mut exporter = Exporting::start(&story, "exporter --listen 127.0.0.1:0 --every 1s");
    exporter.once("it reads the status", is_read);
    let walking = walking();
    let mut follower = Exporting::start(&walking, "exporter --listen 127.0.0.1:0 --every 1s");
    follower.once("it reads the status", is_read);
    let listener = Listener::start();
    let alertmanager = Server::alertmanager(&alertmanager_config(&listener));
    let rules = story.meshca("manifests alerts --plain").fine().out;
    let configs = format!(
        "{}, honor_labels: true }}\n{}, honor_labels: true }}\n{}, honor_labels: false }}\n",
        job("honoring", exporter.address, ""),
        job("walking", follower.address, ""),
        job("renaming", exporter.address, ", labels: { cluster: mgmt }"),
    );
    let prometheus = Server::prometheus(&prometheus_config(&configs, Some(&alertmanager)), &rules);
    let told = |job: &str, status: &str| {
        let told = listener.told(SEVEN_DAYS).into_iter();
        told.filter(|it| it["labels"]["job"] == job && it["status"] == status)
            .map(|it| it["labels"].clone())
            .collect::<Vec<_>>()
    };
    let words = || format!("{}\n{}\n{}", prometheus.get("/api/v1/rules").body, prometheus.log(), alertmanager.log());
    let some = |job: &'static str, status: &'static str| {
        once(&format!("{job} {status}"), || Some(told(job, status)).filter(|it| !it.is_empty()), words)
    };

    // It fires, for east and nothing else.
    for firing in some("honoring", "firing") {
        assert_eq!((&firing["cluster"], &firing["role"]), (&"east".into(), &"intermediate".into()));
    }
    // Without honor_labels, too, under the name that Prometheus gives the label then.
    for firing in some("renaming", "firing") {
        assert_eq!((&firing["cluster"], &firing["exported_cluster"]), (&"mgmt".into(), &"east".into()));
    }
    for (name, label) in [("honoring", "cluster"), ("renaming", "exported_cluster")] {
        let found = prometheus.finds(&format!("meshca_cluster_managed{{job=\"{name}\"}}"));
        assert_eq!(values(&found, label), set(&["east", "west"]), "{name}");
    }
    // Every rule can be evaluated.
    let is_evaluated = || {
        let answer: Value = serde_json::from_str(&prometheus.get("/api/v1/rules").body).unwrap();
        let groups = answer["data"]["groups"].as_array().unwrap().iter();
        let rules: Vec<&Value> = groups.flat_map(|group| group["rules"].as_array().unwrap()).collect();
        assert!(rules.len() >= 13 && rules.iter().all(|rule| rule["health"] != "err"), "{answer}");
        rules.iter().all(|rule| rule["health"] == "ok").then_some(())
    };
    once("every rule is evaluated", is_evaluated, words);

    every_question_has_an_answer(SOURCE, &prometheus, "walking", "honoring");
    a_walk_is_followed(&walking, SOURCE, &prometheus, "walking", "cluster");

    // It is renewed, and the alert is over.
    story.with_passphrase("rotate").fine();
    assert_eq!(some("honoring", "resolved")[0]["cluster"], "east");
    assert_eq!(some("renaming", "resolved")[0]["exported_cluster"], "east");
    assert!(prometheus.query(&format!("ALERTS{{alertname=\"{SEVEN_DAYS}\"}}")).is_empty());
    let clusters: BTreeSet<String> =
        values(&[told("honoring", "firing"), told("honoring", "resolved")].concat(), "cluster");
    assert_eq!(clusters, set(&["east"]), "nobody else was ever told of");

    // The exporters end, and so does everything that they told, but for what asks for absence.
    assert_eq!((exporter.end(Signal::TERM), follower.end(Signal::TERM)), (Some(0), Some(0)));
    prometheus.finds("absent(meshca_build_info)");
    assert!(prometheus.query("istio_cert_expiry_timestamp").is_empty());
    prometheus.finds("ALERTS{alertname=\"MeshCAExporterAbsent\", alertstate=\"pending\"}");
}

#[test]
fn what_a_run_leaves_in_a_textfile_is_told_by_node_exporter_after_it_has_ended() {
    let story = fleet();
    fs::create_dir(story.path("textfiles")).unwrap();
    story.meshca("report --metrics-textfile textfiles/meshca.prom");
    let node = Server::node_exporter(&story.path("textfiles"));
    let prometheus = Server::prometheus(
        &prometheus_config(&format!("{}, honor_labels: true }}\n", job("node", node.address, "")), None),
        &story.meshca("manifests alerts --plain").fine().out,
    );
    let firing = prometheus.finds(&format!("ALERTS{{alertname=\"{SEVEN_DAYS}\", alertstate=\"firing\"}}"));
    assert_eq!((firing.len(), values(&firing, "cluster")), (1, set(&["east"])));
    assert_eq!(prometheus.query("node_textfile_scrape_error == 0").len(), 1);
    assert_eq!(prometheus.query("node_textfile_mtime_seconds").len(), 1);
    story.with_passphrase("rotate --metrics-textfile textfiles/meshca.prom").fine();
    let words = || node.get("/metrics").body;
    let is_over = || prometheus.query(&format!("ALERTS{{alertname=\"{SEVEN_DAYS}\"}}")).is_empty().then_some(());
    once("the alert is over", is_over, words);
}

#[test]
fn what_a_run_pushes_is_still_there_when_it_has_ended_until_another_run_replaces_all_of_it() {
    let story = fleet();
    let gateway = Server::pushgateway();
    let push = format!("--pushgateway http://{}", gateway.address);
    story.meshca(&format!("report {push}"));
    let prometheus = Server::prometheus(
        &prometheus_config(&format!("{}, honor_labels: true }}\n", job("gateway", gateway.address, "")), None),
        &story.meshca("manifests alerts --plain").fine().out,
    );
    let firing = prometheus.finds(&format!("ALERTS{{alertname=\"{SEVEN_DAYS}\", alertstate=\"firing\"}}"));
    assert_eq!(
        (firing.len(), values(&firing, "cluster"), values(&firing, "job")),
        (1, set(&["east"]), set(&["meshca"]))
    );
    assert_eq!(values(&prometheus.query("meshca_cluster_managed"), "cluster"), set(&["east", "west"]));
    // A cluster leaves the mesh file: what was pushed of it goes, too.
    let mesh = story.read("mesh.yaml");
    story.write("mesh.yaml", mesh.split("  - name: west").next().unwrap());
    story.with_passphrase(&format!("rotate {push}")).fine();
    let words = || gateway.get("/metrics").body;
    let is_gone = || {
        let over = prometheus.query(&format!("ALERTS{{alertname=\"{SEVEN_DAYS}\"}}")).is_empty();
        (over && values(&prometheus.query("meshca_cluster_managed"), "cluster") == set(&["east"])).then_some(())
    };
    once("the alert is over, and west is gone", is_gone, words);
}

/// Each kind of blindness, made to happen. The alerts wait a second instead of a quarter of an hour.
#[test]
fn whoever_sees_nothing_any_more_is_told_of_by_the_webhook() {
    let story = fleet();
    story.with_passphrase("rotate").fine();
    let exporter = Exporting::start(&story, "exporter --listen 127.0.0.1:0 --every 1s");
    exporter.once("it reads the status", is_read);
    let listener = Listener::start();
    let alertmanager = Server::alertmanager(&alertmanager_config(&listener));
    let mesh = story.read("mesh.yaml");
    story.write("mesh.yaml", format!("{mesh}rotation: {{ tick: 30s }}\n"));
    let rules = story.meshca("manifests alerts --plain").fine().out;
    let rules = rules.replace("for: 15m", "for: 1s").replace("for: 30m", "for: 1s");
    let config = format!("{}, honor_labels: true }}\n", job("meshca", exporter.address, ""));
    let prometheus = Server::prometheus(&prometheus_config(&config, Some(&alertmanager)), &rules);
    let words = || format!("{}\n{}", prometheus.get("/api/v1/rules").body, prometheus.log());
    let told = |alert: &str, status: &str| {
        let look = || listener.told(alert).into_iter().find(|it| it["status"] == status);
        once(&format!("{alert} {status}"), look, words)["labels"].clone()
    };
    // Nobody runs rotate for a minute, as when a CronJob has stopped; then somebody does.
    told("MeshCAStatusOld", "firing");
    story.with_passphrase("rotate").fine();
    told("MeshCAStatusOld", "resolved");
    // A cluster cannot be looked at.
    let west = story.path("clusters/west");
    fs::rename(&west, story.path("west-aside")).unwrap();
    fs::write(&west, "no folder").unwrap();
    story.with_passphrase("rotate");
    for alert in ["MeshCAClusterUnobserved", "MeshCAExpiryMissing"] {
        assert_eq!(told(alert, "firing")["cluster"], "west", "{alert}");
    }
    fs::remove_file(&west).unwrap();
    fs::rename(story.path("west-aside"), &west).unwrap();
    story.with_passphrase("rotate").fine();
    for alert in ["MeshCAClusterUnobserved", "MeshCAExpiryMissing"] {
        assert_eq!(told(alert, "resolved")["cluster"], "west", "{alert}");
    }
    // The status is gone.
    story.remove("records/status.json");
    assert_eq!(told("MeshCAStatusUnreadable", "firing")["job"], "meshca");
    // And so is the exporter. Prometheus may have missed it before its first scrape, too.
    let before = listener.told("MeshCAExporterAbsent").len();
    drop(exporter);
    let look = || listener.told("MeshCAExporterAbsent").into_iter().skip(before).find(|it| it["status"] == "firing");
    once("the exporter is missed", look, words);
}

/// The fenced blocks of a section of the page, by their language.
fn blocks(section: &str) -> Vec<(&'static str, &'static str)> {
    let from = PAGE.split(&format!("## {section}\n")).nth(1).unwrap();
    let section = from.split("\n## ").next().unwrap();
    section.split("\n```").skip(1).step_by(2).map(|block| block.split_once('\n').unwrap()).collect()
}

/// Runs these lines as they stand on the page.
fn typed(story: &Story, lines: &str) -> Output {
    let meshca = std::path::Path::new(env!("CARGO_BIN_EXE_meshca")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let path = format!("{}:{}:{path}", meshca.display(), tools_folder().join("bin").display());
    run(Command::new("sh").args(["-ec", lines]).current_dir(story.path("")).env("PATH", path))
}

#[test]
fn the_page_leads_from_nothing_to_an_alert_and_its_end() {
    let page = blocks("The seven-day alert on a laptop");
    let languages: Vec<&str> = page.iter().map(|(language, _)| *language).collect();
    assert_eq!(languages, ["sh", "yaml", "yaml", "sh", "sh", "sh"]);
    let [(_, begin), (_, prometheus), (_, alertmanager), (_, serve), (_, look), (_, renew)] = page[..] else { return };
    let story = Story::new("the page makes a mesh file of its own");
    let output = typed(&story, begin);
    assert!(output.status.success(), "{output:?}");
    // The servers get other ports than on the page, and what is said of them follows.
    let lines: Vec<&str> = serve.lines().collect();
    let [serve_metrics, evaluate, tell] = lines[..] else { return assert_eq!(lines.len(), 3) };
    let serve_metrics = serve_metrics.strip_prefix("meshca -f lab/mesh.yaml ").unwrap();
    let exporter = Exporting::start(&story, &format!("{serve_metrics} --listen 127.0.0.1:0"));
    let listener = Listener::start();
    let alertmanager = alertmanager.replace("127.0.0.1:9876", &listener.address.to_string());
    let alertmanager = Server::typed(tell, &[("alertmanager.yml", &alertmanager)]);
    let prometheus = prometheus
        .replace("127.0.0.1:9093", &alertmanager.address.to_string())
        .replace("127.0.0.1:9949", &exporter.address.to_string());
    let rules = story.read("meshca.rules.yaml");
    let prometheus = Server::typed(evaluate, &[("prometheus.yml", &prometheus), ("meshca.rules.yaml", &rules)]);
    let told = |status: &str| {
        let told: Vec<Value> = listener.told(SEVEN_DAYS).into_iter().filter(|it| it["status"] == status).collect();
        told.iter().map(|it| it["labels"]["cluster"].as_str().unwrap().to_owned()).collect::<BTreeSet<_>>()
    };
    let all = set(&["east", "west", "remote"]);
    let words = || format!("{}\n{}", prometheus.get("/api/v1/rules").body, prometheus.log());
    once("it fires", || (told("firing") == all).then_some(()), words);
    for pending in ["MeshCARotationOverdue", "MeshCAStatusOld"] {
        prometheus.finds(&format!("ALERTS{{alertname=\"{pending}\", alertstate=\"pending\"}}"));
    }
    assert!(program("amtool").is_file());
    let look = look.replace("127.0.0.1:9093", &alertmanager.address.to_string());
    let seen = String::from_utf8(typed(&story, &look).stdout).unwrap();
    assert_eq!(seen.lines().filter(|line| line.starts_with(SEVEN_DAYS)).count(), 3, "{seen}");
    let output = typed(&story, renew);
    assert!(output.status.success(), "{output:?}");
    once("it is over", || (told("resolved") == all).then_some(()), words);
    let seen = String::from_utf8(typed(&story, &look).stdout).unwrap();
    assert_eq!(seen.lines().filter(|line| line.starts_with(SEVEN_DAYS)).count(), 0, "{seen}");
}

//! The alerts: what is printed, against what guides print, and, by promtool, against what should fire and what should not.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it does not expect")]
#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Output};

use clap::Parser;
use meshca::cli::args::Arguments;
use meshca::mesh::manifests::alerts::SOURCE;
use meshca::mesh::metrics::FAMILIES;
use serde_json::Value;
use support::judges::{program, run};
use support::story::{Story, lab};

const CASES: &str = include_str!("alerts/cases.yaml");
/// Those that take days.
const DAYS: &str = include_str!("alerts/days.yaml");

/// Two rules of a guide for multi-cluster meshes, as it prints them.
const OF_THE_GUIDE: [&str; 2] = [
    r#"    - alert: CrossClusterConnectivityLoss
      expr: absent(up{job="istio-proxy", cluster!="unknown"}) == 1
      for: 5m
      labels:
        severity: critical
      annotations:
        summary: "Cross-cluster connectivity lost"
        description: "No metrics received from remote cluster for 5 minutes"
"#,
    r#"    - alert: CrossClusterCertificateExpiry
      expr: (istio_cert_expiry_timestamp{cluster!="unknown"} - time()) / 86400 < 7
      for: 0m
      labels:
        severity: warning
      annotations:
        summary: "Cross-cluster certificate expiring soon"
        description: "Certificate in cluster {{ $labels.cluster }} expires in less than 7 days"
"#,
];

/// Its third one.
const UNREADABLE: &str = r#"groups:
  - name: multi-cluster.rules
    rules:
    - alert: CrossClusterHighLatency
      expr: histogram_quantile(0.95, sum(rate(istio_request_duration_milliseconds_bucket{source_cluster!="unknown",destination_cluster!="unknown",source_cluster!=destination_cluster}[5m])) by (le)) > 1000
      for: 5m
"#;

fn story() -> Story {
    Story::new(&lab("mesh1", "", &["east", "west"]))
}

fn promtool(story: &Story, words: &[&str]) -> Output {
    run(Command::new(program("promtool")).current_dir(story.path("")).args(words))
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A story whose rules.yaml is what `meshca manifests alerts --plain` prints.
fn printed() -> Story {
    let story = story();
    let text = story.meshca("manifests alerts --plain").fine().out;
    story.write("rules.yaml", text);
    story
}

/// Each alert of the source, with the name of its group.
fn alerts() -> Vec<(String, Value)> {
    let source: Value = serde_saphyr::from_str(SOURCE).unwrap();
    let groups = source["groups"].as_array().unwrap().iter();
    let alerts = groups.flat_map(|group| {
        let name = group["name"].as_str().unwrap().to_owned();
        group["rules"].as_array().unwrap().iter().map(move |rule| (name.clone(), rule.clone()))
    });
    alerts.collect()
}

fn text<'a>(rule: &'a Value, annotation: &str) -> &'a str {
    rule["annotations"][annotation].as_str().unwrap_or_default()
}

#[test]
fn promtool_takes_the_rules_and_finds_nothing_to_complain_about() {
    let story = printed();
    assert_eq!(story.read("rules.yaml"), SOURCE);
    let output = promtool(&story, &["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn each_alert_fires_when_it_should_and_at_no_other_time() {
    let story = printed();
    story.write("cases.yaml", CASES);
    story.write("days.yaml", DAYS);
    let output = promtool(&story, &["test", "rules", "cases.yaml", "days.yaml"]);
    assert!(output.status.success(), "{}", said(&output));
    for (_, rule) in alerts() {
        let name = rule["alert"].as_str().unwrap();
        let fires = format!("alertname: {name}\n    exp_alerts:");
        assert!(CASES.contains(&fires) || DAYS.contains(&fires), "no case in which {name} fires");
    }
}

/// The cases as they are where our label that names the cluster is `mesh_cluster`; proxies keep theirs.
fn relabelled(cases: &str) -> String {
    let lines = cases.lines().map(|line| {
        let series = line.split_once("series: '").map_or("", |(_, series)| series);
        let is_ours = series.starts_with("meshca_") || series.starts_with("istio_cert_expiry_timestamp");
        match (is_ours, line.contains("exp_labels: {")) {
            (true, _) => line.replace("cluster=\"", "mesh_cluster=\""),
            (_, true) => {
                line.replace("{ cluster: ", "{ mesh_cluster: ").replace("exported_cluster: ", "exported_mesh_cluster: ")
            }
            _ => line.to_owned(),
        }
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn under_another_label_each_alert_fires_as_it_does_under_the_usual_one_and_names_the_cluster() {
    let story = story();
    let text = story.meshca("manifests alerts --plain --cluster-label mesh_cluster").fine().out;
    assert!(text.contains("have the label mesh_cluster") && text.contains(OF_THE_GUIDE[0]), "{text}");
    assert!(
        text.contains(&OF_THE_GUIDE[1].replace("{cluster!=", "{mesh_cluster!=").replace(".cluster", ".mesh_cluster"))
    );
    story.write("rules.yaml", text);
    let check = promtool(&story, &["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"]);
    assert!(check.status.success(), "{}", said(&check));
    story.write("cases.yaml", relabelled(CASES));
    story.write("days.yaml", relabelled(DAYS));
    let output = promtool(&story, &["test", "rules", "cases.yaml", "days.yaml"]);
    assert!(output.status.success(), "{}", said(&output));
    // The usual rules do not say of these series what should be said.
    story.write("rules.yaml", SOURCE);
    let output = promtool(&story, &["test", "rules", "cases.yaml"]);
    for alert in ["CrossClusterCertificateExpiry", "MeshCAClusterUnobserved", "MeshCAConnectivityLoss"] {
        assert!(!output.status.success() && said(&output).contains(alert), "{alert}: {}", said(&output));
    }
}

/// A fleet whose proxies have our label, too, and mean something else by `cluster`.
const PROXIES: &str = r#"rule_files: [rules.yaml]
evaluation_interval: 1m
tests:
- interval: 1m
  input_series:
  - { series: 'meshca_cluster_managed{mesh_cluster="east"}', values: 1+0x30 }
  - { series: 'meshca_cluster_managed{mesh_cluster="west"}', values: 1+0x30 }
  - { series: 'meshca_cluster_managed{mesh_cluster="far"}', values: 1+0x30 }
  - { series: 'up{job="istio-proxy", cluster="prod", mesh_cluster="east", instance="a:1"}', values: 1+0x30 }
  - { series: 'up{job="istio-proxy", cluster="prod", mesh_cluster="west", instance="b:1"}', values: 1+0x9 0+0x20 }
  - { series: 'up{job="istio-proxy", cluster="far", instance="c:1"}', values: 1+0x30 }
  alert_rule_test:
  - eval_time: 14m
    alertname: MeshCAConnectivityLoss
  - eval_time: 15m
    alertname: MeshCAConnectivityLoss
    exp_alerts:
    - exp_labels: { mesh_cluster: west, severity: critical }
      exp_annotations:
        summary: No proxy of a cluster of the mesh can be scraped.
        description: No proxy in cluster west has answered a scrape for 5 minutes, and others did within 7 days.
        runbook_url: docs/runbooks/MeshCAConnectivityLoss.md
"#;

#[test]
fn a_proxy_counts_for_the_cluster_that_either_of_its_labels_names() {
    let story = story();
    story.write("rules.yaml", story.meshca("manifests alerts --plain --cluster-label mesh_cluster").fine().out);
    story.write("proxies.yaml", PROXIES);
    let output = promtool(&story, &["test", "rules", "proxies.yaml"]);
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn the_object_has_the_other_label_as_well_and_says_so() {
    let story = story();
    let plain = story.meshca("manifests alerts --plain --cluster-label mesh_cluster").fine().out;
    let printed = story.meshca("manifests alerts --cluster-label mesh_cluster").fine().out;
    let (read, source): (Value, Value) =
        (serde_saphyr::from_str(&printed).unwrap(), serde_saphyr::from_str(&plain).unwrap());
    assert_eq!(read["spec"], source);
    assert!(
        printed.contains("# In them, the series of meshca have the label mesh_cluster in place of cluster"),
        "{printed}"
    );
    assert_eq!(story.meshca("manifests alerts --plain --cluster-label cluster").fine().out, SOURCE);
    assert_eq!(story.meshca("manifests alerts --cluster-label role").code, Some(2));
}

/// Otherwise a case that expects what does not come would be passed, too.
#[test]
fn promtool_fails_where_a_rule_is_a_second_off() {
    let story = printed();
    story.write("cases.yaml", CASES);
    let late = story.read("rules.yaml").replace("/ 86400 < 7\n", "/ 86400 <= 7\n");
    story.write("rules.yaml", late);
    let output = promtool(&story, &["test", "rules", "cases.yaml"]);
    assert!(!output.status.success() && said(&output).contains("CrossClusterCertificateExpiry"), "{}", said(&output));
}

#[test]
fn two_rules_of_the_guide_stand_there_letter_for_letter_in_a_group_of_their_own() {
    for rule in OF_THE_GUIDE {
        assert!(SOURCE.contains(rule), "{rule}");
    }
    let group: Vec<String> = alerts()
        .into_iter()
        .filter(|(group, _)| group == "multi-cluster.rules")
        .map(|(_, rule)| rule["alert"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(group, ["CrossClusterConnectivityLoss", "CrossClusterCertificateExpiry"]);
}

#[test]
fn the_third_one_is_not_shipped_since_no_prometheus_reads_it() {
    let story = story();
    story.write("rules.yaml", UNREADABLE);
    let output = promtool(&story, &["check", "rules", "rules.yaml"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains("parse error"), "{}", said(&output));
}

#[test]
fn the_prometheus_rule_has_the_same_groups_also_as_json_and_the_labels_that_are_wished_for() {
    let story = story();
    let source: Value = serde_saphyr::from_str(SOURCE).unwrap();
    let words = "manifests alerts --namespace monitoring --label release=prom --label team=";
    let read: Value = serde_saphyr::from_str(&story.meshca(words).fine().out).unwrap();
    assert_eq!((&read["apiVersion"], &read["kind"]), (&"monitoring.coreos.com/v1".into(), &"PrometheusRule".into()));
    assert_eq!(read["spec"], source);
    assert_eq!(read["metadata"]["namespace"], "monitoring");
    let labels = serde_json::json!({ "app.kubernetes.io/name": "meshca", "release": "prom", "team": "" });
    assert_eq!(read["metadata"]["labels"], labels);
    let json: Value = serde_json::from_str(&story.meshca(&format!("{words} -o json")).fine().out).unwrap();
    assert_eq!(json, read);
}

#[test]
fn what_is_late_follows_the_mesh_file_and_links_follow_where_the_pages_are_served() {
    let rotation = "rotation: { tick: 1h, windows: [{ cron: '0 2 * * *', timeZone: Etc/UTC, duration: 4h }] }";
    let story = Story::new(&lab("mesh1", rotation, &["east"]));
    let text = story.meshca("manifests alerts --plain --runbooks https://pages.example/runbooks/").fine().out;
    let expected = SOURCE
        .replace("> 2 * 86400", "> 2 * 3600")
        .replace("> 3 * 86400", "> 3 * 3600 + 72000")
        .replace("\"docs/runbooks/", "\"https://pages.example/runbooks/");
    assert_eq!(text, expected);
    story.write("rules.yaml", text);
    let output = promtool(&story, &["check", "rules", "--lint=all", "--lint-fatal", "rules.yaml"]);
    assert!(output.status.success(), "{}", said(&output));
    for bad in ["--label release", "--label a=b=c", "--runbooks docs", "--namespace A", "--plain --namespace a"] {
        assert_eq!(story.meshca(&format!("manifests alerts {bad}")).code, Some(2), "{bad}");
    }
}

#[test]
fn every_alert_of_ours_has_a_severity_a_summary_a_description_and_a_runbook() {
    let mut named = BTreeSet::new();
    for (group, rule) in alerts() {
        let name = rule["alert"].as_str().unwrap();
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        if group == "multi-cluster.rules" {
            continue;
        }
        let (summary, description) = (text(&rule, "summary"), text(&rule, "description"));
        let begins = summary.chars().next().unwrap();
        assert!(
            (begins.is_uppercase() || summary.starts_with("istiod ")) && summary.ends_with('.'),
            "{name}: {summary}"
        );
        assert!(!summary.contains("{{") && description.ends_with('.'), "{name}");
        // Where no series is left there is nothing to tell of it.
        assert_eq!(description.contains("{{"), name != "MeshCAExporterAbsent", "{name}: {description}");
        let page = format!("docs/runbooks/{name}.md");
        assert_eq!(text(&rule, "runbook_url"), page);
        let runbook = fs::read_to_string(&page).unwrap_or_else(|error| panic!("{page}: {error}"));
        assert!(runbook.starts_with(&format!("# {name}\n")), "{page}");
        let parts: Vec<&str> = runbook.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(parts, ["Meaning", "Impact", "Diagnosis", "Mitigation"], "{page}");
        named.insert(format!("{name}.md"));
    }
    let there: BTreeSet<String> = fs::read_dir("docs/runbooks")
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    assert_eq!(there, named, "docs/runbooks has a page for each alert, and no other");
}

#[test]
fn every_command_of_a_runbook_can_be_typed() {
    let mut typed = 0;
    for entry in fs::read_dir("docs/runbooks").unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap().replace('\n', " ");
        for code in page.split('`').skip(1).step_by(2).filter(|code| code.starts_with("meshca ")) {
            // Words in capitals stand for names.
            let words = code.split_whitespace().map(str::to_ascii_lowercase);
            let read = Arguments::try_parse_from(words);
            assert!(read.is_ok(), "{}: {code}: {}", path.display(), read.err().unwrap());
            typed += 1;
        }
    }
    assert!(typed > 20, "{typed}");
}

#[test]
fn every_metric_in_a_rule_is_one_of_ours_or_of_istio_and_prometheus() {
    let known: BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
    let mut used = BTreeSet::new();
    for (_, rule) in alerts() {
        let words = rule["expr"].as_str().unwrap().split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        used.extend(words.filter(|word| word.starts_with("meshca_") || word.starts_with("istio_")).map(str::to_owned));
    }
    used.remove("istio_request_duration_milliseconds_bucket");
    let unknown: Vec<_> = used.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(unknown.is_empty() && used.len() >= 8, "{unknown:?}");
}

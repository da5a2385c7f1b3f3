//! The seven-day warning: the rule as it stands in the field, letter for letter, evaluated by promtool over the metrics
//! that the real program writes.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a lab that cannot be made is a failed test")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command as Process, Stdio};

use assert_cmd::Command;
use support::judges::program;
use tempfile::TempDir;
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

/// The rule that people have in their Prometheus.
const RULE: &str = r#"(istio_cert_expiry_timestamp{cluster!="unknown"} - time()) / 86400 < 7"#;

/// `east` was minted on the first day, `west` twenty days later; `remote` is signed by `east`.
const FIRST_DAY: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);

fn lab() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut mesh = "version: 1\nmesh: m1\nlab: true\nclusters:\n".to_owned();
    for name in ["east", "west"] {
        writeln!(mesh, "  - {{ name: {name}, role: primary, access: {{ directory: ./{name} }} }}").unwrap();
    }
    mesh.push_str("  - { name: remote, role: remote, primary: east, access: { directory: ./remote } }\n");
    fs::write(folder.path().join("mesh.yaml"), mesh).unwrap();
    fs::write(folder.path().join("passphrase"), "a passphrase of the lab\n").unwrap();
    let pass = ["--passphrase-file", "passphrase"];
    let run = |at: OffsetDateTime, arguments: &[&str]| meshca(folder.path(), at, &[arguments, &pass].concat());
    run(FIRST_DAY, &["root", "create", "--confirm", "m1 root g1"]);
    run(FIRST_DAY, &["issuing", "create", "--issuing-passphrase-file", "passphrase"]);
    for (cluster, days) in [("east", 0), ("west", 20)] {
        run(FIRST_DAY + Duration::days(days), &["issue", cluster]);
        run(FIRST_DAY + Duration::days(days), &["publish", cluster]);
    }
    folder
}

fn meshca(folder: &Path, at: OffsetDateTime, arguments: &[&str]) -> String {
    let at = at.format(&Rfc3339).unwrap();
    let mut command = Command::cargo_bin("meshca").unwrap();
    let assert = command.current_dir(folder).args(["--at", &at]).args(arguments).assert();
    String::from_utf8(assert.success().get_output().stdout.clone()).unwrap()
}

fn metrics(folder: &Path, at: OffsetDateTime) -> String {
    meshca(folder, at, &["report", "-o", "prometheus"])
}

/// Which clusters the rule names at this moment, by promtool. Its clock begins at 0, so every time is shifted.
fn named_by_the_rule(metrics: &str, at: OffsetDateTime) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let alert = format!("groups:\n- name: g\n  rules:\n  - alert: Soon\n    expr: '{RULE}'\n");
    fs::write(folder.path().join("rules.yml"), alert).unwrap();
    let clusters = ["east", "west", "remote"];
    let mut named = Vec::new();
    for cluster in clusters {
        let mut series = String::new();
        let begins = format!("istio_cert_expiry_timestamp{{cluster=\"{cluster}\",");
        for line in metrics.lines().filter(|line| line.starts_with(&begins)) {
            let (name, value) = line.rsplit_once(' ').unwrap();
            let left = value.parse::<i64>().unwrap() - at.unix_timestamp();
            writeln!(series, "  - series: '{name}'\n    values: '{left} {left}'").unwrap();
        }
        assert!(!series.is_empty(), "{cluster} has a series");
        let test = format!(
            "rule_files: [rules.yml]\nevaluation_interval: 1m\ntests:\n- interval: 1m\n  input_series:\n{series}  \
             alert_rule_test:\n  - {{ eval_time: 0m, alertname: Soon, exp_alerts: [] }}\n"
        );
        fs::write(folder.path().join("test.yml"), test).unwrap();
        let output = Process::new(program("promtool"))
            .current_dir(folder.path())
            .args(["test", "rules", "test.yml"])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let words = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() || words.contains("alertname"), "{words}");
        if !output.status.success() {
            named.push(cluster.to_owned());
        }
    }
    named
}

#[test]
fn promtool_finds_nothing_to_complain_about() {
    let lab = lab();
    for days in [20, 84, 100] {
        let text = metrics(lab.path(), FIRST_DAY + Duration::days(days));
        let path = lab.path().join("metrics.prom");
        fs::write(&path, text).unwrap();
        let output = Process::new(program("promtool"))
            .args(["check", "metrics"])
            .stdin(fs::File::open(&path).unwrap())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn left_alone_the_rule_names_exactly_the_primaries_concerned_and_the_remotes_that_they_sign() {
    let lab = lab();
    let second = Duration::SECOND;
    let week = FIRST_DAY + Duration::days(83);
    for (at, expected) in [
        (FIRST_DAY + Duration::days(20), vec![]),
        (week, vec![]),
        (week + second, vec!["east", "remote"]),
        (FIRST_DAY + Duration::days(84), vec!["east", "remote"]),
        (week + Duration::days(20), vec!["east", "remote"]),
        (week + Duration::days(20) + second, vec!["east", "west", "remote"]),
    ] {
        assert_eq!(named_by_the_rule(&metrics(lab.path(), at), at), expected, "{at}");
    }
}

#[test]
fn our_own_warning_turns_on_at_the_same_second_as_the_rule() {
    let lab = lab();
    let week = FIRST_DAY + Duration::days(83);
    for (at, expected) in [(week, "0"), (week + Duration::SECOND, "1")] {
        let text = metrics(lab.path(), at);
        for cluster in ["east", "remote"] {
            let line =
                format!("meshca_certificate_expires_soon{{cluster=\"{cluster}\",role=\"intermediate\"}} {expected}");
            assert!(text.lines().any(|found| found == line), "{line} in\n{text}");
        }
        let west = "meshca_certificate_expires_soon{cluster=\"west\",role=\"intermediate\"} 0";
        assert!(text.lines().any(|found| found == west));
    }
}

#[test]
fn a_tick_that_renews_ends_the_warning() {
    let lab = lab();
    let at = FIRST_DAY + Duration::days(84);
    let arguments = ["rotate", "--passphrase-file", "passphrase", "--metrics-textfile", "meshca.prom"];
    meshca(lab.path(), at, &arguments);
    let text = fs::read_to_string(lab.path().join("meshca.prom")).unwrap();
    assert_eq!(text, metrics(lab.path(), at), "the textfile is the same text");
    assert_eq!(named_by_the_rule(&text, at), Vec::<String>::new());
}

#[test]
fn a_cluster_that_cannot_be_read_has_no_series_and_is_not_up() {
    let lab = lab();
    fs::remove_file(lab.path().join("west/..data")).unwrap();
    fs::create_dir(lab.path().join("west/..data")).unwrap();
    fs::create_dir(lab.path().join("west/..data/ca-cert.pem")).unwrap();
    fs::remove_file(lab.path().join("west/ca-cert.pem")).unwrap();
    fs::create_dir(lab.path().join("west/ca-cert.pem")).unwrap();
    let mut command = Command::cargo_bin("meshca").unwrap();
    let at = (FIRST_DAY + Duration::days(20)).format(&Rfc3339).unwrap();
    let assert = command.current_dir(lab.path()).args(["--at", &at, "report", "-o", "prometheus"]).assert();
    let text = String::from_utf8(assert.code(1).get_output().stdout.clone()).unwrap();
    assert!(text.lines().any(|line| line == "meshca_cluster_up{cluster=\"west\"} 0"), "{text}");
    assert!(!text.contains("istio_cert_expiry_timestamp{cluster=\"west\""));
    assert!(text.contains("istio_cert_expiry_timestamp{cluster=\"east\""));
    assert!(text.lines().any(|line| line == "meshca_cluster_managed{cluster=\"west\"} 1"));
}

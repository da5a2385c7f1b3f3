//! `check`, by the real program: what it may be asked about, how it ends, and what it says to machines.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "what cannot be read back is a failed test")]

#[path = "support/published_lab.rs"]
mod published_lab;

use std::fs;
use std::path::Path;

use published_lab::Lab;
use serde_json::Value;

const SINGLE: &str = "east/ca-cert.pem east/cert-chain.pem east/root-cert.pem";

#[track_caller]
fn json(lab: &Lab, words: &str, code: i32) -> Value {
    serde_json::from_str(&lab.ends(&format!("{words} -o json"), code).out).unwrap()
}

fn outcome<'a>(document: &'a Value, consumer: &str) -> &'a str {
    document.pointer(&format!("/sets/0/predictions/{consumer}/outcome")).and_then(Value::as_str).unwrap()
}

fn codes(document: &Value) -> Vec<&str> {
    let findings = document.pointer("/findings").and_then(Value::as_array).unwrap();
    findings.iter().map(|finding| finding.pointer("/code").and_then(Value::as_str).unwrap()).collect()
}

/// The first finding, and what it says under a key.
fn first<'a>(document: &'a Value, key: &str) -> &'a str {
    document.pointer(&format!("/findings/0/{key}")).and_then(Value::as_str).unwrap()
}

/// Copies the files of a folder, its folders and links left out.
fn copy_files(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap().flatten().filter(|entry| entry.path().is_file()) {
        fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

#[test]
fn a_set_is_judged_from_a_folder_files_named_files_and_a_secret() {
    let lab = Lab::new();
    lab.write("secret.yaml", lab.manifest(false));
    lab.write("secret.json", lab.manifest(true));
    fs::copy(lab.path("east/ca-cert.pem"), lab.path("signer.crt")).unwrap();
    for subject in [
        "./east",
        &format!("{SINGLE} east/ca-key.pem"),
        "ca-cert.pem=signer.crt ca-key.pem=east/ca-key.pem east/cert-chain.pem east/root-cert.pem",
        "secret.yaml",
        "secret.json",
    ] {
        let told = lab.ends(&format!("check {subject}"), 0);
        assert!(told.out.starts_with("√ nothing is wrong with "), "{}", told.out);
        assert!(!told.out.contains("not judged"), "{}", told.out);
    }
    for json in [false, true] {
        let told = lab.run_with("check -", &lab.manifest(json));
        assert_eq!(told.code, 0, "{}{}", told.out, told.err);
    }
}

#[test]
fn files_are_judged_for_the_trust_domain_that_is_said() {
    let lab = Lab::new();
    let permits_cluster_local =
        concat!("check ", env!("CARGO_MANIFEST_DIR"), "/pki-fixtures/faulty/uri-name-constraint/permitted");
    for (domain, envoy, code) in [
        ("", "accepts", 3),
        (" --trust-domain cluster.local", "accepts", 3),
        (" --trust-domain mesh.example", "refuses", 4),
    ] {
        let document = json(&lab, &format!("{permits_cluster_local}{domain}"), code);
        assert_eq!(outcome(&document, "envoy"), envoy, "{domain}");
    }
    for (words, why) in
        [("./east --trust-domain spiffe://mesh.example", "no `spiffe://`"), ("--trust-domain a", "CLUSTER|PATH")]
    {
        let told = lab.ends(&format!("check {words}"), 2);
        assert!(told.err.contains(why), "{words}: {}", told.err);
    }
}

#[test]
fn clusters_and_the_whole_fleet_are_judged_by_the_mesh_file() {
    let lab = Lab::new();
    for (subject, place) in [("", "2 sets"), (" east", "east"), (" east west", "2 sets")] {
        let told = lab.ends(&format!("check{subject}"), 0);
        assert!(told.out.starts_with(&format!("√ nothing is wrong with {place}\n")), "{}", told.out);
    }
    assert!(lab.ends("check nowhere", 1).err.contains("unknown-cluster"));
    assert!(lab.ends("check remote", 1).err.contains("remote-gets-no-cacerts"));
}

#[test]
fn what_cannot_be_read_ends_with_one() {
    let lab = Lab::new();
    lab.write("notes.txt", "x");
    lab.write("broken.yaml", "apiVersion: v1\nkind: Secret\ndata: {ca-cert.pem: '*'}\n");
    for (subject, code) in [
        ("notes.txt", "bad-argument"),
        ("./missing.pem", "file-unreadable"),
        ("missing/ca-cert.pem", "file-unreadable"),
        ("broken.yaml", "secret-manifest-malformed"),
    ] {
        let told = lab.ends(&format!("check {subject}"), 1);
        assert!(told.err.contains(code), "{subject}: {}", told.err);
    }
}

#[test]
fn the_exit_code_turns_at_the_second_and_the_worst_one_wins() {
    let lab = Lab::new();
    for (at, code, finding) in [
        ("2027-02-14T10:00:00Z", 0, None),
        ("2027-02-14T10:00:01Z", 3, Some("certificate-expires-soon")),
        ("2027-02-21T09:59:59Z", 3, Some("certificate-expires-soon")),
        ("2027-02-21T10:00:00Z", 4, Some("fatal-at-next-start")),
        ("2027-02-21T10:00:01Z", 4, Some("certificate-expired")),
    ] {
        let document = json(&lab, &format!("check ./east --at {at}"), code);
        assert!(finding.map_or(codes(&document).is_empty(), |it| codes(&document).contains(&it)), "{at}: {document}");
    }
    // One that cannot be seen: an error, worse than a warning and not as bad as something critical.
    let mesh = lab.read("mesh.yaml").replace("directory: ./west", "kubeconfig: ./west.config");
    lab.write("mesh.yaml", mesh);
    let document = json(&lab, "check east west --at 2027-02-14T10:00:01Z", 1);
    assert_eq!(document.pointer("/sets/1/problem/code").and_then(Value::as_str), Some("file-unreadable"));
    assert_eq!(codes(&document), ["certificate-expires-soon"]);
    lab.ends("check east west --at 2027-02-21T10:00:01Z", 4);
}

#[test]
fn machines_get_predictions_and_findings_as_json_and_yaml() {
    let lab = Lab::new();
    let sound = json(&lab, "check ./east", 0);
    for consumer in ["istiod/start", "istiod/reload", "agent", "envoy", "webpki"] {
        assert_eq!(outcome(&sound, consumer), "accepts", "{consumer}");
        assert!(sound.pointer(&format!("/sets/0/predictions/{consumer}/reason")).unwrap().is_string());
    }
    assert!(codes(&sound).is_empty());
    let yaml: Value = serde_saphyr::from_str(&lab.ends("check ./east -o yaml", 0).out).unwrap();
    assert_eq!(yaml, sound);

    copy_files(&lab.path("east"), &lab.path("odd"));
    lab.write("odd/root-cert.pem", lab.read("east/root-cert.pem").trim_end());
    let odd = json(&lab, "check ./odd", 3);
    assert_eq!(codes(&odd), ["no-final-newline"]);
    assert_eq!((first(&odd, "severity"), first(&odd, "place")), ("warning", "./odd: root-cert.pem"));
    assert!(first(&odd, "what").starts_with("root-cert.pem, line "));
    assert_eq!(first(&odd, "hint"), "echo >> root-cert.pem");

    lab.write("odd/ca-key.pem", lab.read("west/ca-key.pem"));
    let wrong = json(&lab, "check ./odd", 4);
    assert_eq!((first(&wrong, "code"), first(&wrong, "severity")), ("key-mismatch", "critical"), "the worst is first");
    assert_eq!((outcome(&wrong, "istiod/start"), outcome(&wrong, "istiod/reload")), ("refuses", "ignores"));
    assert_eq!(outcome(&wrong, "envoy"), "accepts");
}

#[test]
fn what_is_loaded_and_multi_root_decide_what_a_reload_does() {
    let lab = Lab::new();
    copy_files(&lab.path("east"), &lab.path("next"));
    let other = Lab::new();
    let root = lab.read("east/root-cert.pem");
    lab.write("next/root-cert.pem", format!("{root}{}", other.read("east/root-cert.pem")));
    let reload = |words: &str, code: i32| {
        let document = json(&lab, &format!("check ./next {words}"), code);
        (outcome(&document, "istiod/reload").to_owned(), codes(&document).contains(&"reload-dropped"))
    };
    let accepted = ("accepts".to_owned(), false);
    assert_eq!(reload("", 3), accepted, "nothing is known to be loaded; two roots of one name are a warning");
    assert_eq!(reload("--loaded ./east", 4), ("ignores".to_owned(), true));
    assert_eq!(reload("--loaded ./east --multi-root", 3), accepted);
    assert_eq!(reload("--loaded ./next", 3), accepted);
    lab.write("next/root-cert.pem", other.read("east/root-cert.pem"));
    assert_eq!(reload("--loaded ./east --multi-root", 4), ("ignores".to_owned(), true), "neither holds the other");
}

#[test]
fn a_key_that_was_not_given_is_not_judged_and_one_that_is_not_there_is_a_finding() {
    let lab = Lab::new();
    let document = json(&lab, &format!("check {SINGLE}"), 0);
    assert_eq!(outcome(&document, "istiod/start"), "accepts");
    let left_out = document.pointer("/sets/0/notJudged/0").and_then(Value::as_str).unwrap();
    assert!(left_out.starts_with("ca-key.pem was not given"), "{left_out}");

    copy_files(&lab.path("east"), &lab.path("keyless"));
    fs::remove_file(lab.path("keyless/ca-key.pem")).unwrap();
    let document = json(&lab, "check ./keyless", 4);
    assert_eq!(codes(&document), ["file-missing"]);
    assert_eq!(outcome(&document, "istiod/start"), "refuses");
    assert_eq!(document.pointer("/sets/0/notJudged").unwrap(), &Value::Array(Vec::new()));
    lab.write("keyless.yaml", lab.manifest(false).replace("  ca-key.pem", "  no-key.pem"));
    assert!(codes(&json(&lab, "check keyless.yaml", 4)).contains(&"file-missing"));
}

/// Somebody with the issuing key mints under the same root, for the same cluster, beside our records, and puts it in the
/// place of our set, under our mark.
fn replace_with_one_that_is_not_recorded(lab: &Lab) {
    let elsewhere = Lab::new();
    fs::remove_dir_all(elsewhere.path("material")).unwrap();
    for tier in ["root", "issuing"] {
        copy_files(&lab.path("material").join(tier).join("g1"), &elsewhere.path("material").join(tier).join("g1"));
    }
    for cluster in ["east", "west"] {
        fs::remove_dir_all(elsewhere.path(cluster)).unwrap();
    }
    elsewhere.ends("issue --passphrase-file passphrase", 0);
    elsewhere.ends("publish --passphrase-file passphrase", 0);
    let there = fs::canonicalize(lab.path("east/..data")).unwrap();
    for name in ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"] {
        fs::write(there.join(name), fs::read(elsewhere.path("east").join(name)).unwrap()).unwrap();
    }
}

#[test]
fn an_intermediate_that_the_ledger_does_not_know_is_critical() {
    let lab = Lab::new();
    replace_with_one_that_is_not_recorded(&lab);
    let document = json(&lab, "check", 4);
    assert_eq!(codes(&document), ["intermediate-not-in-ledger"], "{document}");
    assert_eq!(first(&document, "place"), "east");
    assert!(first(&document, "what").starts_with("east: the intermediate \"O=m1, OU=east, CN=m1 intermediate g1\", "));
    let serial = json(&lab, "inspect east/ca-cert.pem", 0);
    let serial = serial.pointer("/parts/0/blocks/0/certificate/serial").and_then(Value::as_str).unwrap();
    assert!(first(&document, "what").contains(serial));
    assert!(!first(&document, "hint").is_empty());
    assert_eq!(outcome(&document, "istiod/start"), "accepts", "nothing else gives it away");
    lab.ends("check east", 4);
    lab.ends("check west", 0);
    // As a set outside of the mesh it is compared with no records.
    lab.ends("check ./east", 0);
}

#[test]
fn a_ledger_that_is_missing_is_a_warning_once_something_is_published() {
    let lab = Lab::new();
    fs::remove_file(lab.path("records/ledger.jsonl")).unwrap();
    let document = json(&lab, "check", 3);
    assert_eq!((codes(&document), first(&document, "severity")), (vec!["ledger-missing"], "warning"));
    assert!(first(&document, "what").contains("records/ledger.jsonl"), "{document}");
    lab.ends("check east", 3);
    lab.ends("check ./east", 0);
    lab.write("mesh.yaml", format!("{}records: stdout\n", lab.read("mesh.yaml")));
    lab.ends("check", 0);
}

#[test]
fn before_anything_is_published_a_missing_ledger_is_nothing() {
    let lab = Lab::new();
    for folder in ["east", "west", "records"] {
        fs::remove_dir_all(lab.path(folder)).unwrap();
    }
    assert!(!codes(&json(&lab, "check", 3)).contains(&"ledger-missing"));
}

#[test]
fn a_ledger_that_is_cut_is_a_warning_and_one_that_is_broken_is_critical() {
    let lab = Lab::new();
    let whole = lab.read("records/ledger.jsonl");
    lab.write("records/ledger.jsonl", whole.trim_end());
    let document = json(&lab, "check", 3);
    assert_eq!(codes(&document), ["ledger-cut"]);
    lab.write("records/ledger.jsonl", whole.replacen("intent", "done", 1));
    let document = json(&lab, "check", 4);
    assert_eq!((codes(&document), first(&document, "severity")), (vec!["ledger-broken"], "critical"));
    lab.write("records/ledger.jsonl", whole);
    lab.ends("check", 0);
}

#[test]
fn a_cluster_without_cacerts_is_a_warning_and_named() {
    let lab = Lab::new();
    // A key of another cluster is critical, and has not ended.
    fs::copy(lab.path("west/ca-key.pem"), lab.path("another.pem")).unwrap();
    let mixed = format!("check {SINGLE} ca-key.pem=another.pem --fail-on");
    for (on, code) in [("warning", 4), ("critical", 4), ("expired", 0), ("never", 0)] {
        lab.ends(&format!("{mixed} {on}"), code);
    }
    fs::remove_dir_all(lab.path("west")).unwrap();
    let document = json(&lab, "check west", 3);
    assert_eq!(codes(&document), ["cacerts-missing"]);
    assert!(first(&document, "what").contains("west"), "{document}");
    assert_eq!(codes(&json(&lab, "check", 3)), ["cacerts-missing"]);
    assert_eq!(codes(&json(&lab, "check east", 0)), Vec::<&str>::new());
}

// ---------------------------------------------------------------- the manners of CI

/// Seven days and a second less before the intermediates end: a warning.
const SOON: &str = "--at 2027-02-14T10:00:01Z";
/// A second after.
const ENDED: &str = "--at 2027-02-21T10:00:01Z";

#[test]
fn what_a_check_fails_on_can_be_said_and_what_could_not_be_looked_at_always_counts() {
    let lab = Lab::new();
    for (moment, warning, critical, expired) in [("", 0, 0, 0), (SOON, 3, 0, 0), (ENDED, 4, 4, 4)] {
        for (on, code) in [("warning", warning), ("critical", critical), ("expired", expired), ("never", 0)] {
            lab.ends(&format!("check east --fail-on {on} {moment}"), code);
        }
        lab.ends(&format!("check east {moment}"), warning);
    }
    // A key of another cluster is critical, and has not ended.
    fs::copy(lab.path("west/ca-key.pem"), lab.path("another.pem")).unwrap();
    let mixed = format!("check {SINGLE} ca-key.pem=another.pem --fail-on");
    for (on, code) in [("warning", 4), ("critical", 4), ("expired", 0), ("never", 0)] {
        lab.ends(&format!("{mixed} {on}"), code);
    }
    fs::remove_dir_all(lab.path("west")).unwrap();
    lab.write("west", "no folder");
    for on in ["warning", "critical", "expired", "never"] {
        lab.ends(&format!("check west --fail-on {on}"), 1);
    }
    assert_eq!(lab.run("check east --fail-on sometimes").code, 2);
}

#[test]
fn whoever_wants_only_problems_is_told_nothing_else() {
    let lab = Lab::new();
    assert_eq!(lab.ends("check --quiet", 0).out, "");
    let told = lab.ends(&format!("check --quiet {SOON}"), 3).out;
    assert!(told.contains("certificate-expires-soon"), "{told}");
    for left_out in ["accepts", "who verifies whom", "over the years", "LAST-SAFE-START"] {
        assert!(!told.contains(left_out), "{left_out}: {told}");
    }
    // Also where the exit code is good.
    assert_eq!(lab.ends(&format!("check --quiet --fail-on never {SOON}"), 0).out, told);
}

#[test]
fn a_workflow_of_github_gets_a_line_for_each_finding() {
    let lab = Lab::new();
    assert_eq!(lab.ends("check -o github", 0).out, "::notice title=meshca::√ nothing is wrong with 2 sets\n");
    let told = lab.ends(&format!("check east -o github {SOON}"), 3).out;
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(told.starts_with("::warning title=certificate-expires-soon::east: ca-cert.pem: "), "{told}");
    let told = lab.ends(&format!("check east -o github {ENDED}"), 4).out;
    assert!(told.lines().any(|line| line.starts_with("::error title=certificate-expired::")), "{told}");
    // What is wrong with the mesh file stands at its line there.
    lab.write("mesh.yaml", format!("{}intermediate: {{ lifetime: 20d, renewBefore: 6d }}\n", lab.read("mesh.yaml")));
    let told = lab.run("check -o github").out;
    assert!(told.contains(" file=mesh.yaml,line=8,title="), "{told}");
}

#[test]
fn gitlab_gets_a_code_quality_report_with_fingerprints_that_stay() {
    let lab = Lab::new();
    let read = |words: &str, code| serde_json::from_str::<Value>(&lab.ends(words, code).out).unwrap();
    assert_eq!(read("check -o gitlab", 0), Value::Array(vec![]));
    let report = read(&format!("check -o gitlab {SOON}"), 3);
    assert_eq!(report, read(&format!("check -o gitlab {SOON}"), 3));
    let entries = report.as_array().unwrap();
    assert_eq!(entries.len(), 2, "one for each set");
    let keys = ["check_name", "description", "fingerprint", "location", "severity"];
    for entry in entries {
        assert_eq!(entry.as_object().unwrap().keys().collect::<Vec<_>>(), keys);
        assert_eq!((&entry["severity"], &entry["location"]["path"]), (&"minor".into(), &"mesh.yaml".into()));
        assert_eq!(entry["location"]["lines"]["begin"], 1);
    }
    assert_ne!(entries[0]["fingerprint"], entries[1]["fingerprint"]);
}

#[test]
fn who_verifies_whom_is_told_of_the_whole_mesh_and_why_not() {
    let lab = Lab::new();
    let told = lab.ends("check", 0).out;
    assert!(told.contains("\nwho verifies whom\n  today: 9 of 9 pairs verify\n"), "{told}");
    assert!(!lab.ends("check east", 0).out.contains("who verifies whom"), "of one cluster there is nobody to verify");
    let other = Lab::new();
    fs::create_dir_all(lab.path("remote/istio-ca-root-cert")).unwrap();
    fs::copy(other.path("west/root-cert.pem"), lab.path("remote/istio-ca-root-cert/root-cert.pem")).unwrap();
    let document = json(&lab, "check", 4);
    let trust = &document["trust"];
    assert_eq!(trust["groups"], serde_json::json!([["east", "west"], ["remote"]]));
    assert_eq!((&trust["today"]["verifiedPairs"], &trust["today"]["refusedPairs"]), (&6.into(), &3.into()));
    assert_eq!(trust["today"]["verdicts"][1][0]["verdict"], "refuses");
    let why = trust["today"]["verdicts"][1][0]["why"].as_str().unwrap();
    // Both roots have one name, and not one key.
    assert!(why.starts_with("a root named \"O=m1, CN=m1 root g1\" is trusted, and another key signed"), "{why}");
    assert_eq!(trust["next"]["after"], "what is published is shown");
    assert_eq!(trust["next"]["verifiedPairs"], 9);
    let told = lab.ends("check --quiet", 4).out;
    assert!(told.contains("who verifies whom\n  today: 6 of 9 pairs verify, 3 refuse\n"), "it is a problem: {told}");
}

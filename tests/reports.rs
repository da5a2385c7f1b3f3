//! `report` in each of its forms, by the real program, judged by readers that others wrote.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what cannot be read back is a failed test"
)]

#[path = "support/hostile_lab.rs"]
mod hostile_lab;
#[path = "support/judges.rs"]
mod judges;
#[path = "support/published_lab.rs"]
mod published_lab;
#[path = "support/terminal.rs"]
mod terminal;

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use hostile_lab::{ODD, hostile};
use judges::{openssl, python_says};
use meshca::mesh::report_document::schema;
use published_lab::Lab;
use serde_json::Value;
use terminal::on_terminal;

/// A second less than seven days before the intermediates end, 23 days after their renewal was due.
const LATE: &str = "--at 2027-02-14T10:00:01Z";

const READ_CSV: &str = "\
import csv, json, sys
with open(sys.argv[1], encoding='utf-8', newline='') as file:
    print(json.dumps(list(csv.DictReader(file, strict=True))))
";

const READ_JUNIT: &str = "\
import json, sys, xml.etree.ElementTree as tree
def cases(suite):
    for case in suite.iter('testcase'):
        bad = next(iter(case), None)
        yield [case.get('classname'), case.get('name'), bad is not None and bad.tag, bad is not None and bad.get('type')]
top = tree.parse(sys.argv[1]).getroot()
print(json.dumps({'top': top.attrib, 'suites': [s.attrib for s in top], 'cases': [c for s in top for c in cases(s)]}))
";

/// The elements of a page: each with its attributes. Fails where one is closed that is not open.
const READ_HTML: &str = "\
import html.parser, json, sys
VOID = {'meta', 'link', 'input', 'br'}
class Reader(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.text = [], [], {}
    def handle_starttag(self, tag, attributes):
        self.seen.append([tag, dict(attributes)])
        if tag not in VOID: self.open.append(tag)
    def handle_startendtag(self, tag, attributes):
        self.seen.append([tag, dict(attributes)])
    def handle_endtag(self, tag):
        assert self.open and self.open[-1] == tag, (tag, self.open, self.getpos())
        self.open.pop()
    def handle_data(self, data):
        if self.open: self.text[self.open[-1]] = self.text.get(self.open[-1], '') + data
reader = Reader()
reader.feed(open(sys.argv[1], encoding='utf-8').read())
assert not reader.open, reader.open
print(json.dumps({'seen': reader.seen, 'text': reader.text}))
";

fn judged(script: &str, text: &str) -> Value {
    serde_json::from_str(&python_says(script, text)).unwrap()
}

#[test]
fn csv_holds_what_the_json_document_holds() {
    for lab in [Lab::new(), hostile()] {
        let json: Value = serde_json::from_str(&lab.ends(&format!("report -o json {LATE}"), 0).out).unwrap();
        let read = judged(READ_CSV, &lab.ends(&format!("report -o csv {LATE}"), 0).out);
        let (rows, read) = (json["rows"].as_array().unwrap(), read.as_array().unwrap());
        assert_eq!(rows.len(), read.len());
        for (row, read) in rows.iter().zip(read) {
            for (key, column) in [
                ("cluster", "cluster"),
                ("role", "role"),
                ("status", "status"),
                ("severity", "severity"),
                ("notBefore", "not_before"),
                ("notAfter", "not_after"),
                ("renewsAt", "renews_at"),
                ("loaded", "loaded"),
                ("serial", "serial"),
                ("fingerprint", "fingerprint"),
                ("key", "key"),
                ("signedBy", "signed_by"),
                ("reason", "reason"),
            ] {
                assert_eq!(row[key].as_str().unwrap_or_default(), read[column], "{key}");
            }
            let left = row["expiresInSeconds"].as_i64().map(|left| left.to_string()).unwrap_or_default();
            assert_eq!(read["expires_in_seconds"], left);
        }
    }
}

#[test]
fn a_name_that_a_spreadsheet_would_reckon_with_arrives_as_text() {
    let read = judged(READ_CSV, &hostile().ends("report -o csv", 0).out);
    let names: Vec<&str> =
        read.as_array().unwrap().iter().map(|row| row["subject_common_name"].as_str().unwrap()).collect();
    assert!(names.contains(&format!("'{ODD}").as_str()), "{names:?}");
    assert!(names.iter().all(|name| !name.starts_with('=')), "{names:?}");
}

#[test]
fn junit_is_xml_whose_counts_are_those_of_its_cases() {
    for lab in [Lab::new(), hostile()] {
        for words in
            ["report -o junit", "check -o junit"].map(|words| [words.to_owned(), format!("{words} {LATE}")]).concat()
        {
            let read = judged(READ_JUNIT, &lab.run(&words).out);
            let cases = read["cases"].as_array().unwrap();
            let count = |what: &str| cases.iter().filter(|case| case[2] == what).count().to_string();
            for attributes in [&read["top"], &read["suites"][0]] {
                assert_eq!(attributes["tests"], cases.len().to_string());
                assert_eq!(
                    (&attributes["failures"], &attributes["errors"]),
                    (&count("failure").into(), &count("error").into())
                );
            }
        }
    }
}

#[test]
fn a_late_renewal_is_a_failure_and_what_cannot_be_seen_is_an_error_of_junit() {
    let lab = Lab::new();
    let read = |code| judged(READ_JUNIT, &lab.ends(&format!("report -o junit {LATE}"), code).out);
    let of = |read: &Value, place: &str| {
        let cases = read["cases"].as_array().unwrap().iter();
        cases.filter(|case| case[0] == place).map(|case| (case[2].clone(), case[3].clone())).collect::<Vec<_>>()
    };
    assert!(of(&read(0), "east").contains(&("failure".into(), "OVERDUE".into())));
    std::fs::write(lab.path("east/ca-cert.pem"), "no certificate").unwrap();
    assert!(of(&read(1), "east").contains(&("error".into(), "UNKNOWN".into())));
}

#[test]
fn markdown_has_as_many_cells_in_each_line_whatever_names_say() {
    let told = hostile().ends("report -o markdown", 0).out;
    let table: Vec<&str> = told.lines().filter(|line| line.starts_with('|')).collect();
    assert!(table.len() > 6, "{told}");
    for line in table {
        assert_eq!(line.replace("\\|", "").matches('|').count(), 8, "{line}");
        assert!(!line.contains('<') && !line.contains("://"), "{line}");
    }
}

#[test]
fn names_are_those_of_clusters_each_once_and_as_they_are_asked_for() {
    let lab = Lab::new();
    let names = |words: &str| lab.ends(&format!("report -o name {words}"), 0).out;
    assert_eq!(names(""), "east\nwest\nremote\n");
    assert_eq!(names("--only bad"), "");
    assert_eq!(names(&format!("--only due {LATE}")), "east\nwest\nremote\n");
    assert_eq!(names("--only remote --only west"), "west\nremote\n");
    assert_eq!(names("--sort cluster"), "east\nremote\nwest\n");
}

#[test]
fn a_cluster_that_is_not_in_the_mesh_file_is_refused_and_so_are_words_that_mean_nothing() {
    let lab = Lab::new();
    let told = lab.ends("report --only nowhere", 1);
    assert!(told.err.contains("unknown-cluster"), "{}", told.err);
    for words in
        ["report --only No", "report --warn soon", "report --warn 100%", "report --critical -1d", "report --sort age"]
    {
        assert_eq!(lab.run(words).code, 2, "{words}");
    }
}

#[test]
fn limits_are_days_lengths_or_shares_of_a_life_to_the_second() {
    let lab = Lab::new();
    // Intermediates live 90 days and five minutes; 89 days and two hours are left.
    let worst = |limit: &str| {
        let told = lab.ends(&format!("report -o json --at 2026-11-24T08:00:00Z {limit}"), 0).out;
        let read: Value = serde_json::from_str(&told).unwrap();
        let rows = read["rows"].as_array().unwrap();
        let status = rows.iter().find(|row| row["role"] == "intermediate").unwrap()["status"].clone();
        (status.as_str().unwrap().to_owned(), read["thresholds"].clone())
    };
    for (limit, status) in [
        ("", "ok"),
        ("--warn 89", "ok"),
        ("--warn 90d", "WARNING"),
        ("--warn 2138h", "ok"),
        ("--warn 2139h", "WARNING"),
        ("--warn 98%", "ok"),
        ("--warn 99%", "WARNING"),
        ("--critical 90d", "CRITICAL"),
        ("--warn 99% --critical 99%", "CRITICAL"),
    ] {
        assert_eq!(worst(limit).0, status, "{limit}");
    }
    let (_, usual) = worst("");
    assert_eq!((&usual["warningSeconds"], &usual["criticalSeconds"]), (&604_800.into(), &172_800.into()));
    assert_eq!(usual.get("warningPercent"), None);
    let (_, shares) = worst("--warn 99%");
    assert_eq!((&shares["warningSeconds"], &shares["warningPercent"]), (&Value::Null, &99.into()));
}

#[test]
fn rows_are_left_out_and_verdict_and_exit_code_stay_those_of_the_mesh() {
    let lab = Lab::new();
    let told = lab.ends(&format!("report --only east {LATE}"), 0).out;
    assert!(told.starts_with("3 of 3 clusters need action"), "{told}");
    assert!(told.contains("\neast ") && !told.contains("\nwest "), "{told}");
    std::fs::write(lab.path("west/ca-cert.pem"), "no certificate").unwrap();
    lab.ends("report --only east", 1);
    let read: Value = serde_json::from_str(&lab.ends("report --only east -o json", 1).out).unwrap();
    assert_eq!(read["severity"], "unknown");
    assert!(read["rows"].as_array().unwrap().iter().all(|row| row["cluster"] == "east"));
}

#[test]
fn forms_of_the_report_are_refused_elsewhere_and_its_own_too() {
    let lab = Lab::new();
    for (words, hint) in [
        ("ledger show -o csv", "meshca report -o csv"),
        ("ledger show -o html", "meshca report -o html"),
        ("ledger show -o name", "meshca report -o name"),
        ("rotate --dry-run -o junit", "meshca check -o junit"),
        ("report -o github", "meshca check -o github"),
        ("report -o gitlab", "meshca check -o gitlab"),
        ("report -o ics", "meshca rehearse -o ics"),
        ("check -o markdown", "meshca report -o markdown"),
    ] {
        let told = lab.ends(words, 1);
        assert!(told.err.contains("bad-argument") && told.err.contains(hint), "{words}: {}", told.err);
    }
}

/// A page's elements of this kind.
fn elements<'a>(read: &'a Value, tag: &str) -> Vec<&'a Value> {
    let seen = read["seen"].as_array().unwrap().iter();
    seen.filter(|element| element[0] == tag).map(|element| &element[1]).collect()
}

#[test]
fn the_page_is_sound_html_and_holds_every_row_of_the_table() {
    let lab = Lab::new();
    let read = judged(READ_HTML, &lab.ends(&format!("report -o html {LATE}"), 0).out);
    assert_eq!(elements(&read, "html")[0]["lang"], "en");
    let rows: Vec<_> = elements(&read, "tr").into_iter().filter(|row| row.get("data-s").is_some()).collect();
    assert_eq!(
        rows.iter().map(|row| row["data-s"].as_str().unwrap()).collect::<Vec<_>>(),
        ["OVERDUE", "OVERDUE", "OVERDUE", "ok", "ok"]
    );
    // A bar for each, which says in words what it shows.
    let bars: Vec<_> = elements(&read, "svg").into_iter().filter(|svg| svg.get("aria-label").is_some()).collect();
    assert_eq!(bars.len(), 5);
    assert!(
        bars[0]["aria-label"]
            .as_str()
            .unwrap()
            .contains("renewal 2027-01-22, seven days left 2027-02-14, ends 2027-02-21")
    );
    assert!(read["text"]["caption"].as_str().unwrap().contains("Today: 9 of 9 pairs verify"));
}

#[test]
fn every_heading_of_a_table_has_a_scope_every_table_a_caption_and_every_field_a_label() {
    let read = judged(READ_HTML, &hostile().ends("report -o html", 0).out);
    assert!(elements(&read, "th").iter().all(|head| head.get("scope").is_some()));
    assert_eq!(elements(&read, "table").len(), elements(&read, "caption").len());
    assert_eq!(elements(&read, "label").len(), elements(&read, "input").len() + elements(&read, "select").len());
    let ids: Vec<&str> = read["seen"].as_array().unwrap().iter().filter_map(|it| it[1]["id"].as_str()).collect();
    let once: std::collections::BTreeSet<&&str> = ids.iter().collect();
    assert_eq!(ids.len(), once.len(), "an id stands once: {ids:?}");
    let targets =
        elements(&read, "a").into_iter().map(|link| link["href"].as_str().unwrap().strip_prefix('#').unwrap());
    assert!(targets.into_iter().all(|target| ids.contains(&target)), "every link leads somewhere on the page");
}

#[test]
fn nothing_on_the_page_comes_from_elsewhere_and_no_name_becomes_a_part_of_it() {
    let text = hostile().ends("report -o html", 0).out;
    let read = judged(READ_HTML, &text);
    assert!(read["text"]["td"].as_str().unwrap().contains(ODD), "it is shown");
    assert_eq!(elements(&read, "script").len(), 1);
    assert_eq!(elements(&read, "style").len(), 1);
    let policy =
        elements(&read, "meta").into_iter().find(|meta| meta["http-equiv"] == "Content-Security-Policy").unwrap();
    let policy = policy["content"].as_str().unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    for (directive, part) in [("style-src", "style"), ("script-src", "script")] {
        let sum = openssl_sum(read["text"][part].as_str().unwrap());
        assert!(policy.contains(&format!("{directive} 'sha256-{sum}';")), "{policy}: {sum}");
    }
    for element in read["seen"].as_array().unwrap() {
        for (name, value) in element[1].as_object().unwrap() {
            assert!(
                !name.starts_with("on") && !["src", "style", "action", "srcset", "xlink:href"].contains(&name.as_str())
            );
            if name == "href" {
                let value = value.as_str().unwrap();
                assert!(value.starts_with('#') || value == "data:,", "{value}");
            }
        }
    }
}

/// SHA-256 in base64, by OpenSSL.
fn openssl_sum(text: &str) -> String {
    use base64::Engine as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, text).unwrap();
    let made = openssl(["dgst".as_ref(), "-sha256".as_ref(), "-binary".as_ref(), file.as_os_str()]);
    base64::engine::general_purpose::STANDARD.encode(made.stdout)
}

#[test]
fn the_matrix_of_the_page_says_who_refuses_whom_and_why() {
    let read = judged(READ_HTML, &hostile().ends("report -o html", 0).out);
    let caption = read["text"]["caption"].as_str().unwrap();
    // The remote trusts a root that nobody is under; the two others accept what its primary signs.
    assert!(caption.contains("Today: 6 of 9 pairs verify, 3 refuse"), "{caption}");
    assert!(caption.contains("Once what is published is shown: 9 of 9 pairs verify"), "{caption}");
    let reasons = read["text"]["li"].as_str().unwrap();
    assert!(reasons.contains("the peer's chain leads to \"O=m1, CN=m1 root g1\", which is not trusted"), "{reasons}");
}

#[test]
fn a_watch_needs_a_terminal_and_a_form_for_people() {
    let lab = Lab::new();
    let told = lab.ends("report --watch", 1);
    assert!(told.err.contains("no-terminal"), "{}", told.err);
    let told = lab.ends("report --watch=5s -o json", 1);
    assert!(told.err.contains("bad-argument"), "{}", told.err);
    assert_eq!(lab.run("report --watch=0s").code, 2);
}

/// Only a hang takes this long.
const PATIENCE: Duration = Duration::from_secs(120);

/// A command on a terminal, until it is dropped.
struct OnTerminal {
    script: Child,
    keys: ChildStdin,
    arriving: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    fn start(lab: &Lab, line: &str) -> Self {
        let mut meshca = Command::new(env!("CARGO_BIN_EXE_meshca"));
        let mut script = on_terminal(meshca.args(line.split_whitespace()));
        script.current_dir(lab.path(""));
        let mut script = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (keys, mut screen) = (script.stdin.take().unwrap(), script.stdout.take().unwrap());
        let (send, arriving) = mpsc::channel();
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = screen.read(&mut bytes) {
                if send.send(bytes[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { script, keys, arriving, seen: String::new() }
    }

    /// Waits until these words stand on the terminal, wherever; what came so far is kept.
    fn shows(&mut self, words: &str) {
        let begun = Instant::now();
        while !self.seen.contains(words) {
            let more = self.arriving.recv_timeout(PATIENCE.saturating_sub(begun.elapsed()));
            let more = more.unwrap_or_else(|why| panic!("{words:?} is never shown, {why}: {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&more));
        }
    }

    /// Ctrl-C is typed; how it ends.
    fn interrupted(&mut self) -> ExitStatus {
        self.keys.write_all(b"\x03").unwrap();
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Some(status) = self.script.try_wait().unwrap() {
                return status;
            }
            thread::sleep(Duration::from_millis(5));
        }
        panic!("it goes on after Ctrl-C: {:?}", self.seen);
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.script.kill();
        let _ = self.script.wait();
    }
}

#[test]
fn a_watch_looks_again_shows_what_changed_on_a_terminal_and_ends_well_at_ctrl_c() {
    let lab = Lab::new();
    let sound = lab.read("west/ca-cert.pem");
    lab.write("west/ca-cert.pem", "no certificate");
    let mut watch = OnTerminal::start(&lab, &format!("{LATE} report --watch=1s"));
    watch.shows("every 1s; Ctrl-C ends");
    assert!(watch.seen.starts_with("\u{1b}[H") && watch.seen.contains("UNKNOWN"), "{}", watch.seen);
    assert!(!watch.seen.contains("all 3 clusters are fine"), "{}", watch.seen);
    lab.write("west/ca-cert.pem", sound);
    lab.ends(&format!("rotate --passphrase-file passphrase {LATE}"), 0);
    watch.shows("all 3 clusters are fine");
    // As the last look found the mesh: after the first one it would have been 1.
    assert_eq!(watch.interrupted().code(), Some(0), "{}", watch.seen);
}

#[test]
fn what_changed_since_an_earlier_report_is_told_to_people_and_machines() {
    let lab = Lab::new();
    lab.write("old.json", lab.ends("report -o json", 0).out);
    let told = lab.ends("report --diff old.json --at 2026-11-24T10:00:00Z", 0).out;
    assert_eq!(told, "nothing changed since 2026-11-23T10:00:00Z\n");
    assert_eq!(lab.ends("report --diff old.json --quiet --at 2026-11-24T10:00:00Z", 0).out, "");
    let told = lab.ends(&format!("report --diff old.json {LATE}"), 0).out;
    assert!(told.starts_with("3 changes since 2026-11-23T10:00:00Z\n"), "{told}");
    lab.ends("rotate --passphrase-file passphrase --at 2027-02-14T10:00:01Z", 0);
    let document = lab.ends(&format!("report --diff old.json -o json {LATE}"), 0).out;
    let document: Value = serde_json::from_str(&document).unwrap();
    assert_eq!((&document["kind"], &document["since"]), (&"ReportChanges".into(), &"2026-11-23T10:00:00Z".into()));
    let changes = document["changes"].as_array().unwrap();
    let of = |place: &str| changes.iter().find(|change| change["place"] == place && change["change"] == "renewed");
    assert_eq!(of("east").unwrap()["was"]["notAfter"], "2027-02-21T10:00:00Z");
    assert_eq!(of("east").unwrap()["is"]["notAfter"], "2027-05-15T10:00:01Z");
    std::fs::write(lab.path("west/ca-cert.pem"), "no certificate").unwrap();
    let told = lab.ends(&format!("report --diff old.json {LATE}"), 1).out;
    assert!(told.contains("UNKNOWN"), "{told}");
}

#[test]
fn what_is_no_report_of_this_mesh_is_not_compared_with() {
    let lab = Lab::new();
    let report = lab.ends("report -o json", 0).out;
    for (text, why) in [
        ("no json".to_owned(), "expected"),
        ("{\"kind\":\"Check\"}".to_owned(), "it is a `Check` of ``, not a Report of meshca.io/v1"),
        (report.replacen("\"m1\"", "\"m2\"", 1), "is a report of another mesh"),
    ] {
        lab.write("old.json", text);
        let told = lab.ends("report --diff old.json", 1);
        assert!(told.err.contains("report-malformed") && told.err.contains(why), "{}", told.err);
    }
    lab.write("old.json", &report);
    assert_eq!(lab.run_with("report --diff -", &report).code, 0);
    assert!(lab.ends("report --diff missing.json", 1).err.contains("file-unreadable"));
    assert!(lab.ends("report --diff old.json -o csv", 1).err.contains("bad-argument"));
    assert_eq!(lab.run("report --diff old.json --only east").code, 2);
}

// ---------------------------------------------------------------- the schema

const SCHEMA: &str = include_str!("../docs/reference/report.schema.json");

const REMAKE: &str = "cargo test --test reports remake_the_schema -- --ignored";

fn schema_text() -> String {
    format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap())
}

#[test]
fn the_schema_is_the_one_that_the_types_make() {
    assert_eq!(SCHEMA, schema_text(), "{REMAKE}");
}

#[test]
#[ignore = "writes docs/reference/report.schema.json: cargo test --test reports remake_the_schema -- --ignored"]
fn remake_the_schema() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/reference/report.schema.json");
    std::fs::write(file, schema_text()).unwrap();
}

const VALIDATE: &str = "\
import json, sys, jsonschema
schema, documents = json.load(open(sys.argv[1], encoding='utf-8'))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
print(json.dumps([[str(e.message) for e in validator.iter_errors(document)] for document in documents]))
";

/// Reports in which each part of the document has something: a change of root, a leaked key, windows, shares, trouble.
fn reports() -> Vec<Value> {
    let lab = Lab::new();
    let read = |words: &str| serde_json::from_str::<Value>(&lab.run(words).out).unwrap();
    let mut reports = vec![read("report -o json"), read(&format!("report -o json --warn 25% --critical 3% {LATE}"))];
    let pass = "--passphrase-file passphrase --next-passphrase-file passphrase";
    lab.ends(&format!("root create --next {pass} --confirm m1_root_g2"), 0);
    let window = "rotation: { windows: [{ cron: '0 2 * * 6', duration: 4h, timeZone: Etc/UTC }] }\n";
    let root =
        reports[0]["rows"].as_array().unwrap().iter().find(|row| row["role"] == "root").unwrap()["fingerprint"].clone();
    let leaked = format!("leaked: [{}]\n", root.as_str().unwrap());
    let mesh = lab.read("mesh.yaml");
    lab.write("mesh.yaml", format!("{mesh}{window}"));
    reports.push(read("report -o json"));
    lab.write("mesh.yaml", format!("{mesh}{window}{leaked}"));
    std::fs::write(lab.path("west/ca-cert.pem"), "no certificate").unwrap();
    reports.push(read("report -o json"));
    reports
}

#[test]
fn real_reports_keep_the_schema_and_no_key_of_theirs_is_missing_in_it() {
    let reports = reports();
    let filled = |key: &str| {
        reports.iter().any(|report| !matches!(&report[key], Value::Null) && report[key] != Value::Array(vec![]))
    };
    for key in ["window", "findings", "ceremonies", "rootChange", "leaks", "lastSafeStarts"] {
        assert!(filled(key), "no report has anything under {key}");
    }
    let mut broken = reports[0].clone();
    broken["rows"][0]["status"] = "fine".into();
    let mut all = reports.clone();
    all.push(broken);
    let found = judged(VALIDATE, &serde_json::to_string(&(schema(), all)).unwrap());
    let (last, found) = found.as_array().unwrap().split_last().unwrap();
    assert!(found.iter().all(|errors| errors.as_array().unwrap().is_empty()), "{found:?}");
    assert_eq!(last.as_array().unwrap().len(), 1, "a word that is none is found: {last}");
    for report in &reports {
        all_known(report, &schema(), "");
    }
}

/// Asserts that every key of a document is one of its schema.
fn all_known(document: &Value, schema: &Value, path: &str) {
    let schema = schema["anyOf"].as_array().and_then(|either| either.first()).unwrap_or(schema);
    match document {
        Value::Object(keys) => {
            for (key, value) in keys {
                let known = &schema["properties"][key];
                assert!(!known.is_null(), "{path}/{key} is not in the schema: src/mesh/report_document.rs");
                assert!(known["description"].is_string() || known["anyOf"].is_array(), "{path}/{key} has no meaning");
                all_known(value, known, &format!("{path}/{key}"));
            }
        }
        Value::Array(items) => items.iter().for_each(|item| all_known(item, &schema["items"], path)),
        _ => {}
    }
}

//! `rehearse` by the real program: it reads the mesh file and touches nothing, ends as it should, and says the same each time.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

mod support;

use serde_json::Value;
use support::snapshot::snapshot;
use support::story::{Story, lab, later};
use tempfile::TempDir;
use time::Duration;

const AT: &str = "2026-11-23T10:00:00Z";

const MESH: &str = "\
version: 1
mesh: shop
clusters:
  - name: east
    role: primary
    access: { kubeconfig: nowhere, context: east }
    istiod: { addresses: ['istiod.invalid:15012'], multiRoot: true }
  - name: west
    role: primary
    access: { directory: west }
    istiod: { assumeLoadedAfter: 10m, multiRoot: true }
  - name: far
    role: remote
    primary: east
    access: { kubeconfig: nowhere, context: far }
";

/// A folder with nothing but a mesh file, in which nothing can be written.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("mesh.yaml"), MESH).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o555)).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn rehearse(&self, more: &str) -> Output {
        let line = format!("-f mesh.yaml rehearse --at {AT} {more}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_meshca"));
        command.args(line.split_ascii_whitespace()).current_dir(self.path()).output().unwrap()
    }

    /// The result of a run that ends with this code and says nothing besides.
    fn said(&self, more: &str, exit: i32) -> String {
        let output = self.rehearse(more);
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(exit), String::new()), "{more}");
        text(&output.stdout)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::set_permissions(self.path(), fs::Permissions::from_mode(0o755));
    }
}

fn document(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn it_leaves_nothing_behind_and_looks_at_no_cluster() {
    let folder = Folder::new();
    folder.said("--for 100d", 0);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["mesh.yaml"]);
    assert_eq!(fs::read_to_string(folder.path().join("mesh.yaml")).unwrap(), MESH);
}

#[test]
fn the_same_script_says_the_same_each_time_in_every_form() {
    let folder = Folder::new();
    for form in ["table", "json", "yaml", "markdown", "ics"] {
        let run = || {
            folder.said(&format!("--for 300d --change-root 2027-02-01 --fault down:west:2027-02-02:5d -o {form}"), 0)
        };
        assert_eq!(run(), run(), "{form}");
    }
}

#[test]
fn a_change_of_root_goes_to_its_end_and_every_pair_is_watched() {
    let document = document(&Folder::new().said("--for 300d --change-root 2027-02-01 -o json", 0));
    assert_eq!((&document["kind"], &document["severity"]), (&"Rehearsal".into(), &"fine".into()));
    assert_eq!(
        (&document["clusters"], &document["pairs"], &document["ticks"]),
        (&3.into(), &9.into(), &302.into()),
        "with the run that approves"
    );
    let told: Vec<&str> =
        document["timeline"].as_array().unwrap().iter().filter_map(|it| it["what"].as_str()).collect();
    assert!(told.contains(&"root change g1 to g2 is complete"), "{told:#?}");
    let needs = document["needs"].as_array().unwrap();
    let approval = needs.iter().find(|need| need["what"] == "the approval that root g1 may go").unwrap();
    assert!(approval["commands"][1].as_str().unwrap().starts_with("meshca -f mesh.yaml rotate --approve-removal"));
    assert!(needs.iter().all(|need| need["late"] == false), "{needs:#?}");
}

#[test]
fn it_ends_with_three_where_people_come_too_late_and_with_four_where_something_breaks() {
    let folder = Folder::new();
    let late = document(&folder.said("--for 300d --fault late:ceremony:1d -o json", 3));
    assert_eq!(late["severity"], "warning");
    let down = document(&folder.said("--for 120d --fault down:east:2027-01-20:60d -o json", 4));
    assert_eq!(down["severity"], "critical");
    let bad: Vec<&Value> = down["timeline"].as_array().unwrap().iter().filter(|it| it["weight"] == "bad").collect();
    assert!(bad.iter().any(|it| it["what"].as_str().unwrap().starts_with("east has nothing to sign with")), "{bad:#?}");
    assert!(bad.iter().any(|it| it["what"].as_str().unwrap().contains(" refuse ")), "{bad:#?}");
}

#[test]
fn a_calendar_is_one_of_rfc_5545_with_an_event_for_each_need() {
    let folder = Folder::new();
    let order = "--for 300d --change-root 2027-02-01";
    let needs = document(&folder.said(&format!("{order} -o json"), 0))["needs"].as_array().unwrap().len();
    let calendar = folder.said(&format!("{order} -o ics"), 0);
    let raw: Vec<&str> = calendar.split("\r\n").collect();
    assert_eq!(raw.last(), Some(&""), "the last line ends as every line does");
    assert!(raw.iter().all(|line| line.len() <= 75 && !line.contains(['\r', '\n'])), "{calendar}");
    let unfolded = calendar.replace("\r\n ", "");
    let (mut open, mut uids, mut events) = (Vec::new(), BTreeSet::new(), 0);
    for line in unfolded.lines() {
        let (name, value) = line.split_once(':').unwrap();
        match name {
            "BEGIN" => open.push(value),
            "END" => assert_eq!(open.pop(), Some(value)),
            "UID" => assert!(uids.insert(value), "{value} twice"),
            "DTSTAMP" => assert_eq!(value, "20261123T100000Z"),
            _ => {}
        }
        events += usize::from(line == "BEGIN:VEVENT");
    }
    assert!(open.is_empty());
    assert_eq!((events, uids.len()), (needs, needs));
}

#[test]
fn a_runbook_has_the_commands_of_every_need() {
    let folder = Folder::new();
    let order = "--for 300d --change-root 2027-02-01";
    let runbook = folder.said(&format!("{order} -o markdown"), 0);
    let document = document(&folder.said(&format!("{order} -o json"), 0));
    for need in document["needs"].as_array().unwrap() {
        for command in need["commands"].as_array().unwrap() {
            let command = command.as_str().unwrap();
            assert!(runbook.lines().any(|line| line == command), "{command}");
        }
    }
    assert!(runbook.starts_with("# Runbook of shop\n"));
}

#[test]
fn good_news_is_silent_for_those_who_want_only_problems() {
    let folder = Folder::new();
    assert_eq!(folder.said("--for 100d --quiet", 0), "");
    assert!(folder.said("--for 300d --quiet --fault late:ceremony:1d", 3).contains("too late"));
}

// --- from what there is

/// Two folders of a mesh that was founded at [`AT`], whose intermediates were renewed once, sixty days later.
fn renewed_once() -> Story {
    let story = Story::new(&lab("shop", "", &["east", "west"])).founded("shop", AT).published(AT);
    story.with_passphrase(&format!("--at {} rotate", later(AT, Duration::days(60)))).fine();
    story
}

fn rehearsed(story: &Story, at: &str, more: &str) -> Value {
    document(&story.meshca(&format!("--at {at} rehearse -o json {more}")).fine().out)
}

/// What happens, and what people are needed for, from this day on.
fn following(document: &Value, day: &str) -> Vec<String> {
    let part = |key: &str, at: &str| {
        let all = document[key].as_array().unwrap().iter();
        let later = all.filter(|it| it[at].as_str().unwrap() > day).map(ToString::to_string);
        later.collect::<Vec<_>>()
    };
    [part("timeline", "from"), part("needs", "done")].concat()
}

#[test]
fn a_mesh_that_runs_goes_on_as_it_would_have_gone_on_from_its_founding() {
    let story = renewed_once();
    let today = later(AT, Duration::days(100));
    let before = snapshot(&story.path(""));
    let founded = rehearsed(&story, AT, "--for 800d");
    let stands = rehearsed(&story, &today, "--for 700d --as-it-stands");
    assert_eq!(snapshot(&story.path("")), before, "nothing is written");
    let (wanted, got) = (following(&founded, &today), following(&stands, &today));
    assert!(wanted.len() > 10 && wanted.iter().any(|it| it.contains("a new issuing CA")), "{wanted:#?}");
    assert_eq!(got, wanted);
    let first = stands["timeline"][0]["what"].as_str().unwrap();
    assert_eq!(
        first,
        "as it stands: root g1 until 2036-11-20T10:00:00Z, issuing CA g1 until 2027-11-23T10:00:00Z; 2 of 2 clusters with an \
         intermediate"
    );
    // Without the flag everything begins anew.
    assert_ne!(following(&rehearsed(&story, &today, "--for 700d"), &today), wanted);
}

#[test]
fn a_stock_that_is_laid_ready_lasts_as_long_as_it_does() {
    let mesh = lab("shop", "issuing: { mode: none }\nlead: 7d", &["east", "west"]);
    let story = Story::new(&mesh).founded("shop", AT);
    story.write("stock", "another-passphrase-for-stock\n");
    let until = later(AT, Duration::days(365));
    let issue = format!("--at {AT} issue --until {until} --stock-passphrase-file stock");
    story.with_passphrase(&issue).fine();
    for (at, command) in [(AT.to_owned(), "publish"), (later(AT, Duration::days(60)), "rotate")] {
        story.meshca(&format!("--at {at} {command} --passphrase-file stock")).fine();
    }
    let today = later(AT, Duration::days(100));
    let founded = rehearsed(&story, AT, "--for 500d");
    let stands = rehearsed(&story, &today, "--for 400d --as-it-stands");
    let (wanted, got) = (following(&founded, &today), following(&stands, &today));
    assert!(wanted.iter().any(|it| it.contains("laid ready")), "{wanted:#?}");
    assert_eq!(got, wanted);
}

#[test]
fn what_cannot_be_seen_is_told_and_a_mesh_without_a_root_cannot_begin() {
    let story = renewed_once();
    let today = later(AT, Duration::days(100));
    story.write("clusters/west/ca-cert.pem", "no certificate");
    let stands = rehearsed(&story, &today, "--for 30d --as-it-stands");
    assert!(stands["timeline"].to_string().contains("1 of 2 clusters with an intermediate"), "{stands}");
    for form in ["table", "markdown"] {
        let said = story.meshca(&format!("--at {today} rehearse --for 30d --as-it-stands -o {form}")).fine().out;
        assert!(said.contains("people on 0 days") && !said.to_lowercase().contains("people are needed"), "{said}");
    }
    fs::remove_dir_all(story.path("clusters/west")).unwrap();
    story.write("clusters/west", "no folder");
    let said = story.meshca(&format!("--at {today} rehearse -o json --for 30d --as-it-stands")).fine();
    said.saying("west could not be seen, and begins without a set");
    let empty = Story::new(&lab("shop", "", &["east"]));
    let said = empty.meshca(&format!("--at {AT} rehearse --as-it-stands"));
    said.refused(1, "no-usable-root");
}

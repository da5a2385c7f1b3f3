//! `rehearse` by the real program: it reads the mesh file and touches nothing, ends as it should, and says the same each time.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a story that cannot go on is a failed test")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

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

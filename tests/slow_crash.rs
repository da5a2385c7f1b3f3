//! Kills the program at every change that it makes to the disk, one after the other, and looks at what is left. strace
//! sends the signal before the system call is done, so that each of them is once the first that is missing. The last test
//! lets each of them fail instead.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a story that cannot go on is a failed test")]

#[path = "support/killed_calls.rs"]
mod killed_calls;
mod support;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use killed_calls::{effects, kill_at, traced};
use support::judges;
use support::snapshot::{private_keys, snapshot};
use support::story::{FILES, Said, Story, lab, later, meshca, seconds, sound};
use time::{Duration, OffsetDateTime};

const NEW_YEAR: &str = "2027-01-01T00:00:00Z";

/// Nothing of an unfinished write is in the targets, each has exactly one private key, and it is a live one.
fn tidy(story: &Story, folder: &str, clusters: &[&str]) {
    let all = snapshot(&story.path(folder));
    for path in all.keys() {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(!name.starts_with(".meshca-") && !name.ends_with("_tmp"), "left over: {}", path.display());
    }
    let keys = private_keys(&story.path(folder));
    assert_eq!(keys.len(), clusters.len(), "{keys:?}");
}

/// What stands there already when a command is killed, and what must be true of it then.
struct Case<'a> {
    story: Story,
    /// The command that is killed.
    line: &'a str,
    clusters: &'a [&'a str],
    at: String,
    /// Whether each target shows a set before.
    has_sets: bool,
}

impl Case<'_> {
    fn kill_everywhere(&self) {
        let counted = self.story.copied();
        let effects = effects(&counted, &counted.command(self.line));
        assert!(effects.len() > 30, "{effects:?}");
        for effect in effects {
            let trial = self.story.copied();
            kill_at(&trial, &trial.command(self.line), &effect);
            self.judge(&trial, &format!("{} killed at {effect:?}", self.line));
        }
    }

    fn judge(&self, trial: &Story, place: &str) {
        let at = seconds(&self.at);
        for cluster in self.clusters {
            let folder = format!("clusters/{cluster}");
            let shows = FILES.iter().filter(|file| trial.path(&format!("{folder}/{file}")).is_file()).count();
            match shows {
                4 => trial.sound(&folder, at).unwrap_or_else(|why| panic!("{place}: {cluster}: {why}")),
                0 if !self.has_sets => {}
                shows => panic!("{place}: {cluster} shows {shows} of four files"),
            }
        }
        let said = trial.with_passphrase(&format!("--at {} publish", self.at));
        assert_eq!(said.code, Some(0), "{place}: {said:?}");
        let said = trial.with_passphrase(&format!("--at {} rotate", self.at));
        assert_eq!(said.code, Some(0), "{place}: {said:?}");
        for cluster in self.clusters {
            trial.sound(&format!("clusters/{cluster}"), at).unwrap_or_else(|why| panic!("{place}: {cluster}: {why}"));
        }
        trial.meshca(&format!("--at {} rotate --dry-run", self.at)).fine().saying("nothing is due");
        tidy(trial, "clusters", self.clusters);
        assert_eq!(private_keys(&trial.path("material/stock")), Vec::<PathBuf>::new(), "{place}");
        trial.meshca("ledger verify").fine();
    }
}

fn founded(clusters: &[&str]) -> Story {
    let story = Story::new(&lab("shop", "rotation: { write: 1, observe: 1 }", clusters)).founded("shop", NEW_YEAR);
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    story
}

#[test]
fn a_publish_that_is_killed_anywhere_is_finished_by_the_next_one() {
    let line = format!("--at {NEW_YEAR} publish --passphrase-file passphrase");
    let case =
        Case { story: founded(&["east"]), line: &line, clusters: &["east"], at: NEW_YEAR.to_owned(), has_sets: false };
    case.kill_everywhere();
}

#[test]
fn a_rotation_that_is_killed_anywhere_leaves_the_old_sets_or_the_new_ones() {
    let story = founded(&["east", "west"]);
    story.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
    let at = later(NEW_YEAR, Duration::days(60));
    let line = format!("--at {at} rotate --passphrase-file passphrase");
    Case { story, line: &line, clusters: &["east", "west"], at, has_sets: true }.kill_everywhere();
}

#[test]
fn a_manifest_is_whole_or_not_there_wherever_its_writer_is_killed() {
    let text = lab("shop", "", &["east"]).replace("directory: ./clusters/east", "manifest: ./clusters/east.yaml");
    let story = Story::new(&text).founded("shop", NEW_YEAR);
    story.with_passphrase(&format!("--at {NEW_YEAR} issue")).fine();
    let due = later(NEW_YEAR, Duration::days(60));
    for (command, at, is_there) in [("publish", NEW_YEAR, false), ("rotate", due.as_str(), true)] {
        let line = format!("--at {at} {command} --passphrase-file passphrase");
        let counted = story.copied();
        for effect in effects(&counted, &counted.command(&line)) {
            let trial = story.copied();
            kill_at(&trial, &trial.command(&line), &effect);
            let place = format!("{line} killed at {effect:?}");
            let manifest = trial.path("clusters/east.yaml");
            assert!(manifest.is_file() || !is_there, "{place}");
            if manifest.is_file() {
                let text = trial.read("clusters/east.yaml");
                assert!(text.contains("root-cert.pem: "), "{place}: a part of a manifest");
            }
            trial.with_passphrase(&format!("--at {at} publish")).fine();
            trial.with_passphrase(&format!("--at {at} rotate")).fine();
            trial.meshca(&format!("--at {at} rotate --dry-run")).fine().saying("nothing is due");
            tidy(&trial, "clusters", &["east"]);
            trial.meshca("ledger verify").fine();
        }
        story.with_passphrase(&format!("--at {at} {command}")).fine();
    }
}

#[test]
fn an_adoption_that_is_killed_anywhere_leaves_the_four_files_as_they_are() {
    let text = lab("shop", "", &["east"]);
    let story = Story::new(&text).founded("shop", NEW_YEAR);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("pki-fixtures/faulty/published-sample-key/plugged-in");
    for file in FILES {
        story.write(&format!("clusters/east/{file}"), std::fs::read(sample.join(file)).unwrap());
    }
    let set = story.set("clusters/east");
    let line = format!("--at {NEW_YEAR} adopt east");
    let counted = story.copied();
    let effects = effects(&counted, &counted.command(&line));
    assert!(effects.len() > 10, "{effects:?}");
    for effect in effects {
        let trial = story.copied();
        kill_at(&trial, &trial.command(&line), &effect);
        let place = format!("{line} killed at {effect:?}");
        assert!(trial.set("clusters/east") == set, "{place}");
        trial.meshca(&line).fine();
        assert!(trial.set("clusters/east") == set, "{place}: adopted");
        trial.meshca(&line).fine().saying("nothing to take over");
        trial.with_passphrase(&format!("--at {NEW_YEAR} rotate")).fine().saying("stage Trust");
        tidy(&trial, "clusters", &["east"]);
        trial.meshca("ledger verify").fine();
    }
}

#[test]
fn ceremonies_that_are_killed_anywhere_can_be_held_again() {
    let ceremonies = [
        "root create --passphrase-file passphrase --confirm",
        "issuing create --passphrase-file passphrase --issuing-passphrase-file passphrase",
        "issue --passphrase-file passphrase",
    ];
    let command = |story: &Story, line: &str| {
        let mut command = story.command(&format!("--at {NEW_YEAR} {line}"));
        if line.starts_with("root") {
            command.arg("shop root g1");
        }
        command
    };
    let story = Story::new(&lab("shop", "", &["east"]));
    for (done, line) in ceremonies.iter().enumerate() {
        let counted = story.copied();
        for effect in effects(&counted, &command(&counted, line)) {
            let trial = story.copied();
            kill_at(&trial, &command(&trial, line), &effect);
            let place = format!("{line} killed at {effect:?}");
            for (later, line) in ceremonies.iter().enumerate().skip(done) {
                let said = Said::of(&judges::run(&mut command(&trial, line)));
                // It may have been done a moment before the program was killed: there is one root, and it stays.
                let exists = later == 0 && said.err.contains("error: root-exists: ");
                assert!(said.code == Some(0) || exists, "{place}: {said:?}");
            }
            trial.with_passphrase(&format!("--at {NEW_YEAR} publish")).fine();
            trial.sound("clusters/east", seconds(NEW_YEAR)).unwrap_or_else(|why| panic!("{place}: {why}"));
            let left: Vec<PathBuf> = snapshot(&trial.path("material")).into_keys().collect();
            assert!(!left.iter().any(|it| it.to_string_lossy().contains(".meshca-")), "{place}: {left:?}");
            trial.meshca("ledger verify").fine();
        }
        Said::of(&judges::run(&mut command(&story, line))).fine();
    }
}

#[test]
fn a_next_root_is_there_whole_or_not_at_all_wherever_its_ceremony_is_killed() {
    let story = Story::new(&lab("shop", "", &["east"])).founded("shop", NEW_YEAR);
    let command = |story: &Story| {
        let line = format!("--at {NEW_YEAR} root create --next --next-passphrase-file passphrase --passphrase-file");
        let mut command = story.command(&line);
        command.args(["passphrase", "--confirm", "shop root g2"]);
        command
    };
    let names =
        |story: &Story| -> BTreeSet<PathBuf> { snapshot(&story.path("material/root/g2")).into_keys().collect() };
    let whole: BTreeSet<PathBuf> = ["endorsement.txt", "root-cert.pem", "root-key.pem"].map(PathBuf::from).into();
    let counted = story.copied();
    let effects = effects(&counted, &command(&counted));
    assert_eq!(names(&counted), whole);
    assert!(effects.len() > 20, "{effects:?}");
    let mut was_there = BTreeSet::new();
    for effect in effects {
        let trial = story.copied();
        kill_at(&trial, &command(&trial), &effect);
        let place = format!("killed at {effect:?}");
        let is_there = names(&trial) == whole;
        was_there.insert(is_there);
        assert!(is_there || !trial.path("material/root/g2").exists(), "{place}: {:?}", names(&trial));
        let again = Said::of(&judges::run(&mut command(&trial)));
        // Where it is there already, the ceremony would be about another root, and the name does not fit.
        if is_there {
            again.refused(1, "not-confirmed").saying("shop root g3")
        } else {
            again.fine()
        };
        let line = format!("--at {NEW_YEAR} issuing create --root 2 --issuing-passphrase-file passphrase");
        trial.with_passphrase(&line).fine().saying("issuer       O=shop, CN=shop root g2");
        assert_eq!(private_keys(&trial.path("material/root")).len(), 2, "{place}");
        let left: Vec<PathBuf> = snapshot(&trial.path("material")).into_keys().collect();
        assert!(!left.iter().any(|it| it.to_string_lossy().contains(".meshca-")), "{place}: {left:?}");
        trial.meshca("ledger verify").fine();
    }
    assert_eq!(was_there, [false, true].into(), "the kills lay on both sides of its appearance");
}

#[test]
fn a_quickstart_that_is_killed_anywhere_claims_nothing_and_keeps_none_from_working_elsewhere() {
    let story = Story::new("");
    let quickstart = |folder: &Path| {
        let mut command = meshca();
        command.arg("quickstart").arg(folder);
        command
    };
    let whole = effects(&story, &quickstart(&story.path("whole")));
    // A quickstart is all of the commands above in a row, whose every call is killed there.
    for (number, effect) in whole.iter().enumerate().step_by(5) {
        let folder = story.path(&format!("try{number}"));
        let said = kill_at(&story, &quickstart(&folder), effect);
        let at_the_end = effect.0 == "write" && whole.iter().filter(|it| it.0 == "write").count() - effect.1 < 2;
        assert!(at_the_end || !said.err.contains("go on with"), "{effect:?}: it claims success: {said:?}");
        for cluster in ["east", "west"] {
            let shown = folder.join("clusters").join(cluster);
            if shown.join("ca-cert.pem").is_file() {
                sound(&shown, OffsetDateTime::now_utc().unix_timestamp()).unwrap();
            }
        }
        let is_there = folder.is_dir();
        let again = Said::of(&judges::run(&mut quickstart(&folder)));
        if is_there {
            again.refused(1, "file-exists")
        } else {
            again.fine()
        };
    }
    let elsewhere = story.path("elsewhere");
    Said::of(&judges::run(meshca().arg("quickstart").arg(&elsewhere))).fine();
    sound(&elsewhere.join("clusters/east"), OffsetDateTime::now_utc().unix_timestamp()).unwrap();
}

// --- calls that fail

/// Runs a command in which one call, this one of its kind, fails.
fn fail_at(story: &Story, command: &Command, failure: &str, which: usize) -> Said {
    let name = failure.split(':').next().unwrap();
    let options = ["-o", "/dev/null", "-e", &format!("trace={name}"), "-e", &format!("inject={failure}:when={which}")];
    traced(story, command, &options.map(str::to_owned))
}

/// The calls of a renewal that change the disk, and how each fails.
const FAILURES: [&str; 8] = [
    "fsync:error=EIO",
    "fdatasync:error=EIO",
    "write:error=EIO",
    "mkdir:error=ENOSPC",
    "symlink:error=ENOSPC",
    "rename:error=EIO",
    "renameat:error=EIO",
    "unlink:error=EIO",
];

#[test]
fn whichever_call_to_the_disk_fails_the_target_shows_a_whole_set_and_the_next_tick_finishes() {
    let story = Story::new(&lab("shop", "", &["east"])).founded("shop", NEW_YEAR);
    story.with_passphrase(&format!("--at {NEW_YEAR} rotate")).fine();
    let (before, due) = (story.set("clusters/east"), later(NEW_YEAR, Duration::days(60)));
    for failure in FAILURES {
        let mut last = 0;
        // Some calls only tidy up, and nothing depends on them: the end is where several in a row did no harm.
        for which in (1..).take_while(|which| *which < 60) {
            let trial = story.copied();
            let command = trial.command(&format!("--at {due} rotate --passphrase-file passphrase"));
            let said = fail_at(&trial, &command, failure, which);
            let told = format!("{failure} {which}: {said:?}");
            trial.sound("clusters/east", seconds(&due)).unwrap_or_else(|why| panic!("{why}: {told}"));
            let is_renewed = trial.set("clusters/east") != before;
            if said.code == Some(0) {
                assert!(is_renewed, "{told}");
                if which > last + 5 {
                    break;
                }
                continue;
            }
            last = which;
            assert_eq!(said.code, Some(1), "{told}");
            // Of the old set that could not be removed, it is true.
            let claims = said.err.contains("what was there before is unchanged") && said.err.contains("clusters/east");
            assert!(!claims || !is_renewed || said.err.contains("east/..2027_01_01_"), "{told}");
            let code = if said.err.contains("standard output") { "output-failed" } else { "file-unwritable" };
            assert!(said.err.contains(&format!("error: {code}: ")), "{told}");
            trial.with_passphrase(&format!("--at {due} rotate")).fine();
            assert_ne!(trial.set("clusters/east"), before, "{told}");
            assert_eq!(private_keys(&trial.path("clusters")).len(), 1, "{told}");
        }
        assert!(last > 0, "{failure} never did any harm");
    }
}

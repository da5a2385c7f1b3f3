//! What the operating system refuses that it never should: random bytes, a pipe, room for a result. strace makes the
//! calls fail, and `/dev/full` is a disk without room.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a story that cannot go on is a failed test")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use support::judges;
use support::snapshot::snapshot;
use support::story::{Said, Story, lab, later, seconds};
use time::Duration;

const NEW_YEAR: &str = "2027-01-01T00:00:00Z";

/// The command with calls that fail: `getrandom:error=EIO`, say.
fn injected(story: &Story, command: &Command, fault: &str) -> Said {
    let call = fault.split(':').next().unwrap();
    let mut strace = Command::new(judges::program("strace"));
    strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={fault}")]);
    strace.arg(command.get_program()).args(command.get_args()).current_dir(story.path(""));
    Said::of(&judges::run(strace.stdin(Stdio::null())))
}

/// The command with a standard output that takes nothing.
fn into_a_full_disk(mut command: Command) -> Said {
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    Said::of(&command.stdout(full).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap())
}

fn published() -> Story {
    let story = Story::new(&lab("shop", "", &["east"])).founded("shop", NEW_YEAR);
    story.with_passphrase(&format!("--at {NEW_YEAR} rotate")).fine();
    story
}

/// What a command says while from some request on no random bytes come, for each request, until it goes well. Without any
/// at all, Rust's own tables end the program, before it asks for its own.
fn without_random_bytes(story: &Story, command: &Command, holds: impl Fn(&Said)) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for first in 1..100 {
        let said = injected(story, command, &format!("getrandom:error=EIO:when={first}+"));
        if said.code == Some(0) {
            return codes;
        }
        holds(&said);
        if said.code == Some(101) {
            assert!(codes.is_empty() && said.err.contains("failed to generate random data"), "{first}: {said:?}");
            continue;
        }
        assert_eq!(said.code, Some(1), "{first}: {said:?}");
        let code = |line: &str| Some(line.strip_prefix("error: ")?.split_once(": ")?.0.to_owned());
        codes.extend(said.err.lines().filter_map(code));
    }
    panic!("it never went well");
}

#[test]
fn whichever_request_for_random_bytes_is_the_first_to_fail_no_root_is_made_and_it_is_said() {
    let story = Story::new(&lab("shop", "", &["east"]));
    let mut command = story.command(&format!("--at {NEW_YEAR} root create --passphrase-file passphrase --confirm"));
    command.arg("shop root g1");
    let root = story.path("material/root/g1");
    let codes = without_random_bytes(&story, &command, |said| assert!(!root.exists(), "{said:?}"));
    assert_eq!(codes, BTreeSet::from(["randomness-unavailable", "signing-failed"].map(str::to_owned)));
    assert!(root.exists());
}

#[test]
fn a_renewal_without_random_bytes_leaves_a_set_that_works() {
    let story = published();
    let due = later(NEW_YEAR, Duration::days(60));
    let command = story.command(&format!("--at {due} rotate --passphrase-file passphrase"));
    // Reading a key needs some as well: the last that fail are those for reading back what was written.
    let sound =
        |said: &Said| story.sound("clusters/east", seconds(&due)).unwrap_or_else(|why| panic!("{why}: {said:?}"));
    let codes = without_random_bytes(&story, &command, sound);
    assert!(codes.contains("randomness-unavailable") && codes.contains("signing-failed"), "{codes:?}");
}

#[test]
fn a_watch_that_cannot_hear_signals_does_not_begin() {
    let story = published();
    let before = snapshot(&story.path("."));
    let command = story.command(&format!("--at {NEW_YEAR} rotate --watch --passphrase-file passphrase"));
    injected(&story, &command, "pipe2:error=EMFILE").refused(1, "signals-unheard");
    assert_eq!(snapshot(&story.path(".")), before);
}

#[test]
fn a_result_that_nobody_can_have_is_an_error_in_every_command() {
    let story = published();
    let lines = [
        "report",
        "report -o json",
        "report -o prometheus",
        "check",
        "check east -o yaml",
        "inspect clusters/east/ca-cert.pem",
        "ledger show",
        "ledger verify",
        "rotate --dry-run",
        "rotate --passphrase-file passphrase",
        "publish --passphrase-file passphrase",
        "init there",
    ];
    for line in lines {
        into_a_full_disk(story.command(&format!("--at {NEW_YEAR} {line}"))).refused(1, "output-failed");
    }
}

#[test]
fn a_tick_whose_result_nobody_can_have_has_renewed_all_the_same() {
    let story = published();
    let due = later(NEW_YEAR, Duration::days(60));
    let line = format!("--at {due} rotate --passphrase-file passphrase --metrics-textfile meshca.prom");
    into_a_full_disk(story.command(&line)).refused(1, "output-failed");
    story.with_passphrase(&format!("--at {due} rotate")).fine().saying("nothing is due");
    assert!(story.read("meshca.prom").contains("istio_cert_expiry_timestamp{cluster=\"east\""));
}

#[test]
fn a_ledger_that_was_to_go_to_standard_output_and_did_not_is_an_error_even_of_a_quiet_run() {
    let story = Story::new(&lab("shop", "records: stdout", &["east"])).founded("shop", NEW_YEAR);
    into_a_full_disk(story.command(&format!("-q --at {NEW_YEAR} rotate --passphrase-file passphrase")))
        .refused(1, "output-failed");
}

#[test]
fn a_reader_that_has_gone_away_is_none() {
    let story = published();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = story.command(&format!("--at {NEW_YEAR} report"));
    let output = command.stdout(writer).stderr(Stdio::piped()).spawn().unwrap().wait_with_output().unwrap();
    Said::of(&output).fine();
}

//! How far long work has come, on a terminal and nowhere else.

mod support;
#[path = "support/terminal.rs"]
mod terminal;

use support::judges;
use support::story::{Said, Story, lab};
use terminal::on_terminal;

const MOMENT: &str = "2026-11-23T10:00:00Z";
const DUE: &str = "2027-01-23T10:00:00Z";

/// Twenty are many: from there on people wonder.
const MANY: usize = 20;

fn fleet(clusters: usize) -> Story {
    let names: Vec<String> = (0..clusters).map(|number| format!("c{number}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    Story::new(&lab("m1", "", &names)).founded("m1", MOMENT)
}

/// What a line shows on a terminal, which `script` makes for it.
fn shown_on_terminal(story: &Story, line: &str) -> String {
    let mut script = on_terminal(&story.command(line));
    script.current_dir(story.path(""));
    let said = Said::of(&judges::run(&mut script));
    said.fine().out
}

/// The lines for each item, each over the one before, and at last none.
fn steps(shown: &str, what: &str) -> Vec<String> {
    let lines = shown.split("\r\u{1b}[2K").skip(1);
    let lines = lines.filter_map(|line| line.strip_prefix(what)?.split(['\r', '\n']).next());
    lines.map(str::to_owned).collect()
}

fn each_in_turn(shown: &str, what: &str) {
    let steps = steps(shown, &format!("{what} "));
    assert_eq!(steps.len(), MANY, "{what}: {shown}");
    for (number, step) in (1..).zip(&steps) {
        assert!(step.starts_with(&format!("{number} of {MANY}: c")), "{what}: {step}");
    }
    let mut names: Vec<&str> = steps.iter().filter_map(|step| step.split(": ").nth(1)).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), MANY, "{what}: each is named: {steps:?}");
}

const COMMANDS: [(&str, &[&str]); 4] = [
    ("issue", &["minting"]),
    ("publish", &["looking at", "publishing"]),
    ("rotate", &["looking at", "renewing"]),
    ("report", &["looking at"]),
];

fn line(command: &str) -> String {
    let at = if command == "rotate" { DUE } else { MOMENT };
    let passphrase = if command == "report" { "" } else { " --passphrase-file passphrase" };
    format!("--at {at} {command}{passphrase}")
}

#[test]
fn on_a_terminal_each_target_of_long_work_is_named_as_its_turn_comes() {
    let story = fleet(MANY);
    for (command, whats) in COMMANDS {
        let shown = shown_on_terminal(&story, &line(command));
        for what in whats {
            each_in_turn(&shown, what);
        }
        let last = shown.rsplit("\r\u{1b}[2K").next().unwrap_or_default();
        assert!(whats.iter().all(|what| !last.starts_with(what)), "nothing of it stays: {shown}");
    }
    let quiet = shown_on_terminal(&story, &format!("--quiet {}", line("report")));
    assert!(!quiet.contains("looking at"), "{quiet}");
}

#[test]
fn in_a_pipe_and_for_little_work_nothing_is_shown() {
    let (many, few) = (fleet(MANY), fleet(MANY - 1));
    for command in ["rotate", "report"] {
        let said = many.meshca(&line(command));
        assert!(!said.err.contains('\r') && !said.out.contains('\r'), "{command}: {said:?}");
        let shown = shown_on_terminal(&few, &line(command));
        assert!(!shown.contains("\u{1b}[2K"), "{command}: {shown}");
    }
}

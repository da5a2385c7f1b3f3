//! How a rehearsal went: in words, as a runbook, and for machines.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;

use crate::cli::document::{Head, head};
use crate::cli::errand_words::commands;
use crate::cli::report_words::look;
use crate::cli::table::painted;
use crate::mesh::fleet::Mesh;
use crate::mesh::outcome::Outcome;
use crate::mesh::rehearsal::need::Need;
use crate::mesh::rehearsal::rehearsed::Rehearsed;
use crate::mesh::rehearsal::timeline::{Line, Weight, lines};
use crate::mesh::span;
use crate::pki::moment::{day, utc};
use crate::pki::plain_text::plain;

/// The longest sentence of a timeline, in characters.
const LONGEST: usize = 300;

/// For people: the verdict, what happens, and when people are needed.
#[must_use]
pub fn text(went: &Rehearsed, mesh: &Mesh, mesh_file: &Path, colour: bool) -> String {
    let mut text = format!("{}\n\n{}\n", painted(&went.verdict(), look(went.outcome()), colour), frame(went));
    // Writing into a string cannot fail.
    for fault in &went.faults {
        let _ = writeln!(text, "fault {fault}");
    }
    text.push('\n');
    for line in lines(&went.timeline) {
        let sign = match line.weight {
            Weight::Usual => ' ',
            Weight::Notable => '!',
            Weight::Bad => '×',
        };
        let told = plain(&line.told, LONGEST);
        let told = if line.weight == Weight::Bad { painted(&told, look(Outcome::Critical), colour) } else { told };
        let _ = writeln!(text, "{} {sign} {told}{}", day(line.from), until(&line));
    }
    if !went.needs.is_empty() {
        text.push_str("\npeople are needed\n");
    }
    for need in &went.needs {
        let _ = writeln!(text, "{}   {}{}", day(need.done), need.what.title(), because(need));
        for command in commands(&need.what, mesh, mesh_file) {
            let _ = writeln!(text, "             {command}");
        }
    }
    text
}

fn frame(went: &Rehearsed) -> String {
    format!(
        "{} to {}, {} ticks of {}; {} pairs of clusters after each, {} handshakes verified",
        day(went.begins),
        day(went.ends),
        went.ticks,
        span::format(went.tick),
        went.pairs,
        went.verified
    )
}

fn until(line: &Line) -> String {
    if day(line.from) == day(line.until) { String::new() } else { format!(", until {}", day(line.until)) }
}

fn because(need: &Need) -> String {
    let begin = match need.begin_by {
        Some(by) if need.is_late() => format!("; TOO LATE: it must begin by {}", day(by)),
        Some(by) => format!("; it must begin by {}", day(by)),
        None => String::new(),
    };
    format!(": {}{begin}", plain(&need.why, LONGEST))
}

/// A runbook in Markdown.
#[must_use]
pub fn runbook(went: &Rehearsed, mesh: &Mesh, mesh_file: &Path) -> String {
    let mut text = format!("# Runbook of {}\n\n{}.\n\n{}.\n", went.mesh, went.verdict(), frame(went));
    for fault in &went.faults {
        let _ = writeln!(text, "- fault `{fault}`");
    }
    if !went.needs.is_empty() {
        text.push_str("\n## People are needed\n");
    }
    for need in &went.needs {
        let title = capital(&need.what.title());
        let _ =
            writeln!(text, "\n### {}: {title}\n\n{}.", day(need.done), capital(&because(need).replacen(": ", "", 1)));
        let _ = writeln!(text, "Asked {}; to be begun {}.\n\n```sh", day(need.asked), day(need.begins));
        for command in commands(&need.what, mesh, mesh_file) {
            let _ = writeln!(text, "{command}");
        }
        text.push_str("```\n");
    }
    text.push_str("\n## What happens\n\n| Day | | |\n|---|---|---|\n");
    for line in lines(&went.timeline) {
        let sign = match line.weight {
            Weight::Usual => "",
            Weight::Notable => "notable",
            Weight::Bad => "**bad**",
        };
        let told = plain(&line.told, LONGEST).replace('|', "\\|");
        let _ = writeln!(text, "| {} | {sign} | {told}{} |", day(line.from), until(&line));
    }
    text
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    #[serde(flatten)]
    head: Head,
    mesh: String,
    begins: String,
    ends: String,
    tick_seconds: i64,
    ticks: usize,
    clusters: usize,
    pairs: usize,
    handshakes_verified: usize,
    renewals: usize,
    severity: Outcome,
    verdict: String,
    faults: Vec<String>,
    timeline: Vec<LinePart>,
    needs: Vec<NeedPart>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct LinePart {
    from: String,
    until: String,
    weight: &'static str,
    what: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct NeedPart {
    what: String,
    why: String,
    asked: String,
    begin_by: Option<String>,
    begins: String,
    done: String,
    late: bool,
    commands: Vec<String>,
}

/// For machines.
#[must_use]
pub fn document(went: &Rehearsed, mesh: &Mesh, mesh_file: &Path) -> impl Serialize + use<> {
    let line = |line: Line| LinePart {
        from: utc(line.from),
        until: utc(line.until),
        weight: match line.weight {
            Weight::Usual => "usual",
            Weight::Notable => "notable",
            Weight::Bad => "bad",
        },
        what: plain(&line.told, LONGEST),
    };
    let need = |need: &Need| NeedPart {
        what: need.what.title(),
        why: need.why.clone(),
        asked: utc(need.asked),
        begin_by: need.begin_by.map(utc),
        begins: utc(need.begins),
        done: utc(need.done),
        late: need.is_late(),
        commands: commands(&need.what, mesh, mesh_file),
    };
    Document {
        head: head("Rehearsal"),
        mesh: went.mesh.clone(),
        begins: utc(went.begins),
        ends: utc(went.ends),
        tick_seconds: went.tick.whole_seconds(),
        ticks: went.ticks,
        clusters: went.clusters,
        pairs: went.pairs,
        handshakes_verified: went.verified,
        renewals: went.renewals(),
        severity: went.outcome(),
        verdict: went.verdict(),
        faults: went.faults.iter().map(ToString::to_string).collect(),
        timeline: lines(&went.timeline).into_iter().map(line).collect(),
        needs: went.needs.iter().map(need).collect(),
    }
}

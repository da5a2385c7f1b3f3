//! How the lengths of time of a mesh fit together, as `check` tells it.

use std::fmt::Write;

use serde::Serialize;
use time::OffsetDateTime;

use crate::cli::table::{Cell, Line, aligned};
use crate::mesh::cadence::{Cadence, LastStart};
use crate::mesh::fleet::ClusterName;
use crate::mesh::span;
use crate::mesh::status_document::LastStartPart;
use crate::pki::moment::{ahead, day};

/// What the mesh file says of the years, and until when what is there can be rotated.
#[derive(Debug)]
pub struct Fit {
    /// By the mesh file alone.
    pub cadence: Cadence,
    /// By what was seen.
    pub starts: Vec<LastStart>,
}

/// For people: how often, how much room, until when.
#[must_use]
pub fn words(fit: &Fit, now: OffsetDateTime) -> String {
    let mut text = String::from("over the years\n");
    for round in &fit.cadence.rounds {
        let whom = if round.by_people { "people" } else { "rotate" };
        // Writing into a string cannot fail.
        let _ = writeln!(text, "  {:<12} every {:<6} by {whom}", round.tier.as_str(), span::format(round.every));
    }
    text.push_str("\nroom that each rule leaves\n");
    for rule in &fit.cadence.rules {
        let mark = if rule.holds() { ' ' } else { '!' };
        let _ = writeln!(text, "{mark} {:>8}  {}", span::format(rule.slack), rule.what);
    }
    let lines: Vec<Line> = fit.starts.iter().map(|start| line(start, now)).collect();
    let _ = write!(text, "\n{}", aligned(&["LAST-SAFE-START", "OF", "WHERE", "LEFT"], &lines, false));
    text
}

fn line(start: &LastStart, now: OffsetDateTime) -> Line {
    let place = start.cluster.as_ref().map_or("fleet", ClusterName::as_str);
    let cells = [day(start.at), start.kind.as_str().to_owned(), place.to_owned(), ahead(start.at - now)];
    Line { cells: cells.iter().map(Cell::new).collect(), note: None }
}

/// For machines.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct CadenceDocument<'a> {
    rounds: Vec<RoundPart>,
    rules: Vec<RulePart>,
    last_safe_starts: Vec<LastStartPart<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RoundPart {
    role: &'static str,
    every_seconds: i64,
    by_people: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RulePart {
    what: &'static str,
    reckoned: &'static str,
    slack_seconds: i64,
    holds: bool,
}

impl<'a> CadenceDocument<'a> {
    pub(in crate::cli) fn of(fit: &'a Fit, now: OffsetDateTime) -> Self {
        let rounds = fit.cadence.rounds.iter().map(|it| RoundPart {
            role: it.tier.as_str(),
            every_seconds: it.every.whole_seconds(),
            by_people: it.by_people,
        });
        let rules = fit.cadence.rules.iter().map(|it| RulePart {
            what: it.what,
            reckoned: it.reckoned,
            slack_seconds: it.slack.whole_seconds(),
            holds: it.holds(),
        });
        Self {
            rounds: rounds.collect(),
            rules: rules.collect(),
            last_safe_starts: fit.starts.iter().map(|it| LastStartPart::of(it, now)).collect(),
        }
    }
}

//! How the lengths of time of a mesh fit together, as `check` tells it.

use std::fmt::Write;

use serde::Serialize;
use time::OffsetDateTime;

use crate::cli::table::{Cell, Line, aligned};
use crate::mesh::cadence::{Cadence, LastStart};
use crate::mesh::fleet::ClusterName;
use crate::mesh::report_document::LastStartPart;
use crate::mesh::span;
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
pub(in crate::cli) struct CadenceDocument {
    rounds: Vec<RoundPart>,
    rules: Vec<RulePart>,
    last_safe_starts: Vec<LastStartPart>,
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

impl CadenceDocument {
    pub(in crate::cli) fn of(fit: &Fit, now: OffsetDateTime) -> Self {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::cadence::cadence;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::mesh::status::status;
    use crate::mesh::window::Window;
    use crate::mesh::windows::Windows;
    use time::Duration;

    fn fit(story: &Story) -> Fit {
        let starts = status(&story.mesh, &story.holdings, &story.observed, NOW).last_starts;
        Fit { cadence: cadence(&story.mesh), starts }
    }

    #[test]
    fn a_rule_that_needs_a_schedule_is_marked_and_a_start_that_has_passed_has_a_minus() {
        let mut story = Story::new();
        story.publish("east", 1, NOW + Duration::DAY);
        let window = Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
        story.mesh.rotation.windows = Windows::new(vec![window]);
        let text = words(&fit(&story), NOW);
        assert_eq!(text.lines().filter(|line| line.starts_with('!')).count(), 1, "{text}");
        let marked = text.lines().find(|line| line.starts_with('!')).unwrap();
        assert!(marked.starts_with("!     -20h  a run comes into every window by itself"), "{marked}");
        let east = text.lines().find(|line| line.contains("east")).unwrap();
        assert!(east.starts_with("2026-11-22") && east.contains('-') && east.ends_with("-1d 2h"), "{east}");
    }

    #[test]
    fn the_document_has_every_rule_with_its_reckoning_in_seconds() {
        let fit = fit(&Story::new());
        let document = serde_json::to_value(CadenceDocument::of(&fit, NOW)).unwrap();
        let rules = document["rules"].as_array().unwrap();
        assert!(rules.len() == 5 && rules.iter().all(|rule| rule["holds"] == true), "{rules:?}");
        assert_eq!(rules[1]["slackSeconds"], 22 * 86_400);
        assert_eq!(document["rounds"][1]["byPeople"], true);
        assert_eq!(document["lastSafeStarts"].as_array().unwrap().len(), 8);
    }
}

//! How far a root change has come, in words.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::mesh::holdings::Held;
use crate::mesh::name_list::{MOST_NAMED, few};
use crate::mesh::progress::{Holdup, Progress};
use crate::mesh::stage::Stage;
use crate::mesh::walk_mark::Goal;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::moment::{day, prose, utc};
use crate::problem::{Code, Problem};

/// The line above the steps.
#[must_use]
pub fn headline(progress: &Progress) -> String {
    let Progress { from, to, stage, .. } = progress;
    let change = format!("the change from {} (ends {}) to {}", Held::names(from), day(progress.old_end()), to.name());
    match progress.goal {
        Goal::Forward => format!("stage {} ({} of 4) of {change}\n", stage.as_str(), stage.number()),
        Goal::Trust => format!("turned back to Trust: {change}; meshca rollback --undo   goes on\n"),
        Goal::Start => format!("turned back to its start: {change}; meshca rollback --undo   goes on\n"),
    }
}

/// The lines below the steps: what the next stage waits for, and how long it can.
#[must_use]
pub fn footer(progress: &Progress, now: OffsetDateTime) -> String {
    let mut text = String::new();
    let next = progress.stage.next();
    if progress.goal == Goal::Forward {
        let what = match progress.stage {
            Stage::Remove => "the change has not ended in",
            _ => "cannot begin before",
        };
        if !progress.holdups.is_empty() {
            let names: Vec<&str> = progress.holdups.iter().map(|it| it.cluster.as_str()).collect();
            let subject = if progress.stage == Stage::Remove { String::new() } else { format!("{} ", next.as_str()) };
            text.push_str(&format!("{subject}{what}: {}\n", few(&names)));
            progress
                .holdups
                .iter()
                .take(MOST_NAMED)
                .for_each(|holdup| text.push_str(&line(holdup, progress.latest_start)));
        }
        if progress.awaits_approval {
            text.push_str(&format!(
                "nothing is signed under {} any more; it goes once that is approved:\n  {}\n",
                Held::names(&progress.from),
                Progress::approval(&progress.from)
            ));
        }
        let left = progress.latest_start - now;
        let left = if left.is_negative() { "passed".to_owned() } else { format!("{} left", prose(left)) };
        text.push_str(&format!("latest safe start of {}: {} ({left})\n", next.as_str(), day(progress.latest_start)));
    }
    for name in &progress.excluded {
        text.push_str(&format!(
            "{name} is left out: once the others have left {}, its workloads and theirs refuse each other\n",
            Held::names(&progress.from)
        ));
    }
    if !progress.later.is_empty() {
        let roots: Vec<String> = progress.later.iter().map(|it| format!("root g{it}")).collect();
        text.push_str(&format!("{} waits until this change has ended\n", roots.join(", ")));
    }
    text
}

/// What is to be told as a problem besides the steps, and whether it is an error, a warning, or critical.
#[must_use]
pub fn alarms(progress: &Progress, now: OffsetDateTime) -> Vec<Alarm> {
    let mut found = Vec::new();
    if let Some(obstacle) = &progress.obstacle {
        found.push(Alarm::Error(obstacle.clone()));
    }
    if progress.goal == Goal::Forward && progress.stage == Stage::Sign && !progress.is_usable {
        let to = progress.to.name();
        let problem =
            Problem::new(Code::CeremonyNeeded, format!("the change waits for a signer under {to} for every cluster"))
                .fact(format!("last safe day to begin Sign    {}", day(progress.latest_start)))
                .hint("meshca issuing create   or, without an issuing tier: meshca issue");
        found.push(Alarm::Warning(problem));
    }
    let late: Vec<&Holdup> = progress.holdups.iter().filter(|it| it.is_late).collect();
    if !late.is_empty() && progress.has_begun {
        let names: Vec<&str> = late.iter().map(|it| it.cluster.as_str()).collect();
        let what = format!("stage {} waits for {} longer than it should", progress.stage.as_str(), few(&names));
        let problem = late.iter().take(MOST_NAMED).fold(Problem::new(Code::RootChangeLate, what), |problem, holdup| {
            problem.fact(format!("{}: {}", holdup.cluster, holdup.why))
        });
        let problem = problem.hint("make each of these visible, or write `state: excluded` with reason and until");
        found.push(if progress.latest_start <= now { Alarm::Critical(problem) } else { Alarm::Warning(problem) });
    } else if progress.latest_start <= now && progress.goal == Goal::Forward && !progress.holdups.is_empty() {
        let what = format!("the latest safe start of {} has passed", progress.stage.next().as_str());
        let problem = Problem::new(Code::RootChangeLate, what)
            .fact(format!("it was           {}", day(progress.latest_start)))
            .fact(format!("{} ends  {}", Held::names(&progress.from), day(progress.old_end())))
            .hint("meshca rotate --dry-run   says what is waited for");
        found.push(Alarm::Critical(problem));
    }
    found
}

/// A problem, and how bad it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alarm {
    /// Somebody should look.
    Warning(Problem),
    /// Something is not done.
    Error(Problem),
    /// Time has run out.
    Critical(Problem),
}

/// That the removal of a root was approved that cannot go now; `None`: nothing was approved, or it goes, or is one of those
/// that were removed already.
#[must_use]
pub fn refused_removal(
    approved: &[Fingerprint],
    progress: Option<&Progress>,
    removed: &BTreeSet<Fingerprint>,
) -> Option<Problem> {
    if approved.is_empty() {
        return None;
    }
    let Some(progress) = progress else {
        // Who allows once more what was done already has what they want.
        let first = approved.iter().find(|root| !removed.contains(root))?;
        return Some(
            Problem::new(Code::RemovalNotDue, "there is no root change under way, so no root is to be removed")
                .fact(format!("approved  {first}"))
                .hint("meshca report"),
        );
    };
    let old: Vec<Fingerprint> = progress.from.iter().map(|held| held.certificate.fingerprint()).collect();
    if let Some(other) = approved.iter().find(|root| !old.contains(root)) {
        let problem = Problem::new(
            Code::RemovalNotDue,
            "the root whose removal was approved is not the one that the fleet walks away from",
        );
        let problem = old
            .iter()
            .fold(problem.fact(format!("approved      {other}")), |it, root| it.fact(format!("walking from  {root}")));
        return Some(problem.hint(Progress::approval(&progress.from)));
    }
    (progress.stage != Stage::Remove).then(|| {
        let problem = Problem::new(
            Code::RemovalNotDue,
            format!("{} cannot go yet: the fleet is in stage {}", Held::names(&progress.from), progress.stage.as_str()),
        );
        let problem = progress
            .holdups
            .iter()
            .take(MOST_NAMED)
            .fold(problem, |problem, holdup| problem.fact(format!("{}: {}", holdup.cluster, holdup.why)));
        problem.hint("approve it again when stage Remove is reached; rotation.removeAfter does it unasked")
    })
}

/// Nobody is told of an alarm that only the latest safe start is: that has a line of its own.
fn line(holdup: &Holdup, latest_start: OffsetDateTime) -> String {
    let alarm =
        if holdup.alarm == latest_start { String::new() } else { format!("; an alarm from {}", utc(holdup.alarm)) };
    format!("  {}: {}{alarm}\n", holdup.cluster, holdup.why)
}

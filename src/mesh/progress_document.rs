//! How far a root change has come, as a part of documents for machines. Its keys are a contract.

use serde::Serialize;

use crate::mesh::fleet::ClusterName;
use crate::mesh::holdings::Held;
use crate::mesh::progress::{Holdup, Progress};
use crate::pki::moment::utc;

/// A root change.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProgressPart<'a> {
    from: Vec<RootPart>,
    to: RootPart,
    stage: &'static str,
    goal: &'static str,
    has_begun: bool,
    awaits_approval: bool,
    latest_start: String,
    latest_start_seconds: i64,
    waits_for: Vec<HoldupPart<'a>>,
    excluded: Vec<&'a str>,
    later: &'a [u32],
    obstacle: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RootPart {
    generation: u32,
    fingerprint: String,
    not_after: String,
    not_after_seconds: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HoldupPart<'a> {
    cluster: &'a str,
    why: &'a str,
    by: Option<String>,
    alarm_at: String,
    is_late: bool,
}

impl<'a> ProgressPart<'a> {
    /// The part for a document.
    #[must_use]
    pub fn of(progress: &'a Progress) -> Self {
        Self {
            from: progress.from.iter().map(RootPart::of).collect(),
            to: RootPart::of(&progress.to),
            stage: progress.stage.as_str(),
            goal: progress.goal.as_str(),
            has_begun: progress.has_begun,
            awaits_approval: progress.awaits_approval,
            latest_start: utc(progress.latest_start),
            latest_start_seconds: progress.latest_start.unix_timestamp(),
            waits_for: progress.holdups.iter().map(HoldupPart::of).collect(),
            excluded: progress.excluded.iter().map(ClusterName::as_str).collect(),
            later: &progress.later,
            obstacle: progress.obstacle.as_ref().map(crate::problem::Problem::what),
        }
    }
}

impl RootPart {
    fn of(held: &Held) -> Self {
        let end = held.certificate.not_after();
        Self {
            generation: held.generation,
            fingerprint: held.certificate.fingerprint().to_string(),
            not_after: utc(end),
            not_after_seconds: end.unix_timestamp(),
        }
    }
}

impl<'a> HoldupPart<'a> {
    fn of(holdup: &'a Holdup) -> Self {
        Self {
            cluster: holdup.cluster.as_str(),
            why: &holdup.why,
            by: holdup.by.map(utc),
            alarm_at: utc(holdup.alarm),
            is_late: holdup.is_late,
        }
    }
}

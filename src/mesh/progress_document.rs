//! How far a root change has come, as a part of documents for machines. Its keys are a contract, its comments the
//! descriptions in the JSON Schema of a report.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::timestamp;

use crate::mesh::fleet::ClusterName;
use crate::mesh::holdings::Held;
use crate::mesh::progress::{Holdup, Progress};
use crate::pki::moment::{utc, whole};
use crate::problem::Problem;

/// A change of root.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootChangePart {
    /// The old roots.
    pub from: Vec<RootPart>,
    /// The new root.
    pub to: RootPart,
    /// The stage that the fleet is in.
    #[schemars(extend("enum" = ["Trust", "Sign", "Drain", "Remove"]))]
    pub stage: String,
    /// Where it goes.
    #[schemars(extend("enum" = ["forward", "trust", "start"]))]
    pub goal: String,
    /// Whether any target has taken a step.
    pub has_begun: bool,
    /// Whether only people are waited for.
    pub awaits_approval: bool,
    /// The latest moment to begin the next stage.
    pub latest_start: String,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp")]
    #[schemars(with = "i64")]
    pub latest_start_seconds: OffsetDateTime,
    /// Who keeps it in that stage.
    pub waits_for: Vec<HoldupPart>,
    /// Clusters that are left out.
    pub excluded: Vec<String>,
    /// Roots, by generation, that wait until this change has ended.
    pub later: Vec<u32>,
    /// Why no target goes on.
    pub obstacle: Option<String>,
}

/// A root of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootPart {
    /// 0: it came with an adopted cluster.
    pub generation: u32,
    /// SHA-256 of the whole certificate.
    pub fingerprint: String,
    /// Its last second.
    pub not_after: String,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp")]
    #[schemars(with = "i64")]
    pub not_after_seconds: OffsetDateTime,
}

/// A cluster that the others wait for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldupPart {
    /// Which one.
    pub cluster: String,
    /// For what.
    pub why: String,
    /// When that is there, if nothing else happens.
    pub by: Option<String>,
    /// From when on waiting is an alarm.
    pub alarm_at: String,
    /// Whether that moment has come.
    pub is_late: bool,
}

impl RootChangePart {
    /// The part for a document.
    #[must_use]
    pub fn of(progress: &Progress) -> Self {
        Self {
            from: progress.from.iter().map(RootPart::of).collect(),
            to: RootPart::of(&progress.to),
            stage: progress.stage.as_str().to_owned(),
            goal: progress.goal.as_str().to_owned(),
            has_begun: progress.has_begun,
            awaits_approval: progress.awaits_approval,
            latest_start: utc(progress.latest_start),
            latest_start_seconds: whole(progress.latest_start),
            waits_for: progress.holdups.iter().map(HoldupPart::of).collect(),
            excluded: progress.excluded.iter().map(ClusterName::to_string).collect(),
            later: progress.later.clone(),
            obstacle: progress.obstacle.as_ref().map(Problem::what).map(str::to_owned),
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
            not_after_seconds: whole(end),
        }
    }
}

impl HoldupPart {
    fn of(holdup: &Holdup) -> Self {
        Self {
            cluster: holdup.cluster.to_string(),
            why: holdup.why.clone(),
            by: holdup.by.map(utc),
            alarm_at: utc(holdup.alarm),
            is_late: holdup.is_late,
        }
    }
}

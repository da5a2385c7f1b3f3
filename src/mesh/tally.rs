//! How often `rotate` did something in a cluster, as a part of the report for machines. Its keys are a contract, its
//! comments the descriptions in the JSON Schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::timestamp;

use crate::pki::moment::{utc, whole};

/// What the ticks of `rotate` came to in one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tally {
    /// Since when it is counted.
    pub since: String,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp")]
    #[schemars(with = "i64")]
    pub since_seconds: OffsetDateTime,
    /// When a step was last taken, or failed. Null: none since then.
    pub last_attempt: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<i64>")]
    pub last_attempt_seconds: Option<OffsetDateTime>,
    /// How many steps were taken: a set published or noted, an istiod restarted.
    pub steps_taken: u64,
    /// How many steps failed.
    pub steps_failed: u64,
    /// In how many ticks what was due was refused.
    pub refused: u64,
    /// In how many ticks not everything in the cluster could be seen and read.
    pub unseen: u64,
}

impl Tally {
    /// Nothing yet, counted from this moment on.
    #[must_use]
    pub fn begun(now: OffsetDateTime) -> Self {
        Self {
            since: utc(now),
            since_seconds: whole(now),
            last_attempt: None,
            last_attempt_seconds: None,
            steps_taken: 0,
            steps_failed: 0,
            refused: 0,
            unseen: 0,
        }
    }
}

//! The predictions, in a shape that people and machines read.

use serde::Serialize;

/// What one consumer would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It takes the set and works with it.
    Accepts,
    /// It refuses: istiod exits, an agent gets no certificate, peers are not accepted.
    Refuses,
    /// istiod starts without the set, on a self-signed CA of its own.
    RunsSelfSigned,
    /// istiod keeps what it has loaded.
    Ignores,
    /// istiod takes one part of the update and keeps the old of another.
    HalfApplies,
}

/// One prediction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// What it would do.
    pub outcome: Outcome,
    /// Why: the consumer's own text where it is known; empty where nothing needs to be said.
    pub reason: String,
}

impl Verdict {
    pub(in crate::mesh) fn new(outcome: Outcome, reason: impl Into<String>) -> Self {
        Self { outcome, reason: reason.into() }
    }

    pub(in crate::mesh) fn of(result: Result<(), String>) -> Self {
        match result {
            Ok(()) => Self::new(Outcome::Accepts, ""),
            Err(reason) => Self::new(Outcome::Refuses, reason),
        }
    }

    /// Whether it works.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.outcome == Outcome::Accepts
    }
}

/// What each consumer would do. A set works only if all of them accept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Predictions {
    /// istiod, which signs.
    pub istiod: IstiodVerdicts,
    /// istio-agent, which verifies istiod's serving certificate before it asks for one.
    pub agent: Verdict,
    /// Envoy, which verifies its peers.
    pub envoy: Verdict,
    /// rustls-webpki, with which ztunnel verifies its peers.
    pub webpki: Verdict,
}

/// What istiod would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IstiodVerdicts {
    /// When it starts.
    pub start: Verdict,
    /// When it sees the files change while it runs.
    pub reload: Verdict,
}

//! How bad it is on the whole, and the exit code that says so.

use serde::Serialize;

use crate::problem::Severity;

/// What a look at something came to. The order is the order of urgency: of several outcomes the greatest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing needs anybody.
    #[default]
    Fine,
    /// Somebody should act, nothing is broken yet.
    Warning,
    /// Something could not be looked at. It counts more than a warning: it may be anything.
    Unknown,
    /// Something is broken, has ended, or will have within two days.
    Critical,
}

impl Outcome {
    /// The word that people and machines see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Outcome::Fine => "fine",
            Outcome::Warning => "warning",
            Outcome::Unknown => "unknown",
            Outcome::Critical => "critical",
        }
    }
}

impl From<Severity> for Outcome {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Warning => Outcome::Warning,
            Severity::Critical => Outcome::Critical,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_critical_beats_unknown_beats_warning_beats_fine() {
        let mut all = [Outcome::Warning, Outcome::Critical, Outcome::Fine, Outcome::Unknown];
        all.sort_unstable();
        assert_eq!(all, [Outcome::Fine, Outcome::Warning, Outcome::Unknown, Outcome::Critical]);
    }
}

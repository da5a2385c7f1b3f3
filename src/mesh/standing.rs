//! How one certificate stands at a given moment.

use time::{Duration, OffsetDateTime};

use crate::mesh::limit::Limits;
use crate::mesh::outcome::Outcome;
use crate::pki::validity::Validity;

/// How a certificate stands. The order is that of a report: worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Its last second has passed.
    Expired,
    /// Its first second has not come: whoever meets it now refuses it.
    NotYetValid,
    /// It ends in less than 48 hours, or than somebody asked for.
    Critical,
    /// Its renewal has been due for longer than one tick and the grace; for a root or an issuing CA, the last safe
    /// moment to begin its ceremony has also passed.
    Overdue,
    /// It ends in less than seven days, or than somebody asked for.
    Warning,
    /// It could not be seen, or not be read.
    Unknown,
    /// There should be one, and there is none.
    Missing,
    /// Its renewal is due, and nobody is late.
    Due,
    /// Nothing is due.
    Fine,
}

impl Standing {
    /// The word in the column STATUS. Loud words are for what somebody must act on.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Standing::Expired => "EXPIRED",
            Standing::NotYetValid => "NOT-YET-VALID",
            Standing::Critical => "CRITICAL",
            Standing::Overdue => "OVERDUE",
            Standing::Warning => "WARNING",
            Standing::Unknown => "UNKNOWN",
            Standing::Missing => "MISSING",
            Standing::Due => "due",
            Standing::Fine => "ok",
        }
    }

    /// How bad it is.
    #[must_use]
    pub const fn outcome(self) -> Outcome {
        match self {
            Standing::Expired | Standing::NotYetValid | Standing::Critical => Outcome::Critical,
            Standing::Unknown => Outcome::Unknown,
            Standing::Overdue | Standing::Warning | Standing::Missing => Outcome::Warning,
            Standing::Due | Standing::Fine => Outcome::Fine,
        }
    }
}

/// When a certificate is renewed, and since when that is late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// When it becomes due.
    pub at: OffsetDateTime,
    /// Later than this it is overdue.
    pub latest: OffsetDateTime,
}

impl Renewal {
    /// A renewal that may be this late before it counts as overdue.
    #[must_use]
    pub fn within(at: OffsetDateTime, slack: Duration) -> Self {
        Self { at, latest: at.checked_add(slack).unwrap_or(at) }
    }
}

/// Judges a window in time by the usual limits. Without a renewal (nobody here renews it) only its ends count.
///
/// Whether anything trusts the certificate, or uses it, is not looked at.
#[must_use]
pub fn judge(window: Validity, renewal: Option<Renewal>, now: OffsetDateTime) -> Standing {
    judge_by(Limits::default(), window, renewal, now)
}

/// The same by these limits.
#[must_use]
pub fn judge_by(limits: Limits, window: Validity, renewal: Option<Renewal>, now: OffsetDateTime) -> Standing {
    if window.not_after() < now {
        Standing::Expired
    } else if now < window.not_before() {
        Standing::NotYetValid
    } else if window.left(now) < limits.critical.of(window) {
        Standing::Critical
    } else if renewal.is_some_and(|renewal| renewal.latest < now) {
        Standing::Overdue
    } else if window.left(now) < limits.warning.of(window) {
        Standing::Warning
    } else if renewal.is_some_and(|renewal| renewal.at <= now) {
        Standing::Due
    } else {
        Standing::Fine
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);
    const SECOND: Duration = Duration::SECOND;

    fn with_left(left: Duration) -> Standing {
        judge(Validity::new(NOW - Duration::days(80), NOW + left), None, NOW)
    }

    #[test]
    fn seven_days_are_not_soon_and_a_second_less_is() {
        assert_eq!(with_left(Duration::days(7)), Standing::Fine);
        assert_eq!(with_left(Duration::days(7) - SECOND), Standing::Warning);
    }

    #[test]
    fn forty_eight_hours_are_a_warning_and_a_second_less_is_critical() {
        assert_eq!(with_left(Duration::hours(48)), Standing::Warning);
        assert_eq!(with_left(Duration::hours(48) - SECOND), Standing::Critical);
    }

    #[test]
    fn a_share_of_its_life_is_a_limit_as_well_on_both_sides_of_a_second() {
        use crate::mesh::limit::Limit;
        let limits = Limits { warning: Limit::Share(25), critical: Limit::Length(Duration::hours(1)) };
        let at = |left: Duration| {
            let end = NOW + left;
            judge_by(limits, Validity::new(end - Duration::days(80), end), None, NOW)
        };
        assert_eq!(at(Duration::days(20)), Standing::Fine);
        assert_eq!(at(Duration::days(20) - SECOND), Standing::Warning);
        assert_eq!(at(Duration::hours(1)), Standing::Warning);
        assert_eq!(at(Duration::hours(1) - SECOND), Standing::Critical);
    }

    #[test]
    fn the_last_second_is_still_valid_and_the_next_one_is_not() {
        assert_eq!(with_left(Duration::ZERO), Standing::Critical);
        assert_eq!(with_left(-SECOND), Standing::Expired);
    }

    #[test]
    fn the_first_second_is_valid_and_the_one_before_is_not() {
        let window = |from| Validity::new(from, NOW + Duration::days(90));
        assert_eq!(judge(window(NOW), None, NOW), Standing::Fine);
        assert_eq!(judge(window(NOW + SECOND), None, NOW), Standing::NotYetValid);
    }

    #[test]
    fn a_renewal_is_due_at_its_second_and_overdue_one_second_after_its_slack() {
        let window = Validity::new(NOW - Duration::days(60), NOW + Duration::days(30));
        let slack = Duration::hours(25);
        let at = |due| judge(window, Some(Renewal::within(due, slack)), NOW);
        assert_eq!(at(NOW + SECOND), Standing::Fine);
        assert_eq!(at(NOW), Standing::Due);
        assert_eq!(at(NOW - slack), Standing::Due);
        assert_eq!(at(NOW - slack - SECOND), Standing::Overdue);
    }

    #[test]
    fn an_overdue_renewal_counts_more_than_the_seven_days_and_less_than_the_two() {
        let overdue = Some(Renewal::within(NOW - Duration::days(9), Duration::hours(25)));
        let window = |left| Validity::new(NOW - Duration::days(80), NOW + left);
        assert_eq!(judge(window(Duration::days(5)), overdue, NOW), Standing::Overdue);
        assert_eq!(judge(window(Duration::days(1)), overdue, NOW), Standing::Critical);
    }
}

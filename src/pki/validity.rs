//! A window in time, and arithmetic on a given moment. Every moment is in UTC and in whole seconds.

use time::{Duration, OffsetDateTime, UtcOffset};

/// From the first to the last second in which something is valid, both included (RFC 5280 §4.1.2.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Validity {
    not_before: OffsetDateTime,
    not_after: OffsetDateTime,
}

/// How far a new certificate's beginning lies in the past, so that a cluster whose clock is behind takes it at once.
pub const BACKDATE: Duration = Duration::minutes(5);

impl Validity {
    /// A window. Fractions of a second are cut off, since a certificate cannot hold them. The end may lie before the
    /// beginning: certificates from outside can say so, and no moment lies in such a window.
    #[must_use]
    pub fn new(not_before: OffsetDateTime, not_after: OffsetDateTime) -> Self {
        Self { not_before: whole_seconds(not_before), not_after: whole_seconds(not_after) }
    }

    /// The window of something made now that lives this long: it begins [`BACKDATE`] earlier and never outlives
    /// `within`.
    #[must_use]
    pub fn starting(lifetime: Duration, within: Option<Validity>, now: OffsetDateTime) -> Self {
        let not_after = now.checked_add(lifetime).unwrap_or(now);
        let not_before = now.checked_sub(BACKDATE).unwrap_or(now);
        let (not_before, not_after) = match within {
            Some(outer) => (not_before.max(outer.not_before), not_after.min(outer.not_after)),
            None => (not_before, not_after),
        };
        Self::new(not_before, not_after)
    }

    /// The first second.
    #[must_use]
    pub const fn not_before(&self) -> OffsetDateTime {
        self.not_before
    }

    /// The last second.
    #[must_use]
    pub const fn not_after(&self) -> OffsetDateTime {
        self.not_after
    }

    /// Whether this moment lies in the window.
    #[must_use]
    pub fn contains(&self, now: OffsetDateTime) -> bool {
        self.not_before <= now && now <= self.not_after
    }

    /// Whether the other window lies in this one.
    #[must_use]
    pub fn encloses(&self, inner: Validity) -> bool {
        self.not_before <= inner.not_before && inner.not_after <= self.not_after
    }

    /// From beginning to end; negative if the end comes first.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.not_after - self.not_before
    }

    /// How much is left; negative once it has ended.
    #[must_use]
    pub fn left(&self, now: OffsetDateTime) -> Duration {
        self.not_after - now
    }
}

fn whole_seconds(moment: OffsetDateTime) -> OffsetDateTime {
    let utc = moment.to_offset(UtcOffset::UTC);
    utc.replace_nanosecond(0).unwrap_or(utc)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);

    #[test]
    fn a_window_holds_its_first_and_its_last_second_and_no_other() {
        let window = Validity::new(NOW, NOW + Duration::hours(1));
        assert!(window.contains(NOW));
        assert!(window.contains(NOW + Duration::hours(1)));
        assert!(!window.contains(NOW - Duration::seconds(1)));
        assert!(!window.contains(NOW + Duration::hours(1) + Duration::seconds(1)));
    }

    #[test]
    fn a_child_is_clamped_to_its_parent_on_both_sides() {
        let parent = Validity::new(NOW - Duration::minutes(1), NOW + Duration::days(10));
        let child = Validity::starting(Duration::days(90), Some(parent), NOW);
        assert_eq!(child, parent);
        let short = Validity::starting(Duration::days(9), Some(parent), NOW);
        assert_eq!(short.not_after(), NOW + Duration::days(9));
    }

    #[test]
    fn fractions_of_a_second_are_cut_off() {
        let moment = NOW + Duration::milliseconds(1999);
        assert_eq!(Validity::new(moment, moment).not_before(), NOW + Duration::seconds(1));
    }

    #[test]
    fn what_is_left_shrinks_and_turns_negative_while_the_lifetime_stays() {
        let hour = Duration::hours(1);
        let window = Validity::new(NOW, NOW + hour * 3);
        assert_eq!(window.lifetime(), hour * 3);
        assert_eq!(window.left(NOW + hour), hour * 2);
        assert_eq!(window.left(NOW + hour * 4), -hour);
    }
}

//! The maintenance windows of a mesh: whether one is open, when the next opens, and how long they are shut at most.

use std::collections::BTreeMap;

use jiff::civil::Date;
use time::{Duration, OffsetDateTime};

use crate::mesh::window::{CALENDAR, FIRST_DAY, Window};

/// The maintenance windows of a mesh; none at all: it is always open.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Windows {
    windows: Vec<Window>,
    longest_gap: Duration,
}

/// Whether a maintenance window is open. Moments are in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hours {
    /// There are no windows: work is done at any time.
    Any,
    /// One is open.
    Open {
        /// Until when. Of windows that follow each other without a gap it is the end of the last one that opens within
        /// eight days.
        until: OffsetDateTime,
    },
    /// None is.
    Shut {
        /// When the next one opens.
        opens: OffsetDateTime,
        /// When that one closes again.
        closes: OffsetDateTime,
    },
}

impl Hours {
    /// Whether work may be done.
    #[must_use]
    pub const fn are_open(self) -> bool {
        matches!(self, Hours::Any | Hours::Open { .. })
    }
}

/// How far ahead is looked for the end of windows that follow each other.
const HORIZON: Duration = Duration::days(8);

impl Windows {
    /// These windows.
    #[must_use]
    pub fn new(windows: Vec<Window>) -> Self {
        let longest_gap = longest_gap(&windows);
        Self { windows, longest_gap }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Window> {
        self.windows.iter()
    }

    /// The longest time from the end of a window to the beginning of the next, never too short.
    ///
    /// It is reckoned over a whole round of the calendar (28 years, and so for every year until 2099). Windows in one time
    /// zone are taken together, and as many hours are added as its offsets differ by. Of windows in several zones the gap
    /// is that of the zone with the shortest, though together they may be shut for less.
    #[must_use]
    pub const fn longest_gap(&self) -> Duration {
        self.longest_gap
    }

    /// Whether one is open at this moment, and the next opening or closing.
    #[must_use]
    pub fn at(&self, now: OffsetDateTime) -> Hours {
        if self.windows.is_empty() {
            return Hours::Any;
        }
        // A window of this length that opened after this is open still.
        let open = self.windows.iter().filter_map(|window| {
            let opened = window.opens_after(now.checked_sub(window.duration())?)?;
            (opened <= now).then(|| self.stays_open(opened + window.duration(), now))
        });
        if let Some(until) = open.max() {
            return Hours::Open { until };
        }
        let next = self.windows.iter().filter_map(|window| Some((window.opens_after(now)?, window.duration())));
        match next.min_by_key(|(opens, duration)| (*opens, std::cmp::Reverse(*duration))) {
            Some((opens, duration)) => Hours::Shut { opens, closes: opens + duration },
            // Never: each of them opens at least every eight years.
            None => Hours::Any,
        }
    }

    /// How long a run that ends now waits for the next one: a tick, or less where a window opens before that.
    #[must_use]
    pub fn pause(&self, tick: Duration, now: OffsetDateTime) -> Duration {
        match self.at(now) {
            Hours::Shut { opens, .. } => tick.min(opens - now),
            Hours::Any | Hours::Open { .. } => tick,
        }
    }

    /// How long it stays open beyond this moment because another window has opened by then.
    fn stays_open(&self, mut until: OffsetDateTime, now: OffsetDateTime) -> OffsetDateTime {
        while until < now + HORIZON {
            let later = self.windows.iter().filter_map(|window| {
                let opened = window.opens_after(until.checked_sub(window.duration())?)?;
                (opened <= until).then(|| opened + window.duration())
            });
            match later.max().filter(|later| *later > until) {
                Some(later) => until = later,
                None => break,
            }
        }
        until
    }
}

fn longest_gap(windows: &[Window]) -> Duration {
    let mut zones: BTreeMap<&str, Vec<&Window>> = BTreeMap::new();
    for window in windows {
        zones.entry(window.zone_name()).or_default().push(window);
    }
    let gap = |zone: &Vec<&Window>| {
        let slack = zone.first().map(|window| window.offsets_differ_by()).unwrap_or_default();
        let gap = Duration::seconds(civil_gap(zone));
        // Open all the time by the calendar is open all the time, but for the hour of a clock change.
        gap + slack
    };
    zones.values().map(gap).min().unwrap_or_default()
}

/// The longest gap by the calendar alone, in seconds, of windows in one time zone.
fn civil_gap(windows: &[&Window]) -> i64 {
    let hours: Vec<Vec<(i64, i64)>> = windows.iter().map(|window| hours_of(window)).collect();
    let (mut open_until, mut longest) = (None, 0);
    let mut day: Date = FIRST_DAY;
    // One round, and on to the first opening of the next one.
    for number in 0..CALENDAR * 2 {
        let opening =
            windows.iter().zip(&hours).filter(|(window, _)| window.opens_on(day)).flat_map(|(_, hours)| hours);
        let midnight = number * 86_400;
        let mut openings: Vec<(i64, i64)> = opening.map(|(begin, end)| (midnight + begin, midnight + end)).collect();
        openings.sort_unstable();
        for (begin, end) in &openings {
            let until = open_until.get_or_insert(*end);
            longest = longest.max(begin - *until);
            *until = (*until).max(*end);
        }
        if number >= CALENDAR && !openings.is_empty() {
            break;
        }
        match day.tomorrow() {
            Ok(tomorrow) => day = tomorrow,
            Err(_) => break,
        }
    }
    longest
}

/// When a window is open that opens on a day, in seconds from midnight on; what follows without a gap is one.
fn hours_of(window: &Window) -> Vec<(i64, i64)> {
    let mut hours: Vec<(i64, i64)> = Vec::new();
    for minute in window.minutes() {
        let begin = i64::from(*minute) * 60;
        let end = begin + window.duration().whole_seconds();
        match hours.last_mut() {
            Some((_, until)) if begin <= *until => *until = end,
            _ => hours.push((begin, end)),
        }
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    const SECOND: Duration = Duration::SECOND;

    fn windows(list: &[(&str, &str, i64)]) -> Windows {
        let window =
            |(cron, zone, hours): &(&str, &str, i64)| Window::parse(cron, zone, Duration::hours(*hours)).unwrap();
        Windows::new(list.iter().map(window).collect())
    }

    #[test]
    fn without_windows_it_is_always_open_and_there_is_no_gap() {
        assert_eq!(Windows::default().at(datetime!(2026-11-23 10:00 UTC)), Hours::Any);
        assert_eq!(Windows::default().longest_gap(), Duration::ZERO);
    }

    #[test]
    fn it_opens_at_its_second_and_closes_at_its_second() {
        let saturdays = windows(&[("0 2 * * 6", "Etc/UTC", 4)]);
        let (opens, closes) = (datetime!(2026-11-28 2:00 UTC), datetime!(2026-11-28 6:00 UTC));
        assert_eq!(saturdays.at(opens - SECOND), Hours::Shut { opens, closes });
        assert_eq!(saturdays.at(opens), Hours::Open { until: closes });
        assert_eq!(saturdays.at(closes - SECOND), Hours::Open { until: closes });
        let week = Duration::WEEK;
        assert_eq!(saturdays.at(closes), Hours::Shut { opens: opens + week, closes: closes + week });
    }

    #[test]
    fn the_next_run_comes_after_a_tick_or_when_a_window_opens() {
        let (tick, opens) = (Duration::hours(24), datetime!(2026-11-28 2:00 UTC));
        let saturdays = windows(&[("0 2 * * 6", "Etc/UTC", 4)]);
        assert_eq!(saturdays.pause(tick, opens - tick - SECOND), tick);
        assert_eq!(saturdays.pause(tick, opens - Duration::HOUR), Duration::HOUR);
        assert_eq!(saturdays.pause(tick, opens), tick);
        assert_eq!(Windows::default().pause(tick, opens - Duration::HOUR), tick);
    }

    #[test]
    fn windows_that_follow_each_other_are_one() {
        let two = windows(&[("0 2 * * 6", "Etc/UTC", 4), ("0 6 * * 6", "Etc/UTC", 2), ("0 7 * * 6", "Etc/UTC", 3)]);
        assert_eq!(two.at(datetime!(2026-11-28 3:00 UTC)), Hours::Open { until: datetime!(2026-11-28 10:00 UTC) });
        assert_eq!(
            two.at(datetime!(2026-11-28 10:00 UTC)),
            Hours::Shut { opens: datetime!(2026-12-05 2:00 UTC), closes: datetime!(2026-12-05 6:00 UTC) }
        );
        let always = windows(&[("* * * * *", "Etc/UTC", 1)]);
        let now = datetime!(2026-11-28 3:00 UTC);
        assert!(matches!(always.at(now), Hours::Open { until } if until >= now + HORIZON));
        assert_eq!(always.longest_gap(), Duration::ZERO);
    }

    #[test]
    fn the_gap_of_a_weekly_window_is_a_week_without_it_and_one_hour_more_with_summer_time() {
        assert_eq!(windows(&[("0 2 * * 6", "Etc/UTC", 4)]).longest_gap(), Duration::hours(7 * 24 - 4));
        assert_eq!(windows(&[("0 2 * * 6", "Europe/Berlin", 4)]).longest_gap(), Duration::hours(7 * 24 - 3));
    }

    #[test]
    fn the_gap_of_windows_in_one_zone_is_that_of_all_of_them_together() {
        let days = |hours: i64| Duration::hours(hours);
        assert_eq!(windows(&[("0 2 * * 3,6", "Etc/UTC", 4)]).longest_gap(), days(4 * 24 - 4));
        assert_eq!(
            windows(&[("0 2 * * 3", "Etc/UTC", 4), ("0 2 * * 6", "Etc/UTC", 4)]).longest_gap(),
            days(4 * 24 - 4)
        );
        let two_zones = windows(&[("0 2 * * 3", "Etc/UTC", 4), ("0 2 * * 6", "Asia/Tokyo", 5)]);
        assert_eq!(two_zones.longest_gap(), days(7 * 24 - 5), "over-estimated");
    }

    #[test]
    fn the_gap_is_the_longest_of_all_years() {
        let days = |cron| windows(&[(cron, "Etc/UTC", 24)]).longest_gap().whole_days() + 1;
        assert_eq!(days("0 0 1 * *"), 31);
        assert_eq!(days("0 0 31 * *"), 61);
        assert_eq!(days("0 0 1 1 *"), 366);
        assert_eq!(days("0 0 29 2 *"), 4 * 365 + 1);
        // The 29th or a Monday: either, as cron has it.
        assert_eq!(days("0 0 29 * 1"), 7);
    }

    #[test]
    fn no_gap_between_two_openings_is_longer_than_the_longest_whatever_the_clocks_do() {
        for (cron, zone, hours) in [
            ("30 2 * * 6", "Europe/Berlin", 4),
            ("30 2 * * 0", "Europe/Berlin", 1),
            ("15 1 * * *", "America/New_York", 2),
            ("45 1 * * 0", "Australia/Lord_Howe", 3),
            ("0 2 1 * *", "Africa/Casablanca", 3),
        ] {
            let set = windows(&[(cron, zone, hours)]);
            let window = set.iter().next().unwrap();
            let mut opened = window.opens_after(datetime!(2026-01-01 0:00 UTC)).unwrap();
            let mut longest = Duration::ZERO;
            while opened < datetime!(2032-01-01 0:00 UTC) {
                let next = window.opens_after(opened).unwrap();
                longest = longest.max(next - opened - window.duration());
                opened = next;
            }
            assert!(longest <= set.longest_gap(), "{cron} {zone}: {longest} > {}", set.longest_gap());
            assert!(longest + Duration::hours(2) >= set.longest_gap(), "{cron} {zone}: far too long");
        }
    }
}

//! A maintenance window: when it opens, by the five fields of cron in a time zone, and how long it stays open.
//!
//! A clock change is met like this: a window that would open in an hour that is left out opens as much later as that hour
//! is long; one that would open in an hour that comes twice opens at the first. How long it stays open is real time.

use std::fmt;

use cronexpr::{Crontab, FallbackTimezoneOption, MakeTimestamp, ParseOptions};
use jiff::Timestamp;
use jiff::civil::{Date, DateTime, date};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use time::{Duration, OffsetDateTime};

use crate::mesh::span;

/// A window shorter than this is no room for a run, and one longer is no window.
const SHORTEST: Duration = Duration::minutes(1);
const LONGEST: Duration = Duration::days(7);

/// The calendar of the years 1901 to 2099 is the same every 28 years.
pub(in crate::mesh) const CALENDAR: i64 = 28 * 365 + 7;

/// The days in which an opening is looked for: all of that round.
const SEARCH: usize = 28 * 366;

/// Where counting begins: any day would do.
pub(in crate::mesh) const FIRST_DAY: Date = date(2001, 1, 1);

/// The clock changes that are looked at for the offsets of a time zone: those of 2020 to 2059.
const CHANGES: (DateTime, DateTime) = (date(2020, 1, 1).at(0, 0, 0, 0), date(2060, 1, 1).at(0, 0, 0, 0));

/// A maintenance window.
#[derive(Debug, Clone)]
pub struct Window {
    cron: String,
    zone_name: String,
    duration: Duration,
    days: Crontab,
    zone: TimeZone,
    /// The minutes of a day at which it opens, in their order.
    minutes: Vec<i16>,
}

/// Two windows are the same if they are written the same.
impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        (&self.cron, &self.zone_name, self.duration) == (&other.cron, &other.zone_name, other.duration)
    }
}

impl Eq for Window {}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} for {}", self.cron, self.zone_name, span::format(self.duration))
    }
}

/// Why something is not a maintenance window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadWindow {
    /// It has not five fields.
    Fields(usize),
    /// A field means nothing to cron.
    Cron,
    /// It means no day that ever comes.
    Never,
    /// There is no such time zone.
    Zone,
    /// It is open for too short or too long a time.
    Duration,
}

impl fmt::Display for BadWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadWindow::Fields(fields) => write!(f, "has {fields} fields, not the five of cron"),
            BadWindow::Cron => f.write_str("has a field that cron does not know"),
            BadWindow::Never => f.write_str("never comes"),
            BadWindow::Zone => f.write_str("is not a time zone of the IANA"),
            BadWindow::Duration => f.write_str("is not from 1m to 7d"),
        }
    }
}

impl std::error::Error for BadWindow {}

impl BadWindow {
    /// What to write instead.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            BadWindow::Fields(_) | BadWindow::Cron => {
                "write minute, hour, day of the month, month and day of the week: `cron: \"0 2 * * 6\"`"
            }
            BadWindow::Never => "write a day that comes at least every four years: `cron: \"0 2 1 * *\"`",
            BadWindow::Zone => "write a name such as `timeZone: Etc/UTC` or `timeZone: Europe/Berlin`",
            BadWindow::Duration => "write `duration: 4h`, or leave `windows` empty: then it is always open",
        }
    }
}

impl Window {
    /// The window that this means. Names of days and months, lists, ranges and steps are cron's; day of the month and day
    /// of the week together mean either, as in cron, unless one of them begins with `*`.
    ///
    /// The time zone is looked up in the database that is built in, never on disk.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(cron: &str, zone_name: &str, duration: Duration) -> Result<Self, BadWindow> {
        let fields = cron.split_ascii_whitespace().count();
        if fields != 5 {
            return Err(BadWindow::Fields(fields));
        }
        let mut options = ParseOptions::default();
        // Days and minutes are told by the calendar alone; the time zone comes in where they become moments.
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let days = cronexpr::parse_crontab_with(cron, options).map_err(|_| BadWindow::Cron)?;
        let zone = TimeZoneDatabase::bundled().get(zone_name).map_err(|_| BadWindow::Zone)?;
        if !(SHORTEST..=LONGEST).contains(&duration) {
            return Err(BadWindow::Duration);
        }
        let first = days.find_next(MakeTimestamp(stamp(FIRST_DAY.at(0, 0, 0, 0)))).map_err(|_| BadWindow::Never)?;
        let day = first.date();
        let minutes = (0..24 * 60).filter(|minute| matches(&days, at(day, *minute))).collect();
        let (cron, zone_name) = (cron.to_owned(), zone_name.to_owned());
        Ok(Self { cron, zone_name, duration, days, zone, minutes })
    }

    /// How long it stays open.
    #[must_use]
    pub const fn duration(&self) -> Duration {
        self.duration
    }

    /// The name of its time zone.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// When it opens for the first time after this moment; `None`: not within 28 years.
    #[must_use]
    pub fn opens_after(&self, moment: OffsetDateTime) -> Option<OffsetDateTime> {
        let after = Timestamp::from_second(moment.unix_timestamp()).ok()?;
        let mut from = self.civil(after);
        // Where a clock change has just left something out, what would have opened in it opens only now.
        let skipped = self.zone.to_offset(after).seconds() - self.offset_before(after);
        if skipped > 0 {
            from = from.checked_sub(jiff::SignedDuration::from_secs(i64::from(skipped))).ok()?;
        }
        let mut first: Option<Timestamp> = None;
        // What is left out by a clock change opens later than what comes next by the calendar.
        for opening in self.openings_from(from) {
            if first.is_some_and(|first| self.civil(first) < opening) {
                break;
            }
            first = self.moment(opening).filter(|it| *it > after).into_iter().chain(first).min();
        }
        first.and_then(|first| OffsetDateTime::from_unix_timestamp(first.as_second()).ok())
    }

    /// Its openings by the calendar, from this one on.
    fn openings_from(&self, from: DateTime) -> impl Iterator<Item = DateTime> {
        let days = std::iter::successors(Some(from.date()), |day| day.tomorrow().ok());
        let days = days.take(SEARCH).filter(|day| self.opens_on(*day));
        days.flat_map(|day| self.minutes.iter().map(move |minute| at(day, *minute))).filter(move |it| *it >= from)
    }

    /// Whether it opens on a day. Days are those of its time zone.
    pub(in crate::mesh) fn opens_on(&self, day: Date) -> bool {
        self.minutes.first().is_some_and(|minute| matches(&self.days, at(day, *minute)))
    }

    /// The minutes of a day at which it opens, in their order.
    pub(in crate::mesh) fn minutes(&self) -> &[i16] {
        &self.minutes
    }

    /// By how much the offsets of its time zone differ.
    pub(in crate::mesh) fn offsets_differ_by(&self) -> Duration {
        let (Some(from), Some(until)) = (self.moment(CHANGES.0), self.moment(CHANGES.1)) else { return Duration::ZERO };
        let changes = self.zone.following(from).take_while(|change| change.timestamp() < until);
        let offsets = changes.map(|change| change.offset().seconds()).chain([self.zone.to_offset(from).seconds()]);
        let (least, most) = offsets.fold((i32::MAX, i32::MIN), |(least, most), it| (least.min(it), most.max(it)));
        Duration::seconds(i64::from(most) - i64::from(least))
    }

    fn civil(&self, moment: Timestamp) -> DateTime {
        self.zone.to_datetime(moment)
    }

    fn moment(&self, civil: DateTime) -> Option<Timestamp> {
        // jiff's `compatible` is what the head of this file says.
        self.zone.to_ambiguous_timestamp(civil).compatible().ok()
    }

    /// The offset from UTC a day and two hours before, in seconds.
    fn offset_before(&self, moment: Timestamp) -> i32 {
        let before = Timestamp::from_second(moment.as_second() - 26 * 3600).unwrap_or(moment);
        self.zone.to_offset(before).seconds()
    }
}

fn at(day: Date, minute: i16) -> DateTime {
    let (hour, minute) = (minute / 60, minute % 60);
    day.at(i8::try_from(hour).unwrap_or(0), i8::try_from(minute).unwrap_or(0), 0, 0)
}

fn stamp(civil: DateTime) -> Timestamp {
    TimeZone::UTC.to_timestamp(civil).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn matches(days: &Crontab, civil: DateTime) -> bool {
    days.matches(MakeTimestamp(stamp(civil))).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn window(cron: &str, zone: &str) -> Window {
        Window::parse(cron, zone, Duration::hours(4)).unwrap()
    }

    fn opens(cron: &str, zone: &str, after: OffsetDateTime) -> OffsetDateTime {
        window(cron, zone).opens_after(after).unwrap()
    }

    #[test]
    fn lists_ranges_steps_and_names_are_read() {
        let after = datetime!(2026-11-23 10:00 UTC); // a Monday
        for (cron, wanted) in [
            ("0 2 * * 6", datetime!(2026-11-28 02:00 UTC)),
            ("0 2 * * SAT", datetime!(2026-11-28 02:00 UTC)),
            ("0 2 * * 0", datetime!(2026-11-29 02:00 UTC)),
            ("0 2 * * 7", datetime!(2026-11-29 02:00 UTC)),
            ("30 1 1,15 * *", datetime!(2026-12-01 01:30 UTC)),
            ("0 4 * JAN-mar *", datetime!(2027-01-01 04:00 UTC)),
            ("*/20 9-11/2 * * *", datetime!(2026-11-23 11:00 UTC)),
            ("0 2 1 * MON", datetime!(2026-11-30 02:00 UTC)),
            ("0 2 29 2 *", datetime!(2028-02-29 02:00 UTC)),
        ] {
            assert_eq!(opens(cron, "Etc/UTC", after), wanted, "{cron}");
        }
    }

    #[test]
    fn it_opens_after_its_own_second_only_the_next_time() {
        let opening = datetime!(2026-11-28 02:00 UTC);
        assert_eq!(opens("0 2 * * 6", "Etc/UTC", opening - Duration::SECOND), opening);
        assert_eq!(opens("0 2 * * 6", "Etc/UTC", opening), opening + Duration::WEEK);
    }

    #[test]
    fn the_hours_are_those_of_its_time_zone() {
        let after = datetime!(2026-11-23 10:00 UTC);
        assert_eq!(opens("0 2 * * 6", "Asia/Tokyo", after), datetime!(2026-11-27 17:00 UTC));
        assert_eq!(opens("0 2 * * 6", "America/New_York", after), datetime!(2026-11-28 07:00 UTC));
        assert_eq!(
            opens("0 2 * * 6", "America/New_York", datetime!(2026-07-06 0:00 UTC)),
            datetime!(2026-07-11 06:00 UTC)
        );
    }

    #[test]
    fn what_would_open_in_an_hour_that_is_left_out_opens_as_much_later() {
        // Berlin, 2027-03-28: after 01:59 comes 03:00, which is 01:00 UTC.
        let night = datetime!(2027-03-27 12:00 UTC);
        assert_eq!(opens("30 2 * * *", "Europe/Berlin", night), datetime!(2027-03-28 01:30 UTC));
        assert_eq!(
            opens("30 2 * * *", "Europe/Berlin", datetime!(2027-03-28 01:10 UTC)),
            datetime!(2027-03-28 01:30 UTC)
        );
        assert_eq!(
            opens("30 2 * * *", "Europe/Berlin", datetime!(2027-03-28 01:30 UTC)),
            datetime!(2027-03-29 00:30 UTC)
        );
        // 03:00 comes before what 02:30 has become.
        assert_eq!(
            opens("0,30 2,3 * * *", "Europe/Berlin", datetime!(2027-03-28 00:59 UTC)),
            datetime!(2027-03-28 01:00 UTC)
        );
    }

    #[test]
    fn what_would_open_in_an_hour_that_comes_twice_opens_at_the_first() {
        // Berlin, 2026-10-25: 02:00 to 02:59 comes twice, from 00:00 and from 01:00 UTC.
        let night = datetime!(2026-10-24 12:00 UTC);
        assert_eq!(opens("30 2 * * *", "Europe/Berlin", night), datetime!(2026-10-25 00:30 UTC));
        assert_eq!(
            opens("30 2 * * *", "Europe/Berlin", datetime!(2026-10-25 00:30 UTC)),
            datetime!(2026-10-26 01:30 UTC)
        );
    }

    #[test]
    fn what_is_no_window_is_refused_with_its_reason() {
        let refused = |cron: &str, zone: &str, duration| Window::parse(cron, zone, duration).unwrap_err();
        let hour = Duration::HOUR;
        assert_eq!(refused("0 2 * *", "Etc/UTC", hour), BadWindow::Fields(4));
        assert_eq!(refused("0 0 2 * * 6", "Etc/UTC", hour), BadWindow::Fields(6));
        assert_eq!(refused("@daily", "Etc/UTC", hour), BadWindow::Fields(1));
        for cron in [
            "60 2 * * 6",
            "0 24 * * 6",
            "0 2 0 * *",
            "0 2 * 13 *",
            "0 2 * * 8",
            "0 2 * * 6-",
            "H 2 * * *",
            "0 2 * * ?",
            "0 5-2 * * *",
            "*/0 2 * * *",
        ] {
            assert_eq!(refused(cron, "Etc/UTC", hour), BadWindow::Cron, "{cron}");
        }
        assert_eq!(refused("0 2 31 2 *", "Etc/UTC", hour), BadWindow::Never);
        for zone in ["", "Mars/Olympus", "UTC+1", "../etc/passwd"] {
            assert_eq!(refused("0 2 * * 6", zone, hour), BadWindow::Zone, "{zone}");
        }
        let long = Duration::days(7);
        for (duration, is_fine) in [
            (Duration::minutes(1), true),
            (Duration::minutes(1) - Duration::SECOND, false),
            (long, true),
            (long + Duration::SECOND, false),
        ] {
            assert_eq!(Window::parse("0 2 * * 6", "Etc/UTC", duration).is_ok(), is_fine, "{duration}");
        }
    }

    #[test]
    fn the_offsets_of_a_time_zone_differ_by_its_summer_time() {
        for (zone, wanted) in [("Etc/UTC", 0), ("Asia/Tokyo", 0), ("Europe/Berlin", 60), ("Australia/Lord_Howe", 30)] {
            assert_eq!(window("0 2 * * *", zone).offsets_differ_by(), Duration::minutes(wanted), "{zone}");
        }
    }
}

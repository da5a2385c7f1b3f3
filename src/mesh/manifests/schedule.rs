//! When a CronJob starts, as cron writes it.

use serde::Serialize;
use time::{Duration, OffsetDateTime};

use crate::mesh::window::Window;
use crate::mesh::windows::{Hours, Windows};
use crate::pki::moment::utc;
use crate::problem::{Code, Problem};

/// A schedule in the five fields of cron, or one of its words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Schedule(String);

/// The words that stand for five fields.
const WORDS: [&str; 7] = ["@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"];

/// How far ahead starts are looked at.
const YEAR: Duration = Duration::days(366);

/// More starts than are looked at: every hour of a year.
const MOST_STARTS: usize = 24 * 366;

impl Schedule {
    /// The schedule that this text is. Its form is checked, not its numbers: those the API server judges.
    ///
    /// # Errors
    /// What a schedule looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split(' ').filter(|field| !field.is_empty()).collect();
        let is_field = |field: &&str| field.chars().all(|c| c.is_ascii_alphanumeric() || "*/,-?".contains(c));
        let is_cron = fields.len() == 5 && fields.iter().all(is_field);
        if is_cron || matches!(fields.as_slice(), [word] if WORDS.contains(word)) {
            return Ok(Self(fields.join(" ")));
        }
        Err("a schedule has the five fields of cron: minute, hour, day, month, day of the week; times are UTC"
            .to_owned())
    }

    /// The schedule that starts this often, at equal distances and off the full hour.
    ///
    /// # Errors
    /// `tick-without-schedule`: cron counts within an hour, a day or a week, and this length divides none of them.
    pub fn every(tick: Duration) -> Result<Self, Problem> {
        let minutes = (tick.whole_seconds() % 60 == 0).then(|| tick.whole_minutes()).filter(|it| *it > 0);
        let hours = minutes.filter(|minutes| minutes % 60 == 0).map(|minutes| minutes / 60);
        match (minutes, hours) {
            (_, Some(168)) => Ok(Self("17 3 * * 0".to_owned())),
            (_, Some(24)) => Ok(Self("17 3 * * *".to_owned())),
            (_, Some(1)) => Ok(Self("17 * * * *".to_owned())),
            (_, Some(hours)) if 24 % hours == 0 => Ok(Self(format!("17 */{hours} * * *"))),
            (Some(1), _) => Ok(Self("* * * * *".to_owned())),
            (Some(minutes), None) if 60 % minutes == 0 => Ok(Self(format!("*/{minutes} * * * *"))),
            _ => {
                let what = "rotation.tick is no schedule of cron, which starts at equal distances only within an hour or a day";
                Err(Problem::new(Code::TickWithoutSchedule, what)
                    .fact(format!("rotation.tick  {tick}"))
                    .hint("--schedule '17 3 * * *', or a tick such as 15m, 1h, 6h, 24h or 7d"))
            }
        }
    }

    /// That none of its starts within a year falls into a maintenance window, though there are some: such a run would look, and
    /// renew nothing before it has to. Numbers that cron does not know are left to the API server.
    ///
    /// # Errors
    /// `schedule-misses-windows`.
    pub fn hits(&self, windows: &Windows, now: OffsetDateTime) -> Result<(), Problem> {
        let fields = match self.0.as_str() {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            fields => fields,
        };
        // A start is a window that is open for the shortest time that there is.
        let Ok(starts) = Window::parse(fields, "Etc/UTC", Duration::minutes(1)) else { return Ok(()) };
        let next = |moment: &OffsetDateTime| starts.opens_after(*moment).filter(|start| *start <= now + YEAR);
        let mut each = std::iter::successors(next(&now), next).take(MOST_STARTS);
        if windows.is_empty() || each.any(|start| windows.at(start).are_open()) {
            return Ok(());
        }
        let opens = match windows.at(now) {
            Hours::Shut { opens, .. } => opens,
            Hours::Any | Hours::Open { .. } => now,
        };
        let listed = windows.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
        let what =
            "no start of the CronJob falls into a maintenance window, so that it would renew only what cannot wait";
        Err(Problem::new(Code::ScheduleMissesWindows, what)
            .fact(format!("schedule          {} UTC", self.0))
            .fact(format!("rotation.windows  {listed}"))
            .hint(format!(
                "--schedule with a start in one; the next one opens {}, which is minute {}, hour {} in UTC",
                utc(opens),
                opens.minute(),
                opens.hour()
            )))
    }

    /// As cron writes it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::mesh::span;

    #[test]
    fn ticks_that_divide_an_hour_a_day_or_a_week_have_a_schedule() {
        for (tick, wanted) in [
            ("1m", "* * * * *"),
            ("15m", "*/15 * * * *"),
            ("60m", "17 * * * *"),
            ("6h", "17 */6 * * *"),
            ("24h", "17 3 * * *"),
            ("1d", "17 3 * * *"),
            ("7d", "17 3 * * 0"),
        ] {
            assert_eq!(Schedule::every(span::parse(tick).unwrap()).unwrap().as_str(), wanted, "{tick}");
        }
    }

    #[test]
    fn other_ticks_have_none() {
        for tick in ["1s", "90s", "7m", "90m", "5h", "36h", "48h", "14d"] {
            let problem = Schedule::every(span::parse(tick).unwrap()).unwrap_err();
            assert_eq!(problem.code(), Code::TickWithoutSchedule, "{tick}");
        }
    }

    #[test]
    fn a_schedule_starts_in_a_window_at_its_first_minute_and_not_at_its_end() {
        let now = datetime!(2026-11-30 12:00 UTC);
        let windows = |cron, zone| Windows::new(vec![Window::parse(cron, zone, Duration::hours(1)).unwrap()]);
        let hits = |schedule: &str, windows: &Windows| {
            Schedule::parse(schedule).unwrap().hits(windows, now).map_err(|problem| problem.code())
        };
        let misses = Err(Code::ScheduleMissesWindows);
        let daily = windows("0 2 * * *", "Etc/UTC");
        assert_eq!(hits("0 2 * * *", &daily), Ok(()));
        assert_eq!(hits("59 2 * * *", &daily), Ok(()));
        assert_eq!(hits("0 3 * * *", &daily), misses);
        assert_eq!(hits("59 1 * * *", &daily), misses);
        assert_eq!(hits("@hourly", &daily), Ok(()));
        assert_eq!(hits("@daily", &daily), misses);
        // On a Saturday at two in Berlin, which is one or twelve in UTC, by the season.
        let berlin = windows("0 2 * * 6", "Europe/Berlin");
        assert_eq!(hits("30 1 * * 6", &berlin), Ok(()), "in winter");
        assert_eq!(hits("30 0 * * 6", &berlin), Ok(()), "in summer");
        assert_eq!(hits("30 1 * * 5", &berlin), misses, "a day early");
        assert_eq!(hits("0 0 1 1 *", &Windows::default()), Ok(()), "without windows it is always open");
        assert_eq!(hits("99 3 * * *", &daily), Ok(()), "what is no time is for the API server to refuse");
    }

    #[test]
    fn a_schedule_has_five_fields_or_is_a_word_of_cron() {
        for good in ["17 3 * * *", "*/5 0-6 1,15 JAN ?", "@daily"] {
            assert_eq!(Schedule::parse(good).unwrap().as_str(), good);
        }
        assert_eq!(Schedule::parse(" 17  3 * * * ").unwrap().as_str(), "17 3 * * *");
        for bad in
            ["", "daily", "@every 1h", "* * * *", "0 17 3 * * *", "TZ=UTC 17 3 * * *", "17 3 * * *\n", "17 3 * * $"]
        {
            assert!(Schedule::parse(bad).is_err(), "{bad}");
        }
    }
}

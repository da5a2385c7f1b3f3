//! The days on which people are needed, as a calendar (iCalendar, RFC 5545).
//!
//! Written here and not by a crate: `icalendar` brings a second library for time with a clock of its own, reads that clock, and makes
//! up identifiers, so that the same rehearsal would give another file each time.

use ring::digest::{SHA256, digest};
use time::{Duration, OffsetDateTime, UtcOffset};

use crate::mesh::rehearsal::need::Need;
use crate::mesh::rehearsal::rehearsed::Rehearsed;
use crate::pki::moment::day;
use crate::pki::plain_text::plain;

/// The octets of a line, without its end (RFC 5545 §3.1).
const LONGEST: usize = 75;

/// Writes the calendar: an all-day event for each need, with an alarm on the day on which it must be begun.
/// `commands` are what people type for each.
#[must_use]
pub fn calendar(went: &Rehearsed, commands: impl Fn(&Need) -> Vec<String>) -> String {
    let mut text = String::new();
    let mut put = |name: &str, value: &str| folded(&mut text, &format!("{name}:{value}"));
    put("BEGIN", "VCALENDAR");
    put("VERSION", "2.0");
    put("PRODID", "-//meshca//rehearse//EN");
    put("CALSCALE", "GREGORIAN");
    for need in &went.needs {
        let title = format!("{}: {}", went.mesh, need.what.title());
        put("BEGIN", "VEVENT");
        put("UID", &format!("{}@meshca", identifier(went, need)));
        put("DTSTAMP", &stamp(went.begins));
        put("DTSTART;VALUE=DATE", &date(need.done));
        put("DTEND;VALUE=DATE", &date(need.done + Duration::DAY));
        put("SUMMARY", &escaped(&title));
        put("DESCRIPTION", &escaped(&description(need, &commands(need))));
        put("TRANSP", "TRANSPARENT");
        let ahead = (need.done - need.begins).whole_days();
        if ahead > 0 {
            put("BEGIN", "VALARM");
            put("ACTION", "DISPLAY");
            put("TRIGGER", &format!("-P{ahead}D"));
            put("DESCRIPTION", &escaped(&format!("begin to arrange: {title}")));
            put("END", "VALARM");
        }
        put("END", "VEVENT");
    }
    put("END", "VCALENDAR");
    text
}

fn description(need: &Need, commands: &[String]) -> String {
    let by = need.begin_by.map_or_else(String::new, |by| format!("It must begin by {}.\n", day(by)));
    format!("{}.\n{by}{}", need.why, commands.join("\n"))
}

/// The same for the same need of the same mesh, so that a calendar that is read again replaces it.
fn identifier(went: &Rehearsed, need: &Need) -> String {
    let about = format!("{}\n{}\n{}", went.mesh, need.asked.unix_timestamp(), need.what.title());
    digest(&SHA256, about.as_bytes()).as_ref().iter().take(12).map(|byte| format!("{byte:02x}")).collect()
}

/// A text value (RFC 5545 §3.3.11). Other control characters have no way into a calendar.
fn escaped(text: &str) -> String {
    let lines: Vec<String> = text.lines().map(|line| plain(line, 1000)).collect();
    lines.join("\n").replace('\\', "\\\\").replace(';', "\\;").replace(',', "\\,").replace('\n', "\\n")
}

/// A line, folded where it is too long, never within a character; every line ends with CR and LF.
fn folded(text: &mut String, line: &str) {
    let mut room = LONGEST;
    for c in line.chars() {
        if c.len_utf8() > room {
            text.push_str("\r\n ");
            room = LONGEST - 1;
        }
        room -= c.len_utf8();
        text.push(c);
    }
    text.push_str("\r\n");
}

fn date(moment: OffsetDateTime) -> String {
    day(moment).replace('-', "")
}

fn stamp(moment: OffsetDateTime) -> String {
    let moment = moment.to_offset(UtcOffset::UTC);
    format!("{}T{:02}{:02}{:02}Z", date(moment), moment.hour(), moment.minute(), moment.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_75_octets_at_most_and_no_character_is_parted() {
        let fold = |line: &str| {
            let mut text = String::new();
            folded(&mut text, line);
            text
        };
        assert_eq!(fold(&"a".repeat(75)), format!("{}\r\n", "a".repeat(75)));
        assert_eq!(fold(&"a".repeat(76)), format!("{}\r\n a\r\n", "a".repeat(75)));
        let long = fold(&"ü".repeat(200));
        assert!(long.split("\r\n").all(|line| line.len() <= 75), "{long}");
        assert_eq!(long.replace("\r\n ", "").trim_end(), "ü".repeat(200));
    }

    #[test]
    fn what_means_something_in_a_calendar_is_escaped_and_what_steers_a_terminal_is_gone() {
        assert_eq!(escaped("a, b; c\\d\ne"), "a\\, b\\; c\\\\d\\ne");
        assert!(!escaped("\u{1b}[2Jx").contains('\u{1b}'));
    }
}

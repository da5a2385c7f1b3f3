//! The two gauges of istiod that say which set it has loaded, read out of its metrics in text exposition 0.0.4.
//!
//! istiod records them at its start and after each good reload; in Istio 1.20 to 1.23 a reload left them old
//! (istio/istio#54828). Its others with `_expiry_seconds` say how much is left: no end that could be compared to the
//! second. Only where there is no `_timestamp`, as in Istio 1.1, does `_seconds` hold a moment.

use std::collections::BTreeMap;

use time::OffsetDateTime;

/// The end of the first certificate of `cert-chain.pem`.
const CHAIN: &str = "citadel_server_cert_chain_expiry_timestamp";
/// The end of the first certificate of `root-cert.pem`.
const ROOT: &str = "citadel_server_root_cert_expiry_timestamp";
const OLD_CHAIN: &str = "citadel_server_cert_chain_expiry_seconds";
const OLD_ROOT: &str = "citadel_server_root_cert_expiry_seconds";

/// 2001-09-09: what is less is a number of seconds left and no moment.
const FIRST_MOMENT: i64 = 1_000_000_000;

/// The longest line that is kept, in bytes; a longer one is none of ours.
const LONGEST_LINE: usize = 4096;

/// What istiod's gauges say. What is not there, is contradictory or is no moment is `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gauges {
    /// The end of the first certificate of the chain file.
    pub chain_end: Option<OffsetDateTime>,
    /// The end of the first certificate of the root file.
    pub root_end: Option<OffsetDateTime>,
}

/// Reads metrics piece by piece, as they arrive, and keeps no more of them than one line.
#[derive(Debug, Default)]
pub struct GaugeReader {
    line: Vec<u8>,
    is_too_long: bool,
    samples: BTreeMap<&'static str, Sample>,
    is_past: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sample {
    Moment(i64),
    /// No moment, or two samples that contradict each other.
    Useless,
}

impl GaugeReader {
    /// Takes the next piece.
    pub fn push(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = rest.split_at(end);
            self.keep(line);
            self.end_line();
            rest = after.strip_prefix(b"\n").unwrap_or_default();
        }
        self.keep(rest);
    }

    /// Whether nothing more can come: both gauges were there, and then another family began. The samples of a family
    /// stand together.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.is_past
    }

    /// What was found.
    #[must_use]
    pub fn finish(mut self) -> Gauges {
        self.end_line();
        let moment = |name, old| {
            let sample = match (self.samples.get(name), self.samples.get(old)) {
                (Some(sample), _) => *sample,
                (None, Some(Sample::Moment(seconds))) if *seconds >= FIRST_MOMENT => Sample::Moment(*seconds),
                (None, _) => return None,
            };
            match sample {
                Sample::Moment(seconds) => OffsetDateTime::from_unix_timestamp(seconds).ok(),
                Sample::Useless => None,
            }
        };
        Gauges { chain_end: moment(CHAIN, OLD_CHAIN), root_end: moment(ROOT, OLD_ROOT) }
    }

    fn keep(&mut self, part: &[u8]) {
        if self.line.len().saturating_add(part.len()) > LONGEST_LINE {
            self.is_too_long = true;
            self.line.clear();
        } else if !self.is_too_long {
            self.line.extend_from_slice(part);
        }
    }

    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.is_too_long) {
            return;
        }
        let Ok(line) = std::str::from_utf8(&line) else { return };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return;
        }
        let end = line.find(|c: char| c == '{' || c.is_whitespace()).unwrap_or(line.len());
        let (name, rest) = line.split_at(end);
        let Some(name) = [CHAIN, ROOT, OLD_CHAIN, OLD_ROOT].into_iter().find(|known| *known == name) else {
            self.is_past |= self.samples.contains_key(CHAIN) && self.samples.contains_key(ROOT);
            return;
        };
        // A label value may hold anything, but after the last brace there are only numbers.
        let numbers = rest.rsplit_once('}').map_or(rest, |(_, numbers)| numbers);
        let sample = moment(numbers.split_whitespace().next().unwrap_or_default());
        let kept = self.samples.entry(name).or_insert(sample);
        if *kept != sample {
            *kept = Sample::Useless;
        }
    }
}

/// A sample's value as a moment in whole seconds, which is what istiod writes, as the floating-point number that it is.
fn moment(value: &str) -> Sample {
    match value.parse::<f64>() {
        // Up to 2^53 every whole number is a floating-point number, so nothing is lost on the way.
        Ok(number) if number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number) => {
            Sample::Moment(number as i64)
        }
        _ => Sample::Useless,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    fn read(text: &str) -> Gauges {
        let mut reader = GaugeReader::default();
        reader.push(text.as_bytes());
        reader.finish()
    }

    fn chain(line: &str) -> Option<OffsetDateTime> {
        let gauges = read(line);
        assert_eq!(gauges.root_end, None, "{line}");
        gauges.chain_end
    }

    const END: OffsetDateTime = datetime!(2027-02-02 10:11:12 UTC);

    #[test]
    fn the_text_of_a_running_istiod_is_read() {
        let text = "\
# HELP citadel_server_cert_chain_expiry_seconds The time remaining, in seconds, before the certificate chain will expire.
# TYPE citadel_server_cert_chain_expiry_seconds gauge
citadel_server_cert_chain_expiry_seconds 7.775935e+06
# HELP citadel_server_cert_chain_expiry_timestamp The unix timestamp, in seconds, when the certificate chain will expire.
# TYPE citadel_server_cert_chain_expiry_timestamp gauge
citadel_server_cert_chain_expiry_timestamp 1.801563072e+09
# TYPE citadel_server_root_cert_expiry_seconds gauge
citadel_server_root_cert_expiry_seconds 3.15359935e+08
# TYPE citadel_server_root_cert_expiry_timestamp gauge
citadel_server_root_cert_expiry_timestamp 2.111147072e+09
# TYPE endpoint_no_pod gauge
endpoint_no_pod 0
";
        let root = OffsetDateTime::from_unix_timestamp(2_111_147_072).unwrap();
        let wanted = Gauges { chain_end: Some(END), root_end: Some(root) };
        assert_eq!(read(text), wanted);
        assert_eq!(read(&text.replace('\n', "\r\n")), wanted);
        // In pieces of any size.
        for size in [1, 7, 64] {
            let mut reader = GaugeReader::default();
            text.as_bytes().chunks(size).for_each(|piece| reader.push(piece));
            assert!(reader.is_complete());
            assert_eq!(reader.finish(), wanted, "{size}");
        }
    }

    #[test]
    fn it_is_complete_only_when_another_family_follows_both() {
        let mut reader = GaugeReader::default();
        for (line, complete) in [
            ("a 1\n", false),
            ("citadel_server_root_cert_expiry_timestamp 1\n", false),
            ("b 1\n", false),
            ("citadel_server_cert_chain_expiry_timestamp 1\n", false),
            ("# a comment\n", false),
            ("citadel_server_cert_chain_expiry_timestamp 1\n", false),
            ("c", false),
            (" 1\n", true),
        ] {
            reader.push(line.as_bytes());
            assert_eq!(reader.is_complete(), complete, "{line}");
        }
    }

    #[test]
    fn values_labels_and_time_stamps_in_every_spelling() {
        for line in [
            "citadel_server_cert_chain_expiry_timestamp 1801563072",
            "citadel_server_cert_chain_expiry_timestamp\t1801563072.0 1795428000000",
            "  citadel_server_cert_chain_expiry_timestamp{} 1.801563072e9\r\n",
            "citadel_server_cert_chain_expiry_timestamp{a=\"} 5\",b=\"\\\"{\"} 1.801563072e+09 7\n",
            "citadel_server_cert_chain_expiry_timestamp 1801563072\ncitadel_server_cert_chain_expiry_timestamp{a=\"b\"} 1801563072",
        ] {
            assert_eq!(chain(line), Some(END), "{line}");
        }
    }

    #[test]
    fn what_is_no_moment_is_nothing() {
        for value in
            ["NaN", "+Inf", "-Inf", "1e300", "-1", "1801563072.5", "9007199254740992", "", "x", "0x10", "1e", "1 8"]
        {
            let line = format!("citadel_server_cert_chain_expiry_timestamp {value}\n");
            let wanted = (value == "1 8").then(|| OffsetDateTime::from_unix_timestamp(1).unwrap());
            assert_eq!(chain(&line), wanted, "{value}");
        }
        // After the year 9999.
        assert_eq!(chain("citadel_server_cert_chain_expiry_timestamp 253402300800"), None);
        assert!(chain("citadel_server_cert_chain_expiry_timestamp 253402300799").is_some());
        for other in ["xcitadel_server_cert_chain_expiry_timestamp 1", "citadel_server_cert_chain_expiry_timestamp_x 1"]
        {
            assert_eq!(chain(other), None, "{other}");
        }
    }

    #[test]
    fn two_samples_that_differ_say_nothing() {
        for second in ["1801563073", "NaN"] {
            let line = format!(
                "citadel_server_cert_chain_expiry_timestamp 1801563072\ncitadel_server_cert_chain_expiry_timestamp{{}} {second}"
            );
            assert_eq!(chain(&line), None, "{second}");
        }
    }

    #[test]
    fn an_old_gauge_counts_only_as_a_moment_and_only_alone() {
        assert_eq!(chain("citadel_server_cert_chain_expiry_seconds 1801563072"), Some(END));
        assert_eq!(chain("citadel_server_cert_chain_expiry_seconds 999999999"), None);
        assert!(chain("citadel_server_cert_chain_expiry_seconds 1000000000").is_some());
        let both =
            "citadel_server_cert_chain_expiry_seconds 1801563072\ncitadel_server_cert_chain_expiry_timestamp NaN";
        assert_eq!(chain(both), None);
    }

    #[test]
    fn hostile_text_is_passed_over() {
        let long = "x".repeat(LONGEST_LINE + 1);
        let good = "citadel_server_cert_chain_expiry_timestamp 1801563072";
        assert_eq!(chain(&format!("{long}\n{good}\n{long}")), Some(END));
        assert_eq!(chain(&format!("{good}{}", " ".repeat(LONGEST_LINE))), None);
        assert_eq!(chain(&format!("{long}{good}\n")), None);
        let mut reader = GaugeReader::default();
        reader.push(b"\xff\xfe citadel\n\n\n{}\n}{\n# \n");
        for _ in 0..1000 {
            reader.push(long.as_bytes());
        }
        assert!(reader.line.capacity() <= 4 * LONGEST_LINE, "one endless line is not kept");
        reader.push(format!("\n{good}\n").as_bytes());
        assert_eq!(reader.finish().chain_end, Some(END));
    }
}

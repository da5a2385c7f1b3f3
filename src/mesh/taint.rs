//! Intermediates whose private key may be in other hands. They are noted on the target that had them, until they end:
//! whoever has the key can sign workload certificates until then, and peers take them.

use time::OffsetDateTime;

use crate::pki::certificate::Certificate;

/// One such intermediate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taint {
    /// Its serial number, lower-case hexadecimal digits.
    pub serial: String,
    /// Its last second, UTC.
    pub ends: OffsetDateTime,
}

/// More than anybody has at once; beyond this many the ones that end first are forgotten.
const MOST: usize = 64;

impl Taint {
    /// This intermediate is tainted.
    #[must_use]
    pub fn of(signer: &Certificate) -> Self {
        Self { serial: signer.serial_text(), ends: signer.not_after() }
    }
}

/// As the value of an annotation: `serial=seconds since 1970`, with commas between them.
#[must_use]
pub fn text(taints: &[Taint]) -> String {
    let mut taints: Vec<&Taint> = taints.iter().collect();
    taints.sort_by_key(|taint| std::cmp::Reverse(taint.ends));
    let one = |taint: &&Taint| format!("{}={}", taint.serial, taint.ends.unix_timestamp());
    taints.iter().take(MOST).map(one).collect::<Vec<_>>().join(",")
}

/// From the value of an annotation; what meshca does not write is passed over.
#[must_use]
pub fn parse(text: &str) -> Vec<Taint> {
    let one = |part: &str| {
        let (serial, ends) = part.split_once('=')?;
        let is_serial = !serial.is_empty() && serial.len() <= 64 && serial.bytes().all(|it| it.is_ascii_hexdigit());
        let ends = OffsetDateTime::from_unix_timestamp(ends.parse().ok()?).ok()?;
        is_serial.then(|| Taint { serial: serial.to_owned(), ends })
    };
    text.split(',').take(MOST).filter_map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::NOW;
    use time::Duration;

    fn taint(number: usize) -> Taint {
        Taint { serial: format!("{number:032x}"), ends: NOW + Duration::days(i64::try_from(number).unwrap()) }
    }

    #[test]
    fn what_is_written_is_read_back_the_last_to_end_first() {
        let taints = [taint(1), taint(3), taint(2)];
        assert_eq!(parse(&text(&taints)), [taint(3), taint(2), taint(1)]);
        assert_eq!(parse(&text(&[])), []);
    }

    #[test]
    fn of_too_many_the_ones_that_end_last_are_kept() {
        let taints: Vec<Taint> = (0..=MOST).map(taint).collect();
        let kept = parse(&text(&taints));
        assert_eq!((kept.len(), kept.contains(&taint(0)), kept.contains(&taint(MOST))), (MOST, false, true));
    }

    #[test]
    fn what_meshca_does_not_write_is_passed_over() {
        let good = text(&[taint(1)]);
        assert_eq!(parse(&format!("x=1,=5,ab,ab=,ab=99999999999999999999,{good}")), [taint(1)]);
    }
}

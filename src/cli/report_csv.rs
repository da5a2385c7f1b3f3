//! The rows of a report as CSV: RFC 4180 quoting, lines that end with a newline alone, one heading line.
//!
//! Texts that come from certificates and clusters begin with `'` where a spreadsheet would take them for a formula.

use crate::mesh::fleet::ClusterName;
use crate::mesh::loaded::Loaded;
use crate::mesh::row::Row;
use crate::mesh::status::Status;
use crate::pki::moment::utc;
use crate::pki::plain_text::plain;

/// The names of the columns: those of the JSON document, in snake case. They are a contract.
const COLUMNS: [&str; 17] = [
    "mesh",
    "cluster",
    "role",
    "status",
    "severity",
    "not_before",
    "not_after",
    "expires_in_seconds",
    "renews_at",
    "loaded",
    "serial",
    "fingerprint",
    "subject_common_name",
    "issuer_common_name",
    "key",
    "signed_by",
    "reason",
];

/// The longest text of a field, in characters.
const LONGEST: usize = 2000;

/// Writes these rows. An empty field: not known, or, as the cluster, the mesh as a whole.
#[must_use]
pub(in crate::cli) fn written(status: &Status, rows: &[&Row]) -> String {
    let mut text = format!("{}\n", COLUMNS.join(","));
    for row in rows {
        let fields: Vec<String> = fields(status, row).iter().map(|field| quoted(field)).collect();
        text.push_str(&fields.join(","));
        text.push('\n');
    }
    text
}

fn fields(status: &Status, row: &Row) -> [String; 17] {
    let facts = row.certificate.as_ref();
    let left = row.left(status.generated_at);
    // Downwards, so that half a second after its end it is below zero.
    let seconds = left.map(|left| left.whole_seconds().saturating_sub(i64::from(left.subsec_nanoseconds() < 0)));
    let name = |name: Option<&ClusterName>| name.map(ToString::to_string).unwrap_or_default();
    [
        harmless(&status.mesh),
        name(row.cluster.as_ref()),
        row.role.as_str().to_owned(),
        row.standing.as_str().to_owned(),
        row.outcome().as_str().to_owned(),
        facts.map(|facts| utc(facts.validity.not_before())).unwrap_or_default(),
        row.not_after().map(utc).unwrap_or_default(),
        seconds.map(|seconds| seconds.to_string()).unwrap_or_default(),
        row.renews_at.map(utc).unwrap_or_default(),
        row.loaded.as_ref().map(Loaded::as_str).unwrap_or_default().to_owned(),
        facts.map(|facts| facts.serial.clone()).unwrap_or_default(),
        facts.map(|facts| facts.fingerprint.to_string()).unwrap_or_default(),
        facts.map(|facts| harmless(&facts.subject)).unwrap_or_default(),
        facts.map(|facts| harmless(&facts.issuer)).unwrap_or_default(),
        facts.map(|facts| harmless(&facts.key)).unwrap_or_default(),
        name(row.signed_by.as_ref()),
        row.reason.as_deref().map(harmless).unwrap_or_default(),
    ]
}

/// Text from outside, so that no spreadsheet reckons with it (OWASP, "CSV injection").
fn harmless(text: &str) -> String {
    let text = plain(text, LONGEST);
    if text.trim_start().starts_with(['=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}']) {
        format!("'{text}")
    } else {
        text
    }
}

/// In quotation marks where it has to be.
fn quoted(field: &str) -> String {
    let must = field.contains([',', '"', '\n', '\r']) || field.starts_with(' ') || field.ends_with(' ');
    if must { format!("\"{}\"", field.replace('"', "\"\"")) } else { field.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::mesh::status::status;

    #[test]
    fn each_row_is_a_line_under_a_heading() {
        let story = Story::new();
        let status = status(&story.mesh, &story.holdings, &story.observed, NOW);
        let text = written(&status, &status.headlines());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(lines[0], COLUMNS.join(","));
        assert!(
            lines[1].starts_with(
                "mesh1,east,intermediate,ok,fine,2026-11-04T10:00:00Z,2027-02-02T10:00:00Z,6134400,2027-01-03T10:00:00Z,none,"
            ),
            "{}",
            lines[1]
        );
        assert!(lines[5].starts_with("mesh1,,root,"), "{}", lines[5]);
        assert!(lines.iter().all(|line| line.matches(',').count() == 16), "{text}");
    }

    #[test]
    fn what_separates_is_quoted_and_quotation_marks_are_doubled() {
        for (field, wanted) in [
            ("plain", "plain"),
            ("", ""),
            ("a,b", "\"a,b\""),
            ("a\"b", "\"a\"\"b\""),
            ("a\nb", "\"a\nb\""),
            (" a", "\" a\""),
        ] {
            assert_eq!(quoted(field), wanted);
        }
    }

    #[test]
    fn what_a_spreadsheet_would_reckon_with_is_text() {
        for formula in ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "\t=1", "\u{ff1d}1"] {
            assert!(harmless(formula).starts_with('\''), "{formula:?}");
        }
        for text in ["mesh1 root g1", "a=1", "", "1-2"] {
            assert_eq!(harmless(text), text);
        }
    }
}

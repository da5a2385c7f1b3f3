//! What changed since an earlier report, in words and as a document.

use serde::Serialize;
use time::OffsetDateTime;

use crate::cli::document::{Head, head};
use crate::cli::table::{Cell, Line, aligned};
use crate::mesh::report_changes::{Change, Seen};
use crate::pki::moment::utc;
use crate::pki::plain_text::plain;

/// For people: how much, then each change. `since` is the moment of the earlier report.
#[must_use]
pub fn table(changes: &[Change], since: &str) -> String {
    let since = plain(since, 40);
    let count = match changes {
        [] => return format!("nothing changed since {since}\n"),
        [_] => "1 change".to_owned(),
        many => format!("{} changes", many.len()),
    };
    let lines: Vec<Line> = changes.iter().map(line).collect();
    format!("{count} since {since}\n\n{}", aligned(&["CHANGE", "WHERE", "ROLE", "WAS", "IS"], &lines, false))
}

fn line(change: &Change) -> Line {
    let seen = |seen: Option<&Seen>| {
        let seen = seen?;
        let end = seen.not_after.as_ref().map(|end| format!("{} until {end}", seen.status));
        Some(end.unwrap_or_else(|| seen.status.clone()))
    };
    Line {
        cells: vec![
            Cell::new(change.kind.as_str()),
            Cell::of(change.cluster.clone()),
            Cell::of(change.role.clone()),
            Cell::of(seen(change.was.as_ref())),
            Cell::of(seen(change.now.as_ref())),
        ],
        note: change.finding.as_ref().map(|(code, what)| format!("{code}: {what}")),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    begins: Head,
    mesh: &'a str,
    /// When the earlier report was made.
    since: &'a str,
    generated_at: String,
    changes: Vec<ChangePart<'a>>,
}

/// Every key is always there; what does not apply is null.
#[derive(Serialize)]
struct ChangePart<'a> {
    change: &'static str,
    /// Null: the mesh as a whole.
    place: Option<&'a str>,
    role: Option<&'a str>,
    was: Option<SeenPart<'a>>,
    is: Option<SeenPart<'a>>,
    code: Option<&'a str>,
    what: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SeenPart<'a> {
    status: &'a str,
    fingerprint: Option<&'a str>,
    not_after: Option<&'a str>,
}

/// For machines.
#[must_use]
pub fn document<'a>(
    changes: &'a [Change],
    mesh: &'a str,
    since: &'a str,
    now: OffsetDateTime,
) -> impl Serialize + use<'a> {
    fn seen(seen: &Seen) -> SeenPart<'_> {
        let (fingerprint, not_after) = (seen.fingerprint.as_deref(), seen.not_after.as_deref());
        SeenPart { status: &seen.status, fingerprint, not_after }
    }
    let part = |change: &'a Change| ChangePart {
        change: change.kind.as_str(),
        place: change.cluster.as_deref(),
        role: change.role.as_deref(),
        was: change.was.as_ref().map(seen),
        is: change.now.as_ref().map(seen),
        code: change.finding.as_ref().map(|(code, _)| code.as_str()),
        what: change.finding.as_ref().map(|(_, what)| what.as_str()),
    };
    let changes = changes.iter().map(part).collect();
    Document { begins: head("ReportChanges"), mesh, since, generated_at: utc(now), changes }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::report_changes::ChangeKind;

    #[test]
    fn changes_are_counted_and_listed_and_their_absence_is_said() {
        let seen = |status: &str| {
            let not_after = Some("2027-02-21T10:00:00Z".to_owned());
            Some(Seen { status: status.to_owned(), fingerprint: None, not_after })
        };
        let renewed = Change {
            kind: ChangeKind::Renewed,
            cluster: Some("east".to_owned()),
            role: Some("intermediate".to_owned()),
            was: seen("OVERDUE"),
            now: seen("ok"),
            finding: None,
        };
        let finding = Some(("key-leaked".to_owned(), "a key\u{1b}".to_owned()));
        let found = Change { kind: ChangeKind::FindingNew, cluster: None, role: None, was: None, now: None, finding };
        assert_eq!(table(&[], "then"), "nothing changed since then\n");
        let wanted = "\
2 changes since then

CHANGE       WHERE  ROLE          WAS                                 IS
renewed      east   intermediate  OVERDUE until 2027-02-21T10:00:00Z  ok until 2027-02-21T10:00:00Z
finding-new  -      -             -                                   -                              key-leaked: a key\u{fffd}
";
        assert_eq!(table(&[renewed.clone(), found], "then"), wanted);
        assert!(table(&[renewed], "th\u{1b}en").starts_with("1 change since th\u{fffd}en\n"));
    }
}

//! A report as Markdown: for the summary of a CI job, an issue, a page.

use std::fmt::Write;

use crate::mesh::fleet::ClusterName;
use crate::mesh::row::Row;
use crate::mesh::status::Status;
use crate::pki::moment::{ahead, span, utc};
use crate::pki::plain_text::plain;
use crate::problem::Finding;

/// The longest text of a cell, in characters.
const LONGEST: usize = 300;

/// Writes these rows and findings. `next` is the command to type next.
#[must_use]
pub(in crate::cli) fn written(status: &Status, rows: &[&Row], findings: &[&Finding], next: Option<&str>) -> String {
    let now = status.generated_at;
    // Writing into a string cannot fail.
    let mut text = format!("**{}**\n\n", escaped(&status.verdict()));
    text.push_str(
        "| Cluster | Role | Status | Expires in | Not after | Renews in | |\n|---|---|---|---|---|---|---|\n",
    );
    for row in rows {
        let place = row.cluster.as_ref().map_or(status.mesh.as_str(), ClusterName::as_str);
        let cells = [
            escaped(place),
            row.role.as_str().to_owned(),
            escaped(row.standing.as_str()),
            row.left(now).map(span).unwrap_or_default(),
            row.not_after().map(utc).unwrap_or_default(),
            row.renews_at.map(|at| ahead(at - now)).unwrap_or_default(),
            row.reason.as_deref().map(escaped).unwrap_or_default(),
        ];
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    if !findings.is_empty() {
        text.push('\n');
    }
    for finding in findings {
        let (code, what) = (finding.problem.code(), escaped(finding.problem.what()));
        let _ = writeln!(text, "- **{}** `{code}`: {what}", finding.severity.as_str());
        let hint = finding.problem.advice().map(|hint| format!("hint: {hint}"));
        for line in finding.problem.facts().iter().cloned().chain(hint) {
            let _ = writeln!(text, "  - {}", escaped(&line));
        }
    }
    if let Some(next) = next {
        let _ = write!(text, "\nnext:\n\n```sh\n{}\n```\n", plain(next, LONGEST));
    }
    let _ = write!(text, "\nmeshca report of {} at {}\n", escaped(&status.mesh), utc(now));
    text
}

/// Text that means nothing to Markdown, to a table of it, or to HTML within it.
fn escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in plain(text, LONGEST).chars() {
        match c {
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '&' => made.push_str("&amp;"),
            // A name would become a mention without any mark around it.
            '@' => made.push_str("&#64;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' | '!' | '$' => {
                made.push('\\');
                made.push(c);
            }
            c => made.push(c),
        }
    }
    // So would an address become a link.
    made.replace("://", "&#58;//").replace("www.", "www&#46;").replace("WWW.", "WWW&#46;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::mesh::status::status;
    use crate::problem::{Code, Problem, Severity};

    #[test]
    fn it_is_a_verdict_a_table_findings_and_a_command() {
        let story = Story::new();
        let status = status(&story.mesh, &story.holdings, &story.observed, NOW);
        let problem = Problem::new(Code::KeyLeaked, "a | b").fact("c").hint("d");
        let finding = Finding { severity: Severity::Critical, place: "east".to_owned(), problem };
        let text = written(&status, &status.headlines(), &[&finding], Some("meshca rotate"));
        assert!(
            text.starts_with("**all 3 clusters are fine; the first renewal is due in 41 d (east)**\n\n| Cluster |")
        );
        assert!(text.contains("\n| east | intermediate | ok | 71d | 2027-02-02T10:00:00Z | in 41d |  |\n"), "{text}");
        assert!(text.contains("\n- **critical** `key-leaked`: a \\| b\n  - c\n  - hint: d\n"), "{text}");
        assert!(text.contains("```sh\nmeshca rotate\n```\n"), "{text}");
        assert!(text.ends_with("\nmeshca report of mesh1 at 2026-11-23T10:00:00Z\n"), "{text}");
    }

    #[test]
    fn nothing_from_outside_is_markdown_html_or_another_cell() {
        let made = escaped("a|b <img src=x> [l](http://x) `c` **d** @e www.f\n\u{1b}# g");
        assert_eq!(
            made,
            "a\\|b &lt;img src=x&gt; \\[l\\](http&#58;//x) \\`c\\` \\*\\*d\\*\\* &#64;e www&#46;f \u{fffd}\\# g"
        );
    }
}

//! Results as JUnit XML, the form in which every CI system takes tests.

use std::fmt::Write;

use crate::cli::markup::escaped;
use crate::problem::{Problem, Severity};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Case {
    /// Where.
    pub(in crate::cli) place: String,
    /// What.
    pub(in crate::cli) name: String,
    /// What became of it.
    pub(in crate::cli) result: Judged,
}

impl Case {
    /// One thing that is wrong.
    pub(in crate::cli) fn found(place: &str, severity: Severity, problem: &Problem) -> Self {
        let told = Told { kind: severity.as_str().to_owned(), ..problem.into() };
        Self { place: place.to_owned(), name: problem.code().as_str().to_owned(), result: Judged::Failed(told) }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) enum Judged {
    /// All is well.
    Passed,
    /// It is not: one word for the kind, a sentence, and more lines.
    Failed(Told),
    /// It could not be looked at.
    Unseen(Told),
}

/// What there is to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct Told {
    pub(in crate::cli) kind: String,
    pub(in crate::cli) message: String,
    pub(in crate::cli) lines: Vec<String>,
}

impl From<&Problem> for Told {
    fn from(problem: &Problem) -> Self {
        let hint = problem.advice().map(|hint| format!("hint: {hint}"));
        Self {
            kind: problem.code().as_str().to_owned(),
            message: problem.what().to_owned(),
            lines: problem.facts().iter().cloned().chain(hint).collect(),
        }
    }
}

/// One suite of these cases. `name` and all else may come from anywhere. `at` is RFC 3339 in UTC.
#[must_use]
pub(in crate::cli) fn document(name: &str, at: &str, cases: &[Case]) -> String {
    let count = |wanted: fn(&Judged) -> bool| cases.iter().filter(|case| wanted(&case.result)).count();
    let (failed, unseen) = (count(|it| matches!(it, Judged::Failed(_))), count(|it| matches!(it, Judged::Unseen(_))));
    let numbers = format!("tests=\"{}\" failures=\"{failed}\" errors=\"{unseen}\"", cases.len());
    let (name, at) = (escaped(name), escaped(at.trim_end_matches('Z')));
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    // Writing into a string cannot fail.
    let _ = writeln!(text, "<testsuites name=\"meshca\" {numbers}>");
    let _ = writeln!(text, "  <testsuite name=\"{name}\" {numbers} skipped=\"0\" time=\"0\" timestamp=\"{at}\">");
    for case in cases {
        let head =
            format!("testcase classname=\"{}\" name=\"{}\" time=\"0\"", escaped(&case.place), escaped(&case.name));
        let (element, told) = match &case.result {
            Judged::Passed => {
                let _ = writeln!(text, "    <{head}/>");
                continue;
            }
            Judged::Failed(told) => ("failure", told),
            Judged::Unseen(told) => ("error", told),
        };
        let lines: Vec<String> = told.lines.iter().map(|line| escaped(line)).collect();
        let (kind, message) = (escaped(&told.kind), escaped(&told.message));
        let _ = writeln!(text, "    <{head}>");
        let _ =
            writeln!(text, "      <{element} type=\"{kind}\" message=\"{message}\">{}</{element}>", lines.join("\n"));
        let _ = writeln!(text, "    </testcase>");
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passed_failed_and_was_not_seen_is_counted_and_told() {
        let told =
            || Told { kind: "k".to_owned(), message: "m".to_owned(), lines: vec!["a".to_owned(), "b".to_owned()] };
        let case = |name: &str, result| Case { place: "east".to_owned(), name: name.to_owned(), result };
        let cases =
            [case("root", Judged::Passed), case("x", Judged::Failed(told())), case("y", Judged::Unseen(told()))];
        let text = document("m1", "2026-11-23T10:00:00Z", &cases);
        assert!(text.contains("tests=\"3\" failures=\"1\" errors=\"1\""), "{text}");
        assert!(text.contains("    <testcase classname=\"east\" name=\"root\" time=\"0\"/>\n"), "{text}");
        assert!(text.contains("<failure type=\"k\" message=\"m\">a\nb</failure>"), "{text}");
        assert!(text.contains("<error type=\"k\" message=\"m\">"), "{text}");
        assert!(text.contains("timestamp=\"2026-11-23T10:00:00\""), "{text}");
    }

    #[test]
    fn nothing_from_outside_leaves_its_place() {
        let text = document("\"><evil a='1'>&\u{1b}\u{ffff}\n", "now", &[]);
        assert!(text.contains("name=\"&quot;&gt;&lt;evil a=&apos;1&apos;&gt;&amp;\u{fffd}\u{fffd} \""), "{text}");
    }
}

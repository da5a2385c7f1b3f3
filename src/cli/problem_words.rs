//! A problem as people read it: code and sentence, the facts, one hint.

use crate::problem::{Finding, Problem};

/// A problem as an error.
#[must_use]
pub fn error(problem: &Problem) -> String {
    lines("error", problem)
}

/// A finding of the mesh file that is worth a warning.
#[must_use]
pub fn warning(finding: &Finding) -> String {
    lines("warning", &finding.problem)
}

fn lines(word: &str, problem: &Problem) -> String {
    let mut text = format!("{word}: {}: {}\n", problem.code(), printable(problem.what()));
    for fact in problem.facts() {
        for line in fact.lines() {
            text.push_str(&format!("  {}\n", printable(line)));
        }
    }
    if let Some(hint) = problem.advice() {
        text.push_str(&format!("hint: {}\n", printable(hint)));
    }
    text
}

/// What came from outside must not steer a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

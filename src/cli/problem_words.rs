//! A problem as people read it: code and sentence, the facts, one hint.

use std::path::Path;

use crate::problem::Problem;

/// A problem as an error. `mesh_file` is how the user named the mesh file, for hints that can be pasted.
#[must_use]
pub fn error(problem: &Problem, mesh_file: &Path) -> String {
    lines("error", problem, mesh_file)
}

/// A problem that somebody should look at, though the command went on.
#[must_use]
pub fn warning(problem: &Problem, mesh_file: &Path) -> String {
    lines("warning", problem, mesh_file)
}

fn lines(word: &str, problem: &Problem, mesh_file: &Path) -> String {
    let mut text = format!("{word}: {}: {}\n", problem.code(), printable(problem.what()));
    for fact in problem.facts() {
        for line in fact.lines() {
            text.push_str(&format!("  {}\n", printable(line)));
        }
    }
    if let Some(hint) = problem.advice() {
        text.push_str(&format!("hint: {}\n", printable(&typed(hint, mesh_file))));
    }
    text
}

/// A hint that can be pasted: a command of ours names the mesh file, unless it is the usual one or the command needs
/// none.
pub(in crate::cli) fn typed(hint: &str, mesh_file: &Path) -> String {
    match hint.strip_prefix("meshca ") {
        Some(rest) if mesh_file != Path::new(USUAL) && !rest.starts_with("-f ") && !rest.starts_with("init") => {
            format!("meshca -f {} {rest}", mesh_file.display())
        }
        _ => hint.to_owned(),
    }
}

/// The mesh file that is read where none is named.
const USUAL: &str = "mesh.yaml";

/// What came from outside must not steer a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect()
}

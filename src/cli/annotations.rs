//! Findings as annotations: lines of a GitHub workflow, and a GitLab code quality report.

use serde::Serialize;

use crate::pki::fingerprint::Fingerprint;
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem, Severity};

/// The longest text, in characters.
const LONGEST: usize = 2000;

/// One thing to be noted beside the code.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Note<'a> {
    /// Where: a cluster, a path, or a place in the mesh file, as `FILE:LINE:COLUMN`. Empty: the fleet.
    pub(in crate::cli) place: &'a str,
    /// How bad; `None`: it could not be looked at.
    pub(in crate::cli) severity: Option<Severity>,
    /// What.
    pub(in crate::cli) problem: &'a Problem,
}

impl Note<'_> {
    /// One sentence with its place.
    fn sentence(&self) -> String {
        let what = self.problem.what();
        let text = if self.place.is_empty() { what.to_owned() } else { format!("{}: {what}", self.place) };
        plain(&text, LONGEST)
    }

    /// Facts and hint.
    fn more(&self) -> Vec<String> {
        let hint = self.problem.advice().map(|hint| format!("hint: {hint}"));
        self.problem.facts().iter().cloned().chain(hint).map(|line| plain(&line, LONGEST)).collect()
    }

    /// The file and the line that it is about.
    fn position(&self) -> Option<(&str, u32)> {
        let (rest, column) = self.place.rsplit_once(':')?;
        let (file, line) = rest.rsplit_once(':')?;
        column.parse::<u32>().ok()?;
        Some((file, line.parse().ok()?))
    }
}

/// Workflow commands, one a line. Where there is nothing to note, one line says so.
#[must_use]
pub(in crate::cli) fn github(notes: &[Note<'_>], verdict: &str) -> String {
    if notes.is_empty() {
        return format!("::notice title=meshca::{}\n", message(&plain(verdict, LONGEST)));
    }
    let line = |note: &Note<'_>| {
        let command = match note.severity {
            Some(Severity::Warning) => "warning",
            Some(Severity::Critical) | None => "error",
        };
        let place = note.position().map(|(file, line)| format!("file={},line={line},", property(file)));
        let lines: Vec<String> = std::iter::once(note.sentence()).chain(note.more()).collect();
        let title = property(note.problem.code().as_str());
        format!("::{command} {}title={title}::{}\n", place.unwrap_or_default(), message(&lines.join("\n")))
    };
    notes.iter().map(line).collect()
}

/// As GitHub's own toolkit escapes the text of a command.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As GitHub's own toolkit escapes a property of a command.
fn property(text: &str) -> String {
    message(&plain(text, LONGEST)).replace(':', "%3A").replace(',', "%2C")
}

/// One entry of a code quality report.
#[derive(Debug, Serialize)]
struct Entry {
    description: String,
    check_name: &'static str,
    /// The same for the same thing in every run.
    fingerprint: String,
    severity: &'static str,
    location: Location,
}

#[derive(Debug, Serialize)]
struct Location {
    path: String,
    lines: Lines,
}

#[derive(Debug, Serialize)]
struct Lines {
    begin: u32,
}

/// A code quality report. What is about no file is put to the first line of `file`.
///
/// # Errors
/// `output-failed`, when the serializer fails; it is not known to.
pub(in crate::cli) fn gitlab(notes: &[Note<'_>], file: &str) -> Result<String, Problem> {
    let text = serde_json::to_string_pretty(&entries(notes, file));
    text.map_err(|error| Problem::new(Code::OutputFailed, format!("the result cannot be written: {error}")))
}

fn entries(notes: &[Note<'_>], file: &str) -> Vec<Entry> {
    let entry = |note: &Note<'_>| {
        let (path, begin) = note.position().unwrap_or((file, 1));
        let (name, description) = (note.problem.code().as_str(), note.sentence());
        Entry {
            fingerprint: Fingerprint::of(format!("{name}\0{description}").as_bytes()).to_string(),
            check_name: name,
            description,
            severity: match note.severity {
                Some(Severity::Critical) => "critical",
                None => "major",
                Some(Severity::Warning) => "minor",
            },
            // GitLab takes paths from the top of the project, without a dot before them.
            location: Location {
                path: plain(path.strip_prefix("./").unwrap_or(path), LONGEST),
                lines: Lines { begin },
            },
        }
    };
    notes.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem() -> Problem {
        Problem::new(Code::CertificateExpired, "100% over,\nsaid: x").fact("end  2026").hint("meshca rotate")
    }

    #[test]
    fn a_workflow_command_is_one_line_whatever_it_says() {
        let problem = problem();
        let note = |place, severity| Note { place, severity, problem: &problem };
        assert_eq!(
            github(&[note("east", Some(Severity::Critical))], ""),
            "::error title=certificate-expired::east: 100%25 over, said: x%0Aend  2026%0Ahint: meshca rotate\n"
        );
        let warned = github(&[note("a,b/mesh.yaml:12:3", Some(Severity::Warning))], "");
        assert!(warned.starts_with("::warning file=a%2Cb/mesh.yaml,line=12,title="), "{warned}");
        assert!(github(&[note("east", None)], "").starts_with("::error title="));
        assert_eq!(github(&[], "all is well"), "::notice title=meshca::all is well\n");
    }

    #[test]
    fn an_entry_keeps_its_fingerprint_and_two_of_them_differ() {
        let problem = problem();
        let note = |place, severity| Note { place, severity, problem: &problem };
        let notes =
            [note("east", Some(Severity::Critical)), note("./m.yaml:7:1", Some(Severity::Warning)), note("x", None)];
        let made = || serde_json::from_str::<serde_json::Value>(&gitlab(&notes, "./mesh.yaml").unwrap()).unwrap();
        assert_eq!(made(), made());
        let made = made();
        assert_ne!(made[0]["fingerprint"], made[1]["fingerprint"]);
        assert_eq!(made[0]["location"], serde_json::json!({ "path": "mesh.yaml", "lines": { "begin": 1 } }));
        assert_eq!(made[1]["location"], serde_json::json!({ "path": "m.yaml", "lines": { "begin": 7 } }));
        assert_eq!(
            (&made[0]["severity"], &made[1]["severity"], &made[2]["severity"]),
            (&"critical".into(), &"minor".into(), &"major".into())
        );
    }
}

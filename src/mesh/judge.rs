//! Collects what is wrong with a mesh file while its rules are gone through, one after the other.

use std::path::{Component, Path, PathBuf};

use crate::mesh::snippet::{Place, Placed, Source, brief};
use crate::problem::{Code, Finding, Problem, Severity};

/// Collects what is wrong while a mesh is made. A part that cannot be made is `None`, and a problem says why.
pub(crate) struct Judge<'a> {
    source: &'a Source<'a>,
    folder: &'a Path,
    problems: Vec<(Option<Place>, Problem)>,
    findings: Vec<Finding>,
}

impl<'a> Judge<'a> {
    /// A judge of the file with this name.
    pub(crate) fn new(source: &'a Source<'a>, path: &'a Path) -> Self {
        let folder = path.parent().unwrap_or(Path::new(""));
        Self { source, folder, problems: Vec::new(), findings: Vec::new() }
    }

    /// The warnings, or the problems if there is one, in the order of the file.
    pub(crate) fn verdict(mut self) -> Result<Vec<Finding>, Vec<Problem>> {
        if self.problems.is_empty() {
            return Ok(self.findings);
        }
        self.problems.sort_by_key(|(place, _)| *place);
        Err(self.problems.into_iter().map(|(_, problem)| problem).collect())
    }

    /// The text that is judged.
    pub(crate) const fn source(&self) -> &'a Source<'a> {
        self.source
    }

    /// Notes a problem that is made already.
    pub(crate) fn note(&mut self, place: Option<Place>, problem: Problem) {
        self.problems.push((place, problem));
    }

    /// A path of the file, joined to the folder of the file, without `.` in it.
    pub(crate) fn path(&mut self, key: &str, path: &Placed<String>) -> Option<PathBuf> {
        let text = &path.value;
        let wrong = if text.is_empty() {
            "is empty"
        } else if text.contains(char::is_control) {
            "has control characters"
        } else if text.starts_with('~') {
            "begins with `~`, which only shells replace"
        } else {
            let joined = self.folder.join(text);
            let tidy: PathBuf = joined.components().filter(|part| *part != Component::CurDir).collect();
            return Some(if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy });
        };
        let what = format!("{key} `{text}` {wrong}");
        self.refuse(Code::BadValue, path.place, &what, format!("write a path for `{key}`, relative to the mesh file"));
        None
    }

    /// Notes what is worth a warning.
    pub(crate) fn warn(&mut self, code: Code, place: Option<Place>, what: &str, hint: &str) {
        let problem = self.source.problem(code, place, what, "").hint(brief(hint));
        self.findings.push(Finding { severity: Severity::Warning, place: self.source.at(place), problem });
    }

    /// Notes a problem.
    pub(crate) fn refuse(&mut self, code: Code, place: Option<Place>, what: &str, hint: impl AsRef<str>) {
        self.problems.push((place, self.source.problem(code, place, what, "").hint(brief(hint.as_ref()))));
    }

    /// Notes a problem between two places: the facts end with the other one.
    pub(crate) fn refuse_beside(
        &mut self,
        code: Code,
        place: Option<Place>,
        what: &str,
        (other, other_place): (&str, Option<Place>),
        hint: impl AsRef<str>,
    ) {
        let beside = format!("{other} at {}", self.source.at(other_place));
        self.problems.push((place, self.source.problem(code, place, what, "").fact(beside).hint(brief(hint.as_ref()))));
    }
}

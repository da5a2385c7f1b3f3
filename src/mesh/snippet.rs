//! Where something stands in the mesh file, and how that place is shown: the line and a caret below it.

use std::path::Path;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize, Serializer};
use serde_saphyr::{Location, Spanned};

use crate::problem::{Code, Problem};

/// A line and a column of the mesh file, both from 1; the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    line: u64,
    column: u64,
}

impl Place {
    /// The place that the YAML reader gives; `None` where it knows none.
    pub(crate) fn of(location: Location) -> Option<Self> {
        (location.line() > 0).then(|| Self { line: location.line(), column: location.column() })
    }
}

/// A value with the place where it is written. A default has no place.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "Spanned<T>", bound = "T: Deserialize<'de>")]
pub(crate) struct Placed<T> {
    pub(crate) value: T,
    pub(crate) place: Option<Place>,
}

impl<T> From<Spanned<T>> for Placed<T> {
    fn from(spanned: Spanned<T>) -> Self {
        Self { value: spanned.value, place: Place::of(spanned.referenced) }
    }
}

impl<T> From<T> for Placed<T> {
    fn from(value: T) -> Self {
        Self { value, place: None }
    }
}

impl From<&str> for Placed<String> {
    fn from(value: &str) -> Self {
        value.to_owned().into()
    }
}

// The schema shows defaults, which serde writes; places are no part of them.
impl<T: Serialize> Serialize for Placed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(serializer)
    }
}

impl<T: JsonSchema> JsonSchema for Placed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The text of a mesh file and its name, as given.
pub(crate) struct Source<'a> {
    name: &'a Path,
    lines: Vec<&'a str>,
}

impl<'a> Source<'a> {
    pub(crate) fn new(name: &'a Path, text: &'a str) -> Self {
        Self { name, lines: text.lines().collect() }
    }

    /// `mesh.yml:14:3`, or the name alone for what is not written.
    pub(crate) fn at(&self, place: Option<Place>) -> String {
        let name = self.name.display();
        match place {
            Some(Place { line, column }) => format!("{name}:{line}:{column}"),
            None => name.to_string(),
        }
    }

    /// A problem whose sentence ends with its place, and whose facts show the line with a caret and this note.
    pub(crate) fn problem(&self, code: Code, place: Option<Place>, what: &str, note: &str) -> Problem {
        let problem = Problem::new(code, format!("{} at {}", brief(what), tame(&self.at(place))));
        let Some(Place { line, column }) = place else { return problem };
        let index = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(1);
        let column = usize::try_from(column).unwrap_or(usize::MAX).saturating_sub(1);
        let Some(text) = self.lines.get(index) else { return problem };
        let skipped = column.saturating_sub(BEFORE_CARET);
        let shown: String = tame(text).chars().skip(skipped).take(WIDEST).collect();
        let gutter = " ".repeat(line.to_string().len());
        let indent = " ".repeat(column - skipped);
        problem
            .fact(format!("{gutter} |"))
            .fact(format!("{line} | {}", shown.trim_end()))
            .fact(format!("{gutter} | {indent}^ {}", tame(note)).trim_end())
    }
}

/// The text without control characters: they could steer the reader's terminal, and a tab would move the caret.
fn tame(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A sentence for people, whatever values stand in it: without control characters, and of bounded length.
pub(crate) fn brief(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return tame(text);
    }
    let (head, tail): (String, String) = (
        text.chars().take(LONGEST / 2).collect(),
        text.chars().rev().take(LONGEST / 2).collect::<Vec<_>>().into_iter().rev().collect(),
    );
    tame(&format!("{head}…{tail}"))
}

/// How long a sentence may be, in characters. Ours are shorter, unless a value in them is not.
const LONGEST: usize = 600;

/// How much of a line is shown at most, and how much of that before the caret, in characters.
const WIDEST: usize = 100;
const BEFORE_CARET: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_below_the_column() {
        let text = "a: 1\n  renewbefore: 30d\n";
        let source = Source::new(Path::new("mesh.yml"), text);
        let problem =
            source.problem(Code::UnknownKey, Some(Place { line: 2, column: 3 }), "unknown key `renewbefore`", "why");
        assert_eq!(problem.what(), "unknown key `renewbefore` at mesh.yml:2:3");
        assert_eq!(problem.facts(), ["  |", "2 |   renewbefore: 30d", "  |   ^ why"]);
    }

    #[test]
    fn a_place_outside_the_text_has_no_snippet() {
        let source = Source::new(Path::new("m"), "a: 1");
        let problem = source.problem(Code::UnknownKey, Some(Place { line: 9, column: 1 }), "x", "y");
        assert_eq!((problem.what(), problem.facts().len()), ("x at m:9:1", 0));
        assert_eq!(source.problem(Code::UnknownKey, None, "x", "y").what(), "x at m");
    }

    #[test]
    fn long_lines_and_control_characters_are_tamed() {
        let text = format!("\u{1b}[31m{}", "x".repeat(5_000));
        let source = Source::new(Path::new("m"), &text);
        let problem = source.problem(Code::UnknownKey, Some(Place { line: 1, column: 4_000 }), "x", "y");
        assert!(problem.facts().iter().all(|fact| fact.chars().count() < 120 && !fact.contains('\u{1b}')));
        assert!(
            source.problem(Code::UnknownKey, Some(Place { line: 1, column: 1 }), "x", "y").facts()[1].ends_with('x')
        );
    }
}

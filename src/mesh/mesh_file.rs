//! Reads a mesh file: from text to a [`Mesh`] that keeps every rule, or to every problem that can be told apart.

use std::path::Path;

use serde::Deserialize;
use serde_saphyr::{Error, MessageFormatter};

use crate::mesh::fleet::Mesh;
use crate::mesh::mesh_rules::{VERSION, judge, unsupported_version};
use crate::mesh::mesh_schema::{MOST_CLUSTERS, WrittenMesh};
use crate::mesh::snippet::{Place, Placed, Source};
use crate::problem::{Code, Finding, Problem};

/// The largest mesh file that is read, in bytes: 10,000 clusters with every key fit.
pub const LARGEST: usize = 4 * 1024 * 1024;

/// The mesh that this text declares, with what is worth a warning.
///
/// `path` is the name of the file as the user gave it: it stands in every message, and relative paths in the file
/// are joined to its folder. Nothing is read from disk: whether folders, contexts and clusters exist is not checked,
/// nor whether a certificate that is there already agrees with the file.
///
/// # Errors
///
/// Every problem, in the order of the file, each with line and column. What keeps the file from being read as YAML of
/// the expected shape (syntax, an unknown key, a wrong type) is told alone, since the rest cannot be judged then.
pub fn parse(text: &str, path: &Path) -> Result<(Mesh, Vec<Finding>), Vec<Problem>> {
    // Editors on some systems write a byte order mark; the YAML reader would count it as a column.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > LARGEST {
        let what = format!("{} has {} bytes, more than {LARGEST}", path.display(), text.len());
        return Err(vec![Problem::new(Code::MeshFileTooLarge, what).hint("split the fleet into several meshes")]);
    }
    let source = Source::new(path, text);
    match serde_saphyr::from_str_with_options::<WrittenMesh>(text, options()) {
        Ok(written) => judge(&written, path, &source),
        Err(error) => Err(vec![version_first(text, &source).unwrap_or_else(|| misread(&error, &source))]),
    }
}

/// How YAML is read: strictly, and within bounds that hostile input cannot stretch.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: 16,
            max_nodes: 600_000,
            max_events: 1_200_000,
            max_documents: 2,
            max_anchors: 1_000,
            max_aliases: 100_000,
            // One anchor that thousands of clusters use is fine; what aliases may replay is bounded below.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 200_000,
            max_replay_stack_depth: 8,
        },
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// A file of another version has other keys, so its version is what is wrong with it, not its keys.
fn version_first(text: &str, source: &Source<'_>) -> Option<Problem> {
    #[derive(Deserialize)]
    struct VersionOnly {
        version: Placed<u64>,
    }
    let only = serde_saphyr::from_str_with_options::<VersionOnly>(text, options()).ok()?.version;
    (only.value != VERSION).then(|| unsupported_version(only.value, only.place, source))
}

/// What the YAML reader says, in our words.
fn misread(error: &Error, source: &Source<'_>) -> Problem {
    let place = error.location().and_then(Place::of);
    match error.without_snippet() {
        Error::AliasError { error: inner, .. } => misread_kind(inner, place, source),
        other => misread_kind(other, place, source),
    }
}

fn misread_kind(error: &Error, place: Option<Place>, source: &Source<'_>) -> Problem {
    match error {
        Error::SerdeUnknownField { field, expected, .. } => {
            let what = format!("unknown key `{field}`");
            unknown_word(source, Code::UnknownKey, place, &what, field, expected)
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let what = format!("unknown value `{variant}`");
            unknown_word(source, Code::UnknownValue, place, &what, variant, expected)
        }
        Error::SerdeMissingField { field, .. } => source
            .problem(Code::MissingKey, place, &format!("the key `{field}` is missing"), "")
            .hint(format!("add `{field}:`")),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("?");
            source
                .problem(Code::DuplicateKey, place, &format!("the key `{key}` is given twice"), "the second one")
                .hint("keep one of the two")
        }
        Error::SerdeInvalidLength { .. } => source
            .problem(Code::TooManyClusters, place, &format!("there are more than {MOST_CLUSTERS} clusters"), "")
            .hint("split the fleet into several meshes"),
        Error::MultipleDocuments { .. } => source
            .problem(Code::MeshFileSyntax, place, "a second YAML document begins", "")
            .hint("one mesh file is one document: remove the `---` and what follows, or put it in a file of its own"),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => {
            let said = said_by(error);
            source
                .problem(Code::MeshFileTooLarge, place, &format!("the mesh file is larger than it may be: {said}"), "")
                .hint("write it without aliases and with fewer levels, or split the fleet into several meshes")
        }
        other => {
            let said = said_by(other);
            source
                .problem(Code::MeshFileSyntax, place, &format!("not a mesh file: {said}"), "")
                .hint("compare with the one that `meshca init` writes")
        }
    }
}

/// What the YAML reader itself says, without its place and in lower case.
fn said_by(error: &Error) -> String {
    let expected = match error {
        Error::Unexpected { expected: "mapping start", .. } => "keys with values",
        Error::Unexpected { expected: "sequence start", .. } => "a list",
        Error::Unexpected { expected: "string scalar", .. } | Error::NullIntoString { .. } => "a text",
        Error::InvalidScalar { ty: "u64", .. } => "a whole number, zero or more,",
        Error::InvalidBooleanStrict { .. } => "`true` or `false`",
        _ => "",
    };
    if !expected.is_empty() {
        return format!("{expected} should stand");
    }
    let said = serde_saphyr::UserMessageFormatter.format_message(error).into_owned();
    let mut letters = said.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    let shown: String = first.into_iter().chain(letters).take(300).collect();
    shown.trim_end_matches('.').to_owned()
}

/// An unknown word, with the nearest known one or else all of them.
fn unknown_word(
    source: &Source<'_>,
    code: Code,
    place: Option<Place>,
    what: &str,
    word: &str,
    known: &[&'static str],
) -> Problem {
    let all = known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    match nearest(word, known) {
        Some(near) => {
            source.problem(code, place, what, &format!("did you mean `{near}`?")).hint(format!("write `{near}`"))
        }
        None => source.problem(code, place, what, "").hint(format!("known here: {all}")),
    }
}

/// The known word that this one was probably meant to be: at most a third of its letters apart, case aside.
fn nearest<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    // Nothing that long is a slip of the finger, and the distance takes the product of both lengths.
    if word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let (distance, near) = known.iter().map(|known| (distance(&lower, &known.to_lowercase()), *known)).min()?;
    (distance * 3 <= near.len()).then_some(near)
}

/// The edit distance of Levenshtein: insertions, deletions and replacements of one letter.
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, to) in row.iter_mut().skip(1).zip(b.chars()) {
            let best = (*cell + 1).min(left + 1).min(diagonal + usize::from(from != to));
            diagonal = *cell;
            *cell = best;
            left = best;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edit_distance_counts_single_letters() {
        for (a, b, apart) in [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("role", "rolle", 1)] {
            assert_eq!((distance(a, b), distance(b, a)), (apart, apart), "{a} {b}");
        }
    }

    #[test]
    fn the_nearest_word_is_offered_only_when_it_is_near() {
        let known = ["renewBefore", "lifetime", "key"];
        assert_eq!(nearest("renewbefore", &known), Some("renewBefore"));
        assert_eq!(nearest("life_time", &known), Some("lifetime"));
        assert_eq!(nearest("kez", &known), Some("key"));
        assert_eq!(nearest("colour", &known), None);
        assert_eq!(nearest(&"k".repeat(5_000), &known), None);
    }
}

//! Names in a sentence, the first few of them.

/// How many are named at most.
pub const MOST_NAMED: usize = 10;

/// The names with commas: `a, b`, and of many `a, b, … and 7 more`.
///
/// ```
/// use meshca::mesh::name_list::few;
/// assert_eq!(few(&["a", "b"]), "a, b");
/// assert!(few(&["x"; 12]).ends_with("x and 2 more"));
/// ```
#[must_use]
pub fn few(names: &[&str]) -> String {
    let shown = names.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(MOST_NAMED) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}

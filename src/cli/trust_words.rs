//! Who verifies whom, in words and as a part of a document.

use std::fmt::Write;

use serde::Serialize;

use crate::mesh::common_root::listed;
use crate::mesh::fleet::ClusterName;
use crate::mesh::trust_matrix::{Grid, Pairs, TrustMatrix, Verdict};

/// The groups that a matrix shows at most: more do not fit a screen. The pairs are counted all the same.
pub(in crate::cli) const MOST_GROUPS: usize = 16;
/// The reasons that are told at most.
const MOST_REASONS: usize = 26;

/// For people: one line where all verify all; else a matrix of the groups, and why not.
#[must_use]
pub fn words(matrix: &TrustMatrix) -> String {
    let mut text = String::from("who verifies whom\n");
    text.push_str(&told(matrix, "today", &matrix.today));
    if let Some(next) = &matrix.next {
        let when = format!("once {}", next.after);
        if next.grid == matrix.today {
            let _ = writeln!(text, "  {when}: the same");
        } else {
            text.push_str(&told(matrix, &when, &next.grid));
        }
    }
    if !matrix.left_out.is_empty() {
        let _ = writeln!(text, "  not looked into, the fleet has too many trust bundles: {}", names(&matrix.left_out));
    }
    text
}

/// Whether all verify all, today and next.
#[must_use]
pub fn is_sound(matrix: &TrustMatrix) -> bool {
    let next = matrix.next.iter().map(|next| &next.grid);
    let all = |grid: &Grid| grid.iter().flatten().all(|verdict| *verdict == Verdict::Verifies);
    std::iter::once(&matrix.today).chain(next).all(all) && matrix.left_out.is_empty()
}

/// How many pairs there are of each verdict, in words.
#[must_use]
pub fn summary(pairs: Pairs) -> String {
    let all = pairs.all();
    let mut text = match all {
        1 => format!("{} of 1 pair verifies", pairs.verified),
        _ => format!("{} of {all} pairs verify", pairs.verified),
    };
    for (number, what) in [(pairs.refused, "refuse"), (pairs.unknown, "not known")] {
        if number > 0 {
            let _ = write!(text, ", {number} {what}");
        }
    }
    text
}

/// The names of a group.
pub(in crate::cli) fn names(group: &[ClusterName]) -> String {
    listed(&group.iter().map(ClusterName::as_str).collect::<Vec<_>>())
}

/// The reasons of a grid, each once, in the order in which they are met.
pub(in crate::cli) fn reasons(grid: &Grid) -> Vec<&str> {
    let mut reasons: Vec<&str> = Vec::new();
    for why in grid.iter().flatten().filter_map(Verdict::why) {
        if !reasons.contains(&why) {
            reasons.push(why);
        }
    }
    reasons
}

fn told(matrix: &TrustMatrix, when: &str, grid: &Grid) -> String {
    let pairs = matrix.pairs(grid);
    let mut text = format!("  {when}: {}\n", summary(pairs));
    if pairs.verified == pairs.all() {
        return text;
    }
    let reasons = reasons(grid);
    let letter = |why: &str| {
        let place = reasons.iter().position(|it| *it == why).filter(|place| *place < MOST_REASONS);
        place.and_then(|place| u8::try_from(place).ok()).map_or('+', |place| char::from(b'a' + place))
    };
    let shown = matrix.groups.len().min(MOST_GROUPS);
    let heads: Vec<String> = (1..=shown).map(|number| format!("{number:>3}")).collect();
    let _ = writeln!(text, "       {}", heads.concat());
    for (number, (verdicts, group)) in grid.iter().zip(&matrix.groups).take(shown).enumerate() {
        let cell = |verdict: &Verdict| match verdict {
            Verdict::Verifies => "  √".to_owned(),
            Verdict::Refuses(why) => format!(" ×{}", letter(why)),
            Verdict::Unknown(why) => format!(" ?{}", letter(why)),
        };
        let cells: String = verdicts.iter().take(shown).map(cell).collect();
        let _ = writeln!(text, "    {:>3}{cells}  {}", number + 1, names(group));
    }
    if shown < matrix.groups.len() {
        let _ = writeln!(text, "         and {} more groups of clusters", matrix.groups.len() - shown);
    }
    for why in reasons.iter().take(MOST_REASONS) {
        let _ = writeln!(text, "      {}  {why}", letter(why));
    }
    if reasons.len() > MOST_REASONS {
        let _ = writeln!(text, "      +  {} more reasons: -o json", reasons.len() - MOST_REASONS);
    }
    text
}

/// For machines.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct TrustPart<'a> {
    /// The clusters of each group. The verdicts are about groups, by their places in this list.
    groups: Vec<Vec<&'a str>>,
    today: GridPart<'a>,
    /// Null: nothing is on its way that changes it.
    next: Option<NextPart<'a>>,
    left_out: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct GridPart<'a> {
    verified_pairs: usize,
    refused_pairs: usize,
    unknown_pairs: usize,
    /// `verdicts[verifier][peer]`.
    verdicts: Vec<Vec<VerdictPart<'a>>>,
}

#[derive(Debug, Serialize)]
struct NextPart<'a> {
    after: &'a str,
    #[serde(flatten)]
    grid: GridPart<'a>,
}

#[derive(Debug, Serialize)]
struct VerdictPart<'a> {
    verdict: &'static str,
    why: Option<&'a str>,
}

impl<'a> TrustPart<'a> {
    pub(in crate::cli) fn of(matrix: &'a TrustMatrix) -> Self {
        let words = |names: &'a Vec<ClusterName>| names.iter().map(ClusterName::as_str).collect();
        let grid = |grid: &'a Grid| {
            let pairs = matrix.pairs(grid);
            let part = |verdict: &'a Verdict| VerdictPart { verdict: verdict.as_str(), why: verdict.why() };
            GridPart {
                verified_pairs: pairs.verified,
                refused_pairs: pairs.refused,
                unknown_pairs: pairs.unknown,
                verdicts: grid.iter().map(|row| row.iter().map(part).collect()).collect(),
            }
        };
        Self {
            groups: matrix.groups.iter().map(words).collect(),
            today: grid(&matrix.today),
            next: matrix.next.as_ref().map(|next| NextPart { after: &next.after, grid: grid(&next.grid) }),
            left_out: words(&matrix.left_out),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::name;
    use crate::mesh::trust_matrix::Next;

    fn matrix(groups: &[&[&str]], today: Grid) -> TrustMatrix {
        let groups = groups.iter().map(|group| group.iter().map(|text| name(text)).collect()).collect();
        TrustMatrix { groups, today, next: None, left_out: Vec::new(), verified: 0 }
    }

    fn refuses(why: &str) -> Verdict {
        Verdict::Refuses(why.to_owned())
    }

    #[test]
    fn where_all_verify_all_one_line_says_so_and_another_that_it_stays_so() {
        let mut made = matrix(&[&["east", "far"]], vec![vec![Verdict::Verifies]]);
        assert_eq!(words(&made), "who verifies whom\n  today: 4 of 4 pairs verify\n");
        made.next = Some(Next { after: "the stage Trust has ended".to_owned(), grid: made.today.clone() });
        assert!(words(&made).ends_with("  once the stage Trust has ended: the same\n"));
        assert_eq!(summary(Pairs { verified: 1, ..Pairs::default() }), "1 of 1 pair verifies");
    }

    #[test]
    fn a_row_verifies_a_column_and_each_reason_is_told_once() {
        let unknown = Verdict::Unknown("the peer has no cacerts yet".to_owned());
        let today = vec![vec![Verdict::Verifies, refuses("it has ended")], vec![refuses("it has ended"), unknown]];
        let mut made = matrix(&[&["east", "far"], &["west"]], today);
        made.left_out = vec![name("odd")];
        let wanted = "\
who verifies whom
  today: 4 of 9 pairs verify, 4 refuse, 1 not known
         1  2
      1  √ ×a  east and far
      2 ×a ?b  west
      a  it has ended
      b  the peer has no cacerts yet
  not looked into, the fleet has too many trust bundles: odd
";
        assert_eq!(words(&made), wanted);
    }

    #[test]
    fn a_large_matrix_is_cut_and_says_so_and_all_pairs_are_counted() {
        let many = MOST_GROUPS + 11;
        let names: Vec<String> = (0..many).map(|number| format!("c{number}")).collect();
        let groups: Vec<[&str; 1]> = names.iter().map(|name| [name.as_str()]).collect();
        let groups: Vec<&[&str]> = groups.iter().map(<[&str; 1]>::as_slice).collect();
        let grid = (0..many).map(|row| vec![refuses(&format!("reason {row}")); many]).collect();
        let text = words(&matrix(&groups, grid));
        assert!(text.contains(&format!("0 of {0} pairs verify, {0} refuse", many * many)), "{text}");
        assert!(text.contains("and 11 more groups of clusters"), "{text}");
        assert!(text.contains("+  1 more reasons: -o json") && text.contains("z  reason 25"), "{text}");
    }
}

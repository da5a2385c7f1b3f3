//! Plain aligned columns: no borders, headings in capitals, two spaces between columns.

use anstyle::Style;

use crate::pki::plain_text::plain;

/// The widest cell, in characters; what is longer is cut.
const WIDEST: usize = 300;

/// One cell: its text, and how it looks where colour is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    /// A cell without colour. Control characters are taken out; an empty text becomes `-`.
    #[must_use]
    pub fn new(text: impl AsRef<str>) -> Self {
        let text = plain(text.as_ref(), WIDEST);
        Self { text: if text.is_empty() { "-".to_owned() } else { text }, style: Style::new() }
    }

    /// The cell of something that may not be known: `-` where it is not.
    #[must_use]
    pub fn of(text: Option<String>) -> Self {
        Self::new(text.unwrap_or_default())
    }

    /// Gives the cell a look. The words alone must tell as much.
    #[must_use]
    pub const fn styled(mut self, style: Style) -> Self {
        self.style = style;
        self
    }
}

/// A line of cells, and what is said after the last column, which no heading names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// One for each heading.
    pub cells: Vec<Cell>,
    /// What follows the last column.
    pub note: Option<String>,
}

/// Aligns the lines under their headings; each line ends with a newline and without trailing spaces. Widths count
/// characters. `colour`: whether the cells' looks are written.
#[must_use]
pub fn aligned(headings: &[&str], lines: &[Line], colour: bool) -> String {
    let widths: Vec<usize> = headings
        .iter()
        .enumerate()
        .map(|(column, heading)| {
            let cells = lines.iter().filter_map(|line| line.cells.get(column)).map(|cell| cell.text.chars().count());
            cells.chain(std::iter::once(heading.chars().count())).max().unwrap_or(0)
        })
        .collect();
    let heading = Line { cells: headings.iter().map(Cell::new).collect(), note: None };
    std::iter::once(&heading).chain(lines).map(|line| written(line, &widths, colour)).collect()
}

fn written(line: &Line, widths: &[usize], colour: bool) -> String {
    let note = line.note.as_deref().map(|note| plain(note, WIDEST));
    let mut text = String::new();
    let mut gap = 0;
    for (cell, width) in line.cells.iter().zip(widths) {
        text.push_str(&" ".repeat(gap));
        text.push_str(&painted(&cell.text, cell.style, colour));
        gap = width.saturating_sub(cell.text.chars().count()) + 2;
    }
    if let Some(note) = note {
        text.push_str(&" ".repeat(gap));
        text.push_str(&note);
    }
    text.push('\n');
    text
}

/// A word with its look, where colour is wanted.
#[must_use]
pub fn painted(text: &str, style: Style, colour: bool) -> String {
    if colour && !style.is_plain() {
        format!("{}{text}{}", style.render(), style.render_reset())
    } else {
        text.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use anstyle::AnsiColor;

    fn line(cells: &[&str], note: Option<&str>) -> Line {
        Line { cells: cells.iter().map(Cell::new).collect(), note: note.map(str::to_owned) }
    }

    #[test]
    fn columns_are_aligned_by_characters_and_no_line_ends_with_spaces() {
        let lines = [line(&["ost", "ok"], None), line(&["größe", ""], Some("a note"))];
        let wanted = "\
CLUSTER  STATUS
ost      ok
größe    -       a note
";
        assert_eq!(aligned(&["CLUSTER", "STATUS"], &lines, false), wanted);
    }

    #[test]
    fn colour_does_not_move_a_column() {
        let red = Style::new().fg_color(Some(AnsiColor::Red.into()));
        let cells = vec![Cell::new("EXPIRED").styled(red), Cell::new("east")];
        let lines = [Line { cells, note: None }];
        assert_eq!(aligned(&["A", "B"], &lines, true), "A        B\n\u{1b}[31mEXPIRED\u{1b}[0m  east\n");
        assert_eq!(aligned(&["A", "B"], &lines, false), "A        B\nEXPIRED  east\n");
    }

    #[test]
    fn nothing_in_a_cell_or_a_note_steers_the_terminal() {
        let made = aligned(&["A"], &[line(&["\u{1b}[2J"], Some("x\u{1b}]0;y"))], false);
        assert!(!made.contains('\u{1b}'));
    }
}

//! Text from outside, made fit for a terminal, a table and a log.

/// The text on one line and at most this many characters long, without anything that steers a terminal: breaks and
/// tabs become spaces; other control characters and those that turn the direction of writing become U+FFFD.
///
/// ```
/// use meshca::pki::plain_text::plain;
/// assert_eq!(plain("red \u{1b}[31m\nroot", 80), "red \u{fffd}[31m root");
/// ```
#[must_use]
pub fn plain(text: &str, longest: usize) -> String {
    text.chars().map(harmless).take(longest).collect()
}

fn harmless(c: char) -> char {
    match c {
        '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => ' ',
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        c if c.is_control() => char::REPLACEMENT_CHARACTER,
        c => c,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_steers_a_terminal_is_left() {
        let made = plain("a\u{1b}[2Jb\u{9b}c\u{202e}d\re", 80);
        assert_eq!(made, "a\u{fffd}[2Jb\u{fffd}c\u{fffd}d e");
        assert!(!made.chars().any(char::is_control));
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(plain("äöü", 2), "äö");
    }
}

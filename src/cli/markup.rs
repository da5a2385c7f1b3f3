//! Text within HTML and XML.

use crate::pki::plain_text::plain;

/// The longest text of one element or attribute, in characters.
const LONGEST: usize = 2000;

/// Text within an element, or within an attribute in quotation marks, of HTML or XML. Characters that XML 1.0 does not know are
/// replaced.
pub(in crate::cli) fn escaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    for c in plain(text, LONGEST).chars() {
        match c {
            '&' => made.push_str("&amp;"),
            '<' => made.push_str("&lt;"),
            '>' => made.push_str("&gt;"),
            '"' => made.push_str("&quot;"),
            '\'' => made.push_str("&apos;"),
            '\u{fffe}' | '\u{ffff}' => made.push(char::REPLACEMENT_CHARACTER),
            c => made.push(c),
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_text_can_end_an_element_or_an_attribute() {
        assert_eq!(escaped("a"), "a");
        assert_eq!(escaped("</a b='c' d=\"&\">\u{fffe}"), "&lt;/a b=&apos;c&apos; d=&quot;&amp;&quot;&gt;\u{fffd}");
    }
}

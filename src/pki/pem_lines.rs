//! Whether PEM text is laid out so that every reader of it in a mesh finds the same blocks.

/// Whether each `BEGIN` and each `END` has a line for itself. Our own reader takes blocks that are glued together, that
/// follow a byte order mark, or that stand on one line; Go's, which is istiod's, passes over them.
#[must_use]
pub fn are_clean(text: &[u8]) -> bool {
    text.split(|byte| *byte == b'\n').all(|line| {
        let line = line.trim_ascii_end();
        if !holds(line, b"-----BEGIN ") && !holds(line, b"-----END ") {
            return true;
        }
        let label = line.strip_prefix(b"-----BEGIN ").or_else(|| line.strip_prefix(b"-----END "));
        label.and_then(|label| label.strip_suffix(b"-----")).is_some_and(|label| !holds(label, b"-----"))
    })
}

fn holds(line: &[u8], words: &[u8]) -> bool {
    line.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::are_clean;

    #[test]
    fn blocks_on_lines_of_their_own_are_clean_whatever_stands_around_them() {
        for text in [
            "",
            "words\n----- and rules -----\n",
            "-----BEGIN X-----\nAAAA\n-----END X-----\n",
            "words\r\n-----BEGIN X-----\r\nAAAA\r\n-----END X-----  \r\n",
            "-----BEGIN X-----\nAAAA\n-----END X-----\n-----BEGIN X-----\nAAAA\n-----END X-----",
        ] {
            assert!(are_clean(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn blocks_that_share_a_line_with_anything_are_not() {
        for text in [
            "-----BEGIN X-----AAAA-----END X-----",
            "-----BEGIN X-----\nAAAA\n-----END X----------BEGIN X-----\nAAAA\n-----END X-----\n",
            "\u{feff}-----BEGIN X-----\nAAAA\n-----END X-----\n",
            " -----BEGIN X-----\nAAAA\n-----END X-----\n",
            "-----BEGIN X-----\nAAAA-----END X-----\n",
            "-----BEGIN X-----\nAAAA\n-----END X----- more\n",
            "-----BEGIN X----\nAAAA\n",
        ] {
            assert!(!are_clean(text.as_bytes()), "{text}");
        }
    }
}

//! Sources as text: which files there are, and what of a Rust file is code.
//!
//! This is a reader of characters and not a compiler: a macro could hide something from it. It is a fence against slips.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::panic, reason = "sources that cannot be read are a failed test")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

/// Files by their path from the top of the project, with `/` between folders.
pub(crate) type Tree = BTreeMap<String, String>;

/// The text files under the top of the project whose path is wanted. What is built, and what git keeps, is passed over.
pub(crate) fn read_tree(wanted: impl Fn(&str) -> bool) -> Tree {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut tree = Tree::new();
    let mut folders = vec![top.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().unwrap_or_else(|error| panic!("{}: {error}", folder.display())).flatten() {
            let path = entry.path();
            let name = path.strip_prefix(top).unwrap_or(&path).display().to_string();
            if path.is_dir() {
                if !["target", ".git"].iter().any(|passed| path.ends_with(passed)) {
                    folders.push(path);
                }
            } else if wanted(&name)
                && let Ok(text) = std::fs::read_to_string(&path)
            {
                tree.insert(name, text);
            }
        }
    }
    tree
}

/// The text with a space for each byte of a comment, a string or a character, so that only code remains, where it was.
pub(crate) fn code(text: &str) -> String {
    let bytes = text.as_bytes();
    let at = |index: usize| bytes.get(index).copied().unwrap_or(b'\n');
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let mut code = String::with_capacity(text.len());
    let mut from = 0;
    while from < bytes.len() {
        let begins_word = from == 0 || !is_word(at(from - 1));
        let end = match (at(from), at(from + 1)) {
            (b'/', b'/') => (from..).find(|it| at(*it) == b'\n').unwrap_or(bytes.len()),
            (b'/', b'*') => end_of_block_comment(bytes, from),
            (b'"', _) => end_of_string(bytes, from + 1),
            (b'\'', _) => end_of_character(text, from).unwrap_or(from),
            (b'r', b'"' | b'#') if begins_word => end_of_raw_string(bytes, from + 1).unwrap_or(from),
            (b'b' | b'c', b'r') if begins_word => end_of_raw_string(bytes, from + 2).unwrap_or(from),
            _ => from,
        };
        if end == from {
            code.push(if at(from).is_ascii() { char::from(at(from)) } else { ' ' });
            from += 1;
        } else {
            code.extend((from..end).map(|it| if at(it) == b'\n' { '\n' } else { ' ' }));
            from = end;
        }
    }
    code
}

fn end_of_block_comment(bytes: &[u8], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while at < bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += 1;
        }
    }
    at.min(bytes.len())
}

fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_raw_string(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let hashes = rest.iter().take_while(|byte| **byte == b'#').count();
    let close: Vec<u8> = [b'"'].into_iter().chain(std::iter::repeat_n(b'#', hashes)).collect();
    let inside = rest.get(hashes..)?.strip_prefix(b"\"")?;
    let length = inside.windows(close.len()).position(|it| it == close)?;
    Some(from + hashes + 1 + length + close.len())
}

/// `None`: a lifetime.
fn end_of_character(text: &str, from: usize) -> Option<usize> {
    let mut inside = text.get(from + 1..)?.char_indices();
    match inside.next()? {
        (_, '\\') => inside.skip(1).find(|(_, it)| *it == '\'').map(|(at, _)| from + 1 + at + 1),
        _ => inside.next().filter(|(_, it)| *it == '\'').map(|(at, _)| from + 1 + at + 1),
    }
}

/// Where the attributes of this code stand, from `#` to `]`.
pub(crate) fn attributes(code: &str) -> Vec<Range<usize>> {
    let starts = code.match_indices('#').map(|(at, _)| at);
    let ranges = starts.filter_map(|at| {
        let rest = code.get(at + 1..)?;
        let inside = rest.strip_prefix('!').unwrap_or(rest);
        inside.starts_with('[').then(|| at..end_of_pair(code, at, b'[', b']'))
    });
    ranges.collect()
}

/// Where the items under `#[cfg(test)]` stand, attribute included.
pub(crate) fn test_items(code: &str) -> Vec<Range<usize>> {
    let tests = attributes(code).into_iter().filter_map(|attribute| {
        let is_test = squeezed(code.get(attribute.clone())?) == "#[cfg(test)]";
        let opens = attribute.end + code.get(attribute.end..)?.find(['{', ';'])?;
        is_test.then(|| attribute.start..end_of_pair(code, opens, b'{', b'}'))
    });
    tests.collect()
}

/// The code without what only the tests of its own file see.
pub(crate) fn without_tests(code: &str) -> String {
    let mut rest = code.as_bytes().to_vec();
    for item in test_items(code) {
        rest.iter_mut().take(item.end).skip(item.start).filter(|it| **it != b'\n').for_each(|it| *it = b' ');
    }
    String::from_utf8(rest).unwrap_or_default()
}

/// The end of what opens at or after this place; right after it, if nothing does there.
fn end_of_pair(code: &str, from: usize, open: u8, close: u8) -> usize {
    let mut depth = 0_usize;
    for (at, byte) in code.bytes().enumerate().skip(from) {
        if byte == open {
            depth += 1;
        } else if byte == close {
            depth = depth.saturating_sub(1);
            if depth == 0 {
                return at + 1;
            }
        } else if byte == b';' && depth == 0 {
            return at + 1;
        }
    }
    code.len()
}

/// The text without its white space.
pub(crate) fn squeezed(text: &str) -> String {
    text.split_whitespace().collect()
}

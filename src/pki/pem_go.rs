//! PEM text as Go's `encoding/pem` reads it, and with it istiod and istio-agent.

use crate::pki::pem_block::{PemBlock, base64};

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// All blocks that calling Go's `pem.Decode` again and again on the rest gives.
///
/// The rules are those of `encoding/pem` since Go 1.25.2 (the last BEGIN before the first END counts); earlier ones
/// lose the block after a truncated one as well.
pub(crate) fn read(text: &[u8]) -> Vec<PemBlock> {
    let mut lines = LineCounter::new(text);
    let mut blocks = Vec::new();
    let mut position = 0;
    while let Some((block, next)) = go_decode(text, position, &mut lines) {
        blocks.push(block);
        position = next;
    }
    blocks
}

fn go_decode(text: &[u8], from: usize, lines: &mut LineCounter<'_>) -> Option<(PemBlock, usize)> {
    let mut position = from;
    loop {
        let end = position + find(text.get(position..)?, END)?;
        let after_end = end + END.len();
        let begin = rfind(text.get(position..end)?, BEGIN).map(|at| position + at);
        let Some(begin) = begin.filter(|at| *at == position || text.get(at.wrapping_sub(1)) == Some(&b'\n')) else {
            position = after_end;
            continue;
        };
        let (label_line, mut body) = line(text, begin + BEGIN.len());
        position = after_end;
        let Some(label) = label_line.strip_suffix(DASHES) else { continue };
        let mut has_headers = false;
        loop {
            if body >= text.len() {
                return None;
            }
            let (header, next) = line(text, body);
            if !header.contains(&b':') {
                break;
            }
            has_headers = true;
            body = next;
        }
        if after_end < body {
            return None;
        }
        if has_headers && end < body {
            continue;
        }
        let trailer = text.get(after_end..)?;
        let Some(after_label) = trailer.strip_prefix(label) else { continue };
        let Some(rest_of_line) = after_label.strip_prefix(DASHES) else { continue };
        if !line(rest_of_line, 0).0.is_empty() {
            continue;
        }
        // In an empty block the newline before END is the one after BEGIN: the body ends before it begins.
        let Some(der) = base64(text.get(body..end).unwrap_or_default()) else { continue };
        let next = line(text, after_end).1;
        let label = String::from_utf8_lossy(label).into_owned();
        return Some((PemBlock { label, der, line: lines.at(begin), has_headers, end: next }, next));
    }
}

/// The line that begins here, without blanks at its end, and where the next one begins.
fn line(text: &[u8], from: usize) -> (&[u8], usize) {
    let rest = text.get(from..).unwrap_or_default();
    let (content, next) = match rest.iter().position(|byte| *byte == b'\n') {
        Some(length) => {
            let content = rest.get(..length).unwrap_or_default();
            (content.strip_suffix(b"\r").unwrap_or(content), from + length + 1)
        }
        None => (rest, text.len()),
    };
    let kept = content.iter().rposition(|byte| !matches!(byte, b' ' | b'\t')).map_or(0, |last| last + 1);
    (content.get(..kept).unwrap_or_default(), next)
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    let first = what.first()?;
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        let at = from + rest.iter().position(|byte| byte == first)?;
        if text.get(at..)?.starts_with(what) {
            return Some(at);
        }
        from = at + 1;
    }
}

fn rfind(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).rposition(|window| window == what)
}

/// Counts lines while walking forward, so that many questions cost one pass.
struct LineCounter<'a> {
    text: &'a [u8],
    position: usize,
    line: usize,
}

impl<'a> LineCounter<'a> {
    const fn new(text: &'a [u8]) -> Self {
        Self { text, position: 0, line: 1 }
    }

    fn at(&mut self, position: usize) -> usize {
        let passed = self.text.get(self.position..position).unwrap_or_default();
        self.line += passed.iter().filter(|byte| **byte == b'\n').count();
        self.position = self.position.max(position);
        self.line
    }
}

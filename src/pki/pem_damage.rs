//! What is odd about a PEM text, line by line: the reasons behind what its readers refuse or lose.

use zeroize::Zeroizing;

use crate::pki::pem_block::base64;

/// One kind of oddity in one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub kind: DamageKind,
    /// The first line where it was seen, counted from 1.
    pub line: usize,
    /// How often it was seen.
    pub count: usize,
}

/// The kinds of oddities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DamageKind {
    /// An END line and a BEGIN line share a line: Go loses both blocks.
    Glued,
    /// A BEGIN line without its END line, or an END line without its BEGIN line.
    Truncated,
    /// What stands between BEGIN and END is not base64.
    BadBase64,
    /// Nothing stands between BEGIN and END.
    EmptyBlock,
    /// A blank line between base64 lines: Go takes it, BoringSSL does not.
    BlankLine,
    /// Header lines before the base64 lines: Go takes them, BoringSSL does not.
    Header,
    /// A BEGIN line that does not start its line.
    Indented,
    /// A byte order mark at the start.
    ByteOrderMark,
    /// A NUL byte.
    Nul,
    /// The text does not end with a newline.
    NoFinalNewline,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let words = match self.kind {
            DamageKind::Glued => "an END and a BEGIN share a line: istiod loses both blocks",
            DamageKind::Truncated => "a BEGIN without its END, or an END without its BEGIN",
            DamageKind::BadBase64 => "something that is not base64",
            DamageKind::EmptyBlock => "an empty block",
            DamageKind::BlankLine => "a blank line within a block: Envoy refuses the whole text",
            DamageKind::Header => "header lines: Envoy refuses the whole text",
            DamageKind::Indented => "a BEGIN that does not start its line",
            DamageKind::ByteOrderMark => "a byte order mark",
            DamageKind::Nul => "a NUL byte",
            DamageKind::NoFinalNewline => "no newline at the end",
        };
        write!(f, "line {}: {words}", self.line)
    }
}

pub(in crate::pki) struct Scan {
    pub(in crate::pki) damage: Vec<Damage>,
    pub(in crate::pki) begins: usize,
}

struct Open<'a> {
    label: &'a [u8],
    line: usize,
    body: Zeroizing<Vec<u8>>,
    headers: bool,
    blank_pending: Option<usize>,
}

/// Walks the text once.
pub(in crate::pki) fn scan(text: &[u8]) -> Scan {
    let mut notes = Notes(Vec::new());
    let mut begins = 0;
    let mut open: Option<Open<'_>> = None;
    let marks: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];
    if marks.iter().any(|mark| text.starts_with(mark)) {
        notes.add(DamageKind::ByteOrderMark, 1);
    }
    if !text.is_empty() && text.last() != Some(&b'\n') {
        notes.add(DamageKind::NoFinalNewline, text.iter().filter(|byte| **byte == b'\n').count() + 1);
    }
    for (index, raw) in text.split(|byte| *byte == b'\n').enumerate() {
        let number = index + 1;
        if raw.contains(&0) {
            notes.add(DamageKind::Nul, number);
        }
        let line = raw.trim_ascii();
        let begin_at = position(line, b"-----BEGIN ");
        begins += usize::from(begin_at.is_some());
        if raw.starts_with(b"-----END ") {
            if begin_at.is_some() {
                notes.add(DamageKind::Glued, number);
                open = Some(Open::new(&[], number));
            } else {
                close(open.take(), line, number, &mut notes);
            }
        } else if begin_at.is_some() && !raw.starts_with(b"-----BEGIN ") {
            if !(number == 1 && marks.iter().any(|mark| text.starts_with(mark))) {
                notes.add(DamageKind::Indented, number);
            }
            // The block is lost to its readers; what is in it is not looked at, up to its END line.
            open = Some(Open::new(&[], number));
        } else if begin_at.is_some() {
            if let Some(unfinished) = open.take() {
                unfinished.abandon(&mut notes);
            }
            let label = line.strip_prefix(b"-----BEGIN ").and_then(|rest| rest.strip_suffix(b"-----"));
            open = label.map(|label| Open::new(label, number));
        } else if let Some(block) = &mut open {
            block.take(line, number, &mut notes);
        }
    }
    if let Some(unfinished) = open {
        unfinished.abandon(&mut notes);
    }
    Scan { damage: notes.0, begins }
}

fn close(open: Option<Open<'_>>, line: &[u8], number: usize, notes: &mut Notes) {
    let Some(block) = open else {
        notes.add(DamageKind::Truncated, number);
        return;
    };
    if block.label.is_empty() {
        return;
    }
    let label = line.strip_prefix(b"-----END ").and_then(|rest| rest.strip_suffix(b"-----"));
    if label != Some(block.label) {
        notes.add(DamageKind::Truncated, block.line);
    } else if block.body.is_empty() {
        notes.add(DamageKind::EmptyBlock, block.line);
    } else if base64(&block.body).is_none() {
        notes.add(DamageKind::BadBase64, block.line);
    } else if let Some(blank) = block.blank_pending {
        notes.add(DamageKind::BlankLine, blank);
    }
}

impl<'a> Open<'a> {
    fn new(label: &'a [u8], line: usize) -> Self {
        Self { label, line, body: Zeroizing::new(Vec::new()), headers: false, blank_pending: None }
    }

    fn abandon(self, notes: &mut Notes) {
        if !self.label.is_empty() {
            notes.add(DamageKind::Truncated, self.line);
        }
    }

    fn take(&mut self, line: &[u8], number: usize, notes: &mut Notes) {
        if self.label.is_empty() {
            return;
        }
        if self.body.is_empty() && line.contains(&b':') {
            if !self.headers {
                notes.add(DamageKind::Header, number);
            }
            self.headers = true;
        } else if line.is_empty() {
            // One blank line between headers and base64 is how headers are written.
            if !(self.headers && self.body.is_empty()) && self.blank_pending.is_none() {
                self.blank_pending = Some(number);
            }
        } else {
            self.body.extend_from_slice(line);
        }
    }
}

struct Notes(Vec<Damage>);

impl Notes {
    fn add(&mut self, kind: DamageKind, line: usize) {
        match self.0.iter_mut().find(|known| known.kind == kind) {
            Some(known) => known.count += 1,
            None => self.0.push(Damage { kind, line, count: 1 }),
        }
    }
}

fn position(line: &[u8], what: &[u8]) -> Option<usize> {
    line.windows(what.len()).position(|window| window == what)
}

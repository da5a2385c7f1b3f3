//! PEM text from outside, read as its readers read it: Go's `encoding/pem` (istiod, istio-agent) and BoringSSL (Envoy).
//!
//! The two disagree about damaged text, and a file that one of them takes can stop the other. Everything here is
//! linear in the length of the text and bounded by [`MOST_TEXT`] and [`MOST_BLOCKS`].

use std::fmt;

use zeroize::Zeroizing;

use crate::pki::pem_boringssl;
use crate::pki::pem_damage::{self, Damage};
use crate::problem::{Code, Problem};

/// The most text that is read, in bytes. Kubernetes takes at most 1 MiB in one Secret.
pub const MOST_TEXT: usize = 4 * 1024 * 1024;
/// The most blocks that are read in one text.
pub const MOST_BLOCKS: usize = 10_000;

/// One text of PEM blocks, as each of its readers sees it.
#[derive(Debug, Clone)]
pub struct PemText {
    /// The blocks that Go finds, in order.
    pub blocks: Vec<PemBlock>,
    /// The blocks that BoringSSL finds, or why it refuses the whole text.
    pub boringssl: Result<Vec<PemBlock>, String>,
    /// What is odd about the text: each kind once, with the first line where it was seen.
    pub damage: Vec<Damage>,
}

/// One block. Its bytes may be a private key: they are wiped when it is dropped and never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PemBlock {
    /// What stands after `BEGIN`.
    pub label: String,
    /// The decoded bytes.
    pub der: Zeroizing<Vec<u8>>,
    /// The line of `BEGIN`, counted from 1.
    pub line: usize,
    /// Whether there are header lines (`Name: value`). Go's `CertPool.AppendCertsFromPEM` skips such blocks.
    pub has_headers: bool,
    /// Where the block's text ends: the beginning of the line after `END`, in bytes.
    pub end: usize,
}

impl PemBlock {
    /// Whether the label says that this is a private key of some form.
    #[must_use]
    pub fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }

    /// Whether the label is `CERTIFICATE`.
    #[must_use]
    pub fn is_certificate(&self) -> bool {
        self.label == "CERTIFICATE"
    }
}

impl fmt::Debug for PemBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PemBlock({:?}, line {}, {} bytes)", self.label, self.line, self.der.len())
    }
}

impl PemText {
    /// Reads a text. Damage is no error: it is in the result.
    ///
    /// Does not check what is in the blocks.
    ///
    /// # Errors
    /// `pem-too-large` beyond [`MOST_TEXT`] bytes or [`MOST_BLOCKS`] blocks.
    pub fn read(text: &[u8]) -> Result<Self, Problem> {
        if text.len() > MOST_TEXT {
            let what = format!("{} bytes of PEM text, more than the {MOST_TEXT} that are read", text.len());
            return Err(Problem::new(Code::PemTooLarge, what).hint("see what it is with: head -c 300 FILE"));
        }
        let scan = pem_damage::scan(text);
        if scan.begins > MOST_BLOCKS {
            let what = format!("{} PEM blocks, more than the {MOST_BLOCKS} that are read", scan.begins);
            return Err(Problem::new(Code::PemTooLarge, what).hint("count them with: grep -c BEGIN FILE"));
        }
        Ok(Self { blocks: go_blocks(text), boringssl: pem_boringssl::read(text), damage: scan.damage })
    }

    /// The first block that Go finds: what istiod takes of `ca-cert.pem` and of the key file.
    #[must_use]
    pub fn first(&self) -> Option<&PemBlock> {
        self.blocks.first()
    }
}

const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"\n-----END ";
const DASHES: &[u8] = b"-----";

/// All blocks that calling Go's `pem.Decode` again and again on the rest gives.
///
/// The rules are those of `encoding/pem` since Go 1.25.2 (the last BEGIN before the first END counts); earlier ones
/// lose the block after a truncated one as well.
fn go_blocks(text: &[u8]) -> Vec<PemBlock> {
    let mut lines = LineCounter::new(text);
    let mut blocks = Vec::new();
    let mut position = 0;
    while let Some((block, next)) = go_decode(text, position, &mut lines) {
        blocks.push(block);
        if next <= position || next >= text.len() {
            break;
        }
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
        if after_end < body {
            return None;
        }
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
        let der = if end > body {
            let Some(der) = base64(text.get(body..end)?) else { continue };
            der
        } else {
            Zeroizing::new(Vec::new())
        };
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

/// Base64 as Go's `StdEncoding` and BoringSSL's `EVP_DecodeUpdate` take it: blanks and line ends anywhere, whole
/// groups of four, padding at the end only.
pub(in crate::pki) fn base64(text: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3 + 3));
    let mut group = 0_u32;
    let mut digits = 0;
    let mut padding = 0;
    for byte in text {
        let value = match byte {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'=' if digits >= 2 => {
                padding += 1;
                0
            }
            _ if padding > 0 => return None,
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        group = group << 6 | u32::from(value);
        digits += 1;
        if digits == 4 {
            let [_, a, b, c] = group.to_be_bytes();
            bytes.extend([a, b, c].into_iter().take(3 - padding));
            (group, digits) = (0, 0);
            if padding > 0 {
                // Nothing but blanks may follow; a further character finds `padding` set, a further `=` no digits.
                continue;
            }
        }
    }
    (digits == 0).then_some(bytes)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::pem_damage::DamageKind;
    use proptest::prelude::*;

    const BODY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4v";

    fn block(body: &str) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
    }

    fn read(text: &str) -> PemText {
        PemText::read(text.as_bytes()).unwrap()
    }

    fn kinds(text: &PemText) -> Vec<DamageKind> {
        text.damage.iter().map(|damage| damage.kind).collect()
    }

    #[test]
    fn a_sound_text_is_the_same_to_both_readers_and_has_no_damage() {
        let text = read(&format!("a comment\n{}\n# more\n{}", block(BODY), block(BODY)));
        assert_eq!(text.blocks.len(), 2);
        assert_eq!(text.boringssl.as_ref().unwrap().len(), 2);
        assert_eq!(text.blocks[0].der.len(), 48);
        assert_eq!((text.blocks[0].line, text.blocks[1].line), (2, 7));
        assert!(text.damage.is_empty(), "{:?}", text.damage);
    }

    #[test]
    fn windows_line_ends_harm_nobody() {
        let text = read(&block(BODY).replace('\n', "\r\n"));
        assert_eq!((text.blocks.len(), text.boringssl.unwrap().len(), text.damage.len()), (1, 1, 0));
    }

    #[test]
    fn two_blocks_glued_together_are_both_lost_to_go_and_a_third_one_is_not() {
        let glued = format!("{}{}", block(BODY).trim_end(), block(BODY));
        let text = read(&format!("{glued}{}", block(BODY)));
        assert_eq!(text.blocks.len(), 1);
        assert_eq!(kinds(&text), [DamageKind::Glued]);
        assert!(text.boringssl.is_err());
        assert!(read(&glued).blocks.is_empty());
    }

    #[test]
    fn a_truncated_block_is_passed_over_by_go_and_stops_boringssl() {
        let cut = format!("-----BEGIN CERTIFICATE-----\n{BODY}\n");
        let text = read(&format!("{cut}{}", block(BODY)));
        assert_eq!(text.blocks.len(), 1);
        assert_eq!(kinds(&text), [DamageKind::Truncated]);
        assert!(text.boringssl.is_err());
        assert!(read(&cut).boringssl.is_err());
    }

    #[test]
    fn broken_base64_and_an_empty_block_stop_boringssl_only() {
        let broken = read(&format!("{}{}", block("A*CD"), block(BODY)));
        assert_eq!((broken.blocks.len(), kinds(&broken)), (1, vec![DamageKind::BadBase64]));
        assert_eq!(broken.boringssl.unwrap_err(), "BAD_BASE64_DECODE (block of line 1)");
        let empty = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
        let empty = read(&format!("{empty}{}", block(BODY)));
        assert_eq!((empty.blocks.len(), kinds(&empty)), (2, vec![DamageKind::EmptyBlock]));
        assert!(empty.blocks[0].der.is_empty());
        assert!(empty.boringssl.is_err());
    }

    #[test]
    fn blank_lines_and_headers_are_taken_by_go_and_refused_by_boringssl() {
        let blank = read(&block(&format!("{BODY}\n\n{BODY}")));
        assert_eq!((blank.blocks.len(), kinds(&blank)), (1, vec![DamageKind::BlankLine]));
        assert!(blank.boringssl.is_err());
        let header = read(&block(&format!("Subject: me\n\n{BODY}")));
        assert_eq!((header.blocks.len(), kinds(&header)), (1, vec![DamageKind::Header]));
        assert!(header.blocks[0].has_headers);
        assert_eq!(header.boringssl.unwrap_err(), "NOT_PROC_TYPE (block of line 1)");
    }

    #[test]
    fn a_begin_line_must_start_its_line() {
        for before in ["  ", "x", "\u{feff}"] {
            let text = read(&format!("{before}{}", block(BODY)));
            assert!(text.blocks.is_empty());
            assert!(text.boringssl.unwrap().is_empty());
            assert_eq!(text.damage.len(), 1);
        }
        let text = read(&format!("\u{feff}{}", block(BODY)));
        assert_eq!(kinds(&text), [DamageKind::ByteOrderMark]);
    }

    #[test]
    fn a_nul_and_a_missing_newline_at_the_end_are_seen() {
        let text = read(&format!("\0\n{}", block(BODY).trim_end()));
        assert_eq!(kinds(&text), [DamageKind::NoFinalNewline, DamageKind::Nul]);
        assert_eq!((text.blocks.len(), text.boringssl.unwrap().len()), (1, 1));
    }

    #[test]
    fn text_and_blocks_are_bounded_on_both_sides_of_the_line() {
        let many = |count: usize| "-----BEGIN A-----\nAAAA\n-----END A-----\n".repeat(count);
        assert_eq!(read(&many(MOST_BLOCKS)).blocks.len(), MOST_BLOCKS);
        for count in [MOST_BLOCKS + 1, 100_000] {
            assert_eq!(PemText::read(many(count).as_bytes()).unwrap_err().code(), Code::PemTooLarge);
        }
        assert!(PemText::read(&vec![b'\n'; MOST_TEXT]).is_ok());
        for length in [MOST_TEXT + 1, 10_000_000] {
            assert_eq!(PemText::read(&vec![b'-'; length]).unwrap_err().code(), Code::PemTooLarge);
        }
    }

    #[test]
    fn a_block_is_never_shown() {
        let text = read(&block(BODY));
        assert!(!format!("{text:?}").contains("AAEC") && !format!("{text:?}").contains("[0, 1"));
    }

    #[test]
    fn base64_wants_whole_groups_and_padding_at_the_end() {
        for (text, length) in
            [("", Some(0)), ("AA==", Some(1)), ("AA\n= =", Some(1)), ("AAA=", Some(2)), ("AAAA", Some(3))]
        {
            assert_eq!(base64(text.as_bytes()).map(|bytes| bytes.len()), length, "{text}");
        }
        for text in ["A", "AA", "AAA", "A===", "AA=A", "AA==A", "AA===", "AAAA=", "====", "AA==AAAA"] {
            assert!(base64(text.as_bytes()).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = PemText::read(&bytes);
        }

        #[test]
        fn arbitrary_pieces_of_pem_never_panic_and_sound_text_is_read_alike(pieces in proptest::collection::vec(
            prop_oneof![
                Just("-----BEGIN CERTIFICATE-----"), Just("-----END CERTIFICATE-----"), Just("-----BEGIN "),
                Just("-----END "), Just("-----"), Just("\n"), Just("\r\n"), Just(" "), Just("AAAA"), Just("AA=="),
                Just("A"), Just("a: b"), Just("\n\n"), Just("\0"), Just(BODY),
            ], 0..40)) {
            let text = PemText::read(pieces.concat().as_bytes()).unwrap();
            // Whatever BoringSSL reads without complaint, Go reads, too, unless it is glued or headed oddly.
            if let (Ok(theirs), true) = (&text.boringssl, text.damage.is_empty()) {
                let ours: Vec<_> = text.blocks.iter().map(|block| &block.der).collect();
                prop_assert_eq!(theirs.iter().map(|block| &block.der).collect::<Vec<_>>(), ours);
            }
        }
    }
}

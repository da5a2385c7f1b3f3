//! PEM text from outside, read as its readers read it: Go's `encoding/pem` (istiod, istio-agent) and BoringSSL (Envoy).
//!
//! The two disagree about damaged text, and a file that one of them takes can stop the other. Everything here is
//! linear in the length of the text and bounded by [`MOST_TEXT`] and [`MOST_BLOCKS`].

use crate::pki::pem_block::PemBlock;
use crate::pki::pem_damage::{self, Damage};
use crate::pki::{pem_boringssl, pem_go};
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
        Ok(Self { blocks: pem_go::read(text), boringssl: pem_boringssl::read(text), damage: scan.damage })
    }

    /// The first block that Go finds: what istiod takes of `ca-cert.pem` and of the key file.
    #[must_use]
    pub fn first(&self) -> Option<&PemBlock> {
        self.blocks.first()
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
        assert_eq!(text.first(), Some(&text.blocks[0]));
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
        assert!(PemText::read(&vec![b'\n'; 4_194_304]).is_ok());
        for length in [4_194_305, 10_000_000] {
            assert_eq!(PemText::read(&vec![b'-'; length]).unwrap_err().code(), Code::PemTooLarge);
        }
    }

    #[test]
    fn a_block_is_never_shown() {
        let text = read(&block(BODY));
        assert!(!format!("{text:?}").contains("AAEC") && !format!("{text:?}").contains("[0, 1"));
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

    #[test]
    fn headers_end_before_the_end_line_or_go_reads_on_behind_it() {
        let with_headers = |rest: &str| format!("-----BEGIN X-----\na: b\n{rest}");
        let blocks = |text: &str| read(&format!("{text}\n{}", block(BODY))).blocks.len();
        assert_eq!(blocks(&with_headers("\n-----END X-----")), 2, "a blank line between, and no body");
        assert_eq!(blocks(&with_headers("-----END X-----")), 1, "nothing between");
        assert_eq!(blocks(&with_headers("-----END X-----: c")), 0, "the END line is taken for a header");
    }

    #[test]
    fn boringssl_passes_over_headers_of_blocks_that_envoy_does_not_look_at() {
        let headed = |label: &str, lines: &str| {
            read(&format!("\n\n-----BEGIN {label}-----\na: b\n\n{lines}-----END {label}-----\n")).boringssl
        };
        let longest = BODY.split_at(64).0;
        for lines in ["AAAA\n", &format!("{longest}\n"), &format!("{longest}\nAAAA\n")] {
            let blocks = headed("X", lines).unwrap();
            assert_eq!((blocks.len(), blocks[0].line, blocks[0].has_headers), (1, 3, true), "{lines}");
            for label in ["CERTIFICATE", "X509 CRL", "EC PRIVATE KEY"] {
                assert_eq!(headed(label, lines).unwrap_err(), "NOT_PROC_TYPE (block of line 3)");
            }
        }
        for lines in [format!("{longest}A\n"), "AAAA\nAAAA\n".to_owned()] {
            assert_eq!(headed("X", &lines).unwrap_err(), "BAD_END_LINE (block of line 3)", "{lines}");
        }
    }

    #[test]
    fn boringssl_cuts_blanks_off_the_ends_of_lines_and_counts_lines_as_go_does() {
        let text = read(&block(BODY).repeat(2).replace('\n', " \t \n"));
        let lines =
            |blocks: &[PemBlock]| blocks.iter().map(|block| (block.line, block.has_headers)).collect::<Vec<_>>();
        assert_eq!(lines(text.boringssl.as_ref().unwrap()), [(1, false), (4, false)]);
        assert_eq!(lines(&text.blocks), [(1, false), (4, false)]);
    }

    #[test]
    fn damage_is_told_with_its_first_line_and_how_often_it_was_seen() {
        let text = read("\0\n\n\0\0\n\0");
        let seen: Vec<_> = text.damage.iter().map(|it| (it.kind, it.line, it.count)).collect();
        assert_eq!(seen, [(DamageKind::NoFinalNewline, 4, 1), (DamageKind::Nul, 1, 3)]);
        assert_eq!(text.damage[0].to_string(), "line 4: no newline at the end");
    }

    #[test]
    fn a_blank_line_is_damage_but_for_the_one_that_ends_the_headers() {
        let damage = |body: &str| kinds(&read(&block(body)));
        assert_eq!(damage(&format!("\n{BODY}")), [DamageKind::BlankLine]);
        assert_eq!(damage(&format!("a: b\n\n{BODY}")), [DamageKind::Header]);
        assert_eq!(damage(&format!("a: b\n\n{BODY}\n\nAAAA")), [DamageKind::Header, DamageKind::BlankLine]);
    }
}

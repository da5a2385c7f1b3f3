//! One block of PEM text, and the base64 in it.

use std::fmt;

use zeroize::Zeroizing;

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
            // After padding nothing but blanks may follow: a further character finds `padding` set, a further `=` no digits.
            (group, digits) = (0, 0);
        }
    }
    (digits == 0).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn base64_is_decoded_digit_by_digit() {
        let all = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let bytes = base64(all.as_bytes()).unwrap();
        let digits: Vec<u8> = bytes
            .chunks(3)
            .flat_map(|it| [it[0] >> 2, (it[0] & 3) << 4 | it[1] >> 4, (it[1] & 15) << 2 | it[2] >> 6, it[2] & 63])
            .collect();
        assert_eq!(digits, (0..64).collect::<Vec<u8>>());
        assert_eq!(base64(b"aGk=").unwrap().as_slice(), b"hi");
    }

    #[test]
    fn a_label_says_what_a_block_is_and_no_byte_of_it_is_shown() {
        let block = |label: &str| PemBlock {
            label: label.to_owned(),
            der: Zeroizing::new(vec![77; 3]),
            line: 4,
            has_headers: false,
            end: 9,
        };
        let kinds = |label: &str| (block(label).is_certificate(), block(label).is_private_key());
        assert_eq!(kinds("CERTIFICATE"), (true, false));
        assert_eq!(kinds("PRIVATE KEY"), (false, true));
        assert_eq!(kinds("EC PRIVATE KEY"), (false, true));
        assert_eq!(kinds("TRUSTED CERTIFICATE"), (false, false));
        assert_eq!(format!("{:?}", block("PRIVATE KEY")), "PemBlock(\"PRIVATE KEY\", line 4, 3 bytes)");
    }
}

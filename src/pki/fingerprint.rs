//! SHA-256 over a certificate or a public key, the name by which people and pins know it.

use std::fmt;

use ring::digest::{SHA256, digest};

use crate::pki::hexadecimal::digits;

/// A SHA-256 digest: of a whole certificate (DER), or of a public key (its SubjectPublicKeyInfo, DER).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// The digest of these bytes.
    ///
    /// ```
    /// use meshca::pki::fingerprint::Fingerprint;
    /// assert!(Fingerprint::of(b"").to_string().starts_with("e3b0c442"));
    /// ```
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut sum = [0_u8; 32];
        sum.copy_from_slice(digest(&SHA256, bytes).as_ref());
        Self(sum)
    }

    /// A fingerprint as people write it: 64 hexadecimal digits, in either case, with or without colons or spaces.
    /// `None` for anything else.
    ///
    /// ```
    /// use meshca::pki::fingerprint::Fingerprint;
    /// let written = Fingerprint::of(b"root").to_string();
    /// assert_eq!(Fingerprint::parse(&written), Some(Fingerprint::of(b"root")));
    /// assert_eq!(Fingerprint::parse("8f0c"), None);
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut sum = [0_u8; 32];
        let mut digits = text.chars().filter(|c| !matches!(c, ':' | ' '));
        for byte in &mut sum {
            let high = digits.next()?.to_digit(16)?;
            let low = digits.next()?.to_digit(16)?;
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        digits.next().is_none().then_some(Self(sum))
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first and the last four digits, for tables: `8f0c…21d7`.
    #[must_use]
    pub fn short(&self) -> String {
        let [a, b, .., y, z] = self.0;
        format!("{a:02x}{b:02x}…{y:02x}{z:02x}")
    }
}

impl fmt::Display for Fingerprint {
    /// 64 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&digits(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_fingerprint_is_written_whole_short_and_in_either_case() {
        let empty = Fingerprint::of(b"");
        assert_eq!((empty.to_string().as_str(), format!("{empty:?}").as_str()), (EMPTY, EMPTY));
        assert_eq!(empty.short(), "e3b0…b855");
        assert_eq!(digits(empty.as_bytes()), EMPTY);
        let colons: Vec<String> = empty.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect();
        assert_eq!(Fingerprint::parse(&colons.join(":")), Some(empty));
        assert_eq!(Fingerprint::parse(&format!("{EMPTY}0")), None);
        assert_eq!(Fingerprint::parse(&EMPTY.replace('e', "g")), None);
    }
}

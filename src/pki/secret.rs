//! Bytes that nobody may see: wiped when dropped, never printed, never serialised.

use std::fmt;

use zeroize::Zeroizing;

/// Secret bytes: a private key in DER or PEM. There is no `Display` and no serialisation, and `Debug` hides them.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// Takes the bytes over.
    #[must_use]
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the one who writes or uses them.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A passphrase, as it was typed or as it stands in a file, without the line end.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

impl Passphrase {
    /// Takes the bytes over, without the line end that a terminal or editor adds.
    #[must_use]
    pub fn new(mut bytes: Vec<u8>) -> Self {
        for end in [b'\n', b'\r'] {
            if bytes.last() == Some(&end) {
                bytes.pop();
            }
        }
        Self(Zeroizing::new(bytes))
    }

    /// Whether nothing was typed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether both are the same.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        *self.0 == *other.0
    }

    /// The passphrase as a line of a file, for the one who writes it.
    #[must_use]
    pub fn line(&self) -> Secret {
        let mut line = self.0.to_vec();
        line.push(b'\n');
        Secret::new(line)
    }

    pub(in crate::pki) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_and_a_passphrase_print_as_redacted() {
        assert_eq!(format!("{:?}", Secret::new(b"private".to_vec())), "<redacted>");
        assert_eq!(format!("{:?}", Passphrase::new(b"private".to_vec())), "<redacted>");
    }

    #[test]
    fn only_one_line_end_is_taken_off_a_passphrase() {
        assert!(Passphrase::new(b"word\n".to_vec()).is(&Passphrase::new(b"word\r\n".to_vec())));
        assert_eq!(Passphrase::new(b"word\n\n".to_vec()).len(), 5);
    }

    #[test]
    fn passphrases_are_the_same_or_not_and_empty_or_not() {
        let [word, other, nothing] = [b"word\n".as_slice(), b"ward\n", b"\r\n"].map(|it| Passphrase::new(it.to_vec()));
        assert!(word.is(&word) && !word.is(&other) && !word.is(&nothing));
        assert!(nothing.is_empty() && !word.is_empty());
        assert_eq!(word.line().expose(), b"word\n");
    }
}

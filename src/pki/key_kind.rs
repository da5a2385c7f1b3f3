//! The kinds of keys that we make.

use std::fmt;

/// A kind of key that meshca makes. RSA, Ed25519 and P-521 are never made: istiod's key helpers know only RSA and
/// ECDSA, and not every ztunnel build has P-521 (`pkg/pki/util` of Istio; ztunnel's `Cargo.toml`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyKind {
    /// ECDSA on P-256, signing with SHA-256. The default.
    EcdsaP256,
    /// ECDSA on P-384, signing with SHA-384: each new connection in the mesh costs several times more.
    EcdsaP384,
}

impl KeyKind {
    /// Every kind.
    pub const ALL: &'static [KeyKind] = &[KeyKind::EcdsaP256, KeyKind::EcdsaP384];

    /// The word in the mesh file.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            KeyKind::EcdsaP256 => "ecdsa-p256",
            KeyKind::EcdsaP384 => "ecdsa-p384",
        }
    }

    /// The words for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            KeyKind::EcdsaP256 => "ECDSA P-256",
            KeyKind::EcdsaP384 => "ECDSA P-384",
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_word_for_the_mesh_file_and_one_for_people() {
        let written: Vec<_> = KeyKind::ALL.iter().map(|kind| (kind.to_string(), kind.as_str(), kind.title())).collect();
        let kind = |word: &'static str, title| (word.to_owned(), word, title);
        assert_eq!(written, [kind("ecdsa-p256", "ECDSA P-256"), kind("ecdsa-p384", "ECDSA P-384")]);
    }
}

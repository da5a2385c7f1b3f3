//! The one source of random bytes: the operating system's.

use ring::rand::{SecureRandom, SystemRandom};

use crate::pki::sealed_key::Salt;
use crate::pki::secret::Passphrase;
use crate::pki::serial::SerialNumber;
use crate::problem::{Code, Problem};

/// Random bytes for keys, serials, salts and signatures.
#[derive(Debug, Clone)]
pub struct Entropy(SystemRandom);

impl Default for Entropy {
    fn default() -> Self {
        Self::new()
    }
}

impl Entropy {
    /// The operating system's source.
    #[expect(clippy::disallowed_methods, reason = "this is the one file that may touch the source of random bytes")]
    #[must_use]
    pub fn new() -> Self {
        Self(SystemRandom::new())
    }

    /// The source, for the crypto provider.
    #[must_use]
    pub fn source(&self) -> &dyn SecureRandom {
        &self.0
    }

    /// A fresh serial number.
    ///
    /// # Errors
    /// `randomness-unavailable`.
    pub fn serial(&self) -> Result<SerialNumber, Problem> {
        self.bytes().map(SerialNumber::from_random)
    }

    /// What makes one sealing of a key different from all others.
    ///
    /// # Errors
    /// `randomness-unavailable`.
    pub fn salt(&self) -> Result<Salt, Problem> {
        Ok(Salt { stretching: self.bytes()?, cipher: self.bytes()? })
    }

    /// A passphrase of 26 letters and digits: 130 random bits, without characters that look alike.
    ///
    /// # Errors
    /// `randomness-unavailable`.
    pub fn passphrase(&self) -> Result<Passphrase, Problem> {
        const ALPHABET: [u8; 32] = *b"abcdefghijkmnpqrstuvwxyz23456789";
        let bytes: [u8; 26] = self.bytes()?;
        let letters = bytes.iter().filter_map(|byte| ALPHABET.get(usize::from(byte % 32)).copied());
        Ok(Passphrase::new(letters.collect()))
    }

    fn bytes<const N: usize>(&self) -> Result<[u8; N], Problem> {
        let mut bytes = [0; N];
        self.0
            .fill(&mut bytes)
            .map_err(|_| Problem::new(Code::RandomnessUnavailable, "the operating system gave no random bytes"))?;
        Ok(bytes)
    }
}

//! Serial numbers.

use std::fmt;

use crate::pki::hexadecimal::digits;

/// The serial number of a certificate: 16 bytes, positive, never shorter (RFC 5280 §4.1.2.2 allows up to 20).
///
/// rcgen would otherwise derive it from the public key, so that two certificates for one key share one serial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SerialNumber([u8; 16]);

impl SerialNumber {
    /// A serial from 16 random bytes: the first bit becomes 0, so that the number is positive, and the second 1, so
    /// that it always takes 16 bytes. 126 random bits remain.
    #[must_use]
    pub const fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[0] = (bytes[0] & 0x7f) | 0x40;
        Self(bytes)
    }

    /// The bytes, big endian.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for SerialNumber {
    /// Lower-case hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&digits(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_is_positive_and_16_bytes_long_whatever_the_random_bytes_are() {
        for bytes in [[0_u8; 16], [0xff; 16]] {
            let [first, ..] = *SerialNumber::from_random(bytes).as_bytes();
            assert!((0x40..0x80).contains(&first));
            assert_eq!(SerialNumber::from_random(bytes).to_string(), format!("{first:02x}{}", digits(&bytes[1..])));
        }
    }
}

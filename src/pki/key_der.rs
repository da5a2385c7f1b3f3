//! The DER of private and public keys, as far as comparing them needs: PKCS#8, SEC1, PKCS#1 and SubjectPublicKeyInfo.

use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384};
use rustls_pki_types::PrivatePkcs8KeyDer;
use zeroize::{Zeroize, Zeroizing};

use crate::pki::certificate::bits;

pub(in crate::pki) const RSA: &str = "1.2.840.113549.1.1.1";
pub(in crate::pki) const EC: &str = "1.2.840.10045.2.1";
pub(in crate::pki) const ED25519: &str = "1.3.101.112";
pub(in crate::pki) const P256: &str = "1.2.840.10045.3.1.7";
pub(in crate::pki) const P384: &str = "1.3.132.0.34";

/// `PrivateKeyInfo`, not looked into.
pub(in crate::pki) struct Pkcs8 {
    pub(in crate::pki) algorithm: String,
    pub(in crate::pki) curve: Option<String>,
    pub(in crate::pki) key: Zeroizing<Vec<u8>>,
}

/// `ECPrivateKey`.
pub(in crate::pki) struct EcKey {
    pub(in crate::pki) curve: String,
    scalar: Zeroizing<Vec<u8>>,
    pub(in crate::pki) public: Option<Vec<u8>>,
}

impl EcKey {
    /// Whether this point, on P-256 or P-384, is the scalar's. The library computes it while it loads the pair. A key on
    /// another curve has no such point.
    pub(in crate::pki) fn has_public_point(&self, point: &[u8]) -> bool {
        let (algorithm, curve, size) = match self.curve.as_str() {
            P256 => {
                (&PKCS_ECDSA_P256_SHA256, [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07].as_slice(), 32)
            }
            P384 => (&PKCS_ECDSA_P384_SHA384, [0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22].as_slice(), 48),
            _ => return false,
        };
        if point.len() != 2 * size + 1 {
            return false;
        }
        let Some(scalar) = padded(&self.scalar, size) else { return false };
        let mut bits = vec![0];
        bits.extend_from_slice(point);
        let inner = wrap(0x30, &[&[0x02, 1, 1], &wrap(0x04, &[&scalar]), &wrap(0xa1, &[&wrap(0x03, &[&bits])])]);
        let identifier = wrap(0x30, &[&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], curve]);
        let whole = wrap(0x30, &[&[0x02, 1, 0], &identifier, &wrap(0x04, &[&inner])]);
        let pkcs8 = PrivatePkcs8KeyDer::from(whole.as_slice());
        match rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, algorithm) {
            Ok(mut pair) => {
                // rcgen keeps a copy of the bytes, and does not wipe it by itself.
                pair.zeroize();
                true
            }
            Err(_) => false,
        }
    }
}

fn padded(scalar: &[u8], size: usize) -> Option<Zeroizing<Vec<u8>>> {
    let significant = unsigned(scalar);
    let mut whole = Zeroizing::new(vec![0; size.checked_sub(significant.len())?]);
    whole.extend_from_slice(significant);
    Some(whole)
}

fn wrap(tag: u8, parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut whole = Zeroizing::new(Vec::with_capacity(length + 4));
    whole.push(tag);
    match u8::try_from(length) {
        Ok(short @ 0..=127) => whole.push(short),
        Ok(long) => whole.extend([0x81, long]),
        Err(_) => whole.extend([0x82, (length >> 8) as u8, (length & 0xff) as u8]),
    }
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole
}

pub(in crate::pki) fn pkcs8(der: &[u8]) -> Option<Pkcs8> {
    let (outer, rest) = element(der, 0x30)?;
    let (_, outer) = element(outer, 0x02)?;
    let (algorithm, outer) = element(outer, 0x30)?;
    let (key, _) = element(outer, 0x04)?;
    let (identifier, parameters) = element(algorithm, 0x06)?;
    let curve = element(parameters, 0x06).and_then(|(curve, _)| dotted(curve));
    rest.is_empty().then_some(())?;
    Some(Pkcs8 { algorithm: dotted(identifier)?, curve, key: Zeroizing::new(key.to_vec()) })
}

pub(in crate::pki) fn sec1(der: &[u8], curve: Option<&str>) -> Option<EcKey> {
    let (inner, _) = element(der, 0x30)?;
    let (version, inner) = element(inner, 0x02)?;
    let (scalar, mut inner) = element(inner, 0x04)?;
    let mut named = curve.map(str::to_owned);
    if let Some((parameters, rest)) = element(inner, 0xa0) {
        let own = element(parameters, 0x06).and_then(|(own, _)| dotted(own));
        named = named.or(own);
        inner = rest;
    }
    let public = match inner.first() {
        Some(0xa1) => {
            let (bits, _) = element(element(inner, 0xa1)?.0, 0x03)?;
            Some(bits.strip_prefix(&[0])?.to_vec())
        }
        _ => None,
    };
    (version == [1] && !scalar.is_empty()).then_some(())?;
    let curve = named.filter(|curve| ["1.3.132.0.33", P256, P384, "1.3.132.0.35"].contains(&curve.as_str()))?;
    Some(EcKey { curve, scalar: Zeroizing::new(scalar.to_vec()), public })
}

/// What is kept of an RSA private key: its public half, and one thing about its primes.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pki) struct RsaKey {
    pub(in crate::pki) modulus: Vec<u8>,
    pub(in crate::pki) exponent: Vec<u8>,
    /// Whether its two primes lie closer together than Go allows.
    pub(in crate::pki) has_close_primes: bool,
}

/// A PKCS#1 private key.
pub(in crate::pki) fn pkcs1(der: &[u8]) -> Option<RsaKey> {
    let (inner, rest) = element(der, 0x30)?;
    let (_, inner) = element(inner, 0x02)?;
    let (modulus, inner) = element(inner, 0x02)?;
    let (exponent, inner) = element(inner, 0x02)?;
    let (_, inner) = element(inner, 0x02)?;
    // Go wants the primes to be there. Two exponents and a coefficient follow, and more primes where there are any.
    let (one, inner) = element(inner, 0x02)?;
    let (other, mut inner) = element(inner, 0x02)?;
    while let Some((_, more)) = element(inner, 0x02) {
        inner = more;
    }
    let modulus = unsigned(modulus);
    let has_close_primes = inner.is_empty() && are_close(one, other, modulus);
    let (modulus, exponent) = (modulus.to_vec(), unsigned(exponent).to_vec());
    rest.is_empty().then_some(RsaKey { modulus, exponent, has_close_primes })
}

/// `|p - q| <= 2^(n/2 - 100)`, as `crypto/internal/fips140/rsa` of Go 1.24 and later asks of keys with two primes.
fn are_close(one: &[u8], other: &[u8], modulus: &[u8]) -> bool {
    let (one, other) = (unsigned(one), unsigned(other));
    let size = one.len().max(other.len());
    let (Some(one), Some(other)) = (padded(one, size), padded(other, size)) else { return false };
    let (larger, smaller) = if *one < *other { (other, one) } else { (one, other) };
    let mut difference = Zeroizing::new(Vec::with_capacity(size));
    let mut borrow = false;
    for (high, low) in larger.iter().zip(smaller.iter()).rev() {
        let (digit, under) = high.overflowing_sub(*low);
        let (digit, under_again) = digit.overflowing_sub(u8::from(borrow));
        borrow = under || under_again;
        difference.push(digit);
    }
    difference.reverse();
    bits(unsigned(&difference)) <= (bits(modulus) / 2).saturating_sub(100)
}

/// Modulus and exponent of a PKCS#1 public key.
pub(in crate::pki) fn rsa_public(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (inner, _) = element(der, 0x30)?;
    let (modulus, inner) = element(inner, 0x02)?;
    let (exponent, _) = element(inner, 0x02)?;
    Some((unsigned(modulus).to_vec(), unsigned(exponent).to_vec()))
}

/// The public key's bits of a SubjectPublicKeyInfo.
pub(in crate::pki) fn public_bits(spki: &[u8]) -> Option<&[u8]> {
    let (inner, _) = element(spki, 0x30)?;
    let (_, inner) = element(inner, 0x30)?;
    let (bits, _) = element(inner, 0x03)?;
    bits.strip_prefix(&[0])
}

pub(in crate::pki) fn octet_string(der: &[u8]) -> Option<&[u8]> {
    element(der, 0x04).map(|(content, _)| content)
}

fn unsigned(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

/// The content of an element with this tag, and what follows it. Lengths up to 65535.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [found, first, rest @ ..] = der else { return None };
    if *found != tag {
        return None;
    }
    let (length, rest) = match (first, rest) {
        (0..=127, rest) => (usize::from(*first), rest),
        (0x81, [length, rest @ ..]) => (usize::from(*length), rest),
        (0x82, [high, low, rest @ ..]) => (usize::from(*high) << 8 | usize::from(*low), rest),
        _ => return None,
    };
    Some((rest.get(..length)?, rest.get(length..)?))
}

fn dotted(identifier: &[u8]) -> Option<String> {
    let (first, rest) = identifier.split_first()?;
    let mut text = format!("{}.{}", (first / 40).min(2), first - 40 * (first / 40).min(2));
    let mut number = 0_u64;
    for byte in rest {
        number = number.checked_mul(128)? | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            text.push_str(&format!(".{number}"));
            number = 0;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A modulus of `2^2048 - 1` and primes that differ by one bit: only their distance is looked at.
    fn with_distance(power: usize) -> bool {
        let one = [vec![0], vec![0x80; 128]].concat();
        let mut other = one.clone();
        let last = other.len() - 1;
        other[last - power / 8] |= 1 << (power % 8);
        let modulus = [vec![0], vec![0xff; 256]].concat();
        let numbers: Vec<_> = [&[0][..], &modulus, &[1, 0, 1], &[1], &one, &other, &[1], &[1], &[1]]
            .iter()
            .map(|number| wrap(0x02, &[number]))
            .collect();
        let whole = wrap(0x30, &numbers.iter().map(|it| it.as_slice()).collect::<Vec<_>>());
        let key = pkcs1(&whole).unwrap();
        assert_eq!((key.modulus.as_slice(), key.exponent.as_slice()), (&modulus[1..], &[1, 0, 1][..]));
        key.has_close_primes
    }

    #[test]
    fn primes_are_close_up_to_the_distance_that_go_refuses() {
        // A difference of 2^k has k + 1 bits; 2048 / 2 - 100 bits are too few, one more is enough.
        assert!(with_distance(0));
        assert!(with_distance(923));
        assert!(!with_distance(924));
    }

    #[test]
    fn primes_that_borrow_are_subtracted_rightly_and_equal_ones_are_close() {
        let modulus = [0xff; 256];
        let large = [vec![1], vec![0; 127]].concat();
        assert!(are_close(&large, &[0xff; 127], &modulus));
        assert!(are_close(&[0xff; 127], &large, &modulus));
        assert!(are_close(&large, &large, &modulus));
        assert!(!are_close(&large, &[1], &modulus));
    }

    #[test]
    fn an_object_identifier_is_written_with_dots_and_one_beyond_64_bits_is_not() {
        let rsa = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
        assert_eq!(dotted(&rsa).as_deref(), Some(RSA));
        assert_eq!(dotted(&[0x2b, 0x65, 0x70]).as_deref(), Some(ED25519));
        assert_eq!(dotted(&[0x55, 4, 3]).as_deref(), Some("2.5.4.3"));
        assert_eq!(dotted(&[0x88]).as_deref(), Some("2.56"));
        assert_eq!(dotted(&[&[0x2a], [0xff; 10].as_slice()].concat()), None);
        assert_eq!(dotted(&[]), None);
    }

    #[test]
    fn an_element_has_its_tag_its_length_in_one_to_three_bytes_and_all_its_content() {
        for length in [0, 127, 128, 255, 256, 65_535] {
            let content = vec![7; length];
            let whole = [wrap(0x04, &[&content]).as_slice(), &[9]].concat();
            assert_eq!(element(&whole, 0x04), Some((content.as_slice(), [9].as_slice())), "{length}");
            assert_eq!(element(&whole, 0x30), None);
            assert_eq!(element(&whole[..whole.len() - 2], 0x04), None, "{length}");
        }
        assert_eq!(element(&[0x04, 0x83, 0, 0, 1, 7], 0x04), None);
    }

    #[test]
    fn a_key_of_sec1_has_version_one_a_scalar_and_a_curve_that_go_knows() {
        let key = |version: u8, scalar: &[u8]| wrap(0x30, &[&[0x02, 1, version], &wrap(0x04, &[scalar])]);
        assert!(sec1(&key(1, &[5]), Some(P256)).is_some_and(|key| key.curve == P256 && key.public.is_none()));
        assert!(sec1(&key(2, &[5]), Some(P256)).is_none());
        assert!(sec1(&key(1, &[]), Some(P256)).is_none());
        assert!(sec1(&key(1, &[5]), None).is_none());
        assert!(sec1(&key(1, &[5]), Some("1.3.36.3.3.2.8.1.1.7")).is_none());
    }
}

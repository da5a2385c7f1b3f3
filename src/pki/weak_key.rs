//! Keys that must not be trusted: published ones, and RSA keys whose making was bad.

use std::sync::OnceLock;

use num_bigint::BigUint;

use crate::pki::certificate::{Certificate, KeyFacts, bits};
use crate::pki::published_keys::published_in;
use crate::problem::{Code, Problem};

/// The shortest RSA key that is not a finding, in bits. istiod itself takes 1024 for a plugged-in signer.
pub const SHORTEST_RSA: usize = 2048;
/// The longest RSA key that every consumer's library verifies with, in bits: ring's end there.
pub(in crate::pki) const LONGEST_USUAL_RSA: usize = 8192;
/// The smallest exponent that is no finding.
const SMALLEST_EXPONENT: u64 = 65_537;
/// The largest exponent that Go's `crypto/rsa` takes.
const LARGEST_EXPONENT: u64 = (1 << 31) - 1;
/// Steps of Fermat's method: enough for primes that were taken next to each other (CVE-2022-26320), and for nothing
/// that good randomness could make.
const FERMAT_STEPS: usize = 100;
/// The longest modulus that is looked into, in bits: the time for the checks grows with its square.
const LONGEST_LOOKED_INTO: usize = 16 * 1024;
/// Primes below this are tried as factors.
const SMALL: u32 = 65_536;

/// Whether everybody knows the private key of a certificate.
#[must_use]
pub fn is_published(cert: &Certificate) -> bool {
    published_in(cert.key_fingerprint()).is_some()
}

/// Everything that is weak about the key of a certificate: empty for a sound one.
///
/// Used as a refusal before anything is minted under, or newly trusted because of, this key, and as findings on
/// what is observed. Not checked: that the public key is a point on its curve (verifying any signature does that),
/// that an RSA modulus has exactly two factors, and shared factors between the keys of a fleet.
#[must_use]
pub fn weaknesses(cert: &Certificate) -> Vec<Problem> {
    let mut found = Vec::new();
    let subject = cert.subject();
    if let Some(file) = published_in(cert.key_fingerprint()) {
        let what = format!("the private key of \"{subject}\" is published: it comes from {file} of istio/istio");
        found.push(
            Problem::new(Code::PublishedSampleKey, what)
                .fact(format!("SHA-256 of the public key {}", cert.key_fingerprint()))
                .hint("make a root of your own: meshca root create"),
        );
    }
    match cert.public_key() {
        KeyFacts::P256 | KeyFacts::P384 => {}
        KeyFacts::Rsa { modulus, exponent } => found.extend(rsa_weaknesses(cert, modulus, *exponent)),
        KeyFacts::Other(_) => {
            let what = format!("the key of \"{subject}\" is {}, not ECDSA P-256 or P-384", cert.public_key().title());
            found.push(
                Problem::new(Code::KeyKindUnusual, what)
                    .hint("openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 makes one of a usual kind"),
            );
        }
    }
    found
}

fn rsa_weaknesses(cert: &Certificate, modulus: &[u8], exponent: Option<u64>) -> Vec<Problem> {
    let mut found = Vec::new();
    let subject = cert.subject();
    let length = bits(modulus);
    let hint = "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:4096 makes a sound one";
    if length < SHORTEST_RSA {
        let what = format!("the RSA key of \"{subject}\" has {length} bits, fewer than {SHORTEST_RSA}");
        found.push(Problem::new(Code::RsaTooShort, what).hint(hint));
    }
    if length > LONGEST_USUAL_RSA {
        let what = format!("the RSA key of \"{subject}\" has {length} bits, more than {LONGEST_USUAL_RSA}");
        let fact = "rustls verifies no signature by it, and meshca cannot either; istiod does";
        found.push(Problem::new(Code::KeyKindUnusual, what).fact(fact).hint(hint));
    }
    if !exponent.is_some_and(|exponent| (SMALLEST_EXPONENT..=LARGEST_EXPONENT).contains(&exponent) && exponent % 2 == 1)
    {
        let said = exponent.map_or_else(|| "larger than 63 bits".to_owned(), |exponent| exponent.to_string());
        let what = format!(
            "the RSA exponent of \"{subject}\" is {said}, not an odd number from {SMALLEST_EXPONENT} to {LARGEST_EXPONENT}"
        );
        found.push(Problem::new(Code::RsaWeakExponent, what).hint(hint));
    }
    if length > LONGEST_LOOKED_INTO {
        return found;
    }
    let modulus = BigUint::from_bytes_be(modulus);
    if let Some(factor) = small_factor(&modulus) {
        let what = format!("the RSA modulus of \"{subject}\" is divisible by {factor}");
        found.push(Problem::new(Code::RsaSmallFactor, what).hint(hint));
    } else if has_close_primes(&modulus) {
        let what =
            format!("the primes of the RSA key of \"{subject}\" lie so close together that Fermat's method finds them");
        found.push(Problem::new(Code::RsaClosePrimes, what).hint(hint));
    }
    found
}

/// The smallest prime below 2^16 that divides the modulus. A modulus of one is divided by none.
fn small_factor(modulus: &BigUint) -> Option<u32> {
    let digits = modulus.to_u32_digits();
    let divides = |prime: u32| {
        let rest = digits.iter().rev().fold(0_u64, |rest, digit| (rest << 32 | u64::from(*digit)) % u64::from(prime));
        rest == 0 && !digits.is_empty()
    };
    let primes = PRIMES.get_or_init(small_primes);
    primes.iter().copied().find(|prime| divides(*prime) && *modulus != BigUint::from(*prime))
}

static PRIMES: OnceLock<Vec<u32>> = OnceLock::new();

fn small_primes() -> Vec<u32> {
    let mut composite = vec![false; SMALL as usize];
    let mut primes = Vec::new();
    for number in 2..SMALL {
        if composite.get(number as usize) == Some(&false) {
            primes.push(number);
            for multiple in (number as usize..SMALL as usize).step_by(number as usize) {
                if let Some(mark) = composite.get_mut(multiple) {
                    *mark = true;
                }
            }
        }
    }
    primes
}

fn has_close_primes(modulus: &BigUint) -> bool {
    let mut a = modulus.sqrt();
    if &a * &a < *modulus {
        a += 1_u32;
    }
    for _ in 0..FERMAT_STEPS {
        let difference = &a * &a - modulus;
        let root = difference.sqrt();
        if &root * &root == difference {
            // a - root = 1 is the factorisation of a prime, which is none.
            return &a - &root > BigUint::from(1_u32);
        }
        a += 1_u32;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pki::fixture::{first, fixture};

    fn number(text: &str) -> BigUint {
        text.parse().unwrap()
    }

    /// A certificate around any modulus and exponent; who signed it does not matter.
    fn certificate(modulus: &BigUint, exponent: &BigUint) -> Certificate {
        fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
            let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
            let length = match (high, low) {
                (0, 0..=127) => vec![low],
                (0, _) => vec![0x81, low],
                _ => vec![0x82, high, low],
            };
            [&[tag], length.as_slice(), content].concat()
        }
        let number = |value: &BigUint| {
            let bytes = value.to_bytes_be();
            let sign: &[u8] = if bytes[0] < 0x80 { &[] } else { &[0] };
            wrap(0x02, &[sign, bytes.as_slice()].concat())
        };
        let key = wrap(0x30, &[number(modulus), number(exponent)].concat());
        let algorithm = [0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1, 5, 0];
        let spki = wrap(0x30, &[&algorithm[..], &wrap(0x03, &[&[0], key.as_slice()].concat())].concat());
        let public = rcgen::SubjectPublicKeyInfo::from_der(&spki).unwrap();
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        let signed = params.signed_by(&public, &rcgen::Issuer::from_params(&params, &key)).unwrap();
        Certificate::from_der(signed.der()).unwrap()
    }

    fn codes(modulus: &BigUint, exponent: u128) -> Vec<Code> {
        weaknesses(&certificate(modulus, &BigUint::from(exponent))).iter().map(Problem::code).collect()
    }

    #[test]
    fn each_weakness_of_an_rsa_key_has_its_code_and_a_sound_one_has_none() {
        let mersenne = |power: u32| (BigUint::from(1_u32) << power) - 1_u32;
        let sound = mersenne(2203) * mersenne(521); // both prime
        assert_eq!(codes(&sound, 65_537), []);
        assert_eq!(codes(&(mersenne(1279) * mersenne(521)), 65_537), [Code::RsaTooShort]);
        assert_eq!(codes(&(mersenne(2203) * 3_u32), 65_537), [Code::RsaSmallFactor]);
        assert_eq!(codes(&(mersenne(1279) * (mersenne(1279) + 10_u32)), 65_537), [Code::RsaClosePrimes]);
        for exponent in [3, 65_535, 65_538, 1 << 31 | 1, 1 << 64 | 1] {
            assert_eq!(codes(&sound, exponent), [Code::RsaWeakExponent], "{exponent}");
        }
        assert_eq!(codes(&sound, (1 << 31) - 1), []);
    }

    #[test]
    fn a_modulus_of_2048_bits_is_long_enough_and_one_of_2047_is_not() {
        let with_bits = |length: u32| (BigUint::from(1_u32) << (length - 1)) + 1_u32;
        assert!(!codes(&with_bits(2048), 65_537).contains(&Code::RsaTooShort));
        assert!(codes(&with_bits(2047), 65_537).contains(&Code::RsaTooShort));
    }

    #[test]
    fn a_modulus_of_8192_bits_is_usual_and_a_longer_one_is_not() {
        let with_bits = |length: u32| (BigUint::from(1_u32) << (length - 1)) + 1_u32;
        assert!(!codes(&with_bits(8192), 65_537).contains(&Code::KeyKindUnusual));
        assert!(codes(&with_bits(8193), 65_537).contains(&Code::KeyKindUnusual));
    }

    #[test]
    fn the_largest_prime_below_two_to_the_sixteen_is_found_and_the_next_one_is_not() {
        let large = number("170141183460469231731687303715884105727"); // 2^127 - 1, a prime
        assert_eq!(small_factor(&(&large * 65_521_u32)), Some(65_521));
        assert_eq!(small_factor(&(&large * 65_537_u32)), None);
        assert_eq!(small_factor(&number("0")), None);
        assert_eq!(small_factor(&number("7")), None);
        assert_eq!(small_factor(&number("14")), Some(2));
    }

    #[test]
    fn primes_next_to_each_other_are_found_and_primes_far_apart_are_not() {
        let p = number("170141183460469231731687303715884105727");
        let next = &p + 46_u32; // any close number does: Fermat's method does not ask for primes
        assert!(has_close_primes(&(&p * &next)));
        let far = number(
            "6864797660130609714981900799081393217269435300143305409394463459185543183397656052122559640661454554977296311391480858037121987999716643812574028291115057151",
        ); // 2^521 - 1
        assert!(!has_close_primes(&(&p * &far)));
        assert!(has_close_primes(&(&p * &p)));
    }

    #[test]
    fn the_step_bound_of_fermats_method_is_what_decides() {
        // With p = m - d and q = m + d the method starts at ceil(sqrt(m^2 - d^2)) and needs about d^2 / 2m steps.
        let m = BigUint::from(1_u32) << 64_u32;
        let steps = |steps: u32| (&m * 2_u32 * steps).sqrt();
        let product = |d: &BigUint| (&m - d) * (&m + d);
        assert!(has_close_primes(&product(&steps(90))));
        assert!(!has_close_primes(&product(&steps(110))));
    }

    #[test]
    fn keys_that_istio_publishes_are_known_and_others_are_not() {
        assert!(is_published(&first(fixture!("foreign/istio-samples/ca-cert.pem"))));
        assert!(!is_published(&first(fixture!("sound/one-mesh/east/ca-cert.pem"))));
    }

    #[test]
    fn a_modulus_of_16384_bits_is_looked_into_and_a_longer_one_is_not() {
        let divisible = |length: u32| (BigUint::from(1_u32) << (length - 1)) + (BigUint::from(1_u32) << (length - 2));
        assert_eq!(codes(&divisible(16_384), 65_537), [Code::KeyKindUnusual, Code::RsaSmallFactor]);
        assert_eq!(codes(&divisible(16_385), 65_537), [Code::KeyKindUnusual]);
    }

    #[test]
    fn a_prime_is_no_product_of_close_primes() {
        assert!(!has_close_primes(&number("7")));
        assert!(has_close_primes(&number("15")));
    }
}

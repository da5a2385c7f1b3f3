//! Keys that must not be trusted: published ones, and RSA keys whose making was bad.

use std::sync::OnceLock;

use num_bigint::BigUint;

use crate::pki::certificate::{Certificate, KeyFacts, bits};
use crate::pki::published_keys::published_in;
use crate::problem::{Code, Problem};

/// The shortest RSA key that is not a finding, in bits. istiod itself takes 1024 for a plugged-in signer.
pub const SHORTEST_RSA: usize = 2048;
/// Steps of Fermat's method: enough for primes that were taken next to each other (CVE-2022-26320), and for nothing
/// that good randomness could make.
const FERMAT_STEPS: usize = 100;
/// The longest modulus that is looked into, in bits: the time for the checks grows with its square.
const LONGEST_LOOKED_INTO: usize = 16 * 1024;
/// Primes below this are tried as factors.
const SMALL: u32 = 65_536;

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
    match exponent {
        Some(exponent) if exponent >= 65_537 && exponent % 2 == 1 => {}
        Some(exponent) => {
            let what = format!("the RSA exponent of \"{subject}\" is {exponent}, not an odd number from 65537");
            found.push(Problem::new(Code::RsaWeakExponent, what).hint(hint));
        }
        None => {
            let what = format!("the RSA exponent of \"{subject}\" has more than 64 bits; verifiers refuse it");
            found.push(Problem::new(Code::RsaWeakExponent, what).hint(hint));
        }
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

    fn number(text: &str) -> BigUint {
        text.parse().unwrap()
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
}

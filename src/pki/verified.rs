//! The answers about signatures that this process has worked out: each signature is verified once, however many
//! decisions ask about it and however often the certificate is read anew.
//!
//! Whether a key made a signature depends on the bytes alone, so an answer stays true for ever. It is kept under the
//! digests of the whole certificate and of the whole public key.

use std::collections::BTreeMap;
use std::sync::{LazyLock, PoisonError, RwLock};

use crate::pki::fingerprint::Fingerprint;

/// Beyond this many answers nothing more is kept: input made of countless certificates costs time, not memory.
const MOST: usize = 16 * 1024;

type Question = (Fingerprint, Fingerprint);

static ANSWERS: LazyLock<RwLock<BTreeMap<Question, bool>>> = LazyLock::new(RwLock::default);

/// The answer to whether this key (DER) made the signature on this certificate; worked out by `verify` where it is not
/// known yet.
pub(in crate::pki) fn answer(certificate: Fingerprint, issuer_spki: &[u8], verify: impl FnOnce() -> bool) -> bool {
    let question = (certificate, Fingerprint::of(issuer_spki));
    let known = ANSWERS.read().unwrap_or_else(PoisonError::into_inner).get(&question).copied();
    known.unwrap_or_else(|| {
        let answer = verify();
        keep(question, answer);
        answer
    })
}

/// Keeps that this key made the signature on this certificate, which another library has just verified.
pub(in crate::pki) fn holds(certificate: Fingerprint, issuer_spki: &[u8]) {
    keep((certificate, Fingerprint::of(issuer_spki)), true);
}

fn keep(question: Question, answer: bool) {
    let mut answers = ANSWERS.write().unwrap_or_else(PoisonError::into_inner);
    if answers.len() < MOST {
        answers.insert(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_verified_once_whatever_the_answer() {
        for expected in [true, false] {
            let certificate = Fingerprint::of(&[u8::from(expected)]);
            assert_eq!(answer(certificate, b"a key", || expected), expected);
            assert_eq!(answer(certificate, b"a key", || unreachable!("verified twice")), expected);
        }
    }

    #[test]
    fn an_answer_is_for_one_certificate_and_one_key() {
        let (one, another) = (Fingerprint::of(b"one certificate"), Fingerprint::of(b"another certificate"));
        holds(one, b"one key");
        assert!(answer(one, b"one key", || unreachable!("it was told")));
        assert!(!answer(one, b"another key", || false));
        assert!(!answer(another, b"one key", || false));
    }
}

//! The certificates of PEM texts that this process has read: a fleet shows the same texts tick after tick, and each is parsed once.
//!
//! What a text holds depends on its bytes alone, so an answer stays true for ever. It is kept under the digest of the text.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;

/// Beyond this many texts nothing more is kept, and no text longer than this: large input costs time, not memory.
const MOST: usize = 4 * 1024;
const LONGEST: usize = 16 * 1024;

type Answer = Arc<[Certificate]>;

static ANSWERS: LazyLock<RwLock<BTreeMap<Fingerprint, Answer>>> = LazyLock::new(RwLock::default);

/// The readable certificates of some PEM text, in their order; whatever cannot be read is passed over.
#[must_use]
pub fn certificates(text: &[u8]) -> Answer {
    if text.len() > LONGEST {
        return read(text);
    }
    let question = Fingerprint::of(text);
    let known = ANSWERS.read().unwrap_or_else(PoisonError::into_inner).get(&question).cloned();
    known.unwrap_or_else(|| {
        let answer = read(text);
        let mut answers = ANSWERS.write().unwrap_or_else(PoisonError::into_inner);
        if answers.len() < MOST {
            answers.insert(question, Arc::clone(&answer));
        }
        answer
    })
}

fn read(text: &[u8]) -> Answer {
    let blocks = pem::parse_many(text).unwrap_or_default();
    let certificates = blocks.iter().filter(|block| block.tag() == "CERTIFICATE");
    certificates.filter_map(|block| Certificate::from_der(block.contents()).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = include_str!("../../pki-fixtures/foreign/istio-samples/root-cert.pem");

    #[test]
    fn a_text_is_read_once_and_another_text_is_another() {
        let first = certificates(ROOT.as_bytes());
        assert_eq!(first.len(), 1);
        assert!(Arc::ptr_eq(&first, &certificates(ROOT.as_bytes())));
        let twice = certificates(ROOT.repeat(2).as_bytes());
        assert_eq!((twice.len(), &twice[0]), (2, &first[0]));
    }

    #[test]
    fn a_long_text_is_read_each_time() {
        let is_kept = |length: usize| {
            let long = format!("{}\n{ROOT}", "#".repeat(length - ROOT.len() - 1));
            let first = certificates(long.as_bytes());
            assert_eq!((long.len(), first.len()), (length, 1));
            Arc::ptr_eq(&first, &certificates(long.as_bytes()))
        };
        assert!(is_kept(16_384) && !is_kept(16_385));
    }
}

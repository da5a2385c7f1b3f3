//! The sharp edges of rcgen, and that none of them is reached. Numbers 3, 4, 10, 12 and 14 are shown where whole
//! programs run: `tests/minted.rs`, `tests/bad_input.rs` and the tests in `src/pki/draft.rs`; number 9 (a feature
//! elsewhere that switches the crypto provider) by `tests/features.rs` and the bans of `.deny.toml`.

#![expect(clippy::disallowed_methods, reason = "tests make real keys and read the sources")]
#![expect(clippy::unwrap_used, reason = "what cannot be made is a failed test")]

use std::fs;
use std::path::Path;

use meshca::pki::certificate::{Certificate, key_identifier};
use meshca::pki::draft::Proof;
use meshca::pki::key_kind::KeyKind;
use meshca::pki::profile::{Draft, Subject, Tier};
use meshca::pki::serial::SerialNumber;
use meshca::pki::signing_key::SigningKey;
use meshca::pki::validity::Validity;
use ring::rand::SystemRandom;
use time::macros::datetime;

fn window() -> Validity {
    Validity::new(datetime!(2026-11-23 10:00 UTC), datetime!(2036-11-23 10:00:59 UTC))
}

fn root(key: &SigningKey, serial: u8) -> Certificate {
    let subject = Subject { organization: "Guards".to_owned(), unit: None, common_name: "guards root g1".to_owned() };
    let serial = SerialNumber::from_random([serial; 16]);
    let draft = Draft { tier: Tier::Root, subject, validity: window(), serial, spki: key.spki() };
    let cleared = draft.clear_as_root().unwrap();
    cleared.sign(key, &Proof::Signature, &SystemRandom::new()).unwrap().into_certificate()
}

fn key(kind: KeyKind) -> SigningKey {
    SigningKey::generate(kind, &SystemRandom::new()).unwrap()
}

#[test]
fn guard_1_both_dates_are_ours_to_the_second_and_not_1975_to_4096() {
    assert_eq!(root(&key(KeyKind::EcdsaP256), 7).validity(), window());
}

#[test]
fn guard_2_two_certificates_for_one_key_have_the_serials_that_they_were_given() {
    let key = key(KeyKind::EcdsaP256);
    let (one, two) = (root(&key, 1), root(&key, 2));
    assert_eq!(one.spki(), two.spki());
    assert_ne!(one.serial(), two.serial());
    for serial in [0x00, 0x7f, 0x80, 0xff] {
        let made = root(&key, serial);
        assert_eq!(made.serial().len(), 16, "always 16 bytes, none of them a sign byte: {}", made.serial_text());
        assert!(made.serial().first().is_some_and(|first| (0x40..0x80).contains(first)));
    }
}

#[test]
fn guards_7_and_8_the_key_identifiers_are_there_and_follow_method_1_of_rfc_7093() {
    for kind in KeyKind::ALL {
        let key = key(*kind);
        let made = root(&key, 3);
        let expected = Some(key_identifier(key.public_key_bits()));
        assert_eq!(made.extensions().subject_key_identifier, expected);
        assert_eq!(made.extensions().authority_key_identifier, expected);
        // rcgen's own method is a hash over the whole SubjectPublicKeyInfo.
        assert_ne!(expected, Some(key_identifier(&key.spki())));
    }
}

/// Files and folders that are compiled into the tests alone.
const TESTS_ONLY: [&str; 3] = ["checks/judgement_cases", "checks/mint.rs", "fleet_story.rs"];

/// Every source file of the program.
fn sources() -> Vec<(String, String)> {
    fn walk(folder: &Path, found: &mut Vec<(String, String)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if TESTS_ONLY.iter().any(|name| path.ends_with(name)) {
                continue;
            }
            if path.is_dir() {
                walk(&path, found);
            } else {
                let text = fs::read_to_string(&path).unwrap();
                // Unit tests stand at the bottom of their file.
                let program = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
                found.push((path.display().to_string(), program.to_owned()));
            }
        }
    }
    let mut found = Vec::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

fn nobody_names(words: &[&str]) {
    let sources = sources();
    assert!(sources.len() > 50, "the sources were read");
    for (path, text) in sources {
        for word in words {
            assert!(!text.contains(word), "{path} names {word}");
        }
    }
}

#[test]
fn guards_5_and_6_no_request_is_ever_signed_as_it_came() {
    nobody_names(&["CertificateSigningRequest", "from_csr", "signed_by_csr"]);
}

#[test]
fn guards_3_and_4_no_issuer_is_read_by_rcgen() {
    nobody_names(&["from_ca_cert_der", "from_ca_cert_pem", "CertifiedIssuer"]);
}

#[test]
fn guards_11_and_13_no_key_is_made_by_rcgen_none_is_ed25519_and_the_one_pair_that_it_loads_is_wiped() {
    nobody_names(&["generate_for(", "PKCS_ED25519", "serialize_pem", "serialize_der"]);
    let loads: Vec<_> = sources().into_iter().filter(|(_, text)| text.contains("rcgen::KeyPair")).collect();
    let [(path, text)] = loads.as_slice() else { panic!("rcgen holds keys in {} files", loads.len()) };
    assert!(path.ends_with("key_der.rs"), "{path}");
    assert_eq!(text.matches("rcgen::KeyPair").count(), text.matches("pair.zeroize()").count());
}

#[test]
fn guard_15_no_revocation_list_is_made() {
    nobody_names(&["CertificateRevocationListParams"]);
}

//! Names, serial numbers and keys.

use rcgen::KeyPair;

use crate::mesh::checks::judgement::judge;
use crate::mesh::checks::judgement_cases::judged::{codes, expect, now, two_tiers, verdicts};
use crate::mesh::checks::mint::{Ca, NOW, house, house_with};
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::verdict::Outcome;
use crate::mesh::secret_files::{CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT, SecretFiles};
use crate::problem::Code;

#[test]
fn one_name_for_two_keys_of_the_path_is_a_warning() {
    let root = Ca::root("same", |_| {});
    let signer = root.below("same", 0, |params| params.serial_number = Some(rcgen::SerialNumber::from(5)));
    let judgement = now(&two_tiers(&root, &signer));
    assert!(codes(&judgement).contains(&Code::SubjectRepeated), "{judgement:#?}");
}

#[test]
fn an_issuing_ca_as_the_only_root_works_and_is_named() {
    let house = house();
    let files = house.files().with(ROOT_CERT, house.issuing.pem.as_str());
    let judgement = now(&files.with(CERT_CHAIN, house.signer.pem.as_str()));
    assert_eq!((codes(&judgement), verdicts(&judgement)), (vec![Code::RootNotSelfSigned], "+++++".to_owned()));
}

#[test]
fn a_root_on_a_curve_that_go_does_not_know_is_fatal_at_the_next_start() {
    let house = house();
    let mut der = pem::parse(&Ca::root("other", |_| {}).pem).unwrap().into_contents();
    let p256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let at = der.windows(8).position(|window| window == p256).unwrap();
    der[at + 7] = 6;
    let other = pem::encode(&pem::Pem::new("CERTIFICATE", der)).replace("\r\n", "\n");
    let files = house.files().with(ROOT_CERT, format!("{}{other}", house.root.pem));
    expect(&files, &[Code::KeyCurveUnknown, Code::FatalAtNextStart], "-++++");
}

#[test]
fn a_key_of_an_unusual_kind_is_a_warning() {
    let root = Ca::root("root", |_| {});
    let signer = root.signs("signer", 0, KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap(), |_| {});
    expect(&two_tiers(&root, &signer), &[Code::KeyKindUnusual], "+++++");
}

#[test]
fn serial_numbers_are_looked_at() {
    let serial = |bytes: &'static [u8]| {
        house_with(|_| {}, |_| {}, move |signer| signer.serial_number = Some(rcgen::SerialNumber::from(bytes.to_vec())))
    };
    assert!(codes(&now(&serial(&[0x7f; 20]).files())).is_empty());
    assert_eq!(codes(&now(&serial(&[0xff; 20]).files())), [Code::SerialOdd]);
    assert_eq!(codes(&now(&serial(&[0]).files())), [Code::SerialOdd]);
    let house = house();
    let again = house.issuing.below("signer", 0, |_| {});
    let chain = format!("{}{}{}", house.signer.pem, house.issuing.pem, again.pem);
    let judgement = now(&house.files().with(CERT_CHAIN, chain));
    assert!(codes(&judgement).contains(&Code::SerialRepeated), "{judgement:#?}");
}

#[test]
fn the_key_must_be_the_first_block_in_the_clear_and_belong_to_the_signer() {
    let house = house();
    let key = |value: String| house.files().with(CA_KEY, value);
    let own = house.signer.key.serialize_pem();
    expect(&key(format!("# note\n{own}")), &[], "+++++");
    expect(&key(house.root.key.serialize_pem()), &[Code::KeyMismatch], "-i+++");
    let block = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    expect(&key(format!("{}{own}", block("EC PARAMETERS"))), &[Code::KeyParametersFirst], "-i+++");
    expect(&key(block("ENCRYPTED PRIVATE KEY")), &[Code::KeyEncrypted], "-i+++");
    expect(&key(block("PUBLIC KEY")), &[Code::KeyWrongBlock], "-i+++");
    expect(&key(block("PRIVATE KEY")), &[Code::KeyUnreadable], "-i+++");
    expect(&key("x\n".to_owned()), &[Code::PemNoBlock], "-i+++");
    expect(&key(format!("{own}{own}")), &[Code::KeyFileSurplus], "+++++");
    let legacy = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    expect(&key(legacy.to_owned()), &[Code::KeyEncrypted], "-i+++");
    let start = now(&key(format!("{}{own}", block("EC PARAMETERS")))).predictions.istiod.start;
    assert!(start.reason.contains("unsupported PEM block type for a private key: EC PARAMETERS"), "{start:?}");
}

#[test]
fn keys_of_other_kinds_belong_or_do_not() {
    let root = Ca::root("root", |_| {});
    for algorithm in [&rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
        let signer = root.signs("signer", 0, KeyPair::generate_for(algorithm).unwrap(), |_| {});
        let files = two_tiers(&root, &signer);
        let found = codes(&now(&files));
        assert!(!found.contains(&Code::KeyMismatch) && !found.contains(&Code::KeyUnreadable), "{found:?}");
        let other = KeyPair::generate_for(algorithm).unwrap().serialize_pem();
        assert!(codes(&now(&files.with(CA_KEY, other))).contains(&Code::KeyMismatch));
    }
}

#[test]
fn a_key_whose_primes_are_close_stops_istiod_at_start_and_reload_in_either_form() {
    macro_rules! file {
        ($name:literal) => {
            include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pki-fixtures/faulty/rsa-close-primes/", $name))
        };
    }
    let files = SecretFiles::new()
        .with(CA_CERT, file!("ca-cert.pem"))
        .with(CERT_CHAIN, file!("cert-chain.pem"))
        .with(ROOT_CERT, file!("root-cert.pem"));
    let pkcs8 = pem::parse(file!("ca-key.pem")).unwrap().into_contents();
    // The inner key begins after version, algorithm and the head of its octet string.
    let pkcs1 = pkcs8[26..].to_vec();
    for (label, der) in [("PRIVATE KEY", pkcs8), ("RSA PRIVATE KEY", pkcs1)] {
        let files = files.clone().with(CA_KEY, pem::encode(&pem::Pem::new(label, der)));
        let judgement = now(&files);
        assert_eq!((codes(&judgement), verdicts(&judgement)), (vec![Code::RsaClosePrimes], "-i+++".to_owned()));
        assert!(judgement.predictions.istiod.start.reason.contains("crypto/rsa: |p - q| too small"));
        assert!(judgement.findings.iter().any(|finding| finding.place == CA_KEY), "{judgement:#?}");
    }
}

#[test]
fn istios_samples_are_published_and_a_sha1_signature_is_weak() {
    let ca = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pki-fixtures/foreign/istio-samples/ca-cert.pem"));
    let root = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/pki-fixtures/foreign/istio-samples/root-cert.pem"));
    let set = |ca: &str| SecretFiles::new().with(CA_CERT, ca).with(CERT_CHAIN, ca).with(ROOT_CERT, root);
    let circumstances = Circumstances { key_withheld: true, ..Circumstances::default() };
    let judgement = judge(&set(ca), &circumstances, NOW);
    assert!(codes(&judgement).contains(&Code::PublishedSampleKey));
    assert_eq!(verdicts(&judgement), "+++++", "{judgement:#?}");
    let mut der = pem::parse(ca).unwrap().into_contents();
    let sha256 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b];
    for at in (0..der.len() - 9).filter(|at| der[*at..].starts_with(&sha256)).collect::<Vec<_>>() {
        der[at + 8] = 5;
    }
    let sha1 = pem::encode(&pem::Pem::new("CERTIFICATE", der)).replace("\r\n", "\n");
    let judgement = judge(&set(&sha1), &circumstances, NOW);
    assert!(codes(&judgement).contains(&Code::WeakSignature));
    assert_eq!(judgement.predictions.istiod.start.outcome, Outcome::Refuses);
}

//! Which files there are, and their text.

use proptest::prelude::*;

use crate::mesh::checks::judgement::judge;
use crate::mesh::checks::judgement_cases::judged::{codes, expect, now, verdicts};
use crate::mesh::checks::mint::{Ca, House, NOW, house};
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::verdict::Outcome;
use crate::mesh::secret_files::{
    CA_CERT, CA_CRL, CA_KEY, CERT_CHAIN, ISTIO_GENERATED, ROOT_CERT, SecretFiles, TLS_CERT, TLS_KEY, TLS_ROOT,
};
use crate::problem::{Area, Code};

#[test]
fn a_set_as_meshca_makes_it_is_taken_by_all_and_has_no_finding() {
    expect(&house().files(), &[], "+++++");
}

#[test]
fn the_predictions_are_json_of_the_agreed_shape() {
    let json = serde_json::to_value(&now(&house().files()).predictions).unwrap();
    assert_eq!(json["istiod"]["start"]["outcome"], "accepts");
    assert!(json["istiod"]["reload"]["reason"].is_string());
    assert!(json["agent"]["outcome"].is_string() && json["envoy"].is_object() && json["webpki"].is_object());
}

#[test]
fn no_files_at_all_make_istiod_run_self_signed() {
    expect(&SecretFiles::new(), &[Code::SetEmpty], "si---");
}

#[test]
fn every_missing_file_stops_istiod() {
    let files = house().files();
    for (name, verdicts) in [(CA_KEY, "-i+++"), (CA_CERT, "-i---"), (CERT_CHAIN, "-i---"), (ROOT_CERT, "-i---")] {
        let mut less = files.clone();
        less.remove(name);
        let judgement = now(&less);
        assert!(codes(&judgement).contains(&Code::FileMissing), "{name}");
        assert_eq!(self::verdicts(&judgement), verdicts, "{name}: {:#?}", judgement.predictions);
    }
}

#[test]
fn a_key_left_out_on_purpose_is_no_finding_and_is_said_to_be_unjudged() {
    let mut files = house().files();
    files.remove(CA_KEY);
    let circumstances = Circumstances { key_withheld: true, ..Circumstances::default() };
    let judgement = judge(&files, &circumstances, NOW);
    assert_eq!((codes(&judgement), verdicts(&judgement)), (vec![], "+++++".to_owned()));
    assert_eq!(judgement.not_judged.len(), 1);
    assert_eq!(verdicts(&judge(&SecretFiles::new(), &circumstances, NOW)), "si---");
}

#[test]
fn files_that_do_not_belong_are_named() {
    let house = house();
    expect(&house.files().with("notes", "x"), &[Code::ExtraFile], "+++++");
    expect(&house.files().with(TLS_KEY, "x"), &[Code::ExtraFile], "+++++");
    expect(&house.files().with(ISTIO_GENERATED, ""), &[Code::IstioGenerated], "+++++");
    let root_key = house.root.key.serialize_pem();
    expect(&house.files().with("root-key.pem", root_key), &[Code::ExtraFile, Code::PrivateKeyInPublicFile], "+++++");
}

fn tls(house: &House) -> SecretFiles {
    SecretFiles::new()
        .with(TLS_CERT, format!("{}{}", house.signer.pem, house.issuing.pem))
        .with(TLS_KEY, house.signer.key.serialize_pem())
        .with(TLS_ROOT, house.root.pem.as_str())
}

#[test]
fn the_tls_form_works_and_is_said_to_be_one() {
    let house = house();
    expect(&tls(&house), &[Code::TlsForm], "+++++");
    expect(&tls(&house).with(CA_CRL, "x"), &[Code::TlsForm, Code::CrlIgnored], "+++++");
    let mut less = tls(&house);
    less.remove(TLS_ROOT);
    assert!(codes(&now(&less)).contains(&Code::FileMissing));
}

#[test]
fn a_lone_tls_crt_beside_four_good_files_makes_istiod_exit() {
    let house = house();
    let files = house.files().with(TLS_CERT, house.signer.pem.as_str());
    let judgement = now(&files);
    assert!(codes(&judgement).contains(&Code::TwoForms));
    assert_eq!(judgement.predictions.istiod.start.outcome, Outcome::Refuses);
}

#[test]
fn a_tls_crt_without_a_final_newline_makes_istiod_exit() {
    let house = house();
    let whole = format!("{}{}", house.signer.pem, house.issuing.pem);
    let files = tls(&house).with(TLS_CERT, whole.trim_end());
    let judgement = now(&files);
    assert!(codes(&judgement).contains(&Code::NoFinalNewline));
    assert_eq!(judgement.predictions.istiod.start.outcome, Outcome::Refuses, "{judgement:#?}");
}

#[test]
fn a_value_without_a_final_newline_is_a_warning() {
    let house = house();
    for (name, value) in [(ROOT_CERT, &house.root.pem), (CA_CERT, &house.signer.pem)] {
        expect(&house.files().with(name, value.trim_end()), &[Code::NoFinalNewline], "+++++");
    }
}

#[test]
fn damage_at_the_end_of_the_root_file_is_shrugged_off_by_go_and_stops_envoy() {
    let house = house();
    let with = |damage: &str| house.files().with(ROOT_CERT, format!("{}{damage}", house.root.pem));
    let body = "AAAA";
    expect(&with(&format!("-----BEGIN CERTIFICATE-----\n{body}\n")), &[Code::PemTruncated], "+++-+");
    expect(&with("-----BEGIN CERTIFICATE-----\nA*AA\n-----END CERTIFICATE-----\n"), &[Code::PemBadBase64], "+++-+");
    expect(&with("-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"), &[Code::PemEmptyBlock], "+++-+");
}

#[test]
fn blank_lines_and_headers_in_the_chain_are_taken_by_go_and_stop_envoy() {
    let house = house();
    let lines: Vec<&str> = house.signer.pem.lines().collect();
    let mut blank = lines.clone();
    blank.insert(3, "");
    let blank = format!("{}\n{}", blank.join("\n"), house.issuing.pem);
    expect(&house.files().with(CERT_CHAIN, blank), &[Code::PemBlankLine], "+++-+");
    let mut header = lines;
    header.insert(1, "Name: value\n");
    let header = format!("{}\n{}", header.join("\n"), house.issuing.pem);
    let judgement = now(&house.files().with(CERT_CHAIN, header));
    assert_eq!(codes(&judgement), [Code::PemHeader]);
    assert_eq!(judgement.predictions.istiod.start.outcome, Outcome::Accepts);
    assert_eq!(judgement.predictions.envoy.outcome, Outcome::Refuses);
}

#[test]
fn glued_roots_are_lost() {
    let house = house();
    let glued = format!("{}{}", house.root.pem.trim_end(), house.root.pem);
    let judgement = now(&house.files().with(ROOT_CERT, glued));
    assert!(codes(&judgement).contains(&Code::PemGlued));
    assert_eq!(verdicts(&judgement), "-i---");
}

#[test]
fn hidden_first_lines_and_nul_bytes_are_named() {
    let house = house();
    let roots = |before: &str| house.files().with(ROOT_CERT, format!("{before}{}", house.root.pem));
    assert!(codes(&now(&roots("\u{feff}"))).contains(&Code::PemByteOrderMark));
    assert!(codes(&now(&roots(" "))).contains(&Code::PemIndented));
    expect(&roots("\0\n"), &[Code::PemNul], "+++++");
    expect(&roots("a comment\n"), &[], "+++++");
    let judgement = now(&house.files().with(ROOT_CERT, "nothing\n"));
    assert!(codes(&judgement).contains(&Code::PemNoBlock));
    assert!(codes(&now(&house.files().with(ROOT_CERT, vec![b'\n'; 5 << 20]))).contains(&Code::PemTooLarge));
}

#[test]
fn thousands_of_equal_faults_are_few_findings() {
    let house = house();
    let other = Ca::root("other", |_| {}).pem;
    let foreign =
        house.files().with(CERT_CHAIN, format!("{}{}{}", house.signer.pem, house.issuing.pem, other.repeat(6000)));
    let judgement = now(&foreign);
    assert_eq!(
        codes(&judgement),
        [Code::RootsTooMany, Code::ChainForeignCertificate, Code::ChainRepeatsCertificate],
        "{judgement:#?}"
    );
    assert_eq!(judgement.findings.len(), 3);
    let block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".repeat(6000);
    let judgement = now(&house.files().with(CERT_CHAIN, block.as_str()).with(ROOT_CERT, block.as_str()));
    assert!(judgement.findings.len() < 20, "{}", judgement.findings.len());
    let malformed = judgement.findings.iter().find(|it| it.problem.code() == Code::CertificateMalformed).unwrap();
    assert_eq!(malformed.problem.facts().last().unwrap(), "and 5995 more");
    let many = (0..300).fold(house.files(), |files, number| files.with(format!("notes-{number}"), "x"));
    let judgement = now(&many);
    assert_eq!((judgement.findings.len(), judgement.not_judged.len()), (200, 1), "{:?}", judgement.not_judged);
}

#[test]
fn every_code_of_the_area_has_a_name_in_kebab_case() {
    for code in Code::ALL.iter().filter(|code| code.area() == Area::Certificate) {
        assert!(code.as_str().chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'), "{code}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn arbitrary_bytes_in_any_file_never_panic(
        name in prop_oneof![Just(CA_CERT), Just(CA_KEY), Just(CERT_CHAIN), Just(ROOT_CERT), Just(CA_CRL), Just(TLS_CERT)],
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        label in prop_oneof![Just("CERTIFICATE"), Just("PRIVATE KEY"), Just("EC PRIVATE KEY"), Just("RSA PRIVATE KEY"), Just("X509 CRL")],
    ) {
        let files = SAMPLE.get_or_init(|| house().files()).clone();
        now(&files.clone().with(name, bytes.clone()));
        now(&files.with(name, pem::encode(&pem::Pem::new(label, bytes))));
    }

    #[test]
    fn a_set_with_a_flipped_bit_never_panics(at in 0_usize..6000, bit in 0_u8..8) {
        let files = SAMPLE.get_or_init(|| house().files()).clone();
        for name in [CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT] {
            let mut der = pem::parse_many(files.get(name).unwrap()).unwrap();
            let first = der.remove(0);
            let mut bytes = first.contents().to_vec();
            let place = at % bytes.len();
            bytes[place] ^= 1 << bit;
            now(&files.clone().with(name, pem::encode(&pem::Pem::new(first.tag(), bytes))));
        }
    }
}

static SAMPLE: std::sync::OnceLock<SecretFiles> = std::sync::OnceLock::new();

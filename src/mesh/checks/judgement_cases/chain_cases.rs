//! The chain file, the roots and the revocation lists.

use rcgen::KeyPair;

use crate::mesh::checks::judgement_cases::judged::{codes, expect, now, two_tiers, verdicts};
use crate::mesh::checks::mint::{Ca, house};
use crate::mesh::consumers::verdict::Outcome;
use crate::mesh::secret_files::{CA_CRL, CERT_CHAIN, ROOT_CERT};
use crate::problem::Code;

#[test]
fn an_empty_or_foreign_chain_is_taken_by_istiod_and_by_nobody_else() {
    let root = Ca::root("root", |_| {});
    let signer = root.below("signer", 0, |_| {});
    let files = two_tiers(&root, &signer);
    expect(&files, &[], "+++++");
    expect(&files.clone().with(CERT_CHAIN, ""), &[Code::ChainEmpty], "++---");
    let other = root.below("other", 0, |_| {});
    let foreign = files.clone().with(CERT_CHAIN, other.pem.as_str());
    expect(&foreign, &[Code::ChainLacksSigner, Code::ChainForeignCertificate], "++---");
    let text = files.clone().with(CERT_CHAIN, "text\n");
    expect(&text, &[Code::ChainEmpty, Code::FatalAtNextStart], "-+---");
    let both = files.with(CERT_CHAIN, format!("{}{}", signer.pem, other.pem));
    expect(&both, &[Code::ChainForeignCertificate], "+++++");
}

#[test]
fn a_root_as_signer_needs_no_chain() {
    let root = Ca::root("root", |_| {});
    let files = two_tiers(&root, &root);
    expect(&files.clone().with(CERT_CHAIN, ""), &[], "+++++");
    expect(&files, &[], "+++++");
}

#[test]
fn the_order_of_the_chain_is_a_warning_and_the_root_may_end_it() {
    let house = house();
    let chain =
        |parts: &[&Ca]| house.files().with(CERT_CHAIN, parts.iter().map(|ca| ca.pem.as_str()).collect::<String>());
    expect(&chain(&[&house.signer, &house.issuing, &house.root]), &[], "+++++");
    expect(&chain(&[&house.issuing, &house.signer]), &[Code::ChainOrder], "+++++");
    expect(&chain(&[&house.root, &house.signer, &house.issuing]), &[Code::ChainOrder], "+++++");
    expect(
        &chain(&[&house.signer, &house.issuing, &house.signer]),
        &[Code::ChainOrder, Code::ChainRepeatsCertificate],
        "+++++",
    );
    expect(&chain(&[&house.signer, &house.issuing, &house.issuing]), &[Code::ChainRepeatsCertificate], "+++++");
    expect(&chain(&[&house.signer]), &[Code::PathBroken], "-i---");
}

#[test]
fn an_unreadable_block_in_the_chain_is_half_applied() {
    let house = house();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let files = house.files().with(CERT_CHAIN, format!("{}{}{garbage}", house.signer.pem, house.issuing.pem));
    let judgement = now(&files);
    assert_eq!(verdicts(&judgement), "-h+-+", "{judgement:#?}");
    assert!(codes(&judgement).contains(&Code::ReloadHalfApplied));
}

#[test]
fn a_foreign_root_breaks_the_path_and_a_namesake_breaks_the_signature() {
    let house = house();
    let other = Ca::root("other", |_| {});
    expect(&house.files().with(ROOT_CERT, other.pem.as_str()), &[Code::PathBroken], "-i---");
    let namesake = Ca::root("root", |_| {});
    let judgement = now(&house.files().with(ROOT_CERT, namesake.pem.as_str()));
    assert!(codes(&judgement).contains(&Code::SignatureBroken));
    assert_eq!(verdicts(&judgement), "-i---");
}

#[test]
fn a_root_that_did_not_sign_itself_is_broken_or_another_keys() {
    let house = house();
    let other = Ca::root("other", |_| {});
    let mut der = pem::parse(&other.pem).unwrap().into_contents();
    let last = der.len() - 1;
    der[last] ^= 1;
    let broken = pem::encode(&pem::Pem::new("CERTIFICATE", der)).replace("\r\n", "\n");
    let roots = |texts: &[&str]| house.files().with(ROOT_CERT, format!("{}{}", house.root.pem, texts.concat()));
    expect(&roots(&[&broken]), &[Code::SignatureBroken], "+++++");
    // As in a key rollover: the new key under the old name, signed by the old key.
    let new = KeyPair::generate().unwrap();
    let issuer = rcgen::Issuer::from_params(&other.params, &other.key);
    let mut params = other.params.clone();
    params.serial_number = Some(rcgen::SerialNumber::from(77));
    let named = params.signed_by(&new, &issuer).unwrap().pem();
    assert_eq!(codes(&now(&roots(&[&named]))), [Code::RootNotSelfSigned], "its identifier names another key");
    params.use_authority_key_identifier_extension = false;
    let nameless = params.signed_by(&new, &issuer).unwrap().pem();
    assert!(codes(&now(&roots(&[&nameless]))).contains(&Code::SignatureBroken));
    let both = codes(&now(&roots(&[&nameless, &other.pem])));
    assert!(both.contains(&Code::RootNotSelfSigned) && !both.contains(&Code::SignatureBroken), "{both:?}");
}

#[test]
fn unrelated_roots_harm_nobody_in_any_order() {
    let house = house();
    let other = Ca::root("other", |_| {});
    for roots in [[&house.root, &other], [&other, &house.root]] {
        let text: String = roots.iter().map(|ca| ca.pem.as_str()).collect();
        expect(&house.files().with(ROOT_CERT, text), &[], "+++++");
    }
}

#[test]
fn two_roots_of_one_name_work_with_identifiers_and_by_chance_without() {
    let house = house();
    let namesake = Ca::root("root", |_| {});
    let both = format!("{}{}", namesake.pem, house.root.pem);
    let judgement = now(&house.files().with(ROOT_CERT, both));
    assert!(codes(&judgement).contains(&Code::RootsShareSubject));
    assert_eq!(verdicts(&judgement), "+++++");
    let mut namesakes = [Ca::root("root", |_| {}), Ca::root("root", |_| {})];
    namesakes.sort_by(|one, other| one.pem.cmp(&other.pem));
    for (root, outcome) in namesakes.iter().zip([Outcome::Accepts, Outcome::Refuses]) {
        let signer = root.below("signer", 0, |signer| signer.use_authority_key_identifier_extension = false);
        for order in [[0, 1], [1, 0]] {
            let roots: String = order.iter().map(|place| namesakes[*place].pem.as_str()).collect();
            let judgement = now(&two_tiers(root, &signer).with(ROOT_CERT, roots));
            assert_eq!(judgement.predictions.envoy.outcome, outcome, "the order in the file does not matter");
            assert_eq!(judgement.predictions.istiod.start.outcome, Outcome::Accepts);
        }
    }
}

#[test]
fn two_hundred_roots_work_three_hundred_stop_envoy_and_thirteen_hundred_the_agent() {
    let house = house();
    let other = Ca::root("an unrelated root of some length", |_| {});
    let texts: Vec<String> = (1..1300_u16)
        .map(|number| {
            let mut params = other.params.clone();
            params.serial_number = Some(rcgen::SerialNumber::from(vec![0x40, 0, number as u8, (number >> 8) as u8]));
            params.self_signed(&other.key).unwrap().pem()
        })
        .collect();
    let roots = |count: usize| {
        now(&house.files().with(ROOT_CERT, format!("{}{}", house.root.pem, texts[..count - 1].concat())))
    };
    let fine = roots(200);
    assert_eq!((codes(&fine), verdicts(&fine)), (vec![], "+++++".to_owned()));
    let many = roots(300);
    assert_eq!((codes(&many), verdicts(&many)), (vec![Code::RootsTooMany], "+++-+".to_owned()));
    assert!(verdicts(&roots(1300)).starts_with("++--"));
}

#[test]
fn revocation_lists_are_all_or_none() {
    let house = house();
    let lists = |lists: &[String]| house.files().with(CA_CRL, lists.concat());
    let [root, issuing, signer] = [&house.root, &house.issuing, &house.signer].map(|ca| ca.list(30, &[]));
    expect(&lists(&[root.clone(), issuing.clone(), signer.clone()]), &[], "+++++");
    expect(&lists(&[]), &[], "+++++");
    expect(&lists(&[issuing.clone(), signer.clone()]), &[Code::CrlIncomplete], "+++-+");
    expect(&lists(std::slice::from_ref(&root)), &[Code::CrlIncomplete], "-i+-+");
    let expired = house.signer.list(-1, &[]);
    expect(&lists(&[root.clone(), issuing.clone(), expired]), &[Code::CrlExpired], "+++-+");
    let stranger = Ca::root("signer", |_| {});
    let forged = lists(&[root.clone(), issuing.clone(), stranger.list(30, &[])]);
    assert!(codes(&now(&forged)).contains(&Code::CrlSignatureBroken));
    let serial = house.signer.params.serial_number.clone().unwrap();
    let revoking = house.issuing.list(30, serial.as_ref());
    expect(&lists(&[root, revoking, signer]), &[Code::CertificateRevoked], "+++-+");
    assert!(codes(&now(&house.files().with(CA_CRL, "x\n"))).contains(&Code::CrlMalformed));
}

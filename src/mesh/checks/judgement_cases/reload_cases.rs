//! What is loaded live, and what dies at the next start.

use crate::mesh::checks::judgement::judge;
use crate::mesh::checks::judgement_cases::judged::{codes, expect, now};
use crate::mesh::checks::mint::{Ca, NOW, house};
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::verdict::Outcome;
use crate::mesh::secret_files::{CERT_CHAIN, ROOT_CERT, SecretFiles};
use crate::problem::Code;

#[test]
fn what_istiod_takes_live_and_dies_of_at_its_next_start() {
    let house = house();
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let roots = |more: &str| house.files().with(ROOT_CERT, format!("{}{more}", house.root.pem));
    expect(&roots(public), &[Code::ForeignBlock, Code::FatalAtNextStart], "-++++");
    let key = Ca::root("other", |_| {}).key.serialize_pem();
    expect(&roots(&key), &[Code::PrivateKeyInPublicFile, Code::FatalAtNextStart], "-++++");
    // The serial number's first byte of a root is not covered by anything that is verified.
    let mut der = pem::parse(&house.root.pem).unwrap().into_contents();
    let serial = der.windows(2).position(|pair| pair == [0x02, 0x10]).unwrap() + 2;
    der[serial] |= 0x80;
    let negative = pem::encode(&pem::Pem::new("CERTIFICATE", der)).replace("\r\n", "\n");
    let judgement = now(&roots(&negative));
    assert!(codes(&judgement).contains(&Code::SerialNegative), "{judgement:#?}");
    assert_eq!(judgement.predictions.istiod.start.outcome, Outcome::Refuses);
    assert_eq!(judgement.predictions.istiod.reload.outcome, Outcome::Accepts);
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    expect(&roots(garbage), &[Code::CertificateMalformed, Code::FatalAtNextStart], "-++-+");
}

#[test]
fn what_is_said_of_a_reload_is_said_under_a_condition_where_nothing_is_known_to_be_loaded() {
    let house = house();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let loaded = house.files();
    let files = house.files().with(CERT_CHAIN, format!("{}{}{garbage}", house.signer.pem, house.issuing.pem));
    for (loaded, beginning) in [(None, "if istiod is running, it would take "), (Some(&loaded), "istiod would take ")] {
        let judgement = judge(&files, &Circumstances { loaded, ..Circumstances::default() }, NOW);
        for code in [Code::FatalAtNextStart, Code::ReloadHalfApplied] {
            let finding = judgement.findings.iter().find(|it| it.problem.code() == code).unwrap();
            assert!(finding.problem.what().starts_with(beginning), "{finding:?}");
        }
    }
}

#[test]
fn without_multi_root_any_other_byte_in_the_root_file_drops_the_update() {
    let house = house();
    let loaded = house.files();
    let reload = |files: &SecretFiles, multi_root: bool, istio_minor: Option<u32>| {
        let circumstances =
            Circumstances { multi_root, loaded: Some(&loaded), istio_minor, ..Circumstances::default() };
        let judgement = judge(files, &circumstances, NOW);
        assert_eq!(
            codes(&judgement).contains(&Code::ReloadDropped),
            judgement.predictions.istiod.reload.outcome == Outcome::Ignores
        );
        judgement.predictions.istiod.reload
    };
    let other = Ca::root("other", |_| {});
    let roots = |text: String| house.files().with(ROOT_CERT, text);
    let appended = roots(format!("{}{}", house.root.pem, other.pem));
    let reordered = roots(format!("{}\n{}", other.pem, house.root.pem.replace('\n', "\r\n")));
    let newline = roots(format!("{}\n", house.root.pem));
    assert!(reload(&loaded, false, None).accepts());
    for files in [&appended, &reordered, &newline] {
        assert!(reload(files, false, None).reason.starts_with("Multi root is disabled"));
        assert!(reload(files, true, Some(30)).accepts());
    }
    for minor in [Some(29), None] {
        assert!(reload(&appended, true, minor).accepts());
        assert!(!reload(&reordered, true, minor).accepts());
    }
}

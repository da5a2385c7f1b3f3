//! Dates.

use time::Duration;

use crate::mesh::checks::judgement_cases::judged::{at, codes, expect, now, verdicts};
use crate::mesh::checks::mint::{Ca, NOW, house, house_with};
use crate::mesh::secret_files::{CERT_CHAIN, ROOT_CERT};
use crate::problem::Code;

#[test]
fn an_expired_first_certificate_of_the_chain_is_fatal_at_start_only() {
    let house = house();
    let old = house.issuing.below("old", 0, |params| {
        params.not_before = NOW - Duration::days(9);
        params.not_after = NOW - Duration::seconds(1);
    });
    let files = house.files().with(CERT_CHAIN, format!("{}{}{}", old.pem, house.signer.pem, house.issuing.pem));
    let judgement = now(&files);
    assert!(codes(&judgement).contains(&Code::ChainFirstExpired));
    assert_eq!(verdicts(&judgement), "-++++", "{judgement:#?}");
}

#[test]
fn dates_turn_at_the_second() {
    let files = house().files();
    let end = NOW + Duration::days(90);
    for (moment, expected, verdicts) in [
        (end - Duration::days(7), vec![], "+++++"),
        (end - Duration::days(7) + Duration::seconds(1), vec![Code::CertificateExpiresSoon], "+++++"),
        (end, vec![Code::CertificateExpiresSoon], "-++++"),
        (end + Duration::seconds(1), vec![Code::CertificateExpired], "-i---"),
        (NOW - Duration::days(1), vec![], "+++++"),
    ] {
        let judgement = at(&files, moment);
        let mut found = codes(&judgement);
        found.retain(|code| *code != Code::FatalAtNextStart);
        assert_eq!(found, expected, "{moment}");
        assert_eq!(self::verdicts(&judgement), verdicts, "{moment}: {:#?}", judgement.predictions);
    }
    let early = at(&files, NOW - Duration::days(1) - Duration::seconds(1));
    assert!(codes(&early).contains(&Code::CertificateNotYetValid));
    assert_eq!(verdicts(&early), "-i---");
}

#[test]
fn an_expired_root_of_another_generation_is_a_warning_and_ones_own_is_the_end() {
    let house = house();
    let old = Ca::root("old", |root| {
        root.not_before = NOW - Duration::days(99);
        root.not_after = NOW - Duration::days(9);
    });
    expect(&house.files().with(ROOT_CERT, format!("{}{}", old.pem, house.root.pem)), &[Code::RootUnused], "+++++");
    let ended = house_with(|root| root.not_after = NOW - Duration::seconds(1), |_| {}, |_| {});
    let judgement = now(&ended.files());
    assert_eq!(codes(&judgement), [Code::CertificateExpired, Code::OutlivesIssuer]);
    assert_eq!(verdicts(&judgement), "-i--+", "webpki does not look at a root's dates");
}

#[test]
fn lifetimes_nest_and_do_not_run_backwards() {
    let longer = house_with(|_| {}, |_| {}, |signer| signer.not_after = NOW + Duration::days(366));
    expect(&longer.files(), &[Code::OutlivesIssuer], "+++++");
    let inverted = house_with(|_| {}, |_| {}, |s| s.not_after = NOW - Duration::days(2));
    assert!(codes(&now(&inverted.files())).contains(&Code::ValidityInverted));
}

//! What makes a CA: basic constraints, key usages, identifiers, path lengths.

use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};

use crate::mesh::checks::judgement_cases::judged::{codes, custom, expect, length, now, two_tiers, verdicts};
use crate::mesh::checks::mint::{Ca, house_with};
use crate::mesh::consumers::verdict::Outcome;
use crate::problem::Code;

#[test]
fn a_signer_that_is_no_ca_is_taken_live_and_refused_at_start_and_by_envoy() {
    let house = house_with(|_| {}, |_| {}, |signer| signer.is_ca = IsCa::ExplicitNoCa);
    expect(&house.files(), &[Code::SignerNotCa, Code::FatalAtNextStart], "-+---");
}

#[test]
fn an_issuer_that_is_no_ca_is_refused_by_all() {
    let house = house_with(|_| {}, |issuing| issuing.is_ca = IsCa::ExplicitNoCa, |_| {});
    expect(&house.files(), &[Code::IssuerNotCa], "-i---");
}

fn without_sign(params: &mut CertificateParams) {
    params.key_usages = vec![KeyUsagePurpose::CrlSign];
}

#[test]
fn a_signer_without_key_cert_sign_is_taken_by_istiod_and_refused_by_agent_and_envoy() {
    let signer = house_with(|_| {}, |_| {}, without_sign);
    let judgement = now(&signer.files());
    assert_eq!(codes(&judgement), [Code::CertSignMissing]);
    assert_eq!(judgement.predictions.istiod.start.outcome, Outcome::Accepts);
    assert_eq!(judgement.predictions.envoy.outcome, Outcome::Refuses);
    expect(&house_with(|_| {}, without_sign, |_| {}).files(), &[Code::CertSignMissing], "-i--+");
}

#[test]
fn key_usages_that_are_missing_are_named() {
    let only = |usages: &'static [KeyUsagePurpose]| {
        house_with(|_| {}, |_| {}, move |signer| signer.key_usages = usages.to_vec()).files()
    };
    expect(&only(&[KeyUsagePurpose::KeyCertSign]), &[Code::CrlSignMissing], "+++++");
    expect(&only(&[]), &[Code::KeyUsageMissing], "+++++");
    let soft = house_with(
        |_| {},
        |_| {},
        |signer| {
            signer.key_usages = Vec::new();
            signer.custom_extensions = vec![custom(&[2, 5, 29, 15], &[0x03, 0x02, 0x01, 0x06], false)];
        },
    );
    expect(&soft.files(), &[Code::KeyUsageNotCritical], "+++++");
}

#[test]
fn basic_constraints_and_key_identifiers_that_are_missing_are_named() {
    let by_hand = |critical: bool, with_id: bool| {
        house_with(
            |_| {},
            |_| {},
            move |signer| {
                signer.is_ca = IsCa::NoCa;
                signer.custom_extensions =
                    vec![custom(&[2, 5, 29, 19], &[0x30, 0x06, 0x01, 0x01, 0xff, 0x02, 0x01, 0x00], critical)];
                if with_id {
                    signer.custom_extensions.push(custom(&[2, 5, 29, 14], &[0x04, 0x02, 0x01, 0x02], false));
                }
            },
        )
    };
    expect(&by_hand(true, true).files(), &[], "+++++");
    expect(&by_hand(false, true).files(), &[Code::BasicConstraintsNotCritical], "+++++");
    expect(&by_hand(true, false).files(), &[Code::SubjectKeyIdMissing], "+++++");
    let no_authority = house_with(|_| {}, |_| {}, |s| s.use_authority_key_identifier_extension = false);
    expect(&no_authority.files(), &[Code::AuthorityKeyIdMissing], "+++++");
}

#[test]
fn an_authority_key_identifier_that_matches_nothing_stops_envoy_only() {
    let house = house_with(
        |_| {},
        |_| {},
        |signer| {
            signer.use_authority_key_identifier_extension = false;
            signer.custom_extensions =
                vec![custom(&[2, 5, 29, 35], &[0x30, 0x06, 0x80, 0x04, 0x01, 0x02, 0x03, 0x04], false)];
        },
    );
    expect(&house.files(), &[Code::AuthorityKeyIdMismatch], "+++-+");
}

#[test]
fn extended_key_usages_decide_who_refuses() {
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    let signer = |usages: &[ExtendedKeyUsagePurpose]| {
        let usages = usages.to_vec();
        house_with(|_| {}, |_| {}, move |signer| signer.extended_key_usages = usages).files()
    };
    let code = [Code::ExtendedKeyUsagePresent];
    expect(&signer(&[ClientAuth]), &code, "-i---");
    let issuing_fatal = now(&signer(&[ServerAuth]));
    assert_eq!(verdicts(&issuing_fatal), "+++--");
    expect(&signer(&[ServerAuth, ClientAuth]), &code, "+++++");
    expect(&signer(&[Any]), &code, "+++--");
    let root = house_with(|root| root.extended_key_usages = vec![Any], |_| {}, |_| {});
    expect(&root.files(), &code, "+++++");
    let root = house_with(|root| root.extended_key_usages = vec![ClientAuth], |_| {}, |_| {});
    expect(&root.files(), &code, "-i-++");
    let empty =
        house_with(|_| {}, |_| {}, |s| s.custom_extensions = vec![custom(&[2, 5, 29, 37], &[0x30, 0x00], false)]);
    expect(&empty.files(), &code, "+++--");
}

#[test]
fn an_unknown_critical_extension_is_refused_by_all() {
    let house = house_with(
        |_| {},
        |_| {},
        |s| s.custom_extensions = vec![custom(&[1, 3, 6, 1, 4, 1, 99999, 1], &[5, 0], true)],
    );
    expect(&house.files(), &[Code::UnknownCriticalExtension], "-i---");
}

#[test]
fn path_lengths_one_too_short_stop_the_agent_and_enough_is_enough() {
    expect(&house_with(length(2), |_| {}, |_| {}).files(), &[], "+++++");
    expect(&house_with(length(1), |_| {}, |_| {}).files(), &[Code::RootPathTooShort], "++-++");
    expect(&house_with(|_| {}, length(0), |_| {}).files(), &[Code::IssuingPathTooShort], "++---");
    expect(&house_with(|_| {}, |_| {}, length(1)).files(), &[Code::SignerPathOpen], "+++++");
    let open = house_with(|_| {}, |_| {}, |s| s.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    expect(&open.files(), &[Code::SignerPathOpen], "+++++");
}

#[test]
fn a_root_with_path_length_zero_stops_even_istiod_under_three_tiers_and_the_agent_under_two() {
    let house = house_with(length(0), |_| {}, |_| {});
    assert_eq!(verdicts(&now(&house.files())), "-i-++");
    let root = Ca::root("root", length(0));
    let signer = root.below("signer", 0, |_| {});
    expect(&two_tiers(&root, &signer), &[Code::RootPathTooShort], "++-++");
}

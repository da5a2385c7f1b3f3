//! Whole sets, each broken in one way: what the judgement says of them.

use std::collections::BTreeSet;

use proptest::prelude::*;
use rcgen::{BasicConstraints, CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose};
use rcgen::{GeneralSubtree, KeyPair, NameConstraints, SanType};
use time::{Duration, OffsetDateTime};

use crate::mesh::checks::judgement::{Judgement, judge};
use crate::mesh::checks::mint::{Ca, House, NOW, house, house_with};
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::verdict::Outcome;
use crate::mesh::secret_files::SecretFiles;
use crate::mesh::secret_files::{CA_CERT, CA_CRL, CA_KEY, CERT_CHAIN, ISTIO_GENERATED, ROOT_CERT};
use crate::mesh::secret_files::{TLS_CERT, TLS_KEY, TLS_ROOT};
use crate::problem::{Area, Code};

fn at(files: &SecretFiles, now: OffsetDateTime) -> Judgement {
    judge(files, &Circumstances::default(), now)
}

fn now(files: &SecretFiles) -> Judgement {
    at(files, NOW)
}

fn codes(judgement: &Judgement) -> Vec<Code> {
    let codes: BTreeSet<Code> = judgement.findings.iter().map(|finding| finding.problem.code()).collect();
    codes.into_iter().collect()
}

/// Start, reload, agent, Envoy, webpki: `+` accepts, `-` refuses, `s` self-signed, `i` ignores, `h` half-applies.
fn verdicts(judgement: &Judgement) -> String {
    let p = &judgement.predictions;
    [&p.istiod.start, &p.istiod.reload, &p.agent, &p.envoy, &p.webpki]
        .iter()
        .map(|verdict| match verdict.outcome {
            Outcome::Accepts => '+',
            Outcome::Refuses => '-',
            Outcome::RunsSelfSigned => 's',
            Outcome::Ignores => 'i',
            Outcome::HalfApplies => 'h',
        })
        .collect()
}

#[track_caller]
fn expect(files: &SecretFiles, expected_codes: &[Code], expected_verdicts: &str) {
    let judgement = now(files);
    let shown = || format!("{:#?}\n{:#?}", judgement.findings, judgement.predictions);
    assert_eq!(codes(&judgement), expected_codes, "{}", shown());
    assert_eq!(verdicts(&judgement), expected_verdicts, "{}", shown());
    for finding in &judgement.findings {
        assert!(finding.problem.advice().is_some(), "{finding:?}");
        assert!(!finding.problem.what().ends_with('.'), "{finding:?}");
    }
}

fn custom(identifier: &[u64], content: &[u8], critical: bool) -> CustomExtension {
    let mut extension = CustomExtension::from_oid_content(identifier, content.to_vec());
    extension.set_criticality(critical);
    extension
}

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

fn length(length: u8) -> impl FnOnce(&mut CertificateParams) {
    move |params| params.is_ca = IsCa::Ca(BasicConstraints::Constrained(length))
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

fn two_tiers(root: &Ca, signer: &Ca) -> SecretFiles {
    SecretFiles::new()
        .with(CA_CERT, signer.pem.as_str())
        .with(CA_KEY, signer.key.serialize_pem())
        .with(CERT_CHAIN, signer.pem.as_str())
        .with(ROOT_CERT, root.pem.as_str())
}

fn permitted(names: &[GeneralSubtree]) -> impl FnOnce(&mut CertificateParams) {
    let names = names.to_vec();
    move |params| {
        params.name_constraints = Some(NameConstraints { permitted_subtrees: names, excluded_subtrees: vec![] });
    }
}

#[test]
fn dns_constraints_must_let_istiod_through() {
    let dns = |name: &str| GeneralSubtree::DnsName(name.to_owned());
    expect(&house_with(|_| {}, permitted(&[dns("svc")]), |_| {}).files(), &[], "+++++");
    let shut = house_with(|_| {}, permitted(&[dns("example.com")]), |_| {});
    expect(&shut.files(), &[Code::NameConstraintShutsOutIstiod], "++-++");
    let one = house_with(|_| {}, permitted(&[dns("istiod.istio-system.svc")]), |_| {});
    expect(&one.files(), &[Code::NameConstraintShutsOutIstiod], "++-++");
    let named = house_with(
        |_| {},
        permitted(&[dns("svc")]),
        |signer| signer.subject_alt_names = vec![SanType::DnsName("ca.example.com".try_into().unwrap())],
    );
    let judgement = now(&named.files());
    assert_eq!(codes(&judgement), [Code::NameConstraintViolated]);
    assert_eq!(judgement.predictions.istiod.start.outcome, Outcome::Refuses);
}

/// Name constraints with one subtree: `0xa0` permits, `0xa1` excludes.
fn uri_constraint(kind: u8, host: &str) -> SecretFiles {
    let length = u8::try_from(host.len()).unwrap();
    let content = [&[0x30, length + 6, kind, length + 4, 0x30, length + 2, 0x86, length][..], host.as_bytes()].concat();
    let extension = custom(&[2, 5, 29, 30], &content, true);
    house_with(|_| {}, |_| {}, move |signer| signer.custom_extensions = vec![extension]).files()
}

#[test]
fn a_uri_constraint_stops_webpki_and_envoy_if_it_shuts_the_trust_domain_out() {
    for (kind, host, verdicts) in [
        (0xa0, "cluster.local", "++++-"),
        (0xa0, "CLUSTER.local", "++++-"),
        (0xa0, "cluster.loc", "+++--"),
        (0xa0, "local", "+++--"),
        (0xa0, ".local", "++++-"),
        (0xa0, ".cluster.local", "+++--"),
        (0xa1, "cluster.local", "+++--"),
        (0xa1, "elsewhere.example", "++++-"),
    ] {
        let files = uri_constraint(kind, host);
        expect(&files, &[Code::UriNameConstraint], verdicts);
        assert!(now(&files).not_judged.is_empty());
    }
    let elsewhere = Circumstances { trust_domain: "mesh.example", ..Circumstances::default() };
    let judgement = judge(&uri_constraint(0xa0, "cluster.local"), &elsewhere, NOW);
    assert_eq!(verdicts(&judgement), "+++--", "{judgement:#?}");
}

#[test]
fn a_uri_of_the_signer_that_a_ca_above_does_not_permit_stops_istiod() {
    let content = [&[0x30, 0x13, 0xa0, 0x11, 0x30, 0x0f, 0x86, 0x0d][..], b"cluster.local"].concat();
    let named = |uri: &str| {
        let uri = SanType::URI(uri.try_into().unwrap());
        let content = content.clone();
        let house = house_with(
            |_| {},
            move |issuing| issuing.custom_extensions = vec![custom(&[2, 5, 29, 30], &content, true)],
            move |signer| signer.subject_alt_names = vec![uri],
        );
        verdicts(&now(&house.files()))
    };
    assert_eq!(named("spiffe://cluster.local/ns/istio-system/sa/ca"), "++++-");
    assert_eq!(named("spiffe://mesh.example/ca"), "-i---");
    assert_eq!(named("urn:ca"), "-i---");
}

#[test]
fn a_directory_constraint_stops_go_where_it_is_critical_and_webpki_always() {
    let mut name = rcgen::DistinguishedName::new();
    name.push(rcgen::DnType::OrganizationName, "Test");
    let house = house_with(|_| {}, permitted(&[GeneralSubtree::DirectoryName(name)]), |_| {});
    expect(&house.files(), &[Code::DirectoryNameConstraint], "-i-+-");
    // O=Test as a permitted directory name.
    let tree = [&[0x30, 0x17, 0xa0, 0x15, 0x30, 0x13, 0xa4, 0x11, 0x30, 0x0f][..], &[0x31, 0x0d, 0x30, 0x0b, 6, 3]];
    let content = [tree.concat(), vec![0x55, 4, 10, 0x0c, 4], b"Test".to_vec()].concat();
    let soft =
        house_with(|_| {}, move |it| it.custom_extensions = vec![custom(&[2, 5, 29, 30], &content, false)], |_| {});
    expect(&soft.files(), &[Code::DirectoryNameConstraint], "++++-");
}

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
fn an_unreadable_block_in_the_chain_is_half_applied() {
    let house = house();
    let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let files = house.files().with(CERT_CHAIN, format!("{}{}{garbage}", house.signer.pem, house.issuing.pem));
    let judgement = now(&files);
    assert_eq!(verdicts(&judgement), "-h+-+", "{judgement:#?}");
    assert!(codes(&judgement).contains(&Code::ReloadHalfApplied));
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

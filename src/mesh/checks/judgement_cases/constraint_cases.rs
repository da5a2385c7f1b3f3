//! Name constraints.

use rcgen::{CertificateParams, GeneralSubtree, NameConstraints, SanType};

use crate::mesh::checks::judgement::judge;
use crate::mesh::checks::judgement_cases::judged::{codes, custom, expect, now, verdicts};
use crate::mesh::checks::mint::{NOW, house_with};
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::consumers::verdict::Outcome;
use crate::mesh::secret_files::SecretFiles;
use crate::problem::Code;

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

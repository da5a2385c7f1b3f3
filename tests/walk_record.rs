//! The judge of the walks with real processes (`slow_walk.rs`, `slow_walk_kills.rs`) finds what parts a pair, and nothing else.

#![expect(clippy::unwrap_used, reason = "a set that cannot be made is a failed test")]

#[path = "support/walk/record.rs"]
mod record;

use meshca::mesh::secret_files::{CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT, SecretFiles};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

use record::{Course, Dated, Judged, TTL, judge};

const BEGIN: OffsetDateTime = datetime!(2027-01-01 00:00:00 UTC);

/// A day, and one more in which everybody has renewed.
const STEP: Duration = Duration::hours(25);

type Root = CertifiedIssuer<'static, KeyPair>;

fn authority(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (params.not_before, params.not_after) = (BEGIN - Duration::days(30), BEGIN + Duration::days(3650));
    params
}

fn root(name: &str) -> Root {
    CertifiedIssuer::self_signed(authority(name), KeyPair::generate().unwrap()).unwrap()
}

/// A set with a signer of its own under this root, which trusts these.
fn set(under: &Root, trusts: &[&Root]) -> SecretFiles {
    set_of(&authority("signer"), under, trusts)
}

fn set_of(signer: &CertificateParams, under: &Root, trusts: &[&Root]) -> SecretFiles {
    let key = KeyPair::generate().unwrap();
    let signer = signer.signed_by(&key, under).unwrap().pem();
    let chain = format!("{signer}{}", under.pem());
    let roots: String = trusts.iter().map(|root| root.pem()).collect();
    let files = SecretFiles::new().with(CA_CERT, signer).with(CA_KEY, key.serialize_pem());
    files.with(CERT_CHAIN, chain).with(ROOT_CERT, roots)
}

/// What became of a set: published so long after the beginning, and loaded.
fn course(name: &str, versions: &[(Duration, &SecretFiles)], loads: &[(Duration, &SecretFiles)]) -> Course {
    let dated = |all: &[(Duration, &SecretFiles)]| {
        all.iter().map(|(after, files)| Dated { at: BEGIN + *after, files: (*files).clone() }).collect()
    };
    Course { name: name.to_owned(), versions: dated(versions), loads: dated(loads) }
}

/// Asserts which pairs were found bad: one, and who refuses it.
#[track_caller]
fn is_bad(judged: &Judged, pairs: &[(&str, &str)]) {
    assert_eq!(judged.bad.len(), pairs.len(), "{judged:?}");
    for (of, by) in pairs {
        let words = format!("a workload under version {of} is refused by one that trusts version {by}: ");
        assert!(judged.bad.iter().any(|it| it.contains(&words)), "{words}{judged:?}");
    }
}

#[test]
fn of_two_sets_in_use_at_once_the_one_whose_root_the_other_does_not_trust_is_bad_and_the_others_are_good() {
    let (g1, g2) = (root("g1"), root("g2"));
    let judged = |east: &SecretFiles, west: &SecretFiles| {
        let now = Duration::ZERO;
        judge(&[course("east", &[(now, east)], &[]), course("west", &[(now, west)], &[])])
    };
    let both = [&g1, &g2];
    let good = judged(&set(&g1, &both), &set(&g2, &both));
    is_bad(&good, &[]);
    assert_eq!((good.versions, good.pairs), (2, 4), "each with itself, and each with the other");
    is_bad(&judged(&set(&g1, &both), &set(&g2, &[&g2])), &[("0 of east", "0 of west")]);
    is_bad(&judged(&set(&g1, &[&g1]), &set(&g2, &both)), &[("0 of west", "0 of east")]);
    let apart = [("0 of east", "0 of west"), ("0 of west", "0 of east")];
    is_bad(&judged(&set(&g1, &[&g1]), &set(&g2, &[&g2])), &apart);
    is_bad(&judged(&set(&g1, &[&g2]), &set(&g2, &both)), &[("0 of east", "0 of east")]);
}

#[test]
fn a_set_is_in_use_until_the_second_in_which_the_last_workload_certificate_under_it_ends() {
    let (g1, g2) = (root("g1"), root("g2"));
    let (trust, sign, remove) = (set(&g1, &[&g1, &g2]), set(&g2, &[&g1, &g2]), set(&g2, &[&g2]));
    let signed = STEP;
    let judged = |removed: Duration| {
        judge(&[course("east", &[(Duration::ZERO, &trust), (signed, &sign), (removed, &remove)], &[])])
    };
    is_bad(&judged(signed + TTL - Duration::SECOND), &[("0 of east", "2 of east")]);
    let good = judged(signed + TTL);
    is_bad(&good, &[]);
    assert_eq!(good.pairs, 7, "each with itself and the next one: the first and the last never meet");
}

#[test]
fn a_set_that_somebody_else_published_ends_a_pair_no_sooner_than_its_own_successor() {
    let (g1, g2) = (root("g1"), root("g2"));
    let (trust, sign, remove) = (set(&g1, &[&g1, &g2]), set(&g2, &[&g1, &g2]), set(&g2, &[&g2]));
    let judged = |removed: Duration| {
        let east = course("east", &[(Duration::ZERO, &trust), (STEP, &sign)], &[]);
        judge(&[east, course("west", &[(Duration::ZERO, &sign), (removed, &remove)], &[])])
    };
    is_bad(&judged(STEP + TTL - Duration::SECOND), &[("0 of east", "1 of west")]);
    is_bad(&judged(STEP + TTL), &[]);
}

#[test]
fn what_an_istiod_has_loaded_is_in_use_until_a_workload_certificate_after_it_loads_something_else() {
    let (g1, g2) = (root("g1"), root("g2"));
    let (trust, sign, remove) = (set(&g1, &[&g1, &g2]), set(&g2, &[&g1, &g2]), set(&g2, &[&g2]));
    let late = STEP + Duration::hours(7);
    let judged = |removed: Duration, loads: &[(Duration, &SecretFiles)]| {
        judge(&[course("east", &[(Duration::ZERO, &trust), (STEP, &sign), (removed, &remove)], loads)])
    };
    let loads = [(Duration::ZERO, &trust), (late, &sign)];
    is_bad(&judged(late + TTL - Duration::SECOND, &loads), &[("0 of east", "2 of east")]);
    is_bad(&judged(late + TTL, &loads), &[]);
    // It never loaded another.
    is_bad(&judged(STEP + Duration::days(300), &loads[..1]), &[("0 of east", "2 of east")]);
}

#[test]
fn a_workload_certificate_must_do_for_a_server_and_for_a_client() {
    let g1 = root("g1");
    for usage in [ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth] {
        let mut signer = authority("signer");
        signer.extended_key_usages = vec![usage];
        let half = course("east", &[(Duration::ZERO, &set_of(&signer, &g1, &[&g1]))], &[]);
        is_bad(&judge(&[half]), &[("0 of east", "0 of east")]);
    }
}

#[test]
fn a_record_in_which_hardly_anything_met_is_no_whole_walk() {
    let judged = |versions, pairs| Judged { versions, pairs, bad: Vec::new() };
    assert!(judged(8, 24).is_a_whole_walk(2));
    assert!(!judged(8, 23).is_a_whole_walk(2));
    assert!(!judged(7, 24).is_a_whole_walk(2));
    assert!(!judge(&[]).is_a_whole_walk(1));
}

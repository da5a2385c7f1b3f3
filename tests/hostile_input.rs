//! Whatever the files of a set hold, the judge ends with a verdict: it never panics, never shows a key and never lets
//! a control character through to a terminal.
#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "what reads and spoils the fixtures may stop at the first surprise"
)]

#[path = "support/fixtures/case.rs"]
#[expect(dead_code, reason = "verdict and writing are for tests/fixtures.rs")]
mod case;
#[path = "support/fixtures/damage.rs"]
mod damage;
#[path = "support/fixtures/tree.rs"]
mod tree;

use std::collections::BTreeMap;

use damage::{Dice, damage};
use meshca::mesh::checks::judgement::{Judgement, judge};
use meshca::mesh::consumers::circumstances::Circumstances;
use meshca::mesh::secret_files::SecretFiles;
use meshca::problem::Area;
use proptest::prelude::*;
use tree::Fixture;

/// These are large; spoiling them would take most of the time and find what the small ones find.
const LARGE: [&str; 2] = ["faulty/roots-too-many", "faulty/pem-too-large"];

/// More blocks are not read, and no block deserves more than about one finding.
const MOST_BLOCKS: usize = 10_000;

fn small_fixtures() -> Vec<Fixture> {
    let mut all = tree::fixtures(&tree::folder());
    all.retain(|fixture| !LARGE.contains(&fixture.folder.as_str()));
    all
}

fn files_of(files: &BTreeMap<String, Vec<u8>>) -> SecretFiles {
    files.iter().fold(SecretFiles::new(), |set, (name, value)| set.with(name.clone(), value.clone()))
}

/// Judges, and holds the judgement to what must be true of any.
fn judged(files: &BTreeMap<String, Vec<u8>>, fixture: &Fixture, loaded: Option<&SecretFiles>, what: &str) -> Judgement {
    let circumstances = Circumstances { multi_root: fixture.case.multi_root, loaded, ..Circumstances::default() };
    let judgement = judge(&files_of(files), &circumstances, fixture.case.now());
    let place = format!("{} after {what}", fixture.folder);
    let keys: Vec<String> = ["ca-key.pem", "tls.key"]
        .iter()
        .filter_map(|name| files.get(*name))
        .flat_map(|key| String::from_utf8_lossy(key).lines().map(str::to_owned).collect::<Vec<_>>())
        .filter(|line| line.len() >= 32 && !line.starts_with("-----"))
        .collect();
    for finding in &judgement.findings {
        assert_eq!(finding.problem.code().area(), Area::Certificate, "{place}: {}", finding.problem);
        let told = finding.problem.facts().iter().map(String::as_str);
        for text in told.chain([finding.problem.what(), &finding.place]).chain(finding.problem.advice()) {
            assert!(!text.chars().any(char::is_control), "{place}: a control character in {text:?}");
            assert!(text.len() < 16 * 1024, "{place}: {} bytes in one sentence", text.len());
            assert!(!keys.iter().any(|line| text.contains(line.as_str())), "{place}: a part of the key in {text:?}");
        }
    }
    judgement
}

fn spoil_every_fixture(rounds: usize) {
    let fixtures = small_fixtures();
    for (number, fixture) in fixtures.iter().enumerate() {
        let sound = files_of(&fixture.files);
        let mut dice = Dice::new(number as u64);
        for round in 0..rounds {
            let mut files = fixture.files.clone();
            let what = damage(&mut files, &mut dice);
            // Every second time the spoilt set is an update of the set as it was.
            let loaded = (round % 2 == 1).then_some(&sound);
            judged(&files, fixture, loaded, &what);
        }
    }
}

#[test]
fn a_spoilt_fixture_gets_a_verdict() {
    spoil_every_fixture(6);
}

#[test]
#[ignore = "minutes long: cargo test --release --test hostile_input -- --ignored"]
fn a_fixture_spoilt_in_a_thousand_ways_gets_a_verdict() {
    spoil_every_fixture(1_000);
}

#[test]
fn each_file_cut_at_every_eighth_of_its_length_gets_a_verdict() {
    let all = small_fixtures();
    for fixture in all.iter().filter(|fixture| fixture.folder.starts_with("sound/one-mesh")) {
        for (name, content) in &fixture.files {
            for eighth in 0..=8 {
                let mut files = fixture.files.clone();
                files.insert(name.clone(), content[..content.len() * eighth / 8].to_vec());
                let judgement = judged(&files, fixture, None, &format!("cutting {name} at {eighth}/8"));
                assert_eq!(judgement.findings.is_empty(), eighth == 8, "{}/{name} cut at {eighth}/8", fixture.folder);
            }
        }
    }
}

#[test]
fn a_file_that_no_secret_could_hold_gets_a_verdict() {
    let all = small_fixtures();
    let fixture = all.iter().find(|fixture| fixture.folder == "sound/one-mesh/west").unwrap();
    let root = fixture.files["root-cert.pem"].clone();
    let megabytes = 10 * 1024 * 1024;
    let long_line = [b"-----BEGIN CERTIFICATE-----\n".to_vec(), vec![b'A'; megabytes]].concat();
    let monsters: [(&str, Vec<u8>); 7] = [
        ("100,000 empty blocks", b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n".repeat(100_000)),
        ("100,000 BEGIN lines", b"-----BEGIN CERTIFICATE-----\n".repeat(100_000)),
        ("100,000 END lines", b"-----END CERTIFICATE-----\n".repeat(100_000)),
        ("10 MB of newlines", vec![b'\n'; megabytes]),
        ("10 MB of dashes", vec![b'-'; megabytes]),
        ("a block of one line of 10 MB", long_line),
        ("the root 6,000 times", root.repeat(6_000)),
    ];
    for (what, content) in &monsters {
        for name in ["root-cert.pem", "cert-chain.pem", "ca-key.pem"] {
            let mut files = fixture.files.clone();
            files.insert(name.to_owned(), content.clone());
            let judgement = judged(&files, fixture, None, &format!("{what} as {name}"));
            assert!(!judgement.findings.is_empty(), "{what} as {name} was found sound");
            let told = judgement.findings.len();
            assert!(told < MOST_BLOCKS + 100, "{what} as {name}: {told} findings");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_get_a_verdict(
        values in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..512), 5),
        in_blocks in any::<bool>(),
    ) {
        let names = ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem", "ca-crl.pem"];
        let labels = ["CERTIFICATE", "PRIVATE KEY", "CERTIFICATE", "CERTIFICATE", "X509 CRL"];
        let mut set = SecretFiles::new();
        for ((name, label), value) in names.iter().zip(labels).zip(values) {
            let value = if in_blocks { pem::encode(&pem::Pem::new(label, value)).into_bytes() } else { value };
            set.insert(*name, value);
        }
        let now = time::macros::datetime!(2026-11-23 10:00 UTC);
        let judgement = judge(&set, &Circumstances::default(), now);
        prop_assert!(!judgement.findings.is_empty());
    }
}

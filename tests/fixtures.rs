//! Every fixture gives its verdict, the register equals the tree, and the tree can be remade.
#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "what makes and reads the fixtures may stop at the first surprise"
)]

#[path = "support/fixtures/mod.rs"]
mod fixtures;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use fixtures::key_ring::KeyRing;
use fixtures::register;
use fixtures::shelf::MAKER;
use fixtures::stories;
use fixtures::tree::{self, Fixture};
use meshca::mesh::checks::judgement::{Judgement, judge};
use meshca::mesh::consumers::circumstances::Circumstances;
use meshca::mesh::consumers::verdict::{Outcome, Predictions};
use meshca::mesh::secret_files::SecretFiles;
use meshca::problem::{Area, Code};

fn key_ring(committed: &[Fixture], may_sign_anew: bool) -> KeyRing {
    let files = committed.iter().flat_map(|fixture| fixture.files.values().map(Vec::as_slice));
    KeyRing::open(&tree::folder().join("keys"), files, may_sign_anew)
}

#[test]
fn every_fixture_gives_its_verdict() {
    let all: BTreeMap<String, Fixture> =
        tree::fixtures(&tree::folder()).into_iter().map(|fixture| (fixture.folder.clone(), fixture)).collect();
    let known = known_disagreements();
    let unknown: Vec<&String> = known.keys().filter(|folder| !all.contains_key(*folder)).collect();
    assert!(unknown.is_empty(), "known disagreements about no fixture: {unknown:?}");
    let mut wrong = Vec::new();
    for fixture in all.values() {
        match (disagreement(fixture, &all, known.get(&fixture.folder)), known.contains_key(&fixture.folder)) {
            (Some(text), _) => wrong.push(text),
            (None, true) if known[&fixture.folder].got.is_some() && disagreement(fixture, &all, None).is_none() => {
                wrong.push(format!("{}\n  healed: take it out of disagreements.yaml", fixture.folder));
            }
            (None, _) => {}
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}

/// `istiod-start.txt` is written by Istio's own code: `foreign/istio/verdict_test.go`.
#[test]
fn the_judge_says_of_a_start_what_istios_own_code_says() {
    let told = std::fs::read_to_string(tree::folder().join("istiod-start.txt")).unwrap();
    let all: BTreeMap<String, Fixture> =
        tree::fixtures(&tree::folder()).into_iter().map(|fixture| (fixture.folder.clone(), fixture)).collect();
    let known = known_disagreements();
    let mut asked = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in told.lines() {
        let [folder, verdict, reason] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let fixture = all.get(folder).unwrap_or_else(|| panic!("{folder} is not in the tree"));
        asked.insert(folder.to_owned());
        let now = fixture.case.now();
        let predictions = judge(&secret_files(fixture), &Circumstances::default(), now).predictions;
        let (outcome, why) = prediction(&predictions, "istiod-start");
        // Where a disagreement is known, agreement is as wrong as a third opinion: the entry is then out of date.
        let expected = known.get(folder).and_then(|known| known.start.as_deref()).unwrap_or(verdict);
        if outcome != expected {
            wrong.push(format!("{folder}\n  Istio {verdict}: {reason}\n  judge {outcome}: {why}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), asked.len(), wrong.join("\n"));
    let unasked = |fixture: &&Fixture| fixture.case.fill_roots_to.is_none() && !fixture.files.is_empty();
    let left: Vec<&str> = all
        .values()
        .filter(unasked)
        .map(|fixture| fixture.folder.as_str())
        .filter(|name| !asked.contains(*name))
        .collect();
    assert!(left.is_empty(), "Istio was not asked about {left:?}");
}

/// Where the judge is known to say otherwise than the case, until it is healed.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct KnownDisagreement {
    folder: String,
    /// The codes that the judge gives, where they are not those of the case.
    got: Option<Vec<String>>,
    /// Of a start of istiod, where the judge says otherwise than Istio's own code.
    start: Option<String>,
    reason: String,
}

fn known_disagreements() -> BTreeMap<String, KnownDisagreement> {
    let text = std::fs::read_to_string(tree::folder().join("disagreements.yaml")).unwrap();
    let list: Vec<KnownDisagreement> = serde_saphyr::from_str(&text).unwrap();
    assert!(list.iter().all(|known| !known.reason.is_empty()), "a known disagreement has no reason");
    list.into_iter().map(|known| (known.folder.clone(), known)).collect()
}

/// What the judge says otherwise than the case; `None` where it says the same.
fn disagreement(
    fixture: &Fixture,
    all: &BTreeMap<String, Fixture>,
    known: Option<&KnownDisagreement>,
) -> Option<String> {
    let case = &fixture.case;
    let loaded = case.reload_from.as_ref().map(|folder| secret_files(&all[folder]));
    let circumstances = Circumstances {
        multi_root: case.multi_root,
        loaded: loaded.as_ref(),
        istio_minor: case.istio_minor,
        ..Circumstances::default()
    };
    let Judgement { findings, predictions, .. } = judge(&secret_files(fixture), &circumstances, case.now());
    let mut wrong = Vec::new();
    let got: BTreeSet<&str> = findings.iter().map(|finding| finding.problem.code().as_str()).collect();
    let expect = known.and_then(|known| known.got.as_ref()).unwrap_or(&case.expect);
    let expected: BTreeSet<&str> = expect.iter().map(String::as_str).collect();
    if got != expected {
        wrong.push(format!("  expected {expected:?}\n  got      {got:?}"));
        wrong.extend(findings.iter().map(|finding| format!("    {}: {}", finding.place, finding.problem)));
    }
    let worst = findings.iter().map(|finding| finding.severity).max();
    let first = expect.first();
    let own = findings.iter().filter(|finding| Some(finding.problem.code().as_str()) == first.map(String::as_str));
    if own.map(|finding| finding.severity).max() != worst {
        wrong.push(format!("  something is worse than {first:?}"));
    }
    for (consumer, expected) in &case.predictions {
        let (outcome, reason) = prediction(&predictions, consumer);
        if outcome != expected {
            wrong.push(format!("  {consumer}: expected {expected}, got {outcome} ({reason})"));
        }
    }
    (!wrong.is_empty()).then(|| format!("{}\n{}", fixture.folder, wrong.join("\n")))
}

fn prediction<'p>(predictions: &'p Predictions, consumer: &str) -> (&'static str, &'p str) {
    let verdict = match consumer {
        "istiod-start" => &predictions.istiod.start,
        "istiod-reload" => &predictions.istiod.reload,
        "agent" => &predictions.agent,
        "envoy" => &predictions.envoy,
        "webpki" => &predictions.webpki,
        _ => panic!("no consumer is called {consumer}"),
    };
    let outcome = match verdict.outcome {
        Outcome::Accepts => "accepts",
        Outcome::Refuses => "refuses",
        Outcome::RunsSelfSigned => "runs-self-signed",
        Outcome::Ignores => "ignores",
        Outcome::HalfApplies => "half-applies",
    };
    (outcome, &verdict.reason)
}

fn secret_files(fixture: &Fixture) -> SecretFiles {
    fixture.files.iter().fold(SecretFiles::new(), |files, (name, value)| files.with(name.clone(), value.clone()))
}

#[test]
fn every_certificate_code_has_a_fixture_and_every_faulty_folder_has_a_code() {
    let codes: BTreeSet<&str> =
        Code::ALL.iter().filter(|code| code.area() == Area::Certificate).map(|code| code.as_str()).collect();
    let committed = tree::fixtures(&tree::folder());
    let folders: BTreeSet<&str> = committed
        .iter()
        .filter_map(|fixture| fixture.folder.strip_prefix("faulty/"))
        .map(|place| place.split('/').next().unwrap())
        .collect();
    let without_fixture: Vec<_> = codes.difference(&folders).collect();
    let without_code: Vec<_> = folders.difference(&codes).collect();
    assert!(without_fixture.is_empty(), "codes without a fixture: {without_fixture:?}");
    assert!(without_code.is_empty(), "fixture folders without a code: {without_code:?}");
}

#[test]
fn a_folder_says_the_same_as_its_case() {
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    let committed = tree::fixtures(&tree::folder());
    for fixture in &committed {
        let expect: Vec<&str> = fixture.case.expect.iter().map(String::as_str).collect();
        assert!(expect.iter().all(|code| known.contains(code)), "{}: unknown code in {expect:?}", fixture.folder);
        match fixture.folder.split('/').collect::<Vec<_>>().as_slice() {
            ["sound", ..] => assert!(expect.is_empty(), "{} expects findings", fixture.folder),
            ["faulty", code, ..] => assert_eq!(expect.first(), Some(code), "{}", fixture.folder),
            ["foreign", maker, _, ..] => assert!(fixture.case.maker.starts_with(maker), "{}", fixture.folder),
            _ => panic!("{} is neither sound nor faulty nor foreign", fixture.folder),
        }
        let inside = format!("{}/", fixture.folder);
        assert!(!committed.iter().any(|other| other.folder.starts_with(&inside)), "a fixture lies inside {inside}");
        assert!(!fixture.case.reason.trim().is_empty(), "{} has no reason", fixture.folder);
    }
}

#[test]
fn the_register_equals_the_tree() {
    let committed = tree::fixtures(&tree::folder());
    let written = std::fs::read_to_string(tree::folder().join("README.md")).unwrap();
    assert!(
        written == register::text(&committed),
        "pki-fixtures/README.md is out of date: cargo test --test fixtures remake_the_fixtures -- --ignored"
    );
}

#[test]
fn remaking_gives_the_same_to_be_signed_bytes() {
    let committed = tree::fixtures(&tree::folder());
    // This ring never makes a signature: it fails where the to-be-signed bytes are not those of a committed one.
    let keys = key_ring(&committed, false);
    let mut left: BTreeMap<&str, &Fixture> = committed
        .iter()
        .filter(|fixture| fixture.case.maker == MAKER)
        .map(|fixture| (fixture.folder.as_str(), fixture))
        .collect();
    for story in stories::all(&keys) {
        let fixture =
            left.remove(story.folder.as_str()).unwrap_or_else(|| panic!("{} is not in the tree", story.folder));
        let case = std::fs::read_to_string(tree::folder().join(&story.folder).join("case.yaml")).unwrap();
        assert_eq!(story.case.text(), case, "{}/case.yaml", story.folder);
        if story.case.fill_roots_to.is_none() {
            assert!(story.secret.files == fixture.files, "{}: other bytes", story.folder);
        }
    }
    assert!(left.is_empty(), "in the tree and not remade: {:?}", left.keys());
}

#[test]
#[ignore = "rewrites what the maker meshca-test made, and the register: cargo test --test fixtures remake -- --ignored"]
fn remake_the_fixtures() {
    let root = tree::folder();
    let committed = tree::fixtures(&root);
    let keys = key_ring(&committed, true);
    let stories = stories::all(&keys);
    for fixture in committed.iter().filter(|fixture| fixture.case.maker == MAKER) {
        std::fs::remove_dir_all(root.join(&fixture.folder)).unwrap();
    }
    for story in &stories {
        let folder = root.join(&story.folder);
        std::fs::create_dir_all(&folder).unwrap();
        write(&folder.join("case.yaml"), story.case.text().as_bytes());
        for (file, content) in &story.secret.files {
            write(&folder.join(file), content);
        }
    }
    write(&root.join("README.md"), register::text(&tree::fixtures(&root)).as_bytes());
}

fn write(path: &Path, content: &[u8]) {
    std::fs::write(path, content).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
}

//! The register of codes: its page is what the register says, and no code stands there without a use and a test.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]

#[path = "support/source_text.rs"]
mod source_text;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

use meshca::problem::{Area, Code};
use source_text::{code, read_tree, test_items, without_tests};

const PAGE: &str = "docs/reference/codes.md";
const REMAKE: &str = "cargo test --test codes remake_the_page_of_codes -- --ignored";

/// Codes that no test shows yet, and why. One that a test shows must leave this list.
const UNTESTED: &[(Code, &str)] = &[];

/// Codes that nothing says yet, and why. One that is said must leave this list.
const UNUSED: &[(Code, &str)] = &[];

/// The areas whose codes have gates of their own: the fixtures and the tests of the mesh file.
const GATED_ELSEWHERE: [Area; 2] = [Area::Certificate, Area::MeshFile];

fn page() -> String {
    let mut page = format!(
        "# Codes\n\nWhatever meshca says is wrong, an error, a refusal or a finding, has one of these codes. A code is a \
         promise to\nscripts: it is never renumbered, renamed or reused.\n\nThis page is made from `src/problem.rs`; \
         after a change there:\n`{REMAKE}`\n"
    );
    let mut area = None;
    for code in Code::ALL {
        if area.replace(code.area()) != Some(code.area()) {
            let _ = write!(page, "\n## {}\n\n| Code | Meaning |\n|---|---|\n", code.area().title());
        }
        let _ = writeln!(page, "| `{code}` | {} |", code.meaning().replace('|', "\\|"));
    }
    page
}

fn codes() -> impl Iterator<Item = Code> {
    Code::ALL.iter().copied().filter(|code| !GATED_ELSEWHERE.contains(&code.area()))
}

fn is_part_of_word(letter: Option<char>, more: &str) -> bool {
    letter.is_some_and(|it| it.is_alphanumeric() || more.contains(it))
}

/// Whether the text has this word, and not only a longer one that holds it.
fn has_word(text: &str, word: &str, joins: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).unwrap_or_default().chars().next_back();
        let after = text.get(at + word.len()..).unwrap_or_default().chars().next();
        !is_part_of_word(before, joins) && !is_part_of_word(after, joins)
    })
}

fn names_variant(text: &str, code: Code) -> bool {
    has_word(text, &format!("Code::{code:?}"), "_")
}

fn names_code(text: &str, code: Code) -> bool {
    names_variant(text, code) || has_word(text, code.as_str(), "_-")
}

/// The codes of the register that this code does not name.
fn unused(sources: &str) -> BTreeSet<Code> {
    codes().filter(|code| !names_variant(sources, *code)).collect()
}

/// The codes of the register that these tests do not name.
fn untested(tests: &str) -> BTreeSet<Code> {
    codes().filter(|code| !names_code(tests, *code)).collect()
}

/// All tests: the files of `tests` but this one, and what stands under `#[cfg(test)]` in the sources.
fn all_tests() -> String {
    let tree = read_tree(|file| file.starts_with("tests/") || file.starts_with("src/"));
    let texts = tree.iter().filter(|(file, _)| *file != "tests/codes.rs").flat_map(|(file, text)| {
        let whole = 0..text.len();
        let parts = if file.starts_with("tests/") { vec![whole] } else { test_items(&code(text)) };
        parts.into_iter().filter_map(|part| text.get(part)).collect::<Vec<_>>()
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn all_code() -> String {
    let tree = read_tree(|file| file.starts_with("src/") && file != "src/problem.rs");
    tree.values().map(|text| without_tests(&code(text))).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_page_of_codes_says_what_the_register_says() {
    let written = read_tree(|file| file == PAGE).remove(PAGE).unwrap_or_default();
    let made = page();
    let there = written.lines().chain(std::iter::repeat(""));
    let differs = made.lines().zip(there).find(|(made, there)| made != there);
    assert!(made == written, "{PAGE} is not what src/problem.rs says, first at {differs:?}; run: {REMAKE}");
}

#[test]
#[ignore = "writes docs/reference/codes.md: cargo test --test codes remake_the_page_of_codes -- --ignored"]
fn remake_the_page_of_codes() {
    std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE), page()).unwrap();
}

#[test]
fn each_area_is_one_stretch_of_the_register_and_each_code_occurs_once() {
    let mut areas: Vec<Area> = Code::ALL.iter().map(|code| code.area()).collect();
    areas.dedup();
    assert_eq!(areas.len(), areas.iter().collect::<BTreeSet<_>>().len(), "{areas:?}");
    let names: BTreeSet<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
    assert_eq!(names.len(), Code::ALL.len(), "two variants have the same name");
}

#[test]
fn a_code_is_in_kebab_case_and_its_meaning_is_a_sentence_without_a_full_stop() {
    for code in Code::ALL {
        let name = code.as_str();
        let is_kebab = name.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
        assert!(is_kebab, "src/problem.rs: {name}: write lower case words with single hyphens between them");
        let meaning = code.meaning();
        assert!(
            !meaning.is_empty() && !meaning.ends_with('.') && !meaning.contains('\n'),
            "src/problem.rs: {name}: its meaning is one sentence without a full stop: {meaning}"
        );
    }
}

/// Asserts that exactly the excepted codes lack something.
fn only_excepted(lacking: &BTreeSet<Code>, list: &str, exceptions: &[(Code, &str)], todo: &str) {
    let excepted: BTreeSet<Code> = exceptions.iter().map(|(code, _)| *code).collect();
    let new: Vec<&str> = lacking.difference(&excepted).map(|code| code.as_str()).collect();
    let healed: Vec<&str> = excepted.difference(lacking).map(|code| code.as_str()).collect();
    assert!(new.is_empty(), "{todo}: {new:?}");
    assert!(
        healed.is_empty(),
        "no exception is needed any more: take these out of {list} in tests/codes.rs: {healed:?}"
    );
    assert!(exceptions.iter().all(|(_, reason)| !reason.is_empty()), "an exception in {list} has no reason");
}

#[test]
fn no_code_is_without_a_use() {
    let todo = "src/problem.rs has codes that nothing in src says: say them, or take them out";
    only_excepted(&unused(&all_code()), "UNUSED", UNUSED, todo);
}

#[test]
fn no_code_is_without_a_test() {
    let todo =
        "no test names these codes: write one that provokes them, or except them in tests/codes.rs with a reason";
    only_excepted(&untested(&all_tests()), "UNTESTED", UNTESTED, todo);
}

#[test]
#[should_panic(expected = "take these out of UNTESTED in tests/codes.rs: [\"lock-held\"]")]
fn an_exception_that_is_not_needed_any_more_is_noticed() {
    only_excepted(&BTreeSet::new(), "UNTESTED", &[(Code::LockHeld, "none")], "");
}

#[test]
#[should_panic(expected = "write a test: [\"lock-held\"]")]
fn a_code_that_is_not_excepted_is_noticed() {
    only_excepted(&[Code::LockHeld].into(), "UNTESTED", &[], "write a test");
}

#[test]
fn a_code_without_a_use_or_a_test_is_noticed() {
    assert!(unused("Code::LockHeldTwice code::LockHeld").contains(&Code::LockHeld));
    assert!(!unused("Problem::new(Code::LockHeld, what)").contains(&Code::LockHeld));
    assert!(untested("lock-held-by-nobody no-lock-held").contains(&Code::LockHeld));
    assert!(!untested("error[lock-held]: another run").contains(&Code::LockHeld));
    assert!(!untested("assert_eq!(code, Code::LockHeld)").contains(&Code::LockHeld));
}

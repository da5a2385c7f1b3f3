//! Proves the bans of `.clippy.toml` and the lints of `Cargo.toml`: each is broken on a copy of the sources, and clippy
//! must say so there, by that lint and no other.

#[path = "support/project_copy.rs"]
mod project_copy;

use project_copy::ProjectCopy;

/// The file in `src/mesh`, the lint that must catch it, and the line that breaks it.
const BREAKS: [(&str, &str, &str); 20] = [
    ("reads_clock", "disallowed_methods", "pub fn f() { let _ = std::time::SystemTime::now(); }"),
    ("reads_other_clock", "disallowed_methods", "pub fn f() { let _ = time::OffsetDateTime::now_utc(); }"),
    ("reads_disk", "disallowed_methods", "pub fn f() { let _ = std::fs::read(\"a\"); }"),
    ("opens_file", "disallowed_methods", "pub fn f() { let _ = std::fs::File::open(\"a\"); }"),
    ("asks_disk", "disallowed_methods", "pub fn f(path: &std::path::Path) -> bool { path.exists() }"),
    ("reads_environment", "disallowed_methods", "pub fn f() { let _ = std::env::var(\"A\"); }"),
    ("makes_randomness", "disallowed_methods", "pub fn f() { let _ = ring::rand::SystemRandom::new(); }"),
    ("prints", "print_stdout", "pub fn f() { println!(\"a\"); }"),
    ("prints_errors", "print_stderr", "pub fn f() { eprintln!(\"a\"); }"),
    ("exits", "exit", "pub fn f() { std::process::exit(1); }"),
    ("unwraps", "unwrap_used", "pub fn f(a: Option<u8>) -> u8 { a.unwrap() }"),
    ("expects", "expect_used", "pub fn f(a: Option<u8>) -> u8 { a.expect(\"a\") }"),
    ("panics", "panic", "pub fn f() { panic!(\"a\"); }"),
    ("indexes", "indexing_slicing", "pub fn f(a: &[u8]) -> u8 { a[0] }"),
    ("slices", "string_slice", "pub fn f(a: &str) -> &str { &a[1..] }"),
    ("has_no_order", "disallowed_types", "pub fn f(_: &std::collections::HashMap<u8, u8>) {}"),
    ("allows", "allow_attributes", "#[allow(dead_code, reason = \"none\")]\npub fn f() {}"),
    ("gives_no_reason", "allow_attributes_without_reason", "#[expect(clippy::panic)]\npub fn f() { panic!(\"a\"); }"),
    (
        "expects_in_vain",
        "unfulfilled_lint_expectations",
        "#[expect(clippy::disallowed_methods, reason = \"none\")]\npub fn f() {}",
    ),
    ("beside_folder", "self_named_module_files", "pub mod inside;"),
];

#[test]
fn each_ban_catches_the_line_that_breaks_it_and_says_so_there() {
    let copy = ProjectCopy::new();
    for (name, _, line) in BREAKS {
        // One thing of each file must be wrong, so the rest of it is documented as it should be.
        let documented = line.replace("pub ", "/// Breaks a rule.\npub ");
        copy.append(&format!("src/mesh/{name}.rs"), &format!("//! Broken on purpose.\n\n{documented}\n"));
        copy.append("src/mesh/mod.rs", &format!("pub mod {name};\n"));
    }
    copy.append("src/mesh/beside_folder/inside.rs", "//! Sound.\n");

    let (found, words) = copy.cargo(&["clippy", "--lib", "--", "-D", "warnings"]);
    let lint = |name: &str| if name.starts_with("unfulfilled") { name.to_owned() } else { format!("clippy::{name}") };
    let mut wanted: Vec<_> = BREAKS.iter().map(|(file, it, _)| (format!("src/mesh/{file}.rs"), lint(it))).collect();
    // `exit` is banned twice, by a lint and by the list of methods, which has the reason.
    wanted.push(("src/mesh/exits.rs".to_owned(), lint("disallowed_methods")));
    wanted.sort_unstable();
    assert_eq!(found, wanted, "left: what clippy said; right: what it should say\n{words}");
}

//! The house: what may name what, and where a thing may stand. Each rule is held against the sources, and each is proved
//! by breaking it on a copy of them.

#[path = "support/house_rules.rs"]
mod house_rules;
#[path = "support/source_paths.rs"]
mod source_paths;
#[path = "support/source_text.rs"]
mod source_text;

use std::process::Command;
use std::sync::LazyLock;

use house_rules::{
    Breach, ceremonies_are_a_feature, clock_and_voice_are_in_one_place, decisions_read_no_records, imports_go_down,
    imports_go_in_no_circle, lints_are_listed_once, manifest_value, names_are_addresses, network_is_a_feature,
    paths_are_of_this_project, root_key_has_its_doors,
};
use source_text::{Tree, code, read_tree, without_tests};

type Rule = fn(&Tree) -> Vec<Breach>;

/// A copy of the manifest and of every Rust file.
fn house() -> Tree {
    static HOUSE: LazyLock<Tree> = LazyLock::new(|| read_tree(|file| file == "Cargo.toml" || file.ends_with(".rs")));
    HOUSE.clone()
}

fn hold(rule: Rule, tree: &Tree) {
    let breaches: Vec<String> = rule(tree).iter().map(ToString::to_string).collect();
    assert!(breaches.is_empty(), "the house is broken here:\n{}\n", breaches.join("\n"));
}

/// Asserts that this line, put first into this file of a copy, is caught by the rule, there and nowhere else.
fn caught(rule: Rule, file: &str, line: &str) {
    let mut copy = house();
    put(&mut copy, file, line);
    caught_at(rule, &copy, file, line);
}

/// Puts a line before all others of a file, which is made where there is none.
fn put(tree: &mut Tree, file: &str, line: &str) {
    let text = tree.entry(file.to_owned()).or_default();
    *text = format!("{line}\n{text}");
}

fn caught_at(rule: Rule, copy: &Tree, file: &str, line: &str) {
    let breaches = rule(copy);
    assert!(!breaches.is_empty(), "{file}: nobody minds: {line}");
    for breach in breaches {
        assert_eq!((breach.file.as_str(), breach.line), (file, 1), "{line}: {breach}");
    }
}

fn ignored(rule: Rule, file: &str, line: &str) {
    let mut copy = house();
    put(&mut copy, file, line);
    hold(rule, &copy);
}

#[test]
fn imports_only_go_down() {
    hold(imports_go_down, &house());
}

#[test]
fn an_import_that_climbs_is_caught() {
    for (file, line) in [
        ("src/pki/profile.rs", "use crate::mesh::fleet::Mesh;"),
        ("src/pki/profile.rs", "use crate::{problem::Code, world::files};"),
        ("src/mesh/plan.rs", "use crate::world::store::Store;"),
        ("src/mesh/plan.rs", "use super::super::world::store::Store;"),
        ("src/mesh/plan.rs", "fn f() { crate::world::clock::now(); }"),
        ("src/mesh/plan.rs", "use crate::*;"),
        ("src/world/files.rs", "use crate::jobs::publish;"),
        ("src/world/files.rs", "use crate::cli;"),
        ("src/jobs/publish.rs", "pub fn f(_: crate::cli::voice::Voice) {}"),
        ("src/problem.rs", "use crate::pki::serial::SerialNumber;"),
        ("src/main.rs", "use meshca::world::files;"),
        ("src/main.rs", "use meshca::jobs;"),
        ("src/sixth/a.rs", "use crate::pki::serial::SerialNumber;"),
    ] {
        caught(imports_go_down, file, line);
    }
}

#[test]
fn an_import_may_skip_floors_and_words_about_one_are_none() {
    for (file, line) in [
        ("src/cli/run.rs", "use crate::pki::serial::SerialNumber;"),
        ("src/pki/serial.rs", "use crate::problem::Code;"),
        ("src/pki/serial.rs", "// use crate::cli::voice::Voice;"),
        ("src/pki/serial.rs", "const A: &str = \"use crate::cli::voice;\";"),
        ("src/main.rs", "use meshca::cli::exit::Exit;"),
    ] {
        ignored(imports_go_down, file, line);
    }
}

#[test]
fn imports_of_one_floor_go_in_no_circle() {
    hold(imports_go_in_no_circle, &house());
}

#[test]
fn a_circle_of_imports_is_caught() {
    for (first, line, trail) in [
        (
            "src/pki/secret.rs",
            "use crate::pki::sealed_key;",
            "src/pki/secret.rs → src/pki/sealed_key.rs → src/pki/secret.rs",
        ),
        ("src/pki/serial.rs", "use super::draft::Draft;", "src/pki/serial.rs → src/pki/draft.rs → src/pki/serial.rs"),
        (
            "src/world/files.rs",
            "use crate::world::{lock, clock};",
            "src/world/files.rs → src/world/lock.rs → src/world/files.rs",
        ),
    ] {
        let mut copy = house();
        put(&mut copy, first, line);
        let breaches: Vec<String> = imports_go_in_no_circle(&copy).iter().map(ToString::to_string).collect();
        let is_told = |it: &&String| it.starts_with("src/") && trail.split(" → ").all(|file| it.contains(file));
        assert!(breaches.iter().any(|it| is_told(&it)), "{line}: {breaches:#?}");
    }
}

#[test]
fn a_test_that_names_a_file_above_it_makes_no_circle() {
    let test = "#[cfg(test)]\nmod more_tests {\n    use crate::pki::draft::Draft;\n}";
    ignored(imports_go_in_no_circle, "src/pki/serial.rs", test);
}

#[test]
fn the_unattended_side_has_no_way_to_the_root_key() {
    hold(root_key_has_its_doors, &house());
}

#[test]
fn an_unattended_command_that_names_the_root_key_is_caught() {
    for job in ["rotate", "publish", "init", "ledger_show", "one_that_is_new"] {
        let file = format!("src/jobs/{job}.rs");
        for line in [
            "use crate::world::root_key;",
            "use crate::world::{files, root_key};",
            "use crate::world::{root_key as nothing_special};",
            "fn f() { crate::world::root_key::open(); }",
            "use crate::world;",
            "use crate::world::*;",
        ] {
            let mut copy = house();
            put(&mut copy, &file, line);
            let breaches = root_key_has_its_doors(&copy);
            assert!(breaches.iter().any(|it| (it.file.as_str(), it.line) == (file.as_str(), 1)), "{file}: {line}");
        }
    }
}

#[test]
fn an_unattended_command_that_gets_to_the_root_key_by_a_detour_is_caught() {
    caught(root_key_has_its_doors, "src/jobs/rotate.rs", "use super::root_create;");
    caught(root_key_has_its_doors, "src/jobs/rotate.rs", "use crate::jobs::quickstart::Quickstart;");
    let mut copy = house();
    put(&mut copy, "src/world/store.rs", "use crate::world::root_key;");
    let breaches: Vec<String> = root_key_has_its_doors(&copy).iter().map(ToString::to_string).collect();
    for trail in [
        "src/world/store.rs:1: names src/world/root_key.rs",
        "leads to the root key: src/jobs/publish.rs → src/world/store.rs → src/world/root_key.rs",
    ] {
        assert!(breaches.iter().any(|it| it.contains(trail)), "{trail}: {breaches:#?}");
    }
}

#[test]
fn the_root_key_in_other_hands_is_caught() {
    for file in ["src/jobs/quickstart.rs", "src/cli/run.rs", "src/world/issuing_key.rs"] {
        let mut copy = house();
        put(&mut copy, file, "use crate::world::root_key;");
        assert!(root_key_has_its_doors(&copy).iter().any(|it| it.file == file && it.line == 1), "{file}");
    }
    ignored(root_key_has_its_doors, "src/jobs/issue.rs", "use crate::world::root_key;");
}

#[test]
fn what_opens_a_root_key_is_compiled_only_for_ceremonies() {
    hold(ceremonies_are_a_feature, &house());
}

#[test]
fn a_ceremony_that_is_in_every_build_is_caught() {
    for (list, name) in [
        ("world", "root_key"),
        ("jobs", "root_create"),
        ("jobs", "root_import"),
        ("jobs", "issue"),
        ("jobs", "quickstart"),
    ] {
        let list = format!("src/{list}/mod.rs");
        let with = format!("#[cfg(feature = \"ceremony\")]\npub mod {name};");
        for without in [format!("pub mod {name};"), with.replace("cfg(", "cfg(not(").replace(")]", "))]")] {
            let mut copy = house();
            let text = copy.get_mut(&list).unwrap();
            assert!(text.contains(&with), "{list} does not bring {name} in as this test thinks");
            *text = text.replace(&with, &without);
            let breaches = ceremonies_are_a_feature(&copy);
            assert!(breaches.iter().any(|it| it.to_string().contains(name)), "{without}");
        }
    }
}

#[test]
fn the_name_of_a_file_is_its_address() {
    hold(names_are_addresses, &house());
}

#[test]
fn a_name_that_occurs_twice_is_caught() {
    caught(names_are_addresses, "src/world/plan.rs", "//! Another plan.");
}

#[test]
fn a_name_that_says_nothing_is_caught() {
    for file in ["src/mesh/utils.rs", "src/common/a.rs", "src/world/helpers/a.rs", "src/pki/types.rs"] {
        caught(names_are_addresses, file, "//! All sorts of things.");
    }
    caught(names_are_addresses, "src/jobs/manager.rs", "//! Manages.");
    caught(names_are_addresses, "src/core/a.rs", "//! The core.");
}

#[test]
fn a_list_of_files_that_holds_code_is_caught() {
    for list in ["src/jobs/mod.rs", "src/lib.rs"] {
        for line in ["fn f() {}", "pub use publish::run;", "mod inside { fn f() {} }", "const MOD: u8 = 1;"] {
            caught(names_are_addresses, list, line);
        }
    }
    ignored(names_are_addresses, "src/jobs/mod.rs", "#[cfg(feature = \"k8s\")]\npub(crate) mod exporter;");
}

#[test]
fn no_decision_reads_what_was_written_down() {
    hold(decisions_read_no_records, &house());
}

#[test]
fn a_decision_that_reads_the_ledger_is_caught() {
    for file in ["plan", "change", "deadline", "holdings", "minting", "checks_of_time"] {
        caught(decisions_read_no_records, &format!("src/mesh/{file}.rs"), "use crate::mesh::ledger::Entry;");
    }
    caught(decisions_read_no_records, "src/mesh/plan.rs", "fn f(ledger: &[String]) {}");
    caught(decisions_read_no_records, "src/pki/profile.rs", "use crate::mesh::ledger;");
}

#[test]
fn a_decision_that_reads_the_status_is_caught() {
    let mut copy = house();
    put(&mut copy, "src/mesh/status.rs", "//! Rows.");
    put(&mut copy, "src/mesh/plan.rs", "use crate::mesh::status::Row;");
    caught_at(decisions_read_no_records, &copy, "src/mesh/plan.rs", "use crate::mesh::status::Row;");
}

#[test]
fn a_job_that_reads_the_ledger_is_caught() {
    for line in [
        "fn f() { ledger_file::read(path); }",
        "fn f() { ledger_file::newest(path); }",
        "use crate::world::ledger_file::{self, read};",
        "use crate::world::ledger_file::*;",
        "fn f() { Ledger::parse(bytes, name); }",
    ] {
        caught(decisions_read_no_records, "src/jobs/rotate.rs", line);
    }
    ignored(decisions_read_no_records, "src/jobs/check.rs", "use crate::world::ledger_file::read;");
    ignored(decisions_read_no_records, "src/jobs/rotate.rs", "use crate::world::ledger_file::LedgerFile;");
}

#[test]
fn one_file_reads_the_clock_and_one_speaks() {
    hold(clock_and_voice_are_in_one_place, &house());
}

#[test]
fn a_second_reader_of_the_clock_is_caught() {
    caught(clock_and_voice_are_in_one_place, "src/mesh/plan.rs", "fn f() { time::OffsetDateTime::now_utc(); }");
    caught(clock_and_voice_are_in_one_place, "src/cli/voice.rs", "fn f() { OffsetDateTime::now_utc(); }");
}

#[test]
fn a_second_voice_is_caught() {
    for line in ["println!()", "eprintln!()", "print!()", "eprint!()", "dbg!()", "std::io::stdout()", "stderr()"] {
        caught(clock_and_voice_are_in_one_place, "src/jobs/publish.rs", &format!("fn f() {{ {line}; }}"));
    }
    caught(clock_and_voice_are_in_one_place, "src/world/terminal.rs", "fn f() { stdout(); }");
    ignored(clock_and_voice_are_in_one_place, "src/cli/voice.rs", "fn f() { stdout(); }");
}

#[test]
fn lints_are_listed_once_and_departures_have_a_reason() {
    hold(lints_are_listed_once, &house());
}

#[test]
fn a_second_list_of_lints_is_caught() {
    for line in [
        "#![deny(missing_docs)]",
        "#![warn(clippy::all)]",
        "#![forbid(unsafe_code)]",
        "#[allow(dead_code)]",
        "#![cfg_attr(test, allow(dead_code))]",
        "#[expect(dead_code)]",
        "#[expect(\n    dead_code,\n    clippy::panic\n)]",
    ] {
        caught(lints_are_listed_once, "src/mesh/plan.rs", line);
        caught(lints_are_listed_once, "tests/judges.rs", line);
    }
    ignored(lints_are_listed_once, "src/mesh/plan.rs", "#[expect(dead_code, reason = \"soon\")]");
}

#[test]
fn unsafe_code_is_caught() {
    caught(lints_are_listed_once, "src/world/files.rs", "fn f() { unsafe { g() } }");
    let mut copy = house();
    let manifest = copy.get_mut("Cargo.toml").unwrap();
    *manifest = manifest.replace("unsafe_code = \"forbid\"", "unsafe_code = \"warn\"");
    caught_at(lints_are_listed_once, &copy, "Cargo.toml", "unsafe_code");
}

#[test]
fn the_offline_tool_names_no_network() {
    hold(network_is_a_feature, &house());
}

#[test]
fn a_network_in_the_offline_tool_is_caught() {
    for line in [
        "use std::net::TcpStream;",
        "use std::{fs, net};",
        "use std::os::unix::net::UnixStream;",
        "fn f() { ::std::net::lookup(); }",
        "fn f() { TcpListener::bind(address); }",
    ] {
        caught(network_is_a_feature, "src/world/files.rs", line);
    }
}

#[test]
fn a_network_of_the_feature_k8s_is_none_of_the_offline_tool() {
    let mut copy = house();
    put(&mut copy, "src/world/cluster_api.rs", "use std::net::TcpStream;");
    put(&mut copy, "src/world/mod.rs", "pub mod cluster_api;");
    caught_at(network_is_a_feature, &copy, "src/world/cluster_api.rs", "without the feature");
    put(&mut copy, "src/world/mod.rs", "#[cfg(feature = \"k8s\")]");
    hold(network_is_a_feature, &copy);
}

#[test]
fn nothing_names_a_path_of_the_machine_it_was_written_on() {
    const ENDS: [&str; 12] =
        ["rs", "md", "toml", "lock", "yaml", "yml", "json", "go", "mod", "txt", "trycmd", "gitattributes"];
    let is_read = |file: &str| {
        let name = file.rsplit('/').next().unwrap_or(file);
        !name.contains('.') || ENDS.iter().any(|end| name.ends_with(&format!(".{end}")))
    };
    hold(paths_are_of_this_project, &read_tree(is_read));
}

#[test]
fn a_path_of_the_machine_is_caught() {
    for folder in ["wo", "ro"].iter().zip(["rk", "ot"]).map(|(a, b)| format!("/{a}{b}/")) {
        for line in [format!("// see {folder}notes.md"), format!("\"{folder}x\""), format!("[x]({folder}y)")] {
            caught(paths_are_of_this_project, "src/mesh/plan.rs", &line);
            caught(paths_are_of_this_project, "docs/page.md", &line);
        }
        ignored(paths_are_of_this_project, "docs/page.md", &format!("material{folder}g1 or ./material{folder}g1"));
    }
    caught(paths_are_of_this_project, "README.md", &["see ../sha", "red"].concat());
}

#[test]
fn the_declared_rust_version_is_the_one_tested() {
    let manifest = house().remove("Cargo.toml").unwrap();
    let declared = manifest_value(&manifest, "package", "rust-version").unwrap();
    #[expect(clippy::disallowed_methods, reason = "cargo says in the environment which compiler it was told to take")]
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("--version").output().unwrap();
    let words = String::from_utf8(output.stdout).unwrap();
    let running = words.split_whitespace().nth(1).unwrap();
    assert!(
        running == declared || running.starts_with(&format!("{declared}.")),
        "Cargo.toml says rust-version = \"{declared}\", and these tests run on {running}: test with that version, or \
         declare this one"
    );
    assert_eq!(manifest_value(&manifest, "package", "edition").as_deref(), Some("2024"));
}

#[test]
fn the_reader_of_sources_knows_code_from_words() {
    let text = r##"let a = "crate::a // \" b"; // crate::c
let b = r#"crate::"d""#; /* crate::e /* x */ y */ crate::f;
let c = ('"', '\'', 'ä'); fn g<'a>(x: &'a str) {} crate::h;"##;
    let named: Vec<String> = source_paths::paths(&code(text)).iter().map(source_paths::Named::text).collect();
    assert_eq!(named, ["crate::f", "crate::h"]);
    assert_eq!(code(text).len(), text.len());
}

#[test]
fn the_reader_of_sources_leaves_tests_out_and_nothing_else() {
    let text = "use a::b;\n#[cfg(test)]\nmod tests {\n    use c::{d, e};\n    fn f() { g::h(); }\n}\nuse i::{j, k::l};";
    let rest = without_tests(&code(text));
    let named: Vec<_> = source_paths::paths(&rest).iter().map(|it| (it.line, it.text())).collect();
    assert_eq!(named, [(1, "a::b".into()), (7, "i::j".into()), (7, "i::k::l".into())]);
}

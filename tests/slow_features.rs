//! Builds the program with each set of features, and looks at what it can do and what it is made of.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a program that cannot be built is a failed test")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, PoisonError};

const CEREMONIES: [&[&str]; 5] =
    [&["root", "create"], &["root", "import"], &["issuing", "create"], &["issue"], &["quickstart"]];

/// How the file of a root key is called; a build that opens none has no use for the word.
const ROOT_KEY: &[u8] = b"root-key.pem";

/// Where Istio published keys that nobody may use. Every build knows them by their paths, some of which end like it.
const PUBLISHED: &[u8] = b"security/pkg/pki/testdata/";

/// Builds the program with these features alone, in a folder of its own so that other builds stay as they are.
fn build(features: &str) -> PathBuf {
    // Both builds put the program under one name, so that one waits until the other has its copy.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = top.join("target/gates");
    let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["build", "--offline", "--locked", "--quiet", "--bin", "meshca", "--no-default-features"])
        .args(["--features", features, "--target-dir"])
        .arg(&folder)
        .current_dir(top)
        .output()
        .unwrap();
    assert!(output.status.success(), "--features {features}: {}", String::from_utf8_lossy(&output.stderr));
    let program = folder.join(format!("meshca-{features}"));
    // By another process, as in tests/support/judges.rs: what another test starts meanwhile would hold the file open.
    let installed = Command::new("install").arg(folder.join("debug/meshca")).arg(&program).status().unwrap();
    assert!(installed.success());
    program
}

fn run(program: &Path, arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(program).args(arguments).current_dir(folder.path()).env_clear().output().unwrap()
}

fn words(output: &Output) -> String {
    [&output.stdout[..], &output.stderr[..]].map(|it| String::from_utf8_lossy(it).into_owned()).concat()
}

/// The commands that the help lists.
fn listed(program: &Path) -> Vec<String> {
    let help = words(&run(program, &["--help"]));
    let lines = help.lines().filter_map(|line| line.strip_prefix("  "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn holds(program: &Path, wanted: &[u8]) -> bool {
    std::fs::read(program).unwrap().windows(wanted.len()).any(|it| it == wanted)
}

/// Whether the program has the name of a root key other than at the end of the path of a published one.
fn knows_a_root_key(program: &Path) -> bool {
    let bytes = std::fs::read(program).unwrap();
    let is_of_path = |byte: &u8| byte.is_ascii_alphanumeric() || b"/-_.".contains(byte);
    let is_published = |at: usize| {
        let before = bytes.get(..at).unwrap_or_default();
        let path = before.iter().rev().take(80).take_while(|byte| is_of_path(byte)).count();
        before.get(at - path..).unwrap_or_default().windows(PUBLISHED.len()).any(|it| it == PUBLISHED)
    };
    let found = bytes.windows(ROOT_KEY.len()).enumerate().filter(|(_, it)| *it == ROOT_KEY);
    found.filter(|(at, _)| !is_published(*at)).count() > 0
}

#[test]
fn a_build_without_ceremonies_opens_no_root_key_and_does_not_know_how() {
    let image = build("k8s");
    for command in CEREMONIES {
        let output = run(&image, command);
        let (name, words) = (command[0], words(&output));
        assert_eq!(output.status.code(), Some(2), "{command:?}: {words}");
        assert!(words.contains(&format!("unrecognized subcommand '{name}'")), "{command:?}: {words}");
        assert!(!listed(&image).iter().any(|it| it == name), "the help of a build without ceremonies lists {name}");
    }
    assert!(listed(&image).iter().any(|it| it == "rotate"), "the help lists nothing at all");
    assert!(holds(&image, b"issuing-key.pem"), "the bytes of the program cannot be searched like this");
    assert!(!knows_a_root_key(&image), "the program knows the name of a root key: put it behind the feature ceremony");
}

#[test]
fn the_offline_tool_has_every_ceremony_and_the_commands_that_need_no_network() {
    let tool = build("ceremony");
    for command in CEREMONIES.into_iter().chain([&["rotate"][..], &["publish"]]) {
        let output = run(&tool, &[command, &["--help"]].concat());
        assert_eq!(output.status.code(), Some(0), "{command:?}: {}", words(&output));
        assert!(listed(&tool).iter().any(|it| it == command[0]), "the help of the offline tool lacks {command:?}");
    }
    let folder = tempfile::tempdir().unwrap();
    let mesh = folder.path().join("mesh.yaml");
    let text =
        "version: 1\nmesh: m1\nclusters:\n  - { name: east, network: n, role: primary, access: { kubeconfig: ./k } }\n";
    std::fs::write(&mesh, text).unwrap();
    let said = words(&run(&tool, &["-f", mesh.to_str().unwrap(), "check", "east"]));
    assert!(said.contains("not-built-in"), "a cluster behind an API server is out of its reach: {said}");
    assert!(knows_a_root_key(&tool), "a root key's name cannot be found like this");
}

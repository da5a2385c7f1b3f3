//! Where `tests/run` takes kube-apiserver, etcd and kubectl from: `KUBEBUILDER_ASSETS`, where it holds all three in the minor
//! versions that are pinned; else it says what is wrong there. Programs that tell a version stand in for them.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a script that cannot be run is a failed test")]

mod support;

use std::fs;
use std::path::Path;
use std::process::Command;

use support::judges;
use support::story::Said;
use tempfile::TempDir;

const PINS: &str = include_str!("tools/kube/go.mod");

/// The minor version of a module that is pinned: `1.37`.
fn pinned(module: &str) -> String {
    let version = |line: &str| Some(line.trim().strip_prefix(module)?.strip_prefix(" v")?.to_owned());
    let version = PINS.lines().find_map(version).unwrap();
    version.split('.').take(2).collect::<Vec<_>>().join(".")
}

/// A folder with programs that say of themselves what the real ones say.
fn stand_ins() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let (kube, etcd) = (pinned("k8s.io/kubernetes"), pinned("go.etcd.io/etcd/server/v3"));
    stand_in(folder.path(), "kube-apiserver", &format!("Kubernetes v{kube}.99"));
    stand_in(folder.path(), "etcd", &format!("etcd Version: {etcd}.99\nGo Version: go1.0.0"));
    stand_in(folder.path(), "kubectl", &format!("Client Version: v{kube}.99\nKustomize Version: v5.0.1"));
    folder
}

fn stand_in(folder: &Path, name: &str, says: &str) {
    let script = folder.join("script");
    fs::write(&script, format!("#!/bin/sh\nprintf '%s\\n' '{}'\n", says.replace('\n', "' '"))).unwrap();
    judges::install(&script, &folder.join(name));
}

/// What `tests/run env` says where this is the folder of `KUBEBUILDER_ASSETS`.
fn told(folder: &Path) -> Said {
    let mut run = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run"));
    run.arg("env").env_remove("MESHCA_TEST_KUBE").env("KUBEBUILDER_ASSETS", folder);
    Said::of(&judges::run(&mut run)).fine()
}

/// Whether the folder is the one that the tests are told.
fn is_taken(said: &Said, folder: &Path) -> bool {
    said.out.lines().any(|line| line == format!("export MESHCA_TEST_KUBE={}", folder.display()))
}

#[test]
fn the_folder_in_kubebuilder_assets_is_taken_where_it_holds_all_three() {
    let folder = stand_ins();
    let said = told(folder.path());
    assert!(is_taken(&said, folder.path()), "{said:?}");
    assert!(!said.err.contains("KUBEBUILDER_ASSETS"), "{said:?}");
}

#[test]
fn what_says_more_explicitly_where_they_are_is_asked_first() {
    let (assets, named) = (stand_ins(), stand_ins());
    let mut run = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/run"));
    run.arg("env").env("MESHCA_TEST_KUBE", named.path()).env("KUBEBUILDER_ASSETS", assets.path());
    let said = Said::of(&judges::run(&mut run)).fine();
    assert!(is_taken(&said, named.path()), "{said:?}");
}

#[test]
fn a_program_that_is_missing_or_of_another_version_is_named_and_the_folder_is_not_taken() {
    for (name, module) in [
        ("kube-apiserver", "k8s.io/kubernetes"),
        ("etcd", "go.etcd.io/etcd/server/v3"),
        ("kubectl", "k8s.io/kubernetes"),
    ] {
        let folder = stand_ins();
        let not_taken = format!("KUBEBUILDER_ASSETS={} is not taken: ", folder.path().display());
        for says in ["v1.2.3", "no version at all"] {
            stand_in(folder.path(), name, says);
            let said = told(folder.path());
            assert!(!is_taken(&said, folder.path()), "{said:?}");
            let version = if says == "v1.2.3" { "1.2.3" } else { "of no version" };
            said.saying(&format!("{not_taken}its {name} is {version}, wanted is {}\n", pinned(module)));
        }
        fs::remove_file(folder.path().join(name)).unwrap();
        let said = told(folder.path());
        assert!(!is_taken(&said, folder.path()), "{said:?}");
        said.saying(&format!("{not_taken}it has no {name}\n"));
    }
}

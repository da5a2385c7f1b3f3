//! Where istiod lies: in `MESHCA_TEST_ISTIOD`, which `tests/run` sets, or where `tests/run tools` built it. And where
//! kube-apiserver, etcd and kubectl lie: in `MESHCA_TEST_KUBE`, which `tests/run` sets, in `KUBEBUILDER_ASSETS`, or where
//! `tests/run tools` built them. One that is missing fails the test: a test that skips itself proves nothing.

use std::env;
use std::path::{Path, PathBuf};

const PINS: &str = include_str!("../../tools/kube/go.mod");
const ISTIO_PINS: &str = include_str!("../../tools/istio/go.mod");

/// The path of `kube-apiserver`, `etcd` or `kubectl`.
pub(crate) fn program(name: &str) -> PathBuf {
    let named = env::var_os("MESHCA_TEST_KUBE").map(PathBuf::from);
    let folder = named.or_else(kubebuilder_assets).unwrap_or_else(built);
    let program = folder.join(name);
    assert!(program.is_file(), "{} is missing: run tests/run tools", program.display());
    program
}

/// The path of istiod, whose program is called `pilot-discovery`.
pub(crate) fn istiod() -> PathBuf {
    let built = || {
        let version = pinned(ISTIO_PINS, "istio.io/istio");
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/tools/istiod-{version}/pilot-discovery"))
    };
    let program = env::var_os("MESHCA_TEST_ISTIOD").map_or_else(built, PathBuf::from);
    assert!(program.is_file(), "{} is missing: run tests/run tools", program.display());
    program
}

/// The path of a program that the system brings.
pub(crate) fn on_path(name: &str) -> PathBuf {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(name)).find(|candidate| candidate.is_file());
    found.unwrap_or_else(|| panic!("{name} is missing: run tests/run tools"))
}

/// Taken as it is: only `tests/run` looks whether it will do.
fn kubebuilder_assets() -> Option<PathBuf> {
    env::var_os("KUBEBUILDER_ASSETS").filter(|folder| !folder.is_empty()).map(PathBuf::from)
}

fn built() -> PathBuf {
    let (kube, etcd) = (pinned(PINS, "k8s.io/kubernetes"), pinned(PINS, "go.etcd.io/etcd/server/v3"));
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("target/tools/kube-{kube}-etcd-{etcd}"))
}

fn pinned(pins: &'static str, module: &str) -> &'static str {
    let version = |line: &'static str| line.trim().strip_prefix(module)?.strip_prefix(" v")?.split(' ').next();
    pins.lines().find_map(version).unwrap()
}

//! What each set of features brings along: the offline tool has no network, and no build has what is banned.

#![expect(clippy::disallowed_methods, reason = "cargo says in the environment where it is")]
#![expect(clippy::unwrap_used, reason = "a tree that cannot be read is a failed test")]

use std::collections::BTreeSet;
use std::process::Command;

/// Crates that speak over a network or wait for one. `rustls-webpki` and `rustls-pki-types` only check certificates.
const NETWORK: [&str; 20] = [
    "async-std",
    "curl",
    "h2",
    "h3",
    "hyper",
    "hyper-util",
    "isahc",
    "k8s-openapi",
    "kube",
    "kube-client",
    "kube-core",
    "mio",
    "native-tls",
    "quinn",
    "reqwest",
    "rustls",
    "socket2",
    "tokio",
    "tokio-rustls",
    "ureq",
];

/// Crates that no build may have: a second provider of cryptography, C code for TLS, two that are no longer kept up, and
/// two that print what libraries note down: `kube` notes down an answer that it cannot read, a Secret with its key.
const BANNED: [&str; 8] = [
    "aws-lc-rs",
    "aws-lc-sys",
    "env_logger",
    "openssl",
    "openssl-sys",
    "rustls-pemfile",
    "serde_yaml",
    "tracing-subscriber",
];

/// The names of all crates that these features build into the program.
fn crates(features: &[&str]) -> BTreeSet<String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "-e", "normal", "--prefix", "none", "--format", "{p}"])
        .args(features)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let tree = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

fn found<'a>(crates: &BTreeSet<String>, unwanted: &[&'a str]) -> Vec<&'a str> {
    unwanted.iter().copied().filter(|name| crates.contains(*name)).collect()
}

#[test]
fn the_offline_tool_has_no_crate_that_speaks_over_a_network() {
    let crates = crates(&["--no-default-features", "--features", "ceremony"]);
    assert!(crates.contains("ring") && crates.contains("rustls-webpki"), "this is no tree of meshca: {crates:?}");
    let found = found(&crates, &NETWORK);
    assert!(
        found.is_empty(),
        "the offline tool would bring {found:?}: make the dependency optional and name it under `k8s` in Cargo.toml; \
         `cargo tree -e normal --no-default-features --features ceremony -i CRATE` says who wants it"
    );
}

#[test]
fn no_set_of_features_has_a_crate_that_is_banned() {
    for features in [
        &["--no-default-features"][..],
        &["--no-default-features", "--features", "ceremony"],
        &["--no-default-features", "--features", "k8s"],
        &["--all-features"],
    ] {
        let found = found(&crates(features), &BANNED);
        assert!(
            found.is_empty(),
            "with {features:?} the program would bring {found:?}: \
             `cargo tree -e normal --all-features -i CRATE` says who wants it"
        );
    }
}

#[test]
fn a_crate_that_is_unwanted_is_found_and_one_that_only_begins_like_it_is_not() {
    let crates = ["tokio", "rustls-webpki", "rustls-pki-types", "openssl-sys"].map(str::to_owned).into();
    assert_eq!(found(&crates, &NETWORK), ["tokio"]);
    assert_eq!(found(&crates, &BANNED), ["openssl-sys"]);
}

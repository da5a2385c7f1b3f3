//! A right that is missing on real API servers: what is printed grants it, and nothing else.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a cluster that does not answer is a failed test")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use serde_json::Value;

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use clusters::{ApiServer, Clusters};
use support::story::{Said, Story};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(2));

const MOMENT: &str = "2026-11-23T10:00:00Z";

/// What stands above a manifest.
const HEAD: &str = "# what is missing in east, west, for who may grant it there: kubectl apply -f -\n";

/// A lab whose two primaries are this namespace of two API servers, reached by the user `plain`, who has no rights. Root,
/// issuing CA and stock are made.
fn lab(namespace: &str) -> (Story, [&'static ApiServer; 2]) {
    let mut text = format!(
        "version: 1\nmesh: {namespace}\nlab: true\nrecords: stdout\nrotation: {{ deadline: 20s }}\nclusters:\n"
    );
    for (server, name) in ["east", "west"].into_iter().enumerate() {
        CLUSTERS.server(server).create_namespace(namespace);
        let kubeconfig = CLUSTERS.server(server).kubeconfig("plain").display().to_string();
        text.push_str(&format!(
            "  - {{ name: {name}, network: {name}, role: primary, namespace: {namespace}, access: {{ kubeconfig: \
             {kubeconfig} }} }}\n"
        ));
    }
    let story = Story::new(&text).founded(namespace, MOMENT);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    (story, [CLUSTERS.server(0), CLUSTERS.server(1)])
}

/// What is printed below the errors.
fn printed(said: &Said) -> String {
    let (_, manifest) = said.err.split_once("# what is missing in ").unwrap_or_else(|| panic!("{said:?}"));
    format!("# what is missing in {manifest}")
}

/// The rules of the missing rights that are told.
fn rules(said: &Said) -> BTreeSet<String> {
    said.err.lines().filter_map(|line| Some(line.strip_prefix("  rule     ")?.to_owned())).collect()
}

/// Applies what was printed, as it was printed, in the clusters of these servers.
fn apply(story: &Story, servers: &[&ApiServer], manifest: &str) {
    story.write("printed.yaml", manifest);
    let file = story.path("printed.yaml").display().to_string();
    for server in servers {
        let output = server.kubectl(["apply", "-f", file.as_str()]);
        assert!(output.status.success(), "{output:?}\n{manifest}");
    }
}

/// Runs it until what is said does not lack these rights any more: a server learns of new roles by a watch, a moment later.
fn soon_without(rules_before: &BTreeSet<String>, run: impl Fn() -> Said) -> Said {
    for _ in 0..100 {
        let said = run();
        if rules(&said).is_disjoint(rules_before) {
            return said;
        }
    }
    panic!("it is still missing: {:?}", run());
}

#[test]
fn one_manifest_for_all_clusters_grants_what_is_missing_until_nothing_is() {
    let (story, servers) = lab("lacking");
    let publish = || story.with_passphrase(&format!("--at {MOMENT} publish"));
    let (mut said, mut granted) = (publish(), Vec::new());
    while said.code != Some(0) {
        assert_eq!(said.code, Some(1), "{said:?}");
        let (manifest, missing) = (printed(&said), rules(&said));
        assert_eq!(missing.len(), 1, "both lack the same: {said:?}");
        assert_eq!(said.err.matches("error: not-allowed: ").count(), 2, "{said:?}");
        assert!(manifest.starts_with(HEAD), "{said:?}");
        assert_eq!(manifest.matches("\nkind: Role\n").count(), 1, "once for both: {said:?}");
        apply(&story, &servers, &manifest);
        granted.extend(missing.iter().cloned());
        assert!(granted.len() < 10, "{granted:?}");
        said = soon_without(&missing, publish);
    }
    for server in servers {
        assert_eq!(
            server.secret("lacking", "cacerts").unwrap()["metadata"]["annotations"]["meshca.io/generation"],
            "1"
        );
        // What was granted are the rules that were told, and no more: each in a Role of its own.
        let roles = server.kubectl(["get", "roles", "-n", "lacking", "-o", "json"]);
        let roles: Value = serde_json::from_slice(&roles.stdout).unwrap();
        let rules: BTreeSet<String> =
            roles["items"].as_array().unwrap().iter().map(|role| rule(&role["rules"])).collect();
        assert_eq!(rules, granted.iter().cloned().collect());
    }
}

/// The only rule of a Role, in the words of an error.
fn rule(rules: &Value) -> String {
    let rule = match rules.as_array().unwrap().as_slice() {
        [rule] => rule,
        more => panic!("{more:?}"),
    };
    let words = |key: &str| {
        let words = rule[key].as_array().into_iter().flatten().map(|it| it.as_str().unwrap());
        words.collect::<Vec<_>>().join(", ")
    };
    let names = words("resourceNames");
    let names = if names.is_empty() { String::new() } else { format!("resourceNames [{names}], ") };
    format!(
        "apiGroups [\"{}\"], resources [{}], {names}verbs [{}]",
        words("apiGroups"),
        words("resources"),
        words("verbs")
    )
}

#[test]
fn a_tick_prints_it_as_well_and_a_document_has_it_with_each_problem() {
    let (story, servers) = lab("told");
    let tick = || story.with_passphrase(&format!("--at {MOMENT} rotate"));
    let said = tick();
    assert_eq!(said.code, Some(1), "{said:?}");
    let manifest = printed(&said);
    assert_eq!((said.err.matches(HEAD).count(), manifest.matches("\nkind: RoleBinding\n").count()), (1, 1), "{said:?}");
    let document = story.meshca(&format!("--at {MOMENT} -o json publish --dry-run"));
    let document: Value = serde_json::from_str(&document.out).unwrap();
    for target in document["targets"].as_array().unwrap() {
        assert_eq!(format!("{HEAD}{}", target["problem"]["manifest"].as_str().unwrap()), manifest);
    }
    apply(&story, &servers, &manifest);
    soon_without(&rules(&said), tick);
}

//! `check --context`, on real API servers: whether clusters share a root, without a mesh file and without Secrets.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a cluster that does not answer is a failed test")]
#![expect(clippy::disallowed_methods, reason = "tests touch the disk and the environment")]

use std::fs;
use std::path::PathBuf;
use std::sync::{LazyLock, OnceLock};

use serde_json::{Value, json};

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use clusters::{ApiServer, Clusters, kubeconfig};
use support::judges;
use support::story::{Said, Story, meshca};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start_with_users(2, &["reader"]));

const MOMENT: &str = "2026-11-23T10:00:00Z";

/// Two roots, as PEM.
fn roots() -> &'static [String; 2] {
    static ROOTS: OnceLock<[String; 2]> = OnceLock::new();
    ROOTS.get_or_init(|| {
        ["one", "two"].map(|name| {
            let file = format!("version: 1\nmesh: {name}\nlab: true\nclusters: [{{ name: a, role: primary, access: {{ directory: a }} }}]\n");
            Story::new(&file).founded(name, MOMENT).read("material/root/g1/root-cert.pem")
        })
    })
}

/// A kubeconfig with the contexts `a` and `b` (the two servers, as this user) and `gone`, where nobody listens.
fn contexts(user: &str) -> PathBuf {
    let mut whole: Value = Value::Null;
    for (name, server) in ["a", "b"].into_iter().zip([0, 1]) {
        let server = CLUSTERS.server(server);
        let one = kubeconfig(name, &server.url(), server.authority(), server.token(user));
        join(&mut whole, one);
    }
    join(&mut whole, kubeconfig("gone", "https://127.0.0.1:9", CLUSTERS.server(0).authority(), "none"));
    let file = CLUSTERS.folder().join(format!("contexts-{user}-{:?}", std::thread::current().id()));
    fs::write(&file, whole.to_string()).unwrap();
    file
}

fn join(whole: &mut Value, one: Value) {
    if whole.is_null() {
        *whole = one;
        return;
    }
    for list in ["clusters", "contexts", "users"] {
        let more = one[list].as_array().unwrap().clone();
        whole[list].as_array_mut().unwrap().extend(more);
    }
}

/// The ConfigMap of this namespace in each server: none where there are no roots.
fn shown(namespace: &str, bundles: [&[&String]; 2]) {
    for (index, bundle) in bundles.into_iter().enumerate() {
        let server: &ApiServer = CLUSTERS.server(index);
        server.create_namespace(namespace);
        if !bundle.is_empty() {
            let text: String = bundle.iter().map(|root| root.as_str()).collect();
            server.create(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "root-cert.pem": text },
                "metadata": { "name": "istio-ca-root-cert", "namespace": namespace } }));
        }
    }
}

fn check(namespace: &str, user: &str, line: &str) -> Said {
    let mut command = meshca();
    command.env_remove("KUBECONFIG").env_remove("HOME").args(["check", "--namespace", namespace, "--kubeconfig"]);
    command.arg(contexts(user)).args(line.split_whitespace());
    if !line.contains("--at") {
        command.args(["--at", MOMENT]);
    }
    let said = Said::of(&judges::run(command.env("RUST_LOG", "trace")));
    for server in [0, 1] {
        let token = CLUSTERS.server(server).token(user);
        assert!(!said.out.contains(token) && !said.err.contains(token), "a token is shown: {said:?}");
    }
    said
}

fn ended(said: Said, code: i32) -> Said {
    assert_eq!(said.code, Some(code), "{said:?}");
    said
}

#[test]
fn the_same_root_is_shared_until_it_ends() {
    let [one, _] = roots();
    shown("same", [&[one], &[one]]);
    let said = ended(check("same", "admin", "--context a --context b"), 0);
    assert!(said.out.starts_with("√ a and b share a root, until 2036-11-20\n"), "{said:?}");
    let quiet = ended(check("same", "admin", "--context a --context b --quiet"), 0);
    assert_eq!(quiet.out + &quiet.err, "");
    let alone = ended(check("same", "admin", "--context b"), 0);
    assert!(alone.out.starts_with("√ b trusts one root, until 2036-11-20\n"), "{alone:?}");
    for (at, code) in [("2036-11-19T10:00:00Z", 4), ("2036-11-15T10:00:00Z", 3), ("2036-11-21T10:00:00Z", 4)] {
        ended(check("same", "admin", &format!("--context a --context b --at {at}")), code);
    }
    ended(check("same", "admin", "--context a --context b --at 2036-11-21T10:00:00Z"), 4)
        .saying("× a and b have no root in common; 1 finding below")
        .saying("certificate-expired: a and b: the root");
}

#[test]
fn as_json_and_yaml_it_is_one_document() {
    let [one, two] = roots();
    shown("document", [&[one, two], &[one]]);
    let json = ended(check("document", "admin", "--context a --context b -o json"), 3);
    let document: Value = serde_json::from_str(&json.out).unwrap();
    let facts = (&document["kind"], &document["shared"], &document["outcome"], &document["namespace"]);
    assert_eq!(facts, (&json!("CommonRoot"), &json!("some"), &json!("warning"), &json!("document")));
    assert_eq!(document["contexts"][0]["roots"][1]["missingIn"], json!(["b"]));
    assert_eq!(document["findings"][0]["code"], "bundles-differ");
    let yaml = ended(check("document", "admin", "--context a --context b -o yaml"), 3);
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml.out).unwrap(), document);
}

#[test]
fn a_ci_system_gets_its_own_form_and_what_fails_is_its_choice() {
    let [one, two] = roots();
    shown("ci", [&[one, two], &[one]]);
    let both = |more: &str| check("ci", "admin", &format!("--context a --context b {more}"));
    let github = ended(both("-o github"), 3).out;
    assert!(github.starts_with("::warning title=bundles-differ::not all of them trust the same roots"), "{github}");
    assert_eq!(github.lines().count(), 1, "{github}");
    let gitlab: Value = serde_json::from_str(&ended(both("-o gitlab -f deploy/mesh.yaml"), 3).out).unwrap();
    assert_eq!(gitlab.as_array().unwrap().len(), 1);
    assert_eq!((&gitlab[0]["check_name"], &gitlab[0]["severity"]), (&json!("bundles-differ"), &json!("minor")));
    assert_eq!(gitlab[0]["location"], json!({ "path": "deploy/mesh.yaml", "lines": { "begin": 1 } }));
    let junit = ended(both("-o junit"), 3).out;
    assert!(junit.contains("tests=\"3\" failures=\"1\" errors=\"0\""), "{junit}");
    assert!(junit.contains("<testcase classname=\"a\" name=\"trust bundle\" time=\"0\"/>"), "{junit}");
    assert!(junit.contains("<failure type=\"warning\" message=\"not all of them"), "{junit}");
    // What fails the job is chosen; what is told is not.
    for (fail_on, code) in [("warning", 3), ("critical", 0), ("expired", 0), ("never", 0)] {
        assert_eq!(ended(both(&format!("-o github --fail-on {fail_on}")), code).out, github, "{fail_on}");
    }
    let quiet = ended(both("--quiet"), 3).out;
    assert!(quiet.starts_with("! a and b share one of two roots") && !quiet.contains("FINGERPRINT"), "{quiet}");
    assert!(quiet.contains("\n! bundles-differ: ") && quiet.contains("missing in b"), "{quiet}");
}

#[test]
fn in_each_form_for_ci_what_could_not_be_looked_at_is_an_error_whatever_fails() {
    let [one, _] = roots();
    shown("ci-unseen", [&[one], &[one]]);
    let with_gone = |more: &str| {
        let line = format!("--context a --context gone --fail-on never {more}");
        ended(check("ci-unseen", "admin", &line), 1).out
    };
    let github = with_gone("-o github --quiet");
    assert!(github.starts_with("::error title=api-server-unreachable::gone/ci-unseen: "), "{github}");
    let gitlab: Value = serde_json::from_str(&with_gone("-o gitlab --quiet")).unwrap();
    assert_eq!((&gitlab[0]["severity"], &gitlab[0]["location"]["path"]), (&json!("major"), &json!("mesh.yaml")));
    let junit = with_gone("-o junit --quiet");
    assert!(junit.contains("tests=\"2\" failures=\"0\" errors=\"1\""), "{junit}");
    assert!(junit.contains("<error type=\"api-server-unreachable\""), "{junit}");
    // Where nothing is wrong, each form says so in its own way, also under --quiet.
    let fine =
        |more: &str| ended(check("ci-unseen", "admin", &format!("--context a --context b --quiet {more}")), 0).out;
    assert_eq!(fine("-o github"), "::notice title=meshca::√ a and b share a root, until 2036-11-20\n");
    assert_eq!(fine("-o gitlab"), "[]\n");
    assert!(fine("-o junit").contains("tests=\"2\" failures=\"0\" errors=\"0\""));
}

#[test]
fn different_roots_are_critical_and_one_of_two_is_a_warning() {
    let [one, two] = roots();
    shown("different", [&[one], &[two]]);
    ended(check("different", "admin", "--context a --context b"), 4)
        .saying("× a and b have no root in common\n")
        .saying("no-common-root: a and b have no valid root in common: their workloads refuse each other");
    shown("partly", [&[one], &[two, one]]);
    ended(check("partly", "admin", "--context a --context b"), 3)
        .saying("! a and b share one of two roots, until 2036-11-20\n")
        .saying("missing in a");
}

#[test]
fn what_cannot_be_looked_at_is_a_row_and_the_others_are_compared() {
    let [one, _] = roots();
    shown("rows", [&[one], &[]]);
    let said = ended(check("rows", "admin", "--context a --context gone --context b --context c"), 1);
    assert!(
        said.out.starts_with("× a trusts one root, until 2036-11-20; gone, b and c could not be looked at\n"),
        "{said:?}"
    );
    said.saying("bundle-missing: b/rows: no root-cert.pem in a ConfigMap istio-ca-root-cert")
        .saying("api-server-unreachable: gone/rows: the API server cannot be reached")
        .saying("kubeconfig-unusable: c: ");
    ended(check("nowhere", "admin", "--context a"), 1).saying("namespace-missing: a has no namespace nowhere");
}

#[test]
fn reading_that_one_config_map_is_all_that_it_needs() {
    let [one, _] = roots();
    shown("rights", [&[one], &[one]]);
    let said = ended(check("rights", "plain", "--context a --context b"), 1);
    said.saying("not-allowed: a/rights: not allowed to get configmaps/istio-ca-root-cert")
        .saying("hint: kubectl --context a auth can-i get configmaps/istio-ca-root-cert -n rights");
    for server in [0, 1].map(|index| CLUSTERS.server(index)) {
        let meta = json!({ "name": "look", "namespace": "rights" });
        server.create(&json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta,
            "rules": [{ "apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["istio-ca-root-cert"], "verbs": ["get"] }] }));
        server.create(&json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "look" },
            "subjects": [{ "apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "reader" }] }));
    }
    ended(check("rights", "reader", "--context a --context b"), 0).saying("√ a and b share a root");
}

#[test]
fn two_contexts_of_one_server_are_told_apart_from_two_clusters() {
    let [one, _] = roots();
    shown("twice", [&[one], &[one]]);
    let file = CLUSTERS.folder().join("twice.kubeconfig");
    let server = CLUSTERS.server(0);
    let mut whole = kubeconfig("gke_shop_east", &server.url(), server.authority(), server.token("admin"));
    join(&mut whole, kubeconfig("again", &server.url(), server.authority(), server.token("admin")));
    fs::write(&file, whole.to_string()).unwrap();
    let run = |list: String, home: &str, namespace: &str, line: &str| {
        let mut command = meshca();
        command.env("KUBECONFIG", list).env("HOME", home).args(["check", "--namespace", namespace, "--at", MOMENT]);
        Said::of(&judges::run(command.args(line.split_whitespace())))
    };
    // A list of which a part is missing, and an empty one: then it is the file below home.
    let list = format!("/nothing/here:{}", file.display());
    let said = run(list.clone(), "", "twice", "--context gke_shop_east --context again --context again");
    ended(said, 3).saying("same-cluster: gke_shop_east and again are one and the same cluster");
    ended(run(list, "", "nowhere", "--context gke_shop_east"), 1)
        .saying("namespace-missing: gke_shop_east has no namespace nowhere");
    let home = CLUSTERS.folder().join("home");
    fs::create_dir_all(home.join(".kube")).unwrap();
    fs::copy(&file, home.join(".kube/config")).unwrap();
    ended(run(String::new(), home.to_str().unwrap(), "twice", "--context again"), 0).saying("√ again trusts one root");
    let nothing = run(String::new(), "", "twice", "--context again");
    nothing.refused(1, "kubeconfig-unusable");
}

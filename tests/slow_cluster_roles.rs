//! What has no `cacerts` of its own, and where trust bundles lie: remotes and external control planes on real API servers.

#![expect(clippy::unwrap_used, reason = "a cluster that does not answer is a failed test")]

use std::sync::LazyLock;

use serde_json::{Value, json};

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use clusters::{ApiServer, Clusters};
use support::story::Story;

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(2));

const MOMENT: &str = "2026-11-23T10:00:00Z";

fn namespaces(namespace: &str) -> [&'static ApiServer; 2] {
    [0, 1].map(|at| {
        let server = CLUSTERS.server(at);
        server.create_namespace(namespace);
        server
    })
}

/// Primary `east` on the first server, its remote `far` and the external control plane `outer` on the second, which
/// reads the configuration of `edge` there.
fn topologies(namespace: &str) -> Story {
    let [first, second] = [0, 1].map(|at| CLUSTERS.server(at).kubeconfig("admin").display().to_string());
    let cluster = |name: &str, more: &str, server: &str, namespace: &str| {
        format!(
            "  - {{ name: {name}, network: n, {more}, namespace: {namespace}, access: {{ kubeconfig: {server} }} }}\n"
        )
    };
    let text = [
        format!("version: 1\nmesh: {namespace}\nlab: true\nclusters:\n"),
        cluster("east", "role: primary", &first, namespace),
        cluster("far", "role: remote, primary: east", &second, namespace),
        cluster("outer", "role: external, configCluster: edge", &second, &format!("{namespace}-control")),
        cluster("edge", "role: remote, primary: outer", &second, &format!("{namespace}-edge")),
    ];
    let story = Story::new(&text.concat()).founded(namespace, MOMENT);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    story
}

/// Shows this bundle as istiod would.
fn show(server: &ApiServer, namespace: &str, bundle: &str) {
    server.create(&json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": "istio-ca-root-cert", "namespace": namespace },
        "data": { "root-cert.pem": bundle },
    }));
}

fn report(story: &Story) -> Value {
    let said = story.meshca(&format!("--at {MOMENT} report -o json"));
    serde_json::from_str(&said.out).unwrap()
}

fn row<'a>(report: &'a Value, cluster: &str, role: &str) -> &'a Value {
    let mut rows = report["rows"].as_array().unwrap().iter();
    rows.rfind(|row| row["cluster"] == cluster && row["role"] == role).unwrap()
}

#[test]
fn a_remote_is_only_observed_and_an_external_control_plane_is_known_by_the_cluster_that_it_serves() {
    let [first, second] = namespaces("shapes");
    second.create_namespace("shapes-control");
    second.create_namespace("shapes-edge");
    let story = topologies("shapes");
    story.with_passphrase(&format!("--at {MOMENT} publish")).fine();
    assert!(first.secret("shapes", "cacerts").is_some() && second.secret("shapes-control", "cacerts").is_some());
    assert!(second.secret("shapes", "cacerts").is_none(), "a remote gets no copy of a signing key");
    assert!(second.secret("shapes-edge", "cacerts").is_none());
    let before = report(&story);
    assert_eq!(row(&before, "far", "root")["status"], "MISSING", "{before}");
    let findings = |report: &Value| {
        let findings = report["findings"].as_array().unwrap().iter();
        findings.map(|it| format!("{}: {}", it["code"], it["place"])).collect::<Vec<_>>()
    };
    assert!(findings(&before).contains(&"\"control-plane-not-named\": \"far\"".to_owned()), "{before}");
    let named = ["annotate", "namespace", "shapes", "topology.istio.io/controlPlaneClusters=west,east"];
    assert!(second.kubectl(named).status.success());
    let root = story.read("material/root/g1/root-cert.pem");
    show(second, "shapes", &root);
    show(second, "shapes-edge", &root);
    let after = report(&story);
    assert_eq!(row(&after, "far", "root")["status"], "ok", "{after}");
    assert_eq!(row(&after, "edge", "root")["status"], "ok", "{after}");
    assert_eq!(findings(&after), Vec::<String>::new());
}

#[test]
fn an_external_control_plane_whose_workloads_trust_another_root_is_not_published_to() {
    let [_, second] = namespaces("outside");
    second.create_namespace("outside-control");
    second.create_namespace("outside-edge");
    let story = topologies("outside");
    let other = Story::new(&support::story::lab("other", "", &["one"])).founded("other", MOMENT);
    show(second, "outside-edge", &other.read("material/root/g1/root-cert.pem"));
    let said = story.with_passphrase(&format!("--at {MOMENT} publish outer"));
    said.refused(1, "already-running-under-another-root");
    assert!(second.secret("outside-control", "cacerts").is_none());
}

#[test]
fn a_trust_bundle_may_lie_in_another_config_map() {
    let server = CLUSTERS.server(1);
    server.create_namespace("elsewhere");
    let kubeconfig = server.kubeconfig("admin").display().to_string();
    let story = Story::new(&format!(
        "version: 1\nmesh: elsewhere\nlab: true\nclusters:\n  - {{ name: east, network: n, role: primary, access: {{ \
         directory: ./east }} }}\n  - {{ name: far, network: n, role: remote, primary: east, namespace: elsewhere, access: \
         {{ kubeconfig: {kubeconfig} }}, trustBundle: {{ configMap: our-roots }} }}\n"
    ))
    .founded("elsewhere", MOMENT);
    let root = story.read("material/root/g1/root-cert.pem");
    show(server, "elsewhere", &root);
    assert_eq!(row(&report(&story), "far", "root")["status"], "MISSING", "the usual one is not the one that is named");
    server.create(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "root-cert.pem": root },
        "metadata": { "name": "our-roots", "namespace": "elsewhere" } }));
    assert_eq!(row(&report(&story), "far", "root")["status"], "ok");
}

#[test]
fn a_trust_bundle_may_be_an_object_of_the_whole_cluster() {
    let server = CLUSTERS.server(1);
    server.create_namespace("bundled");
    let kubeconfig = server.kubeconfig("admin").display().to_string();
    let story = Story::new(&format!(
        "version: 1\nmesh: bundled\nlab: true\nclusters:\n  - {{ name: east, network: n, role: primary, access: {{ \
         directory: ./east }} }}\n  - {{ name: far, network: n, role: remote, primary: east, namespace: bundled, access: {{ \
         kubeconfig: {kubeconfig} }}, trustBundle: {{ clusterTrustBundle: mesh-roots }} }}\n"
    ))
    .founded("bundled", MOMENT);
    assert_eq!(row(&report(&story), "far", "root")["status"], "MISSING");
    server.create(&json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "ClusterTrustBundle", "metadata": { "name": "mesh-roots" },
        "spec": { "trustBundle": story.read("material/root/g1/root-cert.pem") },
    }));
    assert_eq!(row(&report(&story), "far", "root")["status"], "ok");
}

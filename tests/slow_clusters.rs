//! Publishing and renewing through the Kubernetes API, on real API servers.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a cluster that does not answer is a failed test")]

use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use clusters::{ApiServer, Clusters};
use support::story::{FILES, Said, Story, later, seconds};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(2));

const MOMENT: &str = "2026-11-23T10:00:00Z";

/// A lab whose two primaries are this namespace of two API servers, reached as this user; root, issuing CA and stock
/// are made.
fn lab(namespace: &str, user: &str) -> Story {
    let story = Story::new(&mesh_file(namespace, user)).founded(namespace, MOMENT);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    story
}

fn mesh_file(namespace: &str, user: &str) -> String {
    let mut text = format!("version: 1\nmesh: {namespace}\nlab: true\nrotation: {{ deadline: 20s }}\nclusters:\n");
    for (server, name) in ["east", "west"].into_iter().enumerate() {
        let kubeconfig = CLUSTERS.server(server).kubeconfig(user).display().to_string();
        text.push_str(&format!(
            "  - {{ name: {name}, network: {name}, role: primary, namespace: {namespace}, access: {{ kubeconfig: \
             {kubeconfig} }} }}\n"
        ));
    }
    text
}

fn namespaces(namespace: &str) -> [&'static ApiServer; 2] {
    [0, 1].map(|at| {
        let server = CLUSTERS.server(at);
        server.create_namespace(namespace);
        server
    })
}

/// The values of a Secret, decoded, as files in a folder of the story.
fn fetch(story: &Story, server: &ApiServer, namespace: &str, folder: &str) -> Value {
    let secret = server.secret(namespace, "cacerts").unwrap();
    for file in FILES {
        story.write(&format!("{folder}/{file}"), STANDARD.decode(secret["data"][file].as_str().unwrap()).unwrap());
    }
    secret
}

fn publish(story: &Story) -> Said {
    story.with_passphrase(&format!("--at {MOMENT} publish"))
}

fn version(server: &ApiServer, namespace: &str) -> Value {
    server.secret(namespace, "cacerts").unwrap()["metadata"]["resourceVersion"].clone()
}

#[test]
fn a_set_is_published_to_each_cluster_and_a_second_publish_writes_nothing() {
    let servers = namespaces("twice");
    let story = lab("twice", "admin");
    publish(&story).fine();
    for (server, name) in servers.iter().zip(["east", "west"]) {
        let secret = fetch(&story, server, "twice", name);
        assert_eq!(secret["type"], "Opaque");
        let keys: Vec<&String> = secret["data"].as_object().unwrap().keys().collect();
        assert_eq!(keys, FILES.iter().collect::<Vec<_>>(), "exactly the four files");
        let about = &secret["metadata"]["annotations"];
        assert_eq!((&about["meshca.io/cluster"], &about["meshca.io/generation"]), (&json!(name), &json!("1")));
        assert_eq!((&about["meshca.io/mesh"], &about["meshca.io/role"]), (&json!("twice"), &json!("primary")));
        assert_eq!(about["meshca.io/serial"].as_str().unwrap().len(), 32);
        story.sound(name, seconds(MOMENT)).unwrap();
    }
    assert_ne!(story.set("east")[1], story.set("west")[1], "never the same key in two clusters");
    let before = servers.map(|server| version(server, "twice"));
    publish(&story).fine();
    assert_eq!(servers.map(|server| version(server, "twice")), before);
}

#[test]
fn a_renewal_replaces_the_set_under_the_name_of_meshca() {
    let servers = namespaces("renewed");
    let story = lab("renewed", "admin");
    publish(&story).fine();
    let then = later(MOMENT, time::Duration::days(61));
    story.with_passphrase(&format!("--at {then} rotate")).fine();
    for (server, name) in servers.iter().zip(["east", "west"]) {
        let secret = fetch(&story, server, "renewed", name);
        assert_eq!(secret["metadata"]["annotations"]["meshca.io/generation"], "2");
        story.sound(name, seconds(&then)).unwrap();
    }
    let before = servers.map(|server| version(server, "renewed"));
    story.with_passphrase(&format!("--at {then} rotate")).fine();
    assert_eq!(servers.map(|server| version(server, "renewed")), before, "nothing is due: nothing is written");
}

#[test]
fn a_user_without_rights_is_told_the_rule_that_is_missing() {
    namespaces("rightless");
    let story = lab("rightless", "plain");
    let said = publish(&story);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.saying("error: not-allowed: east/rightless: not allowed to get secrets/cacerts")
        .saying("resources [secrets], resourceNames [cacerts], verbs [get]")
        .saying("manifests rbac east | kubectl --kubeconfig");
}

#[test]
fn a_namespace_that_is_missing_is_named() {
    let story = lab("nowhere", "admin");
    let said = publish(&story);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.saying("error: namespace-missing: east has no namespace nowhere");
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
    publish(&story).fine();
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
fn what_is_not_ours_stays_as_it_is() {
    let [first, second] = namespaces("foreign");
    let story = lab("foreign", "admin");
    first.create_secret("foreign", "cacerts", &[("ca-cert.pem", b"hand-made")]);
    second.create_secret("foreign", "istio-ca-secret", &[("ca-cert.pem", b"istiod's own")]);
    let said = publish(&story);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.saying("error: owned-by-somebody-else: east/foreign")
        .saying("error: already-running-under-another-root: west");
    assert_eq!(first.secret("foreign", "cacerts").unwrap()["data"]["ca-cert.pem"], STANDARD.encode("hand-made"));
    assert!(second.secret("foreign", "cacerts").is_none());
}

#[test]
fn in_a_pod_the_mounted_service_account_is_the_way_in() {
    let server = CLUSTERS.server(0);
    server.create_namespace("pod");
    let token = server.service_account_token("pod", "meshca");
    let story = Story::new(
        "version: 1\nmesh: pod\nlab: true\nclusters:\n  - { name: east, network: n, role: primary, namespace: pod, access: \
         { inCluster: true } }\n",
    )
    .founded("pod", MOMENT);
    let granted = story.meshca("manifests rbac --service-account pod/meshca").fine();
    story.write("grant.yaml", granted.out);
    let grant = story.path("grant.yaml").display().to_string();
    assert!(server.kubectl(["apply", "-f", grant.as_str()]).status.success());
    // Without the mounted files there is no way in, and that is said.
    story.meshca("check east").saying("kubeconfig-unusable").saying("the service account of this pod");
    story.write("account/token", token);
    story.write("account/ca.crt", server.authority());
    story.write("account/namespace", "pod");
    // What the kubelet mounts, in a mount namespace of its own.
    let script = "mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io && \
                  cp -r account /run/secrets/kubernetes.io/serviceaccount && exec \"$@\"";
    let command = story.command(&format!("--at {MOMENT} rotate --passphrase-file passphrase"));
    let mut inside = Command::new("unshare");
    inside.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]).arg(command.get_program());
    inside.args(command.get_args()).current_dir(command.get_current_dir().unwrap());
    inside.env("KUBERNETES_SERVICE_HOST", "127.0.0.1").env("KUBERNETES_SERVICE_PORT", server.port().to_string());
    // A server learns of new roles by a watch, a moment later.
    let done = (0..100).map(|_| Said::of(&support::judges::run(&mut inside))).find(|said| said.code == Some(0));
    assert!(done.is_some(), "{:?}", Said::of(&support::judges::run(&mut inside)));
    fetch(&story, server, "pod", "east");
    story.sound("east", seconds(MOMENT)).unwrap();
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

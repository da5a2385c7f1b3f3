//! What a root change needs of a real API server: since when the trust bundle stands there, the server's clock, what
//! istiod's Deployments say, and restarting them. No pod ever runs here: a Deployment is an object like any other.

#![expect(clippy::disallowed_methods, reason = "the clock of an API server is compared with that of the machine")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a cluster that does not answer is a failed test")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::macros::datetime;
use time::{Duration, OffsetDateTime};

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use clusters::{ApiServer, Clusters};
use meshca::mesh::fleet::{Cluster, ClusterName, Mesh};
use meshca::mesh::mesh_file;
use meshca::mesh::observed::Observed;
use meshca::problem::{Code, Problem};
use meshca::world::entropy::Entropy;
use meshca::world::targets::Targets;
use support::story::Story;

/// The last one counts its requests, so that only one test uses it.
static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start_with_users(2, &["rollout"]));

const NOW: OffsetDateTime = datetime!(2026-11-23 10:00:00 UTC);

/// A mesh of one primary in this namespace, reached as this user, with this about its istiod.
fn mesh_file(server: &ApiServer, namespace: &str, user: &str, istiod: &str) -> String {
    let kubeconfig = server.kubeconfig(user).display().to_string();
    format!(
        "version: 1\nmesh: shop\nclusters:\n  - {{ name: east, role: primary, namespace: {namespace}, istiod: {{ {istiod} }}, \
         access: {{ kubeconfig: {kubeconfig} }} }}\n  - {{ name: far, role: remote, primary: east, namespace: \
         {namespace}-remote, access: {{ kubeconfig: {kubeconfig} }} }}\n  - {{ name: west, role: primary, access: {{ directory: \
         ./west }} }}\n"
    )
}

fn mesh(text: &str) -> Mesh {
    mesh_file::parse(text, Path::new("mesh.yaml")).unwrap().0
}

fn name(name: &str) -> ClusterName {
    ClusterName::parse(name).unwrap()
}

fn cluster<'a>(mesh: &'a Mesh, called: &str) -> &'a Cluster {
    mesh.cluster(&name(called)).unwrap()
}

/// What is seen of east, and with it what its Deployments say.
fn look(mesh: &Mesh) -> BTreeMap<ClusterName, Observed> {
    let entropy = Entropy::new();
    let targets = Targets::new(mesh, &entropy, NOW);
    let observed = targets.observe_all();
    assert!(observed.values().all(|it| it.deployment.is_none()), "nobody asked yet");
    targets.look_at_deployments(observed)
}

fn restart(mesh: &Mesh, called: &str, now: OffsetDateTime) -> Result<(), Problem> {
    let entropy = Entropy::new();
    Targets::new(mesh, &entropy, now).restart(cluster(mesh, called))
}

/// A Deployment as Istio's chart makes it, as far as that matters here.
fn deploy(server: &ApiServer, namespace: &str, name: &str, app: &str, env: &Value) {
    server.create(&drawn(namespace, name, app, env));
}

fn drawn(namespace: &str, name: &str, app: &str, env: &Value) -> Value {
    let labels = json!({ "app": app, "istio.io/rev": name });
    let container = json!({ "name": "discovery", "image": "pilot:1", "env": env });
    let template = json!({ "metadata": { "labels": labels, "annotations": { "sidecar.istio.io/inject": "false" } },
        "spec": { "containers": [container] } });
    json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": namespace, "labels": labels },
        "spec": { "selector": { "matchLabels": labels }, "template": template } })
}

fn deployment(server: &ApiServer, namespace: &str, name: &str) -> Value {
    let path = format!("GET /apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    server.ask(server.token("admin"), &path, "", "").unwrap().json()
}

const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

fn restarted_at(server: &ApiServer, namespace: &str, name: &str) -> Value {
    deployment(server, namespace, name)["spec"]["template"]["metadata"]["annotations"][RESTARTED_AT].clone()
}

fn show(server: &ApiServer, namespace: &str, bundle: &str) {
    server.create(&json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "root-cert.pem": bundle },
        "metadata": { "name": "istio-ca-root-cert", "namespace": namespace } }));
}

fn moment(value: &Value) -> OffsetDateTime {
    OffsetDateTime::parse(value.as_str().unwrap(), &Rfc3339).unwrap()
}

fn namespaces(server: &ApiServer, name: &str) {
    server.create_namespace(name);
    server.create_namespace(&format!("{name}-remote"));
}

#[test]
fn the_revisions_of_an_istiod_are_looked_at_together_and_nothing_else_of_its_namespace() {
    let server = CLUSTERS.server(0);
    namespaces(server, "looked");
    let text = mesh_file(server, "looked", "admin", "");
    let mesh = mesh(&text);
    let seen = look(&mesh);
    let none = seen[&name("east")].deployment.clone().unwrap().unwrap();
    assert_eq!(none.names, [""; 0]);
    assert_eq!(none.max_workload_ttl.unwrap_err().code(), Code::IstiodSettingsUnknown);
    assert!(seen[&name("far")].deployment.is_none(), "a remote has no istiod");
    assert!(seen[&name("west")].deployment.is_none(), "a folder has no Deployments");

    let on = json!({ "name": "ISTIO_MULTIROOT_MESH", "value": "true" });
    let ttl = |it: &str| json!({ "name": "MAX_WORKLOAD_CERT_TTL", "value": it });
    deploy(server, "looked", "istiod-1-31", "istiod", &json!([on, ttl("24h")]));
    deploy(server, "looked", "istiod-1-30", "istiod", &json!([on, ttl("48h0m0s")]));
    deploy(server, "looked", "ingress", "ingress", &json!([ttl("9000h")]));
    let said = look(&mesh)[&name("east")].deployment.clone().unwrap().unwrap();
    assert_eq!(said.names, ["istiod-1-30", "istiod-1-31"]);
    assert_eq!((said.max_workload_ttl, said.multi_root), (Ok(Some(Duration::days(2))), Some(true)));
    assert_eq!(said.restarted_at, None);

    let args = ["set", "env", "deployment/istiod-1-30", "-n", "looked", "ISTIO_MULTIROOT_MESH-"];
    assert!(server.kubectl(args).status.success());
    let said = look(&mesh)[&name("east")].deployment.clone().unwrap().unwrap();
    assert_eq!(said.multi_root, Some(false), "one revision has it off by default");
}

#[test]
fn more_revisions_than_anybody_runs_are_not_looked_at_in_part() {
    let server = CLUSTERS.server(0);
    namespaces(server, "many");
    let mesh = mesh(&mesh_file(server, "many", "admin", ""));
    let revisions = (1..=32).map(|number| drawn("many", &format!("istiod-{number}"), "istiod", &json!([])));
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": revisions.collect::<Vec<_>>() });
    assert!(server.kubectl_with_input(&["create", "-f", "-"], &list).status.success());
    let said = || look(&mesh)[&name("east")].deployment.clone().unwrap();
    assert_eq!(said().unwrap().names.len(), 32);
    deploy(server, "many", "istiod-33", "istiod", &json!([]));
    assert_eq!(said().unwrap_err().code(), Code::TooManyValues);
    assert_eq!(restart(&mesh, "east", NOW).unwrap_err().code(), Code::TooManyValues);
}

#[test]
fn a_trust_bundle_stands_there_since_its_object_last_changed_by_the_clock_of_its_server() {
    let server = CLUSTERS.server(0);
    namespaces(server, "since");
    let mesh = mesh(&mesh_file(server, "since", "admin", ""));
    let before = look(&mesh);
    assert_eq!(before[&name("far")].system_roots_since, None, "there is none yet");
    let clock = before[&name("east")].server_clock.unwrap();
    assert!((OffsetDateTime::now_utc() - clock).abs() < Duration::minutes(5), "{clock}");
    assert_eq!(clock.nanosecond(), 0);
    assert_eq!(before[&name("west")].server_clock, None);

    show(server, "since-remote", "A\n");
    let map = |server: &ApiServer| {
        let path = "GET /api/v1/namespaces/since-remote/configmaps/istio-ca-root-cert";
        server.ask(server.token("admin"), path, "", "").unwrap().json()
    };
    let first = look(&mesh)[&name("far")].system_roots_since.unwrap();
    assert_eq!(first, moment(&map(server)["metadata"]["managedFields"][0]["time"]));
    // Moments have whole seconds: the next change is in the next one at the earliest.
    std::thread::sleep(std::time::Duration::from_millis(1100));
    let patch = r#"{"data":{"root-cert.pem":"A\nB\n"}}"#;
    let args = ["patch", "configmap", "istio-ca-root-cert", "-n", "since-remote", "--type=merge", "-p", patch];
    assert!(server.kubectl(args).status.success());
    let then = look(&mesh);
    let far = &then[&name("far")];
    assert_eq!(far.system_roots.as_ref().unwrap().as_deref(), Some(&b"A\nB\n"[..]));
    assert!(far.system_roots_since.unwrap() > first);
    assert!(far.system_roots_since.unwrap() <= far.server_clock.unwrap());

    // Where nobody is said to have written it, its beginning counts.
    let strip = r#"{"metadata":{"managedFields":[{}]}}"#;
    let args = ["patch", "configmap", "istio-ca-root-cert", "-n", "since-remote", "--type=merge", "-p", strip];
    assert!(server.kubectl(args).status.success());
    let stripped = map(server);
    assert_eq!(stripped["metadata"]["managedFields"], Value::Null);
    let created = moment(&stripped["metadata"]["creationTimestamp"]);
    assert_eq!(look(&mesh)[&name("far")].system_roots_since, Some(created));
}

/// What the API server was asked about Secrets, ConfigMaps, namespaces and Deployments so far.
fn requests(server: &ApiServer) -> BTreeMap<String, u64> {
    let answer = server.ask(server.token("admin"), "GET /metrics", "", "").unwrap();
    let mut counts = BTreeMap::new();
    for line in answer.body.lines().filter(|line| line.starts_with("apiserver_request_total{")) {
        for kind in ["secrets", "configmaps", "namespaces", "deployments"] {
            // The server watches its own objects; that is none of ours.
            if line.contains(&format!("resource=\"{kind}\"")) && !line.contains("verb=\"WATCH\"") {
                let count: f64 = line.rsplit(' ').next().unwrap().parse().unwrap();
                *counts.entry(kind.to_owned()).or_default() += count as u64;
            }
        }
    }
    counts
}

#[test]
fn a_look_is_two_requests_and_the_deployments_are_one_more_where_they_are_asked_for() {
    let server = CLUSTERS.server(1);
    namespaces(server, "counted");
    deploy(server, "counted", "istiod", "istiod", &json!([]));
    server.create_secret("counted", "cacerts", &[("ca-cert.pem", b"x")]);
    show(server, "counted", "A\n");
    let mesh = mesh(&mesh_file(server, "counted", "admin", ""));
    let entropy = Entropy::new();
    let targets = Targets::new(&mesh, &entropy, NOW);
    let before = requests(server);
    let more = |since: &BTreeMap<String, u64>| {
        let now = requests(server);
        let kinds = ["secrets", "configmaps", "namespaces", "deployments"];
        kinds.map(|kind| now.get(kind).copied().unwrap_or(0) - since.get(kind).copied().unwrap_or(0))
    };
    let east = targets.observe(cluster(&mesh, "east"));
    assert!(east.system_roots_since.is_some() && east.server_clock.is_some());
    assert_eq!(more(&before), [1, 1, 0, 0]);
    let before = requests(server);
    let looked = targets.look_at_deployments([(east.cluster.clone(), east)].into());
    assert!(looked.values().all(|it| it.deployment.as_ref().unwrap().is_ok()));
    assert_eq!(more(&before), [0, 0, 0, 1]);
}

#[test]
fn a_restart_is_what_kubectl_does_to_every_revision_and_to_nothing_else() {
    let server = CLUSTERS.server(0);
    namespaces(server, "restarted");
    namespaces(server, "by-hand");
    for (name, app) in [("istiod-a", "istiod"), ("istiod-b", "istiod"), ("ingress", "ingress")] {
        deploy(server, "restarted", name, app, &json!([]));
        deploy(server, "by-hand", name, app, &json!([]));
    }
    let mesh = mesh(&mesh_file(server, "restarted", "admin", "restart: true"));
    restart(&mesh, "east", NOW).unwrap();
    for name in ["istiod-a", "istiod-b"] {
        assert_eq!(restarted_at(server, "restarted", name), "2026-11-23T10:00:00Z");
    }
    assert_eq!(restarted_at(server, "restarted", "ingress"), Value::Null);
    let said = look(&mesh)[&name("east")].deployment.clone().unwrap().unwrap();
    assert_eq!(said.restarted_at, Some(NOW));

    // kubectl leaves the same behind, but for its name and its moment.
    assert!(server.kubectl(["rollout", "restart", "deployment", "-l", "app=istiod", "-n", "by-hand"]).status.success());
    let bare = |namespace: &str| {
        let mut object = deployment(server, namespace, "istiod-a");
        let mut annotations = object["spec"]["template"]["metadata"]["annotations"].take();
        annotations[RESTARTED_AT] = moment(&annotations[RESTARTED_AT]).nanosecond().into();
        (annotations, object["spec"].clone(), object["metadata"]["generation"].clone())
    };
    assert_eq!(bare("restarted"), bare("by-hand"));

    // The same moment again makes no new pods, and a later one does.
    let generation = || deployment(server, "restarted", "istiod-a")["metadata"]["generation"].clone();
    let before = generation();
    restart(&mesh, "east", NOW).unwrap();
    assert_eq!(generation(), before);
    restart(&mesh, "east", NOW + Duration::hours(1)).unwrap();
    assert_ne!(generation(), before);

    assert!(server.kubectl(["rollout", "pause", "deployment/istiod-b", "-n", "restarted"]).status.success());
    let refused = restart(&mesh, "east", NOW + Duration::hours(2)).unwrap_err();
    assert_eq!(refused.code(), Code::IstiodNotRestartable);
    assert_eq!(restarted_at(server, "restarted", "istiod-a"), "2026-11-23T11:00:00Z", "none was touched");
    for called in ["far", "west"] {
        assert_eq!(restart(&mesh, called, NOW).unwrap_err().code(), Code::IstiodNotRestartable, "{called}");
    }
}

#[test]
fn meshca_looks_and_restarts_with_the_rights_that_it_asks_for_and_not_without() {
    let server = CLUSTERS.server(0);
    namespaces(server, "granted");
    deploy(server, "granted", "istiod", "istiod", &json!([]));
    let written = |istiod: &str| mesh_file(server, "granted", "rollout", istiod);
    let with_restart = mesh(&written("restart: true"));

    let admin = mesh(&mesh_file(server, "granted", "admin", ""));
    let mut seen = look(&admin);
    seen.values_mut().for_each(|it| it.deployment = None);
    let entropy = Entropy::new();
    let looked = |mesh: &Mesh| {
        let looked = Targets::new(mesh, &entropy, NOW).look_at_deployments(seen.clone());
        looked[&name("east")].deployment.clone().unwrap()
    };
    let refused = looked(&with_restart).unwrap_err();
    assert_eq!(refused.code(), Code::NotAllowed);
    let told = format!("{refused:?}");
    assert!(told.contains("not allowed to list deployments"), "{told}");
    assert!(told.contains("resources [deployments], verbs [list]"), "{told}");
    assert!(told.contains("meshca manifests rbac east --subject-user rollout"), "{told}");

    // Without `restart: true` it may look and no more.
    grant(server, &written(""), "");
    becomes_true(|| looked(&with_restart).is_ok());
    let refused = restart(&with_restart, "east", NOW).unwrap_err();
    assert_eq!((refused.code(), restarted_at(server, "granted", "istiod")), (Code::NotAllowed, Value::Null));
    assert!(format!("{refused:?}").contains("not allowed to patch deployments/istiod"), "{refused:?}");

    grant(server, &written("restart: true"), "");
    becomes_true(|| restart(&with_restart, "east", NOW).is_ok());
    assert_eq!(restarted_at(server, "granted", "istiod"), "2026-11-23T10:00:00Z");

    // A revision has another name, which the Role has to have, too.
    deploy(server, "granted", "istiod-1-31", "istiod", &json!([]));
    deploy(server, "granted", "ingress", "ingress", &json!([]));
    let refused = restart(&with_restart, "east", NOW).unwrap_err();
    assert!(
        format!("{refused:?}").contains("manifests rbac east --subject-user rollout --istiod-deployment istiod-1-31"),
        "{refused:?}"
    );
    grant(server, &written("restart: true"), " --istiod-deployment istiod --istiod-deployment istiod-1-31");
    becomes_true(|| restart(&with_restart, "east", NOW).is_ok());
    assert_eq!(restarted_at(server, "granted", "istiod-1-31"), "2026-11-23T10:00:00Z");
    let path = "PATCH /apis/apps/v1/namespaces/granted/deployments/ingress";
    let token = server.token("rollout");
    let patched = server.ask(token, path, "application/merge-patch+json", r#"{"spec":{"paused":true}}"#).unwrap();
    assert_eq!(patched.status, 403);
}

/// Applies what `manifests rbac` prints for this mesh file.
fn grant(server: &ApiServer, mesh_file: &str, more: &str) {
    let story = Story::new(mesh_file);
    let printed = story.meshca(&format!("manifests rbac east --subject-user rollout{more}")).fine();
    story.write("grant.yaml", printed.out);
    let grant = story.path("grant.yaml").display().to_string();
    let applied = server.kubectl(["apply", "--server-side", "-f", grant.as_str()]);
    assert!(applied.status.success(), "{applied:?}");
}

/// A server learns of new roles by a watch, a moment later.
fn becomes_true(what: impl Fn() -> bool) {
    let is_true = (0..100).any(|_| {
        what() || {
            std::thread::sleep(std::time::Duration::from_millis(100));
            false
        }
    });
    assert!(is_true);
}

//! What `manifests` prints, before a real API server: it takes every object, Pod Security lets the pod in, and the service
//! account may do what the Role says and nothing more.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it does not expect")]
#![expect(clippy::disallowed_methods, reason = "tests make files, run programs and wait")]

#[path = "support/clusters/mod.rs"]
mod clusters;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use clusters::{ApiServer, Clusters};

/// The second and the third are for one test each: both apply an installation, which has the same names whatever runs.
static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(3));

const MESH: &str = "version: 1
mesh: shop
records: stdout
clusters:
  - name: east
    role: primary
    access: { inCluster: true }
  - name: far
    role: remote
    primary: east
    namespace: far-system
    access: { kubeconfig: ./kubeconfig, context: far }
    trustBundle: { clusterTrustBundle: \"istio.io:istiod-ca:root\" }
  - name: near
    role: remote
    primary: east
    namespace: near-system
    access: { kubeconfig: ./kubeconfig, context: near }
";

/// A folder with the mesh file, a root and an issuing CA.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("slow-manifests").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("mesh.yaml"), MESH).unwrap();
    fs::write(folder.join("root.pass"), "correct horse battery staple\n").unwrap();
    fs::write(folder.join("issuing.pass"), "a second one, for the online key\n").unwrap();
    let root = ["root", "create", "--passphrase-file", "root.pass", "--confirm", "shop root g1"];
    fine(&meshca(&folder, &root));
    let issuing = ["issuing", "create", "--passphrase-file", "root.pass", "--issuing-passphrase-file", "issuing.pass"];
    fine(&meshca(&folder, &issuing));
    folder
}

fn meshca(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_meshca")).args(arguments).current_dir(folder).output().unwrap()
}

fn words(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

fn fine(output: &Output) -> String {
    assert!(output.status.success(), "{}", words(output));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Writes what these arguments print into a file.
fn printed(folder: &Path, arguments: &[&str]) -> PathBuf {
    let file = folder.join(arguments.join("-").replace([' ', '/', ':'], "_") + ".yaml");
    fs::write(&file, fine(&meshca(folder, arguments))).unwrap();
    file
}

fn apply(server: &ApiServer, file: &Path, more: &[&str]) -> Output {
    let file = file.display().to_string();
    let arguments = ["apply", "--server-side", "--validate=strict", "-f", &file];
    server.kubectl(arguments.iter().chain(more))
}

/// A server learns of new roles by a watch, a moment later.
fn becomes_true(what: impl Fn() -> bool) -> bool {
    (0..100).any(|_| {
        what() || {
            thread::sleep(Duration::from_millis(100));
            false
        }
    })
}

#[test]
fn an_api_server_takes_every_object_and_pod_security_lets_the_pod_in() {
    let server = CLUSTERS.server(1);
    let folder = folder("objects");
    let installation = printed(&folder, &["manifests", "cronjob", "--image", "meshca:1"]);
    let documents: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(&installation).unwrap()).unwrap();
    // In a dry run the namespace is not there for the objects after it.
    fine(&server.kubectl_with_input(&["apply", "--server-side", "-f", "-"], &documents[0]));
    let said = words(&apply(server, &installation, &["--dry-run=server"]));
    for object in
        ["namespace/meshca", "serviceaccount/meshca", "configmap/meshca-mesh-file", "cronjob.batch/meshca-rotate"]
    {
        assert!(said.contains(&format!("{object} serverside-applied (server dry run)")), "{said}");
    }
    assert!(!said.contains("Warning") && !said.contains("rror"), "{said}");
    for namespace in ["istio-system", "far-system", "near-system"] {
        server.create_namespace(namespace);
    }
    let grants = printed(&folder, &["manifests", "rbac"]);
    let said = fine(&apply(server, &grants, &["--dry-run=server"]));
    assert_eq!(said.lines().count(), 9, "{said}");

    // For real, and a second time, which changes nothing.
    for file in [&installation, &grants] {
        fine(&apply(server, file, &[]));
        fine(&apply(server, file, &[]));
    }
    let job = fine(&server.kubectl(["get", "cronjob", "meshca-rotate", "-n", "meshca", "-o", "json"]));
    let job: Value = serde_json::from_str(&job).unwrap();
    let spec = job["spec"]["jobTemplate"]["spec"]["template"]["spec"].clone();
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "one", "namespace": "meshca" }, "spec": spec });
    let create = ["create", "--dry-run=server", "-f", "-"];
    fine(&server.kubectl_with_input(&create, &pod));
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = true.into();
    let refused = words(&server.kubectl_with_input(&create, &pod));
    assert!(refused.contains("violates PodSecurity \"restricted:latest\""), "{refused}");
    let text = fine(&server.kubectl([
        "get",
        "configmap",
        "meshca-mesh-file",
        "-n",
        "meshca",
        "-o",
        "jsonpath={.data.mesh\\.yaml}",
    ]));
    assert_eq!(text, MESH);
}

#[test]
fn an_api_server_takes_the_daemon_and_the_same_program_works_as_its_service_account() {
    let server = CLUSTERS.server(2);
    let folder = folder("daemon");
    let mesh = "version: 1\nmesh: shop\nrecords: stdout\nclusters:\n  - { name: south, role: primary, namespace: \
                south-system, access: { kubeconfig: ./kubeconfig } }\n";
    fs::write(folder.join("mesh.yaml"), mesh).unwrap();
    let installation = printed(&folder, &["manifests", "daemon", "--image", "meshca:1"]);
    let documents: Vec<Value> = serde_saphyr::from_multiple(&fs::read_to_string(&installation).unwrap()).unwrap();
    fine(&server.kubectl_with_input(&["apply", "--server-side", "-f", "-"], &documents[0]));
    let said = words(&apply(server, &installation, &["--dry-run=server"]));
    for object in ["role.rbac.authorization.k8s.io/meshca-rotate", "deployment.apps/meshca-rotate"] {
        assert!(said.contains(&format!("{object} serverside-applied (server dry run)")), "{said}");
    }
    assert!(!said.contains("Warning") && !said.contains("rror"), "{said}");
    fine(&apply(server, &installation, &["--force-conflicts"]));
    let template = documents.iter().find(|it| it["kind"] == "Deployment").unwrap()["spec"]["template"].clone();
    let pod = json!({ "apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
        "metadata": { "name": "two", "namespace": "meshca", "labels": template["metadata"]["labels"] } });
    fine(&server.kubectl_with_input(&["create", "--dry-run=server", "-f", "-"], &pod));

    server.create_namespace("south-system");
    let token = server.service_account_token("meshca", "meshca");
    fs::copy(server.kubeconfig_with_token("meshca", &token), folder.join("kubeconfig")).unwrap();
    fine(&apply(server, &printed(&folder, &["manifests", "rbac"]), &[]));
    // As the pod runs it, but for where its files and its API server are.
    let place = |text: &str| {
        let text = text.replace("/etc/meshca-passphrase/passphrase", "issuing.pass");
        text.replace("/etc/meshca/", &format!("{}/", folder.display()))
    };
    let args = template["spec"]["containers"][0]["args"].as_array().unwrap();
    let args = args.iter().map(|it| place(it.as_str().unwrap()));
    let file = |name: &str| fs::File::create(folder.join(name)).unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_meshca"))
        .args(args.chain(["--home-kubeconfig".to_owned(), "kubeconfig".to_owned()]))
        .args(["--every", "1s", "--lease-duration", "4s"])
        .env("POD_NAME", "meshca-rotate-abc")
        .current_dir(&folder)
        .stdin(Stdio::null())
        .stdout(file("out"))
        .stderr(file("err"))
        .spawn()
        .unwrap();
    let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
    let works = (0..30).any(|_| becomes_true(|| read("out").contains("nothing is due for 1 clusters")));
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    let code = child.wait().unwrap().code();
    assert!(works, "{}\n{}", read("out"), read("err"));
    assert_eq!(code, Some(0), "{}", read("err"));
    assert!(server.secret("south-system", "cacerts").is_some());
    for (kind, namespace, name) in [
        ("lease", "meshca", "meshca-rotate"),
        ("configmap", "meshca", "meshca-status-0"),
        ("events.events.k8s.io", "south-system", "cacerts.rotated.g1"),
    ] {
        fine(&server.kubectl(["get", kind, name, "-n", namespace]));
    }
}

/// Group, resource, name (`*`: any) and verb of what the API server says that this token may do in this namespace.
fn rights(server: &ApiServer, token: &str, namespace: &str) -> BTreeSet<String> {
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": { "namespace": namespace } });
    let path = "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let answer = server.ask(token, path, "application/json", &review.to_string()).unwrap().json();
    let list = |rule: &Value, key: &str| -> Vec<String> {
        let found = rule[key].as_array().map(|list| list.iter().map(|it| it.as_str().unwrap().to_owned()).collect());
        found.unwrap_or_else(|| vec!["*".to_owned()])
    };
    let mut rights = BTreeSet::new();
    for rule in answer["status"]["resourceRules"].as_array().unwrap() {
        for group in list(rule, "apiGroups") {
            for resource in list(rule, "resources") {
                for name in list(rule, "resourceNames") {
                    for verb in list(rule, "verbs") {
                        rights.insert(format!("{group}/{resource}/{name} {verb}"));
                    }
                }
            }
        }
    }
    rights
}

fn set(words: &[&str]) -> BTreeSet<String> {
    words.iter().map(|it| (*it).to_owned()).collect()
}

#[test]
fn the_service_account_may_do_what_the_role_says_and_nothing_more() {
    let server = CLUSTERS.server(0);
    let folder = folder("rights");
    for namespace in ["meshca", "istio-system", "far-system", "near-system", "elsewhere"] {
        server.create_namespace(namespace);
    }
    for (namespace, name) in [("istio-system", "other"), ("near-system", "cacerts"), ("elsewhere", "cacerts")] {
        server.create_secret(namespace, name, &[("word", b"old")]);
    }
    for (namespace, name) in
        [("istio-system", "istio-ca-root-cert"), ("istio-system", "other"), ("near-system", "istio-ca-root-cert")]
    {
        server.create(
            &json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name, "namespace": namespace } }),
        );
    }
    let token = server.service_account_token("meshca", "meshca");
    // What every account may: ask about itself, and read any ClusterTrustBundle. No rule of ours is needed for that where
    // meshca has an account; where it is a user, one is.
    let before = rights(server, &token, "elsewhere");
    assert!(before.iter().all(|it| it.contains("selfsubject") || it.contains("clustertrustbundles")), "{before:?}");
    let rights = |server: &ApiServer, token: &str, namespace: &str| {
        rights(server, token, namespace).difference(&before).cloned().collect::<BTreeSet<_>>()
    };
    fine(&apply(server, &printed(&folder, &["manifests", "rbac"]), &["--force-conflicts"]));
    assert!(
        becomes_true(|| rights(server, &token, "near-system").len() == 3),
        "{:?}",
        rights(server, &token, "near-system")
    );

    let trust_bundle = "certificates.k8s.io/clustertrustbundles/istio.io:istiod-ca:root get";
    let control_plane = [
        "/secrets/cacerts get",
        "/secrets/cacerts patch",
        "/secrets/cacerts create",
        "/secrets/meshca-next get",
        "/secrets/meshca-next patch",
        "/secrets/meshca-next create",
        "/configmaps/istio-ca-root-cert get",
        "/namespaces/istio-system get",
        "events.k8s.io/events/* create",
        "events.k8s.io/events/* patch",
        "apps/deployments/* list",
        trust_bundle,
    ];
    assert_eq!(rights(server, &token, "istio-system"), set(&control_plane));
    let near = ["/configmaps/istio-ca-root-cert get", "/namespaces/near-system get", trust_bundle];
    assert_eq!(rights(server, &token, "near-system"), set(&near));
    assert_eq!(rights(server, &token, "far-system"), set(&["/namespaces/far-system get", trust_bundle]));
    assert_eq!(rights(server, &token, "elsewhere"), set(&[trust_bundle]));

    let ask = |request: &str, content: &str, body: &Value| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        server.ask(&token, request, content, &body).unwrap().status
    };
    let secret = |name: &str| json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "data": { "word": "bmV3" } });
    let secrets = "/api/v1/namespaces/istio-system/secrets";
    let deployments = "/apis/apps/v1/namespaces/istio-system/deployments";
    let ssa = "application/apply-patch+yaml";
    for (name, statuses) in [
        ("cacerts", [201, 200, 200]),
        ("meshca-next", [201, 200, 200]),
        ("new", [403, 403, 403]),
        ("other", [403, 403, 403]),
    ] {
        let applied = || ask(&format!("PATCH {secrets}/{name}?fieldManager=meshca&force=true"), ssa, &secret(name));
        let read = || ask(&format!("GET {secrets}/{name}"), "", &Value::Null);
        assert_eq!([applied(), applied(), read()], statuses, "{name}");
    }
    let event = json!({ "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "rotated.1" },
        "eventTime": "2026-11-24T00:00:00.000000Z", "type": "Normal", "reason": "Rotated", "action": "Rotate",
        "reportingController": "meshca.io/meshca", "reportingInstance": "meshca",
        "regarding": { "apiVersion": "v1", "kind": "Secret", "name": "cacerts", "namespace": "istio-system" } });
    let json = "application/json";
    for (request, content, body, status) in [
        (format!("POST {secrets}"), json, secret("cacerts"), 403),
        (format!("PUT {secrets}/cacerts"), json, secret("cacerts"), 403),
        (format!("DELETE {secrets}/cacerts"), json, Value::Null, 403),
        (format!("GET {secrets}"), "", Value::Null, 403),
        (format!("GET {secrets}?watch=true"), "", Value::Null, 403),
        (format!("GET {secrets}?fieldSelector=metadata.name=cacerts"), "", Value::Null, 403),
        ("GET /api/v1/secrets".to_owned(), "", Value::Null, 403),
        ("GET /api/v1/namespaces/near-system/secrets/cacerts".to_owned(), "", Value::Null, 403),
        ("GET /api/v1/namespaces/elsewhere/secrets/cacerts".to_owned(), "", Value::Null, 403),
        ("GET /api/v1/namespaces/meshca/secrets/meshca-material".to_owned(), "", Value::Null, 403),
        ("GET /api/v1/namespaces/istio-system/configmaps/istio-ca-root-cert".to_owned(), "", Value::Null, 200),
        ("GET /api/v1/namespaces/istio-system/configmaps/other".to_owned(), "", Value::Null, 403),
        ("GET /api/v1/namespaces/near-system/configmaps/istio-ca-root-cert".to_owned(), "", Value::Null, 200),
        ("GET /api/v1/namespaces/istio-system".to_owned(), "", Value::Null, 200),
        ("GET /api/v1/namespaces/far-system".to_owned(), "", Value::Null, 200),
        ("GET /api/v1/namespaces/elsewhere".to_owned(), "", Value::Null, 403),
        ("GET /api/v1/namespaces".to_owned(), "", Value::Null, 403),
        ("POST /apis/events.k8s.io/v1/namespaces/istio-system/events".to_owned(), json, event.clone(), 201),
        ("POST /apis/events.k8s.io/v1/namespaces/near-system/events".to_owned(), json, event, 403),
        ("GET /apis/events.k8s.io/v1/namespaces/istio-system/events".to_owned(), "", Value::Null, 403),
        (format!("GET {deployments}"), "", Value::Null, 200),
        (format!("GET {deployments}/istiod"), "", Value::Null, 403),
        (format!("PATCH {deployments}/istiod"), "application/merge-patch+json", json!({}), 403),
        ("GET /apis/apps/v1/namespaces/near-system/deployments".to_owned(), "", Value::Null, 403),
    ] {
        assert_eq!(ask(&request, content, &body), status, "{request}");
    }
}

#[test]
fn meshca_publishes_and_renews_with_the_rights_that_it_asks_for() {
    let server = CLUSTERS.server(0);
    for namespace in ["runs", "runs-system", "runs-remote"] {
        server.create_namespace(namespace);
    }
    let token = server.service_account_token("runs", "meshca");
    let kubeconfig = server.kubeconfig_with_token("runs", &token).display().to_string();
    let folder = folder("runs");
    let cluster = |name: &str, role: &str, namespace: &str| {
        let access = format!("access: {{ kubeconfig: {kubeconfig} }}");
        format!("  - {{ name: {name}, role: {role}, namespace: {namespace}, {access} }}\n")
    };
    let clusters = cluster("east", "primary", "runs-system") + &cluster("far", "remote, primary: east", "runs-remote");
    let text = format!("version: 1\nmesh: shop\nlab: true\nrecords: stdout\nclusters:\n{clusters}");
    fs::write(folder.join("mesh.yaml"), text).unwrap();
    let online = ["--passphrase-file", "issuing.pass"];
    fine(&meshca(&folder, &[&["issue"], &online[..]].concat()));

    let refused = meshca(&folder, &[&["publish"], &online[..]].concat());
    assert_eq!(refused.status.code(), Some(1));
    assert!(words(&refused).contains("error: not-allowed: east/runs-system: not allowed to get secrets/cacerts"));
    let grants = printed(&folder, &["manifests", "rbac", "--service-account", "runs/meshca"]);
    fine(&apply(server, &grants, &[]));
    assert!(becomes_true(|| meshca(&folder, &[&["publish"], &online[..]].concat()).status.success()));
    let generation = || {
        let secret = server.secret("runs-system", "cacerts").unwrap();
        secret["metadata"]["annotations"]["meshca.io/generation"].as_str().unwrap().to_owned()
    };
    assert_eq!(generation(), "1");
    // Looking needs no right that is not granted either, and nothing is left out silently for want of one.
    let context = ["check", "--context", "c1", "--kubeconfig", &kubeconfig, "--namespace", "runs-system"];
    for line in ["report", "check", "check east", "publish --dry-run", "rotate --dry-run"] {
        let said = words(&meshca(&folder, &line.split(' ').collect::<Vec<_>>()));
        assert!(said.contains("east") || said.contains("nothing is due"), "{line}: {said}");
        assert!(!said.contains("not-allowed"), "{line}: {said}");
    }
    let said = words(&meshca(&folder, &context));
    assert!(said.contains("bundle-missing"), "{said}");
    // Its own report says when it is due, and a lab may pretend that it is then.
    let report: Value = serde_json::from_slice(&meshca(&folder, &["report", "-o", "json"]).stdout).unwrap();
    let rows = report["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["role"] == "intermediate" && row["cluster"] == "east").unwrap();
    let due = row["renewsAt"].as_str().unwrap();
    fine(&meshca(&folder, &[&["--at", due, "rotate"], &online[..]].concat()));
    assert_eq!(generation(), "2");
}

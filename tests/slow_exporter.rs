//! The exporter in a cluster, on a real API server: as `manifests exporter` prints it, it is let in, reads the public status
//! and nothing else.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a cluster that does not answer is a failed test")]

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rustix::process::Signal;
use serde_json::{Value, json};

#[path = "support/clusters/mod.rs"]
mod clusters;
#[path = "support/exporting.rs"]
mod exporting;
mod support;

use clusters::{ApiServer, Clusters};
use exporting::{Exporting, is_read};
use support::story::{Story, lab};

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(2));

const MOMENT: &str = "2026-11-23T10:00:00Z";

/// What everybody may do: ask about himself, and, if it is a service account, read what is public by intention
/// (`system:cluster-trust-bundle-discovery`).
const EVERYBODY: [&str; 2] = ["selfsubject", "clustertrustbundles"];

/// What the API server says that this token may do in this namespace, besides what everybody may.
fn rights(server: &ApiServer, token: &str, namespace: &str) -> BTreeSet<String> {
    let review = json!({ "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": { "namespace": namespace } });
    let path = "POST /apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let answer = server.ask(token, path, "application/json", &review.to_string()).unwrap().json();
    let rules = answer["status"]["resourceRules"].as_array().unwrap().iter();
    let is_everybodys =
        |rule: &&Value| EVERYBODY.iter().any(|it| rule["resources"][0].as_str().unwrap().starts_with(it));
    let others = rules.filter(|rule| !is_everybodys(rule));
    others.map(|rule| format!("{} {} {}", rule["resources"], rule["resourceNames"], rule["verbs"])).collect()
}

/// What the container of the printed Deployment is started with. The server lets its pod into the namespace.
fn runs_as(server: &ApiServer, list: &Value) -> String {
    let deployment = list["items"].as_array().unwrap().iter().find(|it| it["kind"] == "Deployment").unwrap();
    let template = &deployment["spec"]["template"];
    let mut pod = json!({ "apiVersion": "v1", "kind": "Pod", "spec": template["spec"],
        "metadata": { "name": "one", "namespace": "meshca-exporter", "labels": template["metadata"]["labels"] } });
    let create = ["create", "--dry-run=server", "-f", "-"];
    let created = server.kubectl_with_input(&create, &pod);
    assert!(created.status.success(), "{created:?}");
    pod["spec"]["securityContext"]["runAsNonRoot"] = false.into();
    let refused = server.kubectl_with_input(&create, &pod);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("violates PodSecurity"), "{refused:?}");
    let args = template["spec"]["containers"][0]["args"].as_array().unwrap().iter();
    args.map(|it| it.as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

/// The part of the Prometheus Operator's PodMonitor that meshca writes, with nothing else allowed.
fn pod_monitors() -> Value {
    let object = |properties: Value| json!({ "type": "object", "properties": properties });
    let words = json!({ "type": "object", "additionalProperties": { "type": "string" } });
    let endpoint = object(json!({ "port": { "type": "string" }, "honorLabels": { "type": "boolean" } }));
    let mut spec = object(json!({ "selector": object(json!({ "matchLabels": words })),
        "podMetricsEndpoints": { "type": "array", "items": endpoint } }));
    spec["required"] = json!(["selector", "podMetricsEndpoints"]);
    let version = json!({ "name": "v1", "served": true, "storage": true, "schema": { "openAPIV3Schema": object(json!({ "spec": spec })) } });
    json!({ "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": { "name": "podmonitors.monitoring.coreos.com" },
        "spec": { "group": "monitoring.coreos.com", "scope": "Namespaced", "versions": [version],
            "names": { "kind": "PodMonitor", "plural": "podmonitors", "singular": "podmonitor" } } })
}

#[test]
fn a_pod_monitor_is_taken_where_its_kind_is_known() {
    let server = CLUSTERS.server(1);
    let story = Story::new(&lab("watched", "", &["east"]));
    let printed = story.meshca("manifests exporter --image meshca:1 --pod-monitor --label release=prom -o json").fine();
    let list: Value = serde_json::from_str(&printed.out).unwrap();
    server.create_namespace("meshca");
    let apply = || server.kubectl_with_input(&["apply", "--server-side", "--validate=strict", "-f", "-"], &list);
    // Without the Operator everything else is applied, and kubectl says what is missing.
    let refused = apply();
    assert!(!refused.status.success(), "{refused:?}");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no matches for kind \"PodMonitor\""), "{refused:?}");
    server.create(&pod_monitors());
    let wait = ["wait", "--for=condition=Established", "--timeout=60s", "crd/podmonitors.monitoring.coreos.com"];
    assert!(server.kubectl(wait).status.success());
    let applied = apply();
    assert!(applied.status.success(), "{applied:?}");
    let read = server.kubectl(["get", "podmonitor", "meshca-exporter", "-n", "meshca-exporter", "-o", "json"]);
    let read: Value = serde_json::from_slice(&read.stdout).unwrap();
    assert_eq!(read["spec"], list["items"].as_array().unwrap().last().unwrap()["spec"]);
    assert_eq!(read["metadata"]["labels"]["release"], "prom");
}

#[test]
fn with_the_printed_rights_it_tells_of_the_fleet_and_reaches_no_secret() {
    let server = CLUSTERS.server(0);
    let admin = server.kubeconfig("admin").display().to_string();
    for namespace in ["meshca", "watched-0", "watched-1"] {
        server.create_namespace(namespace);
    }
    let cluster = |number: usize| {
        format!(
            "  - {{ name: watched-{number}, network: n{number}, role: primary, namespace: watched-{number}, access: {{ kubeconfig: {admin} }} }}\n"
        )
    };
    let text =
        format!("version: 1\nmesh: watched\nlab: true\nrecords: stdout\nclusters:\n{}{}", cluster(0), cluster(1));
    let story = Story::new(&text).founded("watched", MOMENT);
    story.with_passphrase(&format!("--at {MOMENT} issue")).fine();
    story.with_passphrase(&format!("--at {MOMENT} publish")).fine();
    // What is printed is applied, and its account's token is all that the exporter has.
    let printed = story.meshca("manifests exporter --image meshca:1 -o json").fine().out;
    let list: Value = serde_json::from_str(&printed).unwrap();
    let applied = server.kubectl_with_input(&["apply", "--server-side", "--validate=strict", "-f", "-"], &list);
    let said = String::from_utf8_lossy(&applied.stdout).into_owned() + &String::from_utf8_lossy(&applied.stderr);
    assert!(applied.status.success() && said.contains("deployment.apps/meshca-exporter serverside-applied"), "{said}");
    assert!(!said.contains("Warning"), "{said}");
    let args = runs_as(server, &list);
    let token = server.service_account_token("meshca-exporter", "meshca-exporter");
    let home = server.kubeconfig_with_token("meshca-exporter", &token).display().to_string();
    let may = [r#"["configmaps"] ["meshca-status-0"] ["get"]"#.to_owned()].into();
    assert_eq!(rights(server, &token, "meshca"), may);
    for namespace in ["watched-0", "kube-system", "meshca-exporter"] {
        assert_eq!(rights(server, &token, namespace), BTreeSet::new(), "{namespace}");
    }
    for path in [
        "/api/v1/namespaces/watched-0/secrets/cacerts",
        "/api/v1/namespaces/watched-0/secrets",
        "/api/v1/namespaces/meshca/secrets",
        "/api/v1/namespaces/meshca/configmaps",
        "/api/v1/namespaces/meshca/configmaps/meshca-mesh-file",
        "/api/v1/secrets",
    ] {
        let answer = server.ask(&token, &format!("GET {path}"), "application/json", "").unwrap();
        assert_eq!(answer.status, 403, "{path}");
    }
    let args = args.replace("--listen 0.0.0.0:9949", "--listen 127.0.0.1:0");
    let line = format!("--at {MOMENT} {args} --every 1s --home-kubeconfig {home}");
    let mut exporter = Exporting::start(&story, &line);
    exporter.once("there is no status yet", |text| text.contains("meshca_status_readable 0"));
    assert_eq!(exporter.get("/readyz").status, 503);
    let tick = |at: &str| {
        let line = format!("--at {at} rotate --status-configmap meshca/meshca-status --home-kubeconfig {admin}");
        story.with_passphrase(&line).fine();
    };
    tick(MOMENT);
    let text = exporter.once("it reads what rotate wrote", is_read);
    // What rotate counts stands in its status alone, and not in a report beside it.
    let uncounted = text.lines().filter(|line| !line.contains("_total")).map(|line| format!("{line}\n"));
    let report = story.meshca(&format!("--at {MOMENT} report -o prometheus")).fine().out;
    assert!(uncounted.collect::<String>() == report, "{text}\n--- report\n{report}");
    assert_eq!(exporter.get("/readyz").status, 200);
    tick("2026-11-23T11:00:00Z");
    let hour = "meshca_status_timestamp_seconds 1795431600";
    exporter.once("it reads what the next tick wrote", |text| text.contains(hour) && is_read(text));
    let delete = ["delete", "configmap", "meshca-status-0", "-n", "meshca"];
    assert!(server.kubectl(delete).status.success());
    let gone = exporter.once("it says that there is none any more", |text| !is_read(text));
    assert!(gone.contains(hour), "what it knew it still tells\n{gone}");
    assert_eq!(exporter.end(Signal::TERM), Some(0));
    assert!(!exporter.words().contains(&token), "no token is told");
}

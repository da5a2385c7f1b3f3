//! The exporter in a cluster, on a real API server: with the rights that `manifests exporter` prints it reads the public
//! status and nothing else.

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
use support::story::Story;

static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| Clusters::start(1));

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
    let printed = story.meshca("manifests exporter -o json").fine().out;
    let list: Value = serde_json::from_str(&printed).unwrap();
    let applied = server.kubectl_with_input(&["apply", "--server-side", "-f", "-"], &list);
    assert!(applied.status.success(), "{applied:?}");
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
    let line = format!(
        "--at {MOMENT} exporter --listen 127.0.0.1:0 --every 1s --status-configmap meshca/meshca-status --home-kubeconfig {home}"
    );
    let mut exporter = Exporting::start(&story, &line);
    exporter.once("there is no status yet", |text| text.contains("meshca_status_readable 0"));
    assert_eq!(exporter.get("/readyz").status, 503);
    let tick = |at: &str| {
        let line = format!("--at {at} rotate --status-configmap meshca/meshca-status --home-kubeconfig {admin}");
        story.with_passphrase(&line).fine();
    };
    tick(MOMENT);
    let text = exporter.once("it reads what rotate wrote", is_read);
    assert!(text == story.meshca(&format!("--at {MOMENT} report -o prometheus")).fine().out, "{text}");
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

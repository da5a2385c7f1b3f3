//! Publishing and renewing through the Kubernetes API, on real API servers.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a cluster that does not answer is a failed test"
)]

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use clusters::{ApiServer, Clusters};
use meshca::mesh::mesh_file;
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
        let labels = json!({ "app.kubernetes.io/managed-by": "meshca", "meshca.io/generation": "1", "meshca.io/role": "primary" });
        assert_eq!(secret["metadata"]["labels"], labels);
        story.sound(name, seconds(MOMENT)).unwrap();
    }
    assert_ne!(story.set("east")[1], story.set("west")[1], "never the same key in two clusters");
    let before = servers.map(|server| version(server, "twice"));
    publish(&story).fine();
    assert_eq!(servers.map(|server| version(server, "twice")), before);
}

/// What a shell says to a line, with `kubectl` as this user of this server.
fn shell(server: &ApiServer, user: &str, line: &str) -> String {
    let kubectl = clusters::programs::program("kubectl").display().to_string();
    let kubectl = format!("{kubectl} --kubeconfig {}", server.kubeconfig(user).display());
    let mut shell = Command::new("sh");
    let said = Said::of(&support::judges::run(shell.args(["-c", &line.replace("kubectl", &kubectl)])));
    said.fine().out
}

/// By field manager, which fields of the Secret are its own.
fn managed(server: &ApiServer, namespace: &str) -> Value {
    let get = ["get", "secret", "cacerts", "-n", namespace, "-o", "json", "--show-managed-fields"];
    let secret: Value = serde_json::from_slice(&server.kubectl(get).stdout).unwrap();
    let managers = secret["metadata"]["managedFields"].as_array().unwrap().iter();
    managers.map(|it| (it["manager"].as_str().unwrap().to_owned(), it["fieldsV1"].clone())).collect()
}

#[test]
fn plain_kubectl_shows_the_four_keys_and_that_the_service_account_has_two_secrets_and_no_list() {
    let servers = namespaces("plainly");
    let story = lab("plainly", "admin");
    publish(&story).fine();
    for server in servers {
        let get = "kubectl get secret cacerts -n plainly -o json | jq -r '.data | keys[]'";
        assert_eq!(shell(server, "admin", get).lines().collect::<Vec<_>>(), FILES);
    }
    let [server, _] = servers;
    let token = server.service_account_token("plainly", "meshca");
    let account = server.kubeconfig_with_token("plainly", &token).display().to_string();
    let granted = story.meshca("manifests rbac east --service-account plainly/meshca").fine();
    story.write("grant.yaml", granted.out);
    let grant = story.path("grant.yaml").display().to_string();
    assert!(server.kubectl(["apply", "--server-side", "-f", grant.as_str()]).status.success());
    let list = || {
        let list = ["auth", "can-i", "--list", "-n", "plainly", "--kubeconfig", account.as_str()];
        let said = server.kubectl(list);
        assert!(said.status.success(), "{said:?}");
        String::from_utf8(said.stdout).unwrap()
    };
    // A server learns of new roles by a watch, a moment later.
    let said = (0..100).map(|_| list()).find(|said| said.contains("cacerts")).unwrap_or_else(&list);
    let lines = said.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    let secrets: Vec<String> = lines.filter(|line| line.starts_with("secrets") || line.starts_with('*')).collect();
    assert_eq!(secrets, ["cacerts", "meshca-next"].map(|name| format!("secrets [] [{name}] [get patch create]")));
}

#[test]
fn what_plain_kubectl_prints_of_remote_secrets_becomes_a_mesh_file_without_their_tokens() {
    let [server, other] = namespaces("remotes");
    let kubeconfig = clusters::kubeconfig("c", &other.url(), other.authority(), other.token("plain")).to_string();
    for name in ["near", "far"] {
        let secret = format!("istio-remote-secret-{name}");
        server.create_secret("remotes", &secret, &[(name, kubeconfig.as_bytes())]);
        let label = ["label", "secret", &secret, "-n", "remotes", "istio/multiCluster=true"];
        assert!(server.kubectl(label).status.success());
    }
    server.create_secret("remotes", "cacerts", &[("ca-key.pem", b"of somebody else")]);
    let meshca = support::story::meshca().get_program().display().to_string();
    let list = "kubectl get secret -n remotes -l istio/multiCluster=true -o yaml";
    let said = shell(server, "admin", &format!("{list} | {meshca} targets discover --remote-secrets -"));
    let (mesh, _) = mesh_file::parse(&said, Path::new("mesh.yaml")).unwrap_or_else(|it| panic!("{it:#?}\n{said}"));
    let names: Vec<&str> = mesh.clusters.iter().map(|cluster| cluster.name.as_str()).collect();
    assert_eq!(names, ["far", "near"]);
    assert!(said.contains(&format!("its server is 127.0.0.1:{}", other.port())), "{said}");
    assert!(!said.contains(other.token("plain")), "{said}");
}

#[test]
fn a_dry_run_shows_what_would_change_in_public_facts_and_writes_nothing() {
    let servers = namespaces("dry");
    let story = lab("dry", "admin");
    let dry = |at: &str| story.meshca(&format!("--at {at} publish --dry-run")).fine();
    dry(MOMENT).saying("east  would create  generation 1, O=dry, OU=east, CN=dry intermediate g1");
    assert!(servers.iter().all(|server| server.secret("dry", "cacerts").is_none()));
    publish(&story).fine();
    let then = later(MOMENT, time::Duration::days(61));
    story.with_passphrase(&format!("--at {then} issue")).fine();
    let before = servers.map(|server| server.secret("dry", "cacerts").unwrap());
    let said = dry(&then);
    assert_eq!(servers.map(|server| server.secret("dry", "cacerts").unwrap()), before);
    let serial = before[0]["metadata"]["annotations"]["meshca.io/serial"].as_str().unwrap();
    let old = said
        .saying("east  would replace  generation 2")
        .saying("    - subject  O=dry, OU=east, CN=dry intermediate g1\n    + subject  O=dry, OU=east, CN=dry intermediate g2\n")
        .saying(&format!("    - serial   {serial}\n    + serial   "))
        .saying("    - ends     2027-02-21T10:00:00Z, in 29d\n    + ends     2027-04-23T10:00:00Z, in 90d\n");
    assert!(!old.out.contains("BEGIN") && !old.err.contains("BEGIN"), "{old:?}");
}

#[test]
fn a_server_of_another_authority_and_a_token_of_nobody_are_named() {
    let [first, second] = namespaces("strangers");
    let untrusted = clusters::kubeconfig("c", &first.url(), second.authority(), first.token("admin"));
    let nobody = clusters::kubeconfig("c", &second.url(), second.authority(), "a-token-that-has-ended");
    let story = lab("strangers", "admin");
    let mut mesh = story.read("mesh.yaml");
    for (server, config, name) in [(first, untrusted, "untrusted"), (second, nobody, "nobody")] {
        story.write(name, config.to_string());
        mesh = mesh.replace(&server.kubeconfig("admin").display().to_string(), &format!("./{name}"));
    }
    story.write("mesh.yaml", mesh);
    let said = publish(&story);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.saying("error: api-server-untrusted: east/strangers: the certificate of the API server is not trusted")
        .saying("error: not-authenticated: west/strangers: the API server does not know who asks")
        .saying("step     get secrets/cacerts")
        .saying("hint: give its CA as certificate-authority-data in the kubeconfig")
        .saying("auth whoami");
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
        let owned = &managed(server, "renewed")["meshca"];
        for file in ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"] {
            assert!(owned["f:data"][format!("f:{file}")].is_object(), "{file}: {owned}");
        }
    }
    let before = servers.map(|server| version(server, "renewed"));
    story.with_passphrase(&format!("--at {then} rotate")).fine();
    assert_eq!(servers.map(|server| version(server, "renewed")), before, "nothing is due: nothing is written");
}

#[test]
fn a_user_without_rights_is_told_the_rule_that_is_missing_and_how_to_print_what_grants_it() {
    let servers = namespaces("rightless");
    let story = lab("rightless", "plain");
    let said = publish(&story);
    assert_eq!(said.code, Some(1), "{said:?}");
    let said = said
        .saying("error: not-allowed: east/rightless: not allowed to get secrets/cacerts")
        .saying(r#"apiGroups [""], resources [secrets], resourceNames [cacerts], verbs [get]"#)
        .saying("it says  secrets \"cacerts\" is forbidden: User \"plain\" cannot get resource");
    // What the hints print, as they are typed.
    let hints: Vec<String> =
        said.err.lines().filter_map(|line| line.strip_prefix("hint: meshca ")).map(typed).collect();
    assert_eq!(hints, ["east", "west"].map(|name| format!("manifests rbac {name} --subject-user plain")));
    let grant = |at: usize, change: fn(String) -> String| {
        story.write("grant.yaml", change(story.meshca(&hints[at]).fine().out));
        let file = story.path("grant.yaml").display().to_string();
        assert!(servers[at].kubectl(["apply", "--server-side", "-f", file.as_str()]).status.success());
    };
    // Who may change it and not create it is told that.
    grant(0, |text| text.replacen("verbs: [get, patch, create]", "verbs: [get, patch]", 1));
    grant(1, |text| text);
    let create = r#"rule     apiGroups [""], resources [secrets], resourceNames [cacerts], verbs [create]"#;
    let said = soon(&story, said, |said| said.err.contains(create));
    grant(0, |text| text);
    soon(&story, said, |said| said.code == Some(0));
}

/// A hint without the words after what is typed.
fn typed(hint: &str) -> String {
    hint.split("   ").next().unwrap_or_default().to_owned()
}

/// Publishes until it is so: a server learns of new roles by a watch, a moment later.
fn soon(story: &Story, mut said: Said, is_so: impl Fn(&Said) -> bool) -> Said {
    for _ in 0..100 {
        if is_so(&said) {
            return said;
        }
        said = publish(story);
    }
    panic!("{said:?}");
}

#[test]
fn a_namespace_that_is_missing_is_named() {
    let story = lab("nowhere", "admin");
    let said = publish(&story);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.saying("error: namespace-missing: east has no namespace nowhere");
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

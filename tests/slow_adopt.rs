//! A real istiod behind a real API server that made a CA for itself, adopted under the printed rights and walked to a root of
//! meshca's in real time: `istio-ca-secret`, restart, hot reloads, and what it hands out at each stage.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk and the clock, and wait")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "an istiod that does not answer is a failed test")]

#[path = "support/clusters/mod.rs"]
mod clusters;
mod support;

use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use clusters::{ApiServer, Clusters, Istiod, Kubelet};
use support::judges;
use support::story::{Said, Story};

const NAMESPACE: &str = "istio-system";

/// istiod reloads in a fraction of a second; a machine that builds meanwhile needs many times that.
const PATIENCE: Duration = Duration::from_secs(120);

/// Workload certificates that live for seconds, so that the walk waits seconds for what waits a day elsewhere.
fn mesh_file(server: &ApiServer, user: &str, istiod: &str) -> String {
    format!(
        "version: 1\nmesh: shop\nlab: true\nworkload: {{ maxTTL: 4s, margin: 1s }}\nclusters:\n  - {{ name: east, role: primary, access: {{ \
         kubeconfig: {} }}, istiod: {{ multiRoot: true, {istiod} }} }}\n",
        server.kubeconfig(user).display()
    )
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "{what} did not come about");
        thread::sleep(Duration::from_millis(200));
    }
}

/// What istiod's Deployment would say: nothing runs here but the istiod of the test.
fn deployment() -> Value {
    let labels = json!({ "app": "istiod" });
    let env = json!([{ "name": "ISTIO_MULTIROOT_MESH", "value": "true" }, { "name": "MAX_WORKLOAD_CERT_TTL", "value": "4s" }]);
    let container = json!({ "name": "discovery", "image": "pilot:1", "env": env });
    json!({ "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": "istiod", "namespace": NAMESPACE, "labels": labels },
        "spec": { "selector": { "matchLabels": labels },
            "template": { "metadata": { "labels": labels }, "spec": { "containers": [container] } } } })
}

struct Lab {
    story: Story,
    server: &'static ApiServer,
}

impl Lab {
    fn value(&self, secret: &str, key: &str) -> Vec<u8> {
        let secret = self.server.secret(NAMESPACE, secret).unwrap();
        STANDARD.decode(secret["data"][key].as_str().unwrap()).unwrap()
    }

    /// The roots that workloads are shown.
    fn shown(&self) -> String {
        let said = self.server.kubectl(["get", "configmap", "istio-ca-root-cert", "-n", NAMESPACE, "-o", "json"]);
        let map: Value = serde_json::from_slice(&said.stdout).unwrap_or_default();
        map["data"]["root-cert.pem"].as_str().unwrap_or_default().to_owned()
    }

    fn tick(&self) -> Said {
        self.story.with_passphrase("rotate")
    }

    /// Ticks until something holds.
    fn tick_until(&self, what: &str, is_so: impl Fn(&Said) -> bool) -> Said {
        let mut last = None;
        until(what, || {
            let said = self.tick();
            let is = is_so(&said);
            last = Some(said);
            is
        });
        last.unwrap()
    }

    /// What istiod serves is verified under these roots.
    fn serves_under(&self, istiod: &Istiod, roots: &[u8]) -> bool {
        let connect = judges::openssl([
            "s_client",
            "-connect",
            &istiod.address(),
            "-showcerts",
            "-servername",
            "istiod.istio-system.svc",
        ]);
        let text = String::from_utf8_lossy(&connect.stdout).into_owned();
        let blocks: Vec<&str> = text.split("-----BEGIN CERTIFICATE-----").skip(1).collect();
        let block = |it: &str| {
            format!("-----BEGIN CERTIFICATE-----{}-----END CERTIFICATE-----\n", it.split("-----END").next().unwrap())
        };
        let chain: Vec<String> = blocks.iter().map(|it| block(it)).collect();
        let Some((leaf, above_it)) = chain.split_first() else { return false };
        self.story.write("served/leaf.pem", leaf);
        self.story.write("served/above.pem", above_it.concat());
        self.story.write("served/roots.pem", roots);
        let path = |name: &str| self.story.path(&format!("served/{name}")).display().to_string();
        let (leaf, above, roots) = (path("leaf.pem"), path("above.pem"), path("roots.pem"));
        // OpenSSL takes no empty file; an istiod that is its own root serves nothing above its certificate.
        let between = if above_it.is_empty() { vec![] } else { vec!["-untrusted", &above] };
        let line = [vec!["verify", "-CAfile", &roots], between, vec![&leaf]].concat();
        judges::openssl(line).status.success()
    }
}

#[test]
fn an_istiod_that_made_itself_a_ca_is_adopted_and_ends_under_our_root() {
    let clusters: &'static Clusters = Box::leak(Box::new(Clusters::start_with_users(1, &["meshca"])));
    let server = clusters.server(0);
    server.create_namespace(NAMESPACE);
    server.create(&deployment());
    let story = Story::new(&mesh_file(server, "meshca", ""));
    let mounted: PathBuf = story.path("mounted");
    let _kubelet = Kubelet::start(server, mounted.clone());
    let multi_root = ["ISTIO_MULTIROOT_MESH=true"];
    let istiod = Istiod::start_with(server, &mounted, &story.path("istiod"), &multi_root);
    until("a CA of its own", || server.secret(NAMESPACE, "istio-ca-secret").is_some());
    let lab = Lab { story, server };
    until("a trust bundle", || lab.shown().contains("BEGIN"));
    let own_root = lab.shown();

    // Under the rights of every day it may not read that CA; the refusal says what would allow it.
    let mut create = lab.story.command("root create --passphrase-file passphrase --confirm");
    Said::of(&judges::run(create.arg("shop root g1"))).fine();
    lab.story.with_passphrase("issuing create --issuing-passphrase-file passphrase").fine();
    let apply = |line: &str| {
        let printed = lab.story.meshca(line).fine().out;
        lab.story.write("printed.yaml", printed);
        let path = lab.story.path("printed.yaml").display().to_string();
        let applied = server.kubectl(["apply", "--server-side", "-f", path.as_str()]);
        assert!(applied.status.success(), "{}", String::from_utf8_lossy(&applied.stderr));
    };
    apply("manifests rbac east --subject-user meshca");
    let said = lab.story.meshca("adopt east").refused(1, "not-allowed");
    let hint = said.err.lines().find(|line| line.starts_with("hint: ")).unwrap().to_owned();
    assert!(hint.contains("manifests adoption east --subject-user meshca"), "{hint}");
    apply("manifests adoption east --subject-user meshca");
    lab.story.meshca("adopt east --dry-run").fine().saying("istio-ca-secret").saying("RSA 2048").saying("its own root");
    assert!(server.secret(NAMESPACE, "cacerts").is_none(), "a dry run");
    lab.story
        .meshca("adopt east")
        .fine()
        .saying("rollout restart")
        .saying("delete role,rolebinding meshca-east-adoption");
    let gone = server.kubectl(["delete", "role,rolebinding", "meshca-east-adoption", "-n", NAMESPACE]);
    assert!(gone.status.success(), "{}", String::from_utf8_lossy(&gone.stderr));
    assert!(lab.value("cacerts", "ca-key.pem") == lab.value("istio-ca-secret", "ca-key.pem"), "from Secret to Secret");
    assert_eq!(lab.value("cacerts", "root-cert.pem"), own_root.as_bytes());

    // Trust waits for the restart, however long: istiod does not watch a Secret that came after it.
    lab.story.write("mesh.yaml", mesh_file(server, "meshca", &format!("addresses: ['{}']", istiod.address())));
    lab.tick().saying("stage Trust (1 of 4)");
    let both = [own_root.as_bytes(), &lab.story.bytes("material/root/g1/root-cert.pem")].concat();
    assert_eq!(lab.value("cacerts", "root-cert.pem"), both);
    until("the mount", || mounted.join("root-cert.pem").exists());
    thread::sleep(Duration::from_secs(8));
    lab.tick().saying("stage Trust (1 of 4)");
    assert_eq!(lab.shown(), own_root, "it has not read it");
    assert!(lab.serves_under(&istiod, own_root.as_bytes()));
    drop(istiod);
    let istiod = Istiod::start_with(server, &mounted, &lab.story.path("istiod-again"), &multi_root);
    lab.story.write("mesh.yaml", mesh_file(server, "meshca", &format!("addresses: ['{}']", istiod.address())));
    until("both roots", || lab.shown().as_bytes() == both);
    assert!(lab.serves_under(&istiod, own_root.as_bytes()), "the same signer as before");

    lab.tick_until("stage Sign", |said| said.out.contains("stage Sign (2 of 4)"));
    let ours = lab.story.bytes("material/root/g1/root-cert.pem");
    until("the new signer", || lab.serves_under(&istiod, &ours));
    assert_eq!(lab.shown().as_bytes(), both, "nothing changes in what workloads are shown");
    let asked = lab.tick_until("the question", |said| said.out.contains("--approve-removal"));
    let approval = asked.out.lines().find_map(|line| line.trim().strip_prefix("meshca rotate ")).unwrap().to_owned();
    lab.story
        .with_passphrase(&format!("rotate {approval}"))
        .saying("kubectl delete secret istio-ca-secret -n istio-system");
    until("our root alone", || lab.shown().as_bytes() == ours);
    assert!(lab.serves_under(&istiod, &ours));
    lab.tick_until("the end", |said| said.code == Some(0) && said.out.contains("nothing is due"))
        .saying("kubectl delete secret istio-ca-secret");
}

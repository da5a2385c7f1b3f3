//! What `manifests` prints is what Kubernetes takes: one text read in two ways, pods as Pod Security wants them, and files
//! where meshca finds them in the pod.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it does not expect")]
#![expect(clippy::disallowed_methods, reason = "tests make files and look at them")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

const CLUSTERS: &str = "
  - { name: east, role: primary, access: { inCluster: true } }
  - { name: west, role: primary, namespace: mesh, access: { kubeconfig: ./kube/config, context: west } }
  - { name: far, role: remote, primary: west, access: { kubeconfig: ./other, context: far } }
  - { name: near, role: remote, primary: west, access: { kubeconfig: ./kube/config, context: near } }
";

/// A folder of this name with a mesh file, a root and an issuing CA.
fn ceremony(name: &str, issuing: &str, clusters: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("manifests").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    let text = format!("version: 1\nmesh: shop\nrecords: stdout\nissuing: {issuing}\nclusters:{clusters}");
    fs::write(folder.join("mesh.yaml"), text).unwrap();
    fs::write(folder.join("root.pass"), "correct horse battery staple\n").unwrap();
    fs::write(folder.join("issuing.pass"), "a second one, for the online key\n").unwrap();
    fine(meshca(&folder, "root create --passphrase-file root.pass --confirm=shop\u{a0}root\u{a0}g1"));
    folder
}

fn online(name: &str, clusters: &str) -> PathBuf {
    let folder = ceremony(name, "{}", clusters);
    fine(meshca(&folder, "issuing create --passphrase-file root.pass --issuing-passphrase-file issuing.pass"));
    folder
}

/// Runs it with these arguments, split at blanks; U+00A0 stands for a blank inside of one.
fn meshca(folder: &Path, arguments: &str) -> Output {
    let arguments = arguments.split(' ').map(|it| it.replace('\u{a0}', " "));
    Command::new(env!("CARGO_BIN_EXE_meshca")).args(arguments).current_dir(folder).output().unwrap()
}

fn fine(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn documents(yaml: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(yaml).unwrap()
}

/// The objects that `manifests cronjob` prints.
fn installation(folder: &Path) -> Vec<Value> {
    documents(&fine(meshca(folder, "manifests cronjob --image meshca:1")))
}

/// The objects that `manifests daemon` prints.
fn daemon(folder: &Path) -> Vec<Value> {
    documents(&fine(meshca(folder, "manifests daemon --image meshca:1")))
}

/// The objects that `manifests exporter` prints of one that runs.
fn exporter(folder: &Path, more: &str) -> Vec<Value> {
    documents(&fine(meshca(folder, &format!("manifests exporter --image meshca:1{more}"))))
}

fn pod(objects: &[Value]) -> &Value {
    match objects.iter().find(|it| it["kind"] == "CronJob") {
        Some(job) => &job["spec"]["jobTemplate"]["spec"]["template"]["spec"],
        None => &objects.iter().find(|it| it["kind"] == "Deployment").unwrap()["spec"]["template"]["spec"],
    }
}

fn kinds(objects: &[Value]) -> Vec<&str> {
    objects.iter().map(|it| it["kind"].as_str().unwrap()).collect()
}

#[test]
fn yaml_and_json_say_the_same() {
    let folder = online("yaml-and-json", CLUSTERS);
    let list: Value =
        serde_json::from_str(&fine(meshca(&folder, "manifests cronjob --image meshca:1 -o json"))).unwrap();
    assert_eq!(list["items"], Value::Array(installation(&folder)));
    let kinds: Vec<_> = installation(&folder).iter().map(|it| it["kind"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kinds, ["Namespace", "ServiceAccount", "ConfigMap", "CronJob"]);

    let grants: Value = serde_json::from_str(&fine(meshca(&folder, "manifests rbac -o json"))).unwrap();
    let clusters = grants["clusters"].as_array().unwrap();
    let items = clusters.iter().flat_map(|it| it["manifests"]["items"].as_array().unwrap());
    let written = documents(&fine(meshca(&folder, "manifests rbac")));
    assert_eq!(items.cloned().collect::<Vec<_>>(), written);
    assert_eq!(documents(&fine(meshca(&folder, "manifests rbac -o yaml"))), written);
    for cluster in clusters {
        let alone = fine(meshca(&folder, &format!("manifests rbac {}", cluster["cluster"].as_str().unwrap())));
        assert_eq!(Value::Array(documents(&alone)), cluster["manifests"]["items"]);
    }
}

#[test]
fn the_pod_keeps_the_restricted_profile_of_pod_security() {
    let folder = online("restricted", CLUSTERS);
    for objects in [installation(&folder), daemon(&folder), exporter(&folder, "")] {
        is_restricted(&objects);
    }
}

fn is_restricted(objects: &[Value]) {
    assert_eq!(objects[0]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted");
    let pod = pod(objects);
    assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
    assert_eq!(pod["securityContext"]["runAsUser"], 65_532);
    assert_eq!(pod["securityContext"]["seccompProfile"], json!({ "type": "RuntimeDefault" }));
    for containers in ["initContainers", "ephemeralContainers"] {
        assert!(pod[containers].is_null());
    }
    let containers = pod["containers"].as_array().unwrap();
    assert_eq!(containers.len(), 1);
    let security = &containers[0]["securityContext"];
    assert_eq!(security["allowPrivilegeEscalation"], false);
    assert_eq!(security["readOnlyRootFilesystem"], true);
    assert_eq!(security["capabilities"], json!({ "drop": ["ALL"] }));
    let list = |of: &Value| of.as_array().cloned().unwrap_or_default();
    assert!(list(&containers[0]["volumeMounts"]).iter().all(|it| it["readOnly"] == true));
    for forbidden in ["hostNetwork", "hostPID", "hostIPC", "hostUsers"] {
        assert!(pod[forbidden].is_null(), "{forbidden}");
    }
    let kinds = |volume: &Value| volume.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    for volume in &list(&pod["volumes"]) {
        assert!(kinds(volume).iter().all(|kind| ["name", "projected", "secret"].contains(&kind.as_str())), "{volume}");
    }
}

#[test]
fn the_daemon_has_a_lease_its_status_and_the_time_to_end() {
    let folder = online("daemon", CLUSTERS);
    let objects = daemon(&folder);
    let wanted = ["Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Deployment"];
    assert_eq!(kinds(&objects), wanted);
    let rules = |group: &str, resource: &str, name: &str, verbs: &[&str]| json!({ "apiGroups": [group], "resources": [resource], "resourceNames": [name], "verbs": verbs });
    let lease = rules("coordination.k8s.io", "leases", "meshca-rotate", &["get", "patch", "create"]);
    let status = rules("", "configmaps", "meshca-status-0", &["get", "patch", "create"]);
    assert_eq!(objects[2]["rules"], json!([lease, status]));
    let deployment = &objects[5]["spec"];
    assert_eq!(deployment["replicas"], 2);
    let labels = &deployment["template"]["metadata"]["labels"];
    for (name, value) in deployment["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&labels[name], value);
    }
    assert_eq!(labels["sidecar.istio.io/inject"], "false");
    let pod = pod(&objects);
    // Three times look, write and look again, the Event, and half a minute; 30 s each.
    assert_eq!(pod["terminationGracePeriodSeconds"], 10 * 30 + 30);
    assert_eq!((&pod["restartPolicy"], &pod["automountServiceAccountToken"]), (&json!("Always"), &json!(true)));
    let field = json!({ "fieldRef": { "fieldPath": "metadata.name" } });
    assert_eq!(pod["containers"][0]["env"], json!([{ "name": "POD_NAME", "valueFrom": field }]));
    let args: Vec<&str> =
        pod["containers"][0]["args"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    let more = ["--watch", "--lease", "meshca/meshca-rotate", "--status-configmap", "meshca/meshca-status"];
    assert!(args.ends_with(&more), "{args:?}");
    // A tick that cron does not know is none that a daemon minds.
    fs::write(
        folder.join("mesh.yaml"),
        fs::read_to_string(folder.join("mesh.yaml")).unwrap() + "rotation: { tick: 7m }\n",
    )
    .unwrap();
    assert_eq!(kinds(&daemon(&folder)), wanted);
}

#[test]
fn an_exporter_has_its_own_account_no_file_and_says_whether_it_lives_and_has_read_a_status() {
    let folder = online("exporter", CLUSTERS);
    let rights = ["Namespace", "ServiceAccount", "Role", "RoleBinding"];
    assert_eq!(kinds(&documents(&fine(meshca(&folder, "manifests exporter")))), rights, "without an image");
    let objects = exporter(&folder, "");
    assert_eq!(kinds(&objects), [&rights[..], &["Deployment"]].concat());
    let deployment = &objects[4];
    assert_eq!(deployment["metadata"]["namespace"], "meshca-exporter");
    assert_eq!(deployment["spec"]["replicas"], 1);
    let pod = pod(&objects);
    assert_eq!(pod["serviceAccountName"], "meshca-exporter");
    assert_eq!(pod["automountServiceAccountToken"], true);
    assert!(pod["volumes"].is_null() && pod["containers"][0]["volumeMounts"].is_null());
    let container = &pod["containers"][0];
    assert_eq!(container["image"], "meshca:1");
    let args = ["exporter", "--listen", "0.0.0.0:9949", "--status-configmap", "meshca/meshca-status"];
    assert_eq!(container["args"], json!(args));
    assert_eq!(container["ports"], json!([{ "name": "metrics", "containerPort": 9949 }]));
    for (probe, path) in [("livenessProbe", "/healthz"), ("readinessProbe", "/readyz")] {
        assert_eq!(container[probe], json!({ "httpGet": { "path": path, "port": "metrics" } }));
    }
    assert_eq!(container["resources"]["limits"], json!({ "memory": "256Mi" }));
    let list: Value =
        serde_json::from_str(&fine(meshca(&folder, "manifests exporter --image meshca:1 -o json"))).unwrap();
    assert_eq!(list["items"], Value::Array(objects));
}

#[test]
fn a_pod_monitor_finds_the_exporters_pod_and_no_other_and_keeps_its_labels() {
    let folder = online("pod-monitor", CLUSTERS);
    let objects = exporter(&folder, " --pod-monitor --label release=prom");
    let (deployment, monitor) = (&objects[4], &objects[5]);
    assert_eq!((&monitor["apiVersion"], &monitor["kind"]), (&json!("monitoring.coreos.com/v1"), &json!("PodMonitor")));
    assert_eq!(monitor["metadata"]["namespace"], deployment["metadata"]["namespace"]);
    assert_eq!(monitor["metadata"]["labels"], json!({ "app.kubernetes.io/name": "meshca", "release": "prom" }));
    assert_eq!(monitor["spec"]["selector"], deployment["spec"]["selector"]);
    let labels = &deployment["spec"]["template"]["metadata"]["labels"];
    for (name, value) in monitor["spec"]["selector"]["matchLabels"].as_object().unwrap() {
        assert_eq!(&labels[name], value);
    }
    let others = daemon(&folder);
    let others = &others[5]["spec"]["template"]["metadata"]["labels"];
    assert_ne!(others["app.kubernetes.io/component"], labels["app.kubernetes.io/component"]);
    assert_eq!(monitor["spec"]["podMetricsEndpoints"], json!([{ "port": "metrics", "honorLabels": true }]));

    // A label that is called something else is so in the pod, and in the line that tells how it runs without one.
    let args =
        &exporter(&folder, " --cluster-label mesh_cluster")[4]["spec"]["template"]["spec"]["containers"][0]["args"];
    assert_eq!(args.as_array().unwrap()[5..], ["--cluster-label", "mesh_cluster"]);
    let rights = fine(meshca(&folder, "manifests exporter --cluster-label mesh_cluster"));
    assert!(rights.contains("meshca/meshca-status --cluster-label mesh_cluster\n"), "{rights}");

    // Under an account of somebody else it runs where that is.
    let objects = exporter(&folder, " --pod-monitor --service-account watching/prom");
    assert_eq!(kinds(&objects), ["Role", "RoleBinding", "Deployment", "PodMonitor"]);
    assert_eq!(objects[2]["spec"]["template"]["spec"]["serviceAccountName"], "prom");
    for object in &objects[2..] {
        assert_eq!(object["metadata"]["namespace"], "watching");
    }
    for bad in ["--pod-monitor", "--image meshca:1 --label a=b", "--image -a"] {
        assert_eq!(meshca(&folder, &format!("manifests exporter {bad}")).status.code(), Some(2), "{bad}");
    }
}

#[test]
fn a_cron_job_writes_its_status_where_that_is_asked_for() {
    let folder = online("status", &CLUSTERS.replace("inCluster: true", "kubeconfig: ./kube/config, context: east"));
    let objects = documents(&fine(meshca(&folder, "manifests cronjob --image meshca:1 --status-configmap")));
    assert_eq!(kinds(&objects), ["Namespace", "ServiceAccount", "Role", "RoleBinding", "ConfigMap", "CronJob"]);
    assert_eq!(objects[2]["rules"].as_array().unwrap().len(), 1);
    let pod = pod(&objects);
    assert_eq!(pod["automountServiceAccountToken"], true);
    assert!(pod["containers"][0]["args"].as_array().unwrap().contains(&json!("--status-configmap")));
    assert!(pod["containers"][0]["env"].is_null());
    assert_eq!(pod["terminationGracePeriodSeconds"], 10 * 30 + 30);
}

#[test]
fn a_token_is_mounted_only_where_the_cluster_is_the_one_that_meshca_runs_in() {
    let folder = online("token", CLUSTERS);
    let objects = installation(&folder);
    assert_eq!(objects[1]["automountServiceAccountToken"], false);
    assert_eq!(pod(&objects)["automountServiceAccountToken"], true);
    let elsewhere =
        online("no-token", &CLUSTERS.replace("inCluster: true", "kubeconfig: ./kube/config, context: east"));
    assert_eq!(pod(&installation(&elsewhere))["automountServiceAccountToken"], false);
}

/// The files of the pod as the kubelet lays them out, made from Secrets with what the comments say.
fn kubelet(folder: &Path, text: &str, pod: &Value) -> PathBuf {
    let mut secrets = std::collections::BTreeMap::new();
    let mut secret = "";
    for line in text.lines().filter_map(|line| line.strip_prefix("# ")) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let ["kubectl", "create", "secret", "generic", name, ..] = words.as_slice() {
            secret = name;
        }
        if let Some((key, file)) = words.iter().find_map(|it| it.strip_prefix("--from-file=")?.split_once('=')) {
            secrets.insert((secret, key), folder.join(file));
        }
    }
    let volume = folder.join("pod");
    let data = volume.join("..2026_11_24_00_00_00.1");
    fs::create_dir_all(&data).unwrap();
    let config = &pod["volumes"][0]["projected"]["sources"];
    for source in config.as_array().unwrap() {
        let named = if source["secret"].is_null() { &source["configMap"] } else { &source["secret"] };
        for item in named["items"].as_array().unwrap() {
            let (key, path) = (item["key"].as_str().unwrap(), item["path"].as_str().unwrap());
            let target = data.join(path);
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            let from = secrets.get(&(named["name"].as_str().unwrap(), key));
            let bytes = fs::read(from.unwrap_or(&folder.join("mesh.yaml"))).unwrap_or_default();
            fs::write(target, bytes).unwrap();
        }
    }
    symlink(data.file_name().unwrap(), volume.join("..data")).unwrap();
    for entry in fs::read_dir(&data).unwrap() {
        let name = entry.unwrap().file_name();
        symlink(Path::new("..data").join(&name), volume.join(&name)).unwrap();
    }
    volume
}

fn below(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        for entry in fs::read_dir(&path).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn what_the_comments_say_and_the_kubelet_does_puts_every_file_where_meshca_finds_it() {
    let folder = online("kubelet", CLUSTERS);
    let text = fine(meshca(&folder, "manifests cronjob --image meshca:1"));
    let objects = documents(&text);
    let volume = kubelet(&folder, &text, pod(&objects));
    let files = below(&volume.join("..data"));
    let wanted = [
        "kube/config",
        "material/issuing/g1/issuing-cert.pem",
        "material/issuing/g1/issuing-key.pem",
        "material/root/g1/root-cert.pem",
        "mesh.yaml",
        "other",
    ];
    assert_eq!(files.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
    assert_eq!(objects[2]["data"]["mesh.yaml"], fs::read_to_string(folder.join("mesh.yaml")).unwrap());
    // The clusters are not there. Root and issuing CA are, for whoever reads the mesh file in the pod.
    let report = meshca(&folder, "-f pod/mesh.yaml report -o json").stdout;
    let report: Value = serde_json::from_slice(&report).unwrap();
    let rows = report["rows"].as_array().unwrap();
    for role in ["root", "issuing"] {
        let row = rows.iter().find(|row| row["role"] == role && row["cluster"].is_null()).unwrap();
        assert!(row["notAfter"].is_string(), "{row}");
    }
    let arguments = pod(&objects)["containers"][0]["args"].clone();
    let wanted = ["rotate", "-f", "/etc/meshca/mesh.yaml", "--passphrase-file", "/etc/meshca-passphrase/passphrase"];
    assert_eq!(arguments, json!(wanted));
    let mounts = &pod(&objects)["containers"][0]["volumeMounts"];
    assert_eq!(mounts[0]["mountPath"], "/etc/meshca");
    assert_eq!(mounts[1]["mountPath"], "/etc/meshca-passphrase");
}

#[test]
fn no_key_and_no_root_key_is_named_or_printed() {
    let folder = online("no-key", CLUSTERS);
    for command in
        ["manifests cronjob --image meshca:1", "manifests cronjob --image meshca:1 -o json", "manifests rbac"]
    {
        let text = fine(meshca(&folder, command));
        assert!(!text.contains("root-key") && !text.contains("PRIVATE KEY"), "{command}");
    }
}

#[test]
fn without_an_issuing_tier_the_stock_is_mounted() {
    let folder = ceremony("stock", "{ mode: none }", CLUSTERS);
    let before = meshca(&folder, "manifests cronjob --image meshca:1");
    assert_eq!(before.status.code(), Some(1));
    assert!(String::from_utf8(before.stderr).unwrap().starts_with("error: ceremony-needed: "));
    fine(meshca(&folder, "issue --passphrase-file root.pass --stock-passphrase-file issuing.pass"));
    let text = fine(meshca(&folder, "manifests cronjob --image meshca:1"));
    let volume = kubelet(&folder, &text, pod(&documents(&text)));
    let files = below(&volume.join("..data/material"));
    let stock =
        ["east", "west"].map(|it| ["ca-cert", "ca-key", "upper"].map(|file| format!("stock/{it}/g1/{file}.pem")));
    let wanted: BTreeSet<String> = stock.into_iter().flatten().chain(["root/g1/root-cert.pem".to_owned()]).collect();
    assert_eq!(files, wanted);
}

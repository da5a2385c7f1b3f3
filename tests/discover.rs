//! `targets discover`: a proposal that is a mesh file, from contexts or remote secrets; and input that means no good.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop at what it does not expect")]
#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]

use std::fs::{self, File};
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use meshca::mesh::mesh_file;
use tempfile::TempDir;

mod support;

use support::judges;
use support::story::{Said, meshca};

const TOKEN: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6InF1aXRlLXNlY3JldCJ9";

fn kubeconfig(name: &str, server: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: {name}\n\
         contexts:\n- {{ name: {name}, context: {{ cluster: {name}, user: {name} }} }}\n\
         clusters:\n- {{ name: {name}, cluster: {{ server: '{server}', certificate-authority-data: Q0E= }} }}\n\
         users:\n- {{ name: {name}, user: {{ token: {TOKEN} }} }}\n"
    )
}

fn remote_secret(name: &str, values: &[(&str, String)]) -> String {
    let data: Vec<String> =
        values.iter().map(|(key, value)| format!("    {key}: {}\n", STANDARD.encode(value))).collect();
    format!(
        "- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: {name}\n    namespace: istio-system\n    labels: \
         {{ istio/multiCluster: \"true\" }}\n    annotations: {{ networking.istio.io/cluster: {name} }}\n  data:\n{}",
        data.concat()
    )
}

/// Runs it on this standard input.
fn discover(input: &[u8], line: &str) -> (TempDir, Said) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("input");
    fs::write(&file, input).unwrap();
    let mut command = meshca();
    command.env_remove("KUBECONFIG").env("HOME", folder.path()).env("RUST_LOG", "trace").current_dir(folder.path());
    command.args(["targets", "discover"]).args(line.split_whitespace()).stdin(File::open(&file).unwrap());
    let said = Said::of(&command.output().unwrap());
    for hidden in [TOKEN.to_owned(), STANDARD.encode(TOKEN), TOKEN.chars().take(20).collect()] {
        assert!(!said.out.contains(&hidden) && !said.err.contains(&hidden), "a token is shown: {said:?}");
    }
    (folder, said)
}

/// The names in a proposal, which has to be a mesh file.
fn names(said: &Said) -> Vec<String> {
    let (mesh, findings) =
        mesh_file::parse(&said.out, Path::new("mesh.yaml")).unwrap_or_else(|it| panic!("{it:#?}\n{said:?}"));
    assert!(findings.is_empty(), "{findings:?}");
    mesh.clusters.iter().map(|cluster| cluster.name.to_string()).collect()
}

#[test]
fn remote_secrets_become_a_mesh_file_that_names_no_token() {
    let list = [
        "apiVersion: v1\nkind: List\nitems:\n".to_owned(),
        remote_secret("istio-remote-secret-east", &[("east", kubeconfig("east", "https://east.example:6443"))]),
        remote_secret(
            "two",
            &[("West_1", kubeconfig("w", "https://u:p@west.example")), ("unknown", "no kubeconfig".to_owned())],
        ),
    ]
    .concat();
    let (_, said) = discover(list.as_bytes(), "--remote-secrets -");
    let said = said.fine();
    assert_eq!(names(&said), ["east", "west-1", "cluster-unknown"]);
    said.saying("its server is east.example:6443").saying("its server is west.example");
    let (_, json) = discover(list.as_bytes(), "--remote-secrets - -o json");
    let document: serde_json::Value = serde_json::from_str(&json.fine().out).unwrap();
    assert_eq!(document.get("kind").unwrap(), "Targets");
}

#[test]
fn contexts_are_found_where_kubectl_finds_them_and_chosen_by_name() {
    let (folder, said) = discover(b"", "");
    said.refused(1, "kubeconfig-unusable").saying(".kube/config");
    fs::create_dir(folder.path().join(".kube")).unwrap();
    fs::write(folder.path().join(".kube/config"), kubeconfig("home", "https://h")).unwrap();
    fs::write(folder.path().join("east"), kubeconfig("east", "https://e")).unwrap();
    fs::write(folder.path().join("west"), kubeconfig("west", "https://w")).unwrap();
    let run = |list: &str, line: &str| {
        let mut command = meshca();
        command.env("KUBECONFIG", list).env("HOME", folder.path()).current_dir(folder.path());
        Said::of(&judges::run(command.args(["targets", "discover"]).args(line.split_whitespace())))
    };
    assert_eq!(names(&run("", "").fine()), ["home"]);
    assert_eq!(names(&run("east::missing:west", "").fine()), ["east", "west"]);
    assert_eq!(names(&run("east:west", "--kubeconfig east").fine()), ["east"]);
    assert_eq!(names(&run("east:west", "--context west").fine()), ["west"]);
    run("east:west", "--context north").refused(1, "kubeconfig-unusable").saying("contexts  east, west");
    run("", "--kubeconfig missing").refused(1, "kubeconfig-unusable").saying("looked for  missing");
    run("", "--kubeconfig .").refused(1, "file-unreadable");
    assert_eq!(run("", "--context a --remote-secrets -").code, Some(2));
}

#[test]
fn input_that_is_no_remote_secret_is_refused_and_never_quoted() {
    let of = |text: &str| discover(text.as_bytes(), "--remote-secrets -").1;
    for text in
        [format!("token: [{TOKEN}"), TOKEN.to_owned(), format!("kind: Secret\ndata: {TOKEN}"), format!("- {TOKEN}")]
    {
        of(&text).refused(1, "secret-manifest-malformed");
    }
    for text in [String::new(), "kind: List\nitems: []\n".to_owned(), kubeconfig("a", "https://a")] {
        of(&text).refused(1, "nothing-recognised");
    }
    let (_, said) = discover(&[0xff, 0xfe, 0], "--remote-secrets -");
    said.refused(1, "secret-manifest-malformed");
}

#[test]
fn input_without_an_end_or_of_endless_depth_is_refused() {
    let (_, said) = discover(&vec![b'#'; 10 * 1024 * 1024], "--remote-secrets -");
    said.refused(1, "file-too-large");
    let deep = ["[".repeat(100_000), "]".repeat(100_000)].concat();
    discover(deep.as_bytes(), "--remote-secrets -").1.refused(1, "secret-manifest-malformed");
    let laughs: String =
        (1..30).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 9].join(", "))).collect();
    let laughs = format!("kind: List\na0: &a0 [x]\n{laughs}");
    discover(laughs.as_bytes(), "--remote-secrets -").1.refused(1, "secret-manifest-malformed");
    let nested = remote_secret("s", &[("east", deep)]);
    let (_, said) = discover(format!("kind: List\nitems:\n{nested}").as_bytes(), "--remote-secrets -");
    assert_eq!(names(&said.fine()), ["east"], "a kubeconfig that cannot be read still names its cluster");
}

#[test]
fn a_thousand_clusters_are_proposed() {
    let secrets: String = (0..1000)
        .map(|n| {
            let name = format!("c{n}");
            remote_secret(&name, &[(name.as_str(), kubeconfig(&name, &format!("https://{name}.example")))])
        })
        .collect();
    let (_, said) = discover(format!("kind: List\nitems:\n{secrets}").as_bytes(), "--remote-secrets -");
    assert_eq!(names(&said.fine()).len(), 1000);
}

//! A lab whose targets lie behind API servers, and copies of its folder on other machines.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use time::Duration;

use crate::clusters::{ApiServer, kubeconfig};
use crate::support::judges;
use crate::support::story::{Said, Story, later};

/// When everything begins.
pub(crate) const MOMENT: &str = "2026-11-23T10:00:00Z";

/// A moment at which an intermediate that was made one step before is due, and which gains enough to be worth it.
pub(crate) fn step(number: i32) -> String {
    later(MOMENT, Duration::days(11) * number)
}

/// One target: the name of its cluster, its namespace, and the kubeconfig that leads there.
pub(crate) type Target = (String, String, PathBuf);

/// A founded lab with these targets. Its intermediates are due after ten days, its issuing CA lasts for eight years,
/// and its issuing key is not sealed: no run spends its time on stretching a passphrase.
pub(crate) fn fleet(mesh: &str, deadline: &str, targets: &[Target]) -> Story {
    let mut text = format!(
        "version: 1\nmesh: {mesh}\nlab: true\nrotation: {{ deadline: {deadline} }}\nlead: 1d\n\
         root: {{ lifetime: 7300d, renewBefore: 3200d }}\nissuing: {{ lifetime: 3000d, renewBefore: 100d }}\n\
         intermediate: {{ lifetime: 40d, renewBefore: 30d }}\nclusters:\n"
    );
    for (name, namespace, path) in targets {
        let path = path.display();
        writeln!(
            text,
            "  - {{ name: {name}, network: {name}, role: primary, namespace: {namespace}, access: {{ kubeconfig: {path} }} }}"
        )
        .unwrap();
    }
    let story = Story::new(&text).founded(mesh, MOMENT);
    unseal(&story, "material/issuing/g1/issuing-key.pem");
    story
}

/// One target named `east`, in a namespace that is made for it, with the name of the mesh.
pub(crate) fn one(server: &'static ApiServer, name: &str, deadline: &str) -> Story {
    server.create_namespace(name);
    one_behind(&server.kubeconfig("admin"), name, deadline)
}

/// One target named `east` behind this kubeconfig.
pub(crate) fn one_behind(path: &Path, name: &str, deadline: &str) -> Story {
    fleet(name, deadline, &[("east".to_owned(), name.to_owned(), path.to_owned())])
}

pub(crate) fn unseal(story: &Story, key: &str) {
    let (path, passphrase) = (story.path(key), format!("file:{}", story.path("passphrase").display()));
    let plain = judges::openssl(["pkcs8", "-in", path.to_str().unwrap(), "-passin", &passphrase]);
    assert!(plain.status.success(), "{plain:?}");
    story.write(key, plain.stdout);
}

/// The same folder on another machine.
pub(crate) fn copy_of(story: &Story) -> Story {
    story.copied()
}

/// The same folder on another machine, which reaches the API server through this port.
pub(crate) fn copy_through(story: &Story, server: &ApiServer, port: u16) -> Story {
    let copy = copy_of(story);
    let config = kubeconfig("c", &format!("https://127.0.0.1:{port}"), server.authority(), server.token("admin"));
    copy.write("through.kubeconfig", config.to_string());
    let direct = server.kubeconfig("admin").display().to_string();
    assert!(copy.read("mesh.yaml").contains(&direct));
    copy.write("mesh.yaml", copy.read("mesh.yaml").replace(&direct, "./through.kubeconfig"));
    copy
}

/// The Secret `cacerts` as the server has it now, if it is there.
pub(crate) fn live(server: &ApiServer, namespace: &str) -> Option<Value> {
    let request = format!("GET /api/v1/namespaces/{namespace}/secrets/cacerts");
    let answer = server.ask(server.token("admin"), &request, "application/json", "").ok()?;
    (answer.status == 200).then(|| answer.json())
}

/// Removes it.
pub(crate) fn delete(server: &ApiServer, namespace: &str) {
    let request = format!("DELETE /api/v1/namespaces/{namespace}/secrets/cacerts");
    let answer = server.ask(server.token("admin"), &request, "application/json", "").unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// Runs commands at the same time; what each said, in their order.
pub(crate) fn at_once(commands: Vec<Command>) -> Vec<Said> {
    let start = |mut command: Command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let started: Vec<_> = commands.into_iter().map(start).collect();
    started.into_iter().map(|child| Said::of(&child.wait_with_output().unwrap())).collect()
}

// Each test program compiles this for itself and uses only some of it.
const _: () = {
    let _ = (step, one, one_behind, copy_of, copy_through, live, delete, at_once, unseal);
};

//! A credential plug-in of a kubeconfig (`exec`): run once, without a terminal, and ended when it takes too long or
//! meshca is asked to end. Many a plug-in is a script: it runs in a group of its own, so that what it started is ended with
//! it, and only that.
//!
//! Protocol: `client.authentication.k8s.io/v1`, `ExecCredential`.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use kube::config::{AuthInfo, Cluster, ExecAuthCluster, ExecConfig};
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem};
use crate::world::child_groups::{ChildGroup, NotStarted};

/// More than any credential or complaint.
const LARGEST: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct ExecCredential {
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    token: Option<Zeroizing<String>>,
    client_certificate_data: Option<String>,
    client_key_data: Option<Zeroizing<String>>,
}

/// Runs a plug-in and returns what it gave: the fields of a user of a kubeconfig.
///
/// # Errors
/// `credential-plugin-failed`, with what it said on its standard error.
pub(super) fn run(plugin: &ExecConfig, cluster: Option<&Cluster>, deadline: Duration) -> Result<AuthInfo, Problem> {
    let name = plugin.command.clone().unwrap_or_default();
    let failed = |why: &str| {
        let problem =
            Problem::new(Code::CredentialPluginFailed, format!("the credential plug-in {name} failed: {why}"));
        problem
            .hint(plugin.install_hint.as_deref().map_or_else(|| "run it by hand".to_owned(), |hint| plain(hint, 200)))
    };
    let started = ChildGroup::start(&mut command(plugin, &name, cluster));
    let mut group = started.map_err(|why| match why {
        NotStarted::Refused(error) => failed(&format!("it cannot be started: {error}")),
        NotStarted::Ends => failed("it was not started: this run was asked to end"),
        NotStarted::Unheard(problem) => problem,
    })?;
    let Some((said, complaint)) = listen(group.child()).recv_timeout(deadline).ok() else {
        group.end();
        return Err(failed(&format!("it said nothing within {} seconds", deadline.as_secs())));
    };
    let Some(status) = ended(&mut group, deadline) else {
        group.end();
        return Err(failed(&format!("it did not end within {} seconds", deadline.as_secs())));
    };
    if !status.success() {
        let complaint = plain(&String::from_utf8_lossy(&complaint), 300);
        return Err(failed(&status.to_string()).fact(format!("it said  {complaint}")));
    }
    // No error may quote what it said: that is the credential.
    let credential: ExecCredential =
        serde_json::from_slice(&said).map_err(|_| failed("what it said is not an ExecCredential"))?;
    let status = credential.status.ok_or_else(|| failed("what it said has no status"))?;
    user(&status).ok_or_else(|| failed("it gave no usable credential"))
}

fn command(plugin: &ExecConfig, name: &str, cluster: Option<&Cluster>) -> Command {
    let mut command = Command::new(name);
    command.args(plugin.args.iter().flatten());
    for entry in plugin.env.iter().flatten() {
        if let (Some(name), Some(value)) = (entry.get("name"), entry.get("value")) {
            command.env(name, value);
        }
    }
    let version = plugin.api_version.as_deref().unwrap_or("client.authentication.k8s.io/v1");
    let mut spec = serde_json::json!({ "interactive": false });
    let wants_cluster = cluster.filter(|_| plugin.provide_cluster_info);
    if let Some(Ok(cluster)) = wants_cluster.map(ExecAuthCluster::try_from)
        && let Some(spec) = spec.as_object_mut()
    {
        spec.insert("cluster".to_owned(), serde_json::to_value(cluster).unwrap_or_default());
    }
    let info = serde_json::json!({ "apiVersion": version, "kind": "ExecCredential", "spec": spec });
    command.env("KUBERNETES_EXEC_INFO", info.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

type Bytes = Zeroizing<Vec<u8>>;

/// What it says on both ends, once both are closed.
fn listen(child: &mut Child) -> mpsc::Receiver<(Bytes, Bytes)> {
    let (tell, told) = mpsc::channel();
    let (said, complaint) = (child.stdout.take(), child.stderr.take());
    std::thread::spawn(move || {
        let complaint = std::thread::spawn(move || read(complaint));
        let said = read(said);
        // Nobody listens any more when it took too long.
        let _ = tell.send((said, complaint.join().unwrap_or_default()));
    });
    told
}

fn read(pipe: Option<impl Read>) -> Bytes {
    let mut said = Zeroizing::new(Vec::new());
    if let Some(pipe) = pipe {
        let _ = pipe.take(LARGEST).read_to_end(&mut said);
    }
    said
}

/// How it ended, which comes right after it closed its ends; `None`: it did not.
fn ended(group: &mut ChildGroup, deadline: Duration) -> Option<ExitStatus> {
    const PAUSE: Duration = Duration::from_millis(10);
    let rounds = deadline.as_millis() / PAUSE.as_millis();
    for _ in 0..=rounds {
        let status = group.ended();
        if status.is_some() {
            return status;
        }
        std::thread::sleep(PAUSE);
    }
    None
}

/// The credential as a kubeconfig would hold it: certificate and key in base64.
fn user(status: &Status) -> Option<AuthInfo> {
    use base64::Engine;
    let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let mut user = serde_json::Map::new();
    if let Some(token) = &status.token {
        user.insert("token".to_owned(), token.as_str().into());
    }
    if let (Some(certificate), Some(key)) = (&status.client_certificate_data, &status.client_key_data) {
        user.insert("client-certificate-data".to_owned(), encode(certificate).into());
        user.insert("client-key-data".to_owned(), encode(key).into());
    }
    if user.is_empty() {
        return None;
    }
    serde_json::from_value(user.into()).ok()
}

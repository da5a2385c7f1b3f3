//! From a kubeconfig, or from inside a cluster, to the configuration of a client.
//!
//! The file is read here and not by the client library, whose errors quote the lines around a fault, a token included.

use std::path::{MAIN_SEPARATOR, Path};
use std::time::Duration;

use kube::Config;
use kube::config::{AuthInfo, KubeConfigOptions, Kubeconfig};
use tokio::runtime::Runtime;

use crate::mesh::fleet::Access;
use crate::problem::{Code, Problem};
use crate::world::files;
use crate::world::kubernetes::credential_plugin;

/// More than any kubeconfig has.
const LARGEST: usize = 4 * 1024 * 1024;

/// The configuration for this way in. A credential plug-in is run, within the deadline.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, `kubeconfig-unusable`, `credential-plugin-failed`.
pub(super) fn config(access: &Access, runtime: &Runtime, deadline: Duration) -> Result<Config, Problem> {
    let mut config = match access {
        Access::Kubeconfig { path, context } => from_file(path, context.as_deref(), runtime, deadline)?,
        _ => Config::incluster().map_err(|error| unusable(access, &error))?,
    };
    // The deadline of a visit ends it, and says so. These come later, for a connection that nobody waits for any more.
    let idle = Some(deadline.saturating_mul(2));
    config.connect_timeout = idle;
    config.read_timeout = idle;
    config.write_timeout = idle;
    config.reset_reader_on_write = true;
    // What is asked again, and when, is decided where it is known whether it may be.
    config.default_retry = false;
    Ok(config)
}

/// The problem of a way in that cannot be used.
pub(super) fn unusable(access: &Access, why: &dyn std::fmt::Display) -> Problem {
    let (place, hint) = match access {
        Access::Kubeconfig { path, .. } => {
            (path.display().to_string(), format!("kubectl --kubeconfig {} config get-contexts", path.display()))
        }
        _ => (
            "the service account of this pod".to_owned(),
            "access: inCluster works in a pod with a mounted service account token only".to_owned(),
        ),
    };
    Problem::new(Code::KubeconfigUnusable, format!("{place} gives no way to an API server: {why}")).hint(hint)
}

fn from_file(path: &Path, context: Option<&str>, runtime: &Runtime, deadline: Duration) -> Result<Config, Problem> {
    let access = Access::Kubeconfig { path: path.to_owned(), context: context.map(str::to_owned) };
    let unusable = |why: &dyn std::fmt::Display| unusable(&access, why);
    let text = files::read(path, LARGEST)?;
    let words = std::str::from_utf8(text.expose()).map_err(|_| unusable(&"it is not UTF-8 text"))?;
    let options = serde_saphyr::options! { with_snippet: false };
    let mut kubeconfig: Kubeconfig = serde_saphyr::from_str_with_options(words, options).map_err(|error| {
        let place = error.location().map_or_else(String::new, |at| format!(" at line {}", at.line()));
        unusable(&format!("it is not a kubeconfig{place}"))
    })?;
    if let Some(folder) = path.parent() {
        resolve(&mut kubeconfig, folder);
    }
    let chosen = context.or(kubeconfig.current_context.as_deref()).unwrap_or_default().to_owned();
    let known: Vec<String> = kubeconfig.contexts.iter().map(|it| it.name.clone()).collect();
    let Some(named) = kubeconfig.contexts.iter().find(|it| it.name == chosen) else {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        let what =
            if chosen.is_empty() { "it has no current context".to_owned() } else { format!("no context {chosen}") };
        return Err(unusable(&what).fact(format!("contexts  {known}")));
    };
    let names = named.context.as_ref().map(|it| (it.cluster.clone(), it.user.clone()));
    if let Some((cluster, Some(user))) = names {
        let cluster = kubeconfig.clusters.iter().find(|it| it.name == cluster).and_then(|it| it.cluster.clone());
        let user = kubeconfig.auth_infos.iter_mut().find(|it| it.name == user).and_then(|it| it.auth_info.as_mut());
        if let Some(user) = user {
            log_in(user, cluster.as_ref(), deadline).map_err(|why| why.fact(format!("context  {chosen}")))?;
        }
    }
    let options = KubeConfigOptions { context: Some(chosen), ..KubeConfigOptions::default() };
    runtime.block_on(Config::from_custom_kubeconfig(kubeconfig, &options)).map_err(|error| unusable(&error))
}

/// Asks the credential plug-in, where there is one: once, and within the deadline. The client library would run it
/// three times and wait for ever.
fn log_in(user: &mut AuthInfo, cluster: Option<&kube::config::Cluster>, deadline: Duration) -> Result<(), Problem> {
    let Some(plugin) = user.exec.take() else { return Ok(()) };
    let credential = credential_plugin::run(&plugin, cluster, deadline)?;
    user.token = credential.token.or_else(|| user.token.take());
    user.client_certificate_data = credential.client_certificate_data.or_else(|| user.client_certificate_data.take());
    user.client_key_data = credential.client_key_data.or_else(|| user.client_key_data.take());
    Ok(())
}

/// Paths in a kubeconfig count from its own folder.
fn resolve(kubeconfig: &mut Kubeconfig, folder: &Path) {
    let absolute = |path: &mut Option<String>| {
        if let Some(path) = path
            && Path::new(path).is_relative()
        {
            *path = folder.join(&path).to_string_lossy().into_owned();
        }
    };
    for cluster in kubeconfig.clusters.iter_mut().filter_map(|named| named.cluster.as_mut()) {
        absolute(&mut cluster.certificate_authority);
    }
    for user in kubeconfig.auth_infos.iter_mut().filter_map(|named| named.auth_info.as_mut()) {
        absolute(&mut user.client_certificate);
        absolute(&mut user.client_key);
        absolute(&mut user.token_file);
        // A bare name is looked for on the PATH.
        if let Some(plugin) = &mut user.exec
            && plugin.command.as_ref().is_some_and(|command| command.contains(MAIN_SEPARATOR))
        {
            absolute(&mut plugin.command);
        }
    }
}

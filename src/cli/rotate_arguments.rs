//! What may be typed after `rotate`.

use std::path::PathBuf;

use clap::Args;
use time::Duration;

use crate::cli::passphrase_file::PassphraseFile;
#[cfg(feature = "k8s")]
use crate::mesh::fleet::{Access, is_dns_label};
use crate::mesh::span;

/// What `rotate` is asked for.
#[derive(Debug, Args)]
pub struct RotateArguments {
    /// Say what would be done, and change nothing.
    #[arg(long, conflicts_with = "watch")]
    pub(in crate::cli) dry_run: bool,
    /// Where the passphrase comes from.
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseFile,
    /// Write the metrics to this file afterwards, by rename, for a textfile collector.
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) metrics_textfile: Option<PathBuf>,
    /// Go on with tick after tick until SIGTERM or SIGINT. A tick that fails does not end it.
    #[arg(long, requires = "passphrase_file")]
    pub(in crate::cli) watch: bool,
    /// From the end of one tick to the next. Without it, as rotation.tick says.
    #[arg(long, value_name = "DURATION", value_parser = length, requires = "watch")]
    pub(in crate::cli) every: Option<Duration>,
    /// What it has in the cluster that it runs in.
    #[cfg(feature = "k8s")]
    #[command(flatten)]
    pub(in crate::cli) home: HomeArguments,
}

/// What meshca has in the cluster that it runs in, its home.
#[cfg(feature = "k8s")]
#[derive(Debug, Args)]
pub struct HomeArguments {
    /// Work only while this Lease is held, so that of several replicas one works.
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = own, requires_all = ["watch", "identity"])]
    pub(in crate::cli) lease: Option<Own>,
    /// Under which name the Lease is held: one that no other replica has.
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide_env_values = true, value_parser = identity)]
    pub(in crate::cli) identity: Option<String>,
    /// How long after the last sign of its holder another replica takes the Lease; 3s at least.
    #[arg(long, value_name = "DURATION", value_parser = lease_length, default_value = "30s", requires = "lease")]
    pub(in crate::cli) lease_duration: Duration,
    /// Write the public status into ConfigMaps of this namespace: PREFIX-0, PREFIX-1 and so on, 250 clusters in each.
    #[arg(long, value_name = "NAMESPACE/PREFIX", value_parser = own, conflicts_with = "dry_run")]
    pub(in crate::cli) status_configmap: Option<Own>,
    /// The kubeconfig of the cluster that has Lease and status. Without it, the cluster that this pod runs in.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) home_kubeconfig: Option<PathBuf>,
    /// Its context; without it, the current one.
    #[arg(long, value_name = "NAME", requires = "home_kubeconfig")]
    pub(in crate::cli) home_context: Option<String>,
}

#[cfg(feature = "k8s")]
impl HomeArguments {
    /// How the home is reached.
    pub(in crate::cli) fn access(&self) -> Access {
        match &self.home_kubeconfig {
            Some(path) => Access::Kubeconfig { path: path.clone(), context: self.home_context.clone() },
            None => Access::InCluster,
        }
    }
}

/// An object of meshca's own, or the beginning of the names of several.
#[cfg(feature = "k8s")]
#[derive(Debug, Clone)]
pub struct Own {
    pub(in crate::cli) namespace: String,
    pub(in crate::cli) name: String,
}

#[cfg(feature = "k8s")]
fn own(text: &str) -> Result<Own, String> {
    match text.split_once('/') {
        // A part of the status has a dash and a number after it.
        Some((namespace, name)) if is_dns_label(namespace) && is_dns_label(name) && name.len() <= 50 => {
            Ok(Own { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("it is written as NAMESPACE/NAME: lower-case letters, digits and dashes".to_owned()),
    }
}

#[cfg(feature = "k8s")]
fn identity(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 128 || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err("an identity has 1 to 128 bytes without blanks".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(feature = "k8s")]
fn lease_length(text: &str) -> Result<Duration, String> {
    let length = length(text)?;
    // Kubernetes counts it in whole seconds of 32 bits, and a renewal needs time for its requests.
    if (Duration::seconds(3)..=Duration::days(1)).contains(&length) {
        Ok(length)
    } else {
        Err("a Lease is held for 3s to 1d".to_owned())
    }
}

fn length(text: &str) -> Result<Duration, String> {
    match span::parse(text) {
        Ok(length) if length.is_zero() => Err("it is zero; the shortest is 1s".to_owned()),
        Ok(length) => Ok(length),
        Err(bad) => Err(format!("it {bad}; {}", bad.advice())),
    }
}

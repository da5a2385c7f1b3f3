//! What may be typed about the cluster that meshca runs in.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use time::Duration;

use crate::cli::typed_values::length;
use crate::mesh::fleet::{Access, is_dns_label};

/// What lies in the cluster that meshca runs in: without one of these there is no need to reach it.
pub(in crate::cli) const AT_HOME: &str = "at_home";

/// What meshca has in the cluster that it runs in, its home.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new(AT_HOME).multiple(true))]
pub struct HomeArguments {
    /// Work only while this Lease is held, so that of several replicas one works.
    #[arg(long, group = AT_HOME, value_name = "NAMESPACE/NAME", value_parser = own, requires_all = ["watch", "identity"])]
    pub(in crate::cli) lease: Option<Own>,
    /// Under which name the Lease is held: one that no other replica has.
    #[arg(long, value_name = "NAME", env = "POD_NAME", hide_env_values = true, value_parser = identity)]
    pub(in crate::cli) identity: Option<String>,
    /// How long after the last sign of its holder another replica takes the Lease; 3s at least.
    #[arg(long, value_name = "DURATION", value_parser = lease_length, default_value = "30s", requires = "lease")]
    pub(in crate::cli) lease_duration: Duration,
    /// Write the public status into ConfigMaps of this namespace: PREFIX-0, PREFIX-1 and so on, 250 clusters in each.
    #[arg(long, group = AT_HOME, value_name = "NAMESPACE/PREFIX", value_parser = own, conflicts_with_all = ["dry_run", "shard"])]
    pub(in crate::cli) status_configmap: Option<Own>,
    /// How it is reached.
    #[command(flatten)]
    pub(in crate::cli) access: HomeAccess,
}

/// How the home is reached, as it is typed.
#[derive(Debug, Args)]
pub struct HomeAccess {
    /// The kubeconfig of the cluster that has Lease and status. Without it, the cluster that this pod runs in.
    #[arg(long, value_name = "FILE", requires = AT_HOME)]
    home_kubeconfig: Option<PathBuf>,
    /// Its context; without it, the current one.
    #[arg(long, value_name = "NAME", requires = "home_kubeconfig")]
    home_context: Option<String>,
}

impl HomeArguments {
    /// Nothing in the cluster that it runs in.
    pub(in crate::cli) const fn none() -> Self {
        Self {
            lease: None,
            identity: None,
            lease_duration: Duration::seconds(30),
            status_configmap: None,
            access: HomeAccess { home_kubeconfig: None, home_context: None },
        }
    }
}

impl HomeAccess {
    /// How the home is reached.
    pub(in crate::cli) fn access(&self) -> Access {
        match &self.home_kubeconfig {
            Some(path) => Access::Kubeconfig { path: path.clone(), context: self.home_context.clone() },
            None => Access::InCluster,
        }
    }
}

/// An object of meshca's own, or the beginning of the names of several.
#[derive(Debug, Clone)]
pub struct Own {
    pub(in crate::cli) namespace: String,
    pub(in crate::cli) name: String,
}

pub(in crate::cli) fn own(text: &str) -> Result<Own, String> {
    match text.split_once('/') {
        // A part of the status has a dash and a number after it.
        Some((namespace, name)) if is_dns_label(namespace) && is_dns_label(name) && name.len() <= 50 => {
            Ok(Own { namespace: namespace.to_owned(), name: name.to_owned() })
        }
        _ => Err("it is written as NAMESPACE/NAME: lower-case letters, digits and dashes".to_owned()),
    }
}

fn identity(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > 128 || text.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err("an identity has 1 to 128 bytes without blanks".to_owned());
    }
    Ok(text.to_owned())
}

fn lease_length(text: &str) -> Result<Duration, String> {
    let length = length(text)?;
    // Kubernetes counts it in whole seconds of 32 bits, and a renewal needs time for its requests.
    if (Duration::seconds(3)..=Duration::days(1)).contains(&length) {
        Ok(length)
    } else {
        Err("a Lease is held for 3s to 1d".to_owned())
    }
}

//! What may be typed after `rotate`.

use std::path::PathBuf;

use clap::Args;
use time::Duration;

use crate::cli::passphrase_file::PassphraseFile;
use crate::cli::typed_values::cluster;
use crate::mesh::fleet::ClusterName;
#[cfg(feature = "k8s")]
use crate::mesh::fleet::{Access, is_dns_label};
use crate::mesh::gates::Approvals;
use crate::mesh::shard::Shard;
use crate::mesh::span;
use crate::pki::fingerprint::Fingerprint;
use crate::problem::{Code, Problem};

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
    /// Work on part I of N only, counted from 0; `N` alone takes I from JOB_COMPLETION_INDEX, which an Indexed Job sets.
    /// No status is written then: it would be that of a part.
    #[arg(long, value_name = "I/N", value_parser = part, conflicts_with = "metrics_textfile")]
    pub(in crate::cli) shard: Option<Part>,
    #[arg(long, hide = true, env = "JOB_COMPLETION_INDEX", value_name = "I")]
    pub(in crate::cli) completion_index: Option<usize>,
    /// Allow the old root, by its SHA-256, to be removed from the trust bundles once nothing is signed under it any more.
    /// May be given many times: clusters that are adopted come with roots of their own.
    #[arg(long, value_name = "SHA256", value_parser = fingerprint, conflicts_with_all = ["watch", "shard"])]
    pub(in crate::cli) approve_removal: Vec<Fingerprint>,
    /// Give this cluster a new key and intermediate at once, since the present key may be in other hands; with --reason.
    #[arg(long, value_name = "CLUSTER", value_parser = cluster, requires = "reason", conflicts_with_all = ["watch", "shard"])]
    pub(in crate::cli) now: Option<ClusterName>,
    /// Why, for the records.
    #[arg(long, value_name = "TEXT", value_parser = reason, requires = "now")]
    pub(in crate::cli) reason: Option<String>,
    /// What it has in the cluster that it runs in.
    #[cfg(feature = "k8s")]
    #[command(flatten)]
    pub(in crate::cli) home: HomeArguments,
}

/// Which part of a fleet, as it is typed.
#[derive(Debug, Clone, Copy)]
pub enum Part {
    /// This one.
    Whole(Shard),
    /// Of so many, the one that the environment names.
    Of(usize),
}

impl RotateArguments {
    /// One plain tick.
    pub(in crate::cli) fn once(passphrase: PassphraseFile) -> Self {
        Self {
            dry_run: false,
            passphrase,
            metrics_textfile: None,
            watch: false,
            every: None,
            shard: None,
            completion_index: None,
            approve_removal: Vec::new(),
            now: None,
            reason: None,
            #[cfg(feature = "k8s")]
            home: HomeArguments::none(),
        }
    }

    /// What people allow by this command.
    pub(in crate::cli) fn approvals(&self) -> Approvals {
        Approvals { removal: self.approve_removal.clone(), urgent: self.now.clone() }
    }

    /// The part of the fleet to work on; `None`: all of it.
    ///
    /// # Errors
    /// `bad-argument`: the environment names no such part.
    pub(in crate::cli) fn part(&self) -> Result<Option<Shard>, Problem> {
        let bad = |count: usize, index: &str| {
            Problem::new(
                Code::BadArgument,
                format!("--shard {count} needs a part from 0 to {}", count.saturating_sub(1)),
            )
            .fact(format!("JOB_COMPLETION_INDEX  {index}"))
            .hint(format!("--shard 0/{count}"))
        };
        match (self.shard, self.completion_index) {
            (None, _) => Ok(None),
            (Some(Part::Whole(shard)), _) => Ok(Some(shard)),
            (Some(Part::Of(count)), None) => Err(bad(count, "is not set")),
            (Some(Part::Of(count)), Some(index)) => {
                Shard::new(index, count).map(Some).ok_or_else(|| bad(count, &index.to_string()))
            }
        }
    }
}

/// Why something is done, as it is typed: kept in the records.
pub(in crate::cli) fn reason(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > 200 || text.contains(char::is_control) {
        return Err("a reason has 1 to 200 bytes without control characters".to_owned());
    }
    Ok(text.to_owned())
}

fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    Fingerprint::parse(text).ok_or_else(|| "it is the SHA-256 of a certificate: 64 hexadecimal digits".to_owned())
}

fn part(text: &str) -> Result<Part, String> {
    let number = |text: &str| text.parse::<usize>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
    let part = match text.split_once('/') {
        Some((index, count)) => number(index).zip(number(count)).and_then(|(i, n)| Shard::new(i, n)).map(Part::Whole),
        None => number(text).filter(|count| *count > 0).map(Part::Of),
    };
    part.ok_or_else(|| "a part is written as I/N, with I from 0 to N - 1".to_owned())
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
    #[arg(long, value_name = "NAMESPACE/PREFIX", value_parser = own, conflicts_with_all = ["dry_run", "shard"])]
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
    /// Nothing in the cluster that it runs in.
    fn none() -> Self {
        Self {
            lease: None,
            identity: None,
            lease_duration: Duration::seconds(30),
            status_configmap: None,
            home_kubeconfig: None,
            home_context: None,
        }
    }

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

/// A length of time that is not zero, as it is typed.
pub(in crate::cli) fn length(text: &str) -> Result<Duration, String> {
    match span::parse(text) {
        Ok(length) if length.is_zero() => Err("it is zero; the shortest is 1s".to_owned()),
        Ok(length) => Ok(length),
        Err(bad) => Err(format!("it {bad}; {}", bad.advice())),
    }
}

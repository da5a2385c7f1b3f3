//! What may be typed after `rotate`.

#[cfg(feature = "k8s")]
use core::net::SocketAddr;

use clap::Args;
use time::Duration;

#[cfg(feature = "k8s")]
use crate::cli::home_arguments::HomeArguments;
use crate::cli::metrics_arguments::MetricsArguments;
use crate::cli::passphrase_file::PassphraseFile;
use crate::cli::typed_values::{cluster, length};
use crate::mesh::fleet::ClusterName;
use crate::mesh::gates::Approvals;
use crate::mesh::shard::Shard;
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
    /// Where metrics go.
    #[command(flatten)]
    pub(in crate::cli) metrics: MetricsArguments,
    /// Go on with tick after tick until SIGTERM or SIGINT. A tick that fails does not end it.
    #[arg(long, requires = "passphrase_file")]
    pub(in crate::cli) watch: bool,
    /// From the end of one tick to the next. Without it, as rotation.tick says.
    #[arg(long, value_name = "DURATION", value_parser = length, requires = "watch")]
    pub(in crate::cli) every: Option<Duration>,
    /// Serve the metrics at this address, as `exporter` does; port 0: any that is free.
    #[cfg(feature = "k8s")]
    #[arg(long, value_name = "ADDR:PORT", requires = "watch")]
    pub(in crate::cli) listen: Option<SocketAddr>,
    /// Work on part I of N only, counted from 0; `N` alone takes I from JOB_COMPLETION_INDEX, which an Indexed Job sets.
    /// No status is written then: it would be that of a part.
    #[arg(long, value_name = "I/N", value_parser = part, conflicts_with_all = STATUS_WRITERS)]
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

/// The options that write the status of the whole mesh, by clap's names for them.
#[cfg(feature = "k8s")]
const STATUS_WRITERS: [&str; 3] = ["listen", "metrics_textfile", "pushgateway"];
#[cfg(not(feature = "k8s"))]
const STATUS_WRITERS: [&str; 1] = ["metrics_textfile"];

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
            metrics: MetricsArguments::none(),
            watch: false,
            every: None,
            #[cfg(feature = "k8s")]
            listen: None,
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

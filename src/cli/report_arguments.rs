//! What `report` may be told.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use time::Duration;

#[cfg(feature = "k8s")]
use crate::cli::home_arguments::{AT_HOME, HomeAccess, Own, own};
use crate::cli::metrics_arguments::MetricsArguments;
use crate::cli::typed_values::length;
use crate::mesh::choice::{Choice, Only, Order};
use crate::mesh::limit::{Limit, Limits};
#[cfg(feature = "k8s")]
use crate::world::exporter_place::ExporterPlace;

/// What `report` is told.
#[derive(Debug, Args)]
pub struct ReportArguments {
    /// Where metrics go.
    #[command(flatten)]
    pub(in crate::cli) metrics: MetricsArguments,
    /// Only rows of this kind: `due`, whose renewal is due; `bad`, what needs somebody or could not be seen; or the name of
    /// a cluster. May be given many times; one that fits is enough. Verdict and exit code are those of the whole mesh, and
    /// so are metrics.
    #[arg(long, value_name = "due|bad|CLUSTER", value_parser = only)]
    only: Vec<Only>,
    /// The order of rows.
    #[arg(long, value_name = "KEY", value_enum, default_value_t = SortKey::Urgency)]
    sort: SortKey,
    /// An end nearer than this is a warning: `30d`, `720h`, `25%` of a certificate's life, or a number of days. Without it, 7d.
    #[arg(long, value_name = "LIMIT", value_parser = Limit::parse)]
    warn: Option<Limit>,
    /// An end nearer than this is critical. Without it, 48h.
    #[arg(long, value_name = "LIMIT", value_parser = Limit::parse)]
    critical: Option<Limit>,
    /// Say what changed since this report, which `-o json` wrote; `-`: standard input.
    #[arg(long, value_name = "OLD.json", conflicts_with_all = ["only", "sort", "watch"])]
    pub(in crate::cli) diff: Option<PathBuf>,
    /// Look for the last tick in the status that `rotate` left in ConfigMaps of this namespace: PREFIX-0, PREFIX-1 and so on.
    /// Without it, in the records folder.
    #[cfg(feature = "k8s")]
    #[arg(long, group = AT_HOME, value_name = "NAMESPACE/PREFIX", value_parser = own)]
    pub(in crate::cli) status_configmap: Option<Own>,
    /// How the cluster is reached that has the status.
    #[cfg(feature = "k8s")]
    #[command(flatten)]
    pub(in crate::cli) home: HomeAccess,
    /// Ask this exporter as well, and say where it is gone or does not see the fleet: http://HOST:PORT.
    #[cfg(feature = "k8s")]
    #[arg(long, value_name = "URL", value_parser = ExporterPlace::of)]
    pub(in crate::cli) exporter: Option<ExporterPlace>,
    /// Show it anew every so often, on a terminal, until Ctrl-C.
    #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "10s", require_equals = true, value_parser = length)]
    pub(in crate::cli) watch: Option<Duration>,
}

/// By what rows are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortKey {
    /// The worst first.
    Urgency,
    /// The name of the cluster.
    Cluster,
    /// Roots, issuing CAs, intermediates.
    Role,
    /// What ends first.
    Expires,
    /// What is renewed first.
    Renews,
}

impl ReportArguments {
    pub(in crate::cli) fn choice(&self) -> Choice {
        let order = match self.sort {
            SortKey::Urgency => Order::Urgency,
            SortKey::Cluster => Order::Cluster,
            SortKey::Role => Order::Role,
            SortKey::Expires => Order::Expires,
            SortKey::Renews => Order::Renews,
        };
        Choice { only: self.only.clone(), order }
    }

    pub(in crate::cli) fn limits(&self) -> Limits {
        let usual = Limits::default();
        Limits { warning: self.warn.unwrap_or(usual.warning), critical: self.critical.unwrap_or(usual.critical) }
    }
}

fn only(text: &str) -> Result<Only, String> {
    Only::parse(text).ok_or_else(|| "it is `due`, `bad`, or a cluster's name".to_owned())
}

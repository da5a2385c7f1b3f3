//! Where metrics go besides standard output, and what their labels are called.

use std::path::PathBuf;

use clap::Args;

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::metrics::{Build, Wording};
#[cfg(feature = "k8s")]
use crate::world::pushgateway::Place;

/// The program's version, as it stands in metrics.
pub(in crate::cli) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Which program makes the metrics. Its revision is what whoever built it said by `MESHCA_REVISION`.
pub(in crate::cli) const BUILD: Build<'static> = Build {
    version: VERSION,
    revision: match option_env!("MESHCA_REVISION") {
        Some(revision) => revision,
        None => "",
    },
};

/// Where metrics go, as it is typed.
#[derive(Debug, Args)]
pub struct MetricsArguments {
    /// Write the metrics to this file afterwards, by rename, for a textfile collector.
    #[arg(long, value_name = "PATH")]
    pub(in crate::cli) metrics_textfile: Option<PathBuf>,
    /// Send the metrics to this Pushgateway afterwards, by PUT, in place of what it has of job `meshca`: http://HOST:PORT,
    /// or with /metrics/job/NAME behind it.
    #[cfg(feature = "k8s")]
    #[arg(long, value_name = "URL", value_parser = Place::of)]
    pub(in crate::cli) pushgateway: Option<Place>,
    /// What its labels are called.
    #[command(flatten)]
    pub(in crate::cli) label: LabelArgument,
}

/// The label that names the cluster, as it is typed.
#[derive(Debug, Clone, Args)]
pub struct LabelArgument {
    /// What metrics call the label that names the cluster.
    #[arg(long, value_name = "NAME", default_value = "cluster", hide_default_value = true, value_parser = label)]
    pub(in crate::cli) cluster_label: ClusterLabel,
}

impl MetricsArguments {
    /// In which words.
    pub(in crate::cli) fn wording(&self) -> Wording<'_> {
        Wording::text(&self.label.cluster_label, BUILD)
    }

    /// Whether they go to standard output at most.
    pub(in crate::cli) const fn is_nowhere(&self) -> bool {
        #[cfg(feature = "k8s")]
        if self.pushgateway.is_some() {
            return false;
        }
        self.metrics_textfile.is_none()
    }

    /// Nowhere else.
    pub(in crate::cli) const fn none() -> Self {
        Self {
            metrics_textfile: None,
            #[cfg(feature = "k8s")]
            pushgateway: None,
            label: LabelArgument { cluster_label: ClusterLabel::USUAL },
        }
    }
}

fn label(text: &str) -> Result<ClusterLabel, String> {
    ClusterLabel::parse(text).ok_or_else(|| {
        "it is letters, digits and underscores, does not begin with a digit or __, and is no other label of a series".to_owned()
    })
}

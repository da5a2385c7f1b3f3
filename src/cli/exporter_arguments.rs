//! What may be typed after `exporter`.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use time::Duration;

use crate::cli::home_arguments::{AT_HOME, HomeAccess, Own, own};
use crate::cli::metrics_arguments::LabelArgument;
use crate::cli::typed_values::length;

/// What `exporter` is asked for.
#[derive(Debug, Args)]
pub struct ExporterArguments {
    /// Where it listens; port 0: any that is free.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:9949")]
    pub(in crate::cli) listen: SocketAddr,
    /// The status to tell of. Without it, status.json in the records folder of the mesh file.
    #[arg(long, value_name = "FILE", conflicts_with = "status_configmap")]
    pub(in crate::cli) status: Option<PathBuf>,
    /// The status in ConfigMaps of this namespace, PREFIX-0, PREFIX-1 and so on, as rotate writes it.
    #[arg(long, group = AT_HOME, value_name = "NAMESPACE/PREFIX", value_parser = own)]
    pub(in crate::cli) status_configmap: Option<Own>,
    /// How often to look whether the status changed. Without it, 1s for a file and 15s for ConfigMaps.
    #[arg(long, value_name = "DURATION", value_parser = length)]
    pub(in crate::cli) every: Option<Duration>,
    /// How its home is reached.
    #[command(flatten)]
    pub(in crate::cli) home: HomeAccess,
    /// What its labels are called.
    #[command(flatten)]
    pub(in crate::cli) label: LabelArgument,
}

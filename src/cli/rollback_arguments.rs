//! What may be typed after `rollback`.

use clap::Args;

use crate::cli::passphrase_file::PassphraseFile;
use crate::cli::rotate_arguments::reason;

/// Which way a root change is to go.
#[derive(Debug, Args)]
pub struct RollbackArguments {
    /// Go forward again.
    #[arg(long)]
    pub(in crate::cli) undo: bool,
    /// Say what would be done, and change nothing.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// Why, for the records.
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub(in crate::cli) reason: Option<String>,
    /// Where the passphrase comes from.
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseFile,
}

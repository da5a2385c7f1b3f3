//! Where the passphrase comes from, on the command line.

use std::path::PathBuf;

use clap::Args;

/// Where the passphrase comes from.
#[derive(Debug, Args)]
pub struct PassphraseFile {
    /// The file whose first line opens (or seals) the key; /dev/fd/N reads an open descriptor. Without it, the
    /// terminal is asked, and only when it is needed.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) passphrase_file: Option<PathBuf>,
}

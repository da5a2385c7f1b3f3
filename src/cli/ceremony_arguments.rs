//! What may be typed after `root`, `issuing` and `issue`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use time::OffsetDateTime;

use crate::cli::passphrase_file::PassphraseFile;
use crate::cli::typed_values::{cluster, moment};
use crate::mesh::fleet::ClusterName;

/// What is done with the root.
#[derive(Debug, Subcommand)]
pub enum RootCommand {
    /// Mint the first root, or the next one. Asks for its name, so that nobody does it by accident.
    Create(RootCreateArguments),
    /// Take in a root that was made elsewhere. Asks for its SHA-256, so that nobody takes in another one.
    Import(RootImportArguments),
}

/// What `root create` is asked for.
#[derive(Debug, Args)]
pub struct RootCreateArguments {
    /// Mint the next root, and endorse it with the key of the present one: the newest that is trusted.
    #[arg(long)]
    pub(in crate::cli) next: bool,
    /// The file whose first line seals the new key; with --next, opens the present root's. /dev/fd/N reads an open
    /// descriptor. Without it, the terminal is asked.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) passphrase_file: Option<PathBuf>,
    /// The file whose first line seals the next root's key. Without it, the terminal is asked.
    #[arg(long, value_name = "FILE", requires = "next")]
    pub(in crate::cli) next_passphrase_file: Option<PathBuf>,
    /// The new root's name, instead of typing it.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) confirm: Option<String>,
}

/// What `root import` is asked for.
#[derive(Debug, Args)]
pub struct RootImportArguments {
    /// The file of its certificate.
    #[arg(value_name = "FILE")]
    pub(in crate::cli) certificate: PathBuf,
    /// The file of its private key, PKCS#8, sealed or not: then it can sign here. The file stays as it is.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) key: Option<PathBuf>,
    /// The file whose first line opens that file, where it is sealed. Without it, the terminal is asked.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(in crate::cli) key_passphrase_file: Option<PathBuf>,
    /// The file whose first line seals the key in the material folder. Without it, the terminal is asked.
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(in crate::cli) passphrase_file: Option<PathBuf>,
    /// The SHA-256 of the certificate, as its owner says it, instead of typing it.
    #[arg(long, value_name = "SHA256")]
    pub(in crate::cli) confirm: Option<String>,
}

/// What is done with the issuing CA.
#[derive(Debug, Subcommand)]
pub enum IssuingCommand {
    /// Mint the next issuing CA under a root.
    Create(IssuingCreateArguments),
}

/// What `issuing create` is asked for.
#[derive(Debug, Args)]
pub struct IssuingCreateArguments {
    /// The generation of the root that signs it. Without it, the newest that is trusted.
    #[arg(long, value_name = "N")]
    pub(in crate::cli) root: Option<u32>,
    /// The file whose first line opens the root key. Without it, the terminal is asked.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) passphrase_file: Option<PathBuf>,
    /// The file whose first line seals the new issuing key. Without it, the terminal is asked.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) issuing_passphrase_file: Option<PathBuf>,
}

/// What `issue` is asked for.
#[derive(Debug, Args)]
pub struct IssueArguments {
    /// The clusters; none: all that need a next one.
    #[arg(value_name = "CLUSTER", value_parser = cluster)]
    pub(in crate::cli) clusters: Vec<ClusterName>,
    /// The generation of the root to mint under. Without it, the one that the fleet runs on; where there is no issuing
    /// CA, the newest that is trusted.
    #[arg(long, value_name = "N")]
    pub(in crate::cli) root: Option<u32>,
    /// Lay ready as many generations as reach to this day or moment.
    #[arg(long, value_name = "DATE", value_parser = moment)]
    pub(in crate::cli) until: Option<OffsetDateTime>,
    /// Where the passphrase comes from.
    #[command(flatten)]
    pub(in crate::cli) passphrase: PassphraseFile,
    /// The file whose first line seals the new keys. Without it, what opened the issuing key seals them.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) stock_passphrase_file: Option<PathBuf>,
}

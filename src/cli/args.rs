//! What may be typed.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use time::{Duration, OffsetDateTime};

#[cfg(feature = "ceremony")]
use crate::cli::ceremony_arguments::{IssueArguments, IssuingCommand, RootCommand};
#[cfg(feature = "k8s")]
use crate::cli::exporter_arguments::ExporterArguments;
use crate::cli::fail_on::FailOn;
use crate::cli::manifests_arguments::ManifestsCommand;
use crate::cli::passphrase_file::PassphraseFile;
use crate::cli::rehearse_arguments::RehearseArguments;
use crate::cli::report_arguments::ReportArguments;
use crate::cli::report_words::Form;
use crate::cli::rollback_arguments::RollbackArguments;
use crate::cli::rotate_arguments::RotateArguments;
use crate::cli::typed_values::{cluster, length, moment, namespace, trust_domain, word};
use crate::mesh::fleet::ClusterName;
use crate::world::kubeconfig_files::KubeconfigPlaces;

/// A certificate authority and certificate distribution tool for multi-cluster Istio meshes.
///
/// One root, made offline; one intermediate CA for each control plane; each brought to its cluster as the Secret
/// `cacerts`, renewed in time and watched.
#[derive(Debug, Parser)]
#[command(name = "meshca", version, max_term_width = 110, help_template = HELP)]
pub struct Arguments {
    #[command(flatten)]
    pub(in crate::cli) shared: Shared,
    #[command(subcommand)]
    pub(in crate::cli) command: Command,
}

/// What only a build with ceremonies has: lines of the help.
#[cfg(feature = "ceremony")]
macro_rules! quickstart {
    () => {
        "  quickstart   The whole main job on a laptop, in one folder, under `lab: true`\n"
    };
}
#[cfg(not(feature = "ceremony"))]
macro_rules! quickstart {
    () => {
        ""
    };
}

#[cfg(feature = "ceremony")]
macro_rules! ceremony {
    () => {
        "\
Ceremony (offline, with the root key; `issue` so only where there is no issuing CA):
  root         Create the root and the next one, or take one in
  issuing      Create the online issuing CA
  issue        Mint intermediates and lay them ready in stock

"
    };
}
#[cfg(not(feature = "ceremony"))]
macro_rules! ceremony {
    () => {
        ""
    };
}

/// What only a build with a network has.
#[cfg(feature = "k8s")]
macro_rules! exporter {
    () => {
        "  exporter     Serve the metrics of the public status over HTTP\n"
    };
}
#[cfg(not(feature = "k8s"))]
macro_rules! exporter {
    () => {
        ""
    };
}

/// The commands by what they are for; a test holds that they are the ones that there are.
const HELP: &str = concat!(
    "\
{about-with-newline}
{usage-heading} {usage}

Start:
",
    quickstart!(),
    "  init         Write a commented mesh file, nothing else

",
    ceremony!(),
    "\
Run:
  publish      Bring what lies in stock to the clusters
  adopt        Take over what a running cluster signs with, as generation 0
  rotate       One tick: look, plan, renew what is due; with --watch one after another
  rollback     Turn a root change back by a stage, or forward again

Look:
  report       How every certificate in every cluster stands
  check        What is wrong, and what istiod, the agent and Envoy would do
",
    exporter!(),
    "  inspect      What a certificate, key or Secret file holds
  rehearse     Two years of this mesh in seconds: what breaks, and when people are needed
  ledger       What was done, and whether the record is whole

Around:
  manifests    Print Kubernetes objects: what meshca may do in a cluster, and how it runs in one
  targets      Propose the clusters of a mesh file, from contexts or remote secrets

Options:
{options}

meshca COMMAND --help tells more."
);

/// Options that every command has.
#[derive(Debug, Args)]
pub struct Shared {
    /// The mesh file.
    #[arg(
        short,
        long,
        global = true,
        env = "MESHCA_FILE",
        hide_env_values = true,
        default_value = "mesh.yaml",
        value_name = "FILE"
    )]
    pub(in crate::cli) file: PathBuf,
    /// Pretend that it is this moment (RFC 3339). With a command that writes, only in a lab or with --dry-run.
    #[arg(long, global = true, value_name = "TIME", value_parser = moment)]
    pub(in crate::cli) at: Option<OffsetDateTime>,
    /// Print results in this form.
    #[arg(short, long, global = true, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    pub(in crate::cli) output: Format,
    /// Say only what is wrong: good news is silent, except in forms for machines.
    #[arg(short, long, global = true)]
    pub(in crate::cli) quiet: bool,
    /// No colour, also on a terminal.
    #[arg(long, global = true)]
    pub(in crate::cli) no_color: bool,
}

/// The form of results.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Table,
    /// For people with wide screens.
    Wide,
    /// For machines.
    Json,
    /// For machines.
    Yaml,
    /// Text exposition format 0.0.4.
    Prometheus,
    /// Of a report: a table for a page or a summary. Of a rehearsal: a runbook.
    #[value(hide = true)]
    Markdown,
    /// Of a rehearsal: a calendar.
    #[value(hide = true)]
    Ics,
    /// Of a report and of a check: JUnit XML.
    #[value(hide = true)]
    Junit,
    /// Of a report: rows for a spreadsheet.
    #[value(hide = true)]
    Csv,
    /// Of a report: one page for a browser.
    #[value(hide = true)]
    Html,
    /// Of a report: the names of clusters, one a line.
    #[value(hide = true)]
    Name,
    /// Of a check: annotations of a GitHub workflow.
    #[value(hide = true)]
    Github,
    /// Of a check: a code quality report of GitLab.
    #[value(hide = true)]
    Gitlab,
}

impl Format {
    /// Whether people read it.
    #[must_use]
    pub const fn is_for_people(self) -> bool {
        matches!(self, Format::Table | Format::Wide)
    }
}

impl Format {
    /// The form of a report; `None`: a report has none like it.
    #[must_use]
    pub const fn of_report(self) -> Option<Form> {
        match self {
            Format::Table => Some(Form::Table),
            Format::Wide => Some(Form::Wide),
            Format::Json => Some(Form::Json),
            Format::Yaml => Some(Form::Yaml),
            Format::Prometheus => Some(Form::Prometheus),
            Format::Csv => Some(Form::Csv),
            Format::Markdown => Some(Form::Markdown),
            Format::Junit => Some(Form::Junit),
            Format::Name => Some(Form::Name),
            Format::Html | Format::Ics | Format::Github | Format::Gitlab => None,
        }
    }
}

/// One command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The whole main job on a laptop, in one folder, under `lab: true`.
    #[cfg(feature = "ceremony")]
    Quickstart {
        /// The folder; it must not exist.
        #[arg(default_value = "./meshca-quickstart", value_name = "DIR")]
        folder: PathBuf,
    },
    /// Write a commented mesh file, nothing else.
    Init {
        /// The folder.
        #[arg(default_value = ".", value_name = "DIR")]
        folder: PathBuf,
    },
    /// What is done with the root.
    #[cfg(feature = "ceremony")]
    #[command(subcommand)]
    Root(RootCommand),
    /// What is done with the issuing CA.
    #[cfg(feature = "ceremony")]
    #[command(subcommand)]
    Issuing(IssuingCommand),
    /// Mint intermediates and lay them ready in stock.
    #[cfg(feature = "ceremony")]
    Issue(IssueArguments),
    /// Bring what lies in stock to the clusters.
    Publish {
        /// The clusters; none: all that get `cacerts`.
        #[arg(value_name = "CLUSTER", value_parser = cluster)]
        clusters: Vec<ClusterName>,
        /// Say what would be done, and change nothing.
        #[arg(long)]
        dry_run: bool,
        /// Wait until every istiod signs with what was published, this long at most.
        #[arg(long, value_name = "DURATION", num_args = 0..=1, default_missing_value = "5m", require_equals = true, value_parser = length, conflicts_with = "dry_run")]
        wait: Option<Duration>,
        /// Where the passphrase comes from.
        #[command(flatten)]
        passphrase: PassphraseFile,
    },
    /// Take over what a running cluster signs with, as generation 0: nothing that its workloads see changes, and from then
    /// on rotate walks it to a root of this mesh, without an outage.
    Adopt {
        /// The clusters.
        #[arg(value_name = "CLUSTER", value_parser = cluster, required = true)]
        clusters: Vec<ClusterName>,
        /// Say what would be taken over, and change nothing.
        #[arg(long)]
        dry_run: bool,
    },
    /// One tick: look, plan, renew what is due; with --watch one after another.
    Rotate(Box<RotateArguments>),
    /// Turn a root change back by a stage, until an old root was removed, and take the first steps that way. Later runs of
    /// rotate go on so, until --undo.
    Rollback(RollbackArguments),
    /// How every certificate in every cluster stands.
    ///
    /// Forms besides the usual ones: -o prometheus, -o csv, -o markdown, -o junit; -o html for one page with a timeline and who
    /// verifies whom; -o name for the names of clusters, one a line. With --diff only the usual ones.
    Report(Box<ReportArguments>),
    /// Serve the metrics of the public status over HTTP. Reads that and nothing else, and no Secret.
    ///
    /// /metrics in Prometheus text format, or OpenMetrics for who asks for it; /healthz as long as it lives; /readyz once it has
    /// read a status. A status that is missing or broken is told by meshca_status_readable 0, never by a failed scrape. Runs until
    /// SIGTERM or SIGINT.
    #[cfg(feature = "k8s")]
    Exporter(ExporterArguments),
    /// What is wrong, and what istiod, the agent and Envoy would do.
    ///
    /// Over a whole mesh also who verifies whom. Forms besides the usual ones: -o junit, -o github for annotations of a workflow,
    /// -o gitlab for a code quality report. With --quiet only what is wrong is told.
    Check(CheckArguments),
    /// What a certificate, key or Secret file holds. Private keys are never shown.
    Inspect {
        /// The file; `-`: standard input.
        #[arg(value_name = "FILE")]
        path: PathBuf,
    },
    /// Two years of this mesh in seconds: what breaks, and when people are needed.
    ///
    /// The planner and the checks that run in production, over clusters, people and a clock that exist only in memory.
    /// Begins with a founding ceremony and reads the mesh file alone, unless it is to begin with the mesh as it stands. Forms
    /// besides the usual ones: -o markdown for a runbook, -o ics for a calendar. Ends with 3 where people would come too late, with
    /// 4 where workloads would be refused or something would end.
    Rehearse(RehearseArguments),
    /// What was done, and whether the record is whole.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Print Kubernetes objects to apply: what meshca may do in a cluster, and how it runs in one.
    #[command(subcommand)]
    Manifests(ManifestsCommand),
    /// Find out which clusters there are.
    #[command(subcommand)]
    Targets(TargetsCommand),
}

/// What `check` is asked about.
#[derive(Debug, Args)]
pub struct CheckArguments {
    /// Clusters of the mesh file; or a folder or files of one set; or a Secret manifest (`-`: standard input). None:
    /// the whole mesh.
    #[arg(value_name = "CLUSTER|PATH")]
    pub(in crate::cli) subjects: Vec<String>,
    /// The set that istiod has loaded, for what it would do at a hot reload.
    #[arg(long, value_name = "PATH", requires = "subjects")]
    pub(in crate::cli) loaded: Option<PathBuf>,
    /// istiod runs with multi-root on. For files: of a cluster, the mesh file says it.
    #[arg(long, requires = "subjects")]
    pub(in crate::cli) multi_root: bool,
    /// The trust domain of the workloads, where it is not cluster.local. For files: of a cluster, the mesh file says it.
    #[arg(long, value_name = "DOMAIN", requires = "subjects", value_parser = trust_domain)]
    pub(in crate::cli) trust_domain: Option<String>,
    /// Whether the clusters of these contexts share a root, and until when. Needs no mesh file, and reads no Secret:
    /// only the ConfigMap istio-ca-root-cert. May be given many times.
    #[arg(long = "context", value_name = "CONTEXT", value_parser = word,
        conflicts_with_all = ["subjects", "loaded", "multi_root", "trust_domain"])]
    pub(in crate::cli) contexts: Vec<String>,
    /// The kubeconfig that has the contexts. Without it, those of $KUBECONFIG, else ~/.kube/config.
    #[arg(long, value_name = "FILE", requires = "contexts")]
    pub(in crate::cli) kubeconfig: Option<PathBuf>,
    /// The namespace of istiod in these contexts. Without it, istio-system.
    #[arg(long, value_name = "NAMESPACE", requires = "contexts", value_parser = namespace)]
    pub(in crate::cli) namespace: Option<String>,
    /// What ends it with 3 or 4: what is at least that bad, or only what has expired. What could not be looked at ends it
    /// with 1, whatever is said here.
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = FailOn::Warning)]
    pub(in crate::cli) fail_on: FailOn,
    /// Where kubeconfigs are looked for.
    #[command(flatten)]
    pub(in crate::cli) lookup: KubeconfigLookup,
}

/// Where kubectl looks for kubeconfigs: two variables of the environment, which are no options for people.
#[derive(Debug, Args)]
pub struct KubeconfigLookup {
    /// The list of files.
    #[arg(long = "kubeconfig-list", env = "KUBECONFIG", hide = true)]
    listed: Option<OsString>,
    /// The folder in which .kube/config lies.
    #[arg(long = "home-folder", env = "HOME", hide = true)]
    home: Option<OsString>,
}

impl KubeconfigLookup {
    /// The places, of which a file that is named comes first. An empty variable counts as none, as it does for kubectl.
    pub(in crate::cli) fn places(self, named: Option<PathBuf>) -> KubeconfigPlaces {
        let given = |it: &OsString| !it.is_empty();
        KubeconfigPlaces { named, listed: self.listed.filter(given), home: self.home.filter(given).map(PathBuf::from) }
    }
}

/// What is found out about clusters.
#[derive(Debug, Subcommand)]
pub enum TargetsCommand {
    /// Propose a mesh file with an entry for each context, or for each cluster that a remote secret names. Asks no
    /// cluster.
    Discover {
        /// The kubeconfig that has the contexts. Without it, those of $KUBECONFIG, else ~/.kube/config. With
        /// --remote-secrets, its contexts are matched by server.
        #[arg(long, value_name = "FILE")]
        kubeconfig: Option<PathBuf>,
        /// Only this context. May be given many times.
        #[arg(long = "context", value_name = "CONTEXT", value_parser = word, conflicts_with = "remote_secrets")]
        contexts: Vec<String>,
        /// What `kubectl get secret -n istio-system -l istio/multiCluster=true -o yaml` prints; `-`: standard input.
        #[arg(long, value_name = "FILE")]
        remote_secrets: Option<PathBuf>,
        /// Where kubeconfigs are looked for.
        #[command(flatten)]
        lookup: KubeconfigLookup,
    },
}

/// What is done with the ledger.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum LedgerCommand {
    /// Print every entry.
    Show,
    /// Verify every link, and print the hash of the head.
    Verify,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// What the help lists: name and words of each command.
    fn listed() -> Vec<(String, String)> {
        let lines = HELP.lines().filter_map(|line| line.strip_prefix("  ")?.split_once(' '));
        lines.map(|(name, words)| (name.to_owned(), words.trim().to_owned())).collect()
    }

    #[test]
    fn the_help_lists_exactly_the_commands_that_there_are() {
        let mut listed: Vec<_> = listed().into_iter().map(|(name, _)| name).collect();
        let command = Arguments::command();
        let mut known: Vec<_> =
            command.get_subcommands().filter(|it| !it.is_hide_set()).map(|it| it.get_name().to_owned()).collect();
        known.retain(|name| name != "help");
        listed.sort_unstable();
        known.sort_unstable();
        assert_eq!(listed, known, "left: the list in HELP, src/cli/args.rs; right: what clap knows");
    }

    #[test]
    fn the_help_has_one_line_for_each_command_that_fits_the_screen() {
        for (name, words) in listed() {
            assert!(!words.is_empty() && words.len() + 15 <= 100, "{name}: {words}");
        }
    }
}

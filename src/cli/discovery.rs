//! The commands under `targets`: a proposal as a mesh file with comments, or as a document.

use serde::Serialize;

use crate::cli::args::{Format, Shared, TargetsCommand};
use crate::cli::document::{self, Head, head};
use crate::cli::exit::Exit;
use crate::cli::voice::Voice;
use crate::jobs::targets_discover::{self, Order};
use crate::mesh::proposal::Proposal;
use crate::problem::Problem;

/// Runs one of them.
///
/// # Errors
/// Whatever is wrong with what is proposed from.
pub fn run(what: TargetsCommand, shared: &Shared, voice: Voice) -> Result<Exit, Vec<Problem>> {
    let TargetsCommand::Discover { kubeconfig, contexts, remote_secrets, lookup } = what;
    let kubeconfigs = lookup.places(kubeconfig);
    let order = Order { kubeconfigs: &kubeconfigs, contexts: &contexts, remote_secrets: remote_secrets.as_deref() };
    let one = |problem| vec![problem];
    let proposal = targets_discover::run(&order).map_err(one)?;
    let text = match shared.output {
        Format::Table | Format::Wide | Format::Yaml => proposal.mesh_file(),
        _ => document::written(&machine_form(&proposal), shared.output).map_err(one)?.unwrap_or_default(),
    };
    voice.loud().result(&text).map_err(one)?;
    Ok(Exit::Fine)
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    #[serde(flatten)]
    begins: Head,
    clusters: Vec<EntryDocument<'a>>,
    left_out: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct EntryDocument<'a> {
    name: &'a str,
    called: &'a str,
    found: &'a str,
    server: Option<&'a str>,
    kubeconfig: String,
    context: &'a str,
    is_reached: bool,
}

fn machine_form(proposal: &Proposal) -> impl Serialize + use<'_> {
    let clusters = proposal.entries.iter().map(|entry| EntryDocument {
        name: entry.name.as_str(),
        called: &entry.called,
        found: &entry.found,
        server: entry.server.as_deref(),
        kubeconfig: entry.kubeconfig.display().to_string(),
        context: &entry.context,
        is_reached: entry.is_reached,
    });
    Document { begins: head("Targets"), clusters: clusters.collect(), left_out: &proposal.left_out }
}

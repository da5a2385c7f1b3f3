//! `targets discover`: proposes a mesh file from contexts, or from Istio's remote secrets. Asks no cluster.

use std::path::Path;

use crate::mesh::context_list::find;
use crate::mesh::proposal::Proposal;
use crate::mesh::remote_secret;
use crate::problem::{Code, Problem};
use crate::world::files;
use crate::world::kubeconfig_files::{self, KubeconfigPlaces};

/// What is proposed from.
#[derive(Debug)]
pub struct Order<'a> {
    /// Where kubeconfigs are looked for. Beside remote secrets, only one that is named.
    pub kubeconfigs: &'a KubeconfigPlaces,
    /// The contexts that are wanted; none: all.
    pub contexts: &'a [String],
    /// The file of remote secrets; `-`: standard input.
    pub remote_secrets: Option<&'a Path>,
}

/// Proposes.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, `kubeconfig-unusable`, `secret-manifest-malformed`, `nothing-recognised`.
pub fn run(order: &Order<'_>) -> Result<Proposal, Problem> {
    if let Some(path) = order.remote_secrets {
        let is_standard_input = path == Path::new("-");
        let text = match is_standard_input {
            true => files::read_standard_input(remote_secret::LARGEST)?,
            false => files::read(path, remote_secret::LARGEST)?,
        };
        let name = if is_standard_input { "standard input".to_owned() } else { path.display().to_string() };
        let secrets = remote_secret::parse(&text, &name)?;
        let lists = match order.kubeconfigs.named {
            Some(_) => kubeconfig_files::read(order.kubeconfigs)?,
            None => Vec::new(),
        };
        return Ok(Proposal::of_remote_secrets(&secrets, &lists));
    }
    let lists = kubeconfig_files::read(order.kubeconfigs)?;
    for context in order.contexts {
        find(&lists, context)?;
    }
    let proposal = Proposal::of_contexts(&lists, order.contexts);
    if proposal.entries.is_empty() {
        let files: Vec<String> = lists.iter().map(|list| list.path.display().to_string()).collect();
        let what = format!("{} has no context that can be proposed", files.join(", "));
        let problem = Problem::new(Code::KubeconfigUnusable, what);
        let problem = proposal.left_out.iter().take(5).fold(problem, Problem::fact);
        return Err(problem.hint("look for another file with --kubeconfig FILE"));
    }
    Ok(proposal)
}

//! The kubeconfigs that kubectl would read, as far as their contexts go.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::mesh::context_list::{ContextList, LARGEST};
use crate::problem::{Code, Problem};
use crate::world::files;

/// Where kubeconfigs are looked for, the first that is given.
#[derive(Debug, Clone, Default)]
pub struct KubeconfigPlaces {
    /// One file, by name.
    pub named: Option<PathBuf>,
    /// `$KUBECONFIG`: a list of files, of which some may be missing.
    pub listed: Option<OsString>,
    /// The home folder, in which `.kube/config` lies.
    pub home: Option<PathBuf>,
}

/// Reads them. Of a list, each file stands for itself: a context, its cluster and its user are in one file.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, `kubeconfig-unusable`.
pub fn read(places: &KubeconfigPlaces) -> Result<Vec<ContextList>, Problem> {
    let listed: Vec<PathBuf> =
        places.listed.iter().flat_map(std::env::split_paths).filter(|path| !path.as_os_str().is_empty()).collect();
    let looked_for = match (&places.named, &places.home) {
        (Some(named), _) => vec![named.clone()],
        (None, Some(home)) if listed.is_empty() => vec![home.join(".kube").join("config")],
        (None, _) => listed,
    };
    let mut found = Vec::new();
    for path in &looked_for {
        if let Some(text) = files::read_if_there(path, LARGEST)? {
            found.push(ContextList::parse(&text, path)?);
        }
    }
    if found.is_empty() {
        let names: Vec<String> = looked_for.iter().map(|path| path.display().to_string()).collect();
        let names = if names.is_empty() { "$KUBECONFIG and $HOME are not set".to_owned() } else { names.join(", ") };
        return Err(Problem::new(Code::KubeconfigUnusable, "there is no kubeconfig")
            .fact(format!("looked for  {names}"))
            .hint("--kubeconfig FILE names one"));
    }
    Ok(found)
}

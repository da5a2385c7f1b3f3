//! `check`: every named check over the fleet, over some of its clusters, or over any set of files; and what istiod,
//! the agent, Envoy and rustls-webpki would do. Changes nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::jobs::inspect;
use crate::mesh::cacerts::{CA_CRL, CA_KEY, FILES};
use crate::mesh::checks::judgement::{Judgement, judge};
use crate::mesh::consumers::circumstances::Circumstances;
use crate::mesh::fleet::{Cluster, Mesh};
use crate::mesh::secret_files::{SecretFiles, TLS_THREE};
use crate::mesh::secret_manifest::SecretManifest;
use crate::mesh::unrecorded::{unrecorded, without_ledger};
use crate::pki::secret::Secret;
use crate::problem::{Code, Finding, Problem, Severity};
use crate::world::targets::Targets;
use crate::world::{directory, ledger_file, mesh_folder};

/// One set that was judged, or why it could not be.
#[derive(Debug)]
pub struct Checked {
    /// The cluster or path.
    pub place: String,
    /// The judgement; `Ok(None)`: there is nothing to judge (no `cacerts` yet).
    pub judgement: Result<Option<Judgement>, Problem>,
}

/// How a set outside of a mesh file is judged.
#[derive(Debug, Default)]
pub struct Terms {
    /// The set that istiod has loaded.
    pub loaded: Option<PathBuf>,
    /// istiod runs with multi-root on.
    pub multi_root: bool,
    /// The trust domain of the workloads; `None`: Istio's default.
    pub trust_domain: Option<String>,
}

/// Judges the `cacerts` of these clusters.
#[must_use]
pub fn clusters(clusters: &[&Cluster], mesh: &Mesh, targets: &Targets<'_>, now: OffsetDateTime) -> Vec<Checked> {
    targets.in_parallel(clusters, mesh.rotation.observe, |cluster| Checked {
        place: cluster.name.to_string(),
        judgement: targets.values(cluster).map(|values| values.map(|values| of_cluster(cluster, mesh, values, now))),
    })
}

fn of_cluster(cluster: &Cluster, mesh: &Mesh, values: BTreeMap<String, Secret>, now: OffsetDateTime) -> Judgement {
    let circumstances = Circumstances {
        multi_root: cluster.istiod.multi_root,
        namespace: &cluster.namespace,
        trust_domain: &mesh.trust_domain,
        ..Circumstances::default()
    };
    judge(&secret_files(values), &circumstances, now)
}

/// Compares the intermediates of these clusters with the ledger, unless records go to standard output. The ledger is an
/// input of these findings and of no decision. A ledger that is broken or cut off, cannot be read, or is missing though
/// something is published, is a finding itself.
#[must_use]
pub fn records(clusters: &[&Cluster], mesh: &Mesh, targets: &Targets<'_>) -> Vec<Finding> {
    let Some(path) = mesh_folder::records_folder(mesh).map(|folder| folder.join(ledger_file::NAME)) else {
        return Vec::new();
    };
    let seen = || targets.in_parallel(clusters, mesh.rotation.observe, |cluster| targets.observe(cluster));
    if !crate::world::files::is_there(&path) {
        return without_ledger(&path, &mesh.name, &seen()).into_iter().collect();
    }
    match ledger_file::read(&path) {
        Ok(ledger) => unrecorded(&ledger, &mesh.name, &seen()),
        Err(problem) => {
            // A crash cuts a ledger off, and the next command that writes mends it.
            let severity = if problem.code() == Code::LedgerCut { Severity::Warning } else { Severity::Critical };
            vec![Finding { severity, place: path.display().to_string(), problem }]
        }
    }
}

/// A cluster that should have `cacerts` and has none is a finding: its istiod would run on a root of its own.
#[must_use]
pub fn missing(sets: &[Checked], mesh: &Mesh) -> Vec<Finding> {
    let has_none = |set: &&Checked| matches!(set.judgement, Ok(None));
    let finding = |set: &Checked| Finding {
        severity: Severity::Warning,
        place: mesh.name.clone(),
        problem: Problem::new(Code::CacertsMissing, format!("{} has no cacerts", set.place))
            .fact("an istiod that starts there now makes a root of its own")
            .hint(format!("meshca publish {}", set.place)),
    };
    sets.iter().filter(has_none).map(finding).collect()
}

/// Judges one set of files: a folder, a Secret manifest (`-`: standard input), or single files, each named as in a
/// Secret or given as `NAME=PATH`. A set without a private key is judged as far as that goes.
///
/// # Errors
/// `bad-argument`, for a file whose name says nothing; `file-unreadable`, `file-too-large`,
/// `secret-manifest-malformed`, `too-many-values`.
pub fn files(paths: &[String], terms: &Terms, now: OffsetDateTime) -> Result<Checked, Problem> {
    let Gathered { files, is_whole } = gather(paths)?;
    let loaded = terms.loaded.as_ref().map(|path| gather(&[path.display().to_string()])).transpose()?;
    let loaded = loaded.map(|gathered| gathered.files);
    let defaults = Circumstances::default();
    let circumstances = Circumstances {
        multi_root: terms.multi_root,
        loaded: loaded.as_ref(),
        key_withheld: !is_whole && !files.has(CA_KEY),
        trust_domain: terms.trust_domain.as_deref().unwrap_or(defaults.trust_domain),
        ..defaults
    };
    let judgement = judge(&files, &circumstances, now);
    Ok(Checked {
        place: match paths {
            [only] => only.clone(),
            _ => "these files".to_owned(),
        },
        judgement: Ok(Some(judgement)),
    })
}

/// Some files, and whether they came as a whole Secret or folder, in which a missing key is a finding.
struct Gathered {
    files: SecretFiles,
    is_whole: bool,
}

fn gather(paths: &[String]) -> Result<Gathered, Problem> {
    let mut files = SecretFiles::new();
    let mut is_whole = false;
    for given in paths {
        let (name, path) = match given.split_once('=') {
            Some((name, path)) => (Some(name.to_owned()), PathBuf::from(path)),
            None => (None, PathBuf::from(given)),
        };
        if name.is_none() && crate::world::files::is_folder(&path) {
            is_whole = true;
            for (name, value) in directory::values(&path)? {
                files.insert(name, value.expose().to_vec());
            }
            continue;
        }
        let text = inspect::read(&path)?;
        if name.is_none() && inspect::is_manifest(&text) {
            let manifest = SecretManifest::parse(&text, &path.display().to_string())?;
            is_whole = true;
            for (name, value) in manifest.values {
                files.insert(name, value.expose().to_vec());
            }
            continue;
        }
        let name = name.or_else(|| known_name(&path)).ok_or_else(|| {
            Problem::new(Code::BadArgument, format!("{} has no name of a cacerts file", path.display()))
                .fact(format!("known names  {}, {CA_CRL}, {}", FILES.join(", "), TLS_THREE.join(", ")))
                .hint(format!("meshca check ca-cert.pem={}", path.display()))
        })?;
        files.insert(name, text.expose().to_vec());
    }
    Ok(Gathered { files, is_whole })
}

fn known_name(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let known = FILES.contains(&name) || TLS_THREE.contains(&name) || name == CA_CRL;
    known.then(|| name.to_owned())
}

fn secret_files(values: BTreeMap<String, Secret>) -> SecretFiles {
    values.into_iter().fold(SecretFiles::new(), |files, (name, value)| files.with(name, value.expose().to_vec()))
}

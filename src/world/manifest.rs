//! A target that is a file: a Secret manifest, 0600, for `kubectl apply --server-side`.

use std::collections::BTreeMap;
use std::path::Path;

use time::OffsetDateTime;

use crate::mesh::cacerts::Cacerts;
use crate::mesh::change::Change;
use crate::mesh::fleet::Cluster;
use crate::mesh::observed::{Observed, SecretSight};
use crate::mesh::ownership::Ownership;
use crate::mesh::secret_manifest::{self, LARGEST, SecretManifest};
use crate::pki::fingerprint::Fingerprint;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::files::{self, Readers};
use crate::world::key_half;

/// Looks at a manifest target. What a cluster made of the manifest cannot be seen from here.
#[must_use]
pub fn observe(path: &Path, cluster: &Cluster, entropy: &Entropy, now: OffsetDateTime) -> Observed {
    let secret = if cluster.role.has_cacerts() { look(path, entropy) } else { Ok(None) };
    Observed {
        cluster: cluster.name.clone(),
        at: now,
        secret,
        system_roots: Ok(None),
        self_signed: false,
        replicas: Vec::new(),
        written_at: None,
        control_planes: None,
        system_roots_since: None,
        server_clock: None,
        deployment: None,
    }
}

/// The values as they are, a private key included; a missing file has none.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, `secret-manifest-malformed`.
pub fn values(path: &Path) -> Result<BTreeMap<String, Secret>, Problem> {
    let Some(text) = files::read_if_there(path, LARGEST)? else { return Ok(BTreeMap::new()) };
    SecretManifest::parse(&text, &path.display().to_string()).map(|manifest| manifest.values)
}

fn look(path: &Path, entropy: &Entropy) -> Result<Option<SecretSight>, Problem> {
    let Some(text) = files::read_if_there(path, LARGEST)? else { return Ok(None) };
    let manifest = SecretManifest::parse(&text, &path.display().to_string())?;
    let spki = key_half::of(&manifest.values, entropy);
    let mut secret = manifest.sight(spki);
    secret.version = Some(Fingerprint::of(text.expose()).to_string());
    Ok(Some(secret))
}

/// Removes what a killed run left beside the file: it may hold a private key.
///
/// # Errors
/// `file-unwritable`, `file-unreadable`.
pub fn tidy(path: &Path) -> Result<(), Problem> {
    files::remove_leftovers(path)
}

/// Writes a set, if the file is still what was decided on.
///
/// # Errors
/// `target-changed-meanwhile`, `file-unwritable`; then the file is what it was.
pub fn write(path: &Path, cluster: &Cluster, set: &Cacerts, mark: &Ownership, change: &Change) -> Result<(), Problem> {
    let text = secret_manifest::render(set, &cluster.namespace, mark)?;
    match change {
        Change::Create => {
            if let Some(folder) = path.parent() {
                files::ensure_folder(folder, Readers::Owner)?;
            }
            files::create(path, text.expose(), Readers::Owner)
        }
        Change::Replace { version, .. } => {
            let present = files::read(path, LARGEST)?;
            let present = Fingerprint::of(present.expose()).to_string();
            if version.as_ref() != Some(&present) {
                return Err(Problem::new(
                    Code::TargetChangedMeanwhile,
                    format!("{} changed between the decision and the write", path.display()),
                )
                .fact(format!("decided on  {}", version.as_deref().unwrap_or("no cacerts")))
                .fact(format!("found       {present}")));
            }
            files::replace(path, text.expose(), Readers::Owner)
        }
        Change::Leave | Change::Refuse(_) => Ok(()),
    }
}

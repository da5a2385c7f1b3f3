//! `report`: looks at every target and says how everything stands. Changes nothing in any target.

use std::collections::BTreeMap;
use std::path::Path;

use time::OffsetDateTime;

use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::holdings::Holdings;
use crate::mesh::limit::Limits;
use crate::mesh::observed::Observed;
use crate::mesh::plan::root_change;
use crate::mesh::status::{Status, status_by};
use crate::mesh::trust_matrix::{TrustMatrix, trust_matrix};
use crate::problem::Problem;
use crate::world::files::{self, Readers};
use crate::world::store::Store;
use crate::world::targets::Targets;

/// The name of the public status in the records folder: what an exporter reads. It holds no private key.
const STATUS: &str = "status.json";

/// Looks at every target of the mesh. The ends of certificates are judged by these limits.
///
/// # Errors
/// `file-unreadable`, `certificate-malformed`: the material folder itself cannot be read. What cannot be seen of a
/// target is a row.
pub fn run(
    mesh: &Mesh,
    store: &Store,
    targets: &Targets<'_>,
    limits: Limits,
    now: OffsetDateTime,
) -> Result<Status, Problem> {
    let (holdings, observed) = look(mesh, store, targets, now)?;
    Ok(status_by(limits, mesh, &holdings, &observed, now))
}

/// The same, and who verifies whom.
///
/// # Errors
/// As [`run`].
pub fn with_trust(
    mesh: &Mesh,
    store: &Store,
    targets: &Targets<'_>,
    limits: Limits,
    now: OffsetDateTime,
) -> Result<(Status, TrustMatrix), Problem> {
    let (holdings, observed) = look(mesh, store, targets, now)?;
    Ok((status_by(limits, mesh, &holdings, &observed, now), trust_matrix(mesh, &holdings, &observed, now)))
}

fn look(
    mesh: &Mesh,
    store: &Store,
    targets: &Targets<'_>,
    now: OffsetDateTime,
) -> Result<(Holdings, BTreeMap<ClusterName, Observed>), Problem> {
    let holdings = store.holdings()?;
    let mut observed = targets.observe_all();
    // A mesh without a usable root has no root change; its report says what it lacks.
    if let Ok(Some(_)) = root_change(mesh, &holdings, &observed, now) {
        observed = targets.look_at_deployments(observed);
    }
    Ok((holdings, observed))
}

/// Writes metrics for a textfile collector, by rename, so that none ever reads a part.
///
/// # Errors
/// `file-unwritable`.
pub fn write_textfile(path: &Path, text: &str) -> Result<(), Problem> {
    files::replace(path, text.as_bytes(), Readers::Everybody)
}

/// Writes the public status into the records folder, by rename.
///
/// # Errors
/// `file-unwritable`.
pub fn write_status(records: &Path, text: &str) -> Result<(), Problem> {
    write_textfile(&records.join(STATUS), text)
}

//! `report`: looks at every target and says how everything stands. Changes nothing in any target.

use std::path::Path;

#[cfg(feature = "k8s")]
use time::Duration;
use time::OffsetDateTime;

use crate::mesh::fleet::Mesh;
use crate::mesh::plan::root_change;
use crate::mesh::status::{Status, status};
use crate::problem::Problem;
#[cfg(feature = "k8s")]
use crate::world::clock::Patience;
use crate::world::files::{self, Readers};
use crate::world::ledger_file;
use crate::world::mesh_folder::records_folder;
#[cfg(feature = "k8s")]
use crate::world::pushgateway::{self, Place};
use crate::world::store::Store;
use crate::world::targets::Targets;

/// The name of the public status in the records folder: what an exporter reads. It holds no private key.
pub const STATUS: &str = "status.json";

/// Looks at every target of the mesh.
///
/// # Errors
/// `file-unreadable`, `certificate-malformed`: the material folder itself cannot be read. What cannot be seen of a
/// target is a row.
pub fn run(mesh: &Mesh, store: &Store, targets: &Targets<'_>, now: OffsetDateTime) -> Result<Status, Problem> {
    let holdings = store.holdings()?;
    let mut observed = targets.observe_all();
    // A mesh without a usable root has no root change; its report says what it lacks.
    if let Ok(Some(_)) = root_change(mesh, &holdings, &observed, now) {
        observed = targets.look_at_deployments(observed);
    }
    Ok(Status { recorded_at: recorded_at(mesh), ..status(mesh, &holdings, &observed, now) })
}

/// When the last entry of the ledger was made, UTC; `None`: there is no ledger file, it is empty, or its end cannot be
/// read. Its links are not verified, and nothing is decided by it.
#[must_use]
pub fn recorded_at(mesh: &Mesh) -> Option<OffsetDateTime> {
    ledger_file::newest(&records_folder(mesh)?.join(ledger_file::NAME))
}

/// Writes metrics for a textfile collector, by rename, so that none ever reads a part.
///
/// # Errors
/// `file-unwritable`.
pub fn write_textfile(path: &Path, text: &str) -> Result<(), Problem> {
    files::replace(path, text.as_bytes(), Readers::Everybody)
}

/// Sends metrics to a Pushgateway, in place of what it has of them. It may take this long.
///
/// # Errors
/// `pushgateway-failed`.
#[cfg(feature = "k8s")]
pub fn push(place: &Place, text: &str, wait: Duration) -> Result<(), Problem> {
    pushgateway::put(place, text, Patience::of(wait.unsigned_abs()))
}

/// Writes the public status into the records folder, by rename.
///
/// # Errors
/// `file-unwritable`.
pub fn write_status(records: &Path, text: &str) -> Result<(), Problem> {
    write_textfile(&records.join(STATUS), text)
}

//! `report`: looks at every target and says how everything stands. Changes nothing in any target.

use std::collections::BTreeMap;
use std::path::Path;

#[cfg(feature = "k8s")]
use time::Duration;
use time::OffsetDateTime;

#[cfg(feature = "k8s")]
use crate::mesh::cluster_label::ClusterLabel;
#[cfg(feature = "k8s")]
use crate::mesh::exporter_page::ExporterPage;
use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::holdings::Holdings;
#[cfg(feature = "k8s")]
use crate::mesh::last_tick::Exporter;
use crate::mesh::limit::Limits;
use crate::mesh::observed::Observed;
use crate::mesh::plan::root_change;
use crate::mesh::public_status;
use crate::mesh::report_changes::{Change, changes};
use crate::mesh::report_document::{LARGEST, ReportDocument};
use crate::mesh::status::{Status, status_by};
use crate::mesh::trust_matrix::{TrustMatrix, trust_matrix};
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem};
#[cfg(feature = "k8s")]
use crate::world::clock::Patience;
#[cfg(feature = "k8s")]
use crate::world::exporter_place::{self, ExporterPlace};
use crate::world::files::{self, Readers};
use crate::world::ledger_file;
use crate::world::mesh_folder::records_folder;
#[cfg(feature = "k8s")]
use crate::world::pushgateway::{self, Place};
use crate::world::store::Store;
use crate::world::targets::Targets;

/// The name of the public status in the records folder: what an exporter reads. It holds no private key.
pub const STATUS: &str = "status.json";

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
    Ok(with_records(mesh, status_by(limits, mesh, &holdings, &observed, now)))
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
    let status = with_records(mesh, status_by(limits, mesh, &holdings, &observed, now));
    Ok((status, trust_matrix(mesh, &holdings, &observed, now)))
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

/// The status with when the last entry of the ledger was made.
fn with_records(mesh: &Mesh, status: Status) -> Status {
    Status { recorded_at: recorded_at(mesh), ..status }
}

/// The public status in the records folder; `None`: there is none, or records go elsewhere.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, `status-unreadable`.
pub fn kept_status(mesh: &Mesh) -> Result<Option<ReportDocument>, Problem> {
    let Some(path) = records_folder(mesh).map(|folder| folder.join(STATUS)) else { return Ok(None) };
    let text = files::read_if_there(&path, public_status::LARGEST)?;
    text.map(|text| public_status::read(text.expose(), &path.display().to_string())).transpose()
}

/// Asks an exporter what it tells, which it may take this long for.
#[cfg(feature = "k8s")]
#[must_use]
pub fn asked(place: &ExporterPlace, label: &ClusterLabel, wait: Duration) -> Exporter {
    let text = exporter_place::ask(place, Patience::of(wait.unsigned_abs()));
    Exporter { url: place.to_string(), page: text.map(|text| ExporterPage::read(&text, label)) }
}

/// When the last entry of the ledger was made, UTC; `None`: there is no ledger file, it is empty, or its end cannot be
/// read. Its links are not verified, and nothing is decided by it.
#[must_use]
pub fn recorded_at(mesh: &Mesh) -> Option<OffsetDateTime> {
    ledger_file::newest(&records_folder(mesh)?.join(ledger_file::NAME))
}

/// Reads an earlier report of this mesh; `-`: standard input.
///
/// # Errors
/// `file-unreadable`, `file-too-large`; `report-malformed`: it is none, or one of another mesh.
pub fn earlier(path: &Path, mesh: &Mesh) -> Result<ReportDocument, Problem> {
    let is_input = path == Path::new("-");
    let text = if is_input { files::read_standard_input(LARGEST) } else { files::read(path, LARGEST) }?;
    let name = if is_input { "standard input".to_owned() } else { path.display().to_string() };
    let report = ReportDocument::read(text.expose()).map_err(|why| {
        Problem::new(Code::ReportMalformed, format!("{name} is no report of meshca as JSON: {why}"))
            .hint("meshca report -o json > OLD.json")
    })?;
    if report.mesh != mesh.name {
        let what = format!("{name} is a report of another mesh");
        return Err(Problem::new(Code::ReportMalformed, what)
            .fact(format!("its mesh   {}", plain(&report.mesh, 100)))
            .fact(format!("this mesh  {}", mesh.name))
            .hint("name a report of this mesh, or the mesh file of that one with -f"));
    }
    Ok(report)
}

/// The changes from an earlier report to a status.
#[must_use]
pub fn changed(earlier: &ReportDocument, status: &Status) -> Vec<Change> {
    changes(earlier, &ReportDocument::of(status))
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

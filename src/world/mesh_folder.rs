//! The mesh file on disk, the folders that it names, and the lock of those who write there.

use std::path::Path;

use crate::mesh::fleet::{Mesh, Records};
use crate::mesh::mesh_file;
use crate::problem::{Code, Finding, Problem};
use crate::world::files;
use crate::world::lock::Lock;

/// Reads and parses a mesh file. Returns what is worth a warning as well.
///
/// # Errors
/// `file-unreadable`, `file-too-large`, or whatever is wrong with it.
pub fn read(path: &Path) -> Result<(Mesh, Vec<Finding>), Vec<Problem>> {
    mesh_file::parse(&text(path).map_err(|problem| vec![problem])?, path)
}

/// The text of a mesh file, letter for letter.
///
/// # Errors
/// `file-unreadable`, `file-too-large`; `mesh-file-syntax`, where it is not UTF-8.
pub fn text(path: &Path) -> Result<String, Problem> {
    let bytes = files::read(path, mesh_file::LARGEST).map_err(|problem| {
        let missing = problem.code() == Code::FileUnreadable && !files::is_there(path);
        if missing { problem.hint("meshca init   writes one; -f FILE names another") } else { problem }
    })?;
    std::str::from_utf8(bytes.expose()).map(str::to_owned).map_err(|error| {
        Problem::new(
            Code::MeshFileSyntax,
            format!("{} is not UTF-8 text, from byte {} on", path.display(), error.valid_up_to()),
        )
        .hint(format!("file {}", path.display()))
    })
}

/// The folder of ledger and status, where there is one.
#[must_use]
pub fn records_folder(mesh: &Mesh) -> Option<&Path> {
    match &mesh.records {
        Records::Folder(folder) => Some(folder),
        Records::Stdout => None,
    }
}

/// Takes the lock of a mesh: in the records folder; where records go to standard output, in the material folder, if that
/// can be written. A container may well mount it read-only.
///
/// # Errors
/// `lock-held`; `file-unwritable`, of the records folder.
pub fn lock(mesh: &Mesh) -> Result<Option<Lock>, Problem> {
    match records_folder(mesh) {
        Some(folder) => Lock::take(folder).map(Some),
        None => Lock::take_where_writable(&mesh.material),
    }
}

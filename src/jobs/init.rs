//! `init`: writes a commented mesh file, nothing else.

use std::path::{Path, PathBuf};

use crate::mesh::mesh_template;
use crate::problem::Problem;
use crate::world::files::{self, Readers};

/// The mesh file's usual name.
pub const MESH_FILE: &str = "mesh.yaml";

/// Writes the file into this folder, which is created where it is missing. Returns its path.
///
/// # Errors
/// `file-exists`, `file-unwritable`.
pub fn run(folder: &Path) -> Result<PathBuf, Problem> {
    files::ensure_folder(folder, Readers::Everybody)?;
    let path = folder.join(MESH_FILE);
    files::create(&path, mesh_template::template("mesh1").as_bytes(), Readers::Everybody)?;
    Ok(path)
}

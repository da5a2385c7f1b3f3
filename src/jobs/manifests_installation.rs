//! `manifests cronjob` and `manifests daemon`: everything to run `rotate` in a cluster. It looks which generations lie in the material folder,
//! and opens no key.

use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::mesh::fleet::Mesh;
use crate::mesh::manifests::installation::{self, Installation, Runs, Wish};
use crate::mesh::manifests::pod_files::{self, FOLDER, MESH_FILE};
use crate::mesh::mesh_file;
use crate::problem::Problem;
use crate::world::store::Store;

/// What is asked for.
#[derive(Debug)]
pub struct Order<'a> {
    /// The container image.
    pub image: &'a str,
    /// As what it runs.
    pub runs: Runs,
}

/// The objects to apply, and the files of the Secrets to make. `text` is the mesh file, which declares `mesh`.
///
/// # Errors
/// `unfit-for-a-pod`, `tick-without-schedule`, `schedule-misses-windows`, `no-usable-root`, `ceremony-needed`, `file-unreadable`,
/// `certificate-malformed`; or what is wrong with the mesh file only where the pod would have it.
pub fn run(mesh: &Mesh, text: &str, order: &Order<'_>, now: OffsetDateTime) -> Result<Installation, Vec<Problem>> {
    let (in_pod, _) = mesh_file::parse(text, &Path::new(FOLDER).join(MESH_FILE))?;
    let store = Store::new(mesh.material.clone());
    let needed = store.holdings().and_then(|holdings| pod_files::pieces(mesh, &holdings, now));
    let (pieces, issuing_ends) = needed.clone().unwrap_or_default();
    let material: Vec<PathBuf> = pieces.iter().flat_map(Store::files_of).collect();
    let (here, in_pod, material) = (mesh, &in_pod, material.as_slice());
    let (image, runs) = (order.image, order.runs.clone());
    let made = installation::installation(&Wish { image, runs, text, here, in_pod, material, issuing_ends, now });
    match needed {
        Ok(_) => made,
        // What is wrong with the mesh file is told together with what the material lacks.
        Err(problem) => Err(made.err().into_iter().flatten().chain([problem]).collect()),
    }
}

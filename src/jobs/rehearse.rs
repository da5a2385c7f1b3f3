//! `rehearse`: years of a mesh in memory. Reads nothing but the mesh file, which was read, unless it is to begin with what there is;
//! writes nothing.

use crate::mesh::fleet::Mesh;
use crate::mesh::rehearsal::present::Present;
use crate::mesh::rehearsal::rehearsed::Rehearsed;
use crate::mesh::rehearsal::script::Script;
use crate::mesh::rehearsal::simulation;
use crate::problem::Problem;
use crate::world::entropy::Entropy;
use crate::world::store::Store;
use crate::world::targets::Targets;

/// Plays the script, from a founding ceremony on. Every key is made for it and thrown away.
///
/// # Errors
/// As [`simulation::run`].
pub fn run(mesh: &Mesh, script: &Script, entropy: &Entropy) -> Result<Rehearsed, Problem> {
    simulation::run(mesh, script, None, entropy.source())
}

/// The same from what lies in the material folder and in the targets, of which the public parts are looked at.
///
/// # Errors
/// As [`Present::of`] and [`simulation::run`]; `file-unreadable`, `certificate-malformed`: the material folder cannot be read.
pub fn run_as_it_stands(
    mesh: &Mesh,
    script: &Script,
    store: &Store,
    targets: &Targets<'_>,
    entropy: &Entropy,
) -> Result<Rehearsed, Problem> {
    let present = Present::of(mesh, &store.holdings()?, &targets.observe_all(), script.begins)?;
    simulation::run(mesh, script, Some(&present), entropy.source())
}

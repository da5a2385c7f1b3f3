//! `rehearse`: years of a mesh in memory. Reads nothing but the mesh file, which was read, and writes nothing.

use crate::mesh::fleet::Mesh;
use crate::mesh::rehearsal::rehearsed::Rehearsed;
use crate::mesh::rehearsal::script::Script;
use crate::mesh::rehearsal::simulation;
use crate::problem::Problem;
use crate::world::entropy::Entropy;

/// Plays the script. Every key is made for it and thrown away.
///
/// # Errors
/// As [`simulation::run`].
pub fn run(mesh: &Mesh, script: &Script, entropy: &Entropy) -> Result<Rehearsed, Problem> {
    simulation::run(mesh, script, entropy.source())
}

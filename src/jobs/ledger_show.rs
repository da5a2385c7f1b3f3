//! `ledger show` and `ledger verify`: reads the ledger, verifies every link, changes nothing.

use crate::mesh::fleet::{Mesh, Records};
use crate::mesh::ledger::Ledger;
use crate::problem::{Code, Problem};
use crate::world::ledger_file;

/// Reads and verifies the ledger of a mesh.
///
/// # Errors
/// `ledger-broken`, `ledger-cut`, `file-unreadable`; `no-ledger`, where records go to standard output.
pub fn run(mesh: &Mesh) -> Result<Ledger, Problem> {
    match &mesh.records {
        Records::Folder(folder) => ledger_file::read(&folder.join(ledger_file::NAME)),
        Records::Stdout => Err(Problem::new(
            Code::NoLedger,
            format!("{} writes its records to standard output: there is no ledger file to read", mesh.name),
        )
        .hint("read the log of the job that runs it")),
    }
}

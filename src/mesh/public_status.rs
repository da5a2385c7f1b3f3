//! The public status: the report that `rotate` leaves for those who watch, read back.

use crate::mesh::report_document::ReportDocument;
use crate::problem::{Code, Problem};

/// The largest status that is read, in bytes: some twenty thousand clusters in one file.
pub const LARGEST: usize = 64 * 1024 * 1024;

/// Reads a status. `place` is what it is called.
///
/// # Errors
/// `status-unreadable`: it is no JSON, not a report of this `apiVersion`, or lacks something.
pub fn read(text: &[u8], place: &str) -> Result<ReportDocument, Problem> {
    ReportDocument::read(text).map_err(|why| {
        Problem::new(Code::StatusUnreadable, format!("{place} is not the public status of a mesh: {why}"))
            .hint("meshca rotate   writes it anew; the exporter must not be older than what wrote it")
    })
}

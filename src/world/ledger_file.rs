//! The ledger on disk: `ledger.jsonl` in the records folder, or lines on standard output.

use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use time::OffsetDateTime;

use crate::mesh::fleet::{ClusterName, Records};
use crate::mesh::ledger::{Act, BEGINNING, Entry, LONGEST_LINE, Ledger, Minted, Outcome, hash};
use crate::pki::certificate::Certificate;
use crate::problem::Problem;
use crate::world::files;

/// The file's name in the records folder.
pub const NAME: &str = "ledger.jsonl";

/// The largest ledger that is read whole, in bytes: several hundred thousand entries.
const LARGEST: usize = 256 * 1024 * 1024;

/// Where entries go. One run writes at a time: the one that holds the lock.
#[derive(Debug)]
pub struct LedgerFile {
    path: Option<PathBuf>,
    now: OffsetDateTime,
    /// Lines for standard output, where there is no file; who speaks prints them.
    lines: Vec<String>,
    head: Option<String>,
}

/// What an entry is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct About<'a> {
    /// The cluster.
    pub cluster: Option<&'a ClusterName>,
    /// The generation of what is made.
    pub generation: Option<u32>,
    /// The certificate.
    pub certificate: Option<&'a Certificate>,
}

impl LedgerFile {
    /// The ledger of these records. Nothing is opened before the first entry.
    #[must_use]
    pub fn new(records: &Records, now: OffsetDateTime) -> Self {
        let path = match records {
            Records::Folder(folder) => Some(folder.join(NAME)),
            Records::Stdout => None,
        };
        Self { path, now, lines: Vec::new(), head: None }
    }

    /// Says that something is about to be done.
    ///
    /// # Errors
    /// `file-unwritable`: then it must not be done.
    pub fn intent(&mut self, act: Act, about: About<'_>) -> Result<(), Problem> {
        self.append(act, Outcome::Intent, about, None)
    }

    /// Says that it was done.
    ///
    /// # Errors
    /// `file-unwritable`.
    pub fn done(&mut self, act: Act, about: About<'_>) -> Result<(), Problem> {
        self.append(act, Outcome::Done, about, None)
    }

    /// Says that it failed, by the code of the problem.
    ///
    /// # Errors
    /// `file-unwritable`.
    pub fn failed(&mut self, act: Act, about: About<'_>, problem: &Problem) -> Result<(), Problem> {
        self.append(act, Outcome::Failed, about, Some(problem.code().to_string()))
    }

    /// Says that it was done, and what there is to say about it.
    ///
    /// # Errors
    /// `file-unwritable`.
    pub fn remark(&mut self, act: Act, about: About<'_>, remark: &str) -> Result<(), Problem> {
        self.append(act, Outcome::Done, about, Some(remark.to_owned()))
    }

    /// The lines that belong on standard output.
    #[must_use]
    pub fn into_lines(self) -> Vec<String> {
        self.lines
    }

    fn append(&mut self, act: Act, outcome: Outcome, about: About<'_>, detail: Option<String>) -> Result<(), Problem> {
        let entry = Entry {
            at: self.now,
            act,
            outcome,
            cluster: about.cluster.map(ToString::to_string),
            generation: about.generation,
            certificate: about.certificate.map(Minted::of),
            detail,
            previous: String::new(),
        };
        self.write(entry)
    }

    fn write(&mut self, mut entry: Entry) -> Result<(), Problem> {
        let Some(path) = self.path.clone() else {
            entry.previous = self.head.clone().unwrap_or_else(|| BEGINNING.to_owned());
            let line = text(&entry);
            self.head = Some(hash(line.as_bytes()));
            self.lines.push(line);
            return Ok(());
        };
        let unwritable = |error: std::io::Error| files::unwritable(&path, &error);
        let is_new = !files::is_there(&path);
        let mut file = files::open_for_appending(&path)?;
        let size = file.metadata().map_err(unwritable)?.len();
        let tail = tail(&mut file, size).map_err(unwritable)?;
        let whole = tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let cut = tail.len() - whole;
        let lines = tail.get(..whole).unwrap_or_default();
        let last = lines.strip_suffix(b"\n").unwrap_or_default().rsplit(|byte| *byte == b'\n').next();
        entry.previous = match last {
            Some(line) if !line.is_empty() => hash(line),
            _ => BEGINNING.to_owned(),
        };
        let sound = size.saturating_sub(u64::try_from(cut).unwrap_or(0));
        let mut lines = String::new();
        if cut > 0 {
            // A crash left a part of a line. It was never an entry: it goes, and the ledger says so.
            file.set_len(sound).map_err(unwritable)?;
            let recovery = Entry {
                act: Act::Recover,
                outcome: Outcome::Done,
                cluster: None,
                generation: None,
                certificate: None,
                detail: Some(format!("cut off {cut} bytes of an unfinished line")),
                ..entry.clone()
            };
            let line = text(&recovery);
            entry.previous = hash(line.as_bytes());
            lines = format!("{line}\n");
        }
        lines.push_str(&text(&entry));
        lines.push('\n');
        if let Err(error) = file.write_all(lines.as_bytes()).and_then(|()| file.sync_data()) {
            // A full disk takes a part of a line: what was there before is to be unchanged.
            let _ = file.set_len(sound);
            return Err(unwritable(error));
        }
        if is_new { files::sync_folder_of(&path) } else { Ok(()) }
    }
}

/// The end of the file, long enough for one line.
fn tail(file: &mut std::fs::File, size: u64) -> std::io::Result<Vec<u8>> {
    let span = u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX).saturating_mul(2).min(size);
    file.seek(SeekFrom::Start(size - span))?;
    // Room for all of it, or it would be read in small pieces.
    let mut tail = Vec::with_capacity(usize::try_from(span).unwrap_or_default());
    file.take(span).read_to_end(&mut tail)?;
    Ok(tail)
}

/// When the last whole entry was made, UTC. Only the end of the file is read, and no link is verified. `None`: there is
/// none, or it cannot be read.
#[must_use]
pub fn newest(path: &Path) -> Option<OffsetDateTime> {
    let mut file = files::open_for_reading(path).ok()?;
    let size = file.metadata().ok()?.len();
    let tail = tail(&mut file, size).ok()?;
    let whole = tail.iter().rposition(|byte| *byte == b'\n')?;
    let last = tail.get(..whole)?.rsplit(|byte| *byte == b'\n').next()?;
    serde_json::from_slice::<Entry>(last).ok().map(|entry| entry.at)
}

/// An entry holds only strings and numbers, so that it can always be written.
fn text(entry: &Entry) -> String {
    serde_json::to_string(entry).unwrap_or_default()
}

/// Reads and verifies a ledger; a missing one is empty.
///
/// # Errors
/// `ledger-broken`, `ledger-cut`, `file-unreadable`, `file-too-large`.
pub fn read(path: &Path) -> Result<Ledger, Problem> {
    let bytes = files::read_if_there(path, LARGEST)?;
    Ledger::parse(
        bytes.as_ref().map(crate::pki::secret::Secret::expose).unwrap_or_default(),
        &path.display().to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::files::Readers;
    use time::macros::datetime;

    const NOW: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);

    #[test]
    fn the_newest_entry_is_the_last_whole_line_and_where_there_is_none_nothing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        assert_eq!(newest(&path), None, "there is no file");
        let write = |text: &[u8]| files::replace(&path, text, Readers::Owner).unwrap();
        write(b"");
        assert_eq!(newest(&path), None);
        write(b"{\"at\":");
        assert_eq!(newest(&path), None, "a line that is not whole is no entry");
        files::remove(&path).unwrap();
        let records = Records::Folder(folder.path().to_owned());
        for hour in 0..50 {
            let mut ledger = LedgerFile::new(&records, NOW + time::Duration::hours(hour));
            ledger.remark(Act::Taint, About::default(), &"r".repeat(200)).unwrap();
            assert_eq!(newest(&path), Some(NOW + time::Duration::hours(hour)));
        }
        let mut bytes = files::read(&path, LARGEST).unwrap().expose().to_vec();
        bytes.extend(b"{\"at\":\"2030-01-01");
        write(&bytes);
        assert_eq!(newest(&path), Some(NOW + time::Duration::hours(49)), "what a crash cut off was never an entry");
        bytes.extend(b"\n");
        write(&bytes);
        assert_eq!(newest(&path), None, "the end cannot be read");
        assert_eq!(newest(folder.path()), None, "a folder is no ledger");
    }
}

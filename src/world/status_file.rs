//! The public status as a file, read again when it changed.

use std::path::{Path, PathBuf};

use crate::mesh::public_status::{self, LARGEST};
use crate::mesh::report_document::ReportDocument;
use crate::problem::{Code, Problem};
use crate::world::files::{self, Stamp};

/// A file that is looked at again and again.
#[derive(Debug)]
pub struct StatusFile {
    path: PathBuf,
    /// What the file was like when it was last read well.
    last: Option<Stamp>,
}

impl StatusFile {
    /// A file; it need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), last: None }
    }

    /// Reads it; `None`: it is as it was when it was last read well.
    ///
    /// # Errors
    /// `status-unreadable`, `file-unreadable`, `file-too-large`.
    pub fn look(&mut self) -> Result<Option<ReportDocument>, Problem> {
        // Before it is read: who replaces it in between is seen at the next look.
        let stamp = files::stamp(&self.path).map_err(|problem| self.missing(problem));
        if stamp.as_ref().is_ok_and(|stamp| self.last.as_ref() == Some(stamp)) {
            return Ok(None);
        }
        self.last = None;
        let stamp = stamp?;
        let bytes = files::read(&self.path, LARGEST).map_err(|problem| self.missing(problem))?;
        let status = public_status::read(bytes.expose(), &self.path.display().to_string())?;
        self.last = Some(stamp);
        Ok(Some(status))
    }

    fn missing(&self, problem: Problem) -> Problem {
        if files::is_there(&self.path) {
            return problem;
        }
        Problem::new(Code::StatusUnreadable, format!("there is no status at {}", self.path.display()))
            .hint("meshca rotate   writes one at each tick")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::files::Readers;

    fn document(at: i64) -> String {
        format!(
            "{{\"apiVersion\":\"meshca.io/v1\",\"kind\":\"Report\",\"mesh\":\"m\",\"lab\":false,\"paused\":false,\"window\":null,\
             \"generatedAt\":\"\",\"generatedAtSeconds\":{at},\"severity\":\"fine\",\"verdict\":\"\",\"thresholds\":{{\"overdueAfterSeconds\":0}},\
             \"clusters\":[],\"rows\":[],\"findings\":[],\"ceremonies\":[],\"rootChange\":null,\"leaks\":[],\"lastSafeStarts\":[]}}"
        )
    }

    #[test]
    fn it_is_read_when_it_changed_and_else_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("status.json");
        let write = |text: &str| files::replace(&path, text.as_bytes(), Readers::Everybody).unwrap();
        let mut file = StatusFile::new(&path);
        let problem = file.look().unwrap_err();
        assert_eq!(problem.code(), Code::StatusUnreadable);
        let time = |file: &mut StatusFile| file.look().unwrap().map(|it| it.generated_at_seconds.unix_timestamp());
        write(&document(1));
        assert_eq!((time(&mut file), time(&mut file)), (Some(1), None));
        // As long as before, and within the same moment.
        write(&document(2));
        assert_eq!((time(&mut file), time(&mut file)), (Some(2), None));
        write("{");
        assert!(file.look().is_err() && file.look().is_err(), "as long as it is broken, each look says so");
        write(&document(2));
        assert_eq!(time(&mut file), Some(2));
        files::remove(&path).unwrap();
        assert!(file.look().is_err());
        write(&document(2));
        assert_eq!((time(&mut file), time(&mut file)), (Some(2), None));
    }
}

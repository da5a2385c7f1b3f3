//! Keeps two runs on the same records or the same material apart.

use std::fs::{File, TryLockError};
use std::path::Path;

use crate::problem::{Code, Problem};
use crate::world::files::{self, Readers};

/// Held until it is dropped; the operating system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of this folder, which is created where it is missing.
    ///
    /// # Errors
    /// `lock-held`, when another run has it; `file-unwritable`.
    pub fn take(folder: &Path) -> Result<Self, Problem> {
        files::ensure_folder(folder, Readers::Owner)?;
        let path = folder.join("lock");
        let file = files::open_for_appending(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Problem::new(
                Code::LockHeld,
                format!("another run of meshca works here and holds {}", path.display()),
            )
            .hint("wait for it to end; the lock goes with its process and is never left behind")),
            Err(TryLockError::Error(error)) => Err(files::unwritable(&path, &error)),
        }
    }

    /// Takes the lock of a folder that is there and can be written. Elsewhere there is none to take, and two runs are
    /// kept apart only by what they write to: an exclusive creation, or the version that a change was decided on.
    ///
    /// # Errors
    /// `lock-held`.
    pub fn take_where_writable(folder: &Path) -> Result<Option<Self>, Problem> {
        if !files::is_folder(folder) {
            return Ok(None);
        }
        match Self::take(folder) {
            Ok(lock) => Ok(Some(lock)),
            Err(problem) if problem.code() == Code::FileUnwritable => Ok(None),
            Err(problem) => Err(problem),
        }
    }
}

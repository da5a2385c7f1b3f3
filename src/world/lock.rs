//! Keeps two runs on the same records apart.

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
}

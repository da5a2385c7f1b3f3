//! The one owner of the disk.
//!
//! Rules of this file: whatever is read has a bound. Whatever is created is created exclusively, with its mode from
//! the first byte. Whatever others may look at appears under its name whole, by rename, after its bytes are on the
//! disk; then the folder is synced, too. Every error names the path.
//!
//! Until then it lies beside that name as `.meshca-NAME.` and six random characters. A run that is killed leaves it
//! there, and [`remove_leftovers`] finds it by that name.

#![expect(clippy::disallowed_methods, reason = "this is the one file that may touch the disk")]

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
#[cfg(feature = "k8s")]
use std::os::unix::fs::MetadataExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};

/// Who may read a file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readers {
    /// Only its owner: anything near a private key.
    Owner,
    /// Everybody: certificates.
    Everybody,
}

impl Readers {
    const fn file_mode(self) -> u32 {
        match self {
            Readers::Owner => 0o600,
            Readers::Everybody => 0o644,
        }
    }

    const fn folder_mode(self) -> u32 {
        match self {
            Readers::Owner => 0o700,
            Readers::Everybody => 0o755,
        }
    }
}

/// Reads a whole file of at most this many bytes. What it held is wiped when the result is dropped.
///
/// # Errors
/// `file-unreadable` (missing, a folder, no permission), `file-too-large`.
pub fn read(path: &Path, at_most: usize) -> Result<Secret, Problem> {
    match read_if_there(path, at_most)? {
        Some(bytes) => Ok(bytes),
        None => Err(unreadable(path, &io::Error::from(io::ErrorKind::NotFound))),
    }
}

/// Like [`read`], but a missing file is `None`.
///
/// # Errors
/// As [`read`], except for a missing file.
pub fn read_if_there(path: &Path, at_most: usize) -> Result<Option<Secret>, Problem> {
    let file = match OpenOptions::new().read(true).custom_flags(NON_BLOCKING).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(path, &error)),
    };
    let metadata = file.metadata().map_err(|error| unreadable(path, &error))?;
    if metadata.is_dir() {
        return Err(Problem::new(Code::FileUnreadable, format!("{} is a folder, not a file", path.display()))
            .hint(format!("ls -ld {}", path.display())));
    }
    wait_for_writers(&file).map_err(|error| unreadable(path, &error))?;
    let size = usize::try_from(metadata.len()).unwrap_or(usize::MAX);
    read_open(file, path, at_most, size).map(Some)
}

/// Opening a named pipe that nobody writes to would otherwise wait for ever.
const NON_BLOCKING: i32 = 0o4000;

/// A pipe that somebody has open for writing is read until it is closed: `--passphrase-file <(command)`. One that
/// nobody has open is empty.
fn wait_for_writers(file: &File) -> io::Result<()> {
    let flags = rustix::fs::fcntl_getfl(file)?;
    Ok(rustix::fs::fcntl_setfl(file, flags - rustix::fs::OFlags::NONBLOCK)?)
}

/// Reads an open file, pipe or terminal of at most this many bytes. About how many it has is expected in `size`: a
/// buffer that grows would be read into in small pieces, and would leave parts of a key behind that nobody wipes.
pub(in crate::world) fn read_open(
    source: impl Read,
    path: &Path,
    at_most: usize,
    size: usize,
) -> Result<Secret, Problem> {
    // One more than expected, so that the end is seen without growing.
    let mut bytes = Vec::with_capacity(size.min(at_most).saturating_add(1));
    let bound = u64::try_from(at_most).unwrap_or(u64::MAX).saturating_add(1);
    source.take(bound).read_to_end(&mut bytes).map_err(|error| unreadable(path, &error))?;
    let bytes = Secret::new(bytes);
    if bytes.expose().len() > at_most {
        return Err(Problem::new(
            Code::FileTooLarge,
            format!("{} holds more than {at_most} bytes, the most that is read of its kind", path.display()),
        )
        .hint(format!("ls -l {}   and look whether it is the right file", path.display())));
    }
    Ok(bytes)
}

/// Reads standard input of at most this many bytes.
///
/// # Errors
/// `file-unreadable`, `file-too-large`.
pub fn read_standard_input(at_most: usize) -> Result<Secret, Problem> {
    read_open(io::stdin(), Path::new("standard input"), at_most, 0)
}

/// Creates a file that must not exist, in one step: readers see no file or all of it.
///
/// # Errors
/// `file-exists`, `file-unwritable`. After an error there is no such file, unless it was there before.
pub fn create(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Problem> {
    if is_there(path) {
        return Err(exists(path));
    }
    let temporary = write_aside(path, bytes, readers)?;
    temporary.persist_noclobber(path).map_err(|error| match error.error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => unwritable(path, &error.error),
    })?;
    sync_folder_of(path)
}

/// Creates a file in a folder that nobody looks at yet, because it is still being filled. Its bytes are on the disk then,
/// its name only once [`sync_folder`] was called for the folder.
///
/// # Errors
/// `file-exists`, `file-unwritable`. After an error there is no such file, unless it was there before.
pub fn create_unseen(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Problem> {
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(readers.file_mode()).open(path).map_err(|error| {
            match error.kind() {
                io::ErrorKind::AlreadyExists => exists(path),
                _ => unwritable(path, &error),
            }
        })?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    if let Err(error) = written {
        // The half-written file is ours: it did not exist a moment ago.
        let _ = fs::remove_file(path);
        return Err(unwritable(path, &error));
    }
    Ok(())
}

/// Waits until the names in a folder are on the disk.
///
/// # Errors
/// `file-unwritable`.
pub fn sync_folder(folder: &Path) -> Result<(), Problem> {
    File::open(folder).and_then(|it| it.sync_all()).map_err(|error| {
        let what = format!("{} cannot be written to the disk: {}", folder.display(), words(&error));
        Problem::new(Code::FileUnwritable, what)
            .fact("what was done there last is done, but may not outlive a power failure")
            .hint(format!("ls -ld {}   and look for errors of the disk (dmesg)", folder.display()))
    })
}

/// Replaces a file (or creates it) in one step: readers see the old bytes or the new ones, never a part.
///
/// # Errors
/// `file-unwritable`; then the old file is unchanged.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), Problem> {
    let temporary = write_aside(path, bytes, readers)?;
    temporary.persist(path).map_err(|error| unwritable(path, &error.error))?;
    sync_folder_of(path)
}

fn write_aside(path: &Path, bytes: &[u8], readers: Readers) -> Result<tempfile::NamedTempFile, Problem> {
    let failed = |error: io::Error| unwritable(path, &error);
    let mut temporary = tempfile::Builder::new()
        .prefix(&aside(path))
        .permissions(fs::Permissions::from_mode(readers.file_mode()))
        .tempfile_in(folder_of(path))
        .map_err(failed)?;
    temporary.write_all(bytes).and_then(|()| temporary.as_file().sync_all()).map_err(failed)?;
    Ok(temporary)
}

/// How the name begins under which something lies until it is whole. Six random characters follow.
fn aside(path: &Path) -> String {
    format!(".meshca-{}.", path.file_name().unwrap_or_default().to_string_lossy())
}

/// Creates a folder that must not exist, and everything in it, in one step: `fill` gets a folder that nobody looks at,
/// which only its owner can enter, and which then gets this name.
///
/// # Errors
/// `file-exists`, `file-unwritable`, whatever `fill` says. After an error there is no such folder.
pub fn create_folder_whole(path: &Path, fill: impl FnOnce(&Path) -> Result<(), Problem>) -> Result<(), Problem> {
    let failed = |error: io::Error| unwritable(path, &error);
    ensure_folder(folder_of(path), Readers::Everybody)?;
    remove_leftovers(path)?;
    if is_there(path) {
        return Err(exists(path));
    }
    let temporary = tempfile::Builder::new()
        .prefix(&aside(path))
        .permissions(fs::Permissions::from_mode(Readers::Owner.folder_mode()))
        .tempdir_in(folder_of(path))
        .map_err(failed)?;
    fill(temporary.path())?;
    sync_folder(temporary.path())?;
    fs::rename(temporary.path(), path).map_err(failed)?;
    // Nothing lies under the name that it would remove.
    let _ = temporary.keep();
    sync_folder_of(path)
}

/// Removes what a killed run left beside this name: it was never whole, and it may hold a private key.
///
/// # Errors
/// `file-unwritable`, `file-unreadable`.
pub fn remove_leftovers(path: &Path) -> Result<(), Problem> {
    let beginning = aside(path);
    for name in names(folder_of(path))? {
        if name.strip_prefix(&beginning).is_none_or(|rest| rest.len() != 6) {
            continue;
        }
        let leftover = folder_of(path).join(&name);
        let is_folder = fs::symlink_metadata(&leftover).is_ok_and(|metadata| metadata.is_dir());
        if is_folder { remove_folder(&leftover)? } else { remove(&leftover)? }
    }
    Ok(())
}

/// Creates a folder that must not exist; its parents may.
///
/// # Errors
/// `file-exists`, `file-unwritable`.
pub fn create_folder(path: &Path, readers: Readers) -> Result<(), Problem> {
    ensure_folder(folder_of(path), Readers::Everybody)?;
    DirBuilder::new().mode(readers.folder_mode()).create(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => exists(path),
        _ => unwritable(path, &error),
    })?;
    sync_folder_of(path)
}

/// Creates a folder and its parents where they are missing.
///
/// # Errors
/// `file-unwritable`.
pub fn ensure_folder(path: &Path, readers: Readers) -> Result<(), Problem> {
    DirBuilder::new().recursive(true).mode(readers.folder_mode()).create(path).map_err(|error| unwritable(path, &error))
}

/// The names in a folder, sorted; a missing folder has none. At most 100,000 are read.
///
/// # Errors
/// `file-unreadable`.
pub fn names(folder: &Path) -> Result<Vec<String>, Problem> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(folder, &error)),
    };
    let mut names = Vec::new();
    for entry in entries.take(100_000) {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        names.push(entry.file_name().to_string_lossy().into_owned());
    }
    names.sort_unstable();
    Ok(names)
}

/// What a symbolic link says; `None`: there is none of this name.
///
/// # Errors
/// `file-unreadable`.
pub fn link(path: &Path) -> Result<Option<PathBuf>, Problem> {
    match fs::read_link(path) {
        Ok(target) => Ok(Some(target)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::InvalidInput) => Ok(None),
        Err(error) => Err(unreadable(path, &error)),
    }
}

/// How the name ends under which a new link lies until it gets its own, as the kubelet does it.
const LINK_ASIDE: &str = "_tmp";

fn link_aside(path: &Path) -> PathBuf {
    let mut aside = path.as_os_str().to_owned();
    aside.push(LINK_ASIDE);
    PathBuf::from(aside)
}

/// The name that a link of this name would have got, if it is one that lies aside.
#[must_use]
pub fn name_of_link_aside(name: &str) -> Option<&str> {
    name.strip_suffix(LINK_ASIDE)
}

/// Removes the link that a killed run left beside this one.
///
/// # Errors
/// `file-unwritable`.
pub fn remove_link_aside(path: &Path) -> Result<(), Problem> {
    let aside = link_aside(path);
    let is_link = fs::symlink_metadata(&aside).is_ok_and(|metadata| metadata.is_symlink());
    if is_link { remove(&aside) } else { Ok(()) }
}

/// Makes a symbolic link say this, in one step, whatever it said before. Its name is on the disk only once
/// [`sync_folder`] was called for its folder.
///
/// # Errors
/// `file-unwritable`; then the link is unchanged.
pub fn point(path: &Path, target: &Path) -> Result<(), Problem> {
    let aside = link_aside(path);
    let failed = |error: &io::Error| unwritable(path, error);
    match fs::remove_file(&aside) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed(&error)),
    }
    symlink(target, &aside).map_err(|error| failed(&error))?;
    fs::rename(&aside, path).map_err(|error| failed(&error))
}

/// Removes a file that is ours.
///
/// # Errors
/// `file-unwritable`.
pub fn remove(path: &Path) -> Result<(), Problem> {
    fs::remove_file(path).map_err(|error| unwritable(path, &error))?;
    sync_folder_of(path)
}

/// Removes a folder that is ours, with everything in it.
///
/// # Errors
/// `file-unwritable`.
pub fn remove_folder(path: &Path) -> Result<(), Problem> {
    fs::remove_dir_all(path).map_err(|error| unwritable(path, &error))
}

/// Removes a folder, if it is empty.
///
/// # Errors
/// `file-unwritable`; then it is not empty, say.
pub fn remove_empty_folder(path: &Path) -> Result<(), Problem> {
    fs::remove_dir(path).map_err(|error| unwritable(path, &error))
}

/// Whether something of this name is there, whatever it is.
#[must_use]
pub fn is_there(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Whether this is a folder (or a link to one).
#[must_use]
pub fn is_folder(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_dir())
}

/// A file that others may hold open at the same time, created where it is missing: for locks and appending.
pub(in crate::world) fn open_for_appending(path: &Path) -> Result<File, Problem> {
    OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .mode(Readers::Owner.file_mode())
        .open(path)
        .map_err(|error| unwritable(path, &error))
}

/// A file that is read in places. A named pipe is not waited for.
///
/// # Errors
/// `file-unreadable`.
pub(in crate::world) fn open_for_reading(path: &Path) -> Result<File, Problem> {
    OpenOptions::new().read(true).custom_flags(NON_BLOCKING).open(path).map_err(|error| unreadable(path, &error))
}

/// What tells that a file is another one, or was changed, without reading it.
#[cfg(feature = "k8s")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp {
    place: (u64, u64),
    size: u64,
    changed: (i64, i64),
}

/// The stamp of a file, or of what a link leads to.
///
/// # Errors
/// `file-unreadable`.
#[cfg(feature = "k8s")]
pub fn stamp(path: &Path) -> Result<Stamp, Problem> {
    let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
    // The change of the inode, which nobody can set back as a modification time can be.
    let changed = (metadata.ctime(), metadata.ctime_nsec());
    Ok(Stamp { place: (metadata.dev(), metadata.ino()), size: metadata.len(), changed })
}

pub(in crate::world) fn sync_folder_of(path: &Path) -> Result<(), Problem> {
    sync_folder(folder_of(path))
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn exists(path: &Path) -> Problem {
    Problem::new(Code::FileExists, format!("{} is already there", path.display()))
        .hint("nothing is ever overwritten here: choose another place, or move it away yourself")
}

pub(in crate::world) fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let problem = Problem::new(Code::FileUnreadable, format!("{} cannot be read: {}", path.display(), words(error)));
    match error.kind() {
        io::ErrorKind::NotFound => {
            problem.hint("check the path, and the folder of the mesh file that it is relative to")
        }
        _ => problem.hint(format!("ls -l {}", path.display())),
    }
}

pub(in crate::world) fn unwritable(path: &Path, error: &io::Error) -> Problem {
    Problem::new(Code::FileUnwritable, format!("{} cannot be written: {}", path.display(), words(error)))
        .fact("what was there before is unchanged")
        .hint(match error.kind() {
            io::ErrorKind::StorageFull => format!("df -h {}", folder_of(path).display()),
            _ => format!("ls -ld {}", folder_of(path).display()),
        })
}

/// The system's words without its number, in lower case.
#[must_use]
pub fn words(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::NotFound {
        return "no such file or folder".to_owned();
    }
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

//! A folder as it is at one moment, to be compared with itself later: names, kinds, modes, link targets, bytes.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a folder that cannot be read is a failed test")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// One name in a folder. It prints without the bytes, which may be a private key.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Thing {
    mode: u32,
    inode: u64,
    link: Option<PathBuf>,
    bytes: Option<Vec<u8>>,
}

impl std::fmt::Debug for Thing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = self.bytes.as_ref().map(Vec::len);
        write!(f, "mode {:o}, inode {}, link {:?}, bytes {size:?}", self.mode, self.inode, self.link)
    }
}

/// Everything below a folder, by its path from there. A missing folder has nothing.
pub(crate) type Snapshot = BTreeMap<PathBuf, Thing>;

/// Takes the picture, without the public status: every tick writes that one anew, and nothing depends on it.
pub(crate) fn snapshot(folder: &Path) -> Snapshot {
    let mut all = Snapshot::new();
    walk(folder, Path::new(""), &mut all);
    all.remove(Path::new("records/status.json"));
    all
}

/// Every path below a folder whose bytes say that they are a private key, sealed or not.
pub(crate) fn private_keys(folder: &Path) -> Vec<PathBuf> {
    let holds_a_key = |thing: &Thing| {
        let text = String::from_utf8_lossy(thing.bytes.as_deref().unwrap_or_default()).into_owned();
        // In a manifest it is Base64 of PEM.
        text.contains("PRIVATE KEY-----") || text.contains("LS0tLS1CRUdJTiBQUklWQVRF")
    };
    snapshot(folder).into_iter().filter(|(_, thing)| holds_a_key(thing)).map(|(path, _)| path).collect()
}

/// The permission bits of a file or folder, by its path.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

fn walk(top: &Path, below: &Path, all: &mut Snapshot) {
    let Ok(entries) = fs::read_dir(top.join(below)) else { return };
    for entry in entries {
        let name = below.join(entry.unwrap().file_name());
        let path = top.join(&name);
        let metadata = fs::symlink_metadata(&path).unwrap();
        let link = metadata.is_symlink().then(|| fs::read_link(&path).unwrap());
        let bytes = metadata.is_file().then(|| fs::read(&path).unwrap());
        all.insert(name.clone(), Thing { mode: metadata.mode(), inode: metadata.ino(), link, bytes });
        if metadata.is_dir() {
            walk(top, &name, all);
        }
    }
}

// Each test crate uses only some of this.
const _: () = {
    let _ = (snapshot, private_keys, mode);
};

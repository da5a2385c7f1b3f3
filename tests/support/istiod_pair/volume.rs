//! A Secret volume without a kubelet.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use tempfile::TempDir;

use super::authority::Files;

/// A folder as the kubelet lays out a Secret volume.
pub(crate) struct Volume {
    folder: TempDir,
    version: Cell<u32>,
}

impl Volume {
    pub(crate) fn new(files: &Files) -> Self {
        let volume = Self { folder: tempfile::tempdir().unwrap(), version: Cell::new(0) };
        fs::create_dir(volume.path()).unwrap();
        volume.put(files);
        volume
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("cacerts")
    }

    /// A folder beside it, for an istiod to work in.
    pub(crate) fn beside(&self) -> PathBuf {
        self.version.set(self.version.get() + 1);
        self.folder.path().join(format!("work-{}", self.version.get()))
    }

    /// Exchanges all files at once.
    pub(crate) fn put(&self, files: &Files) {
        self.version.set(self.version.get() + 1);
        let data = format!("..2026_11_30_00_00_00.{}", self.version.get());
        let at = |name: &str| self.path().join(name);
        fs::create_dir(at(&data)).unwrap();
        files.iter().for_each(|(name, bytes)| fs::write(at(&data).join(name), bytes).unwrap());
        for (name, _) in files.iter().filter(|(name, _)| fs::symlink_metadata(at(name)).is_err()) {
            symlink(format!("..data/{name}"), at(name)).unwrap();
        }
        symlink(&data, at("..data_tmp")).unwrap();
        fs::rename(at("..data_tmp"), at("..data")).unwrap();
        // As the kubelet does, it takes away the links that lead nowhere now.
        for entry in fs::read_dir(self.path()).unwrap().map(Result::unwrap).filter(|it| !it.path().exists()) {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

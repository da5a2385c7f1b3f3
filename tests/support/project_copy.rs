//! A copy of the project in a temporary folder, to break on purpose and to ask cargo about.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a copy that cannot be made is a failed test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// The manifest, the settings and the sources, without the tests.
pub(crate) struct ProjectCopy {
    folder: TempDir,
}

impl ProjectCopy {
    pub(crate) fn new() -> Self {
        let (top, folder) = (Path::new(env!("CARGO_MANIFEST_DIR")), tempfile::tempdir().unwrap());
        let settings = ["Cargo.toml", "Cargo.lock", ".clippy.toml"].map(PathBuf::from);
        let mut left: Vec<PathBuf> =
            settings.into_iter().chain(["src", "docs", "benches"].map(PathBuf::from)).collect();
        while let Some(path) = left.pop() {
            let from = top.join(&path);
            if from.is_dir() {
                std::fs::create_dir_all(folder.path().join(&path)).unwrap();
                left.extend(from.read_dir().unwrap().map(|entry| path.join(entry.unwrap().file_name())));
            } else if from.exists() {
                std::fs::copy(&from, folder.path().join(&path)).unwrap();
            }
        }
        Self { folder }
    }

    pub(crate) fn append(&self, file: &str, text: &str) {
        let path = self.folder.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let before = if path.exists() { std::fs::read_to_string(&path).unwrap() } else { String::new() };
        std::fs::write(path, before + text).unwrap();
    }

    /// What cargo says about the copy: the file and the lint or error code of each diagnostic, and the whole output for
    /// the one who must find out why. What the crates of others need is built once, in `target/gates`.
    pub(crate) fn cargo(&self, arguments: &[&str]) -> (Vec<(String, String)>, String) {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(arguments.first())
            .args(["--offline", "--locked", "--message-format", "json"])
            .args(arguments.iter().skip(1))
            .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_MANIFEST_DIR")).join("target/gates"))
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        let lines = String::from_utf8(output.stdout).unwrap();
        let messages = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let messages: Vec<Value> = messages.filter(|it| it.pointer("/message/code/code").is_some()).collect();
        let text = |message: &Value, place: &str| message.pointer(place).and_then(Value::as_str).map(str::to_owned);
        let mut found: Vec<_> = messages
            .iter()
            .filter_map(|it| Some((text(it, "/message/spans/0/file_name")?, text(it, "/message/code/code")?)))
            .collect();
        found.sort_unstable();
        found.dedup();
        let rendered: Vec<_> = messages.iter().filter_map(|it| text(it, "/message/rendered")).collect();
        (found, rendered.join("\n") + &String::from_utf8_lossy(&output.stderr))
    }
}

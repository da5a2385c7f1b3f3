//! A mesh on a temporary folder and the real program, run on it.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a story that cannot go on is a failed test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::support::judges;

/// The passphrase of every key in a story.
pub(crate) const PASSPHRASE: &str = "correct-horse-battery-staple";

/// The four files of a set.
pub(crate) const FILES: [&str; 4] = ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"];

/// What one run of the program said, and how it ended.
pub(crate) struct Said {
    /// The exit code; none: it was killed.
    pub(crate) code: Option<i32>,
    /// Results.
    pub(crate) out: String,
    /// Words.
    pub(crate) err: String,
}

impl std::fmt::Debug for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit {:?}\n--- stdout\n{}--- stderr\n{}", self.code, self.out, self.err)
    }
}

impl Said {
    pub(crate) fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }

    /// Goes on only if it went well.
    pub(crate) fn fine(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }

    /// Goes on only if it ended with this exit code and the first error has this code, once.
    pub(crate) fn refused(self, exit: i32, code: &str) -> Self {
        assert_eq!(self.code, Some(exit), "{self:?}");
        let errors: Vec<&str> = self.err.lines().filter(|line| line.starts_with("error: ")).collect();
        assert!(errors.first().is_some_and(|line| line.starts_with(&format!("error: {code}: "))), "{self:?}");
        assert_eq!(errors.len(), 1, "one error, said once: {self:?}");
        self
    }

    /// Goes on only if something said has this in it.
    pub(crate) fn saying(self, words: &str) -> Self {
        assert!(self.out.contains(words) || self.err.contains(words), "no `{words}` in {self:?}");
        self
    }
}

/// A mesh on a temporary folder.
pub(crate) struct Story {
    folder: TempDir,
}

impl Story {
    /// A folder with this mesh file and a passphrase file.
    pub(crate) fn new(mesh_file: &str) -> Self {
        let story = Self { folder: tempfile::tempdir().unwrap() };
        story.write("mesh.yaml", mesh_file);
        story.write("passphrase", format!("{PASSPHRASE}\n"));
        story
    }

    /// The folder that `quickstart` makes.
    pub(crate) fn quickstart() -> Self {
        let story = Self { folder: tempfile::tempdir().unwrap() };
        let lab = story.path("lab");
        Said::of(&judges::run(meshca().arg("quickstart").arg(&lab))).fine();
        story
    }

    /// The same folder once more, to be maltreated, or on another machine.
    pub(crate) fn copied(&self) -> Self {
        let copy = Self { folder: tempfile::tempdir().unwrap() };
        let mut cp = Command::new("cp");
        assert!(judges::run(cp.arg("-a").arg(self.path(".")).arg(copy.path("."))).status.success());
        copy
    }

    /// A path below the mesh file's folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    pub(crate) fn bytes(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// Writes a file and the folders above it.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// Writes a kubeconfig of one context, whose API server is a stub at this port of loopback, without TLS and without a user.
    pub(crate) fn write_kubeconfig(&self, name: &str, port: u16) {
        let server = format!("http://127.0.0.1:{port}");
        self.write(
            name,
            format!(
                "current-context: c\nclusters: [{{ name: c, cluster: {{ server: '{server}' }} }}]\ncontexts: [{{ name: c, \
                 context: {{ cluster: c }} }}]\n"
            ),
        );
    }

    pub(crate) fn remove(&self, name: &str) {
        fs::remove_file(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// `meshca -f mesh.yaml` with these words, which are split at spaces. `./` is the story's folder.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = meshca();
        let mesh = if self.path("lab").is_dir() { "lab/mesh.yaml" } else { "mesh.yaml" };
        command.current_dir(self.folder.path()).args(["-f", mesh]).args(line.split_whitespace());
        command
    }

    /// Runs it.
    pub(crate) fn meshca(&self, line: &str) -> Said {
        Said::of(&judges::run(&mut self.command(line)))
    }

    /// Runs it with the passphrase file.
    pub(crate) fn with_passphrase(&self, line: &str) -> Said {
        let file = if self.path("lab").is_dir() { "lab/passphrase" } else { "passphrase" };
        self.meshca(&format!("{line} --passphrase-file {file}"))
    }

    /// Makes root and issuing CA at this moment. The mesh must be a lab of this name.
    pub(crate) fn founded(self, mesh: &str, at: &str) -> Self {
        let mut create = self.command(&format!("--at {at} root create --passphrase-file passphrase --confirm"));
        Said::of(&judges::run(create.arg(format!("{mesh} root g1")))).fine();
        if !self.read("mesh.yaml").contains("mode: none") {
            self.issuing_create(at);
        }
        self
    }

    /// Gives every cluster its first set, and runs the first tick, all at this moment.
    pub(crate) fn published(self, at: &str) -> Self {
        for command in ["issue", "publish", "rotate"] {
            self.with_passphrase(&format!("--at {at} {command}")).fine();
        }
        self
    }

    /// Makes the next issuing CA at this moment.
    pub(crate) fn issuing_create(&self, at: &str) -> Said {
        self.with_passphrase(&format!("--at {at} issuing create --issuing-passphrase-file passphrase")).fine()
    }

    /// The bytes of the four files that a folder shows.
    pub(crate) fn set(&self, folder: &str) -> Vec<Vec<u8>> {
        FILES.iter().map(|file| self.bytes(&format!("{folder}/{file}"))).collect()
    }

    /// The subject of the intermediate that a folder shows, as OpenSSL reads it.
    pub(crate) fn subject(&self, folder: &str) -> String {
        let path = self.path(folder).join("ca-cert.pem");
        let output = judges::openssl(["x509", "-noout", "-subject", "-in", path.to_str().unwrap()]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What a folder shows, judged by OpenSSL at this moment: complete, the key belongs to the certificate, and the
    /// chain leads to the root.
    pub(crate) fn sound(&self, folder: &str, at: i64) -> Result<(), String> {
        sound(&self.path(folder), at)
    }

    /// Lays out a folder as the kubelet does, for a set that meshca did not write.
    pub(crate) fn project(&self, folder: &str, files: &[(&str, &[u8])]) {
        for (name, bytes) in files {
            self.write(&format!("{folder}/..2020_01_01_00_00_00.12345678/{name}"), bytes);
        }
        symlink("..2020_01_01_00_00_00.12345678", self.path(folder).join("..data")).unwrap();
        for (name, _) in files {
            symlink(format!("..data/{name}"), self.path(folder).join(name)).unwrap();
        }
    }

    /// Lets every user read all of the folder, and nothing more.
    pub(crate) fn open_to_all(&self) {
        for (name, _) in crate::support::snapshot::snapshot(self.folder.path()) {
            let path = self.path(name.to_str().unwrap());
            if let Ok(metadata) = fs::symlink_metadata(&path)
                && !metadata.is_symlink()
            {
                let mode = if metadata.is_dir() { 0o755 } else { 0o644 };
                fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            }
        }
        fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
}

/// The real program, with nothing in its environment that could help it.
pub(crate) fn meshca() -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("meshca"));
    command.env_remove("MESHCA_FILE").env("RUST_BACKTRACE", "1").stdin(Stdio::null());
    command
}

/// As [`Story::sound`], for any folder that shows the four files.
pub(crate) fn sound(folder: &Path, at: i64) -> Result<(), String> {
    let [cert, key, chain, root] = FILES.map(|file| folder.join(file));
    for path in [&cert, &key, &chain, &root] {
        if !path.is_file() {
            return Err(format!("{} is not there", path.display()));
        }
    }
    let public = |args: &str, path: &Path| {
        let output = judges::openssl(args.split(' ').chain([path.to_str().unwrap()]));
        if output.status.success() { Ok(output.stdout) } else { Err(format!("openssl cannot read {}", path.display())) }
    };
    if public("x509 -noout -pubkey -in", &cert)? != public("pkey -pubout -in", &key)? {
        return Err(format!("the key in {} does not belong to the certificate", folder.display()));
    }
    judges::openssl_verify_strict(&root, Some(&chain), &cert, at)
}

/// A moment in seconds since 1970.
pub(crate) fn seconds(at: &str) -> i64 {
    moment(at).unix_timestamp()
}

/// A moment, moved.
pub(crate) fn later(at: &str, by: Duration) -> String {
    (moment(at) + by).format(&Rfc3339).unwrap()
}

fn moment(at: &str) -> OffsetDateTime {
    OffsetDateTime::parse(at, &Rfc3339).unwrap()
}

/// The mesh file of a lab of this name, with these lines on top of the defaults, and clusters in folders.
pub(crate) fn lab(mesh: &str, more: &str, clusters: &[&str]) -> String {
    let mut text = format!("version: 1\nmesh: {mesh}\nlab: true\n{more}\nclusters:\n");
    for cluster in clusters {
        text.push_str(&format!(
            "  - name: {cluster}\n    network: {cluster}\n    role: primary\n    access: {{ directory: ./clusters/{cluster} }}\n    \
             istiod: {{ assumeLoadedAfter: 0s }}\n"
        ));
    }
    text
}

// Each test crate uses only some of this.
const _: () = {
    let _ = (PASSPHRASE, FILES, meshca, lab, sound, Story::new, Story::quickstart, Story::read, Story::remove);
    let _ = (
        Story::with_passphrase,
        Story::founded,
        Story::published,
        Story::set,
        Story::subject,
        Story::sound,
        Story::open_to_all,
    );
    let _ =
        (Story::project, Story::issuing_create, Story::meshca, Story::copied, Story::write_kubeconfig, seconds, later);
    let _ = (Said::fine, Said::saying, |said: Said| said.refused(1, ""));
};

//! A lab mesh that the real program made and published, and commands run in it.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk")]
#![expect(clippy::unwrap_used, reason = "a lab that cannot be made is a failed test")]

use std::fs;
use std::path::PathBuf;

use assert_cmd::Command;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tempfile::TempDir;

/// The moment at which everything is made. Intermediates end 90 days later, on 2027-02-21 at ten.
const MOMENT: &str = "2026-11-23T10:00:00Z";

const MESH: &str = "\
version: 1
mesh: m1
lab: true
clusters:
  - { name: east, role: primary, access: { directory: ./east } }
  - { name: west, role: primary, access: { directory: ./west } }
  - { name: remote, role: remote, primary: east, access: { directory: ./remote } }
";

/// Primaries `east` and `west` with their sets in folders, and `remote`. All keys have the passphrase of one file.
pub(crate) struct Lab {
    folder: TempDir,
}

// Each test crate compiles this file for itself and uses only some of it. The rest would be called dead there, and an
// expectation of that would fail in the crate that uses everything.
const _: () = {
    let _ = (Lab::read, |lab: &Lab| lab.write("", ""), Lab::manifest, Lab::run_with);
};

/// How a command ended.
pub(crate) struct Told {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self { folder: tempfile::tempdir().unwrap() };
        fs::write(lab.path("mesh.yaml"), MESH).unwrap();
        fs::write(lab.path("passphrase"), "a passphrase of the lab\n").unwrap();
        let pass = "--passphrase-file passphrase";
        lab.ends(&format!("root create {pass} --confirm m1_root_g1"), 0);
        lab.ends(&format!("issuing create {pass} --issuing-passphrase-file passphrase"), 0);
        lab.ends(&format!("issue {pass}"), 0);
        lab.ends(&format!("publish {pass}"), 0);
        assert_eq!(lab.secrets().len(), 6, "of three keys, so that what is told is searched for them");
        lab
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(name), content).unwrap();
    }

    /// Runs a command at the moment of the lab, words apart by spaces; `_` in a word is a space.
    pub(crate) fn run(&self, words: &str) -> Told {
        self.run_with(words, "")
    }

    /// As [`Lab::run`], with a text on standard input. Whatever is told, no line of a private key may be in it.
    pub(crate) fn run_with(&self, words: &str, input: &str) -> Told {
        let moment = if words.contains("--at ") { vec![] } else { vec!["--at", MOMENT] };
        let words: Vec<String> = words.split_whitespace().map(|word| word.replace('_', " ")).collect();
        let mut command = Command::cargo_bin("meshca").unwrap();
        let output =
            command.current_dir(self.folder.path()).args(moment).args(words).write_stdin(input).output().unwrap();
        let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
        for secret in self.secrets() {
            assert!(!out.contains(&secret) && !err.contains(&secret), "a line of a private key is shown:\n{out}{err}");
        }
        Told { code: output.status.code().unwrap(), out, err }
    }

    /// As [`Lab::run`], and asserts how it ends.
    #[track_caller]
    pub(crate) fn ends(&self, words: &str, code: i32) -> Told {
        let told = self.run(words);
        assert_eq!(told.code, code, "{words}\n{}{}", told.out, told.err);
        told
    }

    /// A line of every private key file, as it is and as a Secret has it.
    fn secrets(&self) -> Vec<String> {
        let keys = ["east/ca-key.pem", "west/ca-key.pem", "material/issuing/g1/issuing-key.pem"];
        let beside = self.path("").read_dir().unwrap().flatten().map(|entry| entry.path());
        let mut secrets = Vec::new();
        for text in
            keys.iter().map(|name| self.path(name)).chain(beside).filter_map(|path| fs::read_to_string(path).ok())
        {
            if let Some((_, key)) = text.split_once("PRIVATE KEY-----\n") {
                secrets.extend(key.lines().next().map(str::to_owned));
                secrets.extend(STANDARD.encode(&text).get(40..80).map(str::to_owned));
            }
        }
        secrets
    }

    /// A Secret with the files of east, as `kubectl get secret -o yaml` writes it; as JSON, if that is wished.
    pub(crate) fn manifest(&self, json: bool) -> String {
        let names = ["ca-cert.pem", "ca-key.pem", "cert-chain.pem", "root-cert.pem"];
        let values = names.map(|name| (name, STANDARD.encode(fs::read(self.path("east").join(name)).unwrap())));
        if json {
            let data = values.map(|(name, value)| format!("\"{name}\": \"{value}\"")).join(", ");
            return format!(
                "{{\"apiVersion\": \"v1\", \"data\": {{{data}}}, \"kind\": \"Secret\", \"metadata\": {{\"name\": \
                 \"cacerts\"}}, \"type\": \"Opaque\"}}"
            );
        }
        let data = values.map(|(name, value)| format!("  {name}: {value}\n")).concat();
        format!("apiVersion: v1\ndata:\n{data}kind: Secret\nmetadata:\n  name: cacerts\ntype: Opaque\n")
    }
}

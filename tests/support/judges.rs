//! The outside judges: programs that share no code with meshca and say what they think of its output.
//!
//! Where a judge is looked for, in this order:
//!
//! | judge | variable | then |
//! |---|---|---|
//! | Python with pkilint and jsonschema | `MESHCA_TEST_PYTHON` | `target/tools/venv/bin/python` |
//! | Go, 1.26 or newer | `MESHCA_TEST_GO` | `target/tools/venv/bin/go`, `go` on the `PATH` |
//! | any other program | | `target/tools/bin`, the `PATH` |
//!
//! `tests/run` sets the variables. A judge that is missing fails the test: a test that skips itself proves nothing.

#![expect(clippy::disallowed_methods, reason = "judges lie on the disk, and the environment says where")]
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a judge that fails is a failed test")]

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Which of pkilint's rule books to read a file by.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lint<'a> {
    /// The certificate by itself.
    Certificate,
    /// The certificate as issued by the certificate in this file.
    IssuedBy(&'a Path),
    /// A CRL of the general kind, by RFC 5280.
    Crl,
}

// Each test crate compiles this file for itself and uses only some of it. The rest would be called dead there, and an
// expectation of that would fail in the crate that uses everything.
const _: () = {
    let _ = (
        tools_folder,
        program,
        run,
        install,
        || openssl([""]),
        openssl_verify_strict,
        pkilint,
        python_says,
        || istiod_judge([""], ""),
    );
    let _ = (Lint::Certificate, Lint::IssuedBy, Lint::Crl);
};

/// The folder that `tests/run tools` fills.
pub(crate) fn tools_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools")
}

/// Finds a program (`cfssl`, `promtool`, `jq`, ...) among the installed tools or on the `PATH`.
///
/// # Panics
///
/// If it is in neither.
pub(crate) fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::iter::once(tools_folder().join("bin"))
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| missing(name))
}

/// Runs a command without input and returns what it said; only a command that cannot be started panics.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.stdin(Stdio::null()).output();
    output.unwrap_or_else(|error| panic!("cannot start {}: {error}", command.get_program().display()))
}

/// Puts a program or a script where it can be run. Another process does the writing: a descriptor of ours that is open for
/// writing would be inherited by whatever another test starts in that moment, and the kernel runs no file that somebody
/// could still write ("Text file busy").
pub(crate) fn install(from: &Path, to: &Path) {
    let output = run(Command::new(program("install")).args(["-m", "0755"]).arg(from).arg(to));
    assert!(output.status.success(), "{}: {}", to.display(), String::from_utf8_lossy(&output.stderr));
}

/// Runs `openssl` with these arguments. The exit code is for the caller to judge.
pub(crate) fn openssl<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Output {
    run(Command::new(program("openssl")).args(args))
}

/// `openssl verify -x509_strict` of `cert` under `root`, by way of the certificates in `untrusted`, at `at` (seconds
/// since 1970). No other trust anchor of the machine counts.
///
/// # Errors
///
/// What OpenSSL said when it refused.
pub(crate) fn openssl_verify_strict(root: &Path, untrusted: Option<&Path>, cert: &Path, at: i64) -> Result<(), String> {
    let mut args: Vec<OsString> =
        ["verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-attime"].map(Into::into).into();
    args.extend([at.to_string().into(), "-CAfile".into(), root.into()]);
    if let Some(untrusted) = untrusted {
        args.extend(["-untrusted".into(), untrusted.into()]);
    }
    args.push(cert.into());
    let output = openssl(args);
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

/// What pkilint finds at WARNING or above, each finding as `SEVERITY code`. None is the verdict to hope for.
///
/// # Panics
///
/// If pkilint is missing or cannot read the file.
pub(crate) fn pkilint(file: &Path, lint: Lint<'_>) -> Vec<String> {
    let (module, kind, issuer) = match lint {
        Lint::Certificate => ("lint_pkix_cert", [].as_slice(), None),
        Lint::IssuedBy(issuer) => ("lint_pkix_signer_signee_cert_chain", [].as_slice(), Some(issuer)),
        Lint::Crl => ("lint_crl", ["--type", "CRL", "--profile", "PKIX"].as_slice(), None),
    };
    let mut command = Command::new(python());
    command.args(["-m", &format!("pkilint.bin.{module}"), "lint", "--severity", "WARNING", "--format", "JSON"]);
    // Only PEM: told to guess, pkilint reads a text without a PEM header as Base64.
    command.args(kind).args(["--document-format", "PEM"]).args(issuer).arg(file);
    let output = run(&mut command);
    // pkilint's exit code is the number of findings, but also 1 when it cannot read the file: only JSON is a verdict.
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        panic!("pkilint gave no verdict on {} (missing? run tests/run tools): {}", file.display(), said(&output))
    };
    let findings = report["results"].as_array().unwrap().iter();
    findings
        .flat_map(|result| result["finding_descriptions"].as_array().unwrap())
        .map(|finding| format!("{} {}", finding["severity"].as_str().unwrap(), finding["code"].as_str().unwrap()))
        .collect()
}

/// What a script of Python prints about a text that it reads from a file, whose name is its one argument.
///
/// # Panics
///
/// If Python is missing, or the script fails.
pub(crate) fn python_says(script: &str, text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("text");
    std::fs::write(&file, text).unwrap();
    let output = run(Command::new(python()).args(["-c", script]).arg(&file));
    assert!(output.status.success(), "python: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// What istiod, a workload's peer and a workload's agent make of each folder at the moment `at` (RFC 3339): one value
/// per folder, in order, `{"folder", "start", "reload", "workload", "agent"}`, the last four `{"accepts", "error"}`.
///
/// # Panics
///
/// If Go is missing or too old, or a folder is not there.
pub(crate) fn istiod_judge<P: AsRef<Path>>(folders: impl IntoIterator<Item = P>, at: &str) -> Vec<Value> {
    let mut command = Command::new(built_istiod_judge());
    command.args(["-at", at]).args(folders.into_iter().map(|folder| folder.as_ref().to_owned()));
    let output = run(&mut command);
    assert!(output.status.success(), "the istiod judge could not judge: {}", said(&output));
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Builds the istiod judge unless the judge of exactly this source is there already: its name carries the digest of the
/// source, so a change of the source can't leave an old judge in office, and none is written over while it runs.
fn built_istiod_judge() -> PathBuf {
    let source = [include_str!("../judges/istiod/go.mod"), include_str!("../judges/istiod/main.go")];
    let tools = tools_folder();
    let mut digest = DefaultHasher::new();
    source.hash(&mut digest);
    let judge = tools.join(format!("istiod-judge-{:016x}", digest.finish()));
    std::fs::create_dir_all(&tools).unwrap();
    // Test programs that cargo runs side by side would otherwise all build.
    let lock = File::create(tools.join("istiod-judge.lock")).unwrap();
    lock.lock().unwrap();
    if judge.is_file() {
        return judge;
    }
    let unfinished = tools.join("istiod-judge.unfinished");
    let mut build = Command::new(go());
    build.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judges/istiod"));
    // Standard library only, so no proxy need be asked.
    build.env("GOFLAGS", "-mod=mod").env("GOPROXY", "off").env("GOTOOLCHAIN", "local");
    build.args(["build", "-buildvcs=false", "-o"]).arg(&unfinished).arg(".");
    let output = run(&mut build);
    assert!(output.status.success(), "the istiod judge does not build: {}", said(&output));
    std::fs::rename(unfinished, &judge).unwrap();
    judge
}

fn python() -> PathBuf {
    let venv = tools_folder().join("venv/bin/python");
    match std::env::var_os("MESHCA_TEST_PYTHON") {
        Some(named) => named.into(),
        None if venv.is_file() => venv,
        None => missing("python with pkilint"),
    }
}

fn go() -> PathBuf {
    let venv = tools_folder().join("venv/bin/go");
    let go = match std::env::var_os("MESHCA_TEST_GO") {
        Some(named) => named.into(),
        None if venv.is_file() => venv,
        None => program("go"),
    };
    // An older crypto/x509 forgives what istiod's does not, such as negative serial numbers.
    let version = said(&run(Command::new(&go).args(["env", "GOVERSION"]).env("GOTOOLCHAIN", "local")));
    let minor = version.trim().strip_prefix("go1.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    assert!(minor >= Some(26), "{} is {version:?}, not Go 1.26 or newer: run tests/run tools", go.display());
    go
}

fn missing(judge: &str) -> ! {
    panic!("the judge {judge} is missing: run tests/run tools")
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes)).concat()
}

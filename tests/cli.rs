//! Every case file in `tests/cli`, and every console block of `README.md` and `docs/guide`, run as they stand.
//!
//! Pages and cases show what one real run printed. What differs from run to run (moments, days, serial numbers,
//! fingerprints) is masked in a copy before trycmd compares, so that readers need not read masks. Each page and case has
//! a folder of its own, in which lie two passphrase files, a kubeconfig, a list of remote secrets and the example mesh file.
#![expect(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]
#![expect(clippy::disallowed_methods, reason = "the copies are files, and the ignored test remakes the pages")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

const PROGRAM: &str = env!("CARGO_BIN_EXE_meshca");

/// What lies in the folder of each page and case.
const AT_HAND: [(&str, &str); 6] = [
    ("root.pass", "correct horse battery staple\n"),
    ("next.pass", "a third one, for the next root\n"),
    ("issuing.pass", "a second one, for the online key\n"),
    ("clusters.kubeconfig", CONTEXTS),
    ("remote-secrets.yaml", REMOTE_SECRETS),
    ("mesh.example.yaml", include_str!("../docs/reference/mesh.example.yaml")),
];

/// A kubeconfig of three contexts, of which two lead to one cluster.
const CONTEXTS: &str = "\
apiVersion: v1
kind: Config
current-context: east
contexts:
- { name: east, context: { cluster: east, user: somebody } }
- { name: gke_shop_europe-west1_west, context: { cluster: west, user: somebody } }
- { name: east-readonly, context: { cluster: east, user: reader } }
clusters:
- { name: east, cluster: { server: 'https://east.example:6443' } }
- { name: west, cluster: { server: 'https://west.example' } }
users:
- { name: somebody, user: { token: not-to-be-shown } }
- { name: reader, user: { token: not-to-be-shown } }
";

/// A list of one remote secret. Its kubeconfig is one context of `https://west.example`, with a token.
const REMOTE_SECRETS: &str = "\
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Secret
  metadata:
    name: istio-remote-secret-west
    namespace: istio-system
    labels: { istio/multiCluster: 'true' }
    annotations: { networking.istio.io/cluster: west }
  data:
    west: Y29udGV4dHM6IFt7IG5hbWU6IHcsIGNvbnRleHQ6IHsgY2x1c3RlcjogdyB9IH1dCmNsdXN0ZXJzOiBbeyBuYW1lOiB3LCBjbHVzdGVyOiB7IHNlcnZlcjogJ2h0dHBzOi8vd2VzdC5leGFtcGxlJyB9IH1dCnVzZXJzOiBbeyBuYW1lOiB3LCB1c2VyOiB7IHRva2VuOiBub3QtdG8tYmUtc2hvd24gfSB9XQo=
";

/// What pages and cases may run beside meshca. trycmd passes over any other program without a word, so none may be named.
const TOOLS: [&str; 9] = ["cat", "cp", "grep", "ls", "mkdir", "mv", "openssl", "rm", "sed"];

/// As wide as the help is printed.
const COLUMNS: (&str, &str) = ("COLUMNS", "100");

#[test]
fn the_cases_do_what_their_files_say() {
    run("cases", &files_below("tests/cli", "trycmd"));
}

#[test]
fn the_console_blocks_of_the_documents_do_what_is_printed() {
    let pages = pages();
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        assert!(text.contains("```console\n$ meshca"), "{} has no console block that is run", page.display());
    }
    run("documents", &pages);
}

/// `cargo test --test cli remake -- --ignored` puts what the commands print now into pages and cases, to be read before
/// it is committed. Output with a line `...` stays as it is.
#[test]
#[ignore = "writes into the source tree: cargo test --test cli remake -- --ignored"]
fn remake_what_the_commands_print() {
    for page in pages().into_iter().chain(files_below("tests/cli", "trycmd")) {
        remake(&page);
    }
}

fn pages() -> Vec<PathBuf> {
    let mut pages = files_below("docs/guide", "md");
    pages.insert(0, PathBuf::from("README.md"));
    pages
}

fn files_below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "{folder} holds no .{ending}");
    found
}

/// Copies the files, masked, each with a folder to run in, and has trycmd run them.
fn run(name: &str, files: &[PathBuf]) {
    let stage = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli").join(name);
    let _ = fs::remove_dir_all(&stage);
    let cases = trycmd::TestCases::new();
    cases.register_bin("meshca", Path::new(PROGRAM)).env(COLUMNS.0, COLUMNS.1).timeout(Duration::from_secs(120));
    cases.register_bins(TOOLS.map(|tool| (tool, on_path(tool))));
    for file in files {
        let copy = stage.join(file);
        let (before, after) = (copy.with_extension("in"), copy.with_extension("out"));
        fs::create_dir_all(&before).unwrap();
        // A folder `.out` makes trycmd run the file in a copy of `.in`.
        fs::create_dir_all(&after).unwrap();
        fs::write(after.join(".keep"), "").unwrap();
        lay_out(&before);
        let text = fs::read_to_string(file).unwrap();
        for program in text.lines().filter_map(|line| line.strip_prefix("$ ")?.split(' ').next()) {
            assert!(program == "meshca" || TOOLS.contains(&program), "{}: {program} is not run", file.display());
        }
        fs::write(&copy, masked(&text)).unwrap();
        cases.case(&copy);
    }
    cases.run();
}

fn on_path(tool: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let mut found = std::env::split_paths(&path).map(|folder| folder.join(tool)).filter(|it| it.is_file());
    found.next().unwrap_or_else(|| PathBuf::from(format!("/{tool} is missing")))
}

fn lay_out(folder: &Path) {
    for (name, text) in AT_HAND {
        fs::write(folder.join(name), text).unwrap();
    }
}

/// The text with `[..]` for what no two runs have in common, in output only; and with an empty line after each output,
/// by which trycmd knows that it ends with a newline.
fn masked(text: &str) -> String {
    let mut inside = false;
    let mut was_output = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        let is_output = inside && !["```", "$ ", "> ", "? "].iter().any(|start| line.starts_with(start));
        if was_output && !is_output {
            lines.push(String::new());
        }
        was_output = is_output;
        if line.starts_with("```") {
            inside = line == "```console";
        }
        lines.push(if is_output { masked_line(line) } else { line.to_owned() });
    }
    lines.join("\n") + "\n"
}

fn masked_line(line: &str) -> String {
    // Digits in pairs, for reading aloud.
    for label in ["  serial  ", "  sha-256  ", "  its sha-256  "] {
        if line.starts_with(label) {
            return format!("{label}[..]");
        }
    }
    // A CA that OpenSSL makes for a hundred years begins today, wherever the clock of the page stands.
    if let Some((before, _)) = line.split_once(" (99 y ") {
        return format!("{} (99 y [..] left)", masked_line(before));
    }
    // trycmd turns every backslash of what is printed into a slash, and none of what is expected.
    if let Some(continued) = line.strip_suffix('\\') {
        return format!("{}[..]", masked_line(continued));
    }
    let is_in_word = |c: char| c.is_alphanumeric() || "-:.…".contains(c);
    let mut made = String::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (word, more) = rest.split_at(rest.find(|c| !is_in_word(c)).unwrap_or(rest.len()));
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        // A signature has some bytes more or less, and so has all that is made of it.
        let size = bare.chars().all(|c| c.is_ascii_digit()) && (more.starts_with(" bytes") || made == "line ");
        made.push_str(&if !bare.is_empty() && (size || differs(bare)) {
            word.replacen(bare, "[..]", 1)
        } else {
            word.to_owned()
        });
        let between = more.find(is_in_word).unwrap_or(more.len());
        made.push_str(more.split_at(between).0);
        rest = more.split_at(between).1;
    }
    made
}

fn differs(word: &str) -> bool {
    let shape: String = word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let hex = |part: &str| part.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c));
    let fingerprint = word.split_once('…').is_some_and(|(head, tail)| hex(head) && hex(tail));
    let moment = shape.starts_with("0000-00-00T00:00:00") && shape.ends_with('Z');
    moment || fingerprint || shape == "0000-00-00" || shape == "0000000000" || (word.len() >= 32 && hex(word))
}

fn remake(page: &Path) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("remake").join(page);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    lay_out(&folder);
    let text = fs::read_to_string(page).unwrap();
    let mut made = String::new();
    let mut lines = text.lines().peekable();
    let mut inside = false;
    while let Some(line) = lines.next() {
        made.push_str(&format!("{line}\n"));
        if line.starts_with("```") {
            inside = line == "```console";
        }
        let Some(command) = line.strip_prefix("$ ").filter(|_| inside) else { continue };
        let mut command = command.to_owned();
        while let Some(more) = lines.next_if(|line| line.starts_with("> ")) {
            made.push_str(&format!("{more}\n"));
            command.push_str(more.trim_start_matches('>'));
        }
        let mut printed = String::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with("$ ") && !line.starts_with("```")) {
            printed.push_str(&format!("{line}\n"));
        }
        let now = outcome(&folder, &command);
        made.push_str(if printed.lines().any(|line| line == "...") { &printed } else { &now });
    }
    fs::write(page, made).unwrap();
}

fn outcome(folder: &Path, command: &str) -> String {
    let bin = Path::new(PROGRAM).parent().unwrap().display().to_string();
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; PATH={bin}:$PATH; {command}")])
        .current_dir(folder)
        .env(COLUMNS.0, COLUMNS.1)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let code = output.status.code().unwrap();
    if code == 0 { text } else { format!("? {code}\n{text}") }
}

//! The rules of the house, each as a function from the sources to its breaches.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use crate::source_paths::{Named, Reading, absolute, leads_to, reading};
use crate::source_text::{Tree, attributes, squeezed};

/// A line that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Breach {
    pub(crate) file: String,
    pub(crate) line: usize,
    what: String,
    todo: &'static str,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}; {}", self.file, self.line, self.what, self.todo)
    }
}

fn breach(file: &str, line: usize, what: impl Into<String>, todo: &'static str) -> Breach {
    Breach { file: file.to_owned(), line, what: what.into(), todo }
}

/// The floors, from the ground up.
const FLOORS: [&str; 5] = ["pki", "mesh", "world", "jobs", "cli"];

const ROOT_KEY: &str = "src/world/root_key.rs";

/// The jobs that may name what opens a root key.
const OPENERS: [&str; 4] =
    ["src/jobs/root_create.rs", "src/jobs/root_import.rs", "src/jobs/issuing_create.rs", "src/jobs/issue.rs"];

/// The job that calls those jobs, on a lab.
const QUICKSTART: &str = "src/jobs/quickstart.rs";

const CLOCK: &str = "src/world/clock.rs";

/// Who writes to standard output and standard error.
const SPEAKERS: [&str; 2] = ["src/cli/voice.rs", "src/main.rs"];

/// Who asks people, and for that writes the question to standard error.
const ASKER: &str = "src/world/terminal.rs";

/// Who runs another program, and takes what that writes.
const LISTENER: &str = "src/world/kubernetes/credential_plugin.rs";

const LEDGER: &str = "src/mesh/ledger.rs";
const LEDGER_FILE: &str = "src/world/ledger_file.rs";

/// The jobs that may read the ledger: to show it, or to find what is wrong with it.
const LEDGER_READERS: [&str; 3] = ["src/jobs/ledger_show.rs", "src/jobs/report.rs", "src/jobs/check.rs"];

/// Names that say nothing about what is inside.
const EMPTY_NAMES: [&str; 10] =
    ["utils", "util", "common", "helpers", "helper", "manager", "managers", "types", "core", "misc"];

/// The Rust files of `src`.
fn sources(tree: &Tree) -> impl Iterator<Item = (&str, &str)> {
    let rust = tree.iter().filter(|(file, _)| file.starts_with("src/") && file.ends_with(".rs"));
    rust.map(|(file, text)| (file.as_str(), text.as_str()))
}

fn line_of(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1
}

/// Imports only go down: `cli → jobs → world → mesh → pki`. `problem` stands outside and names none of them; `main`
/// starts the command line and may hand it a clock.
pub(crate) fn imports_go_down(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (file, text) in sources(tree) {
        let reading = reading(text);
        let named = reading.said.paths.iter().filter_map(|path| Some((path, absolute(file, path)?)));
        for (path, absolute) in named {
            if let Err(todo) = may_name(file, &absolute) {
                breaches.push(breach(file, path.line, format!("`{}` is not below this file", path.text()), todo));
            }
        }
    }
    breaches
}

fn may_name(file: &str, absolute: &[String]) -> Result<(), &'static str> {
    let level = |floor: &str| FLOORS.iter().position(|it| *it == floor);
    let target = absolute.first().map(String::as_str);
    let own = file.trim_start_matches("src/").split_once('/').map(|(floor, _)| floor);
    match (file, own.map(level), target) {
        ("src/main.rs", ..) => {
            let allowed = [&["cli"][..], &["world", "clock"], &["world", "core_dump"]];
            let is_allowed = allowed.iter().any(|door| absolute.iter().take(door.len()).eq(door.iter()));
            is_allowed.then_some(()).ok_or("main starts the command line: it names cli, world::clock, world::core_dump")
        }
        ("src/lib.rs", ..) | (_, _, Some("problem")) => Ok(()),
        (_, _, None | Some("*")) => Err("name the floor that is meant"),
        (_, None, Some(target)) => match level(target) {
            Some(_) => Err("a file outside the floors names none of them"),
            None => Ok(()),
        },
        (_, Some(None), _) => Err("src has five floors: move this file to one of them"),
        (_, Some(own), Some(target)) => match level(target) {
            Some(_) if level(target) > own => Err("take the value as an argument, or move the code up"),
            Some(_) => Ok(()),
            None => Err("name a file of a floor, not a thing at the top of the crate"),
        },
    }
}

/// Files, each with the files that it leads to and the first line that does so.
type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, usize>>;

/// Where each file leads: the files that its code names, tests left out, each with the first line that does so.
fn edges(tree: &Tree) -> Edges<'_> {
    let edges = sources(tree).map(|(file, text)| {
        let mut targets = BTreeMap::new();
        for path in &reading(text).said_outside_tests.paths {
            for target in absolute(file, path).map(|it| leads_to(tree, &it)).unwrap_or_default() {
                if target != file {
                    targets.entry(target).or_insert(path.line);
                }
            }
        }
        (file, targets)
    });
    edges.collect()
}

/// No files of one floor import each other in a circle: what both need has a place of its own. Between floors the rule
/// above forbids it.
pub(crate) fn imports_go_in_no_circle(tree: &Tree) -> Vec<Breach> {
    let floor = |file: &str| FLOORS.into_iter().find(|floor| file.starts_with(&format!("src/{floor}/")));
    let mut edges = edges(tree);
    edges.retain(|file, _| floor(file).is_some());
    for (file, targets) in &mut edges {
        targets.retain(|target, _| floor(target) == floor(file));
    }
    let mut breaches = Vec::new();
    let mut told: BTreeSet<BTreeSet<&str>> = BTreeSet::new();
    for (file, targets) in &edges {
        for (target, line) in targets {
            let Some(way) = way(&edges, target, file) else { continue };
            if told.insert(way.iter().copied().collect()) {
                let what = format!("a circle of imports: {file} → {}", way.join(" → "));
                breaches.push(breach(file, *line, what, "move what both need to the file that needs neither"));
            }
        }
    }
    breaches
}

/// Nothing of the unattended side leads to what opens a root key, and nobody but the openers names it.
pub(crate) fn root_key_has_its_doors(tree: &Tree) -> Vec<Breach> {
    let edges = edges(tree);
    let mut breaches = Vec::new();
    for (file, targets) in &edges {
        if let Some(line) = targets.get(ROOT_KEY)
            && !OPENERS.contains(file)
        {
            let todo = "only root_create, root_import, issuing_create and issue may; name the one file that is meant";
            breaches.push(breach(file, *line, format!("names {ROOT_KEY}, or all of its folder"), todo));
        }
    }
    let is_unattended = |file: &&str| file.starts_with("src/jobs/") && !OPENERS.contains(file) && *file != QUICKSTART;
    for start in edges.keys().copied().filter(is_unattended) {
        if let Some((line, trail)) = way_to_the_root_key(&edges, start) {
            let todo = "an unattended command has no way to the root key: break the trail";
            breaches.push(breach(start, line, format!("leads to the root key: {trail}"), todo));
        }
    }
    breaches
}

fn way_to_the_root_key<'a>(edges: &Edges<'a>, start: &'a str) -> Option<(usize, String)> {
    let way = way(edges, start, ROOT_KEY)?;
    let first_step = way.get(1).and_then(|next| edges.get(start)?.get(next));
    Some((first_step.copied().unwrap_or(1), way.join(" → ")))
}

/// A way along the imports from one file to another, both included.
fn way<'a>(edges: &Edges<'a>, start: &'a str, end: &str) -> Option<Vec<&'a str>> {
    let mut seen = BTreeSet::from([start]);
    let mut ways = VecDeque::from([vec![start]]);
    while let Some(way) = ways.pop_front() {
        let last = way.last().copied().unwrap_or(start);
        if last == end {
            return Some(way);
        }
        for next in edges.get(last).into_iter().flat_map(BTreeMap::keys).copied() {
            if seen.insert(next) {
                ways.push_back([way.as_slice(), &[next]].concat());
            }
        }
    }
    None
}

/// The attributes of the `mod` line that brings a file in, and where that line is.
fn mod_line<'a>(tree: &'a Tree, file: &str) -> Option<(String, usize, Vec<&'a str>)> {
    let path = file.strip_suffix("/mod.rs").or_else(|| file.strip_suffix(".rs"))?;
    let (folder, name) = path.rsplit_once('/')?;
    let parent = if folder == "src" { "src/lib.rs".to_owned() } else { format!("{folder}/mod.rs") };
    let text = tree.get(&parent)?;
    let mut own = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with("#[") {
            own.push(line);
        } else if line.ends_with(&format!("mod {name};")) {
            return Some((parent, number, own));
        } else if !line.starts_with("//") {
            own.clear();
        }
    }
    None
}

/// What opens a root key is compiled only by the feature `ceremony`.
pub(crate) fn ceremonies_are_a_feature(tree: &Tree) -> Vec<Breach> {
    let doors = [ROOT_KEY, QUICKSTART].into_iter().chain(OPENERS).filter(|file| tree.contains_key(*file));
    let todo = "write #[cfg(feature = \"ceremony\")] above its mod line";
    let breaches = doors.filter_map(|file| match mod_line(tree, file) {
        Some((_, _, attributes)) if attributes.contains(&"#[cfg(feature = \"ceremony\")]") => None,
        Some((parent, line, _)) => Some(breach(&parent, line, format!("{file} is in every build"), todo)),
        None => Some(breach(file, 1, "no mod line brings it in", todo)),
    });
    breaches.collect()
}

/// A file's name occurs once, says what is inside, and `mod.rs` and `lib.rs` only list.
pub(crate) fn names_are_addresses(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let mut first = BTreeMap::new();
    for (file, text) in sources(tree) {
        let name = file.rsplit('/').next().unwrap_or(file);
        if name == "mod.rs" || name == "lib.rs" {
            breaches.extend(more_than_a_list(file, text));
        }
        if let Some(other) = first.insert(name, file).filter(|_| name != "mod.rs") {
            breaches.push(breach(file, 1, format!("{other} has the same name"), "a name of a file occurs once in src"));
        }
        if let Some(empty) = file.trim_end_matches(".rs").split('/').find(|part| EMPTY_NAMES.contains(part)) {
            breaches.push(breach(file, 1, format!("`{empty}` says nothing"), "name the noun that is inside"));
        }
    }
    breaches
}

fn more_than_a_list(file: &str, text: &str) -> Vec<Breach> {
    let reading = reading(text);
    let mut bare = reading.code.clone().into_bytes();
    for attribute in attributes(&reading.code) {
        bare.iter_mut().take(attribute.end).skip(attribute.start).filter(|it| **it != b'\n').for_each(|it| *it = b' ');
    }
    let bare = String::from_utf8(bare).unwrap_or_default();
    let is_listed = |line: &str| line.split_once("mod ").is_some_and(|(_, name)| name.ends_with(';'));
    let more = (1..).zip(bare.lines()).filter(|(_, line)| !line.trim().is_empty() && !is_listed(line.trim()));
    more.map(|(line, _)| {
        breach(file, line, "more than docs, attributes and `mod` lines", "move it to a file with a name of its own")
    })
    .collect()
}

/// No decision reads what was written down: ledger and status are results and never reasons.
pub(crate) fn decisions_read_no_records(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    let todo = "decide from the mesh file, the material and what was seen";
    for (file, text) in sources(tree) {
        let said = &reading(text).said_outside_tests;
        if decides(file) {
            for (line, word, _) in &said.words {
                if word.to_ascii_lowercase().starts_with("ledger") {
                    breaches.push(breach(file, *line, format!("a decision names `{word}`"), todo));
                }
            }
        }
        for path in &said.paths {
            let leads = absolute(file, path).map(|it| leads_to(tree, &it)).unwrap_or_default();
            let is_status = |it: &&str| it.starts_with("src/mesh/status") || it.starts_with("src/world/status");
            if decides(file) && leads.iter().any(is_status) {
                breaches.push(breach(file, path.line, format!("a decision names `{}`", path.text()), todo));
            }
            if !LEDGER_READERS.contains(&file) && reads_the_ledger(file, path) {
                let todo = "only ledger_show, and report and check for what they tell, read the ledger";
                breaches.push(breach(file, path.line, format!("`{}` reads the ledger", path.text()), todo));
            }
        }
    }
    breaches
}

fn decides(file: &str) -> bool {
    const FILES: [&str; 6] = ["plan", "change", "deadline", "holdings", "minting", "ownership"];
    let Some(name) = file.strip_prefix("src/mesh/").and_then(|it| it.strip_suffix(".rs")) else {
        return file.starts_with("src/pki/");
    };
    name.starts_with("checks") || FILES.contains(&name)
}

fn reads_the_ledger(file: &str, path: &Named) -> bool {
    let parses = path.has(&["Ledger", "parse"]) && ![LEDGER, LEDGER_FILE].contains(&file);
    parses
        || path.has(&["ledger_file", "read"])
        || path.has(&["ledger_file", "newest"])
        || path.has(&["ledger_file", "*"])
}

/// One file reads the clock; one speaks, and one asks.
pub(crate) fn clock_and_voice_are_in_one_place(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (file, text) in sources(tree) {
        for (line, word, next) in &reading(text).said.words {
            let todo = match (word.as_str(), *next) {
                ("now_utc", _) if file != CLOCK => "take `now` as an argument: world/clock.rs reads the clock",
                ("println" | "print" | "eprintln" | "eprint" | "dbg", Some('!')) if !SPEAKERS.contains(&file) => {
                    "return the words: cli/voice.rs prints"
                }
                ("stdout", Some('(')) if !SPEAKERS.contains(&file) && file != LISTENER => {
                    "return the words: cli/voice.rs prints"
                }
                ("stderr", Some('(')) if !SPEAKERS.contains(&file) && file != ASKER && file != LISTENER => {
                    "return the words: cli/voice.rs prints"
                }
                _ => continue,
            };
            breaches.push(breach(file, *line, format!("names `{word}`"), todo));
        }
    }
    breaches
}

/// Lints are listed once, in the manifest; what departs from them is an expectation with a reason; nothing is unsafe.
pub(crate) fn lints_are_listed_once(tree: &Tree) -> Vec<Breach> {
    let mut breaches = Vec::new();
    for (file, text) in tree.iter().filter(|(file, _)| file.ends_with(".rs")) {
        let Reading { code, said, .. } = &*reading(text);
        if file.starts_with("src/") {
            let unsafe_words = said.words.iter().filter(|(_, word, _)| word == "unsafe");
            breaches.extend(unsafe_words.map(|(line, ..)| breach(file, *line, "unsafe code", "leave it out")));
        }
        for attribute in attributes(code) {
            let line = line_of(text, attribute.start);
            let inside = squeezed(code.get(attribute).unwrap_or_default());
            let level = ["allow", "deny", "warn", "forbid"].into_iter().find(|it| inside.contains(&format!("{it}(")));
            if let Some(level) = level {
                let todo = "lints are listed in Cargo.toml; for one place: #[expect(…, reason = …)]";
                breaches.push(breach(file, line, format!("sets a lint to `{level}`"), todo));
            }
            if inside.contains("expect(") && !inside.contains("reason=") {
                breaches.push(breach(file, line, "an expectation without a reason", "add reason = \"…\""));
            }
        }
    }
    let manifest = tree.get("Cargo.toml").map(String::as_str).unwrap_or_default();
    if manifest_value(manifest, "lints.rust", "unsafe_code").as_deref() != Some("forbid") {
        breaches.push(breach("Cargo.toml", 1, "unsafe code is not forbidden", "[lints.rust] unsafe_code = \"forbid\""));
    }
    breaches
}

/// The word that a key has in a section of the manifest.
pub(crate) fn manifest_value(manifest: &str, section: &str, key: &str) -> Option<String> {
    let mut lines = manifest.lines().skip_while(|line| line.trim() != format!("[{section}]")).skip(1);
    let mut lines = lines.by_ref().take_while(|line| !line.starts_with('['));
    lines.find_map(|line| Some(line.strip_prefix(key)?.trim().strip_prefix('=')?.trim().trim_matches('"').to_owned()))
}

/// The network is named only by what the feature `k8s` compiles.
pub(crate) fn network_is_a_feature(tree: &Tree) -> Vec<Breach> {
    const SOCKETS: [&str; 5] = ["TcpStream", "TcpListener", "UdpSocket", "UnixStream", "UnixListener"];
    let todo = "the offline tool has no network: write #[cfg(feature = \"k8s\")] above this file's mod line (types of \
                addresses are in core::net)";
    let mut breaches = Vec::new();
    for (file, text) in sources(tree).filter(|(file, _)| !is_of_feature_k8s(tree, file)) {
        let said = &reading(text).said;
        for path in said.paths.iter().filter(|it| it.has(&["std", "net"]) || it.has(&["unix", "net"])) {
            breaches.push(breach(file, path.line, format!("names `{}`", path.text()), todo));
        }
        for (line, word, _) in said.words.iter().filter(|(_, word, _)| SOCKETS.contains(&word.as_str())) {
            breaches.push(breach(file, *line, format!("names `{word}`"), todo));
        }
    }
    breaches
}

fn is_of_feature_k8s(tree: &Tree, file: &str) -> bool {
    let Some((parent, _, attributes)) = mod_line(tree, file) else { return false };
    attributes.contains(&"#[cfg(feature = \"k8s\")]") || is_of_feature_k8s(tree, &parent)
}

/// No path of one machine, and nothing that lies beside the project.
pub(crate) fn paths_are_of_this_project(tree: &Tree) -> Vec<Breach> {
    // In two halves, so that this file does not break its own rule.
    let folders = [concat!("/wo", "rk/"), concat!("/ro", "ot/")];
    let beside = concat!("../sha", "red");
    let todo = "say it without a path of the machine that it was written on";
    let mut breaches = Vec::new();
    for (file, text) in tree {
        for (number, line) in (1..).zip(text.lines()) {
            let begins = |(at, _): (usize, &str)| {
                let before = line.get(..at).unwrap_or_default().chars().next_back();
                !before.is_some_and(|it| it.is_alphanumeric() || "_-.})/".contains(it))
            };
            let folder = folders.into_iter().find(|folder| line.match_indices(folder).any(begins));
            if let Some(found) = folder.or(line.contains(beside).then_some(beside)) {
                breaches.push(breach(file, number, format!("names {found}"), todo));
            }
        }
    }
    breaches
}

//! The pages are true as far as a test can hold it: links lead somewhere, every page can be found, every command is
//! explained, and what the reference says of files, modes, exit codes and floors is so.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may stop at what it does not expect")]
#![expect(clippy::disallowed_methods, reason = "pages are files, and so is what the quickstart makes")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};
use std::process::Command;

use clap::CommandFactory;
use meshca::cli::args::Arguments;
use meshca::cli::exit::Exit;

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        for target in links(&page) {
            assert!(target.exists(), "{} links to {}", page.display(), target.display());
        }
    }
}

#[test]
fn every_page_is_found_from_the_map() {
    let mut found = BTreeSet::new();
    let mut open = vec![PathBuf::from("docs/README.md")];
    while let Some(page) = open.pop() {
        if page.extension().is_some_and(|it| it == "md") && page.exists() && found.insert(page.clone()) {
            open.extend(links(&page));
        }
    }
    let lost: Vec<_> = pages().into_iter().filter(|page| page.starts_with("docs") && !found.contains(page)).collect();
    assert!(lost.is_empty(), "docs/README.md does not lead to {lost:?}");
}

#[test]
fn every_command_has_a_guide_and_its_help_is_a_case() {
    let guides: String = pages()
        .into_iter()
        .filter(|page| page.starts_with("docs/guide"))
        .map(|page| fs::read_to_string(page).unwrap())
        .collect();
    let (groups, commands) = commands();
    for command in &commands {
        let written = [format!("meshca {command}"), format!("`{command}`"), format!("mesh.yaml {command}")];
        assert!(written.iter().any(|it| guides.contains(it.as_str())), "no page of docs/guide names {command}");
    }
    let wanted: BTreeSet<_> = groups.union(&commands).map(|it| it.replace(' ', "-") + ".trycmd").collect();
    let there = fs::read_dir("tests/cli/help").unwrap();
    let there: BTreeSet<_> = there.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(there, wanted, "tests/cli/help");
}

#[test]
fn the_exit_codes_are_those_of_the_page() {
    let page = fs::read_to_string("docs/reference/exit-codes.md").unwrap();
    let listed: Vec<String> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split_once(" | "))
        .filter(|(code, _)| code.parse::<u8>().is_ok())
        .map(|(code, rest)| format!("{code} {}", rest.split(" | ").next().unwrap_or_default()))
        .collect();
    let mut codes: Vec<String> = [Exit::Fine, Exit::Error, Exit::Warning, Exit::Critical]
        .iter()
        .map(|exit| format!("{} {exit:?}", exit.number()))
        .collect();
    let usage = Command::new(env!("CARGO_BIN_EXE_meshca")).arg("no-such-command").output().unwrap();
    codes.push(format!("{} Usage", usage.status.code().unwrap()));
    codes.sort();
    assert_eq!(listed, codes);
    assert!(page.contains("the order is 4, 1, 3, 0"));
    let mut by_rank = [Exit::Fine, Exit::Error, Exit::Warning, Exit::Critical];
    by_rank.sort();
    assert_eq!(by_rank.map(Exit::number), [0, 3, 1, 4]);
}

#[test]
fn the_files_and_their_modes_are_those_of_the_page() {
    let page = fs::read_to_string("docs/reference/files.md").unwrap();
    let listed: Vec<&str> = page.split("```tree\n").nth(1).unwrap().split("```").next().unwrap().lines().collect();
    let lab = Path::new(env!("CARGO_TARGET_TMPDIR")).join("files-lab");
    let _ = fs::remove_dir_all(&lab);
    let moment = ["--at", "2026-11-23T10:00:00Z"];
    let (mesh_file, passphrase) = (lab.join("mesh.yaml"), lab.join("passphrase"));
    meshca(Command::new(env!("CARGO_BIN_EXE_meshca")).arg("quickstart").arg(&lab).args(moment));
    meshca(
        Command::new(env!("CARGO_BIN_EXE_meshca"))
            .arg("-f")
            .arg(&mesh_file)
            .args(["rotate", "--passphrase-file"])
            .arg(&passphrase)
            .args(moment),
    );
    let mut there = Vec::new();
    tree(&lab, &lab, &mut there);
    there.sort();
    let paths = |lines: &[(u32, String)]| lines.iter().map(|(_, path)| path.clone()).collect::<Vec<_>>();
    let mut wanted: Vec<(u32, String)> = listed
        .iter()
        .map(|line| line.split_once(' ').unwrap())
        .map(|(mode, path)| (u32::from_str_radix(mode, 8).unwrap_or(0), path.to_owned()))
        .collect();
    wanted.sort_by(|one, other| one.1.cmp(&other.1));
    there.sort_by(|one, other| one.1.cmp(&other.1));
    assert_eq!(paths(&there), paths(&wanted));
    for ((mode, path), (page, _)) in there.iter().zip(&wanted) {
        // The umask may take bits from the group and the others, and nothing may add any.
        assert!(mode & 0o700 == page & 0o700 && mode & !page == 0, "{path} is {mode:o}, and the page says {page:o}");
    }
}

#[test]
fn the_page_about_floors_names_what_is_there() {
    let page = fs::read_to_string("docs/ARCHITECTURE.md").unwrap();
    let named: BTreeSet<&str> = page.split('`').filter(|word| word.starts_with("src/")).collect();
    for path in &named {
        assert!(Path::new(path).exists(), "docs/ARCHITECTURE.md names {path}");
    }
    for entry in fs::read_dir("src").unwrap() {
        let path = entry.unwrap().path();
        let path = path.to_str().unwrap();
        let said = if Path::new(path).is_dir() {
            page.lines().any(|line| line.starts_with(&format!("## {path}: ")))
        } else {
            named.contains(path)
        };
        assert!(said, "docs/ARCHITECTURE.md does not describe {path}");
    }
}

#[test]
fn the_jobs_that_run_unattended_do_not_name_the_root_key() {
    for job in ["rotate", "publish", "report", "check", "inspect", "ledger_show"] {
        let text = fs::read_to_string(format!("src/jobs/{job}.rs")).unwrap();
        assert!(!text.contains("root_key") && !text.contains("root_create"), "src/jobs/{job}.rs");
    }
}

fn meshca(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Mode (0 for a link) and path of everything in this folder, with fixed words for what differs from run to run.
fn tree(top: &Path, path: &Path, found: &mut Vec<(u32, String)>) {
    let name = fixed(path.strip_prefix(top).unwrap());
    let kind = fs::symlink_metadata(path).unwrap();
    if kind.is_symlink() {
        found.push((0, format!("{name} -> {}", fixed(&fs::read_link(path).unwrap()))));
        return;
    }
    let name = if name.is_empty() { ".".to_owned() } else { name };
    found.push((kind.permissions().mode() & 0o777, name));
    if kind.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            tree(top, &entry.unwrap().path(), found);
        }
    }
}

fn fixed(path: &Path) -> String {
    let parts = path.components().map(|part| part.as_os_str().to_str().unwrap());
    parts.map(|part| if part.starts_with("..2") { "..TIME.RANDOM" } else { part }).collect::<Vec<_>>().join("/")
}

/// Groups of commands (and meshca itself), and the commands that can be run.
fn commands() -> (BTreeSet<String>, BTreeSet<String>) {
    let mut by_kind: BTreeMap<bool, BTreeSet<String>> = BTreeMap::new();
    let mut open = vec![(String::new(), Arguments::command())];
    while let Some((path, command)) = open.pop() {
        for under in command.get_subcommands() {
            open.push((format!("{path} {}", under.get_name()).trim().to_owned(), under.clone()));
        }
        let name = if path.is_empty() { "meshca".to_owned() } else { path };
        by_kind.entry(command.has_subcommands()).or_default().insert(name);
    }
    (by_kind[&true].clone(), by_kind[&false].clone())
}

fn pages() -> Vec<PathBuf> {
    let mut found = vec![PathBuf::from("README.md")];
    let mut folders = vec![PathBuf::from("docs"), PathBuf::from("pki-fixtures")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "md") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The targets of a page's links inside of the repository, as paths from its top.
fn links(page: &Path) -> Vec<PathBuf> {
    let text = fs::read_to_string(page).unwrap();
    // Every second piece is inside of a code block.
    let prose: String = text.split("```").step_by(2).collect();
    let mut pieces = prose.split("](");
    pieces.next();
    pieces
        .filter_map(|piece| piece.split(')').next())
        .filter_map(|target| target.split('#').next())
        .filter(|target| !target.is_empty() && !target.contains("://"))
        .map(|target| plain(&page.parent().unwrap().join(target)))
        .collect()
}

fn plain(path: &Path) -> PathBuf {
    let mut made = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                made.pop();
            }
            Component::CurDir => {}
            other => made.push(other),
        }
    }
    made
}

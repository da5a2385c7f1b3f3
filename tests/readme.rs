//! The first page makes two promises: one command does the main job, one runs every test. Neither can be run by a test of
//! itself, so here they are held to be the documented ones, and to lead where they should.

use clap::Parser;
use meshca::cli::args::Arguments;

const README: &str = include_str!("../README.md");
const CI: &str = include_str!("../.ci/run");
const TEST_COMMAND: &str = "tests/run";

fn commands() -> Vec<&'static str> {
    let mut blocks = README.split("```sh\n");
    blocks.next();
    blocks.filter_map(|block| block.split("```").next()).flat_map(str::lines).collect()
}

#[test]
fn the_readme_has_two_commands() {
    assert_eq!(commands(), ["cargo run --release --locked -- quickstart", TEST_COMMAND]);
}

#[test]
fn what_cargo_runs_is_a_command_of_meshca() {
    let words = commands().into_iter().find_map(|command| command.strip_prefix("cargo run --release --locked -- "));
    let parsed = words.map(|words| Arguments::try_parse_from(["meshca"].into_iter().chain(words.split(' '))));
    assert!(matches!(parsed, Some(Ok(_))), "{parsed:?}");
}

#[test]
fn ci_runs_the_test_command_of_the_readme_and_nothing_else() {
    let last = CI.lines().last();
    assert_eq!(last, Some(format!("exec {TEST_COMMAND}").as_str()));
}

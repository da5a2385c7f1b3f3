//! The program: arguments, one `now`, a command, an exit code.

use std::process::ExitCode;

use clap::Parser;
use meshca::cli::args::Arguments;
use meshca::cli::run::run;
use meshca::world::{clock, core_dump};

fn main() -> ExitCode {
    core_dump::switch_off();
    run(Arguments::parse(), clock::now()).into()
}

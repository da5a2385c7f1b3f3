//! The one place that prints. Results go to standard output, words to standard error. A reader that went away
//! (`| head`) is no error; a result that cannot be written for another reason is lost, and that is one.

#![expect(clippy::disallowed_methods, reason = "whether colour is wanted stands in the environment (no-color.org)")]

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::Path;

use serde::Serialize;

use crate::cli::args::Shared;
use crate::cli::{document, problem_words, remedy_words};
use crate::problem::{Code, Problem};
use crate::world::files;

/// What is allowed to be said, and how.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// Only problems, and results that are asked for or are no good news.
    pub quiet: bool,
    /// Whether a result is not worth a word.
    hushed: bool,
    /// Colour in results: only on a terminal, and not under `NO_COLOR` or `TERM=dumb`.
    pub colour: bool,
}

impl Voice {
    /// A voice for this process.
    #[must_use]
    pub fn new(quiet: bool, no_color: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let colour = !no_color && !dumb && !set("NO_COLOR") && !set("MESHCA_NO_COLOR");
        Self { quiet, hushed: false, colour: colour && std::io::stdout().is_terminal() }
    }

    /// The voice for a result: good news is kept back from those who want only problems.
    #[must_use]
    pub const fn about(self, is_good_news: bool) -> Self {
        Self { hushed: self.quiet && is_good_news, ..self }
    }

    /// Whether results are shown on a terminal.
    #[must_use]
    pub fn is_on_a_terminal(self) -> bool {
        std::io::stdout().is_terminal()
    }

    /// A voice that says only problems.
    #[must_use]
    pub const fn silent(self) -> Self {
        Self { quiet: true, ..self }
    }

    /// The voice for a result that a machine waits for.
    #[must_use]
    pub const fn loud(self) -> Self {
        Self { hushed: false, ..self }
    }

    /// A result, to standard output.
    ///
    /// # Errors
    /// `output-failed`: the disk that it goes to is full, say.
    pub fn result(self, text: &str) -> Result<(), Problem> {
        if self.hushed {
            return Ok(());
        }
        match write_line(&mut std::io::stdout().lock(), text) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Problem::new(
                Code::OutputFailed,
                format!("standard output cannot be written: {}", files::words(&error)),
            )
            .hint("look where standard output goes, and whether there is room (df -h)")),
            _ => Ok(()),
        }
    }

    /// A result in the wished form: a document for machines, or words for people.
    ///
    /// # Errors
    /// As [`document::written`] and [`Voice::result`].
    pub(in crate::cli) fn answer(
        self,
        shared: &Shared,
        document: &impl Serialize,
        words: impl Fn() -> String,
    ) -> Result<(), Vec<Problem>> {
        let written = document::written(document, shared.output).and_then(|text| match text {
            Some(text) => self.loud().result(&text),
            None => self.result(&words()),
        });
        written.map_err(|problem| vec![problem])
    }

    /// Words, to standard error, unless only problems are wanted.
    pub fn words(self, text: &str) {
        if !self.quiet {
            self.problem(text);
        }
    }

    /// Errors, to standard error, always; and below them what somebody could apply so that they do not come again.
    pub(in crate::cli) fn errors<'p>(self, problems: impl IntoIterator<Item = &'p Problem> + Clone, mesh_file: &Path) {
        for problem in problems.clone() {
            self.problem(&problem_words::error(problem, mesh_file));
        }
        self.remedies(problems, mesh_file);
    }

    /// What somebody could apply so that problems that were told do not come again.
    pub(in crate::cli) fn remedies<'p>(self, problems: impl IntoIterator<Item = &'p Problem>, mesh_file: &Path) {
        if let Some(text) = remedy_words::remedies(problems, mesh_file) {
            self.problem(&text);
        }
    }

    /// A problem, to standard error, always.
    pub fn problem(self, text: &str) {
        let _ = write_line(&mut std::io::stderr().lock(), text);
    }
}

fn write_line(to: &mut impl Write, text: &str) -> std::io::Result<()> {
    to.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        to.write_all(b"\n")?;
    }
    to.flush()
}

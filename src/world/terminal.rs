//! Asks people on a terminal, and shows them how far long work has come. Where there is none, nothing is asked or shown.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::problem::{Code, Problem};

/// Asks a question on the terminal and returns the line that was typed. `option` is what answers it without a terminal.
///
/// # Errors
/// `no-terminal`.
pub fn ask(question: &str, option: &str) -> Result<String, Problem> {
    let nobody = || Problem::new(Code::NoTerminal, "there is no terminal to ask on").hint(option);
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Err(nobody());
    }
    let mut error = std::io::stderr().lock();
    let _ = error.write_all(question.as_bytes()).and_then(|()| error.flush());
    let mut line = String::new();
    input.lock().read_line(&mut line).map_err(|_| nobody())?;
    Ok(line)
}

/// How far long work has come: one line on a terminal, gone when the work is done. Silent in a pipe and for little work.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: usize,
    done: AtomicUsize,
    is_shown: bool,
}

/// From this many items on, people wonder whether anything happens.
const LONG: usize = 20;

impl Progress {
    /// Work on so many items. `wanted` is false where the user asked for silence.
    #[must_use]
    pub fn new(what: &'static str, total: usize, wanted: bool) -> Self {
        let is_shown = wanted && total >= LONG && std::io::stderr().is_terminal();
        Self { what, total, done: AtomicUsize::new(0), is_shown }
    }

    /// One more item is done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if self.is_shown {
            self.show(&format!("{} {done} of {}", self.what, self.total));
        }
    }

    fn show(&self, line: &str) {
        // To the beginning of the line, and clear it.
        let mut error = std::io::stderr().lock();
        let _ = write!(error, "\r\u{1b}[2K{line}").and_then(|()| error.flush());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            self.show("");
        }
    }
}

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

/// A text in place of whatever the terminal shows, without a flicker: each line clears what is left of the one before.
#[must_use]
pub fn screen(text: &str) -> String {
    let lines = text.replace('\n', "\u{1b}[K\n");
    format!("\u{1b}[H{lines}\u{1b}[J")
}

/// How far long work has come: a line on a terminal for each item as its turn comes, over the one before, and gone when the
/// work is done. Silent in a pipe and for little work.
#[derive(Debug)]
pub struct Progress {
    what: &'static str,
    total: usize,
    begun: AtomicUsize,
    is_shown: bool,
}

/// From this many items on, people wonder whether anything happens.
const LONG: usize = 20;

impl Progress {
    /// Work on so many items. `wanted` is false where the user asked for silence.
    #[must_use]
    pub fn new(what: &'static str, total: usize, wanted: bool) -> Self {
        let is_shown = wanted && total >= LONG && std::io::stderr().is_terminal();
        Self { what, total, begun: AtomicUsize::new(0), is_shown }
    }

    /// The turn of one more item, of this name.
    pub fn step(&self, name: &str) {
        if self.is_shown {
            // Counted with the terminal in hand, so that no line comes after a later one.
            let error = std::io::stderr().lock();
            let begun = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
            show(error, &format!("{} {begun} of {}: {name}", self.what, self.total));
        }
    }
}

/// The longest line: one that breaks could not be written over.
const WIDTH: usize = 79;

fn show(mut error: std::io::StderrLock<'_>, line: &str) {
    // To the beginning of the line, and clear it.
    let _ = write!(error, "\r\u{1b}[2K{line:.WIDTH$}").and_then(|()| error.flush());
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.is_shown {
            show(std::io::stderr().lock(), "");
        }
    }
}

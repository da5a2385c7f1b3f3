//! Asks people on a terminal. Nothing is asked where there is none.

use std::io::{BufRead, IsTerminal, Write};

use crate::problem::{Code, Problem};

/// Asks a question on the terminal and returns the line that was typed.
///
/// # Errors
/// `no-terminal`.
pub fn ask(question: &str) -> Result<String, Problem> {
    let nobody = || Problem::new(Code::NoTerminal, "there is no terminal to ask on").hint("--confirm NAME");
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

//! A terminal for a command, which `script` of util-linux makes.

use std::process::Command;

/// This command on a terminal of its own. The working folder is the caller's to choose.
pub(crate) fn on_terminal(command: &Command) -> Command {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<String> = words.map(|word| format!("'{}'", word.display())).collect();
    let mut script = Command::new("script");
    // Whatever the shell: one that stayed in between would be what Ctrl-C ends, and its exit code the one that is seen.
    script.args(["-qec", &format!("exec {}", words.join(" ")), "/dev/null"]);
    script
}

//! Where passphrases come from: a terminal, or a file. Never an argument, never the environment.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use crate::pki::secret::Passphrase;
use crate::problem::{Code, Problem};
use crate::world::files;

/// Where one passphrase comes from. Nothing is read before it is needed, and nothing is read or asked twice: an open
/// descriptor gives its line once, and people are asked once, however many keys the passphrase opens.
#[derive(Debug)]
pub struct PassphraseSource {
    origin: Origin,
    given: Mutex<Option<Passphrase>>,
}

#[derive(Debug)]
enum Origin {
    /// The first line of a file; `/dev/fd/N` reads an open descriptor.
    File(PathBuf),
    /// The terminal, without showing what is typed.
    Terminal,
}

/// The longest passphrase that is read, in bytes.
const LONGEST: usize = 4096;

/// The shortest passphrase that a new key is sealed with, in bytes.
const SHORTEST_NEW: usize = 12;

impl PassphraseSource {
    /// From `--passphrase-file`, else from the terminal.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        Self { origin: file.map_or(Origin::Terminal, Origin::File), given: Mutex::new(None) }
    }

    /// Already known: the quickstart made it up itself, and nobody is asked.
    #[must_use]
    pub const fn known(passphrase: Passphrase) -> Self {
        Self { origin: Origin::Terminal, given: Mutex::new(Some(passphrase)) }
    }

    /// The passphrase of a key that is already sealed. `whose` names the key for the prompt.
    ///
    /// # Errors
    /// `passphrase-needed`, when there is neither file nor terminal, or it is empty; `file-unreadable`.
    pub fn existing(&self, whose: &str) -> Result<Passphrase, Problem> {
        self.give(whose).map(|(passphrase, _)| passphrase)
    }

    /// The passphrase, and whether it was typed just now.
    fn give(&self, whose: &str) -> Result<(Passphrase, bool), Problem> {
        // Held while people are asked, so that of several threads only one asks. A panic elsewhere leaves it as it was.
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(passphrase) = &*given {
            return Ok((passphrase.clone(), false));
        }
        let (passphrase, is_typed) = match &self.origin {
            Origin::File(path) => {
                let text = files::read(path, LONGEST)?;
                let line = text.expose().split(|byte| *byte == b'\n').next().unwrap_or_default();
                (Passphrase::new(line.to_vec()), false)
            }
            Origin::Terminal => (ask(&format!("Passphrase of {whose}: "))?, true),
        };
        if passphrase.is_empty() {
            return Err(Problem::new(Code::PassphraseNeeded, format!("the passphrase of {whose} is empty"))
                .hint("it is the first line of --passphrase-file FILE, or what is typed"));
        }
        *given = Some(passphrase.clone());
        Ok((passphrase, is_typed))
    }

    /// Refuses a new passphrase that is the one that this source has given: where this one opened the root key, whoever
    /// can open the newly sealed key could open the root's as well.
    ///
    /// # Errors
    /// `passphrase-shared`.
    pub fn refuse_for(&self, new: &Passphrase, whose: &str) -> Result<(), Problem> {
        let given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        if !given.as_ref().is_some_and(|given| given.is(new)) {
            return Ok(());
        }
        Err(Problem::new(Code::PassphraseShared, format!("the passphrase of {whose} is the root's as well"))
            .fact("whoever opens the one key could then open the other")
            .hint("openssl rand -base64 24   makes another one"))
    }

    /// A passphrase for a key that is about to be sealed: at least 12 bytes, and typed twice on a terminal.
    ///
    /// # Errors
    /// As [`PassphraseSource::existing`]; `passphrase-refused`, when it is too short or typed differently.
    pub fn new_one(&self, whose: &str) -> Result<Passphrase, Problem> {
        let (passphrase, is_typed) = self.give(whose)?;
        if passphrase.len() < SHORTEST_NEW {
            return Err(Problem::new(
                Code::PassphraseRefused,
                format!(
                    "the passphrase of {whose} has {} bytes, and a new one needs at least {SHORTEST_NEW}",
                    passphrase.len()
                ),
            )
            .hint("openssl rand -base64 24   makes a good one"));
        }
        if is_typed && !ask("The same once more: ")?.is(&passphrase) {
            return Err(Problem::new(Code::PassphraseRefused, "the two passphrases differ").hint("type the same twice"));
        }
        Ok(passphrase)
    }
}

fn ask(prompt: &str) -> Result<Passphrase, Problem> {
    let nobody = || {
        Problem::new(Code::PassphraseNeeded, "a passphrase is needed, and there is no terminal to ask on")
            .hint("--passphrase-file FILE   (or /dev/fd/N)")
    };
    if !std::io::stdin().is_terminal() {
        return Err(nobody());
    }
    rpassword::prompt_password(prompt).map(|typed| Passphrase::new(typed.into_bytes())).map_err(|_| nobody())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Passphrase::new(text.as_bytes().to_vec())
    }

    #[test]
    fn a_passphrase_that_was_given_for_the_root_is_refused_for_another_key_wherever_both_came_from() {
        let root = PassphraseSource::known(passphrase("of the root key"));
        let problem = root.refuse_for(&passphrase("of the root key"), "the new issuing key").unwrap_err();
        assert_eq!(problem.code(), Code::PassphraseShared);
        assert!(problem.what().contains("the new issuing key") && problem.advice().is_some(), "{problem:?}");
        assert!(!format!("{problem:?} {root:?}").contains("of the root key"), "{problem:?} {root:?}");
        assert_eq!(root.refuse_for(&passphrase("of another key"), "the new issuing key"), Ok(()));
    }

    #[test]
    fn a_passphrase_that_was_never_given_is_no_other() {
        let unread = PassphraseSource::new(Some("not-there".into()));
        assert_eq!(unread.refuse_for(&passphrase(""), "the new issuing key"), Ok(()));
    }
}

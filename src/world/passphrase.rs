//! Where passphrases come from: a terminal, or a file. Never an argument, never the environment.

use std::io::IsTerminal;
use std::path::PathBuf;

use crate::pki::secret::Passphrase;
use crate::problem::{Code, Problem};
use crate::world::files;

/// Where one passphrase comes from. Nothing is read before it is needed.
#[derive(Debug, Clone)]
pub enum PassphraseSource {
    /// The first line of a file; `/dev/fd/N` reads an open descriptor.
    File(PathBuf),
    /// The terminal, without showing what is typed.
    Terminal,
    /// Already known: the quickstart made it up itself.
    Known(Passphrase),
}

/// The longest passphrase that is read, in bytes.
const LONGEST: usize = 4096;

/// The shortest passphrase that a new key is sealed with, in bytes.
const SHORTEST_NEW: usize = 12;

impl PassphraseSource {
    /// From `--passphrase-file`, else from the terminal.
    #[must_use]
    pub fn new(file: Option<PathBuf>) -> Self {
        file.map_or(Self::Terminal, Self::File)
    }

    /// The passphrase of a key that is already sealed. `whose` names the key for the prompt.
    ///
    /// # Errors
    /// `passphrase-needed`, when there is neither file nor terminal, or it is empty; `file-unreadable`.
    pub fn existing(&self, whose: &str) -> Result<Passphrase, Problem> {
        let passphrase = match self {
            Self::Known(passphrase) => passphrase.clone(),
            Self::File(path) => {
                let text = files::read(path, LONGEST)?;
                let line = text.expose().split(|byte| *byte == b'\n').next().unwrap_or_default();
                Passphrase::new(line.to_vec())
            }
            Self::Terminal => ask(&format!("Passphrase of {whose}: "))?,
        };
        if passphrase.is_empty() {
            return Err(Problem::new(Code::PassphraseNeeded, format!("the passphrase of {whose} is empty"))
                .hint("it is the first line of --passphrase-file FILE, or what is typed"));
        }
        Ok(passphrase)
    }

    /// Refuses one passphrase for two keys that must not open each other's door. Only two files can be compared without
    /// asking people twice; what they type is theirs.
    ///
    /// # Errors
    /// `passphrase-refused`, `file-unreadable`.
    pub fn differs_from(&self, other: &Self, whose: &str) -> Result<(), Problem> {
        let (Self::File(one), Self::File(two)) = (self, other) else { return Ok(()) };
        let comparable = files::is_regular(one) && files::is_regular(two);
        if !comparable || !self.existing(whose)?.is(&other.existing(whose)?) {
            return Ok(());
        }
        Err(Problem::new(Code::PassphraseRefused, format!("the root's passphrase must not open {whose}"))
            .fact(format!("the same in  {} and {}", one.display(), two.display()))
            .hint("openssl rand -base64 24   makes another one"))
    }

    /// A passphrase for a key that is about to be sealed: at least 12 bytes, and typed twice on a terminal.
    ///
    /// # Errors
    /// As [`PassphraseSource::existing`]; `passphrase-refused`, when it is too short or typed differently.
    pub fn new_one(&self, whose: &str) -> Result<Passphrase, Problem> {
        let passphrase = self.existing(whose)?;
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
        if matches!(self, Self::Terminal) && !ask("The same once more: ")?.is(&passphrase) {
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

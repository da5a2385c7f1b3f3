//! Exit codes, in one list. Of several, the order is 4, 1, 3, 0.

use std::process::ExitCode;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// 0: fine.
    Fine,
    /// 3: a warning.
    Warning,
    /// 1: an error, or something that could not be seen.
    Error,
    /// 4: critical, or expired.
    Critical,
}

impl Exit {
    /// The number that the shell sees. 2 is for usage and comes from the command line's parser.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Exit::Fine => 0,
            Exit::Error => 1,
            Exit::Warning => 3,
            Exit::Critical => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}

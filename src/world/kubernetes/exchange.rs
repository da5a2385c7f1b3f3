//! What is asked of an API server, and what it answers.

use std::time::Duration;

use crate::pki::secret::Secret;

/// One object that is asked for: its path at the API server, and how people and rules call it.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// The path of its kind, in its namespace if it has one.
    pub(super) path: String,
    /// `secrets`, as in a rule of a Role.
    pub(super) resource: &'static str,
    /// Its name.
    pub(super) name: String,
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Patch,
    Create,
}

impl Verb {
    /// The verb of a rule.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::Patch => "patch",
            Verb::Create => "create",
        }
    }
}

/// One answer: what a status code says, and the bytes, which may hold a private key.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Secret,
    /// The pause that the server asks for.
    pub(super) retry_after: Option<Duration>,
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.resource, self.name)
    }
}

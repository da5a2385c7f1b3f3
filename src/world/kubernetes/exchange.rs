//! What is asked of an API server, and what it answers.

use std::time::Duration;

use time::macros::format_description;
use time::{OffsetDateTime, PrimitiveDateTime};

use crate::pki::secret::Secret;

/// One object that is asked for: its path at the API server, and how people and rules call it.
#[derive(Debug, Clone)]
pub(super) struct Object {
    /// The path of its kind, in its namespace if it has one.
    pub(super) path: String,
    /// `secrets`, as in a rule of a Role.
    pub(super) resource: &'static str,
    /// Its name; empty: all of its kind that are chosen by a label.
    pub(super) name: String,
}

impl Object {
    /// The group of its kind; the core group has an empty name.
    pub(super) fn group(&self) -> &str {
        self.path.strip_prefix("/apis/").and_then(|rest| rest.split('/').next()).unwrap_or_default()
    }
}

/// What is done to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    List,
    Patch,
    Create,
}

impl Verb {
    /// The verb of a rule.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Patch => "patch",
            Verb::Create => "create",
        }
    }

    /// Whether it changes nothing, so that it may be made again whatever became of it.
    pub(super) const fn is_read(self) -> bool {
        matches!(self, Verb::Get | Verb::List)
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

/// The moment in a header `Date`, UTC; `None`: it is not in the one form that servers send (RFC 9110, §5.6.7).
pub(super) fn date(text: &str) -> Option<OffsetDateTime> {
    let format =
        format_description!("[weekday repr:short], [day] [month repr:short] [year] [hour]:[minute]:[second] GMT");
    PrimitiveDateTime::parse(text, format).ok().map(PrimitiveDateTime::assume_utc)
}

impl std::fmt::Display for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name.as_str() {
            "" => f.write_str(self.resource),
            name => write!(f, "{}/{name}", self.resource),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_an_object_stands_in_its_path() {
        let group = |path: &str| Object { path: path.to_owned(), resource: "", name: String::new() }.group().to_owned();
        assert_eq!(group("/api/v1/namespaces/istio-system/secrets"), "");
        assert_eq!(group("/apis/apps/v1/namespaces/istio-system/deployments"), "apps");
        assert_eq!(group("/apis/certificates.k8s.io/v1/clustertrustbundles"), "certificates.k8s.io");
    }

    #[test]
    fn a_date_is_read_as_servers_write_it_and_in_no_other_form() {
        let wanted = time::macros::datetime!(2026-11-23 08:05:09 UTC);
        assert_eq!(date("Mon, 23 Nov 2026 08:05:09 GMT"), Some(wanted));
        for other in ["", "Mon, 23 Nov 2026 08:05:09 +0100", "Mon, 23 Nov 2026 08:05:60 GMT", "2026-11-23T08:05:09Z"] {
            assert_eq!(date(other), None, "{other}");
        }
    }
}

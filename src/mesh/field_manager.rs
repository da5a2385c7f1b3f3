//! Who wrote what of an object, as Kubernetes keeps it (`metadata.managedFields`), and under which names meshca writes.
//!
//! Kubernetes, "Server-Side Apply": each field belongs to the managers that applied it last.

use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Under which name meshca replaces what is its own.
pub const FIELD_MANAGER: &str = "meshca";

/// Under which names meshca creates: this and something that is used once, so that the second of two creators meets
/// a conflict instead of success.
pub const CREATOR: &str = "meshca-create-";

/// One entry of `metadata.managedFields`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldManager {
    /// Its name.
    #[serde(default)]
    pub manager: String,
    time: Option<String>,
    fields_v1: Option<Fields>,
}

/// The fields of an entry, as far as they matter: values of a Secret or ConfigMap.
#[derive(Debug, Clone, Deserialize)]
struct Fields {
    #[serde(rename = "f:data")]
    data: Option<serde::de::IgnoredAny>,
}

impl FieldManager {
    /// Whether meshca writes under this name.
    #[must_use]
    pub fn is_ours(&self) -> bool {
        self.manager == FIELD_MANAGER || self.manager.starts_with(CREATOR)
    }

    /// Whether it wrote a value, and not only labels or annotations.
    #[must_use]
    pub fn owns_values(&self) -> bool {
        self.fields_v1.as_ref().is_some_and(|fields| fields.data.is_some())
    }

    /// When it wrote last, UTC; `None`: it is not said.
    #[must_use]
    pub fn time(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::parse(self.time.as_deref()?, &Rfc3339).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(name: &str, fields: &str) -> FieldManager {
        let text = format!(r#"{{"manager":"{name}","time":"2026-11-23T10:00:00Z","fieldsV1":{fields}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn ours_are_meshca_and_the_names_that_create_once_and_nothing_that_begins_alike() {
        for (name, ours) in [("meshca", true), ("meshca-create-5f3a", true), ("meshca2", false), ("kubectl", false)] {
            assert_eq!(manager(name, "{}").is_ours(), ours, "{name}");
        }
    }

    #[test]
    fn only_who_wrote_a_value_owns_values() {
        assert!(manager("helm", r#"{"f:data":{"f:ca-cert.pem":{}}}"#).owns_values());
        assert!(!manager("kubectl-annotate", r#"{"f:metadata":{"f:annotations":{"f:x":{}}}}"#).owns_values());
    }

    #[test]
    fn the_time_is_read_as_the_server_writes_it() {
        assert_eq!(manager("meshca", "{}").time(), Some(time::macros::datetime!(2026-11-23 10:00:00 UTC)));
    }
}

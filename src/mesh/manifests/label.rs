//! The labels of what meshca prints.

use std::collections::BTreeMap;

/// Labels.
pub(in crate::mesh) type Labels = BTreeMap<&'static str, String>;

/// The labels that everything of meshca has.
pub(in crate::mesh) fn labels() -> Labels {
    [("app.kubernetes.io/name", "meshca".to_owned())].into_iter().collect()
}

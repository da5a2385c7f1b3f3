//! The name of the label that names the cluster: `cluster`, unless somebody else's metrics already mean something else by it.

use std::borrow::Cow;

/// The label's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClusterLabel(Cow<'static, str>);

/// Names that a scrape gives to series by itself, and those of our other labels: ours would be renamed or lost.
const TAKEN: [&str; 22] = [
    "container",
    "endpoint",
    "fingerprint",
    "grade",
    "instance",
    "issuer_cn",
    "job",
    "key_algorithm",
    "kind",
    "namespace",
    "node",
    "outcome",
    "pod",
    "reason",
    "revision",
    "role",
    "serial",
    "service",
    "stage",
    "subject_cn",
    "tier",
    "version",
];

impl ClusterLabel {
    /// What alert rules in the field ask for.
    pub const USUAL: Self = Self(Cow::Borrowed("cluster"));

    /// A name that Prometheus takes and that nothing else has; `None`: it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut letters = text.bytes();
        let begins = letters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
        let goes_on = letters.all(|letter| letter.is_ascii_alphanumeric() || letter == b'_');
        let is_free = !text.starts_with("__") && !TAKEN.contains(&text);
        (begins && goes_on && is_free && text.len() <= 63).then(|| Self(Cow::Owned(text.to_owned())))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::metrics::FAMILIES;

    #[test]
    fn a_label_is_what_prometheus_takes_and_no_other_label_of_ours() {
        for name in ["cluster", "mesh_cluster", "_c", "k8s_cluster_name", &"a".repeat(63)] {
            assert_eq!(ClusterLabel::parse(name).as_ref().map(ClusterLabel::as_str), Some(name));
        }
        for name in ["", "1c", "a-b", "a.b", "ä", "__name__", "__c", "a b", "instance", "pod", &"a".repeat(64)] {
            assert_eq!(ClusterLabel::parse(name), None, "{name}");
        }
        for label in FAMILIES.iter().flat_map(|family| family.labels).filter(|label| **label != "cluster") {
            assert_eq!(ClusterLabel::parse(label), None, "{label} is another label of ours");
        }
    }
}

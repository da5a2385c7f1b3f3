//! The labels of what meshca prints.

use std::borrow::Cow;
use std::collections::BTreeMap;

/// Labels.
pub(in crate::mesh) type Labels = BTreeMap<Cow<'static, str>, String>;

/// The labels that everything of meshca has.
pub(in crate::mesh) fn labels() -> Labels {
    [(Cow::Borrowed("app.kubernetes.io/name"), "meshca".to_owned())].into_iter().collect()
}

/// The labels of a pod that is this part of meshca. No sidecar: it would hold the pod up, and nothing here needs the mesh.
pub(in crate::mesh) fn pod_labels(part: &str) -> Labels {
    let more = [("app.kubernetes.io/component", part.to_owned()), ("sidecar.istio.io/inject", "false".to_owned())];
    labels().into_iter().chain(more.map(|(name, value)| (Cow::Borrowed(name), value))).collect()
}

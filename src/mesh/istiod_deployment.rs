//! What istiod's own Deployments say about it: settings that a root change has to reckon with, and when it was restarted.

use time::{Duration, OffsetDateTime};

use crate::problem::Problem;

/// What the Deployments of one istiod say, all revisions of its namespace together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IstiodDeployment {
    /// The longest life of a workload certificate that it signs (`MAX_WORKLOAD_CERT_TTL` of the discovery container), of
    /// several revisions the longest. `Ok(None)`: not set there, so that Istio's default of 90 days holds. An error: it
    /// comes from elsewhere or is no duration, so that it is not known.
    pub max_workload_ttl: Result<Option<Duration>, Problem>,
    /// Whether multi-root is on (`ISTIO_MULTIROOT_MESH`): true only where every revision has it on. `None`: no revision
    /// says it in a way that can be read, so that Istio's default, off, is to be reckoned with.
    pub multi_root: Option<bool>,
    /// When it was last restarted as `kubectl rollout restart` does it, UTC; of several revisions the one that was
    /// restarted longest ago. `None`: one of them never was. That its replicas came up since is not said by it.
    pub restarted_at: Option<OffsetDateTime>,
    /// The names of the Deployments, in order; empty: the namespace has none.
    pub names: Vec<String>,
}

//! A Lease (Kubernetes, `coordination.k8s.io/v1`) as replicas read it, and what one of them does about it.
//!
//! No two clocks are compared: a Lease has run out when it was seen unchanged for as long as it says, by the clock of
//! who saw it. It keeps replicas from working at the same time; it protects nothing. That no write is lost is ensured by
//! the version that each write names.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use time::{OffsetDateTime, UtcOffset};

use crate::pki::moment::utc;
use crate::pki::secret::Secret;

/// A Lease, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    uid: String,
    version: String,
    spec: Spec,
}

#[derive(Deserialize)]
struct Raw {
    kind: String,
    metadata: RawMetadata,
    #[serde(default)]
    spec: Spec,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawMetadata {
    uid: String,
    resource_version: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    #[serde(skip_serializing_if = "Option::is_none")]
    holder_identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_duration_seconds: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acquire_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    renew_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease_transitions: Option<u32>,
}

/// What a replica does about a Lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// It is its own already.
    Renew,
    /// Nobody has it any more.
    Take,
    /// Somebody has it.
    StandBy,
}

/// Who writes a Lease, and for how long.
#[derive(Debug, Clone)]
pub struct Claim<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The replica.
    pub identity: &'a str,
    /// How long after the last sign of it another may take the Lease.
    pub duration: Duration,
}

impl Lease {
    /// Reads what an API server answers. `None`: it is not a Lease.
    #[must_use]
    pub fn from_json(text: &Secret) -> Option<Self> {
        let raw: Raw = serde_json::from_slice(text.expose()).ok()?;
        let RawMetadata { uid, resource_version: version } = raw.metadata;
        (raw.kind == "Lease").then_some(Self { uid, version, spec: raw.spec })
    }

    /// Who has it; `None`: nobody.
    #[must_use]
    pub fn holder(&self) -> Option<&str> {
        self.spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// What this replica does about it, having seen exactly this for so long.
    #[must_use]
    pub fn turn(&self, me: &str, unchanged: Duration) -> Move {
        let lasts = Duration::from_secs(self.spec.lease_duration_seconds.unwrap_or_default().into());
        match self.holder() {
            Some(holder) if holder == me => Move::Renew,
            Some(_) if unchanged < lasts => Move::StandBy,
            _ => Move::Take,
        }
    }

    /// The body of a server-side apply that makes it this replica's for another while, if it still is what was seen.
    #[must_use]
    pub fn taken(&self, claim: &Claim<'_>, now: OffsetDateTime) -> Secret {
        let is_mine = self.holder() == Some(claim.identity);
        let before = self.spec.lease_transitions.unwrap_or_default();
        let seconds = u32::try_from(claim.duration.as_secs()).unwrap_or(u32::MAX);
        let acquired = self.spec.acquire_time.clone().filter(|_| is_mine);
        let spec = Spec {
            holder_identity: Some(claim.identity.to_owned()),
            lease_duration_seconds: Some(seconds),
            acquire_time: Some(acquired.unwrap_or_else(|| micro(now))),
            renew_time: Some(micro(now)),
            lease_transitions: Some(before.saturating_add(u32::from(!is_mine))),
        };
        self.body(claim, &spec)
    }

    /// The body that lets go of it, so that nobody has to wait until it has run out.
    #[must_use]
    pub fn let_go(&self, claim: &Claim<'_>) -> Secret {
        let spec = Spec { lease_transitions: self.spec.lease_transitions, ..Spec::default() };
        self.body(claim, &spec)
    }

    fn body(&self, claim: &Claim<'_>, spec: &Spec) -> Secret {
        let Claim { namespace, name, .. } = claim;
        let metadata =
            json!({ "name": name, "namespace": namespace, "uid": self.uid, "resourceVersion": self.version });
        body(&json!({ "apiVersion": VERSION, "kind": "Lease", "metadata": metadata, "spec": spec }))
    }
}

const VERSION: &str = "coordination.k8s.io/v1";

/// The body that makes a Lease which nobody has. Applied under a name of its own, it takes nothing from anybody who was
/// faster.
#[must_use]
pub fn unclaimed(claim: &Claim<'_>) -> Secret {
    let labels = json!({ "app.kubernetes.io/name": "meshca" });
    let metadata = json!({ "name": claim.name, "namespace": claim.namespace, "labels": labels });
    body(&json!({ "apiVersion": VERSION, "kind": "Lease", "metadata": metadata }))
}

fn body(value: &serde_json::Value) -> Secret {
    Secret::new(value.to_string().into_bytes())
}

/// Kubernetes' `MicroTime`: exactly six digits of a second.
pub(in crate::mesh) fn micro(moment: OffsetDateTime) -> String {
    let moment = moment.checked_to_offset(UtcOffset::UTC).unwrap_or(moment);
    let seconds = utc(moment);
    format!("{}.{:06}Z", seconds.trim_end_matches('Z'), moment.microsecond())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use time::macros::datetime;

    fn lease(spec: &Value) -> Lease {
        let metadata = json!({ "uid": "u1", "resourceVersion": "7", "name": "x" });
        Lease::from_json(&body(&json!({ "kind": "Lease", "metadata": metadata, "spec": spec }))).unwrap()
    }

    fn claim() -> Claim<'static> {
        Claim { namespace: "meshca", name: "rotate", identity: "pod-1", duration: Duration::from_secs(30) }
    }

    fn read(body: &Secret) -> Value {
        serde_json::from_slice(body.expose()).unwrap()
    }

    const NOW: OffsetDateTime = datetime!(2026-11-24 10:00:00.000042 UTC);

    #[test]
    fn a_lease_is_taken_only_when_it_was_seen_unchanged_for_as_long_as_it_says() {
        let of_other = lease(&json!({ "holderIdentity": "pod-2", "leaseDurationSeconds": 30 }));
        for (unchanged, wanted) in [(0, Move::StandBy), (29, Move::StandBy), (30, Move::Take)] {
            assert_eq!(of_other.turn("pod-1", Duration::from_secs(unchanged)), wanted, "{unchanged}");
        }
        assert_eq!(of_other.turn("pod-2", Duration::ZERO), Move::Renew);
        for free in [json!({}), json!({ "holderIdentity": "", "leaseDurationSeconds": 30 })] {
            assert_eq!(lease(&free).turn("pod-1", Duration::ZERO), Move::Take, "{free}");
        }
    }

    #[test]
    fn taking_names_what_was_seen_and_counts_a_change_of_hands() {
        let seen = json!({ "holderIdentity": "pod-2", "leaseDurationSeconds": 5, "leaseTransitions": 3,
            "acquireTime": "2026-11-24T09:00:00.000000Z" });
        let body = read(&lease(&seen).taken(&claim(), NOW));
        assert_eq!(
            body["metadata"],
            json!({ "name": "rotate", "namespace": "meshca", "uid": "u1", "resourceVersion": "7" })
        );
        let moment = "2026-11-24T10:00:00.000042Z";
        let wanted = json!({ "holderIdentity": "pod-1", "leaseDurationSeconds": 30, "leaseTransitions": 4,
            "acquireTime": moment, "renewTime": moment });
        assert_eq!(body["spec"], wanted);
    }

    #[test]
    fn renewing_keeps_when_it_was_taken_and_letting_go_leaves_nobody() {
        let mine = lease(&json!({ "holderIdentity": "pod-1", "leaseDurationSeconds": 30, "leaseTransitions": 4,
            "acquireTime": "2026-11-24T09:00:00.000000Z" }));
        let spec = read(&mine.taken(&claim(), NOW))["spec"].clone();
        assert_eq!(
            (&spec["acquireTime"], &spec["leaseTransitions"]),
            (&json!("2026-11-24T09:00:00.000000Z"), &json!(4))
        );
        assert_eq!(read(&mine.let_go(&claim()))["spec"], json!({ "leaseTransitions": 4 }));
    }

    #[test]
    fn what_is_no_lease_is_none() {
        for text in
            ["", "{}", r#"{"kind":"Lease"}"#, r#"{"kind":"Secret","metadata":{"uid":"a","resourceVersion":"1"}}"#]
        {
            assert_eq!(Lease::from_json(&Secret::new(text.as_bytes().to_vec())), None, "{text}");
        }
        let unclaimed = read(&unclaimed(&claim()));
        assert!(unclaimed["spec"].is_null() && unclaimed["metadata"]["resourceVersion"].is_null());
    }
}

//! What meshca notes on a target's set while the fleet walks from one root to the next.
//!
//! It lies where the set lies, in the cluster, since that is where the walk is read from. Without it the walk goes on
//! rightly, from what is seen; it only has to wait anew, and people have to be asked again.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::mesh::roster::Roster;
use crate::pki::fingerprint::Fingerprint;

/// The note on one target's set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalkMark {
    /// The root that the fleet walks to.
    pub to: Fingerprint,
    /// The clusters of the mesh file when the set got its part of the walk: one that is missing later was forgotten.
    pub roster: Roster,
    /// When its trust bundle last changed, in UTC; renewals keep it. `None`: when the set was written.
    pub bundled_at: Option<OffsetDateTime>,
    /// Since when its workloads are known to be shown that trust bundle, in UTC; renewals keep it.
    pub shown_since: Option<OffsetDateTime>,
    /// Since when its istiod is known to sign under the root that its signer is under, in UTC; renewals keep it.
    pub signs_since: Option<OffsetDateTime>,
    /// The roots that adopted clusters came with and that the fleet walks away from: they lie in no material folder.
    pub from: Vec<Fingerprint>,
    /// Whether its istiod came with a CA that it had made for itself (`istio-ca-secret`): it began without a set, and reads
    /// one only from its next start on.
    pub own_ca: bool,
    /// The roots that were removed from its trust bundle.
    pub removed: Vec<Fingerprint>,
    /// Where people turned the walk round, or forward again.
    pub turn: Option<Turn>,
}

/// That people turned the walk. Of several, on several targets, the one with the highest number holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Turn {
    /// 1, 2, 3 …
    pub number: u32,
    /// Whereto.
    pub goal: Goal,
}

/// Where a walk goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Goal {
    /// To its end.
    Forward,
    /// Back to where every target trusts both roots and signs under the old one, and no further.
    Trust,
    /// Back to where it began.
    Start,
}

impl Goal {
    /// The word in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Goal::Forward => "forward",
            Goal::Trust => "trust",
            Goal::Start => "start",
        }
    }
}

/// The longest note that is read, in bytes; Kubernetes allows 256 KiB for all annotations of an object.
const LONGEST: usize = 256 * 1024;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    to: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    roster: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bundled_at: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shown_since: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    signs_since: Option<i64>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    from: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    own_ca: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    removed: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    turn: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    goal: Option<Goal>,
}

impl WalkMark {
    /// A note with nothing in it but whereto the walk goes.
    #[must_use]
    pub fn to(new: Fingerprint) -> Self {
        Self {
            to: new,
            roster: Roster::default(),
            bundled_at: None,
            shown_since: None,
            signs_since: None,
            from: Vec::new(),
            own_ca: false,
            removed: Vec::new(),
            turn: None,
        }
    }

    /// As the value of an annotation: JSON, moments in seconds since 1970.
    #[must_use]
    pub fn text(&self) -> String {
        let written = Written {
            to: self.to.to_string(),
            roster: self.roster.names().to_vec(),
            bundled_at: self.bundled_at.map(OffsetDateTime::unix_timestamp),
            shown_since: self.shown_since.map(OffsetDateTime::unix_timestamp),
            signs_since: self.signs_since.map(OffsetDateTime::unix_timestamp),
            from: self.from.iter().map(ToString::to_string).collect(),
            own_ca: self.own_ca,
            removed: self.removed.iter().map(ToString::to_string).collect(),
            turn: self.turn.map(|turn| turn.number),
            goal: self.turn.map(|turn| turn.goal),
        };
        serde_json::to_string(&written).unwrap_or_default()
    }

    /// From the value of an annotation; `None` where it is not what meshca writes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > LONGEST {
            return None;
        }
        let written: Written = serde_json::from_str(text).ok()?;
        let moment = |seconds: Option<i64>| match seconds {
            Some(seconds) => OffsetDateTime::from_unix_timestamp(seconds).map(Some),
            None => Ok(None),
        };
        let roots = |written: &[String]| written.iter().map(|root| Fingerprint::parse(root)).collect::<Option<_>>();
        let (from, removed) = (roots(&written.from)?, roots(&written.removed)?);
        Some(Self {
            to: Fingerprint::parse(&written.to)?,
            roster: Roster::from_names(written.roster),
            bundled_at: moment(written.bundled_at).ok()?,
            shown_since: moment(written.shown_since).ok()?,
            signs_since: moment(written.signs_since).ok()?,
            from,
            own_ca: written.own_ca,
            removed,
            turn: written.turn.zip(written.goal).map(|(number, goal)| Turn { number, goal }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::NOW;

    #[test]
    fn what_is_written_is_read_back() {
        let new = Fingerprint::of(b"new");
        let bare = WalkMark::to(new);
        let full = WalkMark {
            roster: Roster::from_names(vec!["east".to_owned(), "west".to_owned()]),
            bundled_at: Some(NOW),
            shown_since: Some(NOW),
            signs_since: Some(NOW),
            removed: vec![Fingerprint::of(b"old")],
            turn: Some(Turn { number: 3, goal: Goal::Trust }),
            ..bare.clone()
        };
        for mark in [bare, full] {
            assert_eq!(WalkMark::parse(&mark.text()), Some(mark));
        }
    }

    #[test]
    fn what_meshca_does_not_write_is_no_note() {
        let to = Fingerprint::of(b"new");
        for text in [
            "",
            "{}",
            "forward",
            r#"{"to":"8f0c"}"#,
            &format!(r#"{{"to":"{to}","more":1}}"#),
            &format!(r#"{{"to":"{to}","bundledAt":9223372036854775807}}"#),
            &format!(r#"{{"to":"{to}","removed":"x"}}"#),
            &format!(r#"{{"to":"{to}","turn":1,"goal":"sideways"}}"#),
            &format!(r#"{{"to":"{to}","roster":["{}"]}}"#, "x".repeat(LONGEST)),
        ] {
            assert_eq!(WalkMark::parse(text), None, "{}", text.get(..80).unwrap_or(text));
        }
    }
}

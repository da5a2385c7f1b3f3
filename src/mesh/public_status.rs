//! What a public status says that metrics are made of: read back from its document, or taken from the status itself. A
//! test holds that both are the same.

use serde::Deserialize;
use time::OffsetDateTime;
use time::serde::timestamp;

use crate::mesh::cadence::LastStart;
use crate::mesh::fleet::ClusterName;
use crate::mesh::observed::Grade;
use crate::mesh::row::Row;
use crate::mesh::standing::Standing;
use crate::mesh::status::{Look, Status};
use crate::mesh::status_document::{API_VERSION, KIND};
use crate::mesh::windows::Hours;
use crate::problem::{Code, Problem};

/// The largest status that is read, in bytes: some twenty thousand clusters in one file.
pub const LARGEST: usize = 64 * 1024 * 1024;

/// A public status, as far as metrics tell of it. Moments are UTC, in whole seconds. What is not known is absent.
///
/// Of the document, unknown keys are passed over, so that an exporter reads what a newer meshca of the same
/// `apiVersion` wrote.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PublicStatus {
    /// The mesh.
    pub(in crate::mesh) mesh: String,
    /// When it was made; of several parts, the oldest.
    #[serde(rename = "generatedAtSeconds", with = "timestamp")]
    pub(in crate::mesh) generated_at: OffsetDateTime,
    /// When the last entry of the ledger was made.
    #[serde(rename = "recordedAtSeconds", with = "timestamp::option", default)]
    pub(in crate::mesh) recorded_at: Option<OffsetDateTime>,
    pub(in crate::mesh) paused: bool,
    pub(in crate::mesh) window: Option<PublicWindow>,
    pub(in crate::mesh) clusters: Vec<PublicLook>,
    pub(in crate::mesh) rows: Vec<PublicRow>,
    pub(in crate::mesh) ceremonies: Vec<PublicCeremony>,
    pub(in crate::mesh) root_change: Option<PublicRootChange>,
    pub(in crate::mesh) last_safe_starts: Vec<PublicStart>,
}

/// The maintenance window that is open, or the next one.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::mesh) struct PublicWindow {
    /// `None`: it was open.
    #[serde(rename = "opensAtSeconds", with = "timestamp::option")]
    pub(in crate::mesh) opens: Option<OffsetDateTime>,
    #[serde(rename = "closesAtSeconds", with = "timestamp")]
    pub(in crate::mesh) closes: OffsetDateTime,
}

/// A cluster of the mesh file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::mesh) struct PublicLook {
    pub(in crate::mesh) cluster: String,
    #[serde(rename = "observedAtSeconds", with = "timestamp::option")]
    pub(in crate::mesh) at: Option<OffsetDateTime>,
    #[serde(rename = "writtenAtSeconds", with = "timestamp::option", default)]
    pub(in crate::mesh) written_at: Option<OffsetDateTime>,
}

/// A certificate in one place.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh) struct PublicRow {
    /// `None`: the mesh as a whole.
    pub(in crate::mesh) cluster: Option<String>,
    pub(in crate::mesh) role: String,
    status: String,
    #[serde(rename = "notBeforeSeconds", with = "timestamp::option")]
    not_before: Option<OffsetDateTime>,
    #[serde(rename = "notAfterSeconds", with = "timestamp::option")]
    pub(in crate::mesh) not_after: Option<OffsetDateTime>,
    #[serde(rename = "renewsAtSeconds", with = "timestamp::option")]
    pub(in crate::mesh) renews_at: Option<OffsetDateTime>,
    loaded: Option<String>,
    serial: Option<String>,
    fingerprint: Option<String>,
    subject_common_name: Option<String>,
    issuer_common_name: Option<String>,
    key: Option<String>,
    signed_by: Option<String>,
}

/// A certificate, where all of its facts are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) struct PublicFacts<'a> {
    pub(in crate::mesh) not_before: OffsetDateTime,
    pub(in crate::mesh) not_after: OffsetDateTime,
    pub(in crate::mesh) fingerprint: &'a str,
    pub(in crate::mesh) serial: &'a str,
    pub(in crate::mesh) subject: &'a str,
    pub(in crate::mesh) issuer: &'a str,
    pub(in crate::mesh) key: &'a str,
}

/// The next ceremony of a tier.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::mesh) struct PublicCeremony {
    pub(in crate::mesh) role: String,
    #[serde(rename = "beginBySeconds", with = "timestamp")]
    pub(in crate::mesh) begin_by: OffsetDateTime,
}

/// A root change under way.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh) struct PublicRootChange {
    pub(in crate::mesh) stage: String,
    pub(in crate::mesh) waits_for: Vec<PublicHoldup>,
}

/// A cluster that the others wait for.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::mesh) struct PublicHoldup {
    pub(in crate::mesh) cluster: String,
    pub(in crate::mesh) is_late: bool,
}

/// Until when a kind of rotation can safely begin.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(in crate::mesh) struct PublicStart {
    pub(in crate::mesh) kind: String,
    /// `None`: the fleet.
    pub(in crate::mesh) cluster: Option<String>,
    #[serde(rename = "atSeconds", with = "timestamp")]
    pub(in crate::mesh) at: OffsetDateTime,
}

/// What a document says of itself before anything else is read of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    api_version: String,
    kind: String,
}

impl PublicStatus {
    /// Reads the document of a status.
    ///
    /// # Errors
    /// `status-unreadable`: it is no JSON, not a report of this `apiVersion`, or lacks something. `place` is what it is
    /// called.
    pub fn read(text: &[u8], place: &str) -> Result<Self, Problem> {
        let head: Head = serde_json::from_slice(text).map_err(|error| unreadable(place, error))?;
        if (head.api_version.as_str(), head.kind.as_str()) != (API_VERSION, KIND) {
            let what = format!("it is a {:?} of {:?}, not a {KIND} of {API_VERSION}", head.kind, head.api_version);
            return Err(unreadable(place, what));
        }
        serde_json::from_slice(text).map_err(|error| unreadable(place, error))
    }

    /// What a status says.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let window = match status.hours {
            Hours::Any => None,
            Hours::Open { until } => Some((None, until)),
            Hours::Shut { opens, closes } => Some((Some(opens), closes)),
        };
        Self {
            mesh: status.mesh.clone(),
            generated_at: whole(status.generated_at),
            recorded_at: status.recorded_at.map(whole),
            paused: status.paused,
            window: window.map(|(opens, closes)| PublicWindow { opens: opens.map(whole), closes: whole(closes) }),
            clusters: status.clusters.iter().map(PublicLook::of).collect(),
            rows: status.rows.iter().map(PublicRow::of).collect(),
            ceremonies: status
                .ceremonies
                .iter()
                .map(|it| PublicCeremony { role: it.tier.as_str().to_owned(), begin_by: whole(it.last_safe) })
                .collect(),
            root_change: status.root_change.as_ref().map(|progress| PublicRootChange {
                stage: progress.stage.as_str().to_owned(),
                waits_for: progress
                    .holdups
                    .iter()
                    .map(|it| PublicHoldup { cluster: it.cluster.to_string(), is_late: it.is_late })
                    .collect(),
            }),
            last_safe_starts: status.last_starts.iter().map(PublicStart::of).collect(),
        }
    }

    /// One status of several parts. What is said of the mesh as a whole stands in the first. `None`: there is no part.
    ///
    /// Whether they belong together, the caller knows.
    #[must_use]
    pub fn gathered(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut whole = parts.next()?;
        for part in parts {
            whole.generated_at = whole.generated_at.min(part.generated_at);
            whole.clusters.extend(part.clusters);
            whole.rows.extend(part.rows);
            whole.last_safe_starts.extend(part.last_safe_starts);
        }
        Some(whole)
    }

    /// When it was made, UTC, whole seconds; of several parts, the oldest.
    #[must_use]
    pub const fn generated_at(&self) -> OffsetDateTime {
        self.generated_at
    }
}

impl PublicLook {
    fn of(look: &Look) -> Self {
        Self { cluster: look.cluster.to_string(), at: look.at.map(whole), written_at: look.written_at.map(whole) }
    }
}

impl PublicRow {
    fn of(row: &Row) -> Self {
        let facts = row.certificate.as_ref();
        Self {
            cluster: row.cluster.as_ref().map(ClusterName::to_string),
            role: row.role.as_str().to_owned(),
            status: row.standing.as_str().to_owned(),
            not_before: facts.map(|facts| whole(facts.validity.not_before())),
            not_after: row.not_after().map(whole),
            renews_at: row.renews_at.map(whole),
            loaded: row.loaded.as_ref().map(|loaded| loaded.as_str().to_owned()),
            serial: facts.map(|facts| facts.serial.clone()),
            fingerprint: facts.map(|facts| facts.fingerprint.to_string()),
            subject_common_name: facts.map(|facts| facts.subject.clone()),
            issuer_common_name: facts.map(|facts| facts.issuer.clone()),
            key: facts.map(|facts| facts.key.clone()),
            signed_by: row.signed_by.as_ref().map(ClusterName::to_string),
        }
    }

    #[cfg(test)]
    pub(in crate::mesh) fn set_fingerprint(&mut self, fingerprint: &str) {
        self.fingerprint = Some(fingerprint.to_owned());
    }

    /// Whether it could be seen and read.
    pub(in crate::mesh) fn is_known(&self) -> bool {
        self.status != Standing::Unknown.as_str()
    }

    pub(in crate::mesh) fn facts(&self) -> Option<PublicFacts<'_>> {
        Some(PublicFacts {
            not_before: self.not_before?,
            not_after: self.not_after?,
            fingerprint: self.fingerprint.as_deref()?,
            serial: self.serial.as_deref()?,
            subject: self.subject_common_name.as_deref()?,
            issuer: self.issuer_common_name.as_deref()?,
            key: self.key.as_deref()?,
        })
    }

    /// Whether the cluster's own istiod signs with it, and how well that is known. `None`: nothing is said of it, or it
    /// is a remote's.
    pub(in crate::mesh) fn loaded(&self) -> Option<(Grade, bool)> {
        let word = self.loaded.as_deref().filter(|_| self.signed_by.is_none())?;
        match word {
            "no" => Some((Grade::Seen, false)),
            word => {
                Grade::ALL.into_iter().find(|grade| grade.as_str() == word).map(|grade| (grade, grade > Grade::None))
            }
        }
    }
}

impl PublicStart {
    fn of(start: &LastStart) -> Self {
        Self {
            kind: start.kind.as_str().to_owned(),
            cluster: start.cluster.as_ref().map(ClusterName::to_string),
            at: whole(start.at),
        }
    }
}

/// The second that a moment lies in, as the document has it.
fn whole(moment: OffsetDateTime) -> OffsetDateTime {
    moment.truncate_to_second().to_offset(time::UtcOffset::UTC)
}

fn unreadable(place: &str, why: impl std::fmt::Display) -> Problem {
    Problem::new(Code::StatusUnreadable, format!("{place} is not the public status of a mesh: {why}"))
        .hint("meshca rotate   writes it anew; the exporter must not be older than what wrote it")
}

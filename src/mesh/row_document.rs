//! A certificate in one place, as a part of the report for machines. Its keys are a contract, its comments the
//! descriptions in the JSON Schema.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::serde::timestamp;

use crate::mesh::fleet::ClusterName;
use crate::mesh::observed::Grade;
use crate::mesh::row::Row;
use crate::mesh::standing::Standing;
use crate::pki::moment::{utc, whole};

/// A certificate in one place, or the place where one should be. What is not known is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RowPart {
    /// Null: the mesh as a whole.
    pub cluster: Option<String>,
    /// What the certificate is there.
    #[schemars(extend("enum" = ["root", "issuing", "intermediate"]))]
    pub role: String,
    /// How it stands.
    #[schemars(extend("enum" = [
        "EXPIRED", "NOT-YET-VALID", "CRITICAL", "OVERDUE", "WARNING", "UNKNOWN", "MISSING", "due", "ok"
    ]))]
    pub status: String,
    /// How bad that is.
    #[schemars(extend("enum" = ["fine", "warning", "unknown", "critical"]))]
    pub severity: String,
    /// Its first second.
    pub not_before: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<i64>")]
    pub not_before_seconds: Option<OffsetDateTime>,
    /// Its last second.
    pub not_after: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<i64>")]
    pub not_after_seconds: Option<OffsetDateTime>,
    /// How long it lasts from `generatedAt`, rounded down; below zero: since when it has ended.
    pub expires_in_seconds: Option<i64>,
    /// When its renewal is due. Null: not known, or not meshca's to renew.
    pub renews_at: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<i64>")]
    pub renews_at_seconds: Option<OffsetDateTime>,
    /// Of intermediates: how it is known that istiod signs with it; `no`: a replica signs with another.
    #[schemars(extend("enum" = ["seen", "assumed", "none", "no", null]))]
    pub loaded: Option<String>,
    /// Why that is so.
    pub loaded_why: Option<String>,
    /// The serial number, lower-case hexadecimal digits.
    pub serial: Option<String>,
    /// SHA-256 of the whole certificate.
    pub fingerprint: Option<String>,
    /// The common name of its subject, or the whole name.
    pub subject_common_name: Option<String>,
    /// The common name of its issuer, or the whole name.
    pub issuer_common_name: Option<String>,
    /// Its key in words.
    pub key: Option<String>,
    /// Of a remote: the cluster whose intermediate this is.
    pub signed_by: Option<String>,
    /// What there is to say about it.
    pub reason: Option<String>,
}

/// A certificate, where all of its facts are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mesh) struct KnownFacts<'a> {
    pub(in crate::mesh) not_before: OffsetDateTime,
    pub(in crate::mesh) not_after: OffsetDateTime,
    pub(in crate::mesh) fingerprint: &'a str,
    pub(in crate::mesh) serial: &'a str,
    pub(in crate::mesh) subject: &'a str,
    pub(in crate::mesh) issuer: &'a str,
    pub(in crate::mesh) key: &'a str,
}

impl RowPart {
    pub(in crate::mesh) fn of(row: &Row, now: OffsetDateTime) -> Self {
        let facts = row.certificate.as_ref();
        let not_before = facts.map(|facts| facts.validity.not_before());
        Self {
            cluster: row.cluster.as_ref().map(ClusterName::to_string),
            role: row.role.as_str().to_owned(),
            status: row.standing.as_str().to_owned(),
            severity: row.outcome().as_str().to_owned(),
            not_before: not_before.map(utc),
            not_before_seconds: not_before.map(whole),
            not_after: row.not_after().map(utc),
            not_after_seconds: row.not_after().map(whole),
            // Downwards, so that half a second after its end it is below zero.
            expires_in_seconds: row
                .left(now)
                .map(|left| left.whole_seconds().saturating_sub(i64::from(left.subsec_nanoseconds() < 0))),
            renews_at: row.renews_at.map(utc),
            renews_at_seconds: row.renews_at.map(whole),
            loaded: row.loaded.as_ref().map(|loaded| loaded.as_str().to_owned()),
            loaded_why: row.loaded.as_ref().map(|loaded| loaded.why.clone()),
            serial: facts.map(|facts| facts.serial.clone()),
            fingerprint: facts.map(|facts| facts.fingerprint.to_string()),
            subject_common_name: facts.map(|facts| facts.subject.clone()),
            issuer_common_name: facts.map(|facts| facts.issuer.clone()),
            key: facts.map(|facts| facts.key.clone()),
            signed_by: row.signed_by.as_ref().map(ClusterName::to_string),
            reason: row.reason.clone(),
        }
    }

    /// Whether it could be seen and read.
    pub(in crate::mesh) fn is_known(&self) -> bool {
        self.status != Standing::Unknown.as_str()
    }

    pub(in crate::mesh) fn facts(&self) -> Option<KnownFacts<'_>> {
        Some(KnownFacts {
            not_before: self.not_before_seconds?,
            not_after: self.not_after_seconds?,
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

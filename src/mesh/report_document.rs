//! The report as a document for machines: `apiVersion: meshca.io/v1`, `kind: Report`. `report -o json` prints it,
//! `rotate` leaves it as the public status, `report --diff` and the exporter read it back.
//!
//! Its keys are a contract. These types are the one source of its JSON Schema, whose descriptions are the comments below.
//! Of a document that is read, keys that a later version adds are passed over.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize, Serializer};
use time::OffsetDateTime;
use time::serde::timestamp;

use crate::mesh::cadence::LastStart;
use crate::mesh::deadline::Ceremony;
use crate::mesh::fleet::ClusterName;
use crate::mesh::leak_document::LeakPart;
use crate::mesh::limit::{Limit, Limits};
use crate::mesh::observed::Replica;
use crate::mesh::progress_document::RootChangePart;
use crate::mesh::row::LONGEST_REASON;
use crate::mesh::row_document::RowPart;
use crate::mesh::status::{Look, Status, Thresholds};
use crate::mesh::tally::Tally;
use crate::mesh::windows::Hours;
use crate::pki::distinguished_name::DistinguishedName;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::moment::{utc, whole};
use crate::pki::plain_text::plain;
use crate::problem::Finding;

/// The largest report that is read, in bytes: that of ten thousand clusters has some 40 MiB.
pub const LARGEST: usize = 128 * 1024 * 1024;

/// The version of the document.
const API_VERSION: &str = "meshca.io/v1";
/// What it is.
const KIND: &str = "Report";

/// The JSON Schema of a report (draft 2020-12).
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<ReportDocument>().to_value()
}

/// How every certificate of a mesh stood at one moment: what `meshca report -o json` prints and `rotate` leaves as
/// `status.json`. Moments are RFC 3339 in UTC; beside each stands the same in seconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "meshca report")]
pub struct ReportDocument {
    /// The version of this format: `meshca.io/v1`.
    #[schemars(extend("const" = "meshca.io/v1"))]
    pub api_version: String,
    /// What this document is: `Report`.
    #[schemars(extend("const" = "Report"))]
    pub kind: String,
    /// The name of the mesh.
    pub mesh: String,
    /// Whether it is a lab.
    pub lab: bool,
    /// Whether rotation is paused in the mesh file.
    pub paused: bool,
    /// The maintenance window that is open, or the next one. Null: there are none.
    pub window: Option<WindowPart>,
    /// The moment that it was judged at.
    pub generated_at: String,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp")]
    #[schemars(with = "i64")]
    pub generated_at_seconds: OffsetDateTime,
    /// When the last entry of the ledger was made. Null: there is none, or it cannot be read.
    #[serde(default)]
    pub recorded_at: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option", default)]
    #[schemars(with = "Option<i64>")]
    pub recorded_at_seconds: Option<OffsetDateTime>,
    /// The worst of everything.
    #[schemars(extend("enum" = ["fine", "warning", "unknown", "critical"]))]
    pub severity: String,
    /// The first line of the report for people.
    pub verdict: String,
    /// What the ends of certificates were judged by.
    pub thresholds: ThresholdsPart,
    /// Every cluster of the mesh file, in its order.
    pub clusters: Vec<ClusterPart>,
    /// Every certificate in every place, worst first.
    pub rows: Vec<RowPart>,
    /// What is wrong besides the rows, worst first.
    pub findings: Vec<FindingPart>,
    /// The next ceremony of each tier that needs one.
    pub ceremonies: Vec<CeremonyPart>,
    /// How far a change of root has come. Null: there is none to be made.
    pub root_change: Option<RootChangePart>,
    /// The keys that the mesh file calls leaked.
    pub leaks: Vec<LeakPart>,
    /// The last moment in which each kind of rotation can safely begin.
    pub last_safe_starts: Vec<LastStartPart>,
}

/// A maintenance window.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowPart {
    /// Whether it is open.
    pub open: bool,
    /// Null: it is open.
    pub opens_at: Option<String>,
    /// Null: it is open.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<i64>")]
    pub opens_at_seconds: Option<OffsetDateTime>,
    /// When it closes.
    pub closes_at: String,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp")]
    #[schemars(with = "i64")]
    pub closes_at_seconds: OffsetDateTime,
}

/// What the ends of certificates were judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThresholdsPart {
    /// A nearer end is a warning. Null: a share of each life was asked for.
    pub warning_seconds: Option<i64>,
    /// That share, in hundredths. Only there if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning_percent: Option<u8>,
    /// A nearer end is critical. Null: a share of each life was asked for.
    pub critical_seconds: Option<i64>,
    /// That share, in hundredths. Only there if it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical_percent: Option<u8>,
    /// A renewal that has been due for longer is overdue.
    pub overdue_after_seconds: i64,
}

/// A cluster of the mesh file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClusterPart {
    /// Its name.
    pub cluster: String,
    /// Its role in the mesh file.
    #[schemars(extend("enum" = ["primary", "remote", "external"]))]
    pub role: String,
    /// When it was looked at, whether or not anything could be seen. Null: it was not.
    pub observed_at: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<i64>")]
    pub observed_at_seconds: Option<OffsetDateTime>,
    /// When the present set was written. Null: that cannot be seen.
    #[serde(default)]
    pub written_at: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option", default)]
    #[schemars(with = "Option<i64>")]
    pub written_at_seconds: Option<OffsetDateTime>,
    /// What each replica of its istiod showed. Empty: there was nothing to look at.
    pub replicas: Vec<ReplicaPart>,
    /// What the ticks of `rotate` came to here. Null: nobody counted.
    #[serde(default)]
    pub tally: Option<Tally>,
}

/// A replica of istiod. What was not seen is null.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaPart {
    /// Its address or name.
    pub name: String,
    /// How it was looked at: by the chain that it serves, or by its gauges.
    #[schemars(extend("enum" = ["chain", "gauges"]))]
    pub way: String,
    /// Why it was not seen.
    pub unseen: Option<String>,
    /// The code of that.
    pub unseen_code: Option<String>,
    /// SHA-256 of the public key that it signs with.
    pub signer: Option<String>,
    /// Since when it serves what it serves.
    pub served_since: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<i64>")]
    pub served_since_seconds: Option<OffsetDateTime>,
    /// The client CAs that it offers. Null: no look by a handshake.
    pub client_ca_names: Option<Vec<String>>,
    /// Its gauge for the end of its chain.
    pub chain_end: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<i64>")]
    pub chain_end_seconds: Option<OffsetDateTime>,
    /// Its gauge for the end of its root.
    pub root_end: Option<String>,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp::option")]
    #[schemars(with = "Option<i64>")]
    pub root_end_seconds: Option<OffsetDateTime>,
}

/// Something that is wrong besides the rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FindingPart {
    /// How bad.
    #[schemars(extend("enum" = ["warning", "critical"]))]
    pub severity: String,
    /// Its code: docs/reference/codes.md.
    pub code: String,
    /// The cluster, some clusters, or the mesh.
    pub place: String,
    /// What, as one sentence.
    pub what: String,
    /// More lines.
    pub facts: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// What people with the root key have to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CeremonyPart {
    /// What must be minted in it.
    #[schemars(extend("enum" = ["root", "issuing", "intermediate"]))]
    pub role: String,
    /// When it becomes due.
    pub due: String,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp")]
    #[schemars(with = "i64")]
    pub due_seconds: OffsetDateTime,
    /// The last safe moment to begin arranging it.
    pub begin_by: String,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp")]
    #[schemars(with = "i64")]
    pub begin_by_seconds: OffsetDateTime,
}

/// The last moment in which a kind of rotation can safely begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastStartPart {
    /// Which kind.
    pub kind: String,
    /// Null: the fleet.
    pub cluster: Option<String>,
    /// That moment.
    pub at: String,
    /// The same in seconds since 1970.
    #[serde(with = "timestamp")]
    #[schemars(with = "i64")]
    pub at_seconds: OffsetDateTime,
    /// Whole days until then.
    pub days_left: i64,
}

/// What a document says of itself before anything else is read of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
}

impl ReportDocument {
    /// Reads a document.
    ///
    /// # Errors
    /// In words: it is no JSON, not a report of this `apiVersion`, or lacks something.
    pub fn read(text: &[u8]) -> Result<Self, String> {
        // Before the keys are wanted: another document of meshca is told from one that is damaged.
        let head: Head = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if (head.api_version.as_str(), head.kind.as_str()) != (API_VERSION, KIND) {
            let [kind, version] = [&head.kind, &head.api_version].map(|word| plain(word, 40));
            return Err(format!("it is a `{kind}` of `{version}`, not a {KIND} of {API_VERSION}"));
        }
        serde_json::from_slice(text).map_err(|error| error.to_string())
    }

    /// The document of a status.
    #[must_use]
    pub fn of(status: &Status) -> Self {
        let now = status.generated_at;
        Self {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            mesh: status.mesh.clone(),
            lab: status.lab,
            paused: status.paused,
            window: WindowPart::of(status.hours),
            generated_at: utc(now),
            generated_at_seconds: whole(now),
            recorded_at: status.recorded_at.map(utc),
            recorded_at_seconds: status.recorded_at.map(whole),
            severity: status.outcome().as_str().to_owned(),
            verdict: status.verdict(),
            thresholds: ThresholdsPart::of(status.thresholds),
            clusters: status.clusters.iter().map(ClusterPart::of).collect(),
            rows: status.rows.iter().map(|row| RowPart::of(row, now)).collect(),
            findings: status.findings.iter().map(FindingPart::of).collect(),
            ceremonies: status.ceremonies.iter().map(CeremonyPart::of).collect(),
            root_change: status.root_change.as_ref().map(RootChangePart::of),
            leaks: status.leaks.iter().map(LeakPart::of).collect(),
            last_safe_starts: status.last_starts.iter().map(|it| LastStartPart::of(it, now)).collect(),
        }
    }

    /// One report of several parts. What is said of the mesh as a whole stands in the first. `None`: there is no part.
    ///
    /// Whether they belong together, the caller knows.
    #[must_use]
    pub fn gathered(parts: impl IntoIterator<Item = Self>) -> Option<Self> {
        let mut parts = parts.into_iter();
        let mut whole = parts.next()?;
        for part in parts {
            // Of several parts the oldest counts.
            if part.generated_at_seconds < whole.generated_at_seconds {
                whole.generated_at_seconds = part.generated_at_seconds;
                whole.generated_at = part.generated_at;
            }
            whole.clusters.extend(part.clusters);
            whole.rows.extend(part.rows);
            whole.findings.extend(part.findings);
            whole.last_safe_starts.extend(part.last_safe_starts);
        }
        Some(whole)
    }
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ReportDocument::of(self).serialize(serializer)
    }
}

impl WindowPart {
    fn of(hours: Hours) -> Option<Self> {
        let (opens, closes) = match hours {
            Hours::Any => return None,
            Hours::Open { until } => (None, until),
            Hours::Shut { opens, closes } => (Some(opens), closes),
        };
        Some(Self {
            open: opens.is_none(),
            opens_at: opens.map(utc),
            opens_at_seconds: opens.map(whole),
            closes_at: utc(closes),
            closes_at_seconds: whole(closes),
        })
    }
}

impl ThresholdsPart {
    fn of(thresholds: Thresholds) -> Self {
        let length = |limit| match limit {
            Limit::Length(length) => Some(length.whole_seconds()),
            Limit::Share(_) => None,
        };
        let share = |limit| match limit {
            Limit::Length(_) => None,
            Limit::Share(share) => Some(share),
        };
        let Limits { warning, critical } = thresholds.limits;
        Self {
            warning_seconds: length(warning),
            warning_percent: share(warning),
            critical_seconds: length(critical),
            critical_percent: share(critical),
            overdue_after_seconds: thresholds.overdue.whole_seconds(),
        }
    }
}

impl ClusterPart {
    fn of(look: &Look) -> Self {
        Self {
            cluster: look.cluster.to_string(),
            role: look.role.to_owned(),
            observed_at: look.at.map(utc),
            observed_at_seconds: look.at.map(whole),
            written_at: look.written_at.map(utc),
            written_at_seconds: look.written_at.map(whole),
            replicas: look.replicas.iter().map(ReplicaPart::of).collect(),
            tally: look.tally.clone(),
        }
    }
}

impl ReplicaPart {
    fn of(replica: &Replica) -> Self {
        let unseen = replica.unseen.as_ref();
        let name = |der: &Vec<u8>| {
            DistinguishedName::from_der(der).map_or_else(|| "<not a name>".to_owned(), |name| name.to_string())
        };
        let names = replica.signer_spki.is_some().then(|| replica.client_ca_names.iter().map(name).collect());
        Self {
            name: plain(&replica.name, LONGEST_REASON),
            way: replica.way.as_str().to_owned(),
            unseen: unseen.map(|problem| plain(problem.what(), LONGEST_REASON)),
            unseen_code: unseen.map(|problem| problem.code().as_str().to_owned()),
            signer: replica.signer_spki.as_deref().map(|spki| Fingerprint::of(spki).to_string()),
            served_since: replica.served_since.map(utc),
            served_since_seconds: replica.served_since.map(whole),
            client_ca_names: names,
            chain_end: replica.chain_end.map(utc),
            chain_end_seconds: replica.chain_end.map(whole),
            root_end: replica.root_end.map(utc),
            root_end_seconds: replica.root_end.map(whole),
        }
    }
}

impl FindingPart {
    fn of(finding: &Finding) -> Self {
        Self {
            severity: finding.severity.as_str().to_owned(),
            code: finding.problem.code().as_str().to_owned(),
            place: finding.place.clone(),
            what: finding.problem.what().to_owned(),
            facts: finding.problem.facts().to_vec(),
            hint: finding.problem.advice().map(str::to_owned),
        }
    }
}

impl CeremonyPart {
    fn of(ceremony: &Ceremony) -> Self {
        Self {
            role: ceremony.tier.as_str().to_owned(),
            due: utc(ceremony.due),
            due_seconds: whole(ceremony.due),
            begin_by: utc(ceremony.last_safe),
            begin_by_seconds: whole(ceremony.last_safe),
        }
    }
}

impl LastStartPart {
    /// The part for a document that is made at this moment.
    #[must_use]
    pub fn of(start: &LastStart, now: OffsetDateTime) -> Self {
        Self {
            kind: start.kind.as_str().to_owned(),
            cluster: start.cluster.as_ref().map(ClusterName::to_string),
            at: utc(start.at),
            at_seconds: whole(start.at),
            days_left: (start.at - now).whole_days(),
        }
    }
}

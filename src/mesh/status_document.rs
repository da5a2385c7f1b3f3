//! The report as a document for machines: `apiVersion: meshca.io/v1`, `kind: Report`. Its keys are a contract.

use serde::{Serialize, Serializer};
use time::OffsetDateTime;

use crate::mesh::cadence::LastStart;
use crate::mesh::deadline::Ceremony;
use crate::mesh::fleet::ClusterName;
use crate::mesh::leak_document::LeakPart;
use crate::mesh::limit::{Limit, Limits};
use crate::mesh::loaded::Loaded;
use crate::mesh::observed::Replica;
use crate::mesh::outcome::Outcome;
use crate::mesh::progress_document::ProgressPart;
use crate::mesh::row::{LONGEST_REASON, Row};
use crate::mesh::status::{Look, Status, Thresholds};
use crate::mesh::windows::Hours;
use crate::pki::distinguished_name::DistinguishedName;
use crate::pki::fingerprint::Fingerprint;
use crate::pki::moment::utc;
use crate::pki::plain_text::plain;
use crate::problem::Finding;

/// The version of the document.
pub(in crate::mesh) const API_VERSION: &str = "meshca.io/v1";
/// What it is.
pub(in crate::mesh) const KIND: &str = "Report";

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    api_version: &'static str,
    kind: &'static str,
    mesh: &'a str,
    lab: bool,
    paused: bool,
    /// Null: there are no maintenance windows.
    window: Option<WindowPart>,
    generated_at: String,
    generated_at_seconds: i64,
    /// When the last entry of the ledger was made. Null: there is no ledger that could be looked at.
    recorded_at: Option<String>,
    recorded_at_seconds: Option<i64>,
    severity: Outcome,
    verdict: String,
    thresholds: ThresholdsPart,
    clusters: Vec<ClusterPart<'a>>,
    rows: Vec<RowPart<'a>>,
    findings: Vec<FindingPart<'a>>,
    ceremonies: Vec<CeremonyPart>,
    /// Null: there is none to be made.
    root_change: Option<ProgressPart<'a>>,
    /// Empty: the mesh file calls no key leaked.
    leaks: Vec<LeakPart<'a>>,
    last_safe_starts: Vec<LastStartPart<'a>>,
}

/// The maintenance window that is open, or the next one.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WindowPart {
    open: bool,
    /// Null: it is open.
    opens_at: Option<String>,
    opens_at_seconds: Option<i64>,
    closes_at: String,
    closes_at_seconds: i64,
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
            opens_at_seconds: opens.map(seconds),
            closes_at: utc(closes),
            closes_at_seconds: seconds(closes),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ThresholdsPart {
    /// Null: a share of each life is asked for.
    warning_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    warning_percent: Option<u8>,
    /// Null: a share of each life is asked for.
    critical_seconds: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    critical_percent: Option<u8>,
    overdue_after_seconds: i64,
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ClusterPart<'a> {
    cluster: &'a str,
    role: &'static str,
    observed_at: Option<String>,
    observed_at_seconds: Option<i64>,
    /// When the present set was written. Null: that cannot be seen.
    written_at: Option<String>,
    written_at_seconds: Option<i64>,
    /// Empty: there was nothing to look at.
    replicas: Vec<ReplicaPart>,
}

/// One replica of istiod. Every key is always there; what was not seen is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ReplicaPart {
    name: String,
    way: &'static str,
    /// The code and the words of why it was not seen.
    unseen: Option<String>,
    unseen_code: Option<&'static str>,
    /// SHA-256 of the public key that it signs with.
    signer: Option<String>,
    served_since: Option<String>,
    served_since_seconds: Option<i64>,
    /// The client CAs that it offers. Null: no look by a handshake.
    client_ca_names: Option<Vec<String>>,
    chain_end: Option<String>,
    chain_end_seconds: Option<i64>,
    root_end: Option<String>,
    root_end_seconds: Option<i64>,
}

/// Every key is always there; what is not known is null.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RowPart<'a> {
    /// Null: the mesh as a whole.
    cluster: Option<&'a str>,
    role: &'static str,
    status: &'static str,
    severity: Outcome,
    not_before: Option<String>,
    not_before_seconds: Option<i64>,
    not_after: Option<String>,
    not_after_seconds: Option<i64>,
    expires_in_seconds: Option<i64>,
    renews_at: Option<String>,
    renews_at_seconds: Option<i64>,
    /// Of intermediates: seen, assumed, none, or no where a replica signs with another.
    loaded: Option<&'static str>,
    loaded_why: Option<&'a str>,
    serial: Option<&'a str>,
    fingerprint: Option<String>,
    subject_common_name: Option<&'a str>,
    issuer_common_name: Option<&'a str>,
    key: Option<&'a str>,
    signed_by: Option<&'a str>,
    reason: Option<&'a str>,
}

#[derive(Serialize)]
struct FindingPart<'a> {
    severity: &'static str,
    code: &'static str,
    place: &'a str,
    what: &'a str,
    facts: &'a [String],
    hint: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CeremonyPart {
    role: &'static str,
    due: String,
    due_seconds: i64,
    begin_by: String,
    begin_by_seconds: i64,
}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Document {
            api_version: API_VERSION,
            kind: KIND,
            mesh: &self.mesh,
            lab: self.lab,
            paused: self.paused,
            window: WindowPart::of(self.hours),
            generated_at: utc(self.generated_at),
            generated_at_seconds: self.generated_at.unix_timestamp(),
            recorded_at: self.recorded_at.map(utc),
            recorded_at_seconds: self.recorded_at.map(seconds),
            severity: self.outcome(),
            verdict: self.verdict(),
            thresholds: ThresholdsPart::of(self.thresholds),
            clusters: self.clusters.iter().map(ClusterPart::of).collect(),
            rows: self.rows.iter().map(|row| RowPart::of(row, self.generated_at)).collect(),
            findings: self.findings.iter().map(FindingPart::of).collect(),
            ceremonies: self.ceremonies.iter().map(CeremonyPart::of).collect(),
            root_change: self.root_change.as_ref().map(ProgressPart::of),
            leaks: self.leaks.iter().map(LeakPart::of).collect(),
            last_safe_starts: self.last_starts.iter().map(|it| LastStartPart::of(it, self.generated_at)).collect(),
        }
        .serialize(serializer)
    }
}

/// The last moment in which a kind of rotation can safely begin.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LastStartPart<'a> {
    kind: &'static str,
    /// Null: the fleet.
    cluster: Option<&'a str>,
    at: String,
    at_seconds: i64,
    days_left: i64,
}

impl<'a> LastStartPart<'a> {
    pub(crate) fn of(start: &'a LastStart, now: OffsetDateTime) -> Self {
        Self {
            kind: start.kind.as_str(),
            cluster: start.cluster.as_ref().map(ClusterName::as_str),
            at: utc(start.at),
            at_seconds: seconds(start.at),
            days_left: (start.at - now).whole_days(),
        }
    }
}

fn seconds(moment: OffsetDateTime) -> i64 {
    moment.unix_timestamp()
}

impl<'a> ClusterPart<'a> {
    fn of(look: &'a Look) -> Self {
        Self {
            cluster: look.cluster.as_str(),
            role: look.role,
            observed_at: look.at.map(utc),
            observed_at_seconds: look.at.map(seconds),
            written_at: look.written_at.map(utc),
            written_at_seconds: look.written_at.map(seconds),
            replicas: look.replicas.iter().map(ReplicaPart::of).collect(),
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
            way: replica.way.as_str(),
            unseen: unseen.map(|problem| plain(problem.what(), LONGEST_REASON)),
            unseen_code: unseen.map(|problem| problem.code().as_str()),
            signer: replica.signer_spki.as_deref().map(|spki| Fingerprint::of(spki).to_string()),
            served_since: replica.served_since.map(utc),
            served_since_seconds: replica.served_since.map(seconds),
            client_ca_names: names,
            chain_end: replica.chain_end.map(utc),
            chain_end_seconds: replica.chain_end.map(seconds),
            root_end: replica.root_end.map(utc),
            root_end_seconds: replica.root_end.map(seconds),
        }
    }
}

impl<'a> RowPart<'a> {
    fn of(row: &'a Row, now: OffsetDateTime) -> Self {
        let facts = row.certificate.as_ref();
        let not_before = facts.map(|facts| facts.validity.not_before());
        Self {
            cluster: row.cluster.as_ref().map(ClusterName::as_str),
            role: row.role.as_str(),
            status: row.standing.as_str(),
            severity: row.outcome(),
            not_before: not_before.map(utc),
            not_before_seconds: not_before.map(seconds),
            not_after: row.not_after().map(utc),
            not_after_seconds: row.not_after().map(seconds),
            // Downwards, so that half a second after its end it is below zero.
            expires_in_seconds: row
                .left(now)
                .map(|left| left.whole_seconds().saturating_sub(i64::from(left.subsec_nanoseconds() < 0))),
            renews_at: row.renews_at.map(utc),
            renews_at_seconds: row.renews_at.map(seconds),
            loaded: row.loaded.as_ref().map(Loaded::as_str),
            loaded_why: row.loaded.as_ref().map(|loaded| loaded.why.as_str()),
            serial: facts.map(|facts| facts.serial.as_str()),
            fingerprint: facts.map(|facts| facts.fingerprint.to_string()),
            subject_common_name: facts.map(|facts| facts.subject.as_str()),
            issuer_common_name: facts.map(|facts| facts.issuer.as_str()),
            key: facts.map(|facts| facts.key.as_str()),
            signed_by: row.signed_by.as_ref().map(ClusterName::as_str),
            reason: row.reason.as_deref(),
        }
    }
}

impl<'a> FindingPart<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            severity: finding.severity.as_str(),
            code: finding.problem.code().as_str(),
            place: &finding.place,
            what: finding.problem.what(),
            facts: finding.problem.facts(),
            hint: finding.problem.advice(),
        }
    }
}

impl CeremonyPart {
    fn of(ceremony: &Ceremony) -> Self {
        Self {
            role: ceremony.tier.as_str(),
            due: utc(ceremony.due),
            due_seconds: seconds(ceremony.due),
            begin_by: utc(ceremony.last_safe),
            begin_by_seconds: seconds(ceremony.last_safe),
        }
    }
}

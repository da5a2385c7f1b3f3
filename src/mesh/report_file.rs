//! A report as it was written with `-o json`, read back: the document of `status_document.rs` from the side of its readers.
//!
//! These types are the one source of its JSON Schema, whose descriptions are the comments below. Keys that a later version
//! adds are passed over.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Deserialize;

use crate::problem::{Code, Problem};

/// The largest report that is read, in bytes: that of ten thousand clusters has some 40 MiB.
pub const LARGEST: usize = 128 * 1024 * 1024;

/// The JSON Schema of a report (draft 2020-12).
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<ReportFile>().to_value()
}

/// How every certificate of a mesh stood at one moment: what `meshca report -o json` prints and `rotate` leaves as
/// `status.json`. Moments are RFC 3339 in UTC; beside each stands the same in seconds since 1970.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(title = "meshca report")]
pub struct ReportFile {
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
    pub generated_at_seconds: i64,
    /// When the last entry of the ledger was made. Null: there is none, or it cannot be read.
    #[serde(default)]
    pub recorded_at: Option<String>,
    /// The same in seconds since 1970.
    #[serde(default)]
    pub recorded_at_seconds: Option<i64>,
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
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WindowPart {
    /// Whether it is open.
    pub open: bool,
    /// Null: it is open.
    pub opens_at: Option<String>,
    /// Null: it is open.
    pub opens_at_seconds: Option<i64>,
    /// When it closes.
    pub closes_at: String,
    /// The same in seconds since 1970.
    pub closes_at_seconds: i64,
}

/// What the ends of certificates were judged by.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ThresholdsPart {
    /// A nearer end is a warning. Null: a share of each life was asked for.
    pub warning_seconds: Option<i64>,
    /// That share, in hundredths. Only there if it was asked for.
    #[serde(default)]
    pub warning_percent: Option<u8>,
    /// A nearer end is critical. Null: a share of each life was asked for.
    pub critical_seconds: Option<i64>,
    /// That share, in hundredths. Only there if it was asked for.
    #[serde(default)]
    pub critical_percent: Option<u8>,
    /// A renewal that has been due for longer is overdue.
    pub overdue_after_seconds: i64,
}

/// A cluster of the mesh file.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
    pub observed_at_seconds: Option<i64>,
    /// When the present set was written. Null: that cannot be seen.
    #[serde(default)]
    pub written_at: Option<String>,
    /// The same in seconds since 1970.
    #[serde(default)]
    pub written_at_seconds: Option<i64>,
    /// What each replica of its istiod showed. Empty: there was nothing to look at.
    pub replicas: Vec<ReplicaPart>,
}

/// A replica of istiod. What was not seen is null.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
    pub served_since_seconds: Option<i64>,
    /// The client CAs that it offers. Null: no look by a handshake.
    pub client_ca_names: Option<Vec<String>>,
    /// Its gauge for the end of its chain.
    pub chain_end: Option<String>,
    /// The same in seconds since 1970.
    pub chain_end_seconds: Option<i64>,
    /// Its gauge for the end of its root.
    pub root_end: Option<String>,
    /// The same in seconds since 1970.
    pub root_end_seconds: Option<i64>,
}

/// A certificate in one place, or the place where one should be. What is not known is null.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
    pub not_before_seconds: Option<i64>,
    /// Its last second.
    pub not_after: Option<String>,
    /// The same in seconds since 1970.
    pub not_after_seconds: Option<i64>,
    /// How long it lasts from `generatedAt`, rounded down; below zero: since when it has ended.
    pub expires_in_seconds: Option<i64>,
    /// When its renewal is due. Null: not known, or not meshca's to renew.
    pub renews_at: Option<String>,
    /// The same in seconds since 1970.
    pub renews_at_seconds: Option<i64>,
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

/// Something that is wrong besides the rows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CeremonyPart {
    /// What must be minted in it.
    #[schemars(extend("enum" = ["root", "issuing", "intermediate"]))]
    pub role: String,
    /// When it becomes due.
    pub due: String,
    /// The same in seconds since 1970.
    pub due_seconds: i64,
    /// The last safe moment to begin arranging it.
    pub begin_by: String,
    /// The same in seconds since 1970.
    pub begin_by_seconds: i64,
}

/// A change of root.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootChangePart {
    /// The old roots.
    pub from: Vec<RootPart>,
    /// The new root.
    pub to: RootPart,
    /// The stage that the fleet is in.
    #[schemars(extend("enum" = ["Trust", "Sign", "Drain", "Remove"]))]
    pub stage: String,
    /// Where it goes.
    #[schemars(extend("enum" = ["forward", "trust", "start"]))]
    pub goal: String,
    /// Whether any target has taken a step.
    pub has_begun: bool,
    /// Whether only people are waited for.
    pub awaits_approval: bool,
    /// The latest moment to begin the next stage.
    pub latest_start: String,
    /// The same in seconds since 1970.
    pub latest_start_seconds: i64,
    /// Who keeps it in that stage.
    pub waits_for: Vec<HoldupPart>,
    /// Clusters that are left out.
    pub excluded: Vec<String>,
    /// Roots, by generation, that wait until this change has ended.
    pub later: Vec<u32>,
    /// Why no target goes on.
    pub obstacle: Option<String>,
}

/// A root of a change.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RootPart {
    /// 0: it came with an adopted cluster.
    pub generation: u32,
    /// SHA-256 of the whole certificate.
    pub fingerprint: String,
    /// Its last second.
    pub not_after: String,
    /// The same in seconds since 1970.
    pub not_after_seconds: i64,
}

/// A cluster that the others wait for.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HoldupPart {
    /// Which one.
    pub cluster: String,
    /// For what.
    pub why: String,
    /// When that is there, if nothing else happens.
    pub by: Option<String>,
    /// From when on waiting is an alarm.
    pub alarm_at: String,
    /// Whether that moment has come.
    pub is_late: bool,
}

/// A leaked key.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeakPart {
    /// What the mesh file calls leaked: SHA-256 of the certificate.
    pub fingerprint: String,
    /// Whose key it is.
    #[schemars(extend("enum" = ["root", "issuing", "intermediate", "nobody"]))]
    pub owner: String,
    /// Null: it is no root and no issuing CA.
    pub name: Option<String>,
    /// How far the way out has come.
    pub phase: String,
    /// How bad.
    #[schemars(extend("enum" = ["warning", "critical"]))]
    pub severity: String,
    /// Clusters that it does not reach any more.
    pub protected: Vec<String>,
    /// Clusters that it reaches, and why.
    pub not_protected: Vec<ExposedPart>,
    /// The next command, without the program's name. Null: something is to be written into the mesh file.
    pub next_command: Option<String>,
    /// What to do next.
    pub next: String,
}

/// A cluster that a leaked key reaches.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct ExposedPart {
    /// Which one.
    pub cluster: String,
    /// Why.
    pub why: String,
}

/// The last moment in which a kind of rotation can safely begin.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastStartPart {
    /// Which kind.
    pub kind: String,
    /// Null: the fleet.
    pub cluster: Option<String>,
    /// That moment.
    pub at: String,
    /// The same in seconds since 1970.
    pub at_seconds: i64,
    /// Whole days until then.
    pub days_left: i64,
}

impl ReportFile {
    /// Reads a report. `name` is how the user named it.
    ///
    /// # Errors
    /// `report-malformed`: it is no report as JSON.
    pub fn parse(text: &[u8], name: &str) -> Result<Self, Problem> {
        let malformed = |why: String| {
            Problem::new(Code::ReportMalformed, format!("{name} is no report of meshca as JSON: {why}"))
                .hint("meshca report -o json > OLD.json")
        };
        // Before the keys are wanted: another document of meshca is told from one that is damaged.
        let value: serde_json::Value = serde_json::from_slice(text).map_err(|error| malformed(error.to_string()))?;
        let kind = value.get("kind").and_then(serde_json::Value::as_str).unwrap_or_default();
        if kind != "Report" {
            return Err(malformed(format!("its kind is not Report but `{}`", crate::pki::plain_text::plain(kind, 40))));
        }
        serde_json::from_value(value).map_err(|error| malformed(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::mesh::status::status;

    #[test]
    fn what_a_status_is_written_as_is_read_back() {
        let story = Story::new();
        let status = status(&story.mesh, &story.holdings, &story.observed, NOW);
        let read = ReportFile::parse(&serde_json::to_vec(&status).unwrap(), "old").unwrap();
        assert_eq!((read.mesh.as_str(), read.rows.len(), read.clusters.len()), ("mesh1", status.rows.len(), 3));
        assert_eq!(read.verdict, status.verdict());
    }

    #[test]
    fn anything_else_is_refused_and_it_is_said_what_it_is() {
        for (text, why) in [
            ("", "EOF"),
            ("[]", "its kind is not Report but ``"),
            (r#"{"kind":"Check"}"#, "its kind is not Report but `Check`"),
            (r#"{"kind":"Report"}"#, "missing field"),
        ] {
            let problem = ReportFile::parse(text.as_bytes(), "old.json").unwrap_err();
            assert_eq!(problem.code(), Code::ReportMalformed);
            assert!(
                problem.what().starts_with("old.json is no report") && problem.what().contains(why),
                "{}",
                problem.what()
            );
        }
    }
}

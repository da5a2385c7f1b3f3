//! The status as metrics: Prometheus text exposition 0.0.4, which scrapes, textfile collectors, push gateways and
//! promtool all take. Gauges only, no time stamps on samples. What is not known has no sample, never 0 or −1.

use std::collections::BTreeMap;
use std::fmt::Write;

use time::OffsetDateTime;

use crate::mesh::deadline::ends_soon;
use crate::mesh::fleet::ClusterName;
use crate::mesh::row::{Facts, Row};
use crate::mesh::standing::Standing;
use crate::mesh::status::Status;
use crate::pki::profile::Tier;

/// One family of metrics. The page `docs/reference/metrics.md` lists them, and a test keeps both equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its type as in the exposition.
    pub kind: &'static str,
    /// What it says, as one sentence.
    pub help: &'static str,
    /// The labels of its samples, in their order.
    pub labels: &'static [&'static str],
}

macro_rules! families {
    ($( $constant:ident = $name:literal [$($label:literal),*] $help:literal; )*) => {
        $( const $constant: Family = Family { name: $name, kind: "gauge", help: $help, labels: &[$($label),*] }; )*

        /// Every family, in the order in which it is written.
        pub const FAMILIES: &[Family] = &[ $( $constant, )* ];
    };
}

families! {
    EXPIRY = "istio_cert_expiry_timestamp" ["cluster", "role"]
        "End of the certificate of this role in the cluster that ends first, in Unix seconds; of a remote, what signs and roots it.";
    EXPIRES_SOON = "meshca_certificate_expires_soon" ["cluster", "role"]
        "1 if the certificate of this role in the cluster that ends first has less than seven days left, else 0.";
    NOT_AFTER = "meshca_certificate_not_after_timestamp_seconds" ["cluster", "role", "fingerprint"]
        "Last second in which the certificate is valid, in Unix seconds.";
    NOT_BEFORE = "meshca_certificate_not_before_timestamp_seconds" ["cluster", "role", "fingerprint"]
        "First second in which the certificate is valid, in Unix seconds.";
    RENEWAL = "meshca_certificate_renewal_timestamp_seconds" ["cluster", "role"]
        "When the renewal of the certificate is due, in Unix seconds.";
    INFO = "meshca_certificate_info" ["cluster", "role", "fingerprint", "serial", "subject_cn", "issuer_cn", "key_algorithm"]
        "Always 1; the labels tell what the certificate is.";
    MANAGED = "meshca_cluster_managed" ["cluster"]
        "Always 1, for every cluster of the mesh file, whether or not it can be seen.";
    UP = "meshca_cluster_up" ["cluster"]
        "1 if everything in the cluster could be seen and read at the last look, else 0.";
    OBSERVED = "meshca_last_observation_timestamp_seconds" ["cluster"]
        "When the cluster was last seen, in Unix seconds.";
    PAUSED = "meshca_rotation_paused" []
        "1 if rotation is paused in the mesh file, else 0.";
    CEREMONY = "meshca_next_ceremony_timestamp_seconds" ["tier"]
        "Last safe moment to begin the next ceremony for this tier, in Unix seconds.";
    BUILD = "meshca_build_info" ["version"]
        "Always 1; the label tells which meshca made these metrics.";
}

/// Writes the status as metrics. `now` is the moment of the scrape: the warning turns on by itself, however old the
/// status is. `version` is that of the program.
///
/// The same input gives the same text; no sample occurs twice; a family without samples is left out.
#[must_use]
pub fn render(status: &Status, now: OffsetDateTime, version: &str) -> String {
    let mut samples = Samples::default();
    for row in &status.rows {
        let (Some(cluster), Some(facts)) = (&row.cluster, &row.certificate) else { continue };
        samples.certificate(cluster, row.role, facts);
    }
    for look in &status.clusters {
        let cluster = look.cluster.as_str();
        for tier in [Tier::Root, Tier::Issuing, Tier::Intermediate] {
            let rows: Vec<&Row> = status.rows_of(&look.cluster).filter(|row| row.role == tier).collect();
            if let Some(end) = rows.iter().filter_map(|row| row.not_after()).min() {
                samples.set(&EXPIRY, &[cluster, tier.as_str()], end.unix_timestamp());
                samples.set(&EXPIRES_SOON, &[cluster, tier.as_str()], i64::from(ends_soon(end, now)));
            }
            if let Some(due) = rows.iter().filter_map(|row| row.renews_at).min() {
                samples.set(&RENEWAL, &[cluster, tier.as_str()], due.unix_timestamp());
            }
        }
        let up = status.rows_of(&look.cluster).all(|row| row.standing != Standing::Unknown);
        samples.set(&MANAGED, &[cluster], 1);
        samples.set(&UP, &[cluster], i64::from(up));
        if let Some(at) = look.at.filter(|_| up) {
            samples.set(&OBSERVED, &[cluster], at.unix_timestamp());
        }
    }
    for ceremony in &status.ceremonies {
        samples.set(&CEREMONY, &[ceremony.tier.as_str()], ceremony.last_safe.unix_timestamp());
    }
    samples.set(&PAUSED, &[], i64::from(status.paused));
    samples.set(&BUILD, &[version], 1);
    samples.text()
}

/// The samples of each family by their labels: a map, so that none can occur twice.
#[derive(Default)]
struct Samples(BTreeMap<&'static str, BTreeMap<String, i64>>);

impl Samples {
    fn certificate(&mut self, cluster: &ClusterName, role: Tier, facts: &Facts) {
        let fingerprint = facts.fingerprint.to_string();
        let place = [cluster.as_str(), role.as_str(), fingerprint.as_str()];
        self.set(&NOT_AFTER, &place, facts.validity.not_after().unix_timestamp());
        self.set(&NOT_BEFORE, &place, facts.validity.not_before().unix_timestamp());
        let [cluster, role, fingerprint] = place;
        let words = [facts.serial.as_str(), &facts.subject, &facts.issuer, &facts.key];
        let [serial, subject, issuer, key] = words;
        self.set(&INFO, &[cluster, role, fingerprint, serial, subject, issuer, key], 1);
    }

    fn set(&mut self, family: &Family, values: &[&str], sample: i64) {
        let pairs: Vec<String> =
            family.labels.iter().zip(values).map(|(label, value)| format!("{label}=\"{}\"", escaped(value))).collect();
        let labels = if pairs.is_empty() { String::new() } else { format!("{{{}}}", pairs.join(",")) };
        self.0.entry(family.name).or_default().insert(labels, sample);
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for family in FAMILIES {
            let Some(samples) = self.0.get(family.name) else { continue };
            let Family { name, kind, help, .. } = family;
            // Writing into a string cannot fail.
            let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            for (labels, value) in samples {
                let _ = writeln!(text, "{name}{labels} {value}");
            }
        }
        text
    }
}

/// A label value as the format wants it: backslash, quote and line feed are written as two characters.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

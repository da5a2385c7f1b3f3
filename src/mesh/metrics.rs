//! The status as metrics: gauges and counters, no time stamps on samples. What is not known has no sample, never 0 or −1.
//!
//! They are made from what the public status says and from nothing else, so that a report, a textfile and an exporter
//! write the same series.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use time::OffsetDateTime;

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::deadline::ends_soon;
use crate::mesh::exposition::Exposition;
use crate::mesh::observed::Grade;
use crate::mesh::report_document::{ReportDocument, WindowPart};
use crate::mesh::row_document::{KnownFacts, RowPart};
use crate::mesh::stage::Stage;
use crate::mesh::tally::Tally;
use crate::pki::profile::Tier;

/// Of the certificates of one role in one cluster, so many have series of their own: those that end first. What lies in a
/// trust bundle is up to others.
pub const MOST_DETAILS: usize = 8;

/// Series of one cluster at most, whatever lies in it.
pub const MOST_SERIES_OF_A_CLUSTER: usize = 3 * (3 + 3 * MOST_DETAILS) + 16;

/// The label that names the cluster, in [`FAMILIES`]; in the text it has the name that is wished for.
const CLUSTER: &str = "cluster";

/// One family of metrics. The page `docs/reference/metrics.md` lists them, and a test keeps both equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// What it says, as one sentence.
    pub help: &'static str,
    /// The labels of its samples, in their order.
    pub labels: &'static [&'static str],
}

/// The types of metrics that there are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// How something stands.
    Gauge,
    /// How often something happened.
    Counter,
}

impl Kind {
    /// The word in the exposition.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
        }
    }
}

macro_rules! families {
    ($( $constant:ident = $kind:ident $name:literal [$($label:literal),*] $help:literal; )*) => {
        $(
            pub(in crate::mesh) const $constant: Family =
                Family { name: $name, kind: Kind::$kind, help: $help, labels: &[$($label),*] };
        )*

        /// Every family, in the order in which it is written.
        pub const FAMILIES: &[Family] = &[ $( $constant, )* ];
    };
}

families! {
    EXPIRY = Gauge "istio_cert_expiry_timestamp" ["cluster", "role"]
        "End of the certificate of this role in the cluster that ends first, in Unix seconds; of a remote, what signs and roots it.";
    EXPIRES_SOON = Gauge "meshca_certificate_expires_soon" ["cluster", "role"]
        "1 if the certificate of this role in the cluster that ends first has less than seven days left, else 0.";
    NOT_AFTER = Gauge "meshca_certificate_not_after_timestamp_seconds" ["cluster", "role", "fingerprint"]
        "Last second in which the certificate is valid, in Unix seconds.";
    NOT_BEFORE = Gauge "meshca_certificate_not_before_timestamp_seconds" ["cluster", "role", "fingerprint"]
        "First second in which the certificate is valid, in Unix seconds.";
    RENEWAL = Gauge "meshca_certificate_renewal_timestamp_seconds" ["cluster", "role"]
        "When the renewal of the certificate is due, in Unix seconds.";
    INFO = Gauge "meshca_certificate_info" ["cluster", "role", "fingerprint", "serial", "subject_cn", "issuer_cn", "key_algorithm"]
        "Always 1; the labels tell what the certificate is.";
    MANAGED = Gauge "meshca_cluster_managed" ["cluster"]
        "Always 1, for every cluster of the mesh file as it was when the status was made, whether or not it can be seen.";
    UP = Gauge "meshca_cluster_up" ["cluster"]
        "1 if everything in the cluster could be seen and read at the last look, else 0.";
    OBSERVED = Gauge "meshca_last_observation_timestamp_seconds" ["cluster"]
        "When the cluster was last seen, in Unix seconds.";
    WRITTEN = Gauge "meshca_last_rotation_success_timestamp_seconds" ["cluster"]
        "When the set in the cluster was written, in Unix seconds.";
    ATTEMPT = Gauge "meshca_last_rotation_attempt_timestamp_seconds" ["cluster"]
        "When rotate last took a step in the cluster, or failed to, in Unix seconds.";
    ROTATIONS = Counter "meshca_rotations_total" ["cluster", "outcome"]
        "Steps of rotate in the cluster (a set written, an istiod restarted), by outcome: success or failure.";
    ERRORS = Counter "meshca_errors_total" ["cluster", "reason"]
        "Ticks of rotate in which something was wrong in the cluster, by reason: observe, refuse or write.";
    LOADED = Gauge "meshca_istiod_loaded" ["cluster", "grade"]
        "1 if istiod signs with the intermediate in its cacerts, 0 if a replica was seen to sign with another; grade says how well it is known.";
    LOADED_GRADE = Gauge "meshca_istiod_loaded_grade" ["cluster", "grade"]
        "1 for how well it is known whether istiod signs with the intermediate in its cacerts (seen, assumed or none), 0 for the other grades.";
    PAUSED = Gauge "meshca_rotation_paused" []
        "1 if rotation is paused in the mesh file, else 0.";
    ROOT_CHANGE = Gauge "meshca_root_change_stage" ["stage"]
        "1 for the stage that the root change under way is in, 0 for the other stages; absent where there is none.";
    WAITS_FOR = Gauge "meshca_root_change_waits_for" ["cluster"]
        "For each cluster that keeps a root change in its stage: 1 if it does so longer than it should, else 0.";
    WINDOW_OPEN = Gauge "meshca_rotation_window_open" []
        "1 if a maintenance window is open, else 0; without windows in the mesh file there is no sample.";
    WINDOW_OPENS = Gauge "meshca_rotation_window_opens_timestamp_seconds" []
        "When the next maintenance window opens, in Unix seconds; while one is open there is no sample.";
    CEREMONY = Gauge "meshca_next_ceremony_timestamp_seconds" ["tier"]
        "Last safe moment to begin the next ceremony for this tier, in Unix seconds.";
    LAST_START = Gauge "meshca_rotation_last_safe_start_timestamp_seconds" ["kind", "cluster"]
        "Last moment in which this kind of rotation can safely begin, in Unix seconds; cluster is empty where it is the whole fleet's.";
    READABLE = Gauge "meshca_status_readable" []
        "1 if the status that these metrics tell of could be read at the last look, else 0; they then tell of the last one that could.";
    STATUS_TIME = Gauge "meshca_status_timestamp_seconds" []
        "When the status was made that these metrics tell of, in Unix seconds; of several parts, the oldest.";
    LEDGER_TIME = Gauge "meshca_ledger_timestamp_seconds" []
        "When the last entry of the ledger was made, in Unix seconds; where there is no ledger file there is no sample.";
    BUILD = Gauge "meshca_build_info" ["version", "revision"]
        "Always 1; the labels tell which meshca made these metrics.";
}

/// What is told of.
#[derive(Debug, Clone, Copy)]
pub enum Told<'a> {
    /// A status that was read at the last look.
    Present(&'a ReportDocument),
    /// The last one that could be read: at the last look, none could.
    Past(&'a ReportDocument),
    /// None ever was.
    Nothing,
    /// This replica is not the one that works: another tells of the fleet.
    StandsBy,
}

/// In which words.
#[derive(Debug, Clone, Copy)]
pub struct Wording<'a> {
    /// The form.
    pub exposition: Exposition,
    /// What the label is called that names the cluster.
    pub cluster_label: &'a ClusterLabel,
    /// The program that makes them.
    pub build: Build<'a>,
}

/// A build of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build<'a> {
    /// Its version.
    pub version: &'a str,
    /// The commit that it was built from; empty: whoever built it did not say.
    pub revision: &'a str,
}

impl<'a> Wording<'a> {
    /// The text that everybody takes, with this label for the cluster.
    #[must_use]
    pub const fn text(cluster_label: &'a ClusterLabel, build: Build<'a>) -> Self {
        Self { exposition: Exposition::Text, cluster_label, build }
    }
}

/// Writes the metrics at a moment, which may be later than the status was made: what turns by itself turns.
#[must_use]
pub fn render(told: Told<'_>, now: OffsetDateTime, wording: &Wording<'_>) -> String {
    let mut samples = Samples { of: BTreeMap::new(), cluster_label: wording.cluster_label.as_str() };
    samples.set(&BUILD, &[wording.build.version, wording.build.revision], 1);
    match told {
        Told::Present(status) | Told::Past(status) => {
            samples.set(&READABLE, &[], i64::from(matches!(told, Told::Present(_))));
            samples.status(status, now);
        }
        Told::Nothing => samples.set(&READABLE, &[], 0),
        Told::StandsBy => {}
    }
    samples.text(wording.exposition)
}

/// The samples of each family with their labels, in the order in which they came.
struct Samples<'a> {
    of: BTreeMap<&'static str, Vec<(String, i64)>>,
    cluster_label: &'a str,
}

impl Samples<'_> {
    fn status(&mut self, status: &ReportDocument, now: OffsetDateTime) {
        self.set(&STATUS_TIME, &[], status.generated_at_seconds.unix_timestamp());
        if let Some(at) = status.recorded_at_seconds {
            self.set(&LEDGER_TIME, &[], at.unix_timestamp());
        }
        let mut rows_of: BTreeMap<&str, Vec<&RowPart>> = BTreeMap::new();
        for row in &status.rows {
            if let Some(cluster) = &row.cluster {
                rows_of.entry(cluster).or_default().push(row);
            }
        }
        for look in &status.clusters {
            let rows = rows_of.get(look.cluster.as_str()).map(Vec::as_slice).unwrap_or_default();
            let up = rows.iter().all(|row| row.is_known());
            self.cluster(&look.cluster, rows, now);
            self.set(&MANAGED, &[&look.cluster], 1);
            self.set(&UP, &[&look.cluster], i64::from(up));
            if let Some(at) = look.observed_at_seconds.filter(|_| up) {
                self.set(&OBSERVED, &[&look.cluster], at.unix_timestamp());
            }
            if let Some(at) = look.written_at_seconds {
                self.set(&WRITTEN, &[&look.cluster], at.unix_timestamp());
            }
            if let Some(tally) = &look.tally {
                self.tally(&look.cluster, tally);
            }
        }
        self.fleet(status, now);
    }

    fn cluster(&mut self, cluster: &str, rows: &[&RowPart], now: OffsetDateTime) {
        for tier in [Tier::Root, Tier::Issuing, Tier::Intermediate] {
            let role = tier.as_str();
            let rows: Vec<&&RowPart> = rows.iter().filter(|row| row.role == role).collect();
            if let Some(end) = rows.iter().filter_map(|row| row.not_after_seconds).min() {
                self.set(&EXPIRY, &[cluster, role], end.unix_timestamp());
                self.set(&EXPIRES_SOON, &[cluster, role], i64::from(ends_soon(end, now)));
            }
            if let Some(due) = rows.iter().filter_map(|row| row.renews_at_seconds).min() {
                self.set(&RENEWAL, &[cluster, role], due.unix_timestamp());
            }
            let mut facts: Vec<KnownFacts<'_>> = rows.iter().filter_map(|row| row.facts()).collect();
            facts.sort_unstable_by_key(|facts| (facts.not_after, facts.fingerprint));
            facts.dedup_by_key(|facts| facts.fingerprint);
            for facts in facts.iter().take(MOST_DETAILS) {
                self.certificate(cluster, role, facts);
            }
        }
        // There is one intermediate in a cluster.
        if let Some((grade, is_loaded)) = rows.iter().find_map(|row| row.loaded()) {
            if grade > Grade::None {
                self.set(&LOADED, &[cluster, grade.as_str()], i64::from(is_loaded));
            }
            for each in Grade::ALL {
                self.set(&LOADED_GRADE, &[cluster, each.as_str()], i64::from(each == grade));
            }
        }
    }

    /// Each counter is there from the beginning, at 0.
    fn tally(&mut self, cluster: &str, tally: &Tally) {
        let Tally { steps_taken, steps_failed, refused, unseen, .. } = *tally;
        if let Some(at) = tally.last_attempt_seconds {
            self.set(&ATTEMPT, &[cluster], at.unix_timestamp());
        }
        for (outcome, count) in [("success", steps_taken), ("failure", steps_failed)] {
            self.set(&ROTATIONS, &[cluster, outcome], counted(count));
        }
        for (reason, count) in [("observe", unseen), ("refuse", refused), ("write", steps_failed)] {
            self.set(&ERRORS, &[cluster, reason], counted(count));
        }
    }

    fn certificate(&mut self, cluster: &str, role: &str, facts: &KnownFacts<'_>) {
        let KnownFacts { not_before, not_after, fingerprint, serial, subject, issuer, key } = *facts;
        self.set(&NOT_AFTER, &[cluster, role, fingerprint], not_after.unix_timestamp());
        self.set(&NOT_BEFORE, &[cluster, role, fingerprint], not_before.unix_timestamp());
        self.set(&INFO, &[cluster, role, fingerprint, serial, subject, issuer, key], 1);
    }

    fn fleet(&mut self, status: &ReportDocument, now: OffsetDateTime) {
        for ceremony in &status.ceremonies {
            self.set(&CEREMONY, &[&ceremony.role], ceremony.begin_by_seconds.unix_timestamp());
        }
        if let Some(change) = &status.root_change {
            for stage in Stage::ALL {
                self.set(&ROOT_CHANGE, &[stage.as_str()], i64::from(stage.as_str() == change.stage));
            }
            for holdup in &change.waits_for {
                self.set(&WAITS_FOR, &[&holdup.cluster], i64::from(holdup.is_late));
            }
        }
        for start in &status.last_safe_starts {
            let cluster = start.cluster.as_deref().unwrap_or_default();
            self.set(&LAST_START, &[&start.kind, cluster], start.at_seconds.unix_timestamp());
        }
        self.set(&PAUSED, &[], i64::from(status.paused));
        if let Some(window) = &status.window {
            self.window(window, now);
        }
    }

    /// What is told of windows turns by itself as well, as far as the status knows.
    fn window(&mut self, window: &WindowPart, now: OffsetDateTime) {
        let WindowPart { opens_at_seconds: opens, closes_at_seconds: closes, .. } = *window;
        let is_ahead = opens.is_some_and(|opens| now < opens);
        if is_ahead || now < closes {
            self.set(&WINDOW_OPEN, &[], i64::from(!is_ahead));
        }
        if let Some(opens) = opens.filter(|_| is_ahead) {
            self.set(&WINDOW_OPENS, &[], opens.unix_timestamp());
        }
    }

    fn set(&mut self, family: &Family, values: &[&str], sample: i64) {
        let mut labels = String::with_capacity(128);
        for (label, value) in family.labels.iter().zip(values) {
            let label = if *label == CLUSTER { self.cluster_label } else { label };
            // Piece by piece: of ten thousands of samples, formats would be most of the work.
            labels.push(if labels.is_empty() { '{' } else { ',' });
            labels.push_str(label);
            labels.push_str("=\"");
            labels.push_str(&escaped(value));
            labels.push('"');
        }
        if !labels.is_empty() {
            labels.push('}');
        }
        self.of.entry(family.name).or_default().push((labels, sample));
    }

    fn text(mut self, exposition: Exposition) -> String {
        let longest = self.of.iter().map(|(name, samples)| {
            let labels: usize = samples.iter().map(|(labels, _)| labels.len()).sum();
            labels + (samples.len() + 4) * (name.len() + 24)
        });
        let mut text = String::with_capacity(longest.sum());
        for family in FAMILIES {
            let Some(samples) = self.of.get_mut(family.name) else { continue };
            // None may occur twice, whatever the status says.
            samples.sort_by(|one, other| one.0.cmp(&other.0));
            samples.dedup_by(|next, kept| next.0 == kept.0);
            let Family { name, kind, help, .. } = family;
            let told = exposition.family_name(name);
            // Writing into a string cannot fail.
            let _ = writeln!(text, "# HELP {told} {help}\n# TYPE {told} {}", kind.as_str());
            for (labels, value) in samples {
                text.push_str(name);
                text.push_str(labels);
                let _ = writeln!(text, " {value}");
            }
        }
        text.push_str(exposition.end());
        text
    }
}

/// A count as a sample; no count gets that far.
fn counted(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A label value as the format wants it: backslash, quote and line feed are written as two characters.
fn escaped(value: &str) -> Cow<'_, str> {
    if !value.contains(['\\', '"', '\n']) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};
    use crate::mesh::observed::{Replica, Way};
    use crate::mesh::status::{Status, status};
    use crate::problem::{Code, Problem};
    use time::Duration;

    const BUILT: Build<'static> = Build { version: "0.1.0", revision: "abc" };

    fn text_at(story: &Story, now: OffsetDateTime) -> String {
        written(&status(&story.mesh, &story.holdings, &story.observed, NOW), now)
    }

    fn written(status: &Status, now: OffsetDateTime) -> String {
        render(Told::Present(&ReportDocument::of(status)), now, &Wording::text(&ClusterLabel::USUAL, BUILT))
    }

    fn text(story: &Story) -> String {
        text_at(story, NOW)
    }

    /// The value of a sample, if there is one.
    fn sample<'a>(text: &'a str, series: &str) -> Option<&'a str> {
        text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
    }

    #[test]
    fn every_cluster_has_the_ends_of_its_intermediate_its_issuing_ca_and_its_root() {
        let story = Story::new();
        let text = text(&story);
        let end = |days| (NOW + Duration::days(days)).unix_timestamp().to_string();
        for (cluster, role, days) in [
            ("east", "intermediate", 71),
            ("west", "intermediate", 80),
            ("far", "intermediate", 71),
            ("east", "issuing", 335),
            ("far", "issuing", 335),
            ("west", "root", 3620),
            ("far", "root", 3620),
        ] {
            let series = format!("istio_cert_expiry_timestamp{{cluster=\"{cluster}\",role=\"{role}\"}}");
            assert_eq!(sample(&text, &series), Some(end(days).as_str()), "{series}");
        }
    }

    #[test]
    fn the_warning_turns_on_by_itself_between_seven_days_and_a_second_less() {
        let story = Story::new();
        let series = "meshca_certificate_expires_soon{cluster=\"east\",role=\"intermediate\"}";
        let turn = NOW + Duration::days(71 - 7);
        assert_eq!(sample(&text_at(&story, turn), series), Some("0"));
        assert_eq!(sample(&text_at(&story, turn + Duration::SECOND), series), Some("1"));
    }

    #[test]
    fn of_several_roots_the_first_to_end_counts_and_each_has_its_own_detail() {
        let mut story = Story::new();
        let other = story.other_root("mesh1 root g2");
        let both = format!("{0}{1}{0}", story.root.certificate.pem(), other.certificate.pem());
        story.sight_of("east").public.insert("root-cert.pem".to_owned(), both.into_bytes().into());
        let text = text(&story);
        let end = (NOW + Duration::days(3000)).unix_timestamp().to_string();
        assert_eq!(sample(&text, "istio_cert_expiry_timestamp{cluster=\"east\",role=\"root\"}"), Some(end.as_str()));
        let detail = "meshca_certificate_not_after_timestamp_seconds{cluster=\"east\",role=\"root\"";
        assert_eq!(text.lines().filter(|line| line.starts_with(detail)).count(), 2);
    }

    #[test]
    fn what_is_unknown_has_no_time_and_is_not_up() {
        let mut story = Story::new();
        story.look_at("west").secret = Err(Problem::new(Code::TargetUnreadable, "connection refused"));
        let text = text(&story);
        let west: Vec<&str> = text.lines().filter(|line| line.contains("\"west\"")).collect();
        let known: Vec<&&str> = west.iter().filter(|line| !line.contains("grade")).collect();
        assert_eq!(known, [&"meshca_cluster_managed{cluster=\"west\"} 1", &"meshca_cluster_up{cluster=\"west\"} 0"]);
        let grade = |grade| sample(&text, &format!("meshca_istiod_loaded_grade{{cluster=\"west\",grade=\"{grade}\"}}"));
        assert_eq!(["none", "assumed", "seen"].map(grade), [Some("1"), Some("0"), Some("0")]);
    }

    #[test]
    fn whether_istiod_loaded_its_set_has_a_sample_only_where_something_is_known() {
        let mut story = Story::new();
        let family = |story: &Story| {
            let text = text(story);
            let lines = text
                .lines()
                .filter_map(|line| line.strip_prefix("meshca_istiod_loaded").filter(|it| it.starts_with('{')));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert!(family(&story).is_empty());
        let spki = story.sight_of("east").signer.as_ref().unwrap().spki().to_vec();
        let replica = |spki: Vec<u8>| Replica { signer_spki: Some(spki), ..Replica::new("a:1".to_owned(), Way::Chain) };
        story.look_at("east").replicas = vec![replica(spki)];
        story.cluster("west").istiod.assume_loaded_after = Some(Duration::ZERO);
        story.look_at("west").written_at = Some(NOW);
        assert_eq!(family(&story), ["{cluster=\"east\",grade=\"seen\"} 1", "{cluster=\"west\",grade=\"assumed\"} 1"]);
        story.look_at("east").replicas = vec![replica(b"old".to_vec())];
        assert_eq!(family(&story)[0], "{cluster=\"east\",grade=\"seen\"} 0");
    }

    #[test]
    fn the_text_is_what_the_format_asks_for() {
        let mut story = Story::new();
        story.mesh.rotation.paused = true;
        story.observed.remove(&name("west"));
        let text = text(&story);
        assert!(text.ends_with('\n') && !text.contains("\n\n"));
        let mut seen = std::collections::BTreeSet::new();
        let mut family = String::new();
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                family = rest.split(' ').next().unwrap().to_owned();
                assert!(seen.insert(format!("help {family}")), "{family} twice");
            } else if let Some(rest) = line.strip_prefix("# TYPE ") {
                let kind = if family.ends_with("_total") { "counter" } else { "gauge" };
                assert_eq!(rest, format!("{family} {kind}"));
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(series.split('{').next(), Some(family.as_str()));
                assert!(value.parse::<i64>().is_ok(), "{line}");
                assert!(seen.insert(series.to_owned()), "{series} twice");
            }
        }
        assert_eq!(sample(&text, "meshca_rotation_paused"), Some("1"));
        assert_eq!(sample(&text, "meshca_build_info{version=\"0.1.0\",revision=\"abc\"}"), Some("1"));
        assert!(sample(&text, "meshca_next_ceremony_timestamp_seconds{tier=\"issuing\"}").is_some());
    }

    #[test]
    fn every_kind_of_rotation_has_its_last_safe_start() {
        let text = text(&Story::new());
        let starts = text.lines().filter(|line| line.starts_with("meshca_rotation_last_safe_start_timestamp_seconds{"));
        assert_eq!(starts.count(), 2 + 2 + 4, "two clusters, two ceremonies, four stages");
        let end = (NOW + Duration::days(3620 - 32)).unix_timestamp().to_string();
        let series = "meshca_rotation_last_safe_start_timestamp_seconds{kind=\"remove\",cluster=\"\"}";
        assert_eq!(sample(&text, series), Some(end.as_str()));
    }

    #[test]
    fn the_maintenance_window_turns_at_its_seconds_and_what_comes_after_it_is_not_known() {
        let mut story = Story::new();
        assert_eq!(sample(&text(&story), "meshca_rotation_window_open"), None);
        let window = crate::mesh::window::Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(4)).unwrap();
        story.mesh.rotation.windows = crate::mesh::windows::Windows::new(vec![window]);
        let opens = time::macros::datetime!(2026-11-28 2:00 UTC);
        let at = opens.unix_timestamp().to_string();
        let closes = opens + Duration::hours(4);
        for (now, open, next) in [
            (NOW, Some("0"), Some(at.as_str())),
            (opens - Duration::SECOND, Some("0"), Some(at.as_str())),
            (opens, Some("1"), None),
            (closes - Duration::SECOND, Some("1"), None),
            (closes, None, None),
        ] {
            let text = text_at(&story, now);
            assert_eq!(sample(&text, "meshca_rotation_window_open"), open, "{now}");
            assert_eq!(sample(&text, "meshca_rotation_window_opens_timestamp_seconds"), next, "{now}");
        }
    }

    #[test]
    fn a_label_value_is_escaped() {
        assert_eq!(escaped("a\\b\"c\nd"), "a\\\\b\\\"c\\nd");
    }

    #[test]
    fn a_family_is_named_once_and_its_help_is_one_line() {
        let names: std::collections::BTreeSet<&str> = FAMILIES.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), FAMILIES.len());
        assert!(FAMILIES.iter().all(|family| !family.help.contains(['\n', '\\']) && family.help.ends_with('.')));
    }
}

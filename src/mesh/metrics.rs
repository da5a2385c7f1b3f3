//! The status as metrics: Prometheus text exposition 0.0.4, which scrapes, textfile collectors, push gateways and
//! promtool all take. Gauges only, no time stamps on samples. What is not known has no sample, never 0 or −1.

use std::collections::BTreeMap;
use std::fmt::Write;

use time::OffsetDateTime;

use crate::mesh::deadline::ends_soon;
use crate::mesh::fleet::ClusterName;
use crate::mesh::observed::Grade;
use crate::mesh::row::{Facts, Row};
use crate::mesh::stage::Stage;
use crate::mesh::standing::Standing;
use crate::mesh::status::Status;
use crate::mesh::windows::Hours;
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
    LOADED = "meshca_istiod_loaded" ["cluster", "grade"]
        "1 if istiod signs with the intermediate in its cacerts, 0 if a replica was seen to sign with another; grade says how well it is known.";
    PAUSED = "meshca_rotation_paused" []
        "1 if rotation is paused in the mesh file, else 0.";
    ROOT_CHANGE = "meshca_root_change_stage" ["stage"]
        "1 for the stage that the root change under way is in, 0 for the other stages; absent where there is none.";
    WAITS_FOR = "meshca_root_change_waits_for" ["cluster"]
        "For each cluster that keeps a root change in its stage: 1 if it does so longer than it should, else 0.";
    WINDOW_OPEN = "meshca_rotation_window_open" []
        "1 if a maintenance window is open, else 0; without windows in the mesh file there is no sample.";
    WINDOW_OPENS = "meshca_rotation_window_opens_timestamp_seconds" []
        "When the next maintenance window opens, in Unix seconds; while one is open there is no sample.";
    CEREMONY = "meshca_next_ceremony_timestamp_seconds" ["tier"]
        "Last safe moment to begin the next ceremony for this tier, in Unix seconds.";
    LAST_START = "meshca_rotation_last_safe_start_timestamp_seconds" ["kind", "cluster"]
        "Last moment in which this kind of rotation can safely begin, in Unix seconds; cluster is empty where it is the whole fleet's.";
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
    for row in status.rows.iter().filter(|row| row.signed_by.is_none()) {
        let (Some(cluster), Some(loaded)) = (&row.cluster, &row.loaded) else { continue };
        if loaded.grade > Grade::None {
            samples.set(&LOADED, &[cluster.as_str(), loaded.grade.as_str()], i64::from(loaded.is_loaded));
        }
    }
    for ceremony in &status.ceremonies {
        samples.set(&CEREMONY, &[ceremony.tier.as_str()], ceremony.last_safe.unix_timestamp());
    }
    if let Some(progress) = &status.root_change {
        for stage in Stage::ALL {
            samples.set(&ROOT_CHANGE, &[stage.as_str()], i64::from(stage == progress.stage));
        }
        for holdup in &progress.holdups {
            samples.set(&WAITS_FOR, &[holdup.cluster.as_str()], i64::from(holdup.is_late));
        }
    }
    for start in &status.last_starts {
        let cluster = start.cluster.as_ref().map_or("", ClusterName::as_str);
        samples.set(&LAST_START, &[start.kind.as_str(), cluster], start.at.unix_timestamp());
    }
    samples.set(&PAUSED, &[], i64::from(status.paused));
    samples.window(status.hours, now);
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

    /// What is told of windows turns by itself as well, as far as the status knows.
    fn window(&mut self, hours: Hours, now: OffsetDateTime) {
        let (opens, closes) = match hours {
            Hours::Any => return,
            Hours::Open { until } => (None, until),
            Hours::Shut { opens, closes } => (Some(opens), closes),
        };
        let is_ahead = opens.is_some_and(|opens| now < opens);
        if is_ahead || now < closes {
            self.set(&WINDOW_OPEN, &[], i64::from(!is_ahead));
        }
        if let Some(opens) = opens.filter(|_| is_ahead) {
            self.set(&WINDOW_OPENS, &[], opens.unix_timestamp());
        }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story, name};
    use crate::mesh::observed::{Replica, Way};
    use crate::mesh::status::status;
    use crate::problem::{Code, Problem};
    use time::Duration;

    fn text_at(story: &Story, now: OffsetDateTime) -> String {
        render(&status(&story.mesh, &story.holdings, &story.observed, NOW), now, "0.1.0")
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
        assert_eq!(west, ["meshca_cluster_managed{cluster=\"west\"} 1", "meshca_cluster_up{cluster=\"west\"} 0"]);
    }

    #[test]
    fn whether_istiod_loaded_its_set_has_a_sample_only_where_something_is_known() {
        let mut story = Story::new();
        let family = |story: &Story| {
            let text = text(story);
            let lines = text.lines().filter_map(|line| line.strip_prefix("meshca_istiod_loaded"));
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
                assert_eq!(rest, format!("{family} gauge"));
            } else {
                let (series, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(series.split('{').next(), Some(family.as_str()));
                assert!(value.parse::<i64>().is_ok(), "{line}");
                assert!(seen.insert(series.to_owned()), "{series} twice");
            }
        }
        assert_eq!(sample(&text, "meshca_rotation_paused"), Some("1"));
        assert_eq!(sample(&text, "meshca_build_info{version=\"0.1.0\"}"), Some("1"));
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

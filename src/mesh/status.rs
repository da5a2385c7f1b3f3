//! How every certificate of the mesh stands, as a pure function of what is declared, held and observed, and of the
//! moment. Nothing unknown is left out: it is a row as well.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::mesh::cadence::{LastStart, last_starts};
use crate::mesh::concern::concerns;
use crate::mesh::deadline::{Ceremony, overdue_after};
use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::holdings::Holdings;
use crate::mesh::leak::{Leak, leaks};
use crate::mesh::limit::Limits;
use crate::mesh::observed::{Observed, Replica};
use crate::mesh::outcome::Outcome;
use crate::mesh::plan::{ceremonies, current_root, root_change};
use crate::mesh::progress::Progress;
use crate::mesh::row::Row;
use crate::mesh::sighting::Sighting;
use crate::mesh::standing::Standing;
use crate::mesh::tally::Tally;
use crate::mesh::windows::Hours;
use crate::pki::profile::Tier;
use crate::problem::Finding;

/// How the mesh stands at one moment. It holds public facts only, and no text from outside that could steer a
/// terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The mesh.
    pub mesh: String,
    /// Whether it is a lab.
    pub lab: bool,
    /// Whether rotation is paused in the mesh file.
    pub paused: bool,
    /// Whether a maintenance window is open, or when the next one opens.
    pub hours: Hours,
    /// The moment that it was judged at.
    pub generated_at: OffsetDateTime,
    /// When the last entry of the ledger was made; `None`: there is no ledger file, it is empty, or it cannot be read.
    pub recorded_at: Option<OffsetDateTime>,
    /// What it was judged by.
    pub thresholds: Thresholds,
    /// Every cluster of the mesh file, in its order.
    pub clusters: Vec<Look>,
    /// Every certificate in every place, worst first.
    pub rows: Vec<Row>,
    /// What is wrong besides the rows, worst first.
    pub findings: Vec<Finding>,
    /// The next ceremony of each tier that needs one.
    pub ceremonies: Vec<Ceremony>,
    /// How far a root change has come; `None`: there is none to be made.
    pub root_change: Option<Progress>,
    /// The keys that the mesh file calls leaked, and whom each still reaches.
    pub leaks: Vec<Leak>,
    /// Until when each kind of rotation can safely begin.
    pub last_starts: Vec<LastStart>,
    /// What the whole mesh came to, where rows were left out; `None`: none were.
    pub whole: Option<Whole>,
}

/// What a whole mesh came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The worst of everything.
    pub outcome: Outcome,
    /// The first line of its report.
    pub verdict: String,
}

/// What the rows were judged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds {
    /// An end less far away than this is a warning, or critical.
    pub limits: Limits,
    /// A renewal that has been due for longer than this is overdue.
    pub overdue: Duration,
}

/// A cluster of the mesh file, and when it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// Its name.
    pub cluster: ClusterName,
    /// Its role, as in the mesh file.
    pub role: &'static str,
    /// When it was looked at, whether or not anything could be seen; `None`: it was not.
    pub at: Option<OffsetDateTime>,
    /// When its present set was written; `None`: that cannot be seen.
    pub written_at: Option<OffsetDateTime>,
    /// What each replica of its istiod showed; empty where there was nothing to look at.
    pub replicas: Vec<Replica>,
    /// What ticks came to here; `None`: nobody counted.
    pub tally: Option<Tally>,
}

/// Judges everything, but for the ledger, which nothing is judged by. A cluster without an entry in `observed` was not looked at, and is unknown.
///
/// Signatures and chains are not verified here, except that of an issuing CA under the root that may be used.
#[must_use]
pub fn status(
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Status {
    status_by(Limits::default(), mesh, holdings, observed, now)
}

/// The same, with the ends of certificates judged by these limits.
#[must_use]
pub fn status_by(
    limits: Limits,
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Status {
    let thresholds = Thresholds { limits, overdue: overdue_after(&mesh.rotation) };
    let trusted = holdings.trusted(mesh).unwrap_or_default();
    let anchor = current_root(mesh, holdings, observed, now);
    let root_change = root_change(mesh, holdings, observed, now).unwrap_or_default();
    let ceremonies = anchor.as_ref().map(|anchor| ceremonies(mesh, holdings, anchor, observed)).unwrap_or_default();
    let overdue = thresholds.overdue;
    let sighting = Sighting { mesh, holdings, observed, anchor: &anchor, trusted: &trusted, overdue, limits, now };
    let mut rows: Vec<Row> = mesh.clusters.iter().flat_map(|cluster| sighting.rows(cluster)).collect();
    rows.extend(sighting.mesh_rows(&ceremonies));
    // Stable: within one end the order of the mesh file stays, and the mesh's own rows come last.
    rows.sort_by_key(|row| (row.standing, row.not_after(), row.cluster.is_none(), Reverse(row.role)));
    let last_starts = match &anchor {
        Ok(root) => last_starts(mesh, &root.certificate, &ceremonies, observed, now),
        Err(_) => Vec::new(),
    };
    let leaks = leaks(mesh, holdings, observed, root_change.as_ref(), now);
    let findings = concerns(&sighting, &rows, &ceremonies, &leaks);
    let clusters = mesh.clusters.iter().map(|cluster| Look {
        cluster: cluster.name.clone(),
        role: cluster.role.as_str(),
        at: observed.get(&cluster.name).map(|observed| observed.at),
        written_at: observed.get(&cluster.name).and_then(|observed| observed.written_at),
        replicas: observed.get(&cluster.name).map(|observed| observed.replicas.clone()).unwrap_or_default(),
        tally: None,
    });
    Status {
        mesh: mesh.name.clone(),
        lab: mesh.lab,
        paused: mesh.rotation.paused,
        hours: mesh.rotation.windows.at(now),
        generated_at: now,
        recorded_at: None,
        thresholds,
        clusters: clusters.collect(),
        rows,
        findings,
        ceremonies,
        root_change,
        leaks,
        last_starts,
        whole: None,
    }
}

impl Status {
    /// The worst of everything; its exit code is what `check` ends with.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if let Some(whole) = &self.whole {
            return whole.outcome;
        }
        let rows = self.rows.iter().map(Row::outcome);
        let findings = self.findings.iter().map(|finding| Outcome::from(finding.severity));
        rows.chain(findings).max().unwrap_or_default()
    }

    /// Whether there is nothing that could not be looked at, or not be read.
    #[must_use]
    pub fn is_all_seen(&self) -> bool {
        self.rows.iter().all(|row| row.standing != Standing::Unknown)
    }

    /// The ceremony that must begin first.
    #[must_use]
    pub fn next_ceremony(&self) -> Option<&Ceremony> {
        self.ceremonies.iter().min_by_key(|ceremony| ceremony.last_safe)
    }

    /// The rows of one cluster.
    pub fn rows_of<'a>(&'a self, cluster: &'a ClusterName) -> impl Iterator<Item = &'a Row> {
        self.rows.iter().filter(move |row| row.cluster.as_ref() == Some(cluster))
    }

    /// The rows that a reader needs first: every intermediate, the mesh's own issuing CA and root, and of what else
    /// lies in a cluster that which differs from these or is not known.
    #[must_use]
    pub fn headlines(&self) -> Vec<&Row> {
        self.rows.iter().filter(|row| self.is_headline(row)).collect()
    }

    fn is_headline(&self, row: &Row) -> bool {
        let Some(cluster) = &row.cluster else { return true };
        let is_the_meshs = |mine: &Row| mine.cluster.is_none() && mine.fingerprint() == row.fingerprint();
        match row.role {
            Tier::Intermediate => true,
            _ if row.certificate.is_none() => {
                let same = |it: &Row| it.role == Tier::Intermediate && it.reason == row.reason;
                !self.rows_of(cluster).any(same)
            }
            Tier::Root => !self.rows.iter().any(is_the_meshs),
            Tier::Issuing => row.outcome() > Outcome::Fine && !self.rows.iter().any(is_the_meshs),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet::{Access, Membership, Role};
    use crate::mesh::fleet_story::{NOW, Story, cluster, name};
    use crate::mesh::observed::Owner;
    use crate::mesh::observed::{Grade, Replica, Way};
    use crate::mesh::ownership::Ownership;
    use crate::problem::{Code, Problem};

    const SECOND: Duration = Duration::SECOND;

    fn days(number: i64) -> Duration {
        Duration::days(number)
    }

    fn seen(story: &Story) -> Status {
        status(&story.mesh, &story.holdings, &story.observed, NOW)
    }

    fn row(status: &Status, cluster: &str, role: Tier) -> Row {
        status.rows_of(&name(cluster)).find(|row| row.role == role).unwrap().clone()
    }

    fn standing(story: &Story, cluster: &str) -> Standing {
        row(&seen(story), cluster, Tier::Intermediate).standing
    }

    fn codes(status: &Status) -> Vec<Code> {
        status.findings.iter().map(|finding| finding.problem.code()).collect()
    }

    fn refused_connection() -> Problem {
        Problem::new(Code::TargetUnreadable, "connection refused (10.4.0.1:6443)")
    }

    #[test]
    fn a_sound_mesh_is_fine_and_says_when_the_first_renewal_is_due() {
        let status = seen(&Story::new());
        assert_eq!(status.verdict(), "all 3 clusters are fine; the first renewal is due in 41 d (east)");
        assert_eq!((status.outcome(), status.findings.len()), (Outcome::Fine, 0));
        assert!(status.rows.iter().all(|row| row.standing == Standing::Fine));
        let next = status.next_ceremony().unwrap();
        assert_eq!((next.tier, next.last_safe), (Tier::Issuing, NOW + days(335 - 90 - 30)));
    }

    #[test]
    fn each_cluster_has_its_intermediate_its_issuing_ca_and_its_root_and_a_remote_those_of_its_primary() {
        let status = seen(&Story::new());
        let of = |cluster: &str| status.rows_of(&name(cluster)).map(|row| row.role).collect::<Vec<_>>();
        for cluster in ["east", "west", "far"] {
            assert_eq!(of(cluster), [Tier::Intermediate, Tier::Issuing, Tier::Root], "{cluster}");
        }
        let (east, far) = (row(&status, "east", Tier::Intermediate), row(&status, "far", Tier::Intermediate));
        assert_eq!(east.certificate, far.certificate);
        assert_eq!((east.signed_by, far.signed_by), (None, Some(name("east"))));
    }

    #[test]
    fn headlines_leave_out_what_repeats_the_mesh_and_keep_what_differs() {
        let mut story = Story::new();
        let heads = |story: &Story| {
            let status = seen(story);
            let place = |row: &&Row| {
                let cluster = row.cluster.as_ref().map_or("mesh1", |name| name.as_str());
                format!("{cluster} {}", row.role.as_str())
            };
            status.headlines().iter().map(place).collect::<Vec<_>>()
        };
        let usual = ["east intermediate", "far intermediate", "west intermediate", "mesh1 issuing", "mesh1 root"];
        assert_eq!(heads(&story), usual);
        let other = story.other_root("mesh0 root").certificate.pem();
        story.sight_of("west").public.insert("root-cert.pem".to_owned(), other.into_bytes().into());
        assert!(heads(&story).contains(&"west root".to_owned()));
    }

    #[test]
    fn a_renewal_may_be_late_by_one_tick_and_the_grace_and_not_by_a_second_more() {
        let mut story = Story::new();
        let slack = Duration::hours(25);
        let late = |story: &mut Story, late| {
            story.publish("east", 1, NOW + days(30) - late);
            standing(story, "east")
        };
        assert_eq!(late(&mut story, -SECOND), Standing::Fine);
        assert_eq!(late(&mut story, Duration::ZERO), Standing::Due);
        assert_eq!(late(&mut story, slack), Standing::Due);
        assert_eq!(late(&mut story, slack + SECOND), Standing::Overdue);
    }

    #[test]
    fn the_worst_row_comes_first_and_makes_the_verdict_and_the_exit_code() {
        let mut story = Story::new();
        story.publish("west", 1, NOW + days(5) + Duration::hours(3));
        let status = seen(&story);
        assert_eq!(
            status.verdict(),
            "1 of 3 clusters needs action: west renewal is overdue by 24 d 21 h, ends in 5 d 3 h"
        );
        assert_eq!(status.outcome(), Outcome::Warning);
        assert_eq!(status.rows[0].cluster, Some(name("west")));
        story.look_at("far").system_roots = Err(refused_connection());
        let status = seen(&story);
        assert_eq!(status.outcome(), Outcome::Unknown);
        assert!(status.verdict().starts_with("2 of 3 clusters need action: west renewal"), "{}", status.verdict());
        story.publish("west", 1, NOW + days(2) - SECOND);
        assert_eq!(seen(&story).outcome(), Outcome::Critical);
        assert_eq!(seen(&story).verdict(), "2 of 3 clusters need action: west intermediate ends in 1 d 23 h");
        story.publish("west", 1, NOW - SECOND);
        assert_eq!(seen(&story).rows[0].standing, Standing::Expired);
    }

    #[test]
    fn what_cannot_be_seen_is_a_row_with_its_reason_also_for_the_remote_below_it() {
        let mut story = Story::new();
        story.look_at("east").secret = Err(refused_connection());
        let status = seen(&story);
        let (east, far) = (row(&status, "east", Tier::Intermediate), row(&status, "far", Tier::Intermediate));
        assert_eq!(east.reason.as_deref(), Some("connection refused (10.4.0.1:6443)"));
        assert_eq!(far.reason.as_deref(), Some("its primary east: connection refused (10.4.0.1:6443)"));
        for (cluster, tier) in [("east", Tier::Root), ("far", Tier::Root), ("far", Tier::Intermediate)] {
            assert_eq!(row(&status, cluster, tier).standing, Standing::Unknown, "{cluster}");
        }
        assert_eq!(status.outcome(), Outcome::Unknown);
        assert!(!status.is_all_seen());
        // One line for each in the table: the root's would only say the same again.
        assert_eq!(status.headlines().iter().filter(|row| row.standing == Standing::Unknown).count(), 2);
        story.observed.remove(&name("west"));
        assert_eq!(row(&seen(&story), "west", Tier::Intermediate).reason.as_deref(), Some("it was not looked at"));
    }

    #[test]
    fn no_cacerts_is_missing_and_an_unreadable_certificate_is_unknown() {
        let mut story = Story::new();
        story.look_at("east").secret = Ok(None);
        let malformed = Problem::new(Code::CertificateMalformed, "ca-cert.pem does not begin with a certificate");
        story.sight_of("west").signer = Err(malformed);
        let status = seen(&story);
        let (east, west) = (row(&status, "east", Tier::Intermediate), row(&status, "west", Tier::Intermediate));
        assert_eq!((east.standing, east.reason.as_deref()), (Standing::Missing, Some("no cacerts yet")));
        assert_eq!(row(&status, "far", Tier::Root).standing, Standing::Missing);
        assert_eq!(west.standing, Standing::Unknown);
        assert_eq!(west.reason.as_deref(), Some("ca-cert.pem does not begin with a certificate"));
    }

    #[test]
    fn one_unreadable_root_beside_a_readable_one_is_a_row_of_its_own() {
        let mut story = Story::new();
        let bad = pem::encode(&pem::Pem::new("CERTIFICATE", b"no".as_slice())).replace("\r\n", "\n");
        let both = format!("{}{bad}", story.root.certificate.pem());
        story.sight_of("east").public.insert("root-cert.pem".to_owned(), both.into_bytes().into());
        let status = seen(&story);
        let roots: Vec<Standing> =
            status.rows_of(&name("east")).filter(|row| row.role == Tier::Root).map(|row| row.standing).collect();
        assert_eq!(roots, [Standing::Unknown, Standing::Fine]);
    }

    #[test]
    fn a_key_that_does_not_fit_needs_action_however_long_the_certificate_lasts() {
        let mut story = Story::new();
        story.sight_of("east").key_spki = None;
        let east = row(&seen(&story), "east", Tier::Intermediate);
        assert_eq!((east.standing, east.outcome()), (Standing::Due, Outcome::Warning));
        assert_eq!(east.reason.as_deref(), Some("its ca-key.pem does not belong to its ca-cert.pem"));
    }

    #[test]
    fn loading_is_assumed_only_behind_a_directory_after_the_declared_time() {
        let mut story = Story::new();
        let grade = |story: &Story| row(&seen(story), "east", Tier::Intermediate).loaded.unwrap().grade;
        let after = Duration::minutes(10);
        story.look_at("east").written_at = Some(NOW - after);
        assert_eq!(grade(&story), Grade::None);
        story.cluster("east").istiod.assume_loaded_after = Some(after);
        assert_eq!(grade(&story), Grade::Assumed);
        story.look_at("east").written_at = Some(NOW - after + SECOND);
        assert_eq!(grade(&story), Grade::None);
        story.look_at("east").written_at = Some(NOW - after);
        story.cluster("east").access = Access::InCluster;
        assert_eq!(grade(&story), Grade::None);
    }

    #[test]
    fn loading_is_seen_only_when_every_replica_serves_the_signer() {
        let mut story = Story::new();
        let signer = story.publish("east", 2, NOW + days(80)).certificate.spki().to_vec();
        let replica = |spki: Option<Vec<u8>>| Replica {
            signer_spki: spki,
            ..Replica::new("istiod:15012".to_owned(), Way::Chain)
        };
        let mut grade = |replicas| {
            story.look_at("east").replicas = replicas;
            let row = row(&seen(&story), "east", Tier::Intermediate);
            (row.loaded.unwrap().as_str(), row.reason)
        };
        let good = || replica(Some(signer.clone()));
        assert_eq!(grade(vec![good(), good()]), ("seen", None));
        let unseen = grade(vec![good(), replica(None)]);
        assert_eq!(unseen, ("none", Some("1 of 2 replicas not seen: istiod:15012".to_owned())));
        let another = grade(vec![good(), replica(Some(b"old".to_vec()))]);
        let why = "istiod at istiod:15012 serves another signer than its cacerts";
        assert_eq!(another, ("no", Some(why.to_owned())));
    }

    #[test]
    fn an_istiod_that_was_not_seen_or_serves_another_signer_is_a_finding_and_hides_no_renewal() {
        let mut story = Story::new();
        let unreachable = |name: &str| {
            let why = Problem::new(Code::IstiodUnreachable, format!("istiod at {name} cannot be reached: refused"));
            Replica::unseen(name.to_owned(), Way::Chain, why)
        };
        let other =
            |name: &str| Replica { signer_spki: Some(b"old".to_vec()), ..Replica::new(name.to_owned(), Way::Chain) };
        story.look_at("east").replicas = vec![unreachable("a:1"), unreachable("b:1")];
        story.look_at("west").replicas = vec![other("c:1")];
        let status = seen(&story);
        assert_eq!(codes(&status), [Code::IstiodUnreachable, Code::IstiodServesAnother]);
        let [east, west] = &status.findings[..] else { panic!("{:?}", status.findings) };
        assert_eq!(
            (east.place.as_str(), east.problem.facts()),
            ("east", &["istiod at b:1 cannot be reached: refused".to_owned()][..])
        );
        assert_eq!(west.place, "west");
        assert_eq!((status.outcome(), status.is_all_seen()), (Outcome::Warning, true));
        // Without a cacerts there is nothing that it could have loaded, and it is still told that it cannot be reached.
        story.look_at("east").secret = Ok(None);
        assert_eq!(codes(&seen(&story)), [Code::IstiodUnreachable, Code::IstiodServesAnother]);
    }

    #[test]
    fn one_key_in_two_clusters_is_critical() {
        let mut story = Story::new();
        let made = story.publish("east", 1, NOW + days(71));
        let sight = story.sight("west", 1, &made);
        story.look_at("west").secret = Ok(Some(sight));
        let status = seen(&story);
        assert_eq!(codes(&status), [Code::SharedSigningKey]);
        assert_eq!(status.findings[0].place, "east, west");
        assert_eq!(status.outcome(), Outcome::Critical);
        assert_eq!(status.verdict(), "2 of 3 clusters need action: east and west sign with the same private key");
    }

    #[test]
    fn another_root_is_critical_and_a_foreign_owner_a_warning() {
        let mut story = Story::new();
        let other = story.other_root("mesh0 root").certificate.pem();
        story.look_at("far").system_roots = Ok(Some(other.into_bytes().into()));
        story.sight_of("west").owner = Owner::Somebody("helm".to_owned());
        let status = seen(&story);
        assert_eq!(codes(&status), [Code::RootDiffers, Code::OwnedBySomebodyElse]);
        assert_eq!(row(&status, "west", Tier::Intermediate).renews_at, None);
        assert_eq!(row(&status, "far", Tier::Root).reason.as_deref(), Some("not the root that the mesh uses"));
        assert_eq!(status.outcome(), Outcome::Critical);
    }

    #[test]
    fn another_mesh_of_ours_is_not_renewed_here() {
        let mut story = Story::new();
        let mark = Ownership::new("mesh2", &name("west"), 1, "1".to_owned());
        story.sight_of("west").owner = Owner::Ours(mark);
        assert_eq!(row(&seen(&story), "west", Tier::Intermediate).renews_at, None);
    }

    #[test]
    fn a_pause_is_a_finding_only_while_something_is_due() {
        let mut story = Story::new();
        story.mesh.rotation.paused = true;
        assert_eq!(codes(&seen(&story)), []);
        story.publish("east", 1, NOW + days(30));
        assert_eq!(codes(&seen(&story)), [Code::RotationPaused]);
        assert_eq!(seen(&story).outcome(), Outcome::Warning);
    }

    #[test]
    fn a_ceremony_is_asked_for_from_the_second_it_is_due_and_overdue_after_its_last_safe_day() {
        let mut story = Story::new();
        let mut with_left = |left| {
            let made = story.other_issuing("mesh1 issuing g2", NOW - days(20), NOW + left);
            story.holdings.issuing[0].certificate = made.certificate;
            let status = seen(&story);
            let row = status.rows.iter().find(|row| row.cluster.is_none() && row.role == Tier::Issuing).unwrap();
            (row.standing, codes(&status))
        };
        let safe = days(120);
        let asked = vec![Code::CeremonyNeeded];
        assert_eq!(with_left(safe + SECOND), (Standing::Fine, vec![]));
        assert_eq!(with_left(safe), (Standing::Due, asked.clone()));
        let slack = Duration::hours(25);
        assert_eq!(with_left(safe - slack), (Standing::Due, asked.clone()));
        assert_eq!(with_left(safe - slack - SECOND), (Standing::Overdue, asked));
    }

    #[test]
    fn without_a_root_or_an_issuing_ca_the_mesh_says_so() {
        let mut story = Story::new();
        story.holdings.issuing.clear();
        assert_eq!(codes(&seen(&story)), [Code::CeremonyNeeded]);
        let verdict = "all 3 clusters are fine, but the mesh needs action: mesh1: no issuing CA under the root yet";
        assert_eq!(seen(&story).verdict(), verdict);
        story.holdings.roots.clear();
        assert_eq!(codes(&seen(&story)), [Code::NoUsableRoot]);
        assert_eq!(seen(&story).outcome(), Outcome::Warning);
    }

    #[test]
    fn an_excluded_cluster_keeps_its_row_and_says_why() {
        let mut story = Story::new();
        let until = NOW + days(3);
        story.cluster("west").state = Membership::Excluded { reason: "moving".to_owned(), until };
        let west = row(&seen(&story), "west", Tier::Intermediate);
        assert_eq!(west.reason.as_deref(), Some("excluded until 2026-11-26T10:00:00Z: moving"));
    }

    #[test]
    fn a_remote_behind_an_api_server_without_its_config_map_is_missing_its_root() {
        let mut story = Story::new();
        story.cluster("far").access = Access::InCluster;
        let far = row(&seen(&story), "far", Tier::Root);
        assert_eq!(far.standing, Standing::Missing);
        assert_eq!(far.reason.as_deref(), Some("no istio-ca-root-cert in istio-system"));
    }

    #[test]
    fn a_remote_of_nobody_is_unknown() {
        let mut story = Story::new();
        let lost = cluster("lost", Role::Remote { primary: name("gone") });
        story.mesh.clusters = story.mesh.clusters.iter().cloned().chain([lost]).collect();
        assert_eq!(standing(&story, "lost"), Standing::Unknown);
    }

    #[test]
    fn no_text_from_outside_steers_a_terminal() {
        let mut story = Story::new();
        story.look_at("east").secret = Err(Problem::new(Code::TargetUnreadable, "\u{1b}[2Jgone\nfine"));
        story.sight_of("west").owner = Owner::Somebody("he\u{1b}lm".to_owned());
        let text = format!("{}{}", serde_json::to_string(&seen(&story)).unwrap(), seen(&story).verdict());
        assert!(!text.contains('\u{1b}') && !text.contains("u001b"), "{text}");
    }

    #[test]
    fn the_document_has_times_as_text_and_as_numbers_and_null_where_nothing_is_known() {
        let mut story = Story::new();
        story.look_at("west").secret = Err(refused_connection());
        let document = serde_json::to_value(seen(&story)).unwrap();
        assert_eq!(document["apiVersion"], "meshca.io/v1");
        assert_eq!(document["kind"], "Report");
        assert_eq!(document["generatedAt"], "2026-11-23T10:00:00Z");
        assert_eq!(document["thresholds"]["warningSeconds"], 604_800);
        assert_eq!(document["thresholds"]["overdueAfterSeconds"], 90_000);
        let west = &document["rows"][0];
        assert_eq!((&west["cluster"], &west["status"]), (&"west".into(), &"UNKNOWN".into()));
        assert!(west["notAfter"].is_null() && west["notAfterSeconds"].is_null() && west["serial"].is_null());
        let east = document["rows"].as_array().unwrap().iter().find(|row| row["cluster"] == "east").unwrap();
        assert_eq!(east["notAfter"], "2027-02-02T10:00:00Z");
        assert_eq!(east["notAfterSeconds"], (NOW + days(71)).unix_timestamp());
        assert_eq!(east["expiresInSeconds"], days(71).whole_seconds());
        assert_eq!(east["fingerprint"].as_str().unwrap().len(), 64);
        assert_eq!(document["ceremonies"][1]["role"], "issuing");
    }

    #[test]
    fn a_remote_whose_namespace_names_other_control_planes_is_a_finding_and_one_that_names_its_own_is_not() {
        let found = |named: Option<&[&str]>| {
            let mut story = Story::new();
            story.look_at("far").control_planes =
                named.map(|named| named.iter().map(|&it| it.to_owned()).collect::<Vec<_>>());
            codes(&seen(&story)).contains(&Code::ControlPlaneNotNamed)
        };
        assert!(found(Some(&[])));
        assert!(found(Some(&["west", "eastern"])));
        assert!(!found(Some(&["west", "east"])));
        assert!(!found(Some(&["*"])));
        assert!(!found(None), "what nobody may read is no finding");
    }
}

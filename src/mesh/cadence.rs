//! Whether the lengths of time in a mesh file fit together over the years: how often each tier is renewed, how much room each
//! rule leaves, and until when each kind of rotation can begin.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::mesh::deadline::{Ceremony, GRACE, WARNING, latest_start};
use crate::mesh::fleet::{Cluster, ClusterName, Mesh, TierWish};
use crate::mesh::footing::is_party;
use crate::mesh::observed::Observed;
use crate::mesh::stage::Stage;
use crate::pki::certificate::Certificate;
use crate::pki::profile::Tier;

/// How the lengths of time fit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cadence {
    /// How often each tier is renewed, the shortest first.
    pub rounds: Vec<Round>,
    /// How much room each rule leaves.
    pub rules: Vec<Rule>,
}

/// How often something is renewed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// What.
    pub tier: Tier,
    /// From one to the next, where nobody is late.
    pub every: Duration,
    /// Whether people are needed for it.
    pub by_people: bool,
}

/// One rule about lengths of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What it is about, in words.
    pub what: &'static str,
    /// How it is reckoned, in the words of the mesh file.
    pub reckoned: &'static str,
    /// What is left; below zero it is broken.
    pub slack: Duration,
}

impl Rule {
    /// Whether it holds. Of those that a mesh file must keep none is broken.
    #[must_use]
    pub const fn holds(&self) -> bool {
        !self.slack.is_negative()
    }
}

/// Reckons it, by the mesh file alone.
#[must_use]
pub fn cadence(mesh: &Mesh) -> Cadence {
    Cadence { rounds: rounds(mesh), rules: rules(mesh) }
}

fn rounds(mesh: &Mesh) -> Vec<Round> {
    let round = |tier, wish: TierWish, by_people| Round { tier, every: wish.lifetime - wish.renew_before, by_people };
    let intermediate = round(Tier::Intermediate, mesh.intermediate, mesh.issuing.is_none());
    let issuing = mesh.issuing.map(|wish| round(Tier::Issuing, wish, true));
    let root = round(Tier::Root, mesh.root.tier, true);
    [Some(intermediate), issuing, Some(root)].into_iter().flatten().collect()
}

fn rules(mesh: &Mesh) -> Vec<Rule> {
    let rotation = &mesh.rotation;
    let renewal = mesh.intermediate.renew_before - rotation.windows.longest_gap() - rotation.jitter;
    let leaf = mesh.workload.max_ttl + mesh.workload.margin;
    let mut rules = vec![
        Rule {
            what: "a workload certificate ends before its intermediate does",
            reckoned: "intermediate.renewBefore - window gap - jitter - workload.maxTTL - margin",
            slack: renewal - leaf,
        },
        Rule {
            what: "a renewal comes before the 7-day alert",
            reckoned: "intermediate.renewBefore - window gap - jitter - tick - 7d",
            slack: renewal - rotation.tick - WARNING,
        },
    ];
    let below_root = match mesh.issuing {
        Some(issuing) => {
            rules.push(Rule {
                what: "a new issuing CA is there before an intermediate would be cut short",
                reckoned: "issuing.renewBefore - intermediate.lifetime - lead",
                slack: issuing.renew_before - mesh.intermediate.lifetime - mesh.lead,
            });
            issuing.lifetime
        }
        None => mesh.intermediate.lifetime,
    };
    let end = OffsetDateTime::UNIX_EPOCH;
    let change = end - latest_start(mesh, Stage::Trust, leaf, end);
    rules.extend([
        Rule {
            what: "a new root is there before what it signs would be cut short",
            reckoned: "root.renewBefore - lifetime of what it signs - lead",
            slack: mesh.root.tier.renew_before - below_root - mesh.lead,
        },
        Rule {
            what: "a change of root ends before the old root does",
            reckoned: "root.renewBefore - lead - Trust, Sign, Drain and Remove, with a lead for whoever is away",
            slack: mesh.root.tier.renew_before - mesh.lead - change,
        },
    ]);
    if let Some(shortest) = rotation.windows.iter().map(crate::mesh::window::Window::duration).min() {
        rules.push(Rule {
            what: "a run comes into every window by itself; else its schedule must aim at the windows",
            reckoned: "shortest of rotation.windows - tick",
            slack: shortest - rotation.tick,
        });
    }
    rules
}

/// The last moment in which a kind of rotation can safely begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastStart {
    /// Which kind.
    pub kind: Kind,
    /// The cluster; `None`: the fleet.
    pub cluster: Option<ClusterName>,
    /// When, UTC.
    pub at: OffsetDateTime,
}

/// A kind of rotation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The renewal of an intermediate: later, workload certificates are cut short.
    Intermediate,
    /// The ceremony for a new issuing CA, or, where there is none, for the stock.
    Signers,
    /// The ceremony for the next root.
    NextRoot,
    /// A stage of a change of root.
    Stage(Stage),
}

impl Kind {
    /// The word in documents and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Kind::Intermediate => "intermediate",
            Kind::Signers => "signers",
            Kind::NextRoot => "next-root",
            Kind::Stage(Stage::Trust) => "trust",
            Kind::Stage(Stage::Sign) => "sign",
            Kind::Stage(Stage::Drain) => "drain",
            Kind::Stage(Stage::Remove) => "remove",
        }
    }
}

/// Reckons the last safe starts: of each cluster that gets `cacerts` and whose set can be read, of each ceremony, and of each stage
/// of a change away from `root`, whether or not one is under way.
#[must_use]
pub fn last_starts(
    mesh: &Mesh,
    root: &Certificate,
    ceremonies: &[Ceremony],
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> Vec<LastStart> {
    let parties: Vec<&Cluster> = mesh.clusters.iter().filter(|it| it.role.has_cacerts() && is_party(it, now)).collect();
    let leaf = |cluster: &Cluster| leaf_bound(mesh, observed.get(&cluster.name));
    let intermediates = parties.iter().filter_map(|cluster| {
        let there = observed.get(&cluster.name)?.secret.as_ref().ok()?.as_ref()?;
        let end = there.signer.as_ref().ok()?.not_after();
        // A run or two may fail in between.
        let at = end - leaf(cluster) - mesh.rotation.tick - GRACE;
        Some(LastStart { kind: Kind::Intermediate, cluster: Some(cluster.name.clone()), at })
    });
    let asked = ceremonies.iter().map(|ceremony| {
        let kind = if ceremony.tier == Tier::Root { Kind::NextRoot } else { Kind::Signers };
        LastStart { kind, cluster: None, at: ceremony.last_safe }
    });
    let bound =
        parties.iter().map(|cluster| leaf(cluster)).max().unwrap_or(mesh.workload.max_ttl + mesh.workload.margin);
    let stages = Stage::ALL.into_iter().map(|stage| {
        let at = latest_start(mesh, stage, bound, root.not_after());
        LastStart { kind: Kind::Stage(stage), cluster: None, at }
    });
    intermediates.chain(asked).chain(stages).collect()
}

/// The life of a workload certificate with the margin: what the mesh file says, or what istiod's own settings were seen to allow, if
/// that is more.
fn leaf_bound(mesh: &Mesh, observed: Option<&Observed>) -> Duration {
    let deployment = observed.and_then(|it| it.deployment.as_ref()?.as_ref().ok());
    let seen = deployment.and_then(|it| it.max_workload_ttl.as_ref().ok().copied()?);
    mesh.workload.max_ttl.max(seen.unwrap_or_default()) + mesh.workload.margin
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::{NOW, Story};
    use crate::mesh::plan::ceremonies;
    use crate::mesh::window::Window;
    use crate::mesh::windows::Windows;

    fn days(number: i64) -> Duration {
        Duration::days(number)
    }

    fn slacks(story: &Story) -> Vec<Duration> {
        cadence(&story.mesh).rules.iter().map(|rule| rule.slack).collect()
    }

    #[test]
    fn every_rule_leaves_what_is_left_of_its_inequality() {
        let story = Story::new();
        // 30 d less 25 h; 30 d less 1 d and 7 d; 120 less 90 and 30; 730 less 365 and 30; 730 less 30 and a change of root.
        let change = days(7) + Duration::hours(50) + days(30);
        assert_eq!(
            slacks(&story),
            [days(30) - Duration::hours(25), days(22), days(0), days(335), days(730 - 30) - change]
        );
        assert!(cadence(&story.mesh).rules.iter().all(Rule::holds));
    }

    #[test]
    fn windows_take_their_gap_from_what_is_left_and_say_whether_a_run_falls_into_them() {
        let mut story = Story::new();
        let before = slacks(&story);
        let window = |hours| Window::parse("0 2 * * 6", "Etc/UTC", Duration::hours(hours)).unwrap();
        story.mesh.rotation.windows = Windows::new(vec![window(4)]);
        let after = slacks(&story);
        assert_eq!(before[0] - after[0], Duration::hours(7 * 24 - 4));
        assert_eq!(after[5], -Duration::hours(20));
        assert!(!cadence(&story.mesh).rules[5].holds());
        story.mesh.rotation.windows = Windows::new(vec![window(24)]);
        assert!(cadence(&story.mesh).rules[5].holds(), "to the second");
    }

    #[test]
    fn each_tier_has_its_round_and_people_make_what_a_machine_may_not() {
        let mut story = Story::new();
        let told = |story: &Story| {
            let rounds = cadence(&story.mesh).rounds;
            rounds.iter().map(|it| (it.tier, it.every.whole_days(), it.by_people)).collect::<Vec<_>>()
        };
        let root = (Tier::Root, 2920, true);
        assert_eq!(told(&story), [(Tier::Intermediate, 60, false), (Tier::Issuing, 245, true), root]);
        story.mesh.issuing = None;
        assert_eq!(told(&story), [(Tier::Intermediate, 60, true), root]);
    }

    #[test]
    fn the_last_starts_are_those_of_each_cluster_of_each_ceremony_and_of_each_stage() {
        let story = Story::new();
        let root = &story.holdings.roots[0];
        let asked = ceremonies(&story.mesh, &story.holdings, root, &story.observed);
        let starts = last_starts(&story.mesh, &root.certificate, &asked, &story.observed, NOW);
        let words: Vec<&str> = starts.iter().map(|start| start.kind.as_str()).collect();
        assert_eq!(words, ["intermediate", "intermediate", "next-root", "signers", "trust", "sign", "drain", "remove"]);
        assert_eq!(starts[0].at, NOW + days(71) - Duration::hours(25 + 24 + 1));
        assert_eq!(starts[3].at, NOW + days(335 - 90 - 30));
        let end = root.certificate.not_after();
        assert_eq!(starts[7].at, end - days(2 + 30), "two ticks, and a lead for whoever is away");
        assert!(starts.windows(2).skip(4).all(|pair| pair[0].at < pair[1].at), "a stage before the next one");
    }
}

//! Who verifies whom: for each ordered pair of clusters whether a workload of the one accepts a workload of the other,
//! today and after the next stage of a root change, and why not.
//!
//! Today: the roots that a cluster's workloads are shown (else those that are published), and the signer that is
//! published, as a workload certificate that istiod signs with it now. Where a replica was seen to sign with another one,
//! nothing is known of today: what that one leads to was not kept. Workload certificates that were signed earlier, by
//! another signer, are not looked at.
//!
//! A fleet has few trust bundles. So each signer is verified once against each bundle, whatever the number of pairs, and
//! clusters that no pair tells apart are one group.

use std::collections::BTreeMap;
use std::rc::Rc;

use time::OffsetDateTime;

use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::footing::is_party;
use crate::mesh::holdings::Holdings;
use crate::mesh::limit::Limits;
use crate::mesh::loaded::loaded;
use crate::mesh::observed::{Observed, SecretSight, certificates};
use crate::mesh::peer_trust::{Presented, refusal};
use crate::mesh::plan::{current_root, root_change};
use crate::mesh::progress::Progress;
use crate::mesh::sighting::{Roots, Sighting};
use crate::mesh::stage::Stage;
use crate::mesh::walk_mark::Goal;
use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;

/// Signers times bundles that are verified at most. Where a fleet has more, clusters with the rarest bundles are left out.
const MOST_VERIFIED: usize = 200_000;

/// Why nothing is known of a peer that is seen to run on another signer.
const RUNS_ON_ANOTHER: &str = "a replica of the peer's istiod signs with another intermediate than the published one";

/// Who verifies whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustMatrix {
    /// Clusters that no pair tells apart, in the order of the mesh file.
    pub groups: Vec<Vec<ClusterName>>,
    /// Today.
    pub today: Grid,
    /// What will be; `None`: nothing is on its way that changes it.
    pub next: Option<Next>,
    /// Clusters that were not looked into, since the fleet has too many trust bundles.
    pub left_out: Vec<ClusterName>,
    /// How many signers were verified against how many bundles, multiplied.
    pub verified: usize,
}

/// A verdict for each ordered pair of groups: `grid[verifier][peer]`.
pub type Grid = Vec<Vec<Verdict>>;

/// What will be, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Next {
    /// After what, in words.
    pub after: String,
    /// The verdicts, for the same groups.
    pub grid: Grid,
}

/// Whether a workload accepts a peer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It does.
    Verifies,
    /// It is not known, and why.
    Unknown(String),
    /// It does not, and why.
    Refuses(String),
}

impl Verdict {
    /// The word for machines.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Verdict::Verifies => "verifies",
            Verdict::Unknown(_) => "unknown",
            Verdict::Refuses(_) => "refuses",
        }
    }

    /// Why it does not, or why it is not known.
    #[must_use]
    pub fn why(&self) -> Option<&str> {
        match self {
            Verdict::Verifies => None,
            Verdict::Unknown(why) | Verdict::Refuses(why) => Some(why),
        }
    }
}

/// Ordered pairs of clusters by verdict. A cluster and itself are a pair, too: its workloads call each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pairs {
    /// The one accepts the other.
    pub verified: usize,
    /// It does not.
    pub refused: usize,
    /// It is not known.
    pub unknown: usize,
}

impl Pairs {
    /// All of them.
    #[must_use]
    pub const fn all(self) -> usize {
        self.verified + self.refused + self.unknown
    }
}

impl TrustMatrix {
    /// The pairs of one of its grids.
    #[must_use]
    pub fn pairs(&self, grid: &Grid) -> Pairs {
        let mut pairs = Pairs::default();
        for (verdicts, verifiers) in grid.iter().zip(&self.groups) {
            for (verdict, peers) in verdicts.iter().zip(&self.groups) {
                let count = verifiers.len() * peers.len();
                match verdict {
                    Verdict::Verifies => pairs.verified += count,
                    Verdict::Refuses(_) => pairs.refused += count,
                    Verdict::Unknown(_) => pairs.unknown += count,
                }
            }
        }
        pairs
    }
}

/// Works out who verifies whom.
#[must_use]
pub fn trust_matrix(
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    now: OffsetDateTime,
) -> TrustMatrix {
    let walk = root_change(mesh, holdings, observed, now).unwrap_or_default();
    after(mesh, holdings, observed, walk.as_ref(), now)
}

/// The same, with what comes next by this walk.
fn after(
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    walk: Option<&Progress>,
    now: OffsetDateTime,
) -> TrustMatrix {
    let trusted = holdings.trusted(mesh).unwrap_or_default();
    let anchor = current_root(mesh, holdings, observed, now);
    let overdue = time::Duration::ZERO;
    let limits = Limits::default();
    let sighting = Sighting { mesh, holdings, observed, anchor: &anchor, trusted: &trusted, overdue, limits, now };
    let mut tables = Tables { chains: Numbered::default(), bundles: Numbered::default(), mesh, now };
    let sides: Vec<(Sides, Sides)> = mesh
        .clusters
        .iter()
        .map(|cluster| {
            let published = tables.published(cluster, &sighting);
            let today = if tables.runs_on_another(cluster, &sighting) {
                Sides { presents: Err(RUNS_ON_ANOTHER), ..published }
            } else {
                published
            };
            (today, tables.next(cluster, &published, &sighting, walk))
        })
        .collect();
    let after = match walk {
        Some(walk) => Some(stage_words(walk)),
        None if sides.iter().any(|(today, next)| today != next) => Some("what is published is shown".to_owned()),
        None => None,
    };
    tables.judged(&sides, after)
}

fn stage_words(walk: &Progress) -> String {
    match walk.goal {
        Goal::Forward => format!("the stage {} has ended", walk.stage.as_str()),
        Goal::Trust | Goal::Start => "the way back has ended".to_owned(),
    }
}

/// The numbers of what a cluster presents and trusts; an error: why it is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sides {
    presents: Result<usize, &'static str>,
    trusts: Result<usize, &'static str>,
}

/// Each value once, by the fingerprints of what is in it.
struct Numbered<T> {
    values: Vec<T>,
    numbers: BTreeMap<Vec<Fingerprint>, usize>,
}

impl<T> Default for Numbered<T> {
    fn default() -> Self {
        Self { values: Vec::new(), numbers: BTreeMap::new() }
    }
}

impl<T> Numbered<T> {
    fn number(&mut self, key: Vec<Fingerprint>, value: impl FnOnce() -> T) -> usize {
        let values = &mut self.values;
        *self.numbers.entry(key).or_insert_with(|| {
            values.push(value());
            values.len() - 1
        })
    }
}

struct Tables<'a> {
    chains: Numbered<Presented>,
    bundles: Numbered<Vec<Rc<Certificate>>>,
    mesh: &'a Mesh,
    now: OffsetDateTime,
}

impl Tables<'_> {
    /// What a cluster presents and trusts where its istiod has loaded what is published.
    fn published(&mut self, cluster: &Cluster, sighting: &Sighting<'_>) -> Sides {
        let shown = sighting.observed.get(&cluster.name).and_then(|it| it.system_roots.as_ref().ok()?.as_deref());
        let shown = shown.map(certificates).filter(|roots| !roots.is_empty());
        let trusts = match shown {
            Some(roots) => Ok(roots),
            None => match sighting.trusted(cluster) {
                Roots::Seen { roots, .. } => Ok(roots),
                Roots::Missing(_) => Err("the verifier has no trust bundle yet"),
                Roots::Unknown(_) => Err("the verifier's trust bundle could not be seen"),
            },
        };
        Sides { presents: self.presented(cluster, sighting), trusts: trusts.map(|roots| self.bundle(&roots)) }
    }

    /// Whether a replica of the istiod that signs for a cluster was seen to sign with something else than is published.
    fn runs_on_another(&self, cluster: &Cluster, sighting: &Sighting<'_>) -> bool {
        let Some(signer) = self.mesh.signer_of(cluster) else { return false };
        let Some(observed) = sighting.observed.get(&signer.name) else { return false };
        let there = observed.secret.as_ref().ok().and_then(Option::as_ref);
        there.is_some_and(|there| loaded(there, observed, signer, self.now).is_refuted())
    }

    fn presented(&mut self, cluster: &Cluster, sighting: &Sighting<'_>) -> Result<usize, &'static str> {
        const UNSEEN: &str = "the peer's intermediate could not be seen";
        let signer = self.mesh.signer_of(cluster).ok_or(UNSEEN)?;
        let observed = sighting.observed.get(&signer.name).ok_or(UNSEEN)?;
        let there = observed.secret.as_ref().map_err(|_| UNSEEN)?.as_ref().ok_or("the peer has no cacerts yet")?;
        let signer = there.signer.as_ref().map_err(|_| "the peer's intermediate cannot be read")?;
        let chain: Vec<Rc<Certificate>> = there.chain().iter().cloned().map(Rc::new).collect();
        Ok(self.chain(Presented { signer: Rc::new(signer.clone()), chain }))
    }

    /// What a cluster presents and trusts when what is published is shown and the stage has ended everywhere.
    fn next(&mut self, cluster: &Cluster, now: &Sides, sighting: &Sighting<'_>, walk: Option<&Progress>) -> Sides {
        let published = self.mesh.signer_of(cluster).and_then(|signer| sighting.observed.get(&signer.name));
        let published = published.and_then(|it| it.secret.as_ref().ok()?.as_ref());
        let roots = published.map(SecretSight::roots).filter(|roots| !roots.is_empty());
        let mut next = *now;
        if let (Ok(_), Some(roots)) = (&now.trusts, &roots) {
            next.trusts = Ok(self.bundle(roots));
        }
        let Some(walk) = walk.filter(|_| is_party(cluster, self.now)) else { return next };
        if let Ok(number) = next.trusts {
            let roots = self.bundles.values.get(number).cloned().unwrap_or_default();
            next.trusts = Ok(self.walked_bundle(&roots, walk));
        }
        let presented = next.presents.ok().and_then(|number| self.chains.values.get(number)).cloned();
        if let Some(presented) = presented {
            match signs_under(walk) {
                Coming::Same => {}
                Coming::Under(root) if presented.is_under(root) => {}
                Coming::Under(root) => next.presents = Ok(self.chain(Presented::under(root))),
                Coming::OneOfMany if !presented.is_under(&walk.to.certificate) => {}
                Coming::OneOfMany => next.presents = Err("the root that the peer goes back to is not known"),
            }
        }
        next
    }

    fn walked_bundle(&mut self, roots: &[Rc<Certificate>], walk: &Progress) -> usize {
        let (old, new) = (&walk.from, &walk.to.certificate);
        let leaves = |root: &Certificate| match walk.goal {
            Goal::Forward => walk.stage == Stage::Remove && old.iter().any(|held| held.certificate == *root),
            Goal::Trust => false,
            Goal::Start => root == new,
        };
        let mut walked: Vec<Certificate> = roots.iter().filter(|it| !leaves(it)).map(|it| (**it).clone()).collect();
        if walk.goal != Goal::Start && !walked.contains(new) {
            walked.push(new.clone());
        }
        self.bundle(&walked)
    }

    fn bundle(&mut self, roots: &[Certificate]) -> usize {
        let mut key: Vec<Fingerprint> = roots.iter().map(Certificate::fingerprint).collect();
        key.sort_unstable();
        key.dedup();
        self.bundles.number(key, || roots.iter().cloned().map(Rc::new).collect())
    }

    fn chain(&mut self, presented: Presented) -> usize {
        let all = std::iter::once(&presented.signer).chain(&presented.chain);
        let key = all.map(|it| it.fingerprint()).collect();
        self.chains.number(key, || presented)
    }

    fn judged(&self, sides: &[(Sides, Sides)], after: Option<String>) -> TrustMatrix {
        let (is_kept, kept) = self.kept(sides);
        let column = |chain: &Presented| -> Vec<Option<Verdict>> {
            let verdict = |(roots, is_kept): (&Vec<Rc<Certificate>>, &bool)| {
                is_kept.then(|| match refusal(chain, roots, &self.mesh.trust_domain, self.now) {
                    None => Verdict::Verifies,
                    Some(why) => Verdict::Refuses(why),
                })
            };
            self.bundles.values.iter().zip(&is_kept).map(verdict).collect()
        };
        let columns: Vec<Vec<Option<Verdict>>> = self.chains.values.iter().map(column).collect();
        // Chains that every bundle takes alike count as one.
        let mut alike = BTreeMap::new();
        let kinds: Vec<usize> = columns
            .iter()
            .map(|column| {
                let next = alike.len();
                *alike.entry(column).or_insert(next)
            })
            .collect();
        let kind = |side: &Sides| (side.trusts, side.presents.map(|chain| kinds.get(chain).copied()));
        let mut groups: Vec<(&(Sides, Sides), Vec<ClusterName>)> = Vec::new();
        let mut places = BTreeMap::new();
        let mut left_out = Vec::new();
        for (cluster, both) in self.mesh.clusters.iter().zip(sides) {
            let is_in = |side: &Sides| {
                side.trusts.is_ok_and(|number| is_kept.get(number) == Some(&true)) || side.trusts.is_err()
            };
            if !is_in(&both.0) || !is_in(&both.1) {
                left_out.push(cluster.name.clone());
                continue;
            }
            let place = *places.entry((kind(&both.0), kind(&both.1))).or_insert_with(|| {
                groups.push((both, Vec::new()));
                groups.len() - 1
            });
            if let Some((_, names)) = groups.get_mut(place) {
                names.push(cluster.name.clone());
            }
        }
        let verdict = |verifier: &Sides, peer: &Sides| match (verifier.trusts, peer.presents) {
            (Err(why), _) | (_, Err(why)) => Verdict::Unknown(why.to_owned()),
            (Ok(bundle), Ok(chain)) => {
                let known = columns.get(chain).and_then(|column| column.get(bundle)?.clone());
                known.unwrap_or_else(|| Verdict::Unknown("it was not looked into".to_owned()))
            }
        };
        let grid = |of: fn(&(Sides, Sides)) -> &Sides| -> Grid {
            let row = |verifier| groups.iter().map(|(peer, _)| verdict(of(verifier), of(peer))).collect();
            groups.iter().map(|(verifier, _)| row(verifier)).collect()
        };
        TrustMatrix {
            today: grid(|both| &both.0),
            next: after.map(|after| Next { after, grid: grid(|both| &both.1) }),
            left_out,
            verified: self.chains.values.len() * kept,
            groups: groups.into_iter().map(|(_, names)| names).collect(),
        }
    }

    /// Which bundles are looked into, and how many: all of them, or those that most clusters have.
    fn kept(&self, sides: &[(Sides, Sides)]) -> (Vec<bool>, usize) {
        let all = self.bundles.values.len();
        let most = MOST_VERIFIED.checked_div(self.chains.values.len()).unwrap_or(all).max(2);
        if all <= most {
            return (vec![true; all], all);
        }
        let mut holders = vec![0_usize; all];
        for number in sides.iter().flat_map(|(today, next)| [&today.trusts, &next.trusts]).flatten() {
            if let Some(count) = holders.get_mut(*number) {
                *count += 1;
            }
        }
        let mut order: Vec<usize> = (0..all).collect();
        order.sort_by_key(|number| std::cmp::Reverse(holders.get(*number).copied()));
        let chosen: std::collections::BTreeSet<usize> = order.into_iter().take(most).collect();
        ((0..all).map(|number| chosen.contains(&number)).collect(), most)
    }
}

/// What becomes of a signer.
enum Coming<'a> {
    /// It stays as it is.
    Same,
    /// It, or another, is under this root.
    Under(&'a Certificate),
    /// It goes back to one of several roots, and this is not the place where that is known.
    OneOfMany,
}

/// What has become of every signer when the stage has ended.
fn signs_under(walk: &Progress) -> Coming<'_> {
    match (walk.goal, walk.stage, walk.from.as_slice()) {
        (Goal::Forward, Stage::Trust, _) => Coming::Same,
        (Goal::Forward, _, _) => Coming::Under(&walk.to.certificate),
        (Goal::Trust | Goal::Start, _, [old]) => Coming::Under(&old.certificate),
        (Goal::Trust | Goal::Start, _, _) => Coming::OneOfMany,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet::{Membership, Role};
    use crate::mesh::fleet_story::{Made, NOW, Story, cluster, name};
    use crate::mesh::observed::{Replica, Way};
    use crate::problem::{Code, Problem};
    use time::Duration;

    fn matrix(story: &Story) -> TrustMatrix {
        trust_matrix(&story.mesh, &story.holdings, &story.observed, NOW)
    }

    /// The verdict between two clusters.
    fn verdict<'a>(matrix: &TrustMatrix, grid: &'a Grid, verifier: &str, peer: &str) -> &'a Verdict {
        let place = |text: &str| matrix.groups.iter().position(|group| group.contains(&name(text))).unwrap();
        &grid[place(verifier)][place(peer)]
    }

    fn groups(matrix: &TrustMatrix) -> Vec<Vec<&str>> {
        matrix.groups.iter().map(|group| group.iter().map(ClusterName::as_str).collect()).collect()
    }

    /// A cluster that runs under a root of its own.
    fn estrange(story: &mut Story, cluster: &str) -> Made {
        let root = story.other_root("mesh0 root");
        let issuing = story.issuing_of(&root, "mesh0 issuing", story.issuing.certificate.validity());
        let window = story.sight_of(cluster).signer.as_ref().unwrap().validity();
        let signer = story.intermediate_under(&issuing, cluster, 1, window);
        let chain = format!("{}{}", signer.certificate.pem(), issuing.certificate.pem());
        let sight = story.sight_of(cluster);
        sight.public.insert("cert-chain.pem".to_owned(), chain.into_bytes().into());
        sight.public.insert("root-cert.pem".to_owned(), root.certificate.pem().into_bytes().into());
        sight.signer = Ok(signer.certificate);
        root
    }

    #[test]
    fn in_a_sound_mesh_all_verify_all_and_are_one_group() {
        let matrix = matrix(&Story::new());
        assert_eq!(groups(&matrix), [["east", "west", "far"]]);
        assert_eq!(matrix.today, [[Verdict::Verifies]]);
        assert_eq!((&matrix.next, matrix.left_out.len()), (&None, 0));
        assert_eq!(matrix.pairs(&matrix.today), Pairs { verified: 9, refused: 0, unknown: 0 });
    }

    #[test]
    fn a_cluster_under_another_root_and_the_others_refuse_each_other_and_not_themselves() {
        let mut story = Story::new();
        estrange(&mut story, "west");
        let matrix = matrix(&story);
        assert_eq!(groups(&matrix), [vec!["east", "far"], vec!["west"]]);
        let at = |verifier, peer| verdict(&matrix, &matrix.today, verifier, peer);
        assert_eq!((at("east", "far"), at("west", "west")), (&Verdict::Verifies, &Verdict::Verifies));
        assert_eq!(
            at("east", "west").why(),
            Some("the peer's chain leads to \"O=Hash Foundry, CN=mesh0 root\", which is not trusted")
        );
        assert!(at("west", "far").why().unwrap().contains("CN=mesh1 root g1"));
        assert_eq!(matrix.pairs(&matrix.today), Pairs { verified: 5, refused: 4, unknown: 0 });
    }

    #[test]
    fn trust_in_both_roots_on_one_side_is_one_direction() {
        let mut story = Story::new();
        let theirs = estrange(&mut story, "west");
        let both = format!("{}{}", story.root.certificate.pem(), theirs.certificate.pem());
        story.sight_of("east").public.insert("root-cert.pem".to_owned(), both.into_bytes().into());
        let matrix = matrix(&story);
        let at = |verifier, peer| verdict(&matrix, &matrix.today, verifier, peer).as_str();
        assert_eq!((at("east", "west"), at("west", "east")), ("verifies", "refuses"));
        // What the remote trusts is what its primary has, as long as nothing else is seen.
        assert_eq!(at("far", "west"), "verifies");
    }

    #[test]
    fn an_ended_intermediate_is_refused_everywhere_and_its_cluster_goes_on_to_accept_others() {
        let mut story = Story::new();
        story.publish("west", 1, NOW);
        let last_second = matrix(&story);
        assert_eq!(last_second.pairs(&last_second.today).refused, 0);
        story.publish("west", 1, NOW - Duration::SECOND);
        let matrix = matrix(&story);
        let at = |verifier, peer| verdict(&matrix, &matrix.today, verifier, peer);
        assert_eq!(at("west", "west").why(), Some("the peer's intermediate has ended"));
        assert_eq!(at("east", "west").as_str(), "refuses");
        assert_eq!(at("west", "east"), &Verdict::Verifies);
    }

    #[test]
    fn what_could_not_be_seen_is_not_known_and_what_is_missing_is_said_to_be() {
        let mut story = Story::new();
        story.look_at("east").secret = Err(Problem::new(Code::TargetUnreadable, "connection refused"));
        story.look_at("west").secret = Ok(None);
        let matrix = matrix(&story);
        let at = |verifier, peer| verdict(&matrix, &matrix.today, verifier, peer);
        assert_eq!(at("east", "west").why(), Some("the verifier's trust bundle could not be seen"));
        assert_eq!(at("west", "east").why(), Some("the verifier has no trust bundle yet"));
        assert_eq!(matrix.pairs(&matrix.today), Pairs { verified: 0, refused: 0, unknown: 9 });
        story.observed.remove(&name("west"));
        assert_eq!(
            super::trust_matrix(&story.mesh, &story.holdings, &story.observed, NOW).today[0][0].as_str(),
            "unknown"
        );
    }

    #[test]
    fn where_a_replica_is_seen_to_sign_with_another_intermediate_nothing_is_known_of_its_workloads_today() {
        let mut story = Story::new();
        let published = story.sight_of("east").signer.as_ref().unwrap().spki().to_vec();
        for (served, today, next) in [(published, "verifies", None), (b"another".to_vec(), "unknown", Some("verifies"))]
        {
            let replica = Replica { signer_spki: Some(served), ..Replica::new("a:15012".to_owned(), Way::Chain) };
            story.look_at("east").replicas = vec![replica];
            let matrix = matrix(&story);
            for peer in ["east", "far"] {
                let at = |grid| verdict(&matrix, grid, "west", peer).as_str();
                assert_eq!(at(&matrix.today), today, "{peer}");
                assert_eq!(matrix.next.as_ref().map(|next| at(&next.grid)), next, "{peer}");
            }
            assert_eq!(verdict(&matrix, &matrix.today, "east", "west"), &Verdict::Verifies, "it accepts as before");
        }
    }

    #[test]
    fn what_workloads_are_shown_counts_today_and_what_is_published_counts_next() {
        let mut story = Story::new();
        let other = story.other_root("mesh0 root").certificate.pem();
        story.look_at("east").system_roots = Ok(Some(other.into_bytes().into()));
        let matrix = matrix(&story);
        assert_eq!(verdict(&matrix, &matrix.today, "east", "west").as_str(), "refuses");
        let next = matrix.next.as_ref().unwrap();
        assert_eq!(next.after, "what is published is shown");
        assert_eq!(verdict(&matrix, &next.grid, "east", "west"), &Verdict::Verifies);
    }

    /// A fleet that is to walk to the next root, which has an issuing CA.
    fn before_a_walk() -> (Story, Made) {
        let mut story = Story::new();
        let next = story.other_root("mesh1 root g2");
        story.endorse_next(&next, 2);
        (story, next)
    }

    #[test]
    fn after_the_first_stage_of_a_root_change_all_still_verify_all() {
        let (story, _) = before_a_walk();
        let matrix = matrix(&story);
        let next = matrix.next.as_ref().unwrap();
        assert_eq!(next.after, "the stage Trust has ended");
        assert_eq!(matrix.pairs(&next.grid).verified, 9);
    }

    #[test]
    fn a_cluster_that_is_left_out_of_a_root_change_refuses_the_others_once_they_sign_under_the_new_root() {
        let (mut story, next) = before_a_walk();
        let both = format!("{}{}", story.root.certificate.pem(), next.certificate.pem());
        let joined = cluster("south", Role::Primary);
        story.mesh.clusters = story.mesh.clusters.iter().cloned().chain([joined]).collect();
        story.publish("south", 1, NOW + Duration::days(70));
        story.cluster("south").state =
            Membership::Excluded { reason: "old".to_owned(), until: NOW + Duration::days(30) };
        for cluster in ["east", "west"] {
            story.sight_of(cluster).public.insert("root-cert.pem".to_owned(), both.clone().into_bytes().into());
            story.look_at(cluster).system_roots = Ok(Some(both.clone().into_bytes().into()));
        }
        story.look_at("far").system_roots = Ok(Some(both.clone().into_bytes().into()));
        let mut walk = root_change(&story.mesh, &story.holdings, &story.observed, NOW).unwrap().unwrap();
        // The evidence that the stage has ended is not the matter here.
        walk.stage = Stage::Sign;
        assert_eq!(signed(&story, &walk, "east", "west"), "verifies");
        assert_eq!(signed(&story, &walk, "east", "south"), "verifies");
        assert_eq!(signed(&story, &walk, "south", "east"), "refuses");
        walk.stage = Stage::Remove;
        assert_eq!(signed(&story, &walk, "east", "south"), "refuses");
        assert_eq!(signed(&story, &walk, "east", "far"), "verifies");
        walk.goal = Goal::Start;
        assert_eq!(signed(&story, &walk, "south", "east"), "verifies");
        assert_eq!(signed(&story, &walk, "east", "south"), "verifies");
    }

    /// The verdict after a stage of this walk.
    fn signed(story: &Story, walk: &Progress, verifier: &str, peer: &str) -> &'static str {
        let matrix = after(&story.mesh, &story.holdings, &story.observed, Some(walk), NOW);
        verdict(&matrix, &matrix.next.as_ref().unwrap().grid, verifier, peer).as_str()
    }

    #[test]
    fn each_signer_is_verified_once_and_not_once_for_each_pair() {
        let mut story = Story::new();
        for number in 0..100 {
            let name = format!("c{number}");
            let joined = cluster(&name, Role::Primary);
            story.mesh.clusters = story.mesh.clusters.iter().cloned().chain([joined]).collect();
            story.publish(&name, 1, NOW + Duration::days(70));
        }
        let matrix = matrix(&story);
        assert_eq!((matrix.groups.len(), matrix.groups[0].len()), (1, 103));
        assert_eq!(matrix.pairs(&matrix.today).verified, 103 * 103);
        assert_eq!(matrix.verified, 102, "of the remote no signer of its own");
    }

    #[test]
    fn of_too_many_bundles_the_commonest_are_looked_into_and_the_rest_is_named() {
        let story = Story::new();
        let mut tables =
            Tables { chains: Numbered::default(), bundles: Numbered::default(), mesh: &story.mesh, now: NOW };
        for _ in 0..MOST_VERIFIED / 2 {
            let number = tables.chains.values.len();
            let key = vec![Fingerprint::of(&number.to_be_bytes())];
            tables.chains.number(key, || Presented::under(&story.root.certificate));
        }
        let roots = ["a", "b", "c"].map(|name| story.other_root(name).certificate);
        let numbers = roots.map(|root| tables.bundle(&[root]));
        let side = |number: usize| Sides { presents: Err("unseen"), trusts: Ok(numbers[number]) };
        let sides = [2, 0, 0].map(|number| (side(number), side(number)));
        assert_eq!(tables.kept(&sides), (vec![true, false, true], 2));
        let more = [(side(1), side(1)), (side(2), side(2)), (side(2), side(0))];
        tables.chains.values.truncate(1);
        assert_eq!(tables.kept(&more), (vec![true; 3], 3));
    }
}

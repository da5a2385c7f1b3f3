//! What the whole fleet says to the steps of each target in a root change; looked at once, however many targets ask.

use std::collections::{BTreeMap, BTreeSet};

use crate::mesh::clocks;
use crate::mesh::convoy::Convoy;
use crate::mesh::evidence::{Wanted, mark_of};
use crate::mesh::fleet::ClusterName;
use crate::mesh::holdings::Held;
use crate::mesh::observed::Observed;
use crate::mesh::party::{Party, Place};
use crate::mesh::renewal::{Gain, Holder, Way};
use crate::mesh::roster::Roster;
use crate::mesh::stage::Stage;
use crate::mesh::walk_mark::Goal;
use crate::pki::certificate::Certificate;
use crate::pki::fingerprint::Fingerprint;
use crate::problem::{Code, Problem};

/// What people have allowed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Approvals {
    /// That these roots may be removed from the trust bundles.
    pub removal: Vec<Fingerprint>,
    /// That this cluster gets a new intermediate at once, since the key of the present one may be in other hands.
    pub urgent: Option<ClusterName>,
}

/// What the whole fleet says.
#[derive(Debug)]
pub(in crate::mesh) struct Gates {
    /// Why each stage is not left yet; in the order of the stages.
    held: [Option<String>; 4],
    /// Why the new root cannot give every target a signer yet.
    pub(in crate::mesh) unusable: Option<String>,
    /// Why the first target may not begin yet.
    pub(in crate::mesh) not_begun: Option<String>,
    /// Who still has something that was signed under the new root, when the walk goes back.
    pub(in crate::mesh) still_new: Option<String>,
    /// Whether people, or the mesh file, have said that the old root may go.
    pub(in crate::mesh) is_approved: bool,
    /// Who may have lost the old root already, when the walk goes back.
    pub(in crate::mesh) old_gone: Option<String>,
    /// Who may not bear the turn yet, where people turned the walk.
    pub(in crate::mesh) untold: Option<String>,
    /// Why no target may go on to another stage, whatever else is shown.
    pub(in crate::mesh) obstacle: Option<Problem>,
}

/// The roots that targets lost upon an approval, as it is noted on them.
#[must_use]
pub fn removed(observed: &BTreeMap<ClusterName, Observed>) -> BTreeSet<Fingerprint> {
    observed.values().filter_map(mark_of).flat_map(|mark| mark.removed.iter().copied()).collect()
}

impl Gates {
    pub(in crate::mesh) fn of(convoy: &Convoy<'_>, approvals: &Approvals) -> Self {
        Self {
            held: Stage::ALL.map(|stage| held(convoy, stage)),
            unusable: unusable(convoy),
            not_begun: not_begun(convoy),
            still_new: if convoy.goal() == Goal::Start { still_new(convoy) } else { None },
            is_approved: is_approved(convoy, approvals),
            old_gone: if convoy.goal() == Goal::Forward { None } else { old_gone(convoy) },
            untold: untold(convoy),
            obstacle: forgotten(convoy).or_else(|| clocks_differ(convoy)).or_else(|| leaked_goal(convoy)),
        }
    }

    /// Why a stage is not left yet; `None`: it is.
    pub(in crate::mesh) fn waits_for(&self, stage: Stage) -> Option<String> {
        self.held.get(usize::from(stage.number() - 1)).cloned().flatten()
    }
}

/// Who still has, or may have, something that was signed under the new root; `None`: nobody.
fn still_new(convoy: &Convoy<'_>) -> Option<String> {
    let is_settled = |party: &&Party<'_>| party.place == Place::Removed && !party.is_beyond(convoy.pair);
    let lacking = convoy.signing().filter(|party| !is_settled(party)).filter_map(|party| {
        party.drained_of_new(convoy.pair, convoy.evidence).err().map(|lack| (&party.cluster.name, lack.why))
    });
    names(lacking, "what was signed under the new root lives on")
}

/// Who does not bear the turn yet that holds; `None`: everybody does, or there was none.
///
/// What is seen of a target may be what it was a moment ago. While all go one way, that only keeps the others waiting: it
/// is seen further back than it is. Where the walk was turned, it might be seen further on. But whoever wrote the turn on a
/// set named the version that it was decided upon: what was decided before can no longer happen to that set, and as long as
/// it bears the turn it goes one way again.
fn untold(convoy: &Convoy<'_>) -> Option<String> {
    let lacking = convoy.signing().filter(|party| !party.bears(convoy.turn));
    let why = |party: &Party<'_>| if party.there.is_none() { "it cannot be seen" } else { "" };
    names(
        lacking.map(|party| (&party.cluster.name, why(party))),
        "the walk was turned, and not every cluster was told so",
    )
}

/// Who is not seen to trust the old root still; `None`: everybody does. Whoever lost it is beyond the way back, and may
/// be out of sight.
fn old_gone(convoy: &Convoy<'_>) -> Option<String> {
    let is_old = |root: &Certificate| convoy.pair.old.iter().any(|held| held.certificate == *root);
    let trusts_old = |party: &Party<'_>| match party.observed.map(|it| &it.system_roots) {
        Some(Ok(shown)) => shown.as_ref().is_none_or(|text| text.certificates().iter().any(is_old)),
        Some(Err(_)) | None => false,
    };
    let is_behind = |party: &Party<'_>| {
        !party.cluster.role.has_cacerts() || matches!(party.place, Place::Old | Place::Trusting | Place::Signing)
    };
    let lacking = convoy.parties.values().filter(|party| !trusts_old(party) || !is_behind(party));
    let lacking = lacking.map(|party| (&party.cluster.name, ""));
    names(lacking, &format!("not every cluster is seen to trust {} still", convoy.old_name()))
}

/// Why the first target may not begin the walk yet; `None`: it may.
fn not_begun(convoy: &Convoy<'_>) -> Option<String> {
    let roots = &convoy.renewals.holdings.roots;
    let [old] = convoy.pair.old else { return None };
    let older: Vec<&Held> = roots.iter().filter(|held| held.generation < old.generation).collect();
    if older.is_empty() || convoy.has_begun {
        return None;
    }
    // An older one that was never used is seen nowhere; one that cannot be looked for may still be somewhere. And an istiod
    // that was not seen to have let go of it might refuse the next trust bundle: neither holds the other.
    let lack = |party: &Party<'_>| {
        if party.observed.is_none_or(|it| it.secret.is_err() || it.system_roots.is_err()) {
            return Some("it cannot be seen".to_owned());
        }
        older.iter().find_map(|older| {
            let older = std::slice::from_ref(*older);
            let wanted = Wanted { present: &old.certificate, absent: older, others: older };
            convoy.evidence.bundle(party.cluster, wanted).err().map(|lack| lack.why)
        })
    };
    let lacking = convoy.parties.values().filter_map(|party| Some((&party.cluster.name, lack(party)?)));
    names(lacking, "whether the last root change has ended everywhere is not known")
}

/// Why a stage is not left yet, in words; `None`: it is.
fn held(convoy: &Convoy<'_>, stage: Stage) -> Option<String> {
    let lacking =
        convoy.parties.values().filter_map(|party| Some((&party.cluster.name, party.lack(stage)?.why.as_str())));
    let what = match stage {
        Stage::Trust => format!("not every cluster is known to trust {}", convoy.new_name()),
        Stage::Sign => format!("not every istiod is known to sign under {}", convoy.new_name()),
        Stage::Drain => format!("what was signed under {} lives on", convoy.old_name()),
        Stage::Remove => format!("{} is still shown", convoy.old_name()),
    };
    names(lacking, &what)
}

/// Why the new root cannot give every target a signer yet; `None`: it can.
fn unusable(convoy: &Convoy<'_>) -> Option<String> {
    let lacking = convoy.parties.values().filter(|party| matches!(party.place, Place::Old | Place::Trusting));
    let lacking = lacking.filter(|party| {
        let holder = Holder::of(party.there);
        let way = convoy.renewals.under(&convoy.pair.new.certificate, party.cluster, &holder, Gain::Lasting);
        matches!(way, Way::Ceremony(_))
    });
    let what = match convoy.evidence.mesh.issuing {
        Some(_) => format!("there is no issuing CA under {} yet: meshca issuing create", convoy.new_name()),
        None => format!("nothing lies in stock under {} yet: meshca issue", convoy.new_name()),
    };
    names(lacking.map(|party| (&party.cluster.name, "")), &what)
}

/// Whether the old root may go: people said so now, or it was removed somewhere upon their word, or the mesh file does.
fn is_approved(convoy: &Convoy<'_>, approvals: &Approvals) -> bool {
    let was_removed = |root: &Fingerprint| {
        let marks = convoy.parties.values().filter(|party| party.place == Place::Removed);
        marks.filter_map(|party| party.mark).any(|mark| mark.removed.contains(root))
    };
    let is_allowed = |root: &Fingerprint| approvals.removal.contains(root) || was_removed(root);
    if convoy.pair.old.iter().all(|held| is_allowed(&held.certificate.fingerprint())) {
        return true;
    }
    let Some(after) = convoy.evidence.mesh.rotation.remove_after else { return false };
    let signing = convoy.signing();
    let ends = signing.map(|party| party.drained.as_ref().ok().map(|shown| shown.since.saturating_add(party.bound)));
    let last = ends.collect::<Option<Vec<_>>>().and_then(|ends| ends.into_iter().max());
    last.is_some_and(|last| last.saturating_add(after) <= convoy.evidence.now)
}

/// A cluster that had a part in the walk and is in the mesh file no more: whether anybody still trusts or signs there
/// can no longer be seen.
fn forgotten(convoy: &Convoy<'_>) -> Option<Problem> {
    let mesh = convoy.evidence.mesh;
    let known: BTreeSet<&str> = mesh.clusters.iter().map(|it| it.name.as_str()).collect();
    let mut rosters: Vec<&Roster> = Vec::new();
    for mark in convoy.parties.values().filter_map(|party| party.mark) {
        // All of a fleet carry the same, or a few that differ.
        if !rosters.contains(&&mark.roster) {
            rosters.push(&mark.roster);
        }
    }
    let names = rosters.into_iter().flat_map(Roster::names).map(String::as_str);
    let forgotten: BTreeSet<&str> = names.filter(|name| !known.contains(name)).collect();
    let first = forgotten.first()?;
    let all: Vec<&str> = forgotten.iter().copied().collect();
    Some(
        Problem::new(
            Code::ClusterForgotten,
            format!("{} had a part in the root change and is not in the mesh file any more", all.join(", ")),
        )
        .fact(format!("walking from {} to {}", convoy.old_name(), convoy.new_name()))
        .hint(format!("put {first} back, with `state: leaving` if it is on its way out")),
    )
}

/// Nobody walks on to a root whose key is leaked, as long as there is a way back.
fn leaked_goal(convoy: &Convoy<'_>) -> Option<Problem> {
    let is_leaked = convoy.evidence.mesh.is_leaked(&convoy.pair.new.certificate);
    if !is_leaked || convoy.goal() != Goal::Forward || convoy.is_anyone_at(&[Place::Removed]) {
        return None;
    }
    let what = format!("the change goes to {}, whose key may be in other hands", convoy.new_name());
    Some(Problem::new(Code::KeyLeaked, what).hint("meshca rollback --reason TEXT"))
}

fn clocks_differ(convoy: &Convoy<'_>) -> Option<Problem> {
    let parties = convoy.parties.values().filter_map(|party| Some((&party.cluster.name, party.observed?)));
    clocks::differ(convoy.evidence.mesh, parties, convoy.evidence.now)
}

/// Some names and the first reason, in words; `None`: there are none.
fn names<'a, Why: AsRef<str>>(mut lacking: impl Iterator<Item = (&'a ClusterName, Why)>, what: &str) -> Option<String> {
    let (first, why) = lacking.next()?;
    let why = if why.as_ref().is_empty() { String::new() } else { format!(": {}", why.as_ref()) };
    let more = match lacking.count() {
        0 => String::new(),
        more => format!(", and {more} more"),
    };
    Some(format!("{what}; waits for {first}{why}{more}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::name;
    use crate::mesh::walk_cases::Fleet;

    #[test]
    fn the_first_is_named_with_its_reason_and_the_others_are_counted() {
        let (east, west, far) = (name("east"), name("west"), name("far"));
        let said = |lacking: &[(&ClusterName, &str)]| names(lacking.iter().copied(), "nothing").unwrap_or_default();
        assert_eq!(said(&[]), "");
        assert_eq!(said(&[(&east, "")]), "nothing; waits for east");
        assert_eq!(said(&[(&east, "away")]), "nothing; waits for east: away");
        assert_eq!(said(&[(&east, "away"), (&west, ""), (&far, "")]), "nothing; waits for east: away, and 2 more");
    }

    #[test]
    fn what_is_noted_as_removed_anywhere_is_removed() {
        let mut fleet = Fleet::new();
        let roots = [&fleet.story.root, &fleet.second].map(|made| made.certificate.fingerprint());
        assert!(removed(&fleet.story.observed).is_empty());
        for (cluster, root) in [("east", roots[0]), ("west", roots[1])] {
            fleet.note(cluster, |mark| mark.removed = vec![root]);
        }
        assert_eq!(removed(&fleet.story.observed), BTreeSet::from(roots));
    }
}

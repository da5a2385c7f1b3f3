//! One tick over a simulated fleet: the real planner's plan, and its steps, done as `rotate` does them.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use meshca::mesh::gates::Approvals;
use meshca::mesh::plan;
use meshca::mesh::step::{Act, Step};
use meshca::mesh::turn::{self, Wish};
use time::OffsetDateTime;

use super::layout::Layout;
use super::pool::{Bundle, START, Signer};
use super::sight::{self, Seen, observed};
use super::world::{Deed, Pending, Primary, Published, World, digest};

/// The plans that were made, by what was seen: the planner is a pure function.
#[derive(Default)]
pub(crate) struct Planner {
    known: RwLock<BTreeMap<u64, Arc<Vec<Pending>>>>,
}

impl Planner {
    /// The steps that write something, for what is seen at the beginning of time; `approved` are the roots that may go.
    pub(crate) fn plan(&self, layout: &Layout, seen: &[Seen], approved: &[u8]) -> Arc<Vec<Pending>> {
        let question = digest(&(seen, approved));
        if let Some(known) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(&question) {
            return Arc::clone(known);
        }
        let steps = Arc::new(planned(layout, seen, approved, START));
        self.known.write().unwrap_or_else(PoisonError::into_inner).insert(question, Arc::clone(&steps));
        steps
    }

    /// How many different plans were made.
    pub(crate) fn plans(&self) -> usize {
        self.known.read().unwrap_or_else(PoisonError::into_inner).len()
    }
}

/// The steps that write something, the canary's first.
pub(crate) fn planned(layout: &Layout, seen: &[Seen], approved: &[u8], now: OffsetDateTime) -> Vec<Pending> {
    let observed = observed(layout, seen, now);
    let plan = plan::next(&layout.mesh, &layout.holdings, &observed, &approvals(layout, approved), now);
    let steps = plan.map(|plan| plan.steps).unwrap_or_default();
    steps.into_iter().filter(|step| step.act.writes()).map(|step| pending(layout, seen, step, now)).collect()
}

fn approvals(layout: &Layout, approved: &[u8]) -> Approvals {
    let removal = approved.iter().map(|root| layout.pool.root(*root).fingerprint());
    Approvals { removal: removal.collect(), urgent: None }
}

/// What the planner says to each cluster.
pub(crate) fn reasons(layout: &Layout, seen: &[Seen], approved: &[u8]) -> Vec<String> {
    let observed = observed(layout, seen, START);
    match plan::next(&layout.mesh, &layout.holdings, &observed, &approvals(layout, approved), START) {
        Ok(plan) => plan.steps.iter().map(|step| format!("{}: {}", step.cluster, step.reason)).collect(),
        Err(problem) => vec![problem.what().to_owned()],
    }
}

/// The notes by which people turn a walk (`rollback`), as steps; none, where it cannot be turned.
pub(crate) fn turned(layout: &Layout, seen: &[Seen], wish: Wish) -> Vec<Pending> {
    let observed = observed(layout, seen, START);
    let notes = turn::turned(&layout.mesh, &layout.holdings, &observed, wish, START).map(|turned| turned.notes);
    let step = |(cluster, mark, bundle)| Step {
        cluster,
        act: Act::Note,
        reason: String::new(),
        stage: None,
        bundle: Some(bundle),
        mark: Some(mark),
        taints: false,
    };
    notes.unwrap_or_default().into_iter().map(|note| pending(layout, seen, step(note), START)).collect()
}

fn pending(layout: &Layout, seen: &[Seen], step: Step, now: OffsetDateTime) -> Pending {
    let at = layout.mesh.clusters.iter().position(|it| it.name == step.cluster).expect("a cluster of the mesh file");
    let cluster = u8::try_from(at).unwrap();
    let Seen::Primary(primary) = &seen[at] else { panic!("a step for what was not seen: {step:?}") };
    let before = primary.published.as_ref().map(|it| (it.signer, it.bundle));
    let mark = step.mark.as_ref().map(|mark| sight::mark(layout, mark, now));
    let bundle = || layout.pool.bundle(step.bundle.as_deref().expect("what is written has a trust bundle"));
    let deed = match step.act {
        Act::Mint { issuing, generation } => {
            let (root, generation) =
                (layout.foreign + u8::try_from(issuing).unwrap(), u16::try_from(generation).unwrap());
            Deed::Renew { signer: Signer { cluster, root, generation, copy: 0, is_due: false }, bundle: bundle(), mark }
        }
        Act::Rebundle | Act::Note => Deed::Keep { bundle: bundle(), mark },
        Act::Restart => Deed::Restart,
        other => panic!("{other:?}"),
    };
    Pending { cluster, deed, before, is_overtaken: false }
}

impl World {
    /// Does one step, as `rotate` does it (`Courier::deliver`, `change::decide`). Whether it came about.
    pub(crate) fn take(&mut self, step: Pending) -> bool {
        let primary = &mut self.primaries[usize::from(step.cluster)];
        if primary.is_down {
            return false;
        }
        let there = primary.published.as_ref().map(|it| (it.signer, it.bundle));
        let (signer, bundle, mark) = match step.deed {
            Deed::Restart => {
                primary.restarted = Some(0);
                primary.replicas.iter_mut().for_each(|replica| replica.is_to_restart = true);
                return true;
            }
            Deed::Renew { signer, bundle, mark } => (primary.unheard_of(signer), bundle, mark),
            // The key is read at this moment; it must belong to the certificate that was seen.
            Deed::Keep { bundle, mark } => match (step.before, there) {
                (Some((seen, _)), Some((signer, _))) if seen.is_same(signer) => (signer, bundle, mark),
                _ => return false,
            },
        };
        // A write names what it was decided upon. Where that is gone, it is looked at and decided once more.
        if step.is_overtaken && is_refused(bundle, step.before, there) {
            return false;
        }
        // Another run was first with the very same.
        if step.is_overtaken && there == Some((signer, bundle)) && step.before != there {
            return false;
        }
        primary.published = Some(Published { signer, bundle, mark, written: 0 });
        primary.backup = None;
        for other in &mut self.flight {
            other.is_overtaken |= other.cluster == step.cluster;
        }
        true
    }
}

impl Primary {
    /// An intermediate that is minted now: whatever its generation, nobody has it yet.
    fn unheard_of(&self, mut signer: Signer) -> Signer {
        let published = self.published.iter().map(|it| it.signer);
        let known: Vec<Signer> = self.replicas.iter().map(|it| it.signer).chain(published).collect();
        while known.iter().any(|it| it.is_same(signer)) {
            signer.copy += 1;
        }
        signer
    }
}

/// Whether another run was at work meanwhile and was first (`change::is_overtaken`).
fn is_refused(bundle: Bundle, before: Option<(Signer, Bundle)>, there: Option<(Signer, Bundle)>) -> bool {
    let Some(there) = there else { return false };
    let another_signer = !before.is_some_and(|before| before.0.is_same(there.0));
    let another_bundle = before.is_some_and(|before| there.1 != before.1 && there.1 != bundle);
    another_signer || another_bundle
}

impl Signer {
    /// Whether it is the same intermediate; that its renewal becomes due makes it no other.
    pub(crate) fn is_same(self, other: Self) -> bool {
        Self { is_due: false, ..self } == Self { is_due: false, ..other }
    }
}

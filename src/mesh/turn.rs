//! Turning a root change back, or forward again: what is noted on the targets so that every later run goes that way.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::mesh::convoy::Convoy;
use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::holdings::Holdings;
use crate::mesh::note::{Written, note};
use crate::mesh::observed::Observed;
use crate::mesh::party::Place;
use crate::mesh::plan::footing;
use crate::mesh::renewal::Renewals;
use crate::mesh::walk_mark::{Goal, Turn, WalkMark};
use crate::problem::{Code, Problem};

/// Which way people want it to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Back by one stage: from Sign or Drain to Trust, from Trust to the start.
    Back,
    /// Forward again.
    Forward,
}

/// What is to be noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turned {
    /// Where the walk goes now.
    pub goal: Goal,
    /// The note for each target that has a part in the walk, and its trust bundle as it is. One that carries the note is
    /// enough; all of them should.
    pub notes: Vec<(ClusterName, WalkMark, Vec<u8>)>,
}

/// Decides where a walk goes from now on.
///
/// # Errors
/// `no-root-change`: none has begun, or it goes that way already. `removal-begun`: an old root was removed somewhere, and
/// workloads there refuse what another cluster would sign under it. `no-usable-root`.
pub fn turned(
    mesh: &Mesh,
    holdings: &Holdings,
    observed: &BTreeMap<ClusterName, Observed>,
    wish: Wish,
    now: OffsetDateTime,
) -> Result<Turned, Problem> {
    let trusted = holdings.trusted(mesh)?;
    let footing = footing(mesh, holdings, &trusted, observed, now)?;
    let none = |what: &str| {
        Problem::new(Code::NoRootChange, what).hint("meshca rotate --dry-run   shows where the fleet stands")
    };
    let pair = footing.pair().ok_or_else(|| none("there is no root change under way"))?;
    let mut convoy = Convoy::of(Renewals { mesh, holdings, now }, observed, pair);
    if let Some(gone) = convoy.parties.values().find(|party| party.is_beyond(pair)) {
        return Err(Problem::new(
            Code::RemovalBegun,
            format!("{} has lost {} already, and there is no way back", gone.cluster.name, convoy.old_name()),
        )
        .fact("its workloads would refuse what the other clusters sign under it")
        .hint("meshca rotate   goes on to the end"));
    }
    let has_turned = convoy.turn.is_some_and(|turn| turn.goal != Goal::Forward);
    if !convoy.has_begun && !has_turned {
        return Err(none("the root change has not begun in any cluster that can be seen"));
    }
    if pair.is_adoption()
        && wish == Wish::Back
        && let Some(party) = convoy.parties.values().find(|party| party.place == Place::Signing)
    {
        let name = &party.cluster.name;
        return Err(Problem::new(
            Code::AdoptedSigner,
            format!("{name} has a signer of its own already, and the one that it was adopted with is not kept"),
        )
        .fact(format!("it trusts {} still", convoy.old_name()))
        .hint("meshca rotate   goes on to the end"));
    }
    let goal = match wish {
        Wish::Forward if !has_turned => return Err(none("the root change was not turned back")),
        Wish::Forward => Goal::Forward,
        Wish::Back if convoy.is_anyone_at(&[Place::Signing]) => Goal::Trust,
        Wish::Back => Goal::Start,
    };
    let number = convoy.turn.map_or(0, |turn| turn.number).saturating_add(1);
    convoy.turn = Some(Turn { number, goal });
    let notes =
        convoy.signing().filter(|party| party.mark.is_some() || party.place != Place::Old).filter_map(|party| {
            let there = party.there.filter(|_| party.place != Place::Nowhere)?;
            let mark = note(&convoy, party.cluster, Written::Renewal)?;
            Some((party.cluster.name.clone(), mark, there.bundle().to_vec()))
        });
    Ok(Turned { goal, notes: notes.collect() })
}

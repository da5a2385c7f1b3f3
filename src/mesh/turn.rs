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
    /// enough to turn the walk; the next ticks tell the others, and until then nobody takes a step that could hurt another.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet_story::NOW;
    use crate::mesh::walk_cases::Fleet;

    fn turn(fleet: &Fleet, wish: Wish) -> Result<Turned, Code> {
        turned(&fleet.story.mesh, &fleet.story.holdings, &fleet.story.observed, wish, NOW).map_err(|it| it.code())
    }

    /// Whereto it goes when it is turned, and who is told so; it is noted on each of them in the same way.
    fn goal(fleet: &Fleet, wish: Wish) -> (Goal, Vec<String>) {
        let turned = turn(fleet, wish).unwrap();
        let number = turned.notes[0].1.turn.unwrap().number;
        assert!(turned.notes.iter().all(|(_, mark, _)| mark.turn == Some(Turn { number, goal: turned.goal })));
        (turned.goal, turned.notes.iter().map(|(cluster, ..)| cluster.to_string()).collect())
    }

    fn noted(fleet: &mut Fleet, goal: Goal) {
        for cluster in ["east", "west"] {
            fleet.note(cluster, |mark| mark.turn = Some(Turn { number: 7, goal }));
        }
    }

    #[test]
    fn a_walk_goes_back_by_one_stage_and_from_there_by_one_more() {
        let mut fleet = Fleet::new();
        let both = fleet.both();
        fleet.trusts("east");
        fleet.signs("west", &both);
        assert_eq!(goal(&fleet, Wish::Back), (Goal::Trust, vec!["east".to_owned(), "west".to_owned()]));
        let mut fleet = Fleet::new();
        fleet.trusts("east");
        assert_eq!(goal(&fleet, Wish::Back), (Goal::Start, vec!["east".to_owned()]), "west has no part in it yet");
    }

    #[test]
    fn a_later_turn_has_a_higher_number_and_the_trust_bundle_stays_as_it_is() {
        let mut fleet = Fleet::new();
        fleet.trusts("east");
        noted(&mut fleet, Goal::Start);
        let notes = turn(&fleet, Wish::Forward).unwrap().notes;
        assert_eq!(notes[0].1.turn, Some(Turn { number: 8, goal: Goal::Forward }));
        assert_eq!(notes[0].2, fleet.both());
    }

    #[test]
    fn only_what_was_turned_back_goes_forward_again() {
        let mut fleet = Fleet::new();
        fleet.trusts("east");
        assert_eq!(turn(&fleet, Wish::Forward), Err(Code::NoRootChange));
        noted(&mut fleet, Goal::Forward);
        assert_eq!(turn(&fleet, Wish::Forward), Err(Code::NoRootChange));
        noted(&mut fleet, Goal::Trust);
        assert_eq!(turn(&fleet, Wish::Forward).unwrap().goal, Goal::Forward);
    }

    #[test]
    fn nothing_is_turned_before_the_first_step() {
        let mut fleet = Fleet::new();
        assert_eq!(turn(&fleet, Wish::Back), Err(Code::NoRootChange));
        fleet.story.mesh.root.trusted.pop();
        assert_eq!(turn(&fleet, Wish::Back), Err(Code::NoRootChange), "there is no second root");
    }

    #[test]
    fn where_one_has_lost_the_old_root_there_is_no_way_back_for_anybody() {
        let mut fleet = Fleet::new();
        let (both, alone) = (fleet.both(), fleet.new_alone());
        fleet.signs("east", &both);
        fleet.signs("west", &both);
        assert_eq!(turn(&fleet, Wish::Back).unwrap().goal, Goal::Trust);
        fleet.signs("west", &alone);
        assert_eq!(turn(&fleet, Wish::Back), Err(Code::RemovalBegun));
        noted(&mut fleet, Goal::Trust);
        assert_eq!(turn(&fleet, Wish::Forward), Err(Code::RemovalBegun));
    }
}

//! Whether a fleet gets to the end of its walk once there are no more faults.

use std::sync::PoisonError;

use meshca::mesh::turn::Wish;

use crate::model::RootChange;
use crate::simulated::ages::snapped;
use crate::simulated::sight::Seen;
use crate::simulated::tick::{reasons, turned};
use crate::simulated::truth;
use crate::simulated::world::{Whereto, World, digest};

impl RootChange {
    /// Whether the fleet gets to its end from here, once there are no more faults; and if not, where it stops.
    pub(crate) fn stuck(&self, world: &World) -> Option<String> {
        let mut world = world.clone();
        world.flight.clear();
        world.primaries.iter_mut().for_each(|primary| primary.is_down = false);
        world.remotes.iter_mut().for_each(|remote| remote.is_down = false);
        let mut path = Vec::new();
        for _ in 0..400 {
            world.ages().iter_mut().for_each(|ages| snapped(ages, &self.thresholds));
            let is_known = self.ending.read().unwrap_or_else(PoisonError::into_inner).contains(&digest(&world));
            if is_known || truth::unfinished(&self.layout, &world, self.last).is_none() {
                self.ending.write().unwrap_or_else(PoisonError::into_inner).extend(path);
                return None;
            }
            path.push(digest(&world));
            self.settle(&mut world);
            if let Some(why) = truth::broken(&self.layout, &world) {
                return Some(why);
            }
            if self.tick(&mut world) {
                continue;
            }
            match self.patience(&world) {
                Some(wait) => world.wait(wait),
                None => {
                    if !self.restored(&mut world)
                        && !self.nudge(&mut world)
                        && let Some(why) = self.turned(&mut world)
                    {
                        return Some(why);
                    }
                }
            }
        }
        Some("it never ends".to_owned())
    }

    /// Every istiod loads what it can, and people restart what is theirs to restart.
    fn settle(&self, world: &mut World) {
        for at in 0..world.primaries.len() {
            for replica in 0..world.primaries[at].replicas.len() {
                let is_restart =
                    world.primaries[at].replicas[replica].is_to_restart || self.is_for_people(world, at, replica);
                if is_restart || world.lags(at, replica) {
                    world.load(&self.layout, at, replica, is_restart);
                }
            }
        }
        for remote in 0..world.remotes.len() {
            world.sync(&self.layout, remote);
        }
    }

    /// Where a trust bundle was changed and changed back before its istiod saw either, that istiod has nothing to load, and
    /// is not seen to have loaded anything since. `report` says so after a tick, and people restart it.
    fn nudge(&self, world: &mut World) -> bool {
        let mut is_any = false;
        for at in 0..world.primaries.len() {
            for replica in 0..world.primaries[at].replicas.len() {
                let primary = &world.primaries[at];
                let written = primary.published.as_ref().map_or(0, |it| it.written);
                if !world.lags(at, replica) && primary.replicas[replica].loaded > written {
                    world.load(&self.layout, at, replica, true);
                    is_any = true;
                }
            }
        }
        is_any
    }

    /// People put back what was lost and what meshca cannot make, as it asks them to.
    fn restored(&self, world: &mut World) -> bool {
        (0..self.layout.sites.len()).any(|at| world.restore(at))
    }

    /// One whole tick; whether it did anything.
    fn tick(&self, world: &mut World) -> bool {
        let approved = self.leaving(world);
        let mut later = world.clone();
        later.wait(1);
        let plan = self.planner.plan(&self.layout, &Seen::all(&later), &approved);
        if plan.is_empty() {
            return false;
        }
        *world = later;
        for step in plan.iter() {
            world.take(step.clone());
        }
        true
    }

    /// Where people turned the walk, it has come to rest there; then they turn it forward. Else it hangs.
    fn turned(&self, world: &mut World) -> Option<String> {
        let (old, pool) = (self.leaving(world), &self.layout.pool);
        let new = old.first().map_or(self.last, |old| (old + 1).max(self.layout.foreign + 1));
        let marks = world.primaries.iter().filter_map(|it| it.published.as_ref()?.mark.as_ref());
        let turns = marks.filter(|mark| mark.to == new).filter_map(|mark| mark.turn);
        let (_, whereto) = turns.max().unwrap_or((0, Whereto::Forward));
        let rests = world.primaries.iter().all(|primary| {
            primary.published.as_ref().is_some_and(|it| {
                old.contains(&it.signer.root) && (whereto == Whereto::Trust || !pool.trusts(it.bundle, new))
            })
        });
        // Signers that clusters were adopted with are kept nowhere: who has another cannot go back, and the others wait there.
        let rests = rests || self.layout.foreign > 0;
        if whereto == Whereto::Forward || !rests {
            let says = reasons(&self.layout, &Seen::all(world), &self.leaving(world)).join("; ");
            return Some(format!("it hangs: {}; {says}", truth::unfinished(&self.layout, world, self.last)?));
        }
        world.wait(1);
        for note in turned(&self.layout, &Seen::all(world), Wish::Forward) {
            world.take(note);
        }
        None
    }
}

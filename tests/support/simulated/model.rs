//! Every order in which a root change can meet its faults, for the model checker.

use std::collections::BTreeSet;
use std::sync::RwLock;

use meshca::mesh::turn::Wish;
use stateright::{Model, Property};

use crate::simulated::ages::{Age, next_deadline, snapped};
use crate::simulated::layout::{ASSUMED, Eyes, Layout};
use crate::simulated::sight::Seen;
use crate::simulated::tick::{Planner, turned};
use crate::simulated::truth;
use crate::simulated::world::{Primary, World};

/// How often each fault may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Faults {
    /// The tick is killed between two of its steps: before a write, or after it, so that its answer is lost.
    pub(crate) crashes: u8,
    /// A tick decides upon what one target was before its last change.
    pub(crate) stale_reads: u8,
    /// A target cannot be reached, for as long as it likes.
    pub(crate) outages: u8,
    /// People turn the walk.
    pub(crate) turns: u8,
    /// An intermediate becomes due for renewal.
    pub(crate) renewals: u8,
    /// A replica of istiod is restarted for no reason.
    pub(crate) restarts: u8,
    /// Somebody deletes a set, while every other cluster has its own.
    pub(crate) losses: u8,
    /// Something happens in the last second before something else changes by itself.
    pub(crate) close_calls: u8,
}

impl Faults {
    pub(crate) const NONE: Self =
        Self { crashes: 0, stale_reads: 0, outages: 0, turns: 0, renewals: 0, restarts: 0, losses: 0, close_calls: 0 };
}

/// A fleet at one moment, and the faults that are still to come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) world: World,
    pub(crate) faults: Faults,
    /// What was seen of each cluster before its set last changed, as long as a tick may still hold it for true.
    pub(crate) earlier: Vec<Option<Seen>>,
}

/// Which of the roots that are left people let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Approves {
    Nothing,
    /// The first of several that adopted clusters came with.
    One,
    All,
}

/// Something that happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Event {
    /// A tick looks and plans. `approves`: people let the old root go.
    Tick {
        approves: Approves,
        stale: Option<u8>,
    },
    /// The running tick does one of its steps.
    Write(u8),
    Crash,
    /// A replica loads what is published.
    Load(u8, u8),
    /// A replica is restarted, as it was to be.
    Restart(u8, u8),
    /// A replica is restarted for no reason.
    Stumble(u8, u8),
    /// A remote is shown what its control plane hands out.
    Sync(u8),
    Down(u8),
    Up(u8),
    /// People turn the walk back by a stage, or forward again; their notes are written like the steps of a tick.
    TurnBack,
    TurnForward,
    Due(u8),
    Lose(u8),
    /// People put a set that was lost in an adoption back.
    Restore(u8),
    /// Time passes to the next moment at which something changes by itself, or to the second before it.
    Wait,
    Almost,
}

/// A model: a fleet, its faults, and everything that was worked out about it.
pub(crate) struct RootChange {
    pub(crate) layout: Layout,
    pub(crate) faults: Faults,
    pub(crate) planner: Planner,
    /// The number of the root on which the fleet ends.
    pub(crate) last: u8,
    pub(super) thresholds: Vec<Age>,
    /// From where it is known to end.
    pub(super) ending: RwLock<BTreeSet<u64>>,
}

impl RootChange {
    pub(crate) fn new(layout: Layout, faults: Faults) -> Self {
        let last = u8::try_from(layout.pool.roots.len()).unwrap();
        let thresholds = layout.thresholds();
        Self { layout, faults, planner: Planner::default(), last, thresholds, ending: RwLock::default() }
    }

    fn snap(&self, state: &mut State) {
        let State { world, earlier, .. } = state;
        for (mut ages, earlier) in world.ages().into_iter().zip(earlier) {
            ages.extend(earlier.iter_mut().flat_map(Seen::ages));
            snapped(&mut ages, &self.thresholds);
        }
    }

    /// How long until something changes by itself; `None`: it never does, or an istiod must load first.
    pub(super) fn patience(&self, world: &World) -> Option<Age> {
        let mut clone = world.clone();
        let ages: Vec<Age> = clone.ages().into_iter().flatten().map(|age| *age).collect();
        let wait = next_deadline(&ages, &self.thresholds)?;
        // Of a remote that cannot be looked at it is taken for granted that it is shown what its control plane has.
        let is_unseen = |at: &usize| !self.layout.sites[usize::from(self.layout.remotes[*at])].eyes.is_behind_api();
        let mut unseen = (0..world.remotes.len()).filter(is_unseen);
        let may_wait = self.may_wait(world, wait) && !unseen.any(|at| world.remote_lags(&self.layout, at));
        may_wait.then_some(wait)
    }

    /// Whether this much time may pass before an istiod loads: where nothing can be looked at, the mesh file promises that
    /// it has by then.
    fn may_wait(&self, world: &World, wait: Age) -> bool {
        let is_promised = |at: usize| {
            let is_taken = self.layout.sites[at].eyes == Eyes::Folder && world.takes(&self.layout, at, 0);
            let is_due = world.primaries[at].published.as_ref().is_some_and(|it| it.written + wait >= ASSUMED);
            is_taken && is_due && world.lags(at, 0)
        };
        !(0..world.primaries.len()).any(is_promised)
    }

    /// The roots that people would let go: those that adopted clusters came with, or else the oldest that is still published.
    pub(super) fn leaving(&self, world: &World) -> Vec<u8> {
        let published = world.primaries.iter().filter_map(|primary| primary.published.as_ref());
        let roots: BTreeSet<u8> = published.flat_map(|it| self.layout.pool.roots_in(it.bundle)).collect();
        let foreign: Vec<u8> = roots.iter().copied().filter(|root| *root <= self.layout.foreign).collect();
        if foreign.is_empty() { roots.into_iter().take(1).collect() } else { foreign }
    }

    /// Whether people would restart this replica: its istiod takes what is published only so, and meshca may not.
    pub(crate) fn is_for_people(&self, world: &World, at: usize, replica: usize) -> bool {
        let site = self.layout.sites[at];
        let primary = &world.primaries[at];
        let has = &primary.replicas[replica];
        let is_behind = primary.published.as_ref().is_some_and(|it| it.bundle != has.bundle || it.bundle != has.takes);
        // Of an istiod that began without a set it is not known whether it has begun anew since; the walk asks for a restart.
        let is_unread = primary.published.as_ref().is_some_and(|it| site.own_ca && it.signer.generation == 0);
        (site.needs_restart() || has.is_blind || is_unread) && !site.restart && is_behind
    }

    fn happens(&self, state: &mut State, event: Event) -> bool {
        let layout = &self.layout;
        let faults = &mut state.faults;
        let world = &mut state.world;
        let is_in_flight = !world.flight.is_empty();
        match event {
            Event::Tick { approves, stale } => {
                if !self.may_wait(world, 1) {
                    return false;
                }
                world.wait(1);
                state.earlier.iter_mut().flatten().for_each(|seen| seen.wait(1));
                let mut seen = Seen::all(world);
                if let Some(stale) = stale {
                    faults.stale_reads -= 1;
                    match state.earlier[usize::from(stale)].take() {
                        Some(earlier) => seen[usize::from(stale)] = earlier,
                        None => return false,
                    }
                }
                let mut approved = self.leaving(world);
                approved.truncate(match approves {
                    Approves::Nothing => 0,
                    Approves::One => 1,
                    Approves::All => usize::MAX,
                });
                world.flight = (*self.planner.plan(layout, &seen, &approved)).clone();
                for pending in world.flight.iter_mut().filter(|it| Some(it.cluster) == stale) {
                    pending.is_overtaken = true;
                }
                return !world.flight.is_empty();
            }
            Event::Write(at) => {
                let step = world.flight.remove(usize::from(at));
                let cluster = usize::from(step.cluster);
                let earlier = Seen::of(world, cluster);
                if world.take(step) && faults.stale_reads > 0 {
                    state.earlier[cluster] = Some(earlier);
                }
            }
            Event::Crash => {
                faults.crashes -= 1;
                world.flight.clear();
            }
            Event::Load(at, replica) => world.load(layout, at.into(), replica.into(), false),
            Event::Restart(at, replica) => world.load(layout, at.into(), replica.into(), true),
            Event::Stumble(at, replica) => {
                faults.restarts -= 1;
                world.load(layout, at.into(), replica.into(), true);
            }
            Event::Sync(remote) => world.sync(layout, remote.into()),
            Event::Down(at) => {
                faults.outages -= 1;
                *world.is_down(at.into()) = true;
            }
            Event::Up(at) => *world.is_down(at.into()) = false,
            Event::TurnBack | Event::TurnForward => {
                faults.turns -= 1;
                if !self.may_wait(world, 1) {
                    return false;
                }
                world.wait(1);
                state.earlier.iter_mut().flatten().for_each(|seen| seen.wait(1));
                let wish = if event == Event::TurnBack { Wish::Back } else { Wish::Forward };
                world.flight = turned(layout, &Seen::all(world), wish);
                return !world.flight.is_empty();
            }
            Event::Due(at) => {
                faults.renewals -= 1;
                world.due(at.into());
            }
            Event::Lose(at) => {
                faults.losses -= 1;
                // Of one that was adopted behind a folder nothing is left that tells it from one where nothing ran yet.
                let site = layout.sites[usize::from(at)];
                if layout.is_adopted(at.into()) && !site.eyes.is_behind_api() {
                    return false;
                }
                // Of two that are lost at once nothing tells how far the walk had come.
                if world.primaries.iter().any(|it| it.published.is_none()) || world.primaries.len() == 1 {
                    return false;
                }
                let primary = &mut world.primaries[usize::from(at)];
                let lost = primary.published.take();
                primary.backup = lost.filter(|_| layout.foreign > 0);
                let pending = world.flight.iter_mut().filter(|it| it.cluster == at);
                pending.for_each(|it| it.is_overtaken = true);
            }
            Event::Restore(at) => return world.restore(at.into()),
            Event::Wait | Event::Almost => {
                faults.close_calls -= u8::from(event == Event::Almost);
                let Some(wait) = self.patience(world) else { return false };
                let wait = if event == Event::Wait { wait } else { wait - 1 };
                world.wait(wait);
                state.earlier.iter_mut().for_each(|it| *it = None);
                return wait > 0;
            }
        }
        // What a replica does while a tick is between its plan and its writes lies before those writes.
        if is_in_flight && matches!(event, Event::Load(..) | Event::Restart(..) | Event::Stumble(..)) {
            if !self.may_wait(&state.world, 1) {
                return false;
            }
            state.world.wait(1);
            state.earlier.iter_mut().flatten().for_each(|seen| seen.wait(1));
        }
        true
    }
}

impl Model for RootChange {
    type State = State;
    type Action = Event;

    fn init_states(&self) -> Vec<State> {
        let mut world = World::new(&self.layout);
        world.ages().iter_mut().for_each(|ages| snapped(ages, &self.thresholds));
        vec![State { world, faults: self.faults, earlier: vec![None; self.layout.mesh.clusters.len()] }]
    }

    fn actions(&self, state: &State, events: &mut Vec<Event>) {
        let State { world, faults, earlier } = state;
        let count = |number: usize| 0..u8::try_from(number).unwrap();
        if world.flight.is_empty() {
            let stale = count(earlier.len()).filter(|at| earlier[usize::from(*at)].is_some());
            for stale in std::iter::once(None).chain(stale.map(Some).filter(|_| faults.stale_reads > 0)) {
                events.push(Event::Tick { approves: Approves::Nothing, stale });
                // Before anybody signs under another root an approval means nothing to the planner.
                let published = world.primaries.iter().zip(&self.layout.begins);
                let has_begun =
                    |(it, root): (&Primary, &u8)| it.published.as_ref().is_some_and(|it| it.signer.root != *root);
                if published.into_iter().any(has_begun) {
                    events.push(Event::Tick { approves: Approves::All, stale });
                    let has_several = self.leaving(world).len() > 1;
                    events.extend(has_several.then_some(Event::Tick { approves: Approves::One, stale }));
                }
            }
            events.push(Event::Wait);
            if faults.turns > 0 {
                events.extend([Event::TurnBack, Event::TurnForward]);
            }
            events.extend((faults.close_calls > 0).then_some(Event::Almost));
        } else {
            // The canary's step comes first, and alone.
            let canary = self.layout.mesh.rotation.canary.as_ref();
            let is_canary = |at: u8| canary == Some(self.layout.name(world.flight[usize::from(at)].cluster.into()));
            let first = if is_canary(0) { 1 } else { world.flight.len() };
            events.extend(count(first).map(Event::Write));
            events.extend((faults.crashes > 0).then_some(Event::Crash));
        }
        for at in count(world.primaries.len()) {
            let primary = &world.primaries[usize::from(at)];
            for replica in count(primary.replicas.len()) {
                let (c, r) = (usize::from(at), usize::from(replica));
                if world.lags(c, r) && world.takes(&self.layout, c, r) {
                    events.push(Event::Load(at, replica));
                }
                if primary.replicas[r].is_to_restart || self.is_for_people(world, c, r) {
                    events.push(Event::Restart(at, replica));
                }
                // Without a set an istiod would start on a CA of its own.
                if faults.restarts > 0 && primary.published.is_some() {
                    events.push(Event::Stumble(at, replica));
                }
            }
            if faults.renewals > 0 && primary.published.as_ref().is_some_and(|it| !it.signer.is_due) {
                events.push(Event::Due(at));
            }
            if faults.losses > 0 && primary.published.is_some() {
                events.push(Event::Lose(at));
            }
            events.extend((primary.published.is_none() && primary.backup.is_some()).then_some(Event::Restore(at)));
        }
        for remote in count(world.remotes.len()) {
            let at = usize::from(remote);
            if !world.remotes[at].is_down && world.remote_lags(&self.layout, at) {
                events.push(Event::Sync(remote));
            }
        }
        for at in count(world.primaries.len() + world.remotes.len()) {
            if *world.clone().is_down(at.into()) {
                events.push(Event::Up(at));
            } else if faults.outages > 0 {
                events.push(Event::Down(at));
            }
        }
    }

    fn next_state(&self, state: &State, event: Event) -> Option<State> {
        let mut next = state.clone();
        if !self.happens(&mut next, event) {
            return None;
        }
        if next.faults.stale_reads == 0 {
            next.earlier.iter_mut().for_each(|it| *it = None);
        }
        self.snap(&mut next);
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always("everybody trusts everybody", |model: &Self, state: &State| {
                truth::broken(&model.layout, &state.world).is_none()
            }),
            Property::always("it ends once the faults end", |model: &Self, state: &State| {
                model.stuck(&state.world).is_none()
            }),
        ]
    }
}

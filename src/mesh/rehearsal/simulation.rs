//! The rehearsal itself: tick after tick, with what happens in between in its order.

use std::collections::{BTreeMap, BTreeSet};

use ring::rand::SecureRandom;
use time::OffsetDateTime;

use crate::mesh::cacerts::{CERT_CHAIN, Cacerts};
use crate::mesh::fleet::{Access, Cluster, ClusterName, Mesh, Role};
use crate::mesh::gates::Approvals;
use crate::mesh::minting;
use crate::mesh::observed::Observed;
use crate::mesh::ownership::Ownership;
use crate::mesh::plan;
use crate::mesh::rehearsal::errands::Errands;
use crate::mesh::rehearsal::fault::Fault;
use crate::mesh::rehearsal::handshakes::Handshakes;
use crate::mesh::rehearsal::need::What;
use crate::mesh::rehearsal::pair_watch::PairWatch;
use crate::mesh::rehearsal::present::Present;
use crate::mesh::rehearsal::rehearsed::Rehearsed;
use crate::mesh::rehearsal::root_change_watch::RootChangeWatch;
use crate::mesh::rehearsal::script::Script;
use crate::mesh::rehearsal::simulated_cluster::{Published, SimulatedCluster, View};
use crate::mesh::rehearsal::simulated_people::SimulatedPeople;
use crate::mesh::rehearsal::timeline::{Event, Happening};
use crate::mesh::step::{Act, Step};
use crate::pki::certificate::Certificate;
use crate::pki::moment::day;
use crate::problem::{Code, Problem};

/// Plays the script with the planner and the checks that run in production, from what there is at its beginning, or else from a
/// founding ceremony. Nothing is touched but memory; keys are made with `random` and thrown away.
///
/// # Errors
/// `bad-argument`, `unknown-cluster`: the script does not fit the mesh file. What planning and minting refuse.
pub fn run(
    mesh: &Mesh,
    script: &Script,
    present: Option<&Present>,
    random: &dyn SecureRandom,
) -> Result<Rehearsed, Problem> {
    script.fits(mesh)?;
    let mut simulation = Simulation::new(mesh, script, random);
    simulation.begin(present)?;
    let mut now = script.begins;
    while now <= script.ends {
        simulation.catch_up(now)?;
        simulation.judge(now);
        simulation.tick(&Approvals::default(), now)?;
        now += mesh.rotation.windows.pause(script.tick, now);
    }
    simulation.catch_up(script.ends)?;
    simulation.judge(script.ends);
    Ok(simulation.into_rehearsed())
}

/// What is going to happen.
#[derive(Debug, Clone)]
pub(super) enum Due {
    /// istiod sees the files that are published.
    Sees(ClusterName),
    /// istiod is up again after a restart.
    Starts(ClusterName),
    /// A fault of the script begins.
    Begins(usize),
    /// A fault of the script ends.
    Ends(usize),
    /// People have done what they were asked for.
    Done(usize),
    /// People begin a change of root.
    NextRoot,
}

pub(super) struct Simulation<'a> {
    /// As the mesh file says it, but for pins, which name roots that do not exist here.
    pub(super) mesh: Mesh,
    pub(super) script: &'a Script,
    pub(super) clusters: BTreeMap<ClusterName, SimulatedCluster>,
    pub(super) people: SimulatedPeople<'a>,
    pub(super) handshakes: Handshakes<'a>,
    pub(super) errands: Errands,
    pub(super) timeline: Vec<Happening>,
    queue: BTreeMap<(OffsetDateTime, usize), Due>,
    queued: usize,
    pairs: PairWatch,
    pub(super) change: RootChangeWatch,
    refused: BTreeSet<(ClusterName, Code)>,
    ticks: usize,
}

impl<'a> Simulation<'a> {
    fn new(mesh: &'a Mesh, script: &'a Script, random: &'a dyn SecureRandom) -> Self {
        let mut played = mesh.clone();
        played.root.trusted.clear();
        Self {
            mesh: played,
            script,
            clusters: mesh.clusters.iter().map(|it| (it.name.clone(), SimulatedCluster::default())).collect(),
            people: SimulatedPeople::new(random),
            handshakes: Handshakes::new(&mesh.trust_domain, random),
            errands: Errands::default(),
            timeline: Vec::new(),
            queue: BTreeMap::new(),
            queued: 0,
            pairs: PairWatch::default(),
            change: RootChangeWatch::default(),
            refused: BTreeSet::new(),
            ticks: 0,
        }
    }

    pub(super) fn tell(&mut self, at: OffsetDateTime, event: Event) {
        self.timeline.push(Happening { at, event });
    }

    pub(super) fn queue(&mut self, at: OffsetDateTime, due: Due) {
        self.queued += 1;
        self.queue.insert((at, self.queued), due);
    }

    /// What there is already, or the founding ceremony; and what the script wants to happen.
    fn begin(&mut self, present: Option<&Present>) -> Result<(), Problem> {
        let begins = self.script.begins;
        match present {
            Some(present) => self.take_over(present, begins)?,
            None => self.founding(begins)?,
        }
        for (number, fault) in self.script.faults.iter().enumerate() {
            let (from, until) = match fault {
                Fault::Down { from, until, .. } | Fault::Paused { from, until } => (*from, Some(*until)),
                Fault::Drift { at, .. } | Fault::Restore { at, .. } => (*at, None),
                Fault::Late { .. } => continue,
            };
            self.queue(from, Due::Begins(number));
            if let Some(until) = until {
                self.queue(until, Due::Ends(number));
            }
        }
        if let Some(at) = self.script.change_root {
            self.queue(at, Due::NextRoot);
        }
        Ok(())
    }

    /// Lets happen what happens until this moment.
    fn catch_up(&mut self, now: OffsetDateTime) -> Result<(), Problem> {
        while let Some(entry) = self.queue.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                return Ok(());
            }
            let due = entry.remove();
            // What was there until now, and what is there from now on.
            self.judge(at);
            self.happens(due, at)?;
            if self.queue.first_key_value().is_none_or(|((next, _), _)| *next > at) {
                self.judge(at);
            }
        }
        Ok(())
    }

    fn happens(&mut self, due: Due, at: OffsetDateTime) -> Result<(), Problem> {
        match due {
            Due::Sees(name) => self.istiod(&name, false, at),
            Due::Starts(name) => self.istiod(&name, true, at),
            Due::Begins(number) => self.fault(number, true, at),
            Due::Ends(number) => self.fault(number, false, at),
            Due::Done(number) => return self.done(number, at),
            Due::NextRoot => self.ask_for_next_root(at),
        }
        Ok(())
    }

    /// istiod sees its files, or starts with them.
    pub(super) fn istiod(&mut self, name: &ClusterName, starts: bool, at: OffsetDateTime) {
        let (Some(cluster), Some(simulated)) = (self.mesh.cluster(name), self.clusters.get_mut(name)) else { return };
        let Some(set) = &simulated.published else { return };
        let istiod = &mut simulated.istiod;
        let why = if starts {
            istiod.starts(cluster, &set.files, &set.key, &mut self.handshakes, at)
        } else {
            istiod.sees(cluster, &set.files, &set.key, &mut self.handshakes, at)
        };
        if let Some(why) = why {
            self.tell(at, Event::Dropped(name.clone(), why));
        }
    }

    fn fault(&mut self, number: usize, begins: bool, at: OffsetDateTime) {
        let Some(fault) = self.script.faults.get(number) else { return };
        let told = match (fault, begins) {
            (Fault::Down { cluster, until, .. }, true) => {
                self.change_cluster(cluster, |it| it.down_until = Some(*until));
                format!("{cluster} cannot be reached until {}", day(*until))
            }
            (Fault::Down { cluster, .. }, false) => format!("{cluster} can be reached again"),
            (Fault::Paused { until, .. }, true) => {
                self.mesh.rotation.paused = true;
                format!("rotation is paused until {}", day(*until))
            }
            (Fault::Paused { .. }, false) => {
                self.mesh.rotation.paused = false;
                "rotation is paused no more".to_owned()
            }
            (Fault::Drift { cluster, .. }, _) => {
                self.change_cluster(cluster, |it| {
                    it.published = it.published.as_ref().map(|set| set.without_chain(at));
                });
                self.queue(at + SimulatedCluster::projection(0), Due::Sees(cluster.clone()));
                format!("somebody takes cert-chain.pem out of cacerts in {cluster}")
            }
            (Fault::Restore { cluster, age, .. }, _) => {
                self.change_cluster(cluster, |it| it.restore(at - *age, at));
                self.queue(at + SimulatedCluster::projection(0), Due::Starts(cluster.clone()));
                format!("{cluster} comes back from a backup of {}", day(at - *age))
            }
            (Fault::Late { .. }, _) => return,
        };
        self.tell(at, Event::Fault(told));
    }

    pub(super) fn change_cluster(&mut self, name: &ClusterName, change: impl FnOnce(&mut SimulatedCluster)) {
        if let Some(cluster) = self.clusters.get_mut(name) {
            change(cluster);
        }
    }

    fn observe(&self, now: OffsetDateTime) -> BTreeMap<ClusterName, Observed> {
        let look = |cluster: &Cluster| {
            let from_primary = match &cluster.role {
                Role::Remote { primary } => self.clusters.get(primary).map(|it| (primary, &it.istiod)),
                Role::Primary | Role::External { .. } => None,
            };
            let view = View { workload: self.mesh.workload, from_primary, now };
            let simulated = self.clusters.get(&cluster.name)?;
            Some((cluster.name.clone(), simulated.observe(cluster, &view)))
        };
        self.mesh.clusters.iter().filter_map(look).collect()
    }

    /// One run of `rotate`, with what people allow by it.
    pub(super) fn tick(&mut self, approvals: &Approvals, now: OffsetDateTime) -> Result<(), Problem> {
        let observed = self.observe(now);
        let plan = plan::next(&self.mesh, &self.people.holdings, &observed, approvals, now)?;
        self.ticks += 1;
        let (mut first, mut renewed) = (Vec::new(), Vec::new());
        for step in &plan.steps {
            let before = self.clusters.get(&step.cluster).and_then(|it| it.published.as_ref());
            let (is_first, defect) = (before.is_none(), before.and_then(|set| set.sight.defect()));
            match &step.act {
                Act::Refuse(problem) => self.refuse(step, problem, now),
                act if act.writes() => self.take(step, now)?,
                _ => {}
            }
            match (&step.act, defect) {
                (Act::Mint { .. } | Act::Activate { .. }, Some(defect)) => {
                    self.tell(now, Event::Repaired(step.cluster.clone(), defect.to_owned()));
                }
                (Act::Mint { .. } | Act::Activate { .. }, None) if is_first => first.push(step.cluster.clone()),
                (Act::Mint { .. } | Act::Activate { .. }, None) => renewed.push(step.cluster.clone()),
                _ => {}
            }
        }
        if !first.is_empty() {
            self.tell(now, Event::First(first));
        }
        if !renewed.is_empty() {
            self.tell(now, Event::Renewed(renewed));
        }
        let news = self.change.follow(plan.root_change.as_ref(), now);
        news.into_iter().for_each(|event| self.tell(now, event));
        self.ask(&plan, &observed, now)
    }

    fn refuse(&mut self, step: &Step, problem: &Problem, now: OffsetDateTime) {
        let is_down = self.clusters.get(&step.cluster).is_some_and(|it| it.is_down(now));
        if !is_down && self.refused.insert((step.cluster.clone(), problem.code())) {
            self.tell(now, Event::Refused(step.cluster.clone(), problem.what().to_owned()));
        }
    }

    /// Does what a step says.
    fn take(&mut self, step: &Step, now: OffsetDateTime) -> Result<(), Problem> {
        let bundle = step.bundle.clone().unwrap_or_default();
        let (set, generation) = match step.act {
            Act::Mint { issuing, generation } => {
                let minted = self.people.mint(&self.mesh, &step.cluster, issuing, generation, now)?;
                let (signer, key, issuing) = minted;
                (self.set(signer, &key, &[issuing], &bundle).map(|set| (set, key)), generation)
            }
            Act::Activate { generation } => {
                let (signer, key) = self.people.take_from_stock(&step.cluster, generation)?;
                (self.set(signer, &key, &[], &bundle).map(|set| (set, key)), generation)
            }
            Act::Rebundle | Act::Note => {
                let there = self.clusters.get(&step.cluster).and_then(|it| it.published.as_ref());
                let kept = there.and_then(|it| {
                    let chain = String::from_utf8(it.files.get(CERT_CHAIN)?.to_vec()).ok()?;
                    let signer = it.sight.signer.as_ref().ok()?.clone();
                    let set = Cacerts::rebundled(signer, chain, it.key.pkcs8_pem(), it.key.spki(), &bundle)?;
                    Some((set, std::rc::Rc::clone(&it.key)))
                });
                (kept, there.map_or(0, |it| it.mark.generation))
            }
            Act::Restart => {
                self.change_cluster(&step.cluster, |it| it.restart(now));
                self.queue(now + SimulatedCluster::projection(0), Due::Starts(step.cluster.clone()));
                self.tell(now, Event::Restarted(step.cluster.clone(), "meshca"));
                return Ok(());
            }
            Act::Leave | Act::Wait | Act::AskForCeremony(_) | Act::Refuse(_) => return Ok(()),
        };
        let Some((set, key)) = set else { return Ok(()) };
        let serial = set.signer().serial_text();
        let mark = Ownership::new(&self.mesh.name, &step.cluster, generation, serial).walking(step.mark.clone());
        let published = Published::new(&set, &key, mark, now);
        self.change_cluster(&step.cluster, |it| it.publish(published));
        // A note changes no file, so that nothing is brought to istiod.
        if step.act != Act::Note {
            self.bring(&step.cluster, now);
        }
        Ok(())
    }

    fn set(
        &self,
        signer: Certificate,
        key: &crate::pki::signing_key::SigningKey,
        upper: &[Certificate],
        bundle: &[u8],
    ) -> Option<Cacerts> {
        let anchor = self.people.root_of(upper.last().unwrap_or(&signer))?.clone();
        Some(minting::set(&self.mesh, signer, key, upper, &anchor, bundle))
    }

    /// What is published comes to istiod: by itself, or, as a file, by people.
    fn bring(&mut self, name: &ClusterName, now: OffsetDateTime) {
        let Some(place) = self.mesh.clusters.iter().position(|it| it.name == *name) else { return };
        let is_file = self.mesh.clusters.get(place).is_some_and(|it| matches!(it.access, Access::Manifest(_)));
        if is_file {
            self.ask_for(What::Apply { cluster: name.clone() }, "its new set lies in a file", None, now);
        } else {
            self.queue(now + SimulatedCluster::projection(place), Due::Sees(name.clone()));
        }
    }

    fn judge(&mut self, now: OffsetDateTime) {
        let life = self.mesh.workload.max_ttl;
        let news = self.pairs.judge(&self.mesh, &self.clusters, &mut self.handshakes, now);
        news.into_iter().for_each(|event| self.tell(now, event));
        self.clusters.values_mut().for_each(|it| it.istiod.forgets(life, now));
    }

    fn into_rehearsed(self) -> Rehearsed {
        let mut needs = self.errands.into_needs();
        needs.sort_by_key(|need| (need.done, need.asked));
        Rehearsed {
            mesh: self.mesh.name.clone(),
            begins: self.script.begins,
            ends: self.script.ends,
            tick: self.script.tick,
            ticks: self.ticks,
            clusters: self.mesh.clusters.len(),
            pairs: self.pairs.known(),
            verified: self.handshakes.verified(),
            faults: self.script.faults.clone(),
            timeline: self.timeline,
            needs,
            unfinished: self.change.unfinished(),
        }
    }
}

/// The first moment from this one on in which work may be done.
pub(super) fn open_moment(mesh: &Mesh, at: OffsetDateTime) -> OffsetDateTime {
    match mesh.rotation.windows.at(at) {
        crate::mesh::windows::Hours::Shut { opens, .. } => opens,
        _ => at,
    }
}

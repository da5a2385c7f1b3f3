//! People at work in a rehearsal: what they are asked for, and what comes of it.

use std::collections::BTreeMap;

use time::{Duration, OffsetDateTime};

use crate::mesh::deadline::Ceremony;
use crate::mesh::fleet::{Access, Cluster, ClusterName, Membership};
use crate::mesh::gates::Approvals;
use crate::mesh::holdings::Held;
use crate::mesh::minting;
use crate::mesh::observed::Observed;
use crate::mesh::ownership::Ownership;
use crate::mesh::plan::{self, Plan};
use crate::mesh::progress::Progress;
use crate::mesh::rehearsal::fault::Errand;
use crate::mesh::rehearsal::need::{Need, SAME_DAY, What};
use crate::mesh::rehearsal::present::{Life, Present};
use crate::mesh::rehearsal::simulated_cluster::Published;
use crate::mesh::rehearsal::simulated_people::{InUse, STOCK_LASTS};
use crate::mesh::rehearsal::simulation::{Due, Simulation, open_moment};
use crate::mesh::rehearsal::timeline::Event;
use crate::mesh::stage::Stage;
use crate::mesh::trust_bundle;
use crate::pki::moment::{day, utc};
use crate::pki::profile::Tier;
use crate::pki::validity::BACKDATE;
use crate::problem::{Code, Problem};

impl Simulation<'_> {
    /// Asks people for something, and queues that it is done; with the moment by which they must begin.
    pub(super) fn ask_for(&mut self, what: What, why: &str, begin_by: Option<OffsetDateTime>, asked: OffsetDateTime) {
        let begins = asked + self.script.lateness(what.errand());
        let takes = match (what.errand(), &what) {
            // The script says on which day.
            (_, What::NextRoot { .. }) if self.script.change_root == Some(asked) => Duration::ZERO,
            (Errand::Ceremony | Errand::Approval, _) => self.mesh.lead,
            (Errand::Restart, _) => SAME_DAY,
        };
        let done = match what {
            What::Approval { .. } => open_moment(&self.mesh, begins + takes),
            _ => begins + takes,
        };
        self.queue(done, Due::Done(self.errands.needs.len()));
        self.errands.needs.push((Need { what, why: why.to_owned(), asked, begin_by, begins, done }, false));
    }

    /// The ceremony with which everything begins.
    pub(super) fn founding(&mut self, now: OffsetDateTime) -> Result<(), Problem> {
        let root = self.people.make_root(&self.mesh, now)?;
        let stock_until = now + STOCK_LASTS;
        self.make_what_it_signs(&root, &BTreeMap::new(), stock_until, now)?;
        let (what, why) = (What::Founding { stock_until }, "the mesh begins".to_owned());
        self.errands.needs.push((Need { what, why, asked: now, begin_by: None, begins: now, done: now }, true));
        Ok(())
    }

    /// Everything that there is already, instead of a founding ceremony.
    pub(super) fn take_over(&mut self, present: &Present, now: OffsetDateTime) -> Result<(), Problem> {
        let in_use = self.people.take_over(&self.mesh, present)?;
        // Of those that are trusted the oldest may be any generation by now.
        self.mesh.root.trusted = self.people.holdings.roots.iter().map(|root| root.certificate.fingerprint()).collect();
        for InUse { cluster, generation, signer, key, upper } in in_use {
            let mark = Ownership::new(&self.mesh.name, &cluster, generation, signer.serial_text());
            // It was written when it began, a little after its not-before.
            let written_at = now.min(signer.validity().not_before() + BACKDATE);
            let root = self.people.root_of(upper.last().unwrap_or(&signer)).cloned().ok_or_else(|| {
                let what = format!("the root above the intermediate of {cluster} is gone");
                Problem::new(Code::RehearsalFailed, what)
            })?;
            let bundle = trust_bundle::appended(&[], &root);
            let set = minting::set(&self.mesh, signer, &key, &upper, &root, &bundle);
            let published = Published::new(&set, &key, mark, written_at);
            self.change_cluster(&cluster, |it| it.publish(published));
            self.istiod(&cluster, true, now);
        }
        let of =
            |what: &str, life: &Life| format!("{what} g{} until {}", life.generation, utc(life.validity.not_after()));
        let cas = present.roots.iter().map(|life| of("root", life));
        let cas = cas.chain(present.issuing.iter().map(|(_, life)| of("issuing CA", life)));
        let told = format!(
            "as it stands: {}; {} of {} clusters with an intermediate",
            cas.collect::<Vec<_>>().join(", "),
            present.in_use.len(),
            self.mesh.clusters.iter().filter(|cluster| cluster.role.has_cacerts()).count()
        );
        self.tell(now, Event::Done(told));
        for cluster in &present.unseen {
            self.tell(now, Event::Fault(format!("{cluster} could not be seen, and begins without a set")));
        }
        Ok(())
    }

    pub(super) fn ask_for_next_root(&mut self, at: OffsetDateTime) {
        let root = self.people.holdings.roots.last().map_or(1, |newest| newest.generation + 1);
        let what = What::NextRoot { root, stock_until: at + STOCK_LASTS };
        self.ask_for(what, "the script begins a change of root", None, at);
    }

    /// Asks for everything that a plan says only people can do.
    pub(super) fn ask(
        &mut self,
        plan: &Plan,
        observed: &BTreeMap<ClusterName, Observed>,
        now: OffsetDateTime,
    ) -> Result<(), Problem> {
        let current = plan::current_root(&self.mesh, &self.people.holdings, observed, now)?.clone();
        for ceremony in plan.ceremonies.iter().filter(|it| it.is_asked_for(now)) {
            self.ask_for_ceremony(ceremony, plan.root_change.as_ref(), &current, now);
        }
        if let Some(progress) = &plan.root_change {
            self.ask_for_approval(progress, now);
        }
        self.ask_for_restarts(plan.root_change.as_ref(), now);
        Ok(())
    }

    fn ask_for_ceremony(
        &mut self,
        ceremony: &Ceremony,
        change: Option<&Progress>,
        current: &Held,
        now: OffsetDateTime,
    ) {
        let newest = self.people.holdings.roots.last().map_or(current.generation, |it| it.generation);
        let (root, is_named) = (current.generation, newest > current.generation);
        let what = match ceremony.tier {
            // The next root is there already.
            Tier::Root if newest > current.generation => return,
            Tier::Root => What::NextRoot { root: newest + 1, stock_until: now + self.mesh.lead + STOCK_LASTS },
            // What is renewed from now on is renewed under the next root.
            _ if change.is_some_and(|it| it.stage >= Stage::Sign) => return,
            Tier::Issuing => What::IssuingCa { root, is_named },
            Tier::Intermediate => What::Stock { root, is_named, until: now + self.mesh.lead + STOCK_LASTS },
        };
        let same = |other: &What| std::mem::discriminant(other) == std::mem::discriminant(&what);
        if self.errands.is_pending(same) {
            return;
        }
        let why = format!("it is due {}", day(ceremony.due));
        self.ask_for(what, &why, Some(ceremony.last_safe), now);
    }

    fn ask_for_approval(&mut self, progress: &Progress, now: OffsetDateTime) {
        let Some(old) = progress.from.first() else { return };
        let what = What::Approval { root: old.generation };
        if progress.awaits_approval && !self.errands.is_pending(|it| *it == what) {
            let why = format!("nothing is signed under {} any more", old.name());
            self.ask_for(what, &why, Some(progress.latest_start), now);
        }
    }

    /// Restarts of istiod that meshca may not do itself.
    fn ask_for_restarts(&mut self, change: Option<&Progress>, now: OffsetDateTime) {
        let may_not = |cluster: &&Cluster| {
            let behind_api = matches!(cluster.access, Access::Kubeconfig { .. } | Access::InCluster);
            cluster.role.has_cacerts() && !(behind_api && cluster.istiod.restart)
        };
        let wants = |cluster: &&Cluster| {
            let Some(simulated) = self.clusters.get(&cluster.name) else { return false };
            let set = simulated.published.as_ref();
            set.is_some_and(|set| simulated.istiod.wants_a_restart(cluster, &set.files, now))
        };
        let wanting: Vec<ClusterName> =
            self.mesh.clusters.iter().filter(may_not).filter(wants).map(|it| it.name.clone()).collect();
        for cluster in wanting {
            let what = What::Restart { cluster };
            if !self.errands.is_pending(|it| *it == what) {
                let why = "it takes another trust bundle only when it starts, and meshca may not restart it";
                self.ask_for(what, why, change.map(|it| it.latest_start), now);
            }
        }
    }

    /// People have done what they were asked for.
    pub(super) fn done(&mut self, number: usize, now: OffsetDateTime) -> Result<(), Problem> {
        let Some((need, is_done)) = self.errands.needs.get_mut(number) else { return Ok(()) };
        *is_done = true;
        let what = need.what.clone();
        match &what {
            What::Founding { .. } => {}
            What::IssuingCa { root, .. } => {
                if let Some(root) = self.root(*root) {
                    self.people.make_issuing(&self.mesh, &root, now)?;
                    self.tell_issuing(&root, now);
                }
            }
            What::Stock { root, until, .. } => {
                if let Some(root) = self.root(*root) {
                    let published = self.generations();
                    self.make_what_it_signs(&root, &published, *until, now)?;
                    self.tell(now, Event::Done(format!("intermediates are laid ready until {}", day(*until))));
                }
            }
            What::NextRoot { stock_until, .. } => {
                let root = self.people.make_root(&self.mesh, now)?;
                self.tell(now, Event::Done(format!("root g{} is made and endorsed", root.generation)));
                let published = self.generations();
                self.make_what_it_signs(&root, &published, *stock_until, now)?;
                if self.mesh.issuing.is_some() {
                    self.tell_issuing(&root, now);
                }
            }
            What::Approval { root } => {
                let removal = self.root(*root).iter().map(|held| held.certificate.fingerprint()).collect();
                self.tell(now, Event::Done(format!("people approve that root g{root} goes")));
                return self.tick(&Approvals { removal, ..Approvals::default() }, now);
            }
            What::Restart { cluster } => {
                self.tell(now, Event::Restarted(cluster.clone(), "people"));
                if let Some(simulated) = self.clusters.get_mut(cluster) {
                    simulated.restart(now);
                }
                self.istiod(cluster, true, now);
            }
            What::Apply { cluster } => {
                self.tell(now, Event::Done(format!("the file of {cluster} is applied")));
                self.istiod(cluster, false, now);
            }
        }
        Ok(())
    }

    fn tell_issuing(&mut self, root: &Held, now: OffsetDateTime) {
        let Some(made) = self.people.holdings.issuing.last() else { return };
        let told = format!(
            "issuing CA g{} is made under root g{}, until {}",
            made.generation,
            root.generation,
            utc(made.certificate.not_after())
        );
        self.tell(now, Event::Done(told));
    }

    fn root(&self, generation: u32) -> Option<Held> {
        self.people.holdings.roots.iter().find(|held| held.generation == generation).cloned()
    }

    fn generations(&self) -> BTreeMap<ClusterName, u32> {
        let generation = |it: &crate::mesh::rehearsal::simulated_cluster::SimulatedCluster| {
            it.published.as_ref().map_or(0, |set| set.mark.generation)
        };
        self.clusters.iter().map(|(name, it)| (name.clone(), generation(it))).collect()
    }

    /// The issuing CA under a root, or, where there is none, the stock.
    fn make_what_it_signs(
        &mut self,
        root: &Held,
        published: &BTreeMap<ClusterName, u32>,
        until: OffsetDateTime,
        now: OffsetDateTime,
    ) -> Result<(), Problem> {
        if self.mesh.issuing.is_some() {
            return self.people.make_issuing(&self.mesh, root, now);
        }
        let takes_part = |cluster: &&Cluster| cluster.role.has_cacerts() && cluster.state != Membership::Leaving;
        let clusters = self.mesh.clusters.iter().filter(takes_part);
        let clusters = clusters.map(|it| (it, published.get(&it.name).copied().unwrap_or(0)));
        self.people.fill_stock(&self.mesh, root, clusters, until, now)
    }
}

//! `rotate`: one tick in words, and how it ends.

use std::sync::{Arc, Mutex, PoisonError};

use crate::cli::desk::{Desk, Ended, one};
use crate::cli::exit::Exit;
#[cfg(feature = "k8s")]
use crate::cli::home_arguments::Own;
use crate::cli::root_change_words::Alarm;
use crate::cli::rotate_arguments::RotateArguments;
use crate::cli::{document, fleet_words, problem_words, root_change_words};
use crate::jobs::courier::Courier;
use crate::jobs::report;
use crate::jobs::rotate::{self, Tick};
use crate::mesh::deadline::Ceremony;
use crate::mesh::gates;
use crate::mesh::leak::Leak;
use crate::mesh::ledger;
use crate::mesh::report_document::ReportDocument;
use crate::mesh::status::Status;
#[cfg(feature = "k8s")]
use crate::mesh::status_part;
use crate::mesh::step::Act;
use crate::pki::profile::Tier;
use crate::problem::{Code, Finding, Problem, Severity};
#[cfg(feature = "k8s")]
use crate::world::kubernetes::status_map::{self, StatusMaps};
use crate::world::ledger_file::About;
use crate::world::passphrase::PassphraseSource;

fn interrupted() -> Problem {
    Problem::new(Code::Interrupted, "the run was asked to end, and did not begin what is held back")
        .hint("meshca rotate   does the rest")
}

impl Desk<'_> {
    /// One tick.
    pub(in crate::cli) fn rotate(mut self, order: &RotateArguments) -> Ended {
        let dry_run = order.dry_run;
        let mut unwatched = None;
        let part = order.part().map_err(one)?;
        let own = part.map(|part| part.names(&self.mesh));
        if let Some(part) = part {
            self.mesh = part.of(&self.mesh);
        }
        if let Some(name) = &order.now {
            self.mesh.signing_cluster(name).map_err(one)?;
        }
        let targets = self.targets();
        let lock = if dry_run { None } else { self.begin_writing()? };
        let ledger = Mutex::new(self.ledger_file());
        let courier = Courier { own: own.as_deref(), ..self.courier(&targets, &ledger) };
        let tick = if dry_run {
            rotate::dry_run(&courier, &self.store, &order.approvals()).map_err(one)?
        } else {
            self.note_taint(order, &courier)?;
            let opens = PassphraseSource::new(order.passphrase.passphrase_file.clone());
            let tick = rotate::run(&courier, &self.store, &opens, &order.approvals());
            let recorded = self.finish(ledger.into_inner().unwrap_or_else(PoisonError::into_inner));
            let tick = tick.map_err(one)?;
            // Who is to end has no time for those who watch.
            if tick.hold.is_none() && own.is_none() {
                let (earlier, unread) = self.earlier_status(order);
                let (status, told) = self.tell_watchers(&tick, earlier.as_deref(), &order.metrics);
                unwatched = told.and(self.tell_home(order, &status)).err().or(unread);
            }
            unwatched = recorded.err().or(unwatched);
            tick
        };
        drop(lock);
        let document = document::tick(&tick, dry_run);
        let good = !dry_run && tick.is_good_news();
        let told =
            self.voice.about(good).answer(self.shared, &document, || fleet_words::tick(&tick, dry_run, self.now));
        if let Some(untold) = &tick.untold {
            self.voice.problem(&problem_words::warning(untold, &self.shared.file));
        }
        let mut exit = self.end_of(&tick);
        if let Some(refused) = root_change_words::refused_removal(
            &order.approve_removal,
            tick.plan.root_change.as_ref(),
            &gates::removed(&tick.observed),
        ) {
            self.voice.problem(&self.error(&refused));
            exit = exit.max(Exit::Error);
        }
        for problem in told.err().into_iter().flatten() {
            self.voice.problem(&self.error(&problem));
            exit = exit.max(Exit::Error);
        }
        // A watch is asked to end by those who know that it goes on elsewhere or later.
        if tick.hold.is_some() && !order.watch {
            self.voice.problem(&self.error(&interrupted()));
            exit = exit.max(Exit::Error);
        }
        // Where the disk is full or closed, a step has said so already.
        match unwatched {
            Some(problem) if exit < Exit::Error => Err(one(problem)),
            _ => Ok(exit),
        }
    }

    /// Records that the key of a cluster's intermediate may be in other hands, and says what a new one does not mend.
    fn note_taint(&self, order: &RotateArguments, courier: &Courier<'_>) -> Result<(), Vec<Problem>> {
        let (Some(name), Some(reason)) = (&order.now, &order.reason) else { return Ok(()) };
        let about = About { cluster: Some(name), generation: None, certificate: None };
        courier.record(|ledger| ledger.remark(ledger::Act::Taint, about, reason)).map_err(one)?;
        self.voice.words(&format!(
            "{name} gets a new key. Whoever has the old one can still sign workload certificates that every cluster accepts, \
             until its intermediate ends or a revocation list is published; meshca report   says until when"
        ));
        Ok(())
    }

    /// The status of the tick before this one, upon which counters go on: where it is left for all replicas, or in the
    /// records folder, or as this process told it; and why it could not be read, where that must not stay so.
    #[cfg(feature = "k8s")]
    fn earlier_status(&self, order: &RotateArguments) -> (Option<Arc<ReportDocument>>, Option<Problem>) {
        let home = &order.home;
        if let Some(Own { namespace, name }) = &home.status_configmap {
            let looked = StatusMaps::new(home.access.access(), self.mesh.rotation.deadline, namespace, name).look();
            return match looked {
                Ok(status) => (status.map(Arc::new), None),
                // There is none yet, or one of another version: counters begin anew, and this tick writes it.
                Err(problem) if problem.code() == Code::StatusUnreadable => (None, None),
                Err(problem) => (None, Some(problem)),
            };
        }
        (self.kept_status().or_else(|| self.exhibit.as_ref()?.present()), None)
    }

    #[cfg(not(feature = "k8s"))]
    fn earlier_status(&self, _: &RotateArguments) -> (Option<Arc<ReportDocument>>, Option<Problem>) {
        (self.kept_status(), None)
    }

    /// One that cannot be read is written anew by this tick.
    fn kept_status(&self) -> Option<Arc<ReportDocument>> {
        report::kept_status(&self.mesh).ok().flatten().map(Arc::new)
    }

    /// Leaves the status in ConfigMaps of the cluster that meshca runs in, where that is asked for.
    #[cfg(feature = "k8s")]
    fn tell_home(&self, order: &RotateArguments, status: &Status) -> Result<(), Problem> {
        let home = &order.home;
        let Some(Own { namespace, name }) = &home.status_configmap else { return Ok(()) };
        let maps = status_part::parts(status, namespace, name)?;
        status_map::write(&home.access.access(), self.mesh.rotation.deadline, namespace, &maps)
    }

    #[cfg(not(feature = "k8s"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "the build that speaks to API servers needs it")]
    fn tell_home(&self, _: &RotateArguments, _: &Status) -> Result<(), Problem> {
        Ok(())
    }

    /// Says whom each leaked key reaches: critical as long as there is anybody.
    fn end_of_leaks(&self, leaks: &[Leak]) -> Exit {
        let mut exit = Exit::Fine;
        for Finding { severity, problem, .. } in leaks.iter().map(|leak| leak.finding(&self.mesh.name)) {
            let (problem, bad) = match severity {
                Severity::Critical => (self.error(&problem), Exit::Critical),
                Severity::Warning => (problem_words::warning(&problem, &self.shared.file), Exit::Warning),
            };
            self.voice.problem(&problem);
            exit = exit.max(bad);
        }
        exit
    }

    /// How a tick ends: 1, if something could not be done; 3, if people are asked for a ceremony; 4, if a target is due,
    /// nothing can renew it, and the ceremony should have begun.
    fn end_of(&self, tick: &Tick) -> Exit {
        let mut exit = Exit::Fine;
        for step in &tick.plan.steps {
            match &step.act {
                Act::Refuse(problem) => {
                    self.voice.problem(&self.error(problem));
                    exit = exit.max(Exit::Error);
                }
                Act::AskForCeremony(ceremony) => {
                    let late = ceremony.last_safe <= self.now;
                    exit = exit.max(if late { Exit::Critical } else { Exit::Warning });
                }
                _ => {}
            }
        }
        // The root's renewal is a matter of years: it asks aloud only when it must begin.
        let asks = |it: &&Ceremony| it.last_safe <= self.now || (it.tier != Tier::Root && it.is_asked_for(self.now));
        for ceremony in tick.plan.ceremonies.iter().filter(asks) {
            let asked = fleet_words::asked_for(ceremony);
            self.voice.problem(&problem_words::warning(&asked, &self.shared.file));
            exit = exit.max(Exit::Warning);
        }
        let alarms = tick.plan.root_change.iter().flat_map(|progress| root_change_words::alarms(progress, self.now));
        for alarm in alarms {
            let (problem, bad) = match alarm {
                Alarm::Warning(problem) => (problem_words::warning(&problem, &self.shared.file), Exit::Warning),
                Alarm::Error(problem) => (self.error(&problem), Exit::Error),
                Alarm::Critical(problem) => (self.error(&problem), Exit::Critical),
            };
            self.voice.problem(&problem);
            exit = exit.max(bad);
        }
        exit = exit.max(self.end_of_leaks(&tick.plan.leaks));
        for problem in tick.done.values().filter_map(|outcome| outcome.as_ref().err()) {
            self.voice.problem(&self.error(problem));
            exit = exit.max(Exit::Error);
        }
        let refused = tick.plan.steps.iter().filter_map(|step| match &step.act {
            Act::Refuse(problem) => Some(problem),
            _ => None,
        });
        let failed = tick.done.values().filter_map(|outcome| outcome.as_ref().err());
        self.voice.remedies(refused.chain(failed).chain(&tick.untold), &self.shared.file);
        exit
    }
}

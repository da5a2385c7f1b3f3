//! Which job a command is, what it is handed, and how it ends.

use std::sync::{Arc, Mutex, PoisonError};

use time::{Duration, OffsetDateTime};

use crate::cli::args::{Arguments, CheckArguments, Command, Format, LedgerCommand, Shared};
use crate::cli::cadence_words::Fit;
#[cfg(feature = "ceremony")]
use crate::cli::ceremony;
#[cfg(feature = "ceremony")]
use crate::cli::ceremony_arguments::{IssuingCommand, RootCommand};
use crate::cli::check_words::Checkup;
use crate::cli::desk::{Desk, Ended, one};
use crate::cli::exit::Exit;
use crate::cli::fail_on::FailOn;
use crate::cli::passphrase_file::PassphraseFile;
use crate::cli::rehearse_arguments::RehearseArguments;
#[cfg(feature = "k8s")]
use crate::cli::serving;
use crate::cli::voice::Voice;
use crate::cli::{
    calendar, check_words, discovery, document, errand_words, first_look_words, fleet_words, inspect_words, manifests,
    rehearsal_words, reporting, watch,
};
use crate::jobs::publish::{self, Delivery};
use crate::jobs::{check, first_look, init, inspect, ledger_show, loading, rehearse, report};
use crate::mesh::cadence::cadence;
use crate::mesh::fleet::{Cluster, ClusterName};
use crate::mesh::limit::Limits;
use crate::mesh::outcome::Outcome;
use crate::mesh::rehearsal::need::Need;
use crate::problem::{Finding, Problem};
use crate::world::passphrase::PassphraseSource;
use crate::world::{mesh_folder, signals};

/// Runs one command at one moment.
#[must_use]
pub fn run(arguments: Arguments, now: OffsetDateTime) -> Exit {
    let voice = Voice::new(arguments.shared.quiet, arguments.shared.no_color);
    let now = arguments.shared.at.unwrap_or(now);
    match command(arguments.command, &arguments.shared, voice, now) {
        Ok(exit) => exit,
        Err(problems) => {
            voice.errors(&problems, &arguments.shared.file);
            Exit::Error
        }
    }
}

fn command(command: Command, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    let own: &[Format] = match &command {
        Command::Report(_) => {
            &[Format::Prometheus, Format::Csv, Format::Markdown, Format::Junit, Format::Html, Format::Name]
        }
        Command::Rehearse(_) => &[Format::Markdown, Format::Ics],
        Command::Check(_) => &[Format::Junit, Format::Github, Format::Gitlab],
        _ => &[],
    };
    document::refuse_form(shared.output, own).map_err(one)?;
    match command {
        #[cfg(feature = "ceremony")]
        Command::Quickstart { folder } => ceremony::quickstart(&folder, shared, voice, now),
        Command::Init { folder } => {
            let path = init::run(&folder).map_err(one)?;
            voice.result(&format!("wrote {}", path.display())).map_err(one)?;
            voice.words(&format!("next: edit it, then  meshca -f {} root create", path.display()));
            Ok(Exit::Fine)
        }
        #[cfg(feature = "ceremony")]
        Command::Root(RootCommand::Create(order)) => Desk::open(shared, voice, now)?.root_create(order),
        #[cfg(feature = "ceremony")]
        Command::Root(RootCommand::Import(order)) => Desk::open(shared, voice, now)?.root_import(order),
        #[cfg(feature = "ceremony")]
        Command::Issuing(IssuingCommand::Create(order)) => Desk::open(shared, voice, now)?.issuing_create(order),
        #[cfg(feature = "ceremony")]
        Command::Issue(order) => Desk::open(shared, voice, now)?.issue(order),
        Command::Publish { clusters, dry_run, wait, passphrase } => {
            Desk::open(shared, voice, now)?.publish(&clusters, dry_run, wait, passphrase)
        }
        Command::Adopt { clusters, dry_run } => Desk::open(shared, voice, now)?.adopt(&clusters, dry_run),
        Command::Rotate(order) if order.watch => watch::run(&order, shared, voice, now),
        Command::Rotate(order) => {
            let desk = Desk::open(shared, voice, now)?;
            // Who is asked for a passphrase must be able to end it at the question.
            if !order.dry_run && order.passphrase.passphrase_file.is_some() {
                signals::pull(Arc::clone(&desk.brake)).map_err(one)?;
            }
            desk.rotate(&order)
        }
        Command::Rollback(order) => Desk::open(shared, voice, now)?.rollback(order),
        Command::Report(order) => reporting::run(&order, shared, voice, now),
        #[cfg(feature = "k8s")]
        Command::Exporter(order) => serving::run(&order, shared, voice, now),
        Command::Check(arguments) => run_check(arguments, shared, voice, now),
        Command::Inspect { path } => {
            let parts = inspect::run(&path).map_err(one)?;
            voice.answer(shared, &document::parts(&parts), || inspect_words::parts(&parts))?;
            Ok(Exit::Fine)
        }
        Command::Rehearse(order) => Desk::open(shared, voice, now)?.rehearse(order),
        Command::Ledger(what) => Desk::open(shared, voice, now)?.ledger(what),
        Command::Manifests(what) => manifests::run(&what, shared, voice, now),
        Command::Targets(what) => discovery::run(what, shared, voice),
    }
}

impl Desk<'_> {
    fn publish(
        self,
        clusters: &[ClusterName],
        dry_run: bool,
        wait: Option<Duration>,
        passphrase: PassphraseFile,
    ) -> Ended {
        let lock = if dry_run { None } else { self.begin_writing()? };
        let targets = self.targets();
        let ledger = Mutex::new(self.ledger_file());
        let courier = self.courier(&targets, &ledger);
        let opens = PassphraseSource::new(passphrase.passphrase_file);
        let order = publish::Order { clusters, dry_run, opens: &opens };
        let deliveries = publish::run(&courier, &self.store, &order);
        let recorded = self.finish(ledger.into_inner().unwrap_or_else(PoisonError::into_inner));
        drop(lock);
        let mut deliveries = deliveries.map_err(one)?;
        recorded.map_err(one)?;
        let now = self.now;
        if let Some(within) = wait {
            loading::run(&self.mesh, &targets, &mut deliveries, within, self.now);
        }
        let words = || fleet_words::deliveries(&deliveries, dry_run.then_some(now));
        let is_loaded = |it: &Delivery| it.loaded.as_ref().is_none_or(|loaded| loaded.is_loaded);
        let good = !dry_run && deliveries.iter().all(|it| it.change.is_ok() && is_loaded(it));
        self.voice.about(good).answer(self.shared, &document::deliveries(&deliveries, dry_run), words)?;
        let problems: Vec<Problem> = deliveries.into_iter().filter_map(Delivery::into_problem).collect();
        if problems.is_empty() { Ok(Exit::Fine) } else { Err(problems) }
    }

    fn check(self, clusters: &[ClusterName], warnings: Vec<Finding>, fail_on: FailOn) -> Ended {
        let mesh = &self.mesh;
        let targets = self.targets();
        let (mut findings, mut fit, mut trust) = (warnings, None, None);
        let chosen: Vec<&Cluster> = if clusters.is_empty() {
            let (status, matrix) =
                report::with_trust(mesh, &self.store, &targets, Limits::default(), self.now).map_err(one)?;
            trust = Some(matrix);
            findings.extend(status.findings);
            fit = Some(Fit { cadence: cadence(mesh), starts: status.last_starts });
            mesh.clusters.iter().filter(|cluster| cluster.role.has_cacerts()).collect()
        } else {
            mesh.signing_clusters(clusters).map_err(one)?
        };
        findings.extend(check::records(&chosen, mesh, &targets));
        let sets = check::clusters(&chosen, mesh, &targets, self.now);
        findings.extend(check::missing(&sets, mesh));
        let told = Checkup { sets: &sets, fleet: &findings, fit: fit.as_ref(), trust: trust.as_ref(), now: self.now };
        tell_checks(&told, fail_on, self.shared, self.voice)
    }

    fn rehearse(self, order: RehearseArguments) -> Ended {
        let as_it_stands = order.as_it_stands;
        let script = order.script(&self.mesh, self.now);
        let went = if as_it_stands {
            rehearse::run_as_it_stands(&self.mesh, &script, &self.store, &self.targets(), &self.entropy)
        } else {
            rehearse::run(&self.mesh, &script, &self.entropy)
        };
        let went = went.map_err(one)?;
        let (mesh, file) = (&self.mesh, self.shared.file.as_path());
        let exit = match went.outcome() {
            Outcome::Fine => Exit::Fine,
            Outcome::Warning => Exit::Warning,
            Outcome::Unknown => Exit::Error,
            Outcome::Critical => Exit::Critical,
        };
        match self.shared.output {
            Format::Markdown => {
                self.voice.loud().result(&rehearsal_words::runbook(&went, mesh, file)).map_err(one)?;
            }
            Format::Ics => {
                let commands = |need: &Need| errand_words::commands(&need.what, mesh, file);
                self.voice.loud().result(&calendar::calendar(&went, commands)).map_err(one)?;
            }
            _ => {
                let voice = self.voice.about(exit == Exit::Fine);
                let document = rehearsal_words::document(&went, mesh, file);
                voice.answer(self.shared, &document, || rehearsal_words::text(&went, mesh, file, voice.colour))?;
            }
        }
        Ok(exit)
    }

    fn ledger(self, what: LedgerCommand) -> Ended {
        let ledger = ledger_show::run(&self.mesh).map_err(one)?;
        let verdict = format!("{} entries, every link holds; head {}", ledger.entries.len(), ledger.head);
        if let LedgerCommand::Show = what {
            self.voice.answer(self.shared, &document::ledger(&ledger), || fleet_words::ledger(&ledger))?;
        }
        match what {
            LedgerCommand::Show => self.voice.words(&verdict),
            LedgerCommand::Verify => self.voice.result(&verdict).map_err(one)?,
        }
        Ok(Exit::Fine)
    }
}

/// The subjects are clusters of the mesh file where all of them are names of clusters; else they are paths, and no mesh
/// file is needed.
fn run_check(arguments: CheckArguments, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    let CheckArguments { subjects, loaded, multi_root, trust_domain, contexts, kubeconfig, namespace, lookup, fail_on } =
        arguments;
    if !contexts.is_empty() {
        let kubeconfigs = lookup.places(kubeconfig);
        let namespace = namespace.as_deref().unwrap_or("istio-system");
        let order = first_look::Order { contexts: &contexts, kubeconfigs: &kubeconfigs, namespace };
        return run_first_look(&order, fail_on, shared, voice, now);
    }
    let names: Option<Vec<ClusterName>> = subjects.iter().map(|subject| ClusterName::parse(subject)).collect();
    if let Some(names) = names.filter(|_| loaded.is_none() && !multi_root && trust_domain.is_none()) {
        let (mesh, warnings) = mesh_folder::read(&shared.file)?;
        return Desk::of(mesh, shared, voice, now).check(&names, warnings, fail_on);
    }
    let set = check::files(&subjects, &check::Terms { loaded, multi_root, trust_domain }, now).map_err(one)?;
    let told = Checkup { sets: &[set], fleet: &[], fit: None, trust: None, now };
    tell_checks(&told, fail_on, shared, voice)
}

fn run_first_look(
    order: &first_look::Order<'_>,
    fail_on: FailOn,
    shared: &Shared,
    voice: Voice,
    now: OffsetDateTime,
) -> Ended {
    let judged = first_look::run(order, now).map_err(one)?;
    let text = match shared.output {
        Format::Junit => Some(first_look_words::junit(&judged, now)),
        Format::Github => Some(first_look_words::github(&judged)),
        Format::Gitlab => Some(first_look_words::gitlab(&judged, &shared.file.display().to_string()).map_err(one)?),
        _ => None,
    };
    if let Some(text) = text {
        voice.loud().result(&text).map_err(one)?;
    } else {
        let document = first_look_words::document(&judged, order.namespace, now);
        let wide = shared.output == Format::Wide;
        let voice = voice.about(judged.outcome() == Outcome::Fine);
        let table = || first_look_words::table(&judged, wide, voice.quiet, now, voice.colour);
        voice.answer(shared, &document, table)?;
    }
    Ok(first_look_words::exit(&judged, fail_on))
}

fn tell_checks(told: &Checkup<'_>, fail_on: FailOn, shared: &Shared, voice: Voice) -> Ended {
    let text = match shared.output {
        Format::Junit => Some(check_words::junit(told)),
        Format::Github => Some(check_words::github(told)),
        Format::Gitlab => Some(check_words::gitlab(told, &shared.file.display().to_string()).map_err(one)?),
        _ => None,
    };
    if let Some(text) = text {
        voice.loud().result(&text).map_err(one)?;
    } else {
        let is_good = check_words::exit(told.sets, told.fleet, FailOn::Warning) == Exit::Fine;
        let document = check_words::document(told);
        voice.about(is_good).answer(shared, &document, || check_words::table(told, voice.quiet))?;
    }
    Ok(check_words::exit(told.sets, told.fleet, fail_on))
}

//! Which job a command is, what it is handed, and how it ends.

use std::path::Path;
#[cfg(feature = "ceremony")]
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use time::OffsetDateTime;

use crate::cli::args::{Arguments, CheckArguments, Command, LedgerCommand, PassphraseFile, Shared};
#[cfg(feature = "ceremony")]
use crate::cli::args::{IssuingCommand, RootCommand};
use crate::cli::exit::Exit;
use crate::cli::report_words::Form;
use crate::cli::voice::Voice;
use crate::cli::{check_words, document, fleet_words, inspect_words, problem_words, report_words};
use crate::jobs::check::Checked;
use crate::jobs::publish::{self, Courier};
use crate::jobs::rotate::{self, Tick};
use crate::jobs::{check, init, inspect, ledger_show, report};
#[cfg(feature = "ceremony")]
use crate::jobs::{issue, issuing_create, quickstart, root_create};
use crate::mesh::deadline::Ceremony;
use crate::mesh::fleet::{Cluster, ClusterName, Mesh};
use crate::mesh::metrics;
use crate::mesh::outcome::Outcome;
use crate::mesh::plan::Act;
use crate::mesh::status::Status;
use crate::pki::profile::Tier;
use crate::problem::{Code, Finding, Problem};
use crate::world::entropy::Entropy;
use crate::world::ledger_file::LedgerFile;
use crate::world::lock::Lock;
use crate::world::mesh_folder;
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;
use crate::world::targets::Targets;

/// The program's version, as it stands in metrics.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What a command may end with instead of an exit code: what is wrong, all of it.
type Ended = Result<Exit, Vec<Problem>>;

/// Runs one command at one moment.
#[must_use]
pub fn run(arguments: Arguments, now: OffsetDateTime) -> Exit {
    let voice = Voice::new(arguments.shared.quiet, arguments.shared.no_color);
    let now = arguments.shared.at.unwrap_or(now);
    match command(arguments.command, &arguments.shared, voice, now) {
        Ok(exit) => exit,
        Err(problems) => {
            for problem in problems {
                voice.problem(&problem_words::error(&problem, &arguments.shared.file));
            }
            Exit::Error
        }
    }
}

fn command(command: Command, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    match command {
        #[cfg(feature = "ceremony")]
        Command::Quickstart { folder } => run_quickstart(&folder, shared, voice, now),
        Command::Init { folder } => {
            let path = init::run(&folder).map_err(one)?;
            voice.result(&format!("wrote {}", path.display()));
            voice.words(&format!("next: edit it, then  meshca -f {} root create", path.display()));
            Ok(Exit::Fine)
        }
        #[cfg(feature = "ceremony")]
        Command::Root(RootCommand::Create { passphrase, confirm }) => {
            Desk::open(shared, voice, now)?.root_create(passphrase, confirm)
        }
        #[cfg(feature = "ceremony")]
        Command::Issuing(IssuingCommand::Create { passphrase_file, issuing_passphrase_file }) => {
            Desk::open(shared, voice, now)?.issuing_create(passphrase_file, issuing_passphrase_file)
        }
        #[cfg(feature = "ceremony")]
        Command::Issue { clusters, until, passphrase, stock_passphrase_file } => {
            Desk::open(shared, voice, now)?.issue(&clusters, until, passphrase, stock_passphrase_file)
        }
        Command::Publish { clusters, dry_run, passphrase } => {
            Desk::open(shared, voice, now)?.publish(&clusters, dry_run, passphrase)
        }
        Command::Rotate { dry_run, passphrase, metrics_textfile } => {
            Desk::open(shared, voice, now)?.rotate(dry_run, passphrase, metrics_textfile.as_deref())
        }
        Command::Report { metrics_textfile } => Desk::open(shared, voice, now)?.report(metrics_textfile.as_deref()),
        Command::Check(arguments) => run_check(arguments, shared, voice, now),
        Command::Inspect { path } => {
            let parts = inspect::run(&path).map_err(one)?;
            voice.answer(shared, &document::parts(&parts), || inspect_words::parts(&parts))?;
            Ok(Exit::Fine)
        }
        Command::Ledger(what) => Desk::open(shared, voice, now)?.ledger(what),
    }
}

fn one(problem: Problem) -> Vec<Problem> {
    vec![problem]
}

impl Voice {
    /// A result in the wished form: a document for machines, or words for people.
    fn answer(
        self,
        shared: &Shared,
        document: &impl Serialize,
        words: impl Fn() -> String,
    ) -> Result<(), Vec<Problem>> {
        let text = document::written(document, shared.output).map_err(one)?;
        match text {
            Some(text) => self.loud().result(&text),
            None => self.result(&words()),
        }
        Ok(())
    }
}

/// A mesh file that was read, and everything that its commands share.
struct Desk<'a> {
    mesh: Mesh,
    store: Store,
    entropy: Entropy,
    shared: &'a Shared,
    voice: Voice,
    now: OffsetDateTime,
}

impl<'a> Desk<'a> {
    fn open(shared: &'a Shared, voice: Voice, now: OffsetDateTime) -> Result<Self, Vec<Problem>> {
        let (mesh, warnings) = mesh_folder::read(&shared.file)?;
        for warning in &warnings {
            voice.words(&problem_words::warning(&warning.problem, &shared.file));
        }
        Ok(Self::of(mesh, shared, voice, now))
    }

    fn of(mesh: Mesh, shared: &'a Shared, voice: Voice, now: OffsetDateTime) -> Self {
        let store = Store::new(mesh.material.clone());
        Self { mesh, store, entropy: Entropy::new(), shared, voice, now }
    }

    /// What a command that writes needs first: a moment that may be written at, and the lock.
    fn begin_writing(&self) -> Result<Option<Lock>, Vec<Problem>> {
        if self.mesh.lab {
            self.voice.words("lab: true in the mesh file: for experiments only, never for a mesh that matters");
        }
        if self.shared.at.is_some() && !self.mesh.lab {
            return Err(one(Problem::new(
                Code::BadArgument,
                "--at with a command that writes is for labs, and this mesh is none",
            )
            .hint("leave --at out, add --dry-run, or say `lab: true` in the mesh file")));
        }
        mesh_folder::records_folder(&self.mesh).map(Lock::take).transpose().map_err(one)
    }

    fn ledger_file(&self) -> LedgerFile {
        LedgerFile::new(&self.mesh.records, self.now)
    }

    fn targets(&self) -> Targets<'_> {
        Targets::new(&self.mesh, &self.entropy, self.now)
    }

    fn courier<'b>(&'b self, targets: &'b Targets<'b>, ledger: &'b Mutex<LedgerFile>) -> Courier<'b> {
        let shows_progress = !self.voice.quiet;
        Courier { mesh: &self.mesh, targets, entropy: &self.entropy, ledger, now: self.now, shows_progress }
    }

    fn finish(&self, ledger: LedgerFile) {
        for line in ledger.into_lines() {
            self.voice.result(&line);
        }
    }

    #[cfg(feature = "ceremony")]
    fn root_create(self, passphrase: PassphraseFile, confirm: Option<String>) -> Ended {
        let _lock = self.begin_writing()?;
        root_create::prepare(&self.store, &self.mesh, self.now).map_err(one)?;
        self.confirm_root(confirm)?;
        let mut ledger = self.ledger_file();
        let source = PassphraseSource::new(passphrase.passphrase_file);
        let root =
            root_create::run(&self.mesh, &self.store, &source, &self.entropy, &mut ledger, self.now).map_err(one)?;
        self.finish(ledger);
        let words = || format!("created the root of {}\n\n{}", self.mesh.name, fleet_words::certificate(&root));
        self.voice.answer(self.shared, &document::authority(1, &root), words)?;
        self.voice.words(&format!(
            "keep {} offline, and a copy of it elsewhere\nnext: meshca -f {} {}",
            self.store.root(1).key_path().display(),
            self.shared.file.display(),
            if self.mesh.issuing.is_some() { "issuing create" } else { "issue --until DATE" },
        ));
        Ok(Exit::Fine)
    }

    #[cfg(feature = "ceremony")]
    fn confirm_root(&self, confirm: Option<String>) -> Result<(), Vec<Problem>> {
        let subject = crate::mesh::minting::root_subject(&self.mesh, 1);
        let end = self.now + self.mesh.root.tier.lifetime;
        self.voice.words(&format!(
            "This will create a root certificate. Read it aloud.\n\n  subject      O={}, CN={}\n  key          {}, new, \
             sealed in {}\n  valid        {}  to  {}\n  path length  none\n",
            subject.organization,
            subject.common_name,
            self.mesh.root.tier.key.title(),
            self.store.root(1).key_path().display(),
            crate::pki::moment::utc(self.now - crate::pki::validity::BACKDATE),
            crate::pki::moment::utc(end),
        ));
        let typed = match confirm {
            Some(typed) => typed,
            None => crate::world::terminal::ask("Type the root's name to go on: ").map_err(one)?,
        };
        if typed.trim() == subject.common_name {
            return Ok(());
        }
        Err(one(Problem::new(Code::NotConfirmed, "the root's name was not confirmed; nothing was made")
            .fact(format!("typed   {}", typed.trim()))
            .fact(format!("wanted  {}", subject.common_name))
            .hint(format!("--confirm '{}'", subject.common_name))))
    }

    #[cfg(feature = "ceremony")]
    fn issuing_create(self, opens: Option<PathBuf>, seals: Option<PathBuf>) -> Ended {
        let _lock = self.begin_writing()?;
        let mut ledger = self.ledger_file();
        let (opens, seals) = (PassphraseSource::new(opens), PassphraseSource::new(seals));
        let (mesh, store) = (&self.mesh, &self.store);
        let made =
            issuing_create::run(mesh, store, &opens, &seals, &self.entropy, &mut ledger, self.now).map_err(one)?;
        self.finish(ledger);
        let words = || {
            let certificate = fleet_words::certificate(&made.certificate);
            format!("created issuing CA g{} of {}\n\n{certificate}", made.generation, mesh.name)
        };
        self.voice.answer(self.shared, &document::authority(made.generation, &made.certificate), words)?;
        self.voice.words(&format!("next: meshca -f {} issue", self.shared.file.display()));
        Ok(Exit::Fine)
    }

    #[cfg(feature = "ceremony")]
    fn issue(
        self,
        clusters: &[ClusterName],
        until: Option<OffsetDateTime>,
        passphrase: PassphraseFile,
        stock: Option<PathBuf>,
    ) -> Ended {
        let _lock = self.begin_writing()?;
        let mut ledger = self.ledger_file();
        let opens = PassphraseSource::new(passphrase.passphrase_file);
        let seals = stock.map(|path| PassphraseSource::new(Some(path)));
        let shows_progress = !self.voice.quiet;
        let order = issue::Order { clusters, until, opens: &opens, shows_progress, seals: seals.as_ref() };
        let made = issue::run(&self.mesh, &self.store, &order, &self.entropy, &mut ledger, self.now);
        self.finish(ledger);
        let made = made.map_err(one)?;
        self.voice.answer(self.shared, &document::stock(&made), || fleet_words::stock(&made))?;
        self.voice.words(&format!("next: meshca -f {} publish", self.shared.file.display()));
        Ok(Exit::Fine)
    }

    fn publish(self, clusters: &[ClusterName], dry_run: bool, passphrase: PassphraseFile) -> Ended {
        let _lock = if dry_run { None } else { self.begin_writing()? };
        let targets = self.targets();
        let ledger = Mutex::new(self.ledger_file());
        let courier = self.courier(&targets, &ledger);
        let opens = PassphraseSource::new(passphrase.passphrase_file);
        let order = publish::Order { clusters, dry_run, opens: &opens };
        let deliveries = publish::run(&courier, &self.store, &order);
        self.finish(ledger.into_inner().unwrap_or_else(PoisonError::into_inner));
        let deliveries = deliveries.map_err(one)?;
        let words = || fleet_words::deliveries(&deliveries, dry_run);
        let good = !dry_run && deliveries.iter().all(|it| it.change.is_ok());
        self.voice.about(good).answer(self.shared, &document::deliveries(&deliveries, dry_run), words)?;
        let problems: Vec<Problem> = deliveries.into_iter().filter_map(|it| it.change.err()).collect();
        if problems.is_empty() { Ok(Exit::Fine) } else { Err(problems) }
    }

    fn report(self, textfile: Option<&Path>) -> Ended {
        let status = report::run(&self.mesh, &self.store, &self.targets(), self.now).map_err(one)?;
        let shared = self.shared;
        let file = shared.file.display().to_string();
        let text =
            report_words::written(&status, shared.output.into(), &file, VERSION, self.voice.colour).map_err(one)?;
        let good = status.outcome() == Outcome::Fine && shared.output.is_for_people();
        self.voice.about(good).result(&text);
        if let Some(path) = textfile {
            report::write_textfile(path, &metrics::render(&status, self.now, VERSION)).map_err(one)?;
        }
        Ok(if status.is_all_seen() { Exit::Fine } else { Exit::Error })
    }

    /// What the unattended side leaves for its watchers: the public status and the metrics. A tick that acted has
    /// acted, whether or not they can be written.
    fn tell_watchers(&self, targets: &Targets<'_>, textfile: Option<&Path>) -> Result<Status, Problem> {
        let status = report::run(&self.mesh, &self.store, targets, self.now)?;
        if let Some(folder) = mesh_folder::records_folder(&self.mesh) {
            let text = report_words::written(&status, Form::Json, "", VERSION, false)?;
            report::write_status(folder, &text)?;
        }
        if let Some(path) = textfile {
            report::write_textfile(path, &metrics::render(&status, self.now, VERSION))?;
        }
        Ok(status)
    }

    fn check(self, clusters: &[ClusterName], warnings: Vec<Finding>) -> Ended {
        let mesh = &self.mesh;
        let targets = self.targets();
        let mut findings = warnings;
        let chosen: Vec<&Cluster> = if clusters.is_empty() {
            let status = report::run(mesh, &self.store, &targets, self.now).map_err(one)?;
            findings.extend(status.findings);
            mesh.clusters.iter().filter(|cluster| cluster.role.has_cacerts()).collect()
        } else {
            clusters.iter().map(|name| mesh.signing_cluster(name)).collect::<Result<_, _>>().map_err(one)?
        };
        findings.extend(check::records(&chosen, mesh, &targets));
        let sets = check::clusters(&chosen, mesh, &targets, self.now);
        findings.extend(check::missing(&sets, mesh));
        tell_checks(&sets, &findings, self.shared, self.voice, self.now)
    }

    fn rotate(self, dry_run: bool, passphrase: PassphraseFile, textfile: Option<&Path>) -> Ended {
        let mut unwatched = None;
        let targets = self.targets();
        let tick = if dry_run {
            rotate::dry_run(&self.mesh, &self.store, &targets, self.now).map_err(one)?
        } else {
            let _lock = self.begin_writing()?;
            let ledger = Mutex::new(self.ledger_file());
            let courier = self.courier(&targets, &ledger);
            let opens = PassphraseSource::new(passphrase.passphrase_file);
            let tick = rotate::run(&courier, &self.store, &opens);
            self.finish(ledger.into_inner().unwrap_or_else(PoisonError::into_inner));
            let tick = tick.map_err(one)?;
            unwatched = self.tell_watchers(&targets, textfile).err();
            tick
        };
        let document = document::tick(&tick, dry_run);
        let good = !dry_run && tick.is_good_news();
        self.voice.about(good).answer(self.shared, &document, || fleet_words::tick(&tick, dry_run))?;
        let exit = self.end_of(&tick);
        // Where the disk is full or closed, a step has said so already.
        match unwatched {
            Some(problem) if exit < Exit::Error => Err(one(problem)),
            _ => Ok(exit),
        }
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
                Act::Mint { .. } | Act::Activate { .. } | Act::Leave | Act::Wait => {}
            }
        }
        // The root's renewal is a matter of years: it asks aloud only when it must begin.
        let asks = |it: &&Ceremony| it.last_safe <= self.now || (it.tier != Tier::Root && it.is_asked_for(self.now));
        for ceremony in tick.plan.ceremonies.iter().filter(asks) {
            let asked = fleet_words::asked_for(ceremony);
            self.voice.problem(&problem_words::warning(&asked, &self.shared.file));
            exit = exit.max(Exit::Warning);
        }
        for problem in tick.done.values().filter_map(|outcome| outcome.as_ref().err()) {
            self.voice.problem(&self.error(problem));
            exit = exit.max(Exit::Error);
        }
        exit
    }

    fn error(&self, problem: &Problem) -> String {
        problem_words::error(problem, &self.shared.file)
    }

    fn ledger(self, what: LedgerCommand) -> Ended {
        let ledger = ledger_show::run(&self.mesh).map_err(one)?;
        let verdict = format!("{} entries, every link holds; head {}", ledger.entries.len(), ledger.head);
        if let LedgerCommand::Show = what {
            self.voice.answer(self.shared, &document::ledger(&ledger), || fleet_words::ledger(&ledger))?;
        }
        match what {
            LedgerCommand::Show => self.voice.words(&verdict),
            LedgerCommand::Verify => self.voice.result(&verdict),
        }
        Ok(Exit::Fine)
    }
}

/// The subjects are clusters of the mesh file where all of them are names of clusters; else they are paths, and no mesh
/// file is needed.
fn run_check(arguments: CheckArguments, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    let CheckArguments { subjects, loaded, multi_root } = arguments;
    let names: Option<Vec<ClusterName>> = subjects.iter().map(|subject| ClusterName::parse(subject)).collect();
    if let Some(names) = names.filter(|_| loaded.is_none() && !multi_root) {
        let (mesh, warnings) = mesh_folder::read(&shared.file)?;
        return Desk::of(mesh, shared, voice, now).check(&names, warnings);
    }
    let set = check::files(&subjects, &check::Terms { loaded, multi_root }, now).map_err(one)?;
    tell_checks(&[set], &[], shared, voice, now)
}

fn tell_checks(sets: &[Checked], fleet: &[Finding], shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    let exit = check_words::exit(sets, fleet);
    let voice = voice.about(exit == Exit::Fine);
    voice.answer(shared, &check_words::document(sets, fleet, now), || check_words::table(sets, fleet))?;
    Ok(exit)
}

#[cfg(feature = "ceremony")]
fn run_quickstart(folder: &Path, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    if shared.at.is_some() {
        voice.words("the quickstart pretends that it is another moment: --at");
    }
    let made = quickstart::run(folder, &Entropy::new(), now)?;
    voice.words("LAB ONLY: a random passphrase lies in a file beside the keys that it opens");
    voice.result(&format!("created the root of {}\n\n{}", made.mesh.name, fleet_words::certificate(&made.root)));
    voice.result(&fleet_words::deliveries(&made.deliveries, false));
    voice.result(&fleet_words::tick(&made.tick, false));
    let file = made.file.display().to_string();
    let metrics = folder.join("meshca.prom");
    let desk = Desk::of(made.mesh, shared, voice, now);
    let status = desk.tell_watchers(&desk.targets(), Some(&metrics)).map_err(one)?;
    voice.result(&report_words::written(&status, Form::Table, &file, VERSION, voice.colour).map_err(one)?);
    voice.words(&format!(
        "metrics are in {}\ngo on with:\n  meshca -f {file} report\n  meshca -f {file} rotate --passphrase-file {}\n  \
         meshca -f {file} report -o prometheus",
        metrics.display(),
        made.passphrase_file.display()
    ));
    Ok(Exit::Fine)
}

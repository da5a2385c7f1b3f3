//! Which job a command is, what it is handed, and how it ends.

#[cfg(feature = "ceremony")]
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use time::OffsetDateTime;

use crate::cli::args::{Arguments, Command, LedgerCommand, PassphraseFile, Shared};
#[cfg(feature = "ceremony")]
use crate::cli::args::{IssuingCommand, RootCommand};
use crate::cli::exit::Exit;
use crate::cli::voice::Voice;
use crate::cli::{fleet_words, problem_words};
use crate::jobs::publish::{self, Courier};
use crate::jobs::rotate::{self, Tick};
use crate::jobs::{init, ledger_show};
#[cfg(feature = "ceremony")]
use crate::jobs::{issue, issuing_create, quickstart, root_create};
use crate::mesh::fleet::{ClusterName, Mesh};
use crate::mesh::plan::Act;
use crate::problem::{Code, Problem};
use crate::world::entropy::Entropy;
use crate::world::ledger_file::LedgerFile;
use crate::world::lock::Lock;
use crate::world::mesh_folder;
use crate::world::passphrase::PassphraseSource;
use crate::world::store::Store;

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
                voice.problem(&problem_words::error(&problem));
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
            let _ = metrics_textfile;
            Desk::open(shared, voice, now)?.rotate(dry_run, passphrase)
        }
        Command::Report { .. } | Command::Check(_) | Command::Inspect { .. } => {
            Err(one(Problem::new(Code::NotYet, "not merged")))
        }
        Command::Ledger(what) => Desk::open(shared, voice, now)?.ledger(what),
    }
}

fn one(problem: Problem) -> Vec<Problem> {
    vec![problem]
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
            voice.words(&problem_words::warning(warning));
        }
        if mesh.lab {
            voice.words("lab: true in the mesh file: for experiments only, never for a mesh that matters");
        }
        let store = Store::new(mesh.material.clone());
        Ok(Self { mesh, store, entropy: Entropy::new(), shared, voice, now })
    }

    /// What a command that writes needs first: a moment that may be written at, and the lock.
    fn begin_writing(&self) -> Result<Option<Lock>, Vec<Problem>> {
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
        self.voice.result(&format!("created the root of {}\n\n{}", self.mesh.name, fleet_words::certificate(&root)));
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
            fleet_words::moment(self.now - crate::pki::validity::BACKDATE),
            fleet_words::moment(end),
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
        self.voice.result(&format!(
            "created issuing CA g{} of {}\n\n{}",
            made.generation,
            mesh.name,
            fleet_words::certificate(&made.certificate)
        ));
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
        let order = issue::Order { clusters, until, opens: &opens, seals: seals.as_ref() };
        let made = issue::run(&self.mesh, &self.store, &order, &self.entropy, &mut ledger, self.now);
        self.finish(ledger);
        let made = made.map_err(one)?;
        if made.is_empty() {
            self.voice.result("nothing to mint: every cluster has a newer intermediate in stock than the one it runs");
            return Ok(Exit::Fine);
        }
        let width = made.iter().map(|it| it.cluster.as_str().len()).max().unwrap_or(0);
        for prepared in &made {
            let validity = prepared.signer.validity();
            self.voice.result(&format!(
                "  {:width$}  g{:<3}  {} to {}  {}",
                prepared.cluster.as_str(),
                prepared.generation,
                fleet_words::moment(validity.not_before()),
                fleet_words::moment(validity.not_after()),
                prepared.signer.fingerprint().short(),
            ));
        }
        self.voice.words(&format!("next: meshca -f {} publish", self.shared.file.display()));
        Ok(Exit::Fine)
    }

    fn publish(self, clusters: &[ClusterName], dry_run: bool, passphrase: PassphraseFile) -> Ended {
        let _lock = if dry_run { None } else { self.begin_writing()? };
        let ledger = Mutex::new(self.ledger_file());
        let courier = Courier { mesh: &self.mesh, entropy: &self.entropy, ledger: &ledger, now: self.now };
        let opens = PassphraseSource::new(passphrase.passphrase_file);
        let order = publish::Order { clusters, dry_run, opens: &opens };
        let deliveries = publish::run(&courier, &self.store, &order);
        self.finish(ledger.into_inner().unwrap_or_else(PoisonError::into_inner));
        let deliveries = deliveries.map_err(one)?;
        self.voice.result(&fleet_words::deliveries(&deliveries, dry_run));
        let problems: Vec<Problem> = deliveries.into_iter().filter_map(|it| it.change.err()).collect();
        if problems.is_empty() { Ok(Exit::Fine) } else { Err(problems) }
    }

    fn rotate(self, dry_run: bool, passphrase: PassphraseFile) -> Ended {
        let tick = if dry_run {
            rotate::dry_run(&self.mesh, &self.store, &self.entropy, self.now).map_err(one)?
        } else {
            let _lock = self.begin_writing()?;
            let ledger = Mutex::new(self.ledger_file());
            let courier = Courier { mesh: &self.mesh, entropy: &self.entropy, ledger: &ledger, now: self.now };
            let opens = PassphraseSource::new(passphrase.passphrase_file);
            let tick = rotate::run(&courier, &self.store, &opens);
            self.finish(ledger.into_inner().unwrap_or_else(PoisonError::into_inner));
            tick.map_err(one)?
        };
        self.voice.result(&fleet_words::tick(&tick, dry_run));
        Ok(self.end_of(&tick))
    }

    /// `rotate` fails only if it could not act, or if something is critical: people are needed and are not asked by
    /// anything else.
    fn end_of(&self, tick: &Tick) -> Exit {
        let mut exit = Exit::Fine;
        for step in &tick.plan.steps {
            match &step.act {
                Act::Refuse(problem) => {
                    self.voice.problem(&problem_words::error(problem));
                    exit = exit.max(Exit::Error);
                }
                Act::AskForCeremony(ceremony) => {
                    let late = ceremony.last_safe <= self.now;
                    exit = exit.max(if late { Exit::Critical } else { Exit::Warning });
                }
                Act::Mint { .. } | Act::Activate { .. } | Act::Leave | Act::Wait => {}
            }
        }
        for problem in tick.done.values().filter_map(|outcome| outcome.as_ref().err()) {
            self.voice.problem(&problem_words::error(problem));
            exit = exit.max(Exit::Error);
        }
        exit
    }

    fn ledger(self, what: LedgerCommand) -> Ended {
        let ledger = ledger_show::run(&self.mesh).map_err(one)?;
        if let LedgerCommand::Show = what {
            for entry in &ledger.entries {
                let about = entry.certificate.as_ref();
                self.voice.result(&format!(
                    "{}  {:<17}  {:<6}  {:<20}  {}",
                    fleet_words::moment(entry.at),
                    entry.act.as_str(),
                    entry.outcome.as_str(),
                    entry.cluster.as_deref().unwrap_or("-"),
                    about
                        .map(|it| format!("{} {}", it.serial, it.subject))
                        .or(entry.detail.clone())
                        .unwrap_or_default(),
                ));
            }
        }
        self.voice.words(&format!("{} entries, every link holds; head {}", ledger.entries.len(), ledger.head));
        Ok(Exit::Fine)
    }
}

#[cfg(feature = "ceremony")]
fn run_quickstart(folder: &std::path::Path, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    if shared.at.is_some() {
        voice.words("the quickstart pretends that it is another moment: --at");
    }
    let made = quickstart::run(folder, &Entropy::new(), now)?;
    voice.words("LAB ONLY: a random passphrase lies in a file beside the keys that it opens");
    voice.result(&format!("created the root of {}\n\n{}", made.mesh.name, fleet_words::certificate(&made.root)));
    voice.result(&fleet_words::deliveries(&made.deliveries, false));
    voice.result(&fleet_words::tick(&made.tick, false));
    let file = made.file.display();
    voice.words(&format!(
        "go on with:\n  meshca -f {file} report\n  meshca -f {file} rotate --passphrase-file {}\n  meshca -f {file} report -o prometheus",
        made.passphrase_file.display()
    ));
    Ok(Exit::Fine)
}

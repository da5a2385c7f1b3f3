//! A mesh file that was read, and what the commands do with it alike: begin to write, keep a ledger, tell the watchers.

use std::sync::{Arc, Mutex};

use time::OffsetDateTime;

use crate::cli::args::Shared;
use crate::cli::exit::Exit;
use crate::cli::metrics_arguments::MetricsArguments;
use crate::cli::report_words::Form;
use crate::cli::voice::Voice;
use crate::cli::{problem_words, report_words};
use crate::jobs::courier::Courier;
#[cfg(feature = "k8s")]
use crate::jobs::exporter::Exhibit;
use crate::jobs::report;
use crate::jobs::rotate::Tick;
use crate::mesh::counting;
use crate::mesh::fleet::Mesh;
use crate::mesh::metrics::{self, Told};
use crate::mesh::report_document::ReportDocument;
use crate::mesh::status::{Status, status};
use crate::problem::{Code, Problem};
use crate::world::brake::Brake;
use crate::world::entropy::Entropy;
use crate::world::ledger_file::LedgerFile;
use crate::world::lock::Lock;
use crate::world::mesh_folder;
#[cfg(feature = "k8s")]
use crate::world::pushgateway::Place;
use crate::world::store::Store;
use crate::world::targets::Targets;

/// What a command may end with instead of an exit code: what is wrong, all of it.
pub(in crate::cli) type Ended = Result<Exit, Vec<Problem>>;

/// One problem, where all that is wrong is told.
pub(in crate::cli) fn one(problem: Problem) -> Vec<Problem> {
    vec![problem]
}

/// A mesh file that was read, and everything that its commands share.
pub(in crate::cli) struct Desk<'a> {
    pub(in crate::cli) mesh: Mesh,
    pub(in crate::cli) store: Store,
    pub(in crate::cli) entropy: Entropy,
    pub(in crate::cli) shared: &'a Shared,
    pub(in crate::cli) voice: Voice,
    pub(in crate::cli) now: OffsetDateTime,
    /// What may keep it from writing: a signal, or a Lease that is lost.
    pub(in crate::cli) brake: Arc<Brake>,
    /// Where the status is told over HTTP, if it is.
    #[cfg(feature = "k8s")]
    pub(in crate::cli) exhibit: Option<Arc<Exhibit>>,
}

impl<'a> Desk<'a> {
    pub(in crate::cli) fn open(shared: &'a Shared, voice: Voice, now: OffsetDateTime) -> Result<Self, Vec<Problem>> {
        let (mesh, warnings) = mesh_folder::read(&shared.file)?;
        for warning in &warnings {
            voice.words(&problem_words::warning(&warning.problem, &shared.file));
        }
        Ok(Self::of(mesh, shared, voice, now))
    }

    pub(in crate::cli) fn of(mesh: Mesh, shared: &'a Shared, voice: Voice, now: OffsetDateTime) -> Self {
        let store = Store::new(mesh.material.clone());
        Self {
            mesh,
            store,
            entropy: Entropy::new(),
            shared,
            voice,
            now,
            brake: Arc::default(),
            #[cfg(feature = "k8s")]
            exhibit: None,
        }
    }

    /// What a command that writes needs first: a moment that may be written at, and the lock.
    pub(in crate::cli) fn begin_writing(&self) -> Result<Option<Lock>, Vec<Problem>> {
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
        mesh_folder::lock(&self.mesh).map_err(one)
    }

    pub(in crate::cli) fn ledger_file(&self) -> LedgerFile {
        LedgerFile::new(&self.mesh.records, self.now)
    }

    pub(in crate::cli) fn targets(&self) -> Targets<'_> {
        let targets = Targets::new(&self.mesh, &self.entropy, self.now).with_progress(!self.voice.quiet);
        targets.at_pretended_moment(self.shared.at.is_some())
    }

    pub(in crate::cli) fn courier<'b>(
        &'b self,
        targets: &'b Targets<'b>,
        ledger: &'b Mutex<LedgerFile>,
    ) -> Courier<'b> {
        let Self { mesh, entropy, now, brake, voice, .. } = self;
        Courier { mesh, own: None, targets, entropy, ledger, now: *now, brake, shows_progress: !voice.quiet }
    }

    /// Prints the ledger, where it goes to standard output.
    ///
    /// # Errors
    /// `output-failed`.
    pub(in crate::cli) fn finish(&self, ledger: LedgerFile) -> Result<(), Problem> {
        ledger.into_lines().iter().try_for_each(|line| self.voice.result(line))
    }

    /// What the unattended side leaves for its watchers: the public status and the metrics. A tick that acted has
    /// acted, whether or not they can be written; what can be, is. Counters go on from the status before this one.
    pub(in crate::cli) fn tell_watchers(
        &self,
        tick: &Tick,
        earlier: Option<&ReportDocument>,
        to: &MetricsArguments,
    ) -> (Status, Result<(), Problem>) {
        let status = status(&self.mesh, &tick.holdings, &tick.observed, self.now);
        let mut status = Status { recorded_at: report::recorded_at(&self.mesh), ..status };
        if let Some(earlier) = earlier {
            counting::carry(earlier, &mut status);
        }
        counting::count(&tick.plan, &tick.done, &mut status);
        #[cfg(feature = "k8s")]
        if let Some(exhibit) = &self.exhibit {
            exhibit.show(ReportDocument::of(&status));
        }
        let kept = match mesh_folder::records_folder(&self.mesh) {
            Some(folder) => report_words::written(&status, Form::Json, "", &to.wording(), false)
                .and_then(|text| report::write_status(folder, &text)),
            None => Ok(()),
        };
        let sent = self.send_metrics(&status, to);
        (status, kept.and(sent))
    }

    /// Writes the metrics of a status where they are wanted besides standard output. What can be written, is.
    ///
    /// # Errors
    /// `file-unwritable`, `pushgateway-failed`: the first of them.
    pub(in crate::cli) fn send_metrics(&self, status: &Status, to: &MetricsArguments) -> Result<(), Problem> {
        if to.is_nowhere() {
            return Ok(());
        }
        let text = metrics::render(Told::Present(&ReportDocument::of(status)), self.now, &to.wording());
        let written = to.metrics_textfile.as_ref().map_or(Ok(()), |path| report::write_textfile(path, &text));
        #[cfg(feature = "k8s")]
        let written = {
            let push = |place: &Place| report::push(place, &text, self.mesh.rotation.deadline);
            let pushed = to.pushgateway.as_ref().map_or(Ok(()), push);
            written.and(pushed)
        };
        written
    }

    pub(in crate::cli) fn error(&self, problem: &Problem) -> String {
        problem_words::error(problem, &self.shared.file)
    }
}

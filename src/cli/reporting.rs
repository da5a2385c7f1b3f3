//! `report`: looks once, or again and again on a terminal.

use std::path::Path;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::cli::args::{Format, Shared};
use crate::cli::desk::{Desk, Ended, one};
use crate::cli::exit::Exit;
use crate::cli::metrics_arguments::VERSION;
use crate::cli::report_arguments::ReportArguments;
use crate::cli::report_html::Page;
use crate::cli::report_words::{self, Form};
use crate::cli::voice::Voice;
use crate::cli::{document, report_changes_words};
use crate::jobs::report;
use crate::mesh::last_tick::{self, Trail};
use crate::mesh::outcome::Outcome;
use crate::mesh::status::Status;
use crate::problem::{Code, Problem};
use crate::world::brake::{Brake, Turn};
#[cfg(feature = "k8s")]
use crate::world::kubernetes::status_map::StatusMaps;
use crate::world::{clock, signals, terminal};

/// Runs it as it is asked for.
pub(in crate::cli) fn run(order: &ReportArguments, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    match order.watch {
        None => Desk::open(shared, voice, now)?.report(order),
        Some(_) => watch(order, shared, voice, now),
    }
}

impl Desk<'_> {
    fn report(self, order: &ReportArguments) -> Ended {
        let output = self.shared.output;
        if let Some(earlier) = &order.diff {
            return self.changes(order, earlier);
        }
        let (text, outcome, exit) = self.told(order)?;
        // No names at all are no line, not even an empty one.
        if !text.is_empty() {
            let told = self.voice.about(outcome == Outcome::Fine && output.is_for_people()).result(&text);
            told.map_err(one)?;
        }
        Ok(exit)
    }

    /// What changed since an earlier report.
    fn changes(self, order: &ReportArguments, earlier: &Path) -> Ended {
        // Its forms are those of every command.
        document::refuse_form(self.shared.output, &[]).map_err(one)?;
        let earlier = report::earlier(earlier, &self.mesh).map_err(one)?;
        let status = report::run(&self.mesh, &self.store, &self.targets(), order.limits(), self.now).map_err(one)?;
        let trail = self.trail(order);
        let status = last_tick::noticed(&self.mesh, status, &trail);
        self.send_metrics(&status, &order.metrics).map_err(one)?;
        let changes = report::changed(&earlier, &status);
        let since = earlier.generated_at.as_str();
        let document = report_changes_words::document(&changes, &self.mesh.name, since, self.now);
        let voice = self.voice.about(changes.is_empty());
        voice.answer(self.shared, &document, || report_changes_words::table(&changes, since))?;
        Ok(end_of(&status, &trail))
    }

    /// What tells of the last tick, where it is to be looked for.
    #[cfg(feature = "k8s")]
    fn trail(&self, order: &ReportArguments) -> Trail {
        let wait = self.mesh.rotation.deadline;
        let status = match &order.status_configmap {
            Some(own) => StatusMaps::new(order.home.access(), wait, &own.namespace, &own.name).look(),
            None => report::kept_status(&self.mesh),
        };
        let label = &order.metrics.label.cluster_label;
        Trail { status, exporter: order.exporter.as_ref().map(|place| report::asked(place, label, wait)) }
    }

    #[cfg(not(feature = "k8s"))]
    fn trail(&self, _: &ReportArguments) -> Trail {
        Trail { status: report::kept_status(&self.mesh), exporter: None }
    }

    /// The report as text, how it stands, and how the command ends.
    fn told(&self, order: &ReportArguments) -> Result<(String, Outcome, Exit), Vec<Problem>> {
        let choice = order.choice();
        choice.check(&self.mesh).map_err(one)?;
        let (mesh, targets, limits) = (&self.mesh, self.targets(), order.limits());
        let file = self.shared.file.display().to_string();
        let trail = self.trail(order);
        let (status, text) = if self.shared.output == Format::Html {
            let (status, trust) = report::with_trust(mesh, &self.store, &targets, limits, self.now).map_err(one)?;
            let status = last_tick::noticed(mesh, status, &trail);
            let page = Page {
                status: &status,
                rows: choice.rows(status.headlines(), &status),
                findings: choice.findings(&status),
                trust: &trust,
                next: report_words::next_command(&status, &file),
                version: VERSION,
            };
            let text = page.written();
            (status, text)
        } else {
            let status = report::run(mesh, &self.store, &targets, limits, self.now).map_err(one)?;
            let status = last_tick::noticed(mesh, status, &trail);
            let form = self.shared.output.of_report().unwrap_or(Form::Table);
            let text = report_words::chosen(&status, &choice, form, &file, &order.metrics.wording(), self.voice.colour);
            (status, text.map_err(one)?)
        };
        self.send_metrics(&status, &order.metrics).map_err(one)?;
        Ok((text, status.outcome(), end_of(&status, &trail)))
    }
}

/// 1, where something could not be seen.
fn end_of(status: &Status, trail: &Trail) -> Exit {
    if status.is_all_seen() && trail.is_seen() { Exit::Fine } else { Exit::Error }
}

/// Shows it anew every so often, until a signal, and ends as the last one would have.
fn watch(order: &ReportArguments, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    let every = order.watch.unwrap_or(time::Duration::seconds(10));
    if !matches!(shared.output, Format::Table | Format::Wide) {
        let what = "a watch is for people: only a table can be shown again and again";
        return Err(one(Problem::new(Code::BadArgument, what).hint("leave --watch out, or -o")));
    }
    if !voice.is_on_a_terminal() {
        let what = "there is no terminal to show the report on again and again";
        return Err(one(Problem::new(Code::NoTerminal, what).hint("leave --watch out, or run it where a terminal is")));
    }
    let brake = Arc::new(Brake::default());
    signals::pull(Arc::clone(&brake)).map_err(one)?;
    let begun = clock::now();
    let mut exit = Exit::Fine;
    let mut next = clock::steady();
    loop {
        match brake.wait_for_turn(next) {
            Turn::End => return Ok(exit),
            Turn::Tell(_) => {}
            Turn::Begin => {
                // What is wrong with the mesh file now may be right at the next look.
                let moment = now + (clock::now() - begun);
                let told = Desk::open(shared, voice.silent(), moment).and_then(|desk| desk.told(order));
                let (text, ended) = match told {
                    Ok((text, _, ended)) => (text, ended),
                    Err(problems) => (report_words::unread(&problems, &shared.file), Exit::Error),
                };
                exit = ended;
                let foot = format!("{text}\nevery {}; Ctrl-C ends\n", crate::mesh::span::format(every));
                voice.loud().result(&terminal::screen(&foot)).map_err(one)?;
                next = clock::steady() + every.unsigned_abs();
            }
        }
    }
}

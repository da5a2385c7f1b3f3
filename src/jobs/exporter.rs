//! `exporter`: what is answered to those who watch. It has the public status and nothing else.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use time::OffsetDateTime;

use crate::mesh::cluster_label::ClusterLabel;
use crate::mesh::exposition::Exposition;
use crate::mesh::metrics::{self, Build, Told, Wording};
use crate::mesh::report_document::ReportDocument;
use crate::world::http_server::{Answer, Asked};

/// What is told, and in which words; shared by who looks at the status and by who answers.
#[derive(Debug)]
pub struct Exhibit {
    shown: Mutex<Shown>,
    cluster_label: ClusterLabel,
    build: Build<'static>,
}

#[derive(Debug, Clone)]
enum Shown {
    Nothing,
    StandsBy,
    Present(Arc<ReportDocument>),
    Past(Arc<ReportDocument>),
}

impl Exhibit {
    /// Nothing is known yet.
    #[must_use]
    pub const fn new(cluster_label: ClusterLabel, build: Build<'static>) -> Self {
        Self { shown: Mutex::new(Shown::Nothing), cluster_label, build }
    }

    /// From now on this status is told of.
    pub fn show(&self, status: ReportDocument) {
        *self.shown() = Shown::Present(Arc::new(status));
    }

    /// At the last look there was no status that could be read. The last one that could be is still told of: ends of
    /// certificates stay true.
    pub fn miss(&self) {
        let mut shown = self.shown();
        *shown = match &*shown {
            Shown::Present(status) | Shown::Past(status) => Shown::Past(Arc::clone(status)),
            Shown::Nothing | Shown::StandsBy => Shown::Nothing,
        };
    }

    /// What is told of, if it could be read at the last look.
    #[must_use]
    pub fn present(&self) -> Option<Arc<ReportDocument>> {
        match &*self.shown() {
            Shown::Present(status) => Some(Arc::clone(status)),
            Shown::Nothing | Shown::StandsBy | Shown::Past(_) => None,
        }
    }

    /// Whether what is told is a status of this second.
    #[must_use]
    pub fn is_of(&self, moment: OffsetDateTime) -> bool {
        matches!(&*self.shown(), Shown::Present(status) if status.generated_at_seconds == moment.truncate_to_second())
    }

    /// Another replica works and tells of the fleet, and this one would only tell something older.
    pub fn stand_by(&self) {
        *self.shown() = Shown::StandsBy;
    }

    /// The answer at this moment. Whatever is wrong with the status, `/metrics` is answered with what is known.
    #[must_use]
    pub fn answer(&self, asked: Asked<'_>, now: OffsetDateTime) -> Answer {
        match asked.path {
            "/metrics" => {
                let exposition = Exposition::for_accept(asked.accept);
                Answer { status: 200, content_type: exposition.content_type(), text: self.text(exposition, now) }
            }
            "/healthz" => Answer::words(200, "ok"),
            "/readyz" => match *self.shown() {
                Shown::Nothing => Answer::words(503, "no status was read yet"),
                Shown::StandsBy | Shown::Present(_) | Shown::Past(_) => Answer::words(200, "ok"),
            },
            _ => Answer::words(404, "there are /metrics, /healthz and /readyz"),
        }
    }

    fn text(&self, exposition: Exposition, now: OffsetDateTime) -> String {
        // Nobody waits for what is written here.
        let shown = self.shown().clone();
        let told = match &shown {
            Shown::Nothing => Told::Nothing,
            Shown::StandsBy => Told::StandsBy,
            Shown::Present(status) => Told::Present(status),
            Shown::Past(status) => Told::Past(status),
        };
        metrics::render(told, now, &Wording { exposition, ..Wording::text(&self.cluster_label, self.build) })
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done.
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! `exporter`: serves the metrics of a public status, until a signal.

use std::path::PathBuf;
use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::cli::args::Shared;
use crate::cli::desk::{Ended, one};
use crate::cli::exit::Exit;
use crate::cli::exporter_arguments::ExporterArguments;
use crate::cli::metrics_arguments::BUILD;
use crate::cli::problem_words;
use crate::cli::voice::Voice;
use crate::jobs::exporter::Exhibit;
use crate::jobs::report::STATUS;
use crate::mesh::report_document::ReportDocument;
use crate::problem::{Code, Problem};
use crate::world::brake::{Brake, Turn};
use crate::world::http_server::HttpServer;
use crate::world::kubernetes::status_map::StatusMaps;
use crate::world::status_file::StatusFile;
use crate::world::{clock, mesh_folder, signals};

/// How long an API server may take for all parts of a status.
const DEADLINE: Duration = Duration::seconds(30);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// `signals-unheard`, `listen-failed`, what is wrong with the mesh file where it is needed. What is wrong with the status
/// is told, by a metric as well, and it goes on.
pub(in crate::cli) fn run(order: &ExporterArguments, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    let brake = Arc::new(Brake::default());
    signals::pull(Arc::clone(&brake)).map_err(one)?;
    let mut source = Source::of(order, shared)?;
    let exhibit = Arc::new(Exhibit::new(order.label.cluster_label.clone(), BUILD));
    let server = serve(order.listen, &exhibit, voice, now).map_err(one)?;
    let every = order.every.unwrap_or(source.usual_pause()).unsigned_abs();
    let mut last = None;
    let mut next = clock::steady();
    // Nobody keeps a Lease here, and nobody has news.
    while let Turn::Begin = brake.wait_for_turn(next) {
        let trouble = match source.look() {
            Ok(Some(status)) => {
                exhibit.show(status);
                None
            }
            Ok(None) => None,
            Err(problem) => {
                exhibit.miss();
                Some(problem)
            }
        };
        // What lasts is told once.
        if trouble != last {
            match &trouble {
                Some(problem) => voice.problem(&problem_words::error(problem, &shared.file)),
                None => voice.words("the status can be read again"),
            }
            last = trouble;
        }
        next = clock::steady() + every;
    }
    server.finish();
    Ok(Exit::Fine)
}

/// Begins to serve, and says where. The moment of a scrape goes on from `now`.
pub(in crate::cli) fn serve(
    listen: std::net::SocketAddr,
    exhibit: &Arc<Exhibit>,
    voice: Voice,
    now: OffsetDateTime,
) -> Result<HttpServer, Problem> {
    let (exhibit, begun) = (Arc::clone(exhibit), clock::now());
    let server = HttpServer::start(listen, move |asked| exhibit.answer(asked, now + (clock::now() - begun)))?;
    voice.words(&format!("serving http://{}/metrics", server.address()));
    Ok(server)
}

/// Where the status is.
enum Source {
    File(StatusFile),
    Maps(StatusMaps),
}

impl Source {
    fn of(order: &ExporterArguments, shared: &Shared) -> Result<Self, Vec<Problem>> {
        if let Some(own) = &order.status_configmap {
            return Ok(Self::Maps(StatusMaps::new(order.home.access(), DEADLINE, &own.namespace, &own.name)));
        }
        let path: PathBuf = match &order.status {
            Some(path) => path.clone(),
            None => {
                let (mesh, _) = mesh_folder::read(&shared.file)?;
                let folder = mesh_folder::records_folder(&mesh).ok_or_else(|| {
                    one(Problem::new(
                        Code::BadArgument,
                        format!(
                            "{} says `records: stdout`, so that there is no status in a file",
                            shared.file.display()
                        ),
                    )
                    .hint("meshca exporter --status-configmap meshca/meshca-status   if rotate writes it there"))
                })?;
                folder.join(STATUS)
            }
        };
        Ok(Self::File(StatusFile::new(&path)))
    }

    const fn usual_pause(&self) -> Duration {
        match self {
            Source::File(_) => Duration::seconds(1),
            Source::Maps(_) => Duration::seconds(15),
        }
    }

    /// Reads it, if it changed.
    fn look(&mut self) -> Result<Option<ReportDocument>, Problem> {
        match self {
            Source::File(file) => file.look(),
            Source::Maps(maps) => maps.look(),
        }
    }
}

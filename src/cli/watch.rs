//! `rotate --watch`: tick after tick, until a signal; under a Lease, where one is asked for.

use std::sync::Arc;

use time::{Duration, OffsetDateTime};

use crate::cli::args::Shared;
use crate::cli::desk::{Desk, Ended, one};
use crate::cli::exit::Exit;
#[cfg(feature = "k8s")]
use crate::cli::metrics_arguments::BUILD;
use crate::cli::rotate_arguments::RotateArguments;
#[cfg(feature = "k8s")]
use crate::cli::serving;
use crate::cli::voice::Voice;
#[cfg(feature = "k8s")]
use crate::jobs::exporter::Exhibit;
use crate::mesh::fleet::Mesh;
use crate::problem::Problem;
use crate::world::brake::{Brake, News, Turn};
#[cfg(feature = "k8s")]
use crate::world::kubernetes::lease_keeper::{Keeper, Wish};
use crate::world::{clock, mesh_folder, signals};

/// Runs until SIGTERM or SIGINT, and ends as its last tick ended; without a tick, well.
///
/// # Errors
/// Whatever keeps it from the beginning: `signals-unheard`, what is wrong with the mesh file. What goes wrong in a tick
/// is told, and the next tick comes.
pub(in crate::cli) fn run(order: &RotateArguments, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Ended {
    let brake = Arc::new(Brake::default());
    signals::pull(Arc::clone(&brake)).map_err(one)?;
    let (mesh, _) = mesh_folder::read(&shared.file)?;
    let begun = clock::now();
    #[cfg(feature = "k8s")]
    let (exhibit, server) = match order.listen {
        Some(listen) => {
            let exhibit = Arc::new(Exhibit::new(order.metrics.label.cluster_label.clone(), BUILD));
            if order.home.lease.is_some() {
                exhibit.stand_by();
            }
            let server = serving::serve(listen, &exhibit, voice, now).map_err(one)?;
            (Some(exhibit), Some(server))
        }
        None => (None, None),
    };
    let watch = Watch {
        order,
        shared,
        voice,
        now,
        begun,
        brake: Arc::clone(&brake),
        #[cfg(feature = "k8s")]
        exhibit,
    };
    let ended = watch.under_lease(mesh);
    #[cfg(feature = "k8s")]
    if let Some(server) = server {
        server.finish();
    }
    ended
}

struct Watch<'a> {
    order: &'a RotateArguments,
    shared: &'a Shared,
    voice: Voice,
    /// When it began, or is said to have begun: `--at` goes on from there.
    now: OffsetDateTime,
    begun: OffsetDateTime,
    brake: Arc<Brake>,
    /// Where the status is told over HTTP, if it is.
    #[cfg(feature = "k8s")]
    exhibit: Option<Arc<Exhibit>>,
}

impl Watch<'_> {
    #[cfg(feature = "k8s")]
    fn under_lease(&self, mesh: Mesh) -> Ended {
        let home = &self.order.home;
        let (Some(own), Some(identity)) = (&home.lease, &home.identity) else { return self.ticks(mesh) };
        let wish = Wish {
            access: home.access.access(),
            namespace: own.namespace.clone(),
            name: own.name.clone(),
            identity: identity.clone(),
            duration: home.lease_duration.unsigned_abs(),
        };
        let keeper = Keeper::start(wish, Arc::clone(&self.brake)).map_err(one)?;
        let ended = self.ticks(mesh);
        keeper.finish();
        ended
    }

    #[cfg(not(feature = "k8s"))]
    fn under_lease(&self, mesh: Mesh) -> Ended {
        self.ticks(mesh)
    }

    fn ticks(&self, mut mesh: Mesh) -> Ended {
        let mut exit = Exit::Fine;
        let mut next = clock::steady();
        loop {
            match self.brake.wait_for_turn(next) {
                Turn::End => return Ok(exit),
                Turn::Tell(News::Trouble(problem)) => self.tell(&[problem]),
                Turn::Tell(News::StandsBy(words)) => {
                    #[cfg(feature = "k8s")]
                    if let Some(exhibit) = &self.exhibit {
                        exhibit.stand_by();
                    }
                    self.voice.words(&words);
                }
                Turn::Tell(News::Holds(words)) => {
                    self.voice.words(&words);
                    next = clock::steady();
                }
                Turn::Begin => {
                    exit = self.tick(&mut mesh).unwrap_or_else(|problems| {
                        self.tell(&problems);
                        Exit::Error
                    });
                    next = clock::steady() + self.pause(&mesh).unsigned_abs();
                }
            }
        }
    }

    /// How long to wait for the next tick: not beyond the moment in which a maintenance window opens.
    fn pause(&self, mesh: &Mesh) -> Duration {
        let tick = self.order.every.unwrap_or(mesh.rotation.tick);
        mesh.rotation.windows.pause(tick, self.moment())
    }

    fn moment(&self) -> OffsetDateTime {
        self.now + (clock::now() - self.begun)
    }

    /// One tick, with everything read anew: mesh file, material, passphrase, and the clock once.
    fn tick(&self, mesh: &mut Mesh) -> Ended {
        let now = self.moment();
        let ended = self.tick_at(now, mesh);
        // A tick that failed left no status: what is told is that of an earlier one.
        #[cfg(feature = "k8s")]
        if let Some(exhibit) = self.exhibit.as_ref().filter(|exhibit| ended.is_err() && !exhibit.is_of(now)) {
            exhibit.miss();
        }
        ended
    }

    fn tick_at(&self, now: OffsetDateTime, mesh: &mut Mesh) -> Ended {
        let mut desk = Desk::open(self.shared, self.voice, now)?;
        desk.brake = Arc::clone(&self.brake);
        #[cfg(feature = "k8s")]
        desk.exhibit.clone_from(&self.exhibit);
        mesh.clone_from(&desk.mesh);
        desk.rotate(self.order)
    }

    fn tell(&self, problems: &[Problem]) {
        self.voice.errors(problems, &self.shared.file);
    }
}

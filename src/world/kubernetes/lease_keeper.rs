//! Keeps a Lease: a thread that takes it when it is free, renews it while the run works, and tells the brake.
//!
//! The holder believes in its Lease for two thirds of its duration after the last renewal was sent, and another takes it
//! only after seeing it unchanged for the whole duration: of two replicas with working clocks, one has stopped before
//! the other begins. Where that fails all the same (a machine that slept), the writes themselves do not: each names the
//! version that was decided on.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::mesh::field_manager::FIELD_MANAGER;
use crate::mesh::fleet::{Access, Cluster};
use crate::mesh::lease::{Claim, Lease, Move, unclaimed};
use crate::problem::{Code, Problem};
use crate::world::brake::{Brake, News};
use crate::world::clock;
use crate::world::kubernetes::api_servers::ApiServers;
use crate::world::kubernetes::conversation::Conversation;
use crate::world::kubernetes::exchange::Object;
use crate::world::kubernetes::home::{at_home, home};

/// Under which name an unclaimed Lease is made.
const MAKER: &str = "meshca-create-lease";

/// Which Lease, and for whom.
#[derive(Debug, Clone)]
pub struct Wish {
    /// How its API server is reached.
    pub access: Access,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The replica.
    pub identity: String,
    /// How long after the last sign of its holder another may take it.
    pub duration: Duration,
}

/// A thread that keeps a Lease.
#[derive(Debug)]
pub struct Keeper {
    quit: Sender<()>,
    thread: JoinHandle<()>,
}

impl Keeper {
    /// Begins to keep it. From now on the brake lets pass only while it is held.
    ///
    /// # Errors
    /// `signals-unheard`: no thread can be started.
    pub fn start(wish: Wish, brake: Arc<Brake>) -> Result<Self, Problem> {
        brake.needs_lease();
        let mut hand =
            Hand { place: home(&wish.access, &wish.namespace)?, wish, brake, seen: None, good_until: None, told: None };
        let (quit, quits) = mpsc::channel();
        let keep = move || {
            loop {
                hand.attempt();
                match quits.recv_timeout(hand.pause()) {
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(()) | Err(RecvTimeoutError::Disconnected) => return hand.let_go(),
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("lease".to_owned())
            .spawn(keep)
            .map_err(|error| Problem::new(Code::SignalsUnheard, format!("no thread can keep the Lease: {error}")))?;
        Ok(Self { quit, thread })
    }

    /// Lets go of the Lease, so that another replica can take it at once, and ends.
    pub fn finish(self) {
        let _ = self.quit.send(());
        // A panic of it has said what it had to say.
        let _ = self.thread.join();
    }
}

struct Hand {
    wish: Wish,
    place: Cluster,
    brake: Arc<Brake>,
    /// The Lease as it was last seen, and since when it has been exactly so.
    seen: Option<(Lease, Instant)>,
    /// Until when it may be believed to be this replica's.
    good_until: Option<Instant>,
    /// What was said last; nothing is said twice.
    told: Option<News>,
}

/// What an attempt came to.
enum Outcome {
    /// It is this replica's; the renewal was sent at this moment.
    Held(Instant),
    /// Another has it.
    Taken(String),
    /// Somebody changed it at the same moment.
    Beaten,
}

impl Hand {
    fn attempt(&mut self) {
        match self.try_once() {
            Ok(Outcome::Held(sent)) => {
                let end = sent + self.wish.duration * 2 / 3;
                let anew = self.good_until.replace(end).is_none_or(|end| end <= clock::steady());
                self.brake.holds_lease_until(end);
                self.told = None;
                if anew {
                    self.brake.tell(News::Holds(format!("{} holds the Lease {}", self.wish.identity, self.lease())));
                }
            }
            Ok(Outcome::Taken(holder)) => {
                self.good_until = None;
                self.brake.needs_lease();
                self.tell(News::StandsBy(format!("stands by: {holder} holds the Lease {}", self.lease())));
            }
            Ok(Outcome::Beaten) => {}
            // What was renewed before is good until its end.
            Err(problem) => self.tell(News::Trouble(at_home(problem))),
        }
    }

    fn try_once(&mut self) -> Result<Outcome, Problem> {
        // A client of its own each time: a credential may have ended meanwhile.
        let servers = ApiServers::new(self.pause().try_into().unwrap_or(time::Duration::ZERO));
        let Self { place, wish, seen, .. } = self;
        let claim = wish.claim();
        let object = wish.object();
        let read = async |talk: &Conversation<'_>| match talk.get(&object).await? {
            None => Ok(None),
            Some(text) => {
                let lease = Lease::from_json(&text);
                lease.map(Some).ok_or_else(|| talk.malformed(&object, "it is not a Lease"))
            }
        };
        let tried = servers.converse(place, async |talk: Conversation<'_>| {
            let mut there = read(&talk).await?;
            if there.is_none() {
                let parameters = kube::api::PatchParams::apply(MAKER);
                talk.apply(&object, &parameters, &unclaimed(&claim)).await?;
                there = read(&talk).await?;
            }
            let Some(lease) = there else { return Ok(Outcome::Beaten) };
            let now = clock::steady();
            let since = seen.as_ref().filter(|(before, _)| *before == lease).map_or(now, |(_, since)| *since);
            let turn = lease.turn(claim.identity, now - since);
            let holder = lease.holder().unwrap_or_default().to_owned();
            let body = lease.taken(&claim, clock::now());
            *seen = Some((lease, since));
            if turn == Move::StandBy {
                return Ok(Outcome::Taken(holder));
            }
            let sent = clock::steady();
            talk.apply(&object, &ours(), &body).await?;
            Ok(Outcome::Held(sent))
        });
        match tried {
            Err(problem) if problem.code() == Code::TargetChangedMeanwhile => Ok(Outcome::Beaten),
            tried => tried,
        }
    }

    fn let_go(&mut self) {
        self.brake.needs_lease();
        let servers = ApiServers::new(self.pause().try_into().unwrap_or(time::Duration::ZERO));
        let (claim, object) = (self.wish.claim(), self.wish.object());
        // Where this fails, it runs out by itself.
        let _ = servers.converse(&self.place, async |talk: Conversation<'_>| {
            let lease = talk.get(&object).await?.as_ref().and_then(Lease::from_json);
            match lease.filter(|lease| lease.holder() == Some(claim.identity)) {
                Some(lease) => talk.apply(&object, &ours(), &lease.let_go(&claim)).await,
                None => Ok(()),
            }
        });
    }

    /// Between two attempts, and at most for one: the second after a renewal can still save it.
    fn pause(&self) -> Duration {
        self.wish.duration / 4
    }

    fn lease(&self) -> String {
        format!("{}/{}", self.wish.namespace, self.wish.name)
    }

    fn tell(&mut self, news: News) {
        if self.told.as_ref() != Some(&news) {
            self.brake.tell(news.clone());
            self.told = Some(news);
        }
    }
}

fn ours() -> kube::api::PatchParams {
    kube::api::PatchParams::apply(FIELD_MANAGER).force()
}

impl Wish {
    fn claim(&self) -> Claim<'_> {
        let Self { namespace, name, identity, duration, .. } = self;
        Claim { namespace, name, identity, duration: *duration }
    }

    fn object(&self) -> Object {
        Object {
            path: format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace),
            resource: "leases",
            name: self.name.clone(),
        }
    }
}

//! What meshca sees of a simulated fleet, by what it can look at.

use std::collections::BTreeMap;

use meshca::mesh::fleet::ClusterName;
use meshca::mesh::istiod_deployment::IstiodDeployment;
use meshca::mesh::observed::{Observed, Owner, Replica as Look, SecretSight, Way};
use meshca::mesh::ownership::Ownership;
use meshca::mesh::roster::Roster;
use meshca::mesh::walk_mark::{Goal, Turn, WalkMark};
use meshca::pki::certificate::Certificate;
use meshca::pki::fingerprint::Fingerprint;
use meshca::problem::{Code, Problem};
use time::{Duration, OffsetDateTime};

use super::ages::Age;
use super::layout::{Eyes, Layout, Site};
use super::world::{Mark, Primary, Published, Remote, Whereto, World};

/// How far istiod dates its serving certificate back.
const SERVING_BACKDATE: Duration = Duration::minutes(2);

/// All that can be seen of one cluster.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Seen {
    Down,
    Primary(Box<Primary>),
    Remote(Remote),
}

impl Seen {
    /// Of the cluster at this place of the mesh file.
    pub(crate) fn of(world: &World, at: usize) -> Self {
        match world.primaries.get(at) {
            Some(primary) if primary.is_down => Seen::Down,
            Some(primary) => {
                let mut seen =
                    Primary { old_leafs: Vec::new(), old_bundles: Vec::new(), backup: None, ..primary.clone() };
                for replica in &mut seen.replicas {
                    (replica.is_to_restart, replica.is_blind) = (false, false);
                }
                Seen::Primary(Box::new(seen))
            }
            None => match &world.remotes[at - world.primaries.len()] {
                remote if remote.is_down => Seen::Down,
                remote => Seen::Remote(remote.clone()),
            },
        }
    }

    /// Every age in it.
    pub(crate) fn ages(&mut self) -> Vec<&mut Age> {
        match self {
            Seen::Down => Vec::new(),
            Seen::Primary(primary) => primary.ages(),
            Seen::Remote(remote) => vec![&mut remote.map_since],
        }
    }

    /// The same, this much later.
    pub(crate) fn wait(&mut self, seconds: Age) {
        self.ages().into_iter().for_each(|age| *age = age.saturating_add(seconds));
    }

    /// Of every cluster.
    pub(crate) fn all(world: &World) -> Vec<Self> {
        (0..world.primaries.len() + world.remotes.len()).map(|at| Self::of(world, at)).collect()
    }
}

/// The same as the planner is told it.
pub(crate) fn observed(layout: &Layout, seen: &[Seen], now: OffsetDateTime) -> BTreeMap<ClusterName, Observed> {
    let each = seen.iter().enumerate().map(|(at, seen)| {
        let cluster = &layout.mesh.clusters[at].name;
        let observed = match seen {
            Seen::Down => {
                let refused = Problem::new(Code::TargetUnreadable, format!("{cluster}: connection refused"));
                Observed::unseen(cluster, now, &refused)
            }
            Seen::Primary(primary) => of_primary(layout, at, primary, now),
            Seen::Remote(remote) => of_remote(layout, at, remote, now),
        };
        (cluster.clone(), observed)
    });
    each.collect()
}

fn ago(now: OffsetDateTime, age: Age) -> OffsetDateTime {
    now - Duration::seconds(i64::from(age))
}

fn of_primary(layout: &Layout, at: usize, primary: &Primary, now: OffsetDateTime) -> Observed {
    let site = layout.sites[at];
    let published = primary.published.as_ref();
    let is_behind_api = site.eyes.is_behind_api();
    Observed {
        cluster: layout.name(at).clone(),
        at: now,
        secret: Ok(published.map(|it| sight(layout, at, it, now))),
        system_roots: Ok(is_behind_api.then(|| layout.pool.text(primary.map))),
        self_signed: layout.is_adopted(at) && site.own_ca,
        replicas: looks(layout, site, primary, now),
        written_at: published.map(|it| ago(now, it.written)),
        control_planes: None,
        system_roots_since: is_behind_api.then(|| ago(now, primary.map_since)),
        server_clock: is_behind_api.then_some(now),
        deployment: is_behind_api.then(|| Ok(deployment(site, primary, now))),
    }
}

fn of_remote(layout: &Layout, at: usize, remote: &Remote, now: OffsetDateTime) -> Observed {
    let place = at - layout.sites.len();
    let is_behind_api = layout.sites[usize::from(layout.remotes[place])].eyes.is_behind_api();
    Observed {
        cluster: layout.name(at).clone(),
        at: now,
        secret: Ok(None),
        system_roots: Ok(is_behind_api.then(|| layout.pool.text(remote.map))),
        self_signed: false,
        replicas: Vec::new(),
        written_at: None,
        control_planes: is_behind_api.then(|| vec!["*".to_owned()]),
        system_roots_since: is_behind_api.then(|| ago(now, remote.map_since)),
        server_clock: is_behind_api.then_some(now),
        deployment: None,
    }
}

fn sight(layout: &Layout, at: usize, published: &Published, now: OffsetDateTime) -> SecretSight {
    let signer = published.signer;
    let made = layout.pool.signer(signer, layout.window(signer));
    let walk = published.mark.as_ref().map(|mark| note(layout, mark, now));
    let generation = u32::from(signer.generation);
    let serial = made.certificate.serial_text();
    let mark = Ownership::new(&layout.mesh.name, layout.name(at), generation, serial).walking(walk);
    let bare = layout.pool.sight(signer, layout.window(signer), published.bundle);
    let uid = layout.sites[at].eyes.is_behind_api().then(|| "uid".to_owned());
    SecretSight { owner: Owner::Ours(mark), version: uid.clone(), uid, ..(*bare).clone() }
}

fn note(layout: &Layout, mark: &Mark, now: OffsetDateTime) -> WalkMark {
    let root = |number: u8| layout.pool.root(number).fingerprint();
    let moment = |age: Option<Age>| age.map(|age| ago(now, age));
    let names = layout.mesh.clusters.iter().take(usize::from(mark.roster)).map(|it| it.name.to_string());
    WalkMark {
        roster: Roster::from_names(names.collect()),
        bundled_at: moment(mark.bundled),
        shown_since: moment(mark.shown),
        signs_since: moment(mark.signs),
        from: mark.from.iter().copied().map(root).collect(),
        own_ca: mark.own_ca,
        removed: mark.removed.iter().copied().map(root).collect(),
        turn: mark.turn.map(|(number, whereto)| Turn { number, goal: goal(whereto) }),
        ..WalkMark::to(root(mark.to))
    }
}

const fn goal(whereto: Whereto) -> Goal {
    match whereto {
        Whereto::Forward => Goal::Forward,
        Whereto::Trust => Goal::Trust,
        Whereto::Start => Goal::Start,
    }
}

fn looks(layout: &Layout, site: Site, primary: &Primary, now: OffsetDateTime) -> Vec<Look> {
    let each = primary.replicas.iter().enumerate().map(|(at, replica)| {
        let signer = layout.pool.signer(replica.signer, layout.window(replica.signer));
        let first = |roots: Vec<u8>| roots.first().map(|root| layout.pool.root(*root).not_after());
        let takes = layout.pool.roots_in(replica.takes);
        match site.eyes {
            Eyes::Chain | Eyes::FolderAndChain => Some(Look {
                signer_spki: Some(signer.certificate.spki().to_vec()),
                served_since: Some(ago(now, replica.loaded) - SERVING_BACKDATE),
                client_ca_names: takes.iter().map(|it| layout.pool.root(*it).subject().der().to_vec()).collect(),
                ..Look::new(format!("{at}:15012"), Way::Chain)
            }),
            Eyes::Gauges => Some(Look {
                chain_end: Some(Certificate::not_after(&signer.certificate)),
                root_end: first(layout.pool.roots_in(replica.bundle)),
                ..Look::new(format!("http://{at}"), Way::Gauges)
            }),
            Eyes::Folder => None,
        }
    });
    each.flatten().collect()
}

fn deployment(site: Site, primary: &Primary, now: OffsetDateTime) -> IstiodDeployment {
    IstiodDeployment {
        max_workload_ttl: Ok(Some(Duration::seconds(i64::from(super::layout::TTL)))),
        multi_root: Some(site.multi_root),
        restarted_at: primary.restarted.map(|age| ago(now, age)),
        names: vec!["istiod".to_owned()],
    }
}

/// What a mark of the planner says, in the numbers of the simulation.
pub(crate) fn mark(layout: &Layout, mark: &WalkMark, now: OffsetDateTime) -> Mark {
    let root = |print| layout.pool.number(|it| it.fingerprint() == print).expect("a root of the pool");
    let roots = |prints: &[Fingerprint]| {
        let mut roots: Vec<u8> = prints.iter().copied().map(root).collect();
        roots.sort_unstable();
        roots
    };
    let age = |moment: Option<OffsetDateTime>| {
        moment.map(|moment| Age::try_from((now - moment).whole_seconds()).expect("no mark is of the future"))
    };
    let names = layout.mesh.clusters.iter().map(|it| it.name.as_str()).take(mark.roster.names().len());
    assert!(names.eq(mark.roster.names().iter().map(String::as_str)), "{:?}", mark.roster);
    Mark {
        to: root(mark.to),
        roster: u8::try_from(mark.roster.names().len()).unwrap(),
        bundled: age(mark.bundled_at),
        shown: age(mark.shown_since),
        signs: age(mark.signs_since),
        from: roots(&mark.from),
        own_ca: mark.own_ca,
        removed: roots(&mark.removed),
        turn: mark.turn.map(|turn| (turn.number, whereto(turn.goal))),
    }
}

const fn whereto(goal: Goal) -> Whereto {
    match goal {
        Goal::Forward => Whereto::Forward,
        Goal::Trust => Whereto::Trust,
        Goal::Start => Whereto::Start,
    }
}

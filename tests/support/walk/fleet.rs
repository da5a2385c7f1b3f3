//! A fleet between two roots, and what a test does with it.

use std::cell::{Cell, RefCell};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use meshca::mesh::secret_files::{CERT_CHAIN, ROOT_CERT, SecretFiles};
use rustix::process::Pid;
use serde_json::Value;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::chance::Chance;
use super::gateway::{Doom, Dooms, Way};
use super::layout::{Habit, Layout, MESH, Order, Plane, restarted_at};
use super::record::{Course, Dated, Judged, judge};
use super::times::Times;
use crate::clusters::ApiServer;
use crate::faults::fleet::unseal;
use crate::faults::watcher::{Version, Watcher};
use crate::scripted_istiod::{Load, Place, decoded};
use crate::support::judges;
use crate::support::story::{Said, Story};

/// Only a hang takes this long.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);

/// How the versions of a set become known.
enum Eyes {
    /// All of them, as the API server tells them.
    Watcher(Watcher),
    /// By a look after each run, which writes to a folder once at most.
    Looks(RefCell<Vec<Dated>>),
}

struct Site {
    plane: Plane,
    eyes: Eyes,
    /// The restart that it has had.
    restarted: RefCell<Value>,
}

/// A fleet with its sets published under the first root, each loaded, and all there for the second one.
pub(crate) struct Fleet {
    pub(crate) story: Story,
    pub(crate) times: Times,
    dooms: Dooms,
    /// The most writes to API servers in one tick so far.
    most_writes: Cell<usize>,
    sites: Vec<Site>,
    remotes: Vec<Place>,
    /// The ways to the API servers of east, west and far.
    ways: Vec<Way>,
}

impl Fleet {
    pub(crate) fn in_folders(planes: &[(&'static str, Habit)], begin: OffsetDateTime) -> Self {
        let times = Times::new(begin);
        let layout = Layout::in_folders(planes, Order::AtOnce, &times);
        Self::begun(layout, times, Dooms::default())
    }

    pub(crate) fn on_servers(
        servers: [&'static ApiServer; 3],
        namespace: &str,
        order: Order,
        begin: OffsetDateTime,
    ) -> Self {
        let (times, dooms) = (Times::new(begin), Dooms::default());
        let layout = Layout::on_servers(servers, namespace, order, &times, &dooms);
        Self::begun(layout, times, dooms)
    }

    fn begun(layout: Layout, times: Times, dooms: Dooms) -> Self {
        let Layout { story, planes, remotes, ways } = layout;
        let at = times.text();
        let story = story.founded(MESH, &at);
        unseal(&story, "material/issuing/g1/issuing-key.pem");
        story.meshca(&format!("--at {at} rotate")).fine();
        let mut create = story.command(&format!(
            "--at {at} root create --next --passphrase-file passphrase --next-passphrase-file passphrase --confirm"
        ));
        Said::of(&judges::run(create.arg(format!("{MESH} root g2")))).fine();
        story.issuing_create(&at);
        unseal(&story, "material/issuing/g2/issuing-key.pem");
        let site = |plane: Plane| {
            let eyes = match &plane.home {
                Place::Namespace(server, namespace) => Eyes::Watcher(Watcher::start(server, namespace)),
                Place::Folder(_) => Eyes::Looks(RefCell::default()),
            };
            plane.istiod.up().unwrap();
            let restarted = RefCell::new(restarted_at(&plane.home));
            Site { plane, eyes, restarted }
        };
        let sites = planes.into_iter().map(site).collect();
        let fleet = Self { story, times, dooms, most_writes: Cell::new(0), sites, remotes, ways };
        fleet.look();
        fleet.settle(|_| true);
        fleet
    }

    /// One tick, now, with these words.
    pub(crate) fn tick(&self, words: &str) -> Said {
        self.run(&format!("rotate {words}"))
    }

    /// One run of this command, now.
    pub(crate) fn run(&self, line: &str) -> Said {
        let doom = Doom::never();
        self.dooms.set(Some(Arc::clone(&doom)));
        let said = Said::of(&judges::run(&mut self.command(line)));
        self.dooms.set(None);
        self.most_writes.set(self.most_writes.get().max(doom.passed()));
        self.look();
        said
    }

    pub(crate) fn most_writes(&self) -> usize {
        self.most_writes.get()
    }

    fn command(&self, line: &str) -> Command {
        self.story.command(&format!("--at {} {line}", self.times.text()))
    }

    /// One tick that is killed at its write of this number, if it makes so many. Whether it was.
    pub(crate) fn tick_killed_at(&self, number: usize, arrives: bool, words: &str) -> bool {
        let doom = Doom::new(number, arrives);
        self.dooms.set(Some(Arc::clone(&doom)));
        let mut child =
            self.command(&format!("rotate {words}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        doom.victim.set(Pid::from_child(&child)).unwrap();
        let code = child.wait().unwrap().code();
        self.dooms.set(None);
        self.look();
        assert_ne!(code, Some(101), "it panicked");
        code.is_none()
    }

    /// A run of this command that is killed when so much time has passed, if it has not ended before. Whether it was.
    pub(crate) fn run_killed_after(&self, time: std::time::Duration, line: &str) -> bool {
        let mut child = self.command(line).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(time);
        child.kill().unwrap();
        let code = child.wait().unwrap().code();
        self.look();
        assert_ne!(code, Some(101), "it panicked");
        code.is_none()
    }

    /// Where runs were killed.
    pub(crate) fn struck(&self) -> Vec<String> {
        self.dooms.struck()
    }

    /// Each istiod of which this is true takes note of what is published, restarts where it is told to, and shows what it
    /// has. The others notice nothing. Whatever was written is done after this.
    pub(crate) fn settle(&self, notices: impl Fn(usize) -> bool) {
        for site in self.sites.iter().enumerate().filter(|(number, _)| notices(*number)).map(|(_, site)| site) {
            site.plane.istiod.catch_up();
            site.plane.istiod.lag();
            site.restart_if_asked();
        }
        for site in &self.sites {
            wait(&format!("{} shows its roots", site.plane.name), || site.plane.istiod.has_shown());
        }
    }

    /// From now on these istiods take note of whatever is published, by themselves.
    pub(crate) fn let_run(&self, notices: impl Fn(usize) -> bool) {
        for (_, site) in self.sites.iter().enumerate().filter(|(number, _)| notices(*number)) {
            site.plane.istiod.catch_up();
        }
    }

    /// This istiod restarts, for no reason that meshca would know of.
    pub(crate) fn restart(&self, plane: usize) {
        self.sites[plane].plane.istiod.restart().unwrap();
    }

    /// The next update passes this istiod by: it will not load what it gives, until there is another one or a restart.
    pub(crate) fn miss_an_update(&self, plane: usize) {
        self.sites[plane].plane.istiod.drop_next_update();
    }

    /// The ways to the API servers, for those who cut them.
    pub(crate) fn ways(&self) -> &[Way] {
        &self.ways
    }

    /// Whether this istiod has loaded what is published.
    pub(crate) fn has_loaded(&self, plane: usize) -> bool {
        self.sites[plane].has_loaded()
    }

    /// This long passes, and nobody does anything meanwhile.
    pub(crate) fn pass(&self, time: Duration) {
        self.sites.iter().for_each(|site| site.plane.istiod.lag());
        self.settle(|_| false);
        self.times.leap(self.times.now().replace_nanosecond(0).unwrap() + time);
    }

    fn look(&self) {
        self.sites.iter().for_each(|site| site.look(self.times.now()));
    }

    pub(crate) fn planes(&self) -> usize {
        self.sites.len()
    }

    /// The published sets, to be compared.
    pub(crate) fn sets(&self) -> Vec<SecretFiles> {
        self.sites.iter().map(|site| site.plane.home.cacerts().unwrap()).collect()
    }

    /// The judgement of all that was published and loaded so far.
    pub(crate) fn judged(&self) -> Judged {
        let course = |site: &Site| Course {
            name: site.plane.name.to_owned(),
            versions: site.versions(&self.times),
            loads: site.plane.istiod.loads().into_iter().map(|Load { at, files }| Dated { at, files }).collect(),
        };
        let mut judged = judge(&self.sites.iter().map(course).collect::<Vec<_>>());
        judged.bad.extend(self.unshown());
        judged
    }

    /// Whose proxies would not trust their own istiod now, by the ConfigMap.
    fn unshown(&self) -> Vec<String> {
        let mut bad = Vec::new();
        for (number, site) in self.sites.iter().enumerate() {
            let serves = site.plane.istiod.loads().last().unwrap().files.clone();
            // Remotes belong to the first.
            let remotes = self.remotes.iter().filter(|_| number == 0);
            for place in remotes.chain([&site.plane.home]) {
                let shown = serves.clone().with(ROOT_CERT, place.shown().unwrap());
                let files = |files| Dated { at: self.times.now(), files };
                let versions = vec![files(serves.clone()), files(shown)];
                let own = Course {
                    name: format!("{} or a remote, by its ConfigMap", site.plane.name),
                    versions,
                    loads: Vec::new(),
                };
                bad.extend(judge(&[own]).bad);
            }
        }
        bad
    }

    /// Why the fleet does not stand on the second root alone, in words; `None`: it does.
    pub(crate) fn unfinished(&self) -> Option<String> {
        let alone = self.story.bytes("material/root/g2/root-cert.pem");
        let issuing = self.story.bytes("material/issuing/g2/issuing-cert.pem");
        for site in &self.sites {
            let name = site.plane.name;
            let Some(files) = site.plane.home.cacerts() else { return Some(format!("{name} cannot be read")) };
            if files.get(ROOT_CERT) != Some(&alone[..]) {
                return Some(format!("{name} has published other roots"));
            }
            if !files.get(CERT_CHAIN).is_some_and(|chain| chain.ends_with(&issuing)) {
                return Some(format!("{name} does not sign under the new root"));
            }
            if !site.has_loaded() {
                return Some(format!("the istiod of {name} has loaded something else"));
            }
        }
        let homes = self.sites.iter().map(|site| &site.plane.home);
        let shows_other = |place: &Place| place.shown().as_deref() != Some(&alone[..]);
        homes.chain(&self.remotes).any(shows_other).then(|| "a ConfigMap shows other roots".to_owned())
    }
}

/// The SHA-256 of the first root of a story, as people type it.
pub(crate) fn old_root(story: &Story) -> String {
    let path = story.path("material/root/g1/root-cert.pem").display().to_string();
    let said = judges::openssl(["x509", "-noout", "-fingerprint", "-sha256", "-in", &path]);
    let text = String::from_utf8(said.stdout).unwrap();
    text.trim().split_once('=').unwrap().1.replace(':', "").to_lowercase()
}

impl Site {
    fn look(&self, now: OffsetDateTime) {
        let Eyes::Looks(versions) = &self.eyes else { return };
        let files = self.plane.home.cacerts().unwrap();
        let mut versions = versions.borrow_mut();
        if versions.last().is_none_or(|last| last.files != files) {
            // As its folder is dated: to the second.
            versions.push(Dated { at: now.replace_nanosecond(0).unwrap(), files });
        }
    }

    fn versions(&self, times: &Times) -> Vec<Dated> {
        match &self.eyes {
            Eyes::Looks(versions) => versions.borrow().clone(),
            Eyes::Watcher(watcher) => watcher.versions().iter().map(|version| published(version, times)).collect(),
        }
    }

    fn has_loaded(&self) -> bool {
        let published = self.plane.home.cacerts();
        self.plane.istiod.loads().last().map(|load| &load.files) == published.as_ref()
    }

    fn restart_if_asked(&self) {
        let is_asked = match self.plane.habit {
            Habit::MultiRoot => false,
            Habit::RestartedByMeshca => {
                let asked = restarted_at(&self.plane.home);
                self.restarted.replace(asked.clone()) != asked
            }
            Habit::RestartedByPeople => !self.has_loaded(),
        };
        if is_asked {
            self.plane.istiod.restart().unwrap();
        }
    }
}

/// A version, dated by the server that has it.
fn published(version: &Version, times: &Times) -> Dated {
    assert_ne!(version.event, "DELETED", "no set is ever deleted");
    let managers = version.secret["metadata"]["managedFields"].as_array().into_iter().flatten();
    let stamps = managers.filter_map(|it| OffsetDateTime::parse(it["time"].as_str()?, &Rfc3339).ok());
    Dated { at: times.of(stamps.max().unwrap()), files: decoded(&version.secret["data"]) }
}

fn wait(what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < PATIENCE, "never so: {what}");
        thread::sleep(std::time::Duration::from_millis(5));
    }
}

// Each test program compiles this for itself and uses only some of it.
const _: () = {
    let _ = (Fleet::in_folders, Fleet::on_servers, Fleet::tick_killed_at, Fleet::run_killed_after, Fleet::struck);
    let _ = (Fleet::planes, Fleet::sets, Fleet::most_writes, Fleet::restart, Fleet::miss_an_update);
    let _ = (Fleet::has_loaded, Order::OneByOne);
    let _ = (Fleet::ways, Way::cut_after, Way::mend, Way::lost);
    let _ = (Chance::new, Chance::below, Chance::once_in);
    let _ = (Habit::RestartedByPeople, |fleet: &Fleet| fleet.let_run(|_| true));
};

//! A real istiod and the scripted one on the same `cacerts`: whatever is done to both, they must show the same. A test brings
//! it in with `#[path = "support/istiod_pair/mod.rs"] mod istiod_pair;`, beside `clusters`, `scripted_istiod` and `support`.

#![expect(clippy::disallowed_methods, reason = "tests touch the disk and the clock, and wait")]
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "an istiod that does not answer is a failed test"
)]

pub(crate) mod authority;
pub(crate) mod sight;
mod volume;

use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::clusters::{Clusters, Istiod};
use crate::scripted_istiod::{MultiRoot, Place, RELOADED, Script, ScriptedIstiod};
use authority::Files;
use sight::Sight;
use volume::Volume;

/// The first is home to the real one, the second to the stand-in, the third to tests without a real one.
pub(crate) static CLUSTERS: LazyLock<Clusters> = LazyLock::new(|| {
    let clusters = Clusters::start(3);
    (0..2).for_each(|index| clusters.server(index).create_namespace(NAMESPACE));
    clusters
});

/// Both write to the one ConfigMap of their cluster: one pair at a time.
static TURN: Mutex<()> = Mutex::new(());

pub(crate) const NAMESPACE: &str = "istio-system";

/// istiod reloads in a fraction of a second; a machine that builds meanwhile needs many times that.
const PATIENCE: Duration = Duration::from_secs(120);

/// A real istiod and the stand-in, on one folder.
pub(crate) struct Pair {
    pub(crate) volume: Volume,
    pub(crate) multi_root: MultiRoot,
    pub(crate) real: Option<Istiod>,
    pub(crate) stand_in: ScriptedIstiod,
    _turn: MutexGuard<'static, ()>,
}

impl Pair {
    pub(crate) fn start(files: &Files, multi_root: MultiRoot) -> Self {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        for server in [0, 1].map(|index| CLUSTERS.server(index)) {
            for object in ["configmap/istio-ca-root-cert", "secret/istio-ca-secret"] {
                assert!(server.kubectl(["delete", object, "-n", NAMESPACE, "--ignore-not-found"]).status.success());
            }
        }
        let volume = Volume::new(files);
        let home = Place::Namespace(CLUSTERS.server(1), NAMESPACE.to_owned());
        let script = Script { multi_root, ..Script::new(Place::Folder(volume.path()), home) };
        let stand_in = ScriptedIstiod::down_from_the_start(script);
        let mut pair = Self { volume, multi_root, real: None, stand_in, _turn: turn };
        pair.starts();
        pair
    }

    pub(crate) fn settings(&self) -> [&'static str; 1] {
        [if self.multi_root == MultiRoot::Off { "ISTIO_MULTIROOT_MESH=false" } else { "ISTIO_MULTIROOT_MESH=true" }]
    }

    /// Both start, and show the same.
    pub(crate) fn starts(&mut self) -> Sight {
        let (cacerts, work) = (self.volume.path(), self.volume.beside());
        self.real = Some(Istiod::start_with(CLUSTERS.server(0), &cacerts, &work, &self.settings()));
        self.stand_in.restart().unwrap();
        self.alike()
    }

    /// Both end and start again, and show the same.
    pub(crate) fn restarts(&mut self) -> Sight {
        self.real = None;
        self.starts()
    }

    /// Both end, and neither starts again: for the same reason, which has these words in it.
    pub(crate) fn refuse_to_start(&mut self, words: &str) {
        self.real = None;
        let why = self.stand_in.restart().unwrap_err();
        assert!(why.contains(words), "{why}");
        let log = Istiod::refusal(CLUSTERS.server(0), &self.volume.path(), &self.volume.beside(), &self.settings());
        assert!(log.contains(timeless(&why)), "the stand-in says {why}\nthe real one says {log}");
    }

    pub(crate) fn real(&self) -> &Istiod {
        self.real.as_ref().unwrap()
    }

    /// What both show, as soon as it is the same.
    pub(crate) fn alike(&self) -> Sight {
        let start = Instant::now();
        loop {
            let real = Sight::of(&self.real().address(), &self.real().metrics(), CLUSTERS.server(0));
            let stand_in = Sight::of(&self.stand_in.address(), &self.stand_in.metrics(), CLUSTERS.server(1));
            if real == stand_in {
                return real;
            }
            assert!(start.elapsed() < PATIENCE, "{real:#?}\n{stand_in:#?}\n{}", self.real().log());
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// How often the real one said this. Paths are those of the volume.
    pub(crate) fn said(&self, words: &str) -> usize {
        let folder = format!("{}/", self.volume.path().display());
        self.real().log().replace(&folder, "").matches(timeless(words)).count()
    }

    /// Both see this set, and say the same about it.
    pub(crate) fn sees(&self, files: &Files) -> (String, Sight) {
        let before = self.stand_in.log().len();
        let said_before = self.real().log();
        self.volume.put(files);
        let verdict = soon(|| self.stand_in.log().get(before).cloned());
        let folder = format!("{}/", self.volume.path().display());
        let count_before = said_before.replace(&folder, "").matches(timeless(&verdict)).count();
        soon(|| (self.said(&verdict) > count_before).then_some(()));
        (verdict, self.alike())
    }

    pub(crate) fn takes(&self, files: &Files) -> Sight {
        let (verdict, sight) = self.sees(files);
        assert_eq!(verdict, RELOADED);
        sight
    }

    /// Both drop it whole, with these words.
    pub(crate) fn drops(&self, files: &Files, words: &str) {
        let before = self.alike();
        let (verdict, after) = self.sees(files);
        assert!(verdict.contains(words), "{verdict}");
        assert_eq!(after, before);
    }
}

/// A reason without the moment in it, and without the names of missing files, which istiod does not give.
pub(crate) fn timeless(why: &str) -> &str {
    why.split(": current time").next().unwrap().split(" (without ").next().unwrap()
}

pub(crate) fn soon<T>(look: impl Fn() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not after {PATIENCE:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

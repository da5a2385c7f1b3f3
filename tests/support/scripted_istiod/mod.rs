//! **A stand-in for istiod.** It is not the real one: it serves no discovery and signs no workload. It does what meshca can
//! see of an istiod from outside, and follows the rules by which a real one takes or refuses its `cacerts`:
//!
//! - it serves, by TLS, a certificate signed by the `cacerts` that it has loaded, with the chain file after it;
//! - it offers the names of client CAs that were its roots when it started;
//! - it shows the gauges of its certificates;
//! - it writes its roots into the ConfigMap `istio-ca-root-cert`, if it leads.
//!
//! It is for tests in which time is simulated, or in which an istiod has to lag, to miss an update or to be down at a given
//! moment. **Where the machine's clock will do, take the real one** (`clusters::Istiod`). `slow_scripted_istiod.rs` feeds
//! both the same sets and compares all of the above: that is what the stand-in's word is worth.
//!
//! Whether a set is sound it asks of meshca itself (`mesh/checks/judgement.rs`): the same comparison holds these
//! predictions against the real one. By which rule a change of roots is taken (`rules.rs`) is written anew here.
//!
//! **Where it differs**: it looks for changes several times a second and takes what is unchanged for no event. It does not
//! restore a ConfigMap that somebody else changes. The key of its serving certificate is P-256 always. It speaks TLS 1.3
//! only and reads keys in PKCS#8 only. Down, it takes connections and ends them at once: so its ports stay its own.

#![expect(clippy::disallowed_methods, reason = "a server of a test reads the clock, waits and writes files")]
#![expect(clippy::unwrap_used, clippy::panic, reason = "a stand-in that cannot do its part is a failed test")]

mod listeners;
mod place;
mod rules;
mod serving;

use std::net::TcpListener;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use meshca::mesh::secret_files::SecretFiles;
use time::OffsetDateTime;

pub(crate) use place::{Place, decoded};
pub(crate) use rules::MultiRoot;
use rules::{Rules, Start, Update};
use serving::Serving;

/// How often it looks whether its `cacerts` changed.
const LOOK: Duration = Duration::from_millis(50);

/// The clock of a mesh: the machine's, moved to where a test wants it. Clones show the same time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Clock(Arc<AtomicI64>);

impl Clock {
    /// Lets it be this moment; from there it runs on.
    pub(crate) fn set(&self, moment: OffsetDateTime) {
        self.0.store((moment - OffsetDateTime::now_utc()).whole_seconds(), Ordering::SeqCst);
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::now_utc() + self.ahead()
    }

    /// How far it is ahead of the machine's, in whole seconds.
    pub(crate) fn ahead(&self) -> time::Duration {
        time::Duration::seconds(self.0.load(Ordering::SeqCst))
    }
}

/// What a replica is.
#[derive(Clone)]
pub(crate) struct Script {
    /// Where its `cacerts` comes from: a folder as the kubelet lays it out, or the Secret of a namespace.
    pub(crate) cacerts: Place,
    /// Where its ConfigMap goes, and where it keeps a CA that it makes itself.
    pub(crate) home: Place,
    /// The namespace in its names.
    pub(crate) namespace: String,
    pub(crate) multi_root: MultiRoot,
    /// Whether it is the replica that writes ConfigMaps.
    pub(crate) leads: bool,
    /// Further places for its ConfigMap: the system namespaces of its remotes.
    pub(crate) also_shows: Vec<Place>,
    pub(crate) clock: Clock,
}

impl Script {
    /// A replica that leads, in `istio-system`, with multi-root off and the machine's time.
    pub(crate) fn new(cacerts: Place, home: Place) -> Self {
        let (namespace, clock) = ("istio-system".to_owned(), Clock::default());
        Self { cacerts, home, namespace, multi_root: MultiRoot::Off, leads: true, also_shows: Vec::new(), clock }
    }

    fn rules(&self) -> Rules<'_> {
        Rules { multi_root: self.multi_root, namespace: &self.namespace, now: self.clock.now() }
    }
}

/// One replica, until it is dropped.
pub(crate) struct ScriptedIstiod {
    inner: Arc<Inner>,
    chain: u16,
    metrics: u16,
}

struct Inner {
    script: Script,
    state: Mutex<State>,
    /// Held by who writes its ConfigMaps.
    pen: Mutex<()>,
    is_over: AtomicBool,
}

#[derive(Default)]
struct State {
    /// What it has loaded and serves; none: it is down.
    running: Option<Running>,
    lags: bool,
    drops_next: bool,
    log: Vec<String>,
    loads: Vec<Load>,
}

/// That it loaded something, at a start or live.
#[derive(Debug, Clone)]
pub(crate) struct Load {
    pub(crate) at: OffsetDateTime,
    /// The set; of a CA of its own, that.
    pub(crate) files: SecretFiles,
}

struct Running {
    serving: Serving,
    /// What it has loaded; of a CA of its own, nothing.
    loaded: SecretFiles,
    /// What it saw last, whatever became of that.
    seen: SecretFiles,
    /// The roots that its ConfigMaps are to show, and whether they do.
    bundle: Vec<u8>,
    is_shown: bool,
    /// Whether it looks for changes at all: on a CA of its own it does not.
    watches: bool,
}

impl ScriptedIstiod {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// With the last words of an istiod that does not start with this `cacerts`.
    pub(crate) fn start(script: Script) -> Result<Self, String> {
        let replica = Self::down_from_the_start(script);
        replica.up()?;
        Ok(replica)
    }

    /// A replica that is there and does not run yet.
    pub(crate) fn down_from_the_start(script: Script) -> Self {
        let state = Mutex::new(State::default());
        let inner = Arc::new(Inner { script, state, pen: Mutex::default(), is_over: AtomicBool::new(false) });
        let listen = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let (chain, metrics) = (listen(), listen());
        let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
        let replica = Self { chain: port(&chain), metrics: port(&metrics), inner: Arc::clone(&inner) };
        listeners::serve_chain(chain, Arc::clone(&inner));
        listeners::serve_metrics(metrics, Arc::clone(&inner));
        thread::spawn(move || {
            while !inner.is_over.load(Ordering::SeqCst) {
                inner.look(false);
                thread::sleep(LOOK);
            }
        });
        replica
    }

    /// Where it serves its chain, for `istiod.addresses`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.chain)
    }

    /// Its metrics, for `istiod.metrics`.
    pub(crate) fn metrics(&self) -> String {
        format!("http://127.0.0.1:{}/metrics", self.metrics)
    }

    /// What it said, one line each.
    pub(crate) fn log(&self) -> Vec<String> {
        self.inner.state().log.clone()
    }

    /// What it has loaded so far, the last one last.
    pub(crate) fn loads(&self) -> Vec<Load> {
        self.inner.state().loads.clone()
    }

    /// Whether its ConfigMaps show what it has loaded, as far as it writes any; false: it is down, or about to write.
    pub(crate) fn has_shown(&self) -> bool {
        self.inner.state().running.as_ref().is_some_and(|it| it.is_shown || !self.inner.script.leads)
    }

    /// It ends, as a node that fails: what it serves is gone, its ConfigMap stays.
    pub(crate) fn down(&self) {
        self.inner.state().running = None;
    }

    /// It starts, if it is down, with what its `cacerts` is now.
    ///
    /// # Errors
    ///
    /// With the last words of an istiod that does not start with this. It stays down; Kubernetes would try again.
    pub(crate) fn up(&self) -> Result<(), String> {
        let mut state = self.inner.state();
        if state.running.is_none() {
            self.inner.start(&mut state)?;
        }
        drop(state);
        self.inner.show();
        Ok(())
    }

    /// It ends and starts.
    ///
    /// # Errors
    ///
    /// As [`ScriptedIstiod::up`].
    pub(crate) fn restart(&self) -> Result<(), String> {
        self.down();
        self.up()
    }

    /// From now on it sees no update, as on a node whose kubelet lags, until [`ScriptedIstiod::catch_up`]. A restart reads
    /// what is there all the same.
    pub(crate) fn lag(&self) {
        self.inner.state().lags = true;
    }

    /// It looks, now, and goes on looking.
    pub(crate) fn catch_up(&self) {
        self.inner.state().lags = false;
        self.inner.look(true);
    }

    /// The next update passes it by: it is not looked at again until there is another one, or a restart.
    pub(crate) fn drop_next_update(&self) {
        self.inner.state().drops_next = true;
    }
}

impl Drop for ScriptedIstiod {
    fn drop(&mut self) {
        self.inner.is_over.store(true, Ordering::SeqCst);
        // Whoever waits for a connection gets one, and sees that it is over.
        for port in [self.chain, self.metrics] {
            let _ = std::net::TcpStream::connect(("127.0.0.1", port));
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn start(&self, state: &mut State) -> Result<(), String> {
        let script = &self.script;
        let files = script.cacerts.cacerts().ok_or("its cacerts cannot be read now")?;
        let started = script.rules().start(&files).inspect_err(|why| state.log.push(why.clone()))?;
        let (loaded, watches) = match started {
            Start::Plugged => (files.clone(), true),
            Start::OnItsOwn => (self.own_ca(), false),
        };
        let (bundle, now) = (rules::roots(&loaded).to_vec(), script.clock.now());
        let serving = Serving::new(&loaded, &script.namespace, &script.clock, now);
        state.log.push(if watches { "Use local CA certificate" } else { SELF_SIGNED }.to_owned());
        state.loads.push(Load { at: now, files: loaded.clone() });
        state.running = Some(Running { serving, loaded, seen: files, bundle, is_shown: false, watches });
        Ok(())
    }

    /// Its own CA, as an istiod has one without a `cacerts`: made once, and kept.
    fn own_ca(&self) -> SecretFiles {
        let home = &self.script.home;
        home.own_ca().unwrap_or_else(|| {
            let made = serving::self_signed(self.script.clock.now());
            home.keep_own_ca(&made);
            made
        })
    }

    /// Looks at its `cacerts`, unless it lags, and does what follows.
    fn look(&self, though_it_lags: bool) {
        // Who lags need not ask.
        if !though_it_lags && self.state().lags {
            return self.show();
        }
        // A folder or an API server that cannot be read shows no update.
        let Some(files) = self.script.cacerts.cacerts() else { return };
        let mut state = self.state();
        if !state.lags || though_it_lags {
            self.notice(&mut state, files);
        }
        drop(state);
        self.show();
    }

    fn notice(&self, state: &mut State, files: SecretFiles) {
        let State { running: Some(running), drops_next, log, loads, .. } = state else { return };
        if !running.watches || running.seen == files {
            return;
        }
        let (script, now) = (&self.script, self.script.clock.now());
        running.seen = files.clone();
        if std::mem::take(drops_next) {
            return;
        }
        let update = script.rules().update(&running.loaded, &files);
        if let Ok(Update::Whole) = update {
            running.serving.sign(&files, &script.namespace, now);
        }
        if let Ok(Update::Whole | Update::WithoutServing) = update {
            (running.bundle, running.is_shown) = (rules::roots(&files).to_vec(), false);
        }
        match update {
            Ok(update) => {
                loads.push(Load { at: now, files: files.clone() });
                running.serving.record(&files);
                running.loaded = files;
                log.push(if update == Update::SignerAlone { HALF_RELOADED } else { RELOADED }.to_owned());
            }
            Err(why) => log.push(why),
        }
    }

    /// Writes its ConfigMaps, where they do not show what they should; what cannot be written is tried again.
    fn show(&self) {
        let _pen = self.pen.lock().unwrap_or_else(PoisonError::into_inner);
        let unshown = |state: &State| state.running.as_ref().filter(|it| !it.is_shown).map(|it| it.bundle.clone());
        let Some(bundle) = unshown(&self.state()).filter(|_| self.script.leads) else { return };
        // Not while it holds its state: an API server may not answer for a while, and istiod does meanwhile.
        let places = [&self.script.home].into_iter().chain(&self.script.also_shows);
        // Each place is tried, whatever became of the one before.
        let shown: Vec<bool> = places.map(|place| place.show(&bundle)).collect();
        if let Some(running) = self.state().running.as_mut().filter(|it| it.bundle == bundle) {
            running.is_shown = shown.into_iter().all(|it| it);
        }
    }
}

/// What istiod says when it makes a CA of its own.
const SELF_SIGNED: &str = "Use self-signed certificate as the CA certificate";

/// What istiod says after a reload.
pub(crate) const RELOADED: &str =
    "Istiod has detected the newly added intermediate CA and updated its key and certs accordingly";

/// What istiod says where it cannot hand on the roots of what it has just taken.
pub(crate) const HALF_RELOADED: &str = "Failed generating plugged-in istiod key cert";

// Each test program compiles this for itself and uses only some of it.
const _: () = {
    let _ =
        (ScriptedIstiod::start, ScriptedIstiod::down_from_the_start, ScriptedIstiod::address, ScriptedIstiod::metrics);
    let _ = (ScriptedIstiod::log, ScriptedIstiod::restart, ScriptedIstiod::lag, ScriptedIstiod::catch_up);
    let _ = (ScriptedIstiod::drop_next_update, Script::new, Clock::set, RELOADED, HALF_RELOADED);
    let _ = [MultiRoot::Substring, MultiRoot::Containment];
    let _ = (ScriptedIstiod::loads, ScriptedIstiod::has_shown, Place::cacerts, Place::shown, decoded, Clock::ahead);
    let _ = |load: Load| (load.at, load.files);
};

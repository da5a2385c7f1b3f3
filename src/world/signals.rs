//! SIGTERM and SIGINT: the first asks the program to end, a second one ends it where it stands. Either way no process that it
//! started in a group of its own goes on.

use std::io::Read;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::problem::{Code, Problem};
use crate::world::brake::Brake;

/// The signals are heard once in a process.
static HEARD: OnceLock<Result<(), Problem>> = OnceLock::new();
/// What else is ended then.
static AT_END: OnceLock<fn()> = OnceLock::new();
/// Whether the first has come.
static HAS_COME: AtomicBool = AtomicBool::new(false);

/// From now on the first SIGTERM or SIGINT pulls this brake. Before anything of this process is started that might have to
/// end with it.
///
/// # Errors
/// `signals-unheard`: the operating system gives no way to hear them.
pub fn pull(brake: Arc<Brake>) -> Result<(), Problem> {
    hear(Some(brake))
}

/// From now on the first SIGTERM or SIGINT calls this, and then ends this program as it would have without; or it pulls the
/// brake, if there is one.
#[cfg(feature = "k8s")]
pub(super) fn pass_on(at_end: fn()) -> Result<(), Problem> {
    AT_END.get_or_init(|| at_end);
    hear(None)?;
    // Where it came before, nobody else calls it.
    if HAS_COME.load(Ordering::SeqCst) {
        at_end();
    }
    Ok(())
}

fn hear(brake: Option<Arc<Brake>>) -> Result<(), Problem> {
    let heard = HEARD.get_or_init(|| {
        register(brake).map_err(|error| {
            Problem::new(Code::SignalsUnheard, format!("SIGTERM cannot be waited for: {error}"))
                .hint("look whether the process may still open files and start threads (ulimit -a)")
        })
    });
    heard.clone()
}

fn register(brake: Option<Arc<Brake>>) -> std::io::Result<()> {
    let (mut hears, speaks) = std::io::pipe()?;
    let (once, which) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set.
        flag::register_conditional_default(signal, Arc::clone(&once))?;
        flag::register(signal, Arc::clone(&once))?;
        flag::register_usize(signal, Arc::clone(&which), usize::try_from(signal).unwrap_or_default())?;
        low_level::pipe::register(signal, speaks.try_clone()?)?;
    }
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        // The writing ends live as long as the process, so that nothing else ends this wait.
        if hears.read_exact(&mut [0]).is_err() {
            return;
        }
        // Before: whoever finds its plug-in ended is to know why.
        if let Some(brake) = &brake {
            brake.end();
        }
        HAS_COME.store(true, Ordering::SeqCst);
        if let Some(end) = AT_END.get() {
            end();
        }
        if brake.is_none() {
            let signal = i32::try_from(which.load(Ordering::SeqCst)).unwrap_or(SIGTERM);
            let _ = low_level::emulate_default_handler(signal);
        }
    })?;
    Ok(())
}

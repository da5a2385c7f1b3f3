//! SIGTERM and SIGINT: the first asks the program to end, a second one ends it where it stands.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::{flag, low_level};

use crate::problem::{Code, Problem};
use crate::world::brake::Brake;

/// From now on the first SIGTERM or SIGINT pulls this brake.
///
/// # Errors
/// `signals-unheard`: the operating system gives no way to hear them.
pub fn pull(brake: Arc<Brake>) -> Result<(), Problem> {
    register(brake).map_err(|error| {
        Problem::new(Code::SignalsUnheard, format!("SIGTERM cannot be waited for: {error}"))
            .hint("look whether the process may still open files and start threads (ulimit -a)")
    })
}

fn register(brake: Arc<Brake>) -> std::io::Result<()> {
    let (mut heard, speaks) = std::io::pipe()?;
    let once = Arc::new(AtomicBool::new(false));
    for signal in [SIGTERM, SIGINT] {
        // In this order: the first signal finds the flag unset and sets it, the second finds it set.
        flag::register_conditional_default(signal, Arc::clone(&once))?;
        flag::register(signal, Arc::clone(&once))?;
        low_level::pipe::register(signal, speaks.try_clone()?)?;
    }
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        // The writing ends live as long as the process, so that nothing else ends this wait.
        if heard.read_exact(&mut [0]).is_ok() {
            brake.end();
        }
    })?;
    Ok(())
}

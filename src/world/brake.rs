//! What keeps a run from going on: the wish that it ends, or a Lease that it does not hold.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::problem::{Code, Problem};
use crate::world::clock;

/// Shared by the run, by who hears signals and by who keeps the Lease. A brake that nobody pulls lets everything pass.
#[derive(Debug, Default)]
pub struct Brake {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    ends: bool,
    right: Right,
    news: Option<News>,
}

/// Whether this run may write.
#[derive(Debug, Default, Clone, Copy)]
enum Right {
    /// It needs no Lease.
    #[default]
    Always,
    /// Its Lease was renewed, and is good until then.
    Until(Instant),
    /// It waits for its Lease, or has lost it.
    Never,
}

/// What the keeper of the Lease has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// The Lease is held from now on.
    Holds(String),
    /// Another has it.
    StandsBy(String),
    /// Why it does not come forward.
    Trouble(Problem),
}

/// What a run waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It may begin.
    Begin,
    /// It is to end.
    End,
    /// It still waits, and there is something to say.
    Tell(News),
}

/// Why nothing new is begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The run was asked to end.
    Ends,
    /// The Lease is not held.
    NoLease,
}

impl Hold {
    /// The reason in words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Hold::Ends => "this run was asked to end",
            Hold::NoLease => "the Lease is no longer held",
        }
    }
}

impl Brake {
    /// Asks the run to end: what is being written is finished, and nothing new is begun.
    pub fn end(&self) {
        self.change(|state| state.ends = true);
    }

    /// From now on nothing is written without a Lease.
    pub fn needs_lease(&self) {
        self.change(|state| state.right = Right::Never);
    }

    /// The Lease is held, and good until then unless it is renewed.
    pub fn holds_lease_until(&self, end: Instant) {
        self.change(|state| state.right = Right::Until(end));
    }

    /// Something to say when the run next waits.
    pub fn tell(&self, news: News) {
        self.change(|state| state.news = Some(news));
    }

    /// Why no new target may be begun; `None`: one may.
    #[must_use]
    pub fn hold(&self) -> Option<Hold> {
        let state = self.state();
        if state.ends {
            Some(Hold::Ends)
        } else if state.may_write() {
            None
        } else {
            Some(Hold::NoLease)
        }
    }

    /// Whether a write that was begun may still be sent.
    ///
    /// # Errors
    /// `lease-lost`.
    pub fn may_write(&self) -> Result<(), Problem> {
        if self.state().may_write() {
            return Ok(());
        }
        let what = "the Lease that keeps two replicas apart is no longer held; nothing was written";
        Err(Problem::new(Code::LeaseLost, what).hint("none is needed: the replica that holds it goes on"))
    }

    /// Waits until the run may begin, and not before this moment; until it is to end, or there is something to say.
    #[must_use]
    pub fn wait_for_turn(&self, not_before: Instant) -> Turn {
        let mut state = self.state();
        loop {
            if state.ends {
                return Turn::End;
            }
            if let Some(news) = state.news.take() {
                return Turn::Tell(news);
            }
            let left = not_before.saturating_duration_since(clock::steady());
            state = match (state.may_write(), left) {
                (true, Duration::ZERO) => return Turn::Begin,
                (true, left) => self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0,
                (false, _) => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.changed.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is one assignment: a panic elsewhere leaves nothing half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_write(&self) -> bool {
        match self.right {
            Right::Always => true,
            Right::Until(end) => clock::steady() < end,
            Right::Never => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn without_a_lease_everything_passes_until_the_end_and_then_only_what_was_begun() {
        let brake = Brake::default();
        assert_eq!((brake.hold(), brake.wait_for_turn(clock::steady())), (None, Turn::Begin));
        brake.end();
        assert_eq!((brake.hold(), brake.wait_for_turn(clock::steady())), (Some(Hold::Ends), Turn::End));
        assert!(brake.may_write().is_ok(), "what is being written is finished");
    }

    #[test]
    fn a_lease_is_good_until_its_end_and_not_longer() {
        let brake = Brake::default();
        brake.needs_lease();
        assert_eq!(brake.hold(), Some(Hold::NoLease));
        brake.holds_lease_until(clock::steady() + HOUR);
        assert_eq!((brake.hold(), brake.wait_for_turn(clock::steady())), (None, Turn::Begin));
        brake.holds_lease_until(clock::steady());
        assert_eq!(brake.hold(), Some(Hold::NoLease));
        assert_eq!(brake.may_write().unwrap_err().code(), Code::LeaseLost);
    }

    #[test]
    fn news_is_told_once_and_before_the_turn() {
        let brake = Brake::default();
        let news = News::StandsBy("it stands by".to_owned());
        brake.tell(news.clone());
        assert_eq!(brake.wait_for_turn(clock::steady() + HOUR), Turn::Tell(news));
        assert_eq!(brake.wait_for_turn(clock::steady()), Turn::Begin);
    }

    #[test]
    fn who_waits_is_woken_by_the_end() {
        for lease in [false, true] {
            let brake = Brake::default();
            if lease {
                brake.needs_lease();
            }
            std::thread::scope(|scope| {
                let waits = scope.spawn(|| brake.wait_for_turn(clock::steady() + HOUR));
                brake.end();
                assert_eq!(waits.join().unwrap(), Turn::End);
            });
        }
    }
}

//! The clock of a mesh whose days pass in seconds: it runs as the machine's does, and leaps between two ticks.

use std::sync::{Arc, Mutex};
use std::thread;

use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use crate::scripted_istiod::Clock;

/// A clock, and how far it was ahead of the machine's in each second so far. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Times {
    pub(crate) clock: Clock,
    leaps: Arc<Mutex<Vec<Leap>>>,
}

/// From this second of the machine's on (since 1970), it is so far ahead.
struct Leap {
    from: i64,
    ahead: Duration,
}

impl Times {
    /// It begins at this moment.
    pub(crate) fn new(moment: OffsetDateTime) -> Self {
        let times = Self { clock: Clock::default(), leaps: Arc::default() };
        times.leap(moment);
        times
    }

    /// Lets it be this moment. That happens when a second of the machine's begins, so that a stamp in whole seconds of
    /// the machine's has one meaning only; nobody may be writing meanwhile.
    pub(crate) fn leap(&self, moment: OffsetDateTime) {
        let second = || OffsetDateTime::now_utc().unix_timestamp();
        let present = second();
        while second() == present {
            thread::sleep(std::time::Duration::from_millis(2));
        }
        // What is a part of a second is cut off.
        self.clock.set(moment + Duration::SECOND);
        self.leaps.lock().unwrap().push(Leap { from: present + 1, ahead: self.clock.ahead() });
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    /// The present second, as a command line takes it.
    pub(crate) fn text(&self) -> String {
        self.now().replace_nanosecond(0).unwrap().format(&Rfc3339).unwrap()
    }

    /// What it said in this second of the machine's.
    pub(crate) fn of(&self, stamp: OffsetDateTime) -> OffsetDateTime {
        let leaps = self.leaps.lock().unwrap();
        let leap = leaps.iter().rfind(|leap| leap.from <= stamp.unix_timestamp()).unwrap_or(&leaps[0]);
        stamp + leap.ahead
    }
}

//! The watch over a change of root: its stages, and whether it is late.

use std::collections::BTreeSet;

use time::OffsetDateTime;

use crate::mesh::progress::Progress;
use crate::mesh::rehearsal::rehearsed::Unfinished;
use crate::mesh::rehearsal::timeline::Event;
use crate::mesh::stage::Stage;

/// What is known of a change of root.
#[derive(Default)]
pub(super) struct RootChangeWatch {
    /// The generations of the two roots and the stage, at the last look.
    at: Option<(u32, u32, Stage)>,
    late: BTreeSet<(u32, Stage)>,
    unfinished: Option<Unfinished>,
}

impl RootChangeWatch {
    /// Looks at how far it has come, and tells what is new.
    pub(super) fn follow(&mut self, progress: Option<&Progress>, now: OffsetDateTime) -> Vec<Event> {
        let mut events = Vec::new();
        let at = progress.and_then(|it| Some((it.from.first()?.generation, it.to.generation, it.stage)));
        match (self.at, at) {
            (before, Some((from, to, stage))) if before != at => events.push(Event::Stage(stage, from, to)),
            (Some((from, to, _)), None) => events.push(Event::Changed(from, to)),
            _ => {}
        }
        self.at = at;
        if let Some(it) = progress {
            let next = it.stage.next();
            if it.latest_start < now && self.late.insert((it.to.generation, next)) {
                events.push(Event::Late(next, it.latest_start));
            }
        }
        self.unfinished = progress.map(|it| Unfinished {
            stage: it.stage,
            holdups: it.holdups.iter().map(|holdup| (holdup.cluster.clone(), holdup.why.clone())).collect(),
            is_late: it.holdups.iter().any(|holdup| holdup.is_late),
        });
        events
    }

    /// What there is left of it.
    pub(super) fn unfinished(self) -> Option<Unfinished> {
        self.unfinished
    }
}

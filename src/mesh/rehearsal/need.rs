//! The days on which people are needed.

use time::{Duration, OffsetDateTime};

use crate::mesh::fleet::ClusterName;
use crate::mesh::rehearsal::fault::Errand;

/// Something that only people can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// What.
    pub what: What,
    /// Why, as one sentence without a full stop.
    pub why: String,
    /// When they are asked, UTC.
    pub asked: OffsetDateTime,
    /// By when they must begin, UTC; `None`: nothing comes of it if they do not.
    pub begin_by: Option<OffsetDateTime>,
    /// When they begin in this rehearsal, UTC.
    pub begins: OffsetDateTime,
    /// When it is done, UTC.
    pub done: OffsetDateTime,
}

/// What people do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// The first ceremony: a root, and what it must sign.
    Founding {
        /// Until when its stock lasts, UTC, where there is no issuing CA.
        stock_until: OffsetDateTime,
    },
    /// A new issuing CA under the root of this generation.
    IssuingCa {
        /// The generation of the root.
        root: u32,
        /// Whether that root must be named, since there is another.
        is_named: bool,
    },
    /// Intermediates for the stock, under the root of this generation, that last until then.
    Stock {
        /// The generation of the root.
        root: u32,
        /// Whether that root must be named, since there is another.
        is_named: bool,
        /// Until when, UTC.
        until: OffsetDateTime,
    },
    /// The next root, of this generation, and what it must sign.
    NextRoot {
        /// Its generation.
        root: u32,
        /// Until when its stock lasts, UTC, where there is no issuing CA.
        stock_until: OffsetDateTime,
    },
    /// Saying that the root of this generation may go.
    Approval {
        /// Its generation.
        root: u32,
    },
    /// A restart of the istiod of this cluster.
    Restart {
        /// Which one.
        cluster: ClusterName,
    },
    /// The file of this cluster, to be applied.
    Apply {
        /// Which one.
        cluster: ClusterName,
    },
}

impl What {
    /// What people are sent for.
    #[must_use]
    pub const fn errand(&self) -> Errand {
        match self {
            What::Founding { .. } | What::IssuingCa { .. } | What::Stock { .. } | What::NextRoot { .. } => {
                Errand::Ceremony
            }
            What::Approval { .. } => Errand::Approval,
            What::Restart { .. } | What::Apply { .. } => Errand::Restart,
        }
    }

    /// In a few words.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            What::Founding { .. } => "the founding ceremony".to_owned(),
            What::IssuingCa { .. } => "a new issuing CA".to_owned(),
            What::Stock { .. } => "intermediates for the stock".to_owned(),
            What::NextRoot { root, .. } => format!("root g{root}, which begins a change of root"),
            What::Approval { root } => format!("the approval that root g{root} may go"),
            What::Restart { cluster } => format!("a restart of istiod in {cluster}"),
            What::Apply { cluster } => format!("the new file of {cluster} to be applied"),
        }
    }
}

/// How long people take for a restart or a file, which needs no appointment.
pub(super) const SAME_DAY: Duration = Duration::hours(8);

impl Need {
    /// Whether they begin on a later day than is safe. Who is asked in the morning of the last day is not late.
    #[must_use]
    pub fn is_late(&self) -> bool {
        self.begin_by.is_some_and(|by| self.begins.date() > by.date())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use time::macros::datetime;

    #[test]
    fn the_last_safe_day_is_not_late_and_the_next_one_is() {
        let by = datetime!(2027-11-01 0:00 UTC);
        let late = |begins, begin_by| {
            let (what, why) = (What::Approval { root: 1 }, String::new());
            Need { what, why, asked: by, begin_by, begins, done: begins }.is_late()
        };
        assert!(!late(datetime!(2027-11-01 23:59:59 UTC), Some(by)));
        assert!(late(datetime!(2027-11-02 0:00 UTC), Some(by)));
        assert!(!late(datetime!(2027-11-02 0:00 UTC), None));
    }
}

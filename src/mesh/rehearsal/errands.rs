//! The list of what people are asked for in a rehearsal.

use crate::mesh::rehearsal::need::{Need, What};

/// What people were asked for, and whether it is done.
#[derive(Default)]
pub(super) struct Errands {
    pub(super) needs: Vec<(Need, bool)>,
}

impl Errands {
    pub(super) fn into_needs(self) -> Vec<Need> {
        self.needs.into_iter().map(|(need, _)| need).collect()
    }

    /// Whether people are on their way to something like this.
    pub(super) fn is_pending(&self, is_it: impl Fn(&What) -> bool) -> bool {
        self.needs.iter().any(|(need, is_done)| !is_done && is_it(&need.what))
    }
}

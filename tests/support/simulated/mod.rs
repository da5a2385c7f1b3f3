//! Fleets that are simulated: the truth about each cluster, what meshca sees of it, and the steps of its real planner.

pub(crate) mod ages;
pub(crate) mod layout;
pub(crate) mod pool;
pub(crate) mod sight;
pub(crate) mod tick;
pub(crate) mod truth;
pub(crate) mod world;

//! DECIDE about the fleet, in Istio's words. As pure as the floor below.

pub mod cacerts;
pub mod change;
mod concern;
pub mod deadline;
pub mod fleet;
#[cfg(test)]
pub(crate) mod fleet_story;
pub mod holdings;
pub mod metrics;
pub mod observed;
pub mod outcome;
pub mod ownership;
pub mod plan;
pub mod row;
mod sighting;
pub mod standing;
pub mod status;
mod status_document;
mod verdict;

//! DECIDE about the fleet, in Istio's words. As pure as the floor below.

pub(crate) mod access_rules;
pub mod cacerts;
pub mod change;
pub mod checks;
pub(crate) mod cluster_rules;
mod concern;
pub mod consumers;
pub mod deadline;
pub mod fleet;
#[cfg(test)]
pub(crate) mod fleet_story;
mod headline;
pub mod holdings;
pub(crate) mod judge;
pub mod ledger;
pub(crate) mod lifetime_rules;
pub mod mesh_file;
pub(crate) mod mesh_rules;
pub mod mesh_schema;
pub mod mesh_template;
pub mod metrics;
pub mod minting;
pub mod observed;
pub mod outcome;
pub mod ownership;
pub mod plan;
pub mod row;
pub mod secret_files;
pub mod secret_manifest;
pub mod shared_key;
mod sighting;
pub(crate) mod snippet;
pub mod span;
pub mod standing;
pub mod status;
mod status_document;
pub mod unrecorded;

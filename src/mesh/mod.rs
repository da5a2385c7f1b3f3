//! DECIDE about the fleet, in Istio's words. As pure as the floor below.

pub(crate) mod access_rules;
pub mod cacerts;
pub mod change;
pub mod checks;
pub(crate) mod cluster_rules;
pub mod consumers;
pub mod deadline;
pub mod fleet;
pub mod holdings;
pub(crate) mod judge;
pub mod ledger;
pub(crate) mod lifetime_rules;
pub mod mesh_file;
pub(crate) mod mesh_rules;
pub mod mesh_schema;
pub mod mesh_template;
pub mod minting;
pub mod observed;
pub mod ownership;
pub mod plan;
pub mod secret_files;
pub mod secret_manifest;
pub(crate) mod snippet;
pub mod span;

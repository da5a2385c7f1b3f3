//! DECIDE about the fleet, in Istio's words. As pure as the floor below.

pub(crate) mod cluster_rules;
pub mod fleet;
pub mod mesh_file;
pub(crate) mod mesh_rules;
pub mod mesh_schema;
pub mod mesh_template;
pub(crate) mod snippet;
pub mod span;

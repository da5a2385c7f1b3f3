//! DECIDE about the fleet, in Istio's words. As pure as the floor below.

pub mod fleet;

pub mod span;

pub(crate) mod snippet;

pub mod mesh_schema;

pub(crate) mod judge;

pub(crate) mod lifetime_rules;

pub(crate) mod access_rules;

pub(crate) mod cluster_rules;

pub(crate) mod mesh_rules;

pub mod mesh_file;

pub mod mesh_template;

//! DECIDE about the fleet, in Istio's words. As pure as the floor below.

pub(crate) mod access_rules;
mod admission;
pub mod adoption;
#[cfg(test)]
mod adoption_cases;
pub mod cacerts;
pub mod cadence;
pub mod change;
pub mod checks;
pub mod choice;
pub mod clocks;
pub mod cluster_label;
pub mod cluster_naming;
pub(crate) mod cluster_rules;
pub mod common_root;
mod concern;
pub mod consumers;
pub mod context_list;
mod convoy;
pub mod counting;
pub mod deadline;
pub mod deployment_list;
pub mod event;
mod evidence;
pub mod exporter_page;
pub mod exposition;
pub mod field_manager;
pub mod fleet;
#[cfg(test)]
pub(crate) mod fleet_story;
pub mod footing;
#[cfg(test)]
mod gate_cases;
pub mod gates;
pub mod go_duration;
mod headline;
pub mod holdings;
pub mod istiod_deployment;
pub mod istiod_gauges;
pub(crate) mod judge;
pub mod last_tick;
pub mod leak;
#[cfg(test)]
mod leak_cases;
pub mod leak_document;
pub mod leak_finding;
pub mod lease;
pub mod ledger;
pub(crate) mod lifetime_rules;
pub mod limit;
mod lingering;
pub mod loaded;
pub mod manifests;
pub mod mesh_file;
pub(crate) mod mesh_rules;
pub mod mesh_schema;
pub mod mesh_template;
pub mod metrics;
pub mod minting;
pub mod name_list;
mod note;
pub mod observed;
pub mod outcome;
pub mod ownership;
mod pair;
mod party;
mod peer_trust;
pub mod plan;
#[cfg(test)]
mod plan_cases;
pub mod progress;
pub mod progress_document;
pub mod proposal;
pub mod public_status;
#[cfg(test)]
mod public_status_cases;
pub mod rehearsal;
pub mod remote_secret;
mod renewal;
#[cfg(test)]
mod repair_cases;
pub mod report_changes;
pub mod report_document;
#[cfg(test)]
mod restart_cases;
pub mod roster;
pub mod row;
pub mod row_document;
pub mod secret_files;
pub mod secret_manifest;
pub mod served_chain;
pub mod shard;
pub mod shared_key;
mod sighting;
pub mod signing_root;
pub(crate) mod snippet;
pub mod span;
pub mod stage;
pub mod standing;
pub mod status;
pub mod status_part;
pub mod step;
pub mod stock_series;
pub mod taint;
pub mod tally;
#[cfg(test)]
mod target_cases;
mod target_plan;
pub mod trust_bundle;
pub mod trust_matrix;
pub mod turn;
pub mod unrecorded;
mod unused_root;
pub mod walk;
#[cfg(test)]
mod walk_cases;
pub mod walk_mark;
pub mod window;
pub(crate) mod window_rules;
pub mod windows;

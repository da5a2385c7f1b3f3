//! The Kubernetes API: who it is reached as, one request and its answer, and what of a target lies behind it.
//!
//! Only single objects are asked for, by name, but for istiod's Deployments, which are listed by their label. Nothing here
//! watches, and nothing here deletes.

pub mod announcement;
pub mod api_servers;
mod conversation;
mod credential_plugin;
mod exchange;
mod home;
mod kubeconfig;
pub mod lease_keeper;
mod refusal;
pub mod rollout;
pub mod status_map;
pub mod target;

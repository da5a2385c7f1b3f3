//! The Kubernetes API: who it is reached as, one request and its answer, and what of a target lies behind it.
//!
//! Only single objects are asked for, by name. Nothing here lists or watches, and nothing here deletes.

pub mod api_servers;
mod conversation;
mod credential_plugin;
pub mod event;
mod exchange;
mod home;
mod kubeconfig;
pub mod lease;
mod refusal;
pub mod status_map;
pub mod target;

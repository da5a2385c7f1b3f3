//! TOUCH: everything that can fail for reasons of its own.

pub mod brake;
#[cfg(feature = "k8s")]
mod child_groups;
pub mod clock;
pub mod core_dump;
pub mod directory;
pub mod entropy;
#[cfg(feature = "k8s")]
pub mod exporter_place;
pub mod files;
#[cfg(feature = "k8s")]
pub mod http_server;
pub mod issuing_key;
#[cfg(feature = "k8s")]
pub mod istiod;
#[cfg(feature = "k8s")]
mod istiod_chain;
#[cfg(feature = "k8s")]
mod istiod_connection;
#[cfg(feature = "k8s")]
mod istiod_metrics;
mod key_half;
pub mod key_seal;
pub mod kubeconfig_files;
#[cfg(feature = "k8s")]
pub mod kubernetes;
pub mod ledger_file;
pub mod lock;
pub mod manifest;
pub mod mesh_folder;
pub mod passphrase;
#[cfg(feature = "k8s")]
mod plain_http;
#[cfg(feature = "k8s")]
pub mod pushgateway;
#[cfg(feature = "ceremony")]
pub mod root_key;
pub mod signals;
#[cfg(feature = "k8s")]
pub mod status_file;
pub mod store;
pub mod targets;
pub mod terminal;
pub mod trust_bundles;

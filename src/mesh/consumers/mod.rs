//! What each consumer of a `cacerts` set would do with it: istiod, istio-agent, Envoy, rustls-webpki.

pub(in crate::mesh) mod agent;
pub mod circumstances;
pub(in crate::mesh) mod crl_file;
pub(in crate::mesh) mod envoy;
pub(in crate::mesh) mod go_path;
pub(in crate::mesh) mod istiod_reload;
pub(in crate::mesh) mod istiod_start;
pub(in crate::mesh) mod lineage;
pub(in crate::mesh) mod material;
pub(in crate::mesh) mod public_file;
pub mod verdict;
pub(in crate::mesh) mod webpki;

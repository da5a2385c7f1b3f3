//! meshca: a certificate authority and certificate distribution tool for multi-cluster Istio meshes.
//!
//! The house has five floors, and an import only ever goes down:
//!
//! ```text
//! cli speaks ─▶ jobs order ─▶ world touches ─▶ mesh decides about the fleet ─▶ pki decides about certificates
//! ```
//!
//! `pki` and `mesh` are pure: moments, serials and keys come in as arguments. `problem` stands outside the floors:
//! the register of codes that all of them may name.

pub mod problem;

pub mod pki;

pub mod mesh;

pub mod world;

pub mod jobs;

pub mod cli;

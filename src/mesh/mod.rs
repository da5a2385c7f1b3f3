//! DECIDE about the fleet, in Istio's words. As pure as the floor below.

pub mod cacerts;
pub mod change;
pub mod deadline;
pub mod fleet;
pub mod holdings;
pub mod ledger;
pub mod observed;
pub mod ownership;
pub mod plan;
pub mod secret_manifest;

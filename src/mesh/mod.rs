//! DECIDE about the fleet, in Istio's words. As pure as the floor below.

pub mod checks;
pub mod consumers;
pub mod fleet;
pub mod secret_files;

//! DECIDE about the fleet, in Istio's words. As pure as the floor below.

pub mod fleet;

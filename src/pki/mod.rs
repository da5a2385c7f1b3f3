//! DECIDE about certificates. No cluster, clock, disk, network or environment.

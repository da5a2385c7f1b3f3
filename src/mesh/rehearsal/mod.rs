//! A rehearsal: the real planner over simulated clusters, simulated people and a simulated clock.

mod errands;
pub mod fault;
mod handshakes;
pub mod need;
mod pair_watch;
mod people_at_work;
pub mod present;
#[cfg(test)]
mod rehearsal_cases;
pub mod rehearsed;
mod root_change_watch;
pub mod script;
mod simulated_cluster;
mod simulated_istiod;
mod simulated_people;
pub mod simulation;
pub mod timeline;

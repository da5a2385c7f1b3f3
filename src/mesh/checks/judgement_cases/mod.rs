//! Whole sets, each broken in one way: what the judgement says of them.

mod authority_cases;
mod chain_cases;
mod constraint_cases;
mod file_cases;
mod judged;
mod key_cases;
mod reload_cases;
mod time_cases;

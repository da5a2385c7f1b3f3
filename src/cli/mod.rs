//! SPEAK: words in, words out.

pub mod args;
pub mod exit;
pub mod fleet_words;
pub mod problem_words;
pub mod run;
pub mod voice;

//! SPEAK: words in, words out.

pub mod args;
pub mod check_words;
pub mod document;
pub mod exit;
pub mod fleet_words;
pub mod inspect_words;
pub mod manifest_words;
pub mod manifests;
pub mod problem_words;
pub mod report_words;
pub mod run;
pub mod table;
pub mod voice;

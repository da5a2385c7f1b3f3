//! SPEAK: words in, words out.

pub mod report_words;
pub mod table;

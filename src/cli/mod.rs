//! SPEAK: words in, words out.

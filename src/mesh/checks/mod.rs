//! The named checks of a `cacerts` set, and the judgement that they and the predictions make together.

mod authorities;
mod chain;
mod crl;
mod dates;
mod identifiers;
pub mod judgement;
#[cfg(test)]
mod judgement_cases;
mod key;
mod keys_and_serials;
#[cfg(test)]
mod mint;
mod name_constraints;
mod parts;
mod path;
mod pem_text;
mod reload;
mod repeats;
mod roots;
mod which_files;

//! Keys that must not be trusted, whatever they sign.

use crate::pki::certificate::Certificate;
use crate::problem::Problem;

/// What is weak about a certificate's key.
#[must_use]
pub const fn weaknesses(_certificate: &Certificate) -> Vec<Problem> {
    Vec::new()
}

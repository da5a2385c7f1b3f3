//! What the integration tests share.

pub(crate) mod judges;
pub(crate) mod snapshot;
pub(crate) mod story;

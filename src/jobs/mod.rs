//! ORDER: one file per command: read, decide, act, record, return.

pub mod check;
pub mod courier;
pub mod first_look;
pub mod init;
pub mod inspect;
#[cfg(feature = "ceremony")]
pub mod issue;
#[cfg(feature = "ceremony")]
pub mod issuing_create;
pub mod ledger_show;
pub mod loading;
pub mod manifests_installation;
pub mod manifests_rbac;
pub mod publish;
#[cfg(feature = "ceremony")]
pub mod quickstart;
pub mod rehearse;
pub mod report;
pub mod rollback;
#[cfg(feature = "ceremony")]
pub mod root_create;
#[cfg(feature = "ceremony")]
pub mod root_import;
pub mod rotate;
pub mod targets_discover;

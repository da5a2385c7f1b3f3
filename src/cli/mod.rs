//! SPEAK: words in, words out.

mod adopting;
mod annotations;
pub mod args;
pub mod cadence_words;
pub mod calendar;
#[cfg(feature = "ceremony")]
mod ceremony;
#[cfg(feature = "ceremony")]
pub mod ceremony_arguments;
pub mod check_words;
mod desk;
pub mod discovery;
pub mod document;
pub mod errand_words;
pub mod exit;
#[cfg(feature = "k8s")]
pub mod exporter_arguments;
pub mod fail_on;
pub mod first_look_words;
pub mod fleet_words;
#[cfg(feature = "k8s")]
pub mod home_arguments;
pub mod inspect_words;
mod junit;
pub mod manifest_words;
pub mod manifests;
pub mod manifests_arguments;
mod markup;
pub mod metrics_arguments;
pub mod passphrase_file;
pub mod problem_words;
pub mod rehearsal_words;
pub mod rehearse_arguments;
mod remedy_words;
pub mod report_arguments;
pub mod report_changes_words;
mod report_csv;
mod report_html;
mod report_markdown;
pub mod report_words;
mod reporting;
pub mod rollback_arguments;
pub mod root_change_words;
pub mod rotate_arguments;
pub mod run;
#[cfg(feature = "k8s")]
mod serving;
pub mod table;
mod tick;
pub mod trust_words;
mod turning;
mod typed_values;
pub mod voice;
mod watch;

//! Kubernetes objects that meshca prints for people to apply: what it may do in each cluster, and how it runs in one.

pub mod api_rule;
pub mod cron_job;
pub mod grant;
pub mod job_spec;
pub mod kube_object;
mod label;
pub mod pod_files;
pub mod schedule;

//! Kubernetes objects that meshca prints for people to apply: what it may do in each cluster, and how it runs in one.

pub mod alerts;
pub mod api_rule;
mod cron_job;
mod daemon;
pub mod dashboard;
pub mod deployment_spec;
pub mod exporter_grant;
pub mod exporter_pod;
pub mod grant;
pub mod installation;
pub mod job_spec;
pub mod kube_object;
mod label;
pub mod missing_right;
pub mod pod;
pub mod pod_files;
mod pod_limits;
pub mod pod_monitor;
pub mod rule_file;
pub mod schedule;

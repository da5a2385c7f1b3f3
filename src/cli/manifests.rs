//! The commands under `manifests`: objects as YAML with comments, which `kubectl apply` takes, or as JSON.

use time::OffsetDateTime;

use crate::cli::args::{Format, Shared};
use crate::cli::exit::Exit;
use crate::cli::manifests_arguments::ManifestsCommand;
use crate::cli::voice::Voice;
use crate::cli::{document, manifest_words, problem_words};
use crate::jobs::manifests_alerts::{self, Order as AlertOrder};
use crate::jobs::manifests_dashboard::{self, Order as DashboardOrder};
use crate::jobs::manifests_exporter::{self, Order as ExporterOrder};
use crate::jobs::manifests_installation::{self, Order};
use crate::jobs::{manifests_adoption, manifests_rbac};
use crate::mesh::manifests::exporter_grant;
use crate::mesh::manifests::installation::Runs;
use crate::mesh::mesh_file;
use crate::problem::Problem;
use crate::world::mesh_folder;

/// Runs one of them.
///
/// # Errors
/// Whatever is wrong with the mesh file, or with what it is asked for.
pub fn run(what: &ManifestsCommand, shared: &Shared, voice: Voice, now: OffsetDateTime) -> Result<Exit, Vec<Problem>> {
    let one = |problem| vec![problem];
    let text = mesh_folder::text(&shared.file).map_err(one)?;
    let (mesh, warnings) = mesh_file::parse(&text, &shared.file)?;
    for warning in &warnings {
        voice.words(&problem_words::warning(&warning.problem, &shared.file));
    }
    let is_text = matches!(shared.output, Format::Table | Format::Wide | Format::Yaml);
    let installed = |order: &Order<'_>| -> Result<Result<String, Problem>, Vec<Problem>> {
        let made = manifests_installation::run(&mesh, &text, order, now)?;
        Ok(if is_text {
            manifest_words::installation(&made, &mesh, &shared.file)
        } else {
            document::written(&manifest_words::list(&made.objects), shared.output).map(Option::unwrap_or_default)
        })
    };
    let made = match what {
        ManifestsCommand::Rbac { clusters, subject, istiod_deployment } => {
            let subject = subject.subject();
            let grants = manifests_rbac::run(&mesh, clusters, &subject, istiod_deployment).map_err(one)?;
            if is_text {
                manifest_words::grants(&grants, &subject, istiod_deployment, &shared.file)
            } else {
                document::written(&manifest_words::grants_document(&grants), shared.output)
                    .map(Option::unwrap_or_default)
            }
        }
        ManifestsCommand::Adoption { clusters, subject } => {
            let grants = manifests_adoption::run(&mesh, clusters, &subject.subject()).map_err(one)?;
            if is_text {
                manifest_words::adoptions(&grants)
            } else {
                document::written(&manifest_words::grants_document(&grants), shared.output)
                    .map(Option::unwrap_or_default)
            }
        }
        ManifestsCommand::Cronjob { image, schedule, status_configmap } => {
            let runs = Runs::CronJob { schedule: schedule.clone(), status: *status_configmap };
            installed(&Order { image, runs })?
        }
        ManifestsCommand::Exporter { service_account, image, pod_monitor, labels, label } => {
            let subject = &service_account.clone().unwrap_or_else(exporter_grant::usual_subject);
            let pod_monitor = pod_monitor.then_some(labels.as_slice());
            let cluster_label = &label.cluster_label;
            let order = ExporterOrder { subject, image: image.as_deref(), pod_monitor, cluster_label };
            let objects = manifests_exporter::run(&mesh, &order);
            if is_text {
                manifest_words::exporter(&objects, &mesh, cluster_label)
            } else {
                document::written(&manifest_words::list(&objects), shared.output).map(Option::unwrap_or_default)
            }
        }
        ManifestsCommand::Alerts { plain, namespace, labels, runbooks, label } => {
            let (namespace, runbooks) = (namespace.as_deref(), runbooks.as_deref());
            let cluster_label = &label.cluster_label;
            let order = AlertOrder { namespace, labels, runbooks, cluster_label };
            let (text, object) = manifests_alerts::run(&mesh, &order);
            match *plain {
                true => Ok(text),
                false if is_text => manifest_words::alerts(object.as_ref(), &mesh, cluster_label),
                false => document::written(&object, shared.output).map(Option::unwrap_or_default),
            }
        }
        ManifestsCommand::Dashboard { plain, namespace, labels, label } => {
            let cluster_label = &label.cluster_label;
            let order = DashboardOrder { namespace: namespace.as_deref(), labels, cluster_label };
            let (text, object) = manifests_dashboard::run(&order);
            match *plain {
                true => Ok(text),
                false if is_text => manifest_words::dashboard(&object),
                false => document::written(&object, shared.output).map(Option::unwrap_or_default),
            }
        }
        ManifestsCommand::Daemon { image } => installed(&Order { image, runs: Runs::Daemon })?,
    };
    made.and_then(|made| voice.loud().result(&made)).map_err(one)?;
    Ok(Exit::Fine)
}

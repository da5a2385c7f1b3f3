//! Deployments as an API server lists them (`apps/v1`): of each, what tells about an istiod in it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// The annotation of the pod template by which `kubectl rollout restart` makes new pods.
pub const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";

/// The container of istiod, as Istio's charts call it.
const CONTAINER: &str = "discovery";

/// One Deployment.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its name, which is one of Kubernetes.
    pub name: String,
    /// Whether a change of its template makes no pods.
    pub is_paused: bool,
    /// When it was last restarted as `kubectl rollout restart` does it, UTC.
    pub restarted_at: Option<OffsetDateTime>,
    container: Option<Container>,
}

/// A variable of istiod's environment, as far as a Deployment tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// It has none of that name.
    Unset,
    /// It is this.
    Is(String),
    /// Why it cannot be known from here, after "the Deployment NAME".
    Elsewhere(&'static str),
}

/// Reads a `DeploymentList`. `None`: it is not one, or a name in it is none of Kubernetes and would be another path.
#[must_use]
pub fn read(text: &[u8]) -> Option<Vec<Listed>> {
    let list: List = serde_json::from_slice(text).ok()?;
    if list.kind != "DeploymentList" {
        return None;
    }
    list.items.into_iter().map(Item::read).collect()
}

/// Whether a Deployment may be called so: a DNS subdomain, as Kubernetes has it.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let sound = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 253 && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(sound)
}

impl Listed {
    /// A variable of istiod's environment.
    #[must_use]
    pub fn setting(&self, variable: &str) -> Setting {
        let Some(container) = &self.container else {
            return Setting::Elsewhere("has no container `discovery`");
        };
        // Of two entries of one name, the later one counts, and either before what comes in a bundle.
        match container.env.iter().rfind(|it| it.name == variable) {
            Some(Variable { value_from: Some(_), .. }) => Setting::Elsewhere("takes it by valueFrom"),
            Some(it) if it.value.contains("$(") => Setting::Elsewhere("makes it of other variables"),
            Some(it) => Setting::Is(it.value.clone()),
            None if container.env_from.is_empty() => Setting::Unset,
            None => Setting::Elsewhere("may take it by envFrom"),
        }
    }
}

#[derive(Deserialize)]
struct List {
    kind: String,
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    metadata: Metadata,
    spec: Spec,
}

#[derive(Deserialize)]
struct Metadata {
    name: String,
}

#[derive(Deserialize)]
struct Spec {
    #[serde(default)]
    paused: bool,
    template: Template,
}

#[derive(Deserialize)]
struct Template {
    #[serde(default)]
    metadata: TemplateMetadata,
    spec: PodSpec,
}

#[derive(Deserialize, Default)]
struct TemplateMetadata {
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct PodSpec {
    containers: Vec<Container>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    name: String,
    #[serde(default)]
    env: Vec<Variable>,
    #[serde(default)]
    env_from: Vec<IgnoredAny>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Variable {
    name: String,
    #[serde(default)]
    value: String,
    value_from: Option<IgnoredAny>,
}

impl Item {
    fn read(self) -> Option<Listed> {
        let Self { metadata: Metadata { name }, spec: Spec { paused, template } } = self;
        let annotation = template.metadata.annotations.get(RESTARTED_AT);
        let restarted_at = annotation.and_then(|text| OffsetDateTime::parse(text, &Rfc3339).ok());
        is_name(&name).then(|| Listed {
            name,
            is_paused: paused,
            restarted_at: restarted_at.and_then(|moment| moment.checked_to_offset(UtcOffset::UTC)),
            container: template.spec.containers.into_iter().find(|it| it.name == CONTAINER),
        })
    }
}

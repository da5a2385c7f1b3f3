//! What an API server's refusal means, in words for people.

use serde::Deserialize;

use crate::mesh::fleet::{Access, Cluster};
use crate::mesh::istiod_deployment::ISTIOD;
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem};
use crate::world::kubernetes::exchange::{Answer, Object, Verb};

/// The longest part of a server's message that is shown.
const LONGEST: usize = 400;

/// Kubernetes' `Status`, as far as it is needed.
#[derive(Deserialize)]
struct Status {
    kind: Option<String>,
    message: Option<String>,
    details: Option<Details>,
}

#[derive(Deserialize)]
struct Details {
    kind: Option<String>,
    name: Option<String>,
}

/// The problem of an answer that is not what was asked for.
pub(super) fn refusal(cluster: &Cluster, object: &Object, verb: Verb, answer: &Answer) -> Problem {
    let Cluster { name, namespace, .. } = cluster;
    let place = format!("{name}/{namespace}");
    let status: Option<Status> = serde_json::from_slice(answer.body.expose()).ok();
    let status = status.filter(|status| status.kind.as_deref() == Some("Status"));
    // Only the message of a Status is quoted: any other body may be the object itself.
    let message =
        status.as_ref().and_then(|it| it.message.as_deref()).map(|message| plain(&without_values(message), LONGEST));
    let missing = status.as_ref().and_then(|it| it.details.as_ref());
    let lacks_namespace = missing
        .is_some_and(|it| it.kind.as_deref() == Some("namespaces") && it.name.as_deref() == Some(namespace.as_str()));
    let verb = verb.as_str();
    let problem = match answer.status {
        401 => Problem::new(
            Code::NotAuthenticated,
            format!("{place}: the API server does not know who asks; the token or certificate may have ended"),
        )
        .hint(format!("{} auth whoami", kubectl(cluster))),
        403 => Problem::new(Code::NotAllowed, format!("{place}: not allowed to {verb} {object}"))
            .fact(match object.name.as_str() {
                "" => format!("rule     resources [{}], verbs [{verb}]", object.resource),
                one => format!("rule     resources [{}], resourceNames [{one}], verbs [{verb}]", object.resource),
            })
            .hint(format!("meshca manifests rbac {name}{} | {} apply -f -", option(object), kubectl(cluster))),
        404 if lacks_namespace => Problem::new(Code::NamespaceMissing, format!("{name} has no namespace {namespace}"))
            .hint(format!("{} create namespace {namespace}", kubectl(cluster))),
        409 => Problem::new(
            Code::TargetChangedMeanwhile,
            format!("{place}: {object} changed between the decision and the write"),
        ),
        // A uid that no longer fits: the object was deleted and made again.
        422 if message.as_deref().is_some_and(|it| it.contains("metadata.uid")) => Problem::new(
            Code::TargetChangedMeanwhile,
            format!("{place}: {object} was made anew between the decision and the write"),
        ),
        429 | 500..=599 => Problem::new(
            Code::ApiServerFailing,
            format!("{place}: the API server could not {verb} {object}: status {}", answer.status),
        )
        .hint("look at the API server and its etcd"),
        other => Problem::new(
            Code::ApiRefused,
            format!("{place}: the API server refused to {verb} {object}: status {other}"),
        )
        .hint(format!("{} get {} -n {namespace}", kubectl(cluster), object.to_string().replace('/', " "))),
    };
    match message {
        Some(message) => problem.fact(format!("it says  {message}")),
        None => problem,
    }
}

/// A message without what may be a value of the Secret: servers quote what they could not read. A name has dots and
/// dashes sooner than a piece of base64 is this long.
fn without_values(message: &str) -> String {
    const LONGEST_WORD: usize = 40;
    let is_base64 = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '/' | '=');
    let mut told = String::with_capacity(message.len());
    let mut rest = message;
    while let Some(first) = rest.chars().next() {
        let is_word = is_base64(first);
        let end = rest.find(|c| is_base64(c) != is_word).unwrap_or(rest.len());
        let (piece, after) = rest.split_at(end);
        told.push_str(if is_word && piece.len() > LONGEST_WORD { "(not shown)" } else { piece });
        rest = after;
    }
    told
}

/// What `manifests rbac` has to be told so that its Role covers this object.
fn option(object: &Object) -> String {
    match (object.resource, object.name.as_str()) {
        ("deployments", name) if !matches!(name, "" | ISTIOD) => format!(" --istiod-deployment {name}"),
        _ => String::new(),
    }
}

/// `kubectl` with what reaches this cluster.
fn kubectl(cluster: &Cluster) -> String {
    match &cluster.access {
        Access::Kubeconfig { path, context: Some(context) } => {
            format!("kubectl --kubeconfig {} --context {context}", path.display())
        }
        Access::Kubeconfig { path, context: None } => format!("kubectl --kubeconfig {}", path.display()),
        Access::Directory(_) | Access::Manifest(_) | Access::InCluster => "kubectl".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::without_values;

    #[test]
    fn a_message_loses_what_may_be_a_value_and_keeps_names() {
        let value = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JR0hBZ0VBTUJN";
        let told = without_values(&format!("cannot decode {{\"ca-key.pem\":\"{value}\"}}: illegal base64 ä"));
        assert_eq!(told, "cannot decode {\"ca-key.pem\":\"(not shown)\"}: illegal base64 ä");
        let names =
            "secrets \"cacerts\" is forbidden: User \"system:serviceaccount:meshca:meshca\" cannot get resource";
        assert_eq!(without_values(names), names);
    }
}

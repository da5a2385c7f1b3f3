//! What an API server's refusal means, in words for people.

use serde::Deserialize;

use crate::mesh::cacerts::SELF_SIGNED_SECRET;
use crate::mesh::fleet::{Access, Cluster};
use crate::mesh::istiod_deployment::ISTIOD;
use crate::mesh::manifests::kube_object::Subject;
use crate::mesh::manifests::missing_right::MissingRight;
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem, Remedy};
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
    let problem = match answer.status {
        401 => Problem::new(
            Code::NotAuthenticated,
            format!("{place}: the API server does not know who asks; the token or certificate may have ended"),
        )
        .fact(format!("step     {} {object}", verb.as_str()))
        .hint(format!("{} auth whoami", kubectl(cluster))),
        403 => not_allowed(cluster, object, verb, message.as_deref().and_then(Forbidden::read)),
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
            format!("{place}: the API server could not {} {object}: status {}", verb.as_str(), answer.status),
        )
        .hint("look at the API server and its etcd"),
        other => Problem::new(
            Code::ApiRefused,
            format!("{place}: the API server refused to {} {object}: status {other}", verb.as_str()),
        )
        .hint(format!("{} get {} -n {namespace}", kubectl(cluster), object.to_string().replace('/', " "))),
    };
    match message {
        Some(message) => problem.fact(format!("it says  {message}")),
        None => problem,
    }
}

/// The problem of a missing right: the rule that would give it, what grants that to whoever asked, and the command that
/// prints all that the cluster has to grant.
fn not_allowed(cluster: &Cluster, object: &Object, verb: Verb, forbidden: Option<Forbidden<'_>>) -> Problem {
    let Cluster { name, namespace, .. } = cluster;
    let (group, resource) = (object.group(), object.resource);
    // Where an apply meets nothing, the right that is missing is the one to create.
    let is_creation = verb == Verb::Create || forbidden.as_ref().is_some_and(|it| it.verb == Verb::Create.as_str());
    let lacking = if is_creation { Verb::Create } else { verb }.as_str();
    // Who creates by POST gives the name in the body, which no rule sees. A list has no name either.
    let named = Some(object.name.as_str()).filter(|name| verb != Verb::Create && !name.is_empty());
    let names = named.map(|name| format!("resourceNames [{name}], ")).unwrap_or_default();
    let subject = forbidden.as_ref().and_then(Forbidden::subject);
    let is_of_the_cluster = resource == "clustertrustbundles";
    let granted_in = if is_of_the_cluster { None } else { Some(namespace.as_str()) };
    let right = MissingRight { namespace: granted_in, group, resource, name: named, verb: lacking };
    // What an adoption needs is granted for as long as it lasts, by what `manifests adoption` prints.
    let is_for_adoption = object.name == SELF_SIGNED_SECRET;
    let what = if is_for_adoption { "adoption" } else { "rbac" };
    let manifest = subject.as_ref().filter(|_| !is_for_adoption).and_then(|subject| right.manifest(subject));
    let option = forbidden.map_or_else(String::new, |_| option(subject.as_ref())) + &deployment(object);
    Problem::new(Code::NotAllowed, format!("{name}/{namespace}: not allowed to {} {object}", verb.as_str()))
        .fact(format!("rule     apiGroups [\"{group}\"], resources [{resource}], {names}verbs [{lacking}]"))
        .hint(format!(
            "meshca manifests {what} {name}{option}   prints all that it needs there, to be applied by who may in {name}"
        ))
        .remedy(manifest.map(|manifest| Remedy { cluster: name.to_string(), manifest }))
}

/// The option of `manifests rbac` that names who was refused; none, where it is whom that command means by itself.
fn option(subject: Option<&Subject>) -> String {
    match subject {
        None => " --subject-user NAME".to_owned(),
        Some(usual) if *usual == Subject::default() => String::new(),
        Some(Subject::Account { namespace, name }) => format!(" --service-account {namespace}/{name}"),
        Some(Subject::User(name)) => format!(" --subject-user {name}"),
    }
}

/// Who may not do what, in the words of an API server's authorizer.
///
/// Source: Kubernetes, `apiserver/pkg/endpoints/handlers/responsewriters/errors.go`, `forbiddenMessage`.
#[derive(Debug, PartialEq, Eq)]
struct Forbidden<'m> {
    user: &'m str,
    verb: &'m str,
}

impl<'m> Forbidden<'m> {
    fn read(message: &'m str) -> Option<Self> {
        let (_, rest) = message.split_once("User \"")?;
        let (user, rest) = rest.split_once("\" cannot ")?;
        let (verb, _) = rest.split_once(" resource \"")?;
        Some(Self { user, verb })
    }

    /// Who was refused; none, where a shell might take the name for something else: that is left to people.
    fn subject(&self) -> Option<Subject> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@/+".contains(c);
        if self.user.is_empty() || !self.user.chars().all(is_plain) {
            return None;
        }
        let account = self.user.strip_prefix("system:serviceaccount:").and_then(|it| it.split_once(':'));
        Some(match account {
            Some((namespace, name)) => Subject::Account { namespace: namespace.to_owned(), name: name.to_owned() },
            None => Subject::User(self.user.to_owned()),
        })
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
fn deployment(object: &Object) -> String {
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
    use super::{Forbidden, without_values};

    #[test]
    fn the_words_of_an_authorizer_say_who_lacks_which_right() {
        let message = "secrets \"cacerts\" is forbidden: User \"plain\" cannot create resource \"secrets\" in API group \"\" in \
                       the namespace \"istio-system\"";
        assert_eq!(Forbidden::read(message), Some(Forbidden { user: "plain", verb: "create" }));
        assert_eq!(Forbidden::read("secrets is forbidden: a webhook says no"), None);
    }

    #[test]
    fn the_one_who_was_refused_is_whom_the_hint_names() {
        for (user, option) in [
            ("plain", " --subject-user plain"),
            ("jane@example.org", " --subject-user jane@example.org"),
            ("system:serviceaccount:meshca:meshca", ""),
            ("system:serviceaccount:tools:rotator", " --service-account tools/rotator"),
            ("a; rm -rf ~", " --subject-user NAME"),
            ("(not shown)", " --subject-user NAME"),
            ("", " --subject-user NAME"),
        ] {
            assert_eq!(super::option(Forbidden { user, verb: "get" }.subject().as_ref()), option);
        }
    }

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

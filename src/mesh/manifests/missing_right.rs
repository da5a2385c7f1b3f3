//! One right that an API server said is missing, as the objects that grant it and nothing else.

use crate::mesh::manifests::api_rule::Rule;
use crate::mesh::manifests::kube_object::{Object, Subject};

/// A right as a rule has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingRight<'a> {
    /// The namespace to grant it in; none: it is about an object of the whole cluster.
    pub namespace: Option<&'a str>,
    /// The group of its objects; the core group has an empty name.
    pub group: &'a str,
    /// The kind of its objects, as paths name it.
    pub resource: &'static str,
    /// The one object; none: those who list, and those who make an object by POST, name none that a rule could see.
    pub name: Option<&'a str>,
    /// What is to be done to it.
    pub verb: &'static str,
}

impl MissingRight<'_> {
    /// A role and its binding to the subject, as YAML. Their name says what they grant, so that they take the place of no
    /// other role of meshca: `manifests rbac` names its own after the cluster. `None`: a serializer failed.
    #[must_use]
    pub fn manifest(&self, subject: &Subject) -> Option<String> {
        let Self { namespace, group, resource, name, verb } = *self;
        let names: Vec<&str> = name.into_iter().collect();
        let called = [&["meshca", verb, resource], names.as_slice()].concat().join("-");
        let rule = Rule::new(group, resource, &names, &[verb]);
        let objects = Object::role_and_binding(namespace, &called, vec![rule], subject);
        let documents = objects.iter().map(|object| Some(format!("---\n{}", object.yaml()?)));
        documents.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHT: MissingRight<'_> = MissingRight {
        namespace: Some("istio-system"),
        group: "",
        resource: "secrets",
        name: Some("cacerts"),
        verb: "create",
    };

    #[test]
    fn one_right_is_one_rule_in_a_role_that_is_named_after_it() {
        let wanted = "\
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: meshca-create-secrets-cacerts
  namespace: istio-system
  labels:
    app.kubernetes.io/name: meshca
rules:
- apiGroups: [\"\"]
  resources: [secrets]
  resourceNames: [cacerts]
  verbs: [create]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: meshca-create-secrets-cacerts
  namespace: istio-system
  labels:
    app.kubernetes.io/name: meshca
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: meshca-create-secrets-cacerts
subjects:
- kind: ServiceAccount
  name: meshca
  namespace: meshca
";
        assert_eq!(RIGHT.manifest(&Subject::default()).unwrap(), wanted);
    }

    #[test]
    fn what_has_no_name_is_granted_for_all_and_what_has_no_namespace_by_a_cluster_role() {
        let events = MissingRight { group: "events.k8s.io", resource: "events", name: None, ..RIGHT };
        let text = events.manifest(&Subject::default()).unwrap();
        assert!(text.contains("name: meshca-create-events\n") && !text.contains("resourceNames"), "{text}");
        assert!(text.contains("apiGroups: [events.k8s.io]"), "{text}");
        let bundle = MissingRight { namespace: None, name: Some("istio.io:istiod-ca:root"), ..RIGHT };
        let text = bundle.manifest(&Subject::User("jane".to_owned())).unwrap();
        for words in ["kind: ClusterRole\n", "kind: ClusterRoleBinding\n", "kind: User\n", "name: jane\n"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("namespace:"), "{text}");
    }
}

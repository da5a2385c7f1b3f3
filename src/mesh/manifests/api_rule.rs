//! What meshca needs to do in one cluster, as rules of RBAC: by name wherever RBAC can, and never watch or delete.

use serde::{Serialize, Serializer};
use serde_saphyr::FlowSeq;

use crate::mesh::cacerts::{ROOT_CONFIG_MAP, SECRET_NAME, SELF_SIGNED_SECRET, WAITING_SECRET};
use crate::mesh::fleet::{Cluster, TrustBundle};

/// One rule: these verbs, on these kinds of objects, of these names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// The groups; the core group has an empty name.
    #[serde(serialize_with = "on_one_line")]
    pub api_groups: [String; 1],
    /// The kinds of objects, as paths name them.
    #[serde(serialize_with = "on_one_line")]
    pub resources: [&'static str; 1],
    /// The names; empty: all.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "on_one_line")]
    pub resource_names: Vec<String>,
    /// The verbs.
    #[serde(serialize_with = "on_one_line")]
    pub verbs: Vec<&'static str>,
}

impl Rule {
    pub(in crate::mesh::manifests) fn new(
        group: &str,
        resource: &'static str,
        names: &[&str],
        verbs: &[&'static str],
    ) -> Self {
        Self {
            api_groups: [group.to_owned()],
            resources: [resource],
            resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
            verbs: verbs.to_vec(),
        }
    }
}

/// A list as `[a, b]` where it becomes YAML.
pub(in crate::mesh) fn on_one_line<T: Serialize, S: Serializer>(list: &T, to: S) -> Result<S::Ok, S::Error> {
    FlowSeq(list).serialize(to)
}

/// What it needs in addition to take over the CA that istiod made for itself.
#[must_use]
pub fn own_ca() -> Rule {
    Rule::new("", "secrets", &[SELF_SIGNED_SECRET], &["get"])
}

/// What it needs in the namespace of the cluster's istiod.
///
/// Server-side apply is a patch; where the object is not there yet, the API server asks for `create` with the name of
/// the request's path, so that `create` can be bound to a name here, too. Reading a namespace is authorised inside of it.
///
/// A root change looks at istiod's Deployments, whatever their revision is called: RBAC knows no labels, so that who finds
/// them by label may list all of the namespace. `restartable` are the names of those that it may restart where the mesh
/// file says so; that is a patch of the Deployment, and RBAC cannot bound it to an annotation.
#[must_use]
pub fn in_namespace(cluster: &Cluster, restartable: &[String]) -> Vec<Rule> {
    let signs = cluster.role.has_cacerts();
    let mut rules = Vec::new();
    if signs {
        rules.push(Rule::new("", "secrets", &[SECRET_NAME, WAITING_SECRET], &["get", "patch", "create"]));
    }
    let mut config_maps = Vec::new();
    if signs {
        // Beside a missing `cacerts` it tells that istiod runs on a root of its own, whatever else carries the bundle.
        config_maps.push(ROOT_CONFIG_MAP);
    }
    if let TrustBundle::ConfigMap(name) = &cluster.trust_bundle
        && !config_maps.contains(&name.as_str())
    {
        config_maps.push(name);
    }
    if !config_maps.is_empty() {
        rules.push(Rule::new("", "configmaps", &config_maps, &["get"]));
    }
    rules.push(Rule::new("", "namespaces", &[&cluster.namespace], &["get"]));
    if signs {
        // Who makes an object by POST gives its name in the body, which no rule sees.
        rules.push(Rule::new("events.k8s.io", "events", &[], &["create", "patch"]));
        rules.push(Rule::new("apps", "deployments", &[], &["list"]));
    }
    if signs && cluster.istiod.restart {
        let names: Vec<&str> = restartable.iter().map(String::as_str).collect();
        rules.push(Rule::new("apps", "deployments", &names, &["patch"]));
    }
    rules
}

/// What it needs of objects that belong to no namespace; empty: nothing.
#[must_use]
pub fn in_cluster(cluster: &Cluster) -> Vec<Rule> {
    match &cluster.trust_bundle {
        TrustBundle::ConfigMap(_) => Vec::new(),
        TrustBundle::ClusterTrustBundle(name) => {
            vec![Rule::new("certificates.k8s.io", "clustertrustbundles", &[name], &["get"])]
        }
    }
}

/// What it needs of its own in the namespace that it runs in: a Lease of this name, and ConfigMaps of these.
#[must_use]
pub fn at_home(lease: Option<&str>, config_maps: Vec<String>) -> Vec<Rule> {
    let mut rules = Vec::new();
    if let Some(name) = lease {
        rules.push(Rule::new("coordination.k8s.io", "leases", &[name], &["get", "patch", "create"]));
    }
    if !config_maps.is_empty() {
        let rule = Rule::new("", "configmaps", &[], &["get", "patch", "create"]);
        rules.push(Rule { resource_names: config_maps, ..rule });
    }
    rules
}

/// What an exporter needs: to read ConfigMaps of these names.
#[must_use]
pub fn to_watch(config_maps: Vec<String>) -> Vec<Rule> {
    let rule = Rule::new("", "configmaps", &[], &["get"]);
    // A rule without names would mean all of them.
    if config_maps.is_empty() { Vec::new() } else { vec![Rule { resource_names: config_maps, ..rule }] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mesh::fleet::Role;
    use crate::mesh::fleet_story::{cluster, name};
    use crate::mesh::istiod_deployment::ISTIOD;

    fn told(rules: &[Rule]) -> Vec<String> {
        let tell = |it: &Rule| {
            let names = it.resource_names.join(" ");
            format!("{}/{} [{names}] {}", it.api_groups[0], it.resources[0], it.verbs.join(" "))
        };
        rules.iter().map(tell).collect()
    }

    /// The rules of an istiod without a revision.
    fn in_namespace(cluster: &Cluster) -> Vec<Rule> {
        super::in_namespace(cluster, &[ISTIOD.to_owned()])
    }

    fn primary() -> Cluster {
        cluster("east", Role::Primary)
    }

    fn remote() -> Cluster {
        cluster("far", Role::Remote { primary: name("east") })
    }

    #[test]
    fn a_control_plane_needs_two_secrets_its_bundle_its_namespace_events_and_a_look_at_its_deployments() {
        let wanted = [
            "/secrets [cacerts meshca-next] get patch create",
            "/configmaps [istio-ca-root-cert] get",
            "/namespaces [istio-system] get",
            "events.k8s.io/events [] create patch",
            "apps/deployments [] list",
        ];
        assert_eq!(told(&in_namespace(&primary())), wanted);
        let mut external = cluster("control", Role::External { config_cluster: name("far") });
        external.namespace = "hosted".to_owned();
        assert_eq!(told(&in_namespace(&external)), wanted.map(|rule| rule.replace("istio-system", "hosted")));
        assert!(in_cluster(&external).is_empty());
    }

    #[test]
    fn only_where_the_mesh_file_says_so_a_control_plane_may_be_restarted_and_by_name() {
        let mut primary = primary();
        assert!(!told(&in_namespace(&primary)).iter().any(|it| it.starts_with("apps/") && it.ends_with("patch")));
        primary.istiod.restart = true;
        assert_eq!(told(&in_namespace(&primary))[5..], ["apps/deployments [istiod] patch"]);
        let revisions = ["istiod-1-30".to_owned(), "istiod-1-31".to_owned()];
        let rules = super::in_namespace(&primary, &revisions);
        assert_eq!(told(&rules)[5..], ["apps/deployments [istiod-1-30 istiod-1-31] patch"]);
        let mut remote = remote();
        remote.istiod.restart = true;
        assert!(!told(&in_namespace(&remote)).iter().any(|it| it.starts_with("apps/")));
    }

    #[test]
    fn a_remote_needs_no_secret_and_no_event() {
        let wanted = ["/configmaps [istio-ca-root-cert] get", "/namespaces [istio-system] get"];
        assert_eq!(told(&in_namespace(&remote())), wanted);
    }

    #[test]
    fn another_object_with_the_bundle_is_named_instead() {
        let mut remote = remote();
        remote.trust_bundle = TrustBundle::ConfigMap("roots".to_owned());
        assert_eq!(told(&in_namespace(&remote)), ["/configmaps [roots] get", "/namespaces [istio-system] get"]);
        remote.trust_bundle = TrustBundle::ClusterTrustBundle("istio.io:istiod-ca:root".to_owned());
        assert_eq!(told(&in_namespace(&remote)), ["/namespaces [istio-system] get"]);
        let wanted = ["certificates.k8s.io/clustertrustbundles [istio.io:istiod-ca:root] get"];
        assert_eq!(told(&in_cluster(&remote)), wanted);
        let mut primary = primary();
        primary.trust_bundle = TrustBundle::ConfigMap("roots".to_owned());
        assert_eq!(told(&in_namespace(&primary))[1], "/configmaps [istio-ca-root-cert roots] get");
    }

    #[test]
    fn an_exporter_reads_config_maps_by_name_and_no_secret() {
        let names = ["meshca-status-0", "meshca-status-1"].map(str::to_owned).to_vec();
        assert_eq!(told(&to_watch(names)), ["/configmaps [meshca-status-0 meshca-status-1] get"]);
        assert!(to_watch(Vec::new()).is_empty());
    }

    #[test]
    fn nothing_is_watched_deleted_or_meant_by_a_wildcard_and_nothing_listed_but_deployments() {
        let mut clusters = [primary(), remote(), cluster("control", Role::External { config_cluster: name("far") })];
        for bundle in [
            TrustBundle::ConfigMap(ROOT_CONFIG_MAP.to_owned()),
            TrustBundle::ClusterTrustBundle("istio.io:istiod-ca:root".to_owned()),
        ] {
            for cluster in &mut clusters {
                cluster.trust_bundle = bundle.clone();
                cluster.istiod.restart = true;
                for rule in in_namespace(cluster).into_iter().chain(in_cluster(cluster)) {
                    let lists = rule.verbs == ["list"] && rule.resources == ["deployments"];
                    assert!(
                        lists || rule.verbs.iter().all(|verb| ["get", "patch", "create"].contains(verb)),
                        "{rule:?}"
                    );
                    let words = rule.api_groups.iter().map(String::as_str).chain(rule.resources);
                    assert!(words.chain(rule.resource_names.iter().map(String::as_str)).all(|word| word != "*"));
                    assert_eq!(rule.resource_names.is_empty(), lists || rule.resources == ["events"], "{rule:?}");
                }
            }
        }
    }
}

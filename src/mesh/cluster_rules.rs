//! The rules about clusters: names, who serves whom, how each is reached.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::mesh::fleet::{Access, Cluster, ClusterName, Istiod, Membership, Role, TrustBundle, is_dns_label};
use crate::mesh::mesh_rules::{Judge, is_label_value};
use crate::mesh::mesh_schema::{RoleWord, StateWord, WrittenAccess, WrittenCluster, WrittenIstiod, WrittenMesh};
use crate::mesh::snippet::{Place, Placed};
use crate::problem::Code;

/// The clusters by their names as written, so that a name that breaks a rule is not called unknown as well.
type ByName<'a> = BTreeMap<&'a str, &'a WrittenCluster>;

/// The clusters by the place where they are reached, with their name and where that is written.
type ByPlace = BTreeMap<Spot, (String, Option<Place>)>;

/// Where a Secret is: two clusters at one spot would share a signing key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Spot {
    Path(PathBuf),
    Namespace { kubeconfig: Option<PathBuf>, context: Option<String>, namespace: String },
}

impl Judge<'_> {
    /// The clusters that can be made, in the order of the file. What is wrong with the others is noted.
    pub(crate) fn clusters(&mut self, written: &WrittenMesh) -> Vec<Cluster> {
        let list = &written.clusters;
        if list.value.0.is_empty() {
            let hint = "add one: `clusters: [{ name: east, role: primary, access: { directory: ./clusters/east } }]`";
            self.refuse(Code::NoClusters, list.place, "there is no cluster in the mesh file", hint);
        }
        let mut by_name = ByName::new();
        let mut first_place = BTreeMap::new();
        let mut by_place = ByPlace::new();
        let mut clusters = Vec::new();
        for cluster in &list.value.0 {
            let Some(name) = &cluster.value.name else { continue };
            if let Some(first) = first_place.insert(name.value.as_str(), name.place)
                && !name.value.is_empty()
            {
                let what = format!("two clusters are named `{}`", name.value);
                let hint = "give each cluster a name of its own";
                self.refuse_beside(Code::DuplicateCluster, name.place, &what, ("the other one", first), hint);
            }
            by_name.entry(name.value.as_str()).or_insert(&cluster.value);
        }
        for cluster in &list.value.0 {
            clusters.extend(self.cluster(cluster, &by_name, &mut by_place));
        }
        self.canary(written, &by_name);
        clusters
    }

    fn cluster(
        &mut self,
        placed: &Placed<WrittenCluster>,
        by_name: &ByName<'_>,
        by_place: &mut ByPlace,
    ) -> Option<Cluster> {
        let written = &placed.value;
        let name = self.cluster_name(placed);
        let called = match &written.name {
            Some(name) if !name.value.is_empty() => format!("cluster `{}`", name.value),
            _ => "a cluster without a name".to_owned(),
        };
        let network = self.network(&called, written);
        let role = self.role(&called, placed, by_name);
        let namespace = self.namespace(&called, written);
        let state = self.state(&called, written, placed.place);
        let access = self.access(&called, placed, namespace.as_deref(), by_place);
        let istiod = self.istiod(&called, &written.istiod);
        let trust_bundle = self.trust_bundle(&called, written);
        Some(Cluster {
            name: name?,
            network: network?,
            role: role?,
            namespace: namespace?,
            state: state?,
            access: access?,
            istiod: istiod?,
            trust_bundle: trust_bundle?,
        })
    }

    fn cluster_name(&mut self, placed: &Placed<WrittenCluster>) -> Option<ClusterName> {
        let Some(name) = placed.value.name.as_ref().filter(|name| !name.value.is_empty()) else {
            let place = placed.value.name.as_ref().map_or(placed.place, |name| name.place);
            self.refuse(Code::ClusterWithoutName, place, "a cluster has no name", "add `name: east`");
            return None;
        };
        if name.value == "unknown" {
            let what = "a cluster is named `unknown`, which the alert rule `cluster!=\"unknown\"` leaves out";
            self.refuse(Code::ClusterNamedUnknown, name.place, what, "give it its own name: `name: east`");
            return None;
        }
        let parsed = ClusterName::parse(&name.value);
        if parsed.is_none() {
            let what = format!("the name `{}` of a cluster is not a DNS label", name.value);
            let hint = "take at most 63 lower-case letters, digits and `-`, a letter or digit at both ends";
            self.refuse(Code::ClusterNameNotALabel, name.place, &what, hint);
        }
        parsed
    }

    fn network(&mut self, called: &str, written: &WrittenCluster) -> Option<Option<String>> {
        match &written.network {
            None => Some(None),
            Some(network) if is_label_value(&network.value) => Some(Some(network.value.clone())),
            Some(network) => {
                let what = format!("the network `{}` of {called} cannot be a network ID of Istio", network.value);
                let hint = "take at most 63 letters, digits, `-`, `_` and `.`, a letter or digit at both ends";
                self.refuse(Code::BadValue, network.place, &what, hint);
                None
            }
        }
    }

    fn role(&mut self, called: &str, placed: &Placed<WrittenCluster>, by_name: &ByName<'_>) -> Option<Role> {
        let written = &placed.value;
        let Some(word) = &written.role else {
            let what = format!("the key `role` of {called} is missing");
            self.refuse(Code::MissingKey, placed.place, &what, "add `role: primary`, `remote` or `external`");
            return None;
        };
        let (primary, config) = (&written.primary, &written.config_cluster);
        let (role, foreign) = match word.value {
            RoleWord::Primary => (Some(Role::Primary), [("primary", primary), ("configCluster", config)]),
            RoleWord::Remote => (self.served_by(called, placed, by_name), [("configCluster", config), ("", &None)]),
            RoleWord::External => (self.serves(called, placed, by_name), [("primary", primary), ("", &None)]),
        };
        for (key, value) in foreign {
            if let Some(value) = value {
                let what =
                    format!("`{key}: {}` is given for {called}, whose role is {}", value.value, word.value.as_str());
                let hint = format!("remove `{key}`, or write the role that takes it");
                self.refuse(Code::KeyWithoutEffect, value.place, &what, hint);
            }
        }
        role
    }

    /// The role of a remote: its control plane is named, is there, and is not itself a remote.
    fn served_by(&mut self, called: &str, placed: &Placed<WrittenCluster>, by_name: &ByName<'_>) -> Option<Role> {
        let Some(primary) = &placed.value.primary else {
            let what = format!("{called} is a remote, but does not say which control plane serves it");
            let hint = format!("add `primary:` with {}", control_planes(by_name));
            self.refuse(Code::RemoteWithoutPrimary, placed.place, &what, hint);
            return None;
        };
        let name = &primary.value;
        let hint = || format!("write `primary:` with {}", control_planes(by_name));
        match by_name.get(name.as_str()) {
            None => {
                let what = format!("the primary `{name}` of {called} is not in the mesh file");
                self.refuse(Code::PrimaryUnknown, primary.place, &what, hint());
                None
            }
            Some(WrittenCluster { role: Some(Placed { value: RoleWord::Remote, place }), .. }) => {
                let what = format!("the primary `{name}` of {called} is itself a remote");
                self.refuse_beside(Code::PrimaryIsRemote, primary.place, &what, ("its role", *place), hint());
                None
            }
            Some(_) => ClusterName::parse(name).map(|primary| Role::Remote { primary }),
        }
    }

    /// The role of an external control plane: its configuration cluster is named, is there, and is its remote.
    fn serves(&mut self, called: &str, placed: &Placed<WrittenCluster>, by_name: &ByName<'_>) -> Option<Role> {
        let own = placed.value.name.as_ref().map_or("", |name| name.value.as_str());
        let Some(config) = &placed.value.config_cluster else {
            let what = format!("{called} is an external control plane, but does not say whose configuration it reads");
            let hint = "add `configCluster:` with the name of its remote";
            self.refuse(Code::ExternalWithoutConfigCluster, placed.place, &what, hint);
            return None;
        };
        let name = &config.value;
        let Some(served) = by_name.get(name.as_str()) else {
            let what = format!("the configCluster `{name}` of {called} is not in the mesh file");
            let hint = format!("add the cluster: `name: {name}`, `role: remote`, `primary: {own}`");
            self.refuse(Code::ConfigClusterUnknown, config.place, &what, hint);
            return None;
        };
        let role = served.role.as_ref();
        let is_remote = role.is_some_and(|role| role.value == RoleWord::Remote);
        if is_remote && served.primary.as_ref().is_some_and(|primary| primary.value == own) {
            return ClusterName::parse(name).map(|config_cluster| Role::External { config_cluster });
        }
        let (is, place) = match (is_remote, &served.primary) {
            (true, Some(primary)) => (format!("a remote of `{}`", primary.value), primary.place),
            (true, None) => ("a remote of nobody".to_owned(), role.and_then(|role| role.place)),
            (false, _) => {
                let word = role.map_or("of no role", |role| role.value.as_str());
                (word.to_owned(), role.and_then(|role| role.place))
            }
        };
        let what = format!("the configCluster `{name}` of {called} is {is}, not a remote of `{own}`");
        let hint = format!("write `role: remote` and `primary: {own}` for `{name}`");
        self.refuse_beside(Code::ConfigClusterNotItsRemote, config.place, &what, ("it is said so", place), hint);
        None
    }

    fn namespace(&mut self, called: &str, written: &WrittenCluster) -> Option<String> {
        match &written.namespace {
            None => Some("istio-system".to_owned()),
            Some(namespace) if is_dns_label(&namespace.value) => Some(namespace.value.clone()),
            Some(namespace) => {
                let what = format!("the namespace `{}` of {called} is not a DNS label", namespace.value);
                let hint = "take at most 63 lower-case letters, digits and `-`: `namespace: istio-system`";
                self.refuse(Code::BadNamespace, namespace.place, &what, hint);
                None
            }
        }
    }

    fn state(&mut self, called: &str, written: &WrittenCluster, place: Option<Place>) -> Option<Membership> {
        let word = written.state;
        if word != StateWord::Excluded {
            for (key, value) in [("reason", &written.reason), ("until", &written.until)] {
                if let Some(value) = value {
                    let what = format!("`{key}` is given for {called}, whose state is {}", word.as_str());
                    let hint = format!("remove `{key}`, or write `state: excluded`");
                    self.refuse(Code::KeyWithoutEffect, value.place, &what, hint);
                }
            }
            return Some(if word == StateWord::Member { Membership::Member } else { Membership::Leaving });
        }
        let reason = written.reason.as_ref().filter(|reason| !reason.value.trim().is_empty());
        for (key, given, example) in [
            ("reason", reason.is_some(), "`reason: being moved to another region`"),
            ("until", written.until.is_some(), "`until: 2027-01-31T00:00:00Z`"),
        ] {
            if !given {
                let what = format!("{called} is excluded, but does not say `{key}`");
                self.refuse(Code::ExclusionIncomplete, place, &what, format!("add {example}"));
            }
        }
        let until = written.until.as_ref()?;
        let Some(moment) = moment(&until.value) else {
            let what = format!("until `{}` of {called} is not a moment", until.value);
            let hint = "write it in RFC 3339, with its offset: `until: 2027-01-31T00:00:00Z`";
            self.refuse(Code::BadValue, until.place, &what, hint);
            return None;
        };
        Some(Membership::Excluded { reason: reason?.value.clone(), until: moment })
    }

    fn access(
        &mut self,
        called: &str,
        placed: &Placed<WrittenCluster>,
        namespace: Option<&str>,
        by_place: &mut ByPlace,
    ) -> Option<Access> {
        let nowhere = WrittenAccess::default();
        let given = placed.value.access.as_ref();
        let place = given.map_or(placed.place, |access| access.place);
        let written = given.map_or(&nowhere, |access| &access.value);
        let ways = [
            ("directory", written.directory.is_some()),
            ("manifest", written.manifest.is_some()),
            ("kubeconfig", written.kubeconfig.is_some()),
            ("inCluster", written.in_cluster),
        ];
        let ways: Vec<&str> = ways.into_iter().filter(|(_, given)| *given).map(|(way, _)| way).collect();
        if ways.len() != 1 {
            let what = match ways.as_slice() {
                [] => format!("{called} does not say how it is reached"),
                _ => format!("{called} is reached in {} ways: {}", ways.len(), ways.join(" and ")),
            };
            let hint =
                "write one of directory, manifest, kubeconfig, inCluster: `access: { directory: ./clusters/east }`";
            self.refuse(Code::AccessNotOne, place, &what, hint);
            return None;
        }
        if let (Some(context), None) = (&written.context, &written.kubeconfig) {
            let what = format!("`context: {}` is given for {called}, which has no kubeconfig", context.value);
            self.refuse(Code::KeyWithoutEffect, context.place, &what, "remove `context`, or add `kubeconfig`");
        }
        let access = if let Some(folder) = &written.directory {
            Access::Directory(self.path("directory", folder)?)
        } else if let Some(file) = &written.manifest {
            Access::Manifest(self.path("manifest", file)?)
        } else if let Some(file) = &written.kubeconfig {
            let context = written.context.as_ref().map(|context| context.value.clone());
            Access::Kubeconfig { path: self.path("kubeconfig", file)?, context }
        } else {
            Access::InCluster
        };
        self.alone(called, &access, place, namespace?, by_place);
        Some(access)
    }

    /// No two clusters at one spot. Not seen: links, and a context that is named here and the current one there.
    fn alone(&mut self, called: &str, access: &Access, place: Option<Place>, namespace: &str, by_place: &mut ByPlace) {
        let namespace = namespace.to_owned();
        let (spot, shown) = match access {
            Access::Directory(path) | Access::Manifest(path) => {
                (Spot::Path(resolved(path)), path.display().to_string())
            }
            Access::Kubeconfig { path, context } => {
                let shown_context = context.as_deref().unwrap_or("the current one");
                let shown = format!("{}, context {shown_context}, namespace {namespace}", path.display());
                let (kubeconfig, context) = (Some(resolved(path)), context.clone());
                (Spot::Namespace { kubeconfig, context, namespace }, shown)
            }
            Access::InCluster => {
                let shown = format!("this cluster, namespace {namespace}");
                (Spot::Namespace { kubeconfig: None, context: None, namespace }, shown)
            }
        };
        let Some((other, first)) = by_place.get(&spot) else {
            by_place.insert(spot, (called.to_owned(), place));
            return;
        };
        let what = format!("{called} is reached where {other} is ({shown}): they would share a signing key");
        let beside = format!("the access of {other}");
        let hint = "give each cluster a place of its own";
        self.refuse_beside(Code::AccessShared, place, &what, (&beside, *first), hint);
    }

    fn istiod(&mut self, called: &str, written: &WrittenIstiod) -> Option<Istiod> {
        let assume_loaded_after = match &written.assume_loaded_after {
            Some(length) => Some(self.plain_length("istiod.assumeLoadedAfter", length)?),
            None => None,
        };
        let mut sound = true;
        for address in written.addresses.iter().filter(|address| !is_address(&address.value)) {
            let what = format!("the istiod address `{}` of {called} is not host:port", address.value);
            let hint = "write host and port: `addresses: [istiod.east.example:15012]`";
            self.refuse(Code::BadValue, address.place, &what, hint);
            sound = false;
        }
        for url in written.metrics.iter().chain(&written.prometheus).filter(|url| !is_url(&url.value)) {
            let what = format!("`{}` of the istiod of {called} is not an http or https URL", url.value);
            self.refuse(Code::BadValue, url.place, &what, "write it whole: `http://istiod.east.example:15014/metrics`");
            sound = false;
        }
        if let (Some(prometheus), false) = (&written.prometheus, written.metrics.is_empty()) {
            let what = format!("{called} has both `metrics` and `prometheus` for its istiod");
            self.refuse(Code::KeyWithoutEffect, prometheus.place, &what, "keep one of the two");
        }
        sound.then(|| Istiod {
            assume_loaded_after,
            addresses: written.addresses.iter().map(|address| address.value.clone()).collect(),
            metrics: written.metrics.iter().map(|url| url.value.clone()).collect(),
            prometheus: written.prometheus.as_ref().map(|url| url.value.clone()),
            multi_root: written.multi_root,
            client_cert_auth: written.client_cert_auth,
            restart: written.restart,
        })
    }

    fn trust_bundle(&mut self, called: &str, written: &WrittenCluster) -> Option<TrustBundle> {
        let Some(bundle) = &written.trust_bundle else {
            return Some(TrustBundle::ConfigMap("istio-ca-root-cert".to_owned()));
        };
        let (name, made) = match (&bundle.value.config_map, &bundle.value.cluster_trust_bundle) {
            (Some(name), None) => (name, TrustBundle::ConfigMap(name.value.clone())),
            (None, Some(name)) => (name, TrustBundle::ClusterTrustBundle(name.value.clone())),
            (both, _) => {
                let how_many = if both.is_some() { "both" } else { "none" };
                let what =
                    format!("the trustBundle of {called} has {how_many} of `configMap` and `clusterTrustBundle`");
                let hint = "write one: `trustBundle: { configMap: istio-ca-root-cert }`";
                self.refuse(Code::BadValue, bundle.place, &what, hint);
                return None;
            }
        };
        if is_object_name(&name.value) {
            return Some(made);
        }
        let what = format!("the trustBundle `{}` of {called} is not a name of Kubernetes", name.value);
        let hint = "take lower-case letters, digits, `-` and `.`: `configMap: istio-ca-root-cert`";
        self.refuse(Code::BadValue, name.place, &what, hint);
        None
    }

    fn canary(&mut self, written: &WrittenMesh, by_name: &ByName<'_>) {
        let Some(canary) = &written.rotation.canary else { return };
        let hint = format!("write `canary:` with {}", control_planes(by_name));
        let role = by_name.get(canary.value.as_str()).map(|cluster| cluster.role.as_ref());
        let wrong = match role {
            None => "is not in the mesh file",
            Some(Some(Placed { value: RoleWord::Remote, .. })) => "is a remote, which gets no cacerts",
            Some(_) => return,
        };
        let what = format!("rotation.canary `{}` {wrong}", canary.value);
        self.refuse(Code::CanaryWithoutCacerts, canary.place, &what, hint);
    }
}

impl RoleWord {
    const fn as_str(self) -> &'static str {
        match self {
            RoleWord::Primary => "primary",
            RoleWord::Remote => "remote",
            RoleWord::External => "external",
        }
    }
}

impl StateWord {
    const fn as_str(self) -> &'static str {
        match self {
            StateWord::Member => "member",
            StateWord::Leaving => "leaving",
            StateWord::Excluded => "excluded",
        }
    }
}

/// The control planes of the file for a hint: the first few.
fn control_planes(by_name: &ByName<'_>) -> String {
    let serves = |cluster: &WrittenCluster| cluster.role.as_ref().is_some_and(|role| role.value != RoleWord::Remote);
    let names = by_name.iter().filter(|(name, cluster)| is_dns_label(name) && serves(cluster));
    let shown: Vec<String> = names.take(4).map(|(name, _)| format!("`{name}`")).collect();
    if shown.is_empty() { "the name of a primary, which has to be added".to_owned() } else { shown.join(" or ") }
}

/// The path without `..`, as far as that can be said without looking at the disk.
fn resolved(path: &Path) -> PathBuf {
    let mut resolved = PathBuf::new();
    for part in path.components() {
        let goes_up = part == Component::ParentDir;
        if !(goes_up && matches!(resolved.components().next_back(), Some(Component::Normal(_))) && resolved.pop()) {
            resolved.push(part);
        }
    }
    resolved
}

/// A moment in RFC 3339, in UTC.
fn moment(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()?.checked_to_offset(UtcOffset::UTC)
}

/// `host:port`, with an IPv6 address in brackets. Whether the host exists is not checked.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let sound_host = match bare {
        Some(inner) => inner.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_')),
    };
    let sound_port = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
    sound_host && sound_port
}

/// An http or https URL, loosely: what follows the scheme has no blanks and does not begin with a slash.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(|c| c.is_ascii_graphic()))
}

/// A name of a Kubernetes object: a DNS subdomain, with the colons of a ClusterTrustBundle.
fn is_object_name(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
    let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.len() <= 253 && text.starts_with(edge) && text.ends_with(edge) && text.chars().all(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_host_and_port() {
        for good in ["istiod.west.example:15012", "10.0.0.1:1", "[::1]:15012", "a:65535"] {
            assert!(is_address(good), "{good}");
        }
        for bad in
            ["", "host", "host:", ":1", "host:0", "host:65536", "::1:15012", "[x]:1", "a b:1", "http://a:1", "a:+1"]
        {
            assert!(!is_address(bad), "{bad}");
        }
    }

    #[test]
    fn urls_have_a_scheme_and_a_host() {
        assert!(is_url("http://a:15014/metrics") && is_url("https://a"));
        for bad in ["", "a", "ftp://a", "http://", "http:///x", "http://a b"] {
            assert!(!is_url(bad), "{bad}");
        }
    }

    #[test]
    fn two_spellings_of_a_path_are_one_path() {
        assert_eq!(resolved(Path::new("a/b/../c")), Path::new("a/c"));
        assert_eq!(resolved(Path::new("../../a")), Path::new("../../a"));
        assert_eq!(resolved(Path::new("a/../../b")), Path::new("../b"));
    }

    #[test]
    fn moments_are_turned_to_utc_and_never_overflow() {
        assert_eq!(moment("2027-01-31T01:00:00+01:00"), moment("2027-01-31T00:00:00Z"));
        assert_eq!(moment("2027-01-31"), None);
        assert_eq!(moment("9999-12-31T23:59:59-23:59"), None);
    }
}

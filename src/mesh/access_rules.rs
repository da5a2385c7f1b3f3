//! The rules about how clusters are reached, and what is said of their istiods.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use crate::mesh::fleet::{Access, Istiod, TrustBundle};
use crate::mesh::judge::Judge;
use crate::mesh::mesh_schema::{WrittenAccess, WrittenCluster, WrittenIstiod};
use crate::mesh::snippet::{Place, Placed};
use crate::problem::Code;

/// The clusters by the place where they are reached, with their name and where that is written.
pub(crate) type ByPlace = BTreeMap<Spot, (String, Option<Place>)>;

/// Where a Secret is: two clusters at one spot would share a signing key.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Spot {
    Path(PathBuf),
    Namespace { kubeconfig: Option<PathBuf>, context: Option<String>, namespace: String },
}

impl Judge<'_> {
    pub(crate) fn access(
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

    pub(crate) fn istiod(&mut self, called: &str, written: &WrittenIstiod) -> Option<Istiod> {
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

    pub(crate) fn trust_bundle(&mut self, called: &str, written: &WrittenCluster) -> Option<TrustBundle> {
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

/// `host:port`, with an IPv6 address in brackets. Whether the host exists is not checked.
fn is_address(text: &str) -> bool {
    let Some((host, port)) = text.rsplit_once(':') else { return false };
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']'));
    let sound_host = match bare {
        Some(inner) => inner.parse::<core::net::Ipv6Addr>().is_ok(),
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
}

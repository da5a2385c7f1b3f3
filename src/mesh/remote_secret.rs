//! Istio's remote secrets, as far as they tell which clusters there are. Each holds kubeconfigs with tokens: only the
//! name of the cluster and the host of its API server are kept.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::mesh::context_list::{ContextList, Server};
use crate::pki::plain_text::plain;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};

/// The most text that is read, in bytes: the remote secrets of more than a thousand clusters.
pub const LARGEST: usize = 8 * 1024 * 1024;

/// The label by which istiod finds them.
const LABEL: &str = "istio/multiCluster";
/// The annotation that names the cluster.
const CLUSTER: &str = "networking.istio.io/cluster";
/// The key of a Secret that does not carry the cluster's name: of an external control plane's own configuration.
const CONFIG_KEY: &str = "config";

/// What some remote secrets tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteSecrets {
    /// The clusters, in their order.
    pub clusters: Vec<RemoteCluster>,
    /// What was passed over, and why, in words.
    pub passed_over: Vec<String>,
}

/// One cluster that a remote secret names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteCluster {
    /// Its name for Istio.
    pub name: String,
    /// Its API server; `None`: its kubeconfig does not say, or cannot be read.
    pub server: Option<Server>,
    /// The Secret that names it.
    pub secret: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    kind: Option<String>,
    items: Option<Vec<Written>>,
    metadata: Option<Metadata>,
    data: Option<BTreeMap<String, Zeroizing<String>>>,
    string_data: Option<BTreeMap<String, Zeroizing<String>>>,
}

#[derive(Deserialize, Default)]
struct Metadata {
    name: Option<String>,
    namespace: Option<String>,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
}

/// Reads what `kubectl get secret -l istio/multiCluster=true -o yaml` (or `-o json`) prints, or what
/// `istioctl create-remote-secret` does. Errors never quote the text.
///
/// # Errors
/// `secret-manifest-malformed`; `nothing-recognised`, where there is no remote secret in it.
pub fn parse(text: &Secret, path: &str) -> Result<RemoteSecrets, Problem> {
    const HINT: &str = "kubectl get secret -n istio-system -l istio/multiCluster=true -o yaml | meshca targets discover --remote-secrets -";
    let malformed = |why: String| {
        Problem::new(Code::SecretManifestMalformed, format!("{path} holds no list of Secrets: {why}")).hint(HINT)
    };
    let words = std::str::from_utf8(text.expose()).map_err(|_| malformed("it is not UTF-8 text".to_owned()))?;
    let options = serde_saphyr::options! { with_snippet: false };
    let documents: Vec<Written> = serde_saphyr::from_multiple_with_options(words, options).map_err(|error| {
        let place = error.location().map_or_else(String::new, |at| format!(" at line {}", at.line()));
        malformed(format!("it is not YAML or JSON of the expected shape{place}"))
    })?;
    let mut found = RemoteSecrets::default();
    for document in documents {
        match document.items {
            Some(items) => items.into_iter().for_each(|item| found.add(item)),
            None => found.add(document),
        }
    }
    if found.clusters.is_empty() {
        let nothing = Problem::new(Code::NothingRecognised, format!("{path} holds no remote secret"));
        return Err(found.passed_over.iter().take(5).fold(nothing, Problem::fact).hint(HINT));
    }
    Ok(found)
}

impl RemoteSecrets {
    fn add(&mut self, written: Written) {
        let metadata = written.metadata.unwrap_or_default();
        let place = [metadata.namespace, metadata.name].into_iter().flatten().collect::<Vec<_>>().join("/");
        let place = if place.is_empty() { "an object without a name".to_owned() } else { plain(&place, 200) };
        let has_label = metadata.labels.is_some_and(|labels| labels.get(LABEL).is_some_and(|value| value == "true"));
        if written.kind.as_deref() != Some("Secret") {
            let kind = written.kind.unwrap_or_default();
            self.passed_over.push(format!("{place}: its kind is {:?}", plain(&kind, 60)));
            return;
        }
        if !has_label {
            self.passed_over.push(format!("{place}: it has no label {LABEL}=true"));
            return;
        }
        let annotated = metadata.annotations.and_then(|mut annotations| annotations.remove(CLUSTER));
        let data = written.data.unwrap_or_default().into_iter().map(|(key, value)| {
            let decoded = STANDARD.decode(value.as_bytes()).ok().map(Secret::new);
            (key, decoded)
        });
        let plain_data = written.string_data.unwrap_or_default().into_iter();
        let values = data.chain(plain_data.map(|(key, value)| (key, Some(Secret::new(value.as_bytes().to_vec())))));
        for (key, value) in values {
            let name = annotated.clone().filter(|_| key == CONFIG_KEY).unwrap_or(key);
            let list = value.and_then(|value| ContextList::parse(&value, Path::new("")).ok());
            let server = list.and_then(|list| list.usual_server().cloned());
            self.clusters.push(RemoteCluster { name, server, secret: place.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeconfig(server: &str) -> String {
        format!(
            "clusters: [{{ name: c, cluster: {{ server: '{server}' }} }}]\n\
             contexts: [{{ name: c, context: {{ cluster: c, user: c }} }}]\ncurrent-context: c\n\
             users: [{{ name: c, user: {{ token: TOKEN-VALUE }} }}]\n"
        )
    }

    fn secret(name: &str, annotation: &str, key: &str, server: &str) -> String {
        format!(
            "{{ kind: Secret, metadata: {{ name: {name}, namespace: istio-system, labels: {{ istio/multiCluster: 'true' }}, \
             annotations: {{ networking.istio.io/cluster: {annotation} }} }}, data: {{ {key}: {} }} }}",
            STANDARD.encode(kubeconfig(server))
        )
    }

    fn read(text: &str) -> Result<RemoteSecrets, Problem> {
        parse(&Secret::new(text.into()), "it")
    }

    #[test]
    fn each_data_key_of_a_list_is_a_cluster() {
        let text = format!(
            "kind: List\nitems:\n- {}\n- {}\n- {{ kind: Secret, metadata: {{ name: other }}, data: {{ a: YQ== }} }}\n",
            secret("istio-remote-secret-west", "west", "west", "https://west.example:6443"),
            secret("istio-kubeconfig", "east", "config", "https://east.example:6443"),
        );
        let found = read(&text).unwrap();
        let clusters: Vec<_> =
            found.clusters.iter().map(|it| (it.name.as_str(), it.server.as_ref().unwrap().host())).collect();
        assert_eq!(clusters, [("west", "west.example:6443".to_owned()), ("east", "east.example:6443".to_owned())]);
        assert_eq!(found.passed_over, ["other: it has no label istio/multiCluster=true"]);
        assert!(!format!("{found:?}").contains("TOKEN"), "{found:?}");
    }

    #[test]
    fn what_istioctl_prints_is_read_as_well() {
        let text = format!(
            "# This file is autogenerated, do not edit.\napiVersion: v1\nkind: Secret\nmetadata:\n  name: s\n  labels:\n    \
             istio/multiCluster: \"true\"\nstringData:\n  west: |\n    {}---\n",
            kubeconfig("https://w:1").replace('\n', "\n    ").trim_end_matches(' ')
        );
        let found = read(&text).unwrap();
        assert_eq!(found.clusters.len(), 1, "{found:?}");
        assert_eq!(found.clusters[0].server.as_ref().unwrap().host(), "w:1");
    }

    #[test]
    fn a_kubeconfig_that_cannot_be_read_still_names_its_cluster() {
        let found =
            read(&secret("s", "west", "west", "x").replace("data: { west: ", "data: { west: '!!', not: ")).unwrap();
        let servers: Vec<_> = found.clusters.iter().map(|it| (it.name.as_str(), it.server.is_some())).collect();
        assert_eq!(servers, [("not", true), ("west", false)]);
    }

    #[test]
    fn other_text_is_refused_and_never_quoted() {
        let malformed = ["kind: [TOKEN-VALUE", "TOKEN-VALUE", "kind: Secret\ndata: TOKEN-VALUE", "- - TOKEN-VALUE"];
        for text in malformed {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.code(), Code::SecretManifestMalformed, "{text}");
            assert!(!format!("{problem:?}").contains("TOKEN-VALUE"), "{problem:?}");
        }
        for text in ["", "kind: List\nitems: []", "kind: ConfigMap\ndata: { a: TOKEN-VALUE }"] {
            let problem = read(text).unwrap_err();
            assert_eq!(problem.code(), Code::NothingRecognised, "{text}");
            assert!(!format!("{problem:?}").contains("TOKEN-VALUE"), "{problem:?}");
        }
    }
}

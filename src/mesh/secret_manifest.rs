//! A Kubernetes Secret as a file: written for `kubectl apply --server-side`, read back, and read from anybody.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::mesh::cacerts::{Cacerts, SECRET_NAME};
use crate::mesh::ownership::Ownership;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};

/// The parts of a Secret that matter here. Whatever else stands in it is passed over.
#[derive(Clone)]
pub struct SecretManifest {
    /// `type`; absent means `Opaque`.
    pub kind: String,
    /// `immutable`.
    pub immutable: bool,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace`, where it is given.
    pub namespace: Option<String>,
    /// `metadata.annotations`.
    pub annotations: BTreeMap<String, String>,
    /// `data`, decoded, with `stringData` on top of it, as the API server does it.
    pub values: BTreeMap<String, Secret>,
}

/// The largest Secret that is read, in bytes of text. Kubernetes allows 1 MiB of data, which base64 makes a third
/// longer.
pub const LARGEST: usize = 2 * 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Raw {
    kind: Option<String>,
    #[serde(rename = "type")]
    secret_type: Option<String>,
    immutable: Option<bool>,
    metadata: Option<RawMetadata>,
    data: Option<BTreeMap<String, Zeroizing<String>>>,
    string_data: Option<BTreeMap<String, Zeroizing<String>>>,
}

#[derive(Deserialize)]
struct RawMetadata {
    name: Option<String>,
    namespace: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
}

impl SecretManifest {
    /// Reads one Secret from YAML or JSON. Errors never quote the text, since it holds a private key.
    ///
    /// # Errors
    /// `secret-manifest-malformed`.
    pub fn parse(text: &Secret, path: &str) -> Result<Self, Problem> {
        let malformed = |why: String| {
            Problem::new(Code::SecretManifestMalformed, format!("{path} is not a Secret: {why}"))
                .hint("kubectl get secret cacerts -n istio-system -o yaml   prints one")
        };
        let words = std::str::from_utf8(text.expose()).map_err(|_| malformed("it is not UTF-8 text".to_owned()))?;
        let options = serde_saphyr::options! { with_snippet: false };
        let raw: Raw = serde_saphyr::from_str_with_options(words, options).map_err(|error| {
            let place = error.location().map_or_else(String::new, |at| format!(" at line {}", at.line()));
            malformed(format!("it is not YAML or JSON of the expected shape{place}"))
        })?;
        if raw.kind.as_deref() != Some("Secret") {
            return Err(malformed(format!("its kind is {:?}", raw.kind.unwrap_or_default())));
        }
        let mut values = BTreeMap::new();
        for (name, value) in raw.data.unwrap_or_default() {
            let bytes = decode(&value).ok_or_else(|| malformed(format!("data.{} is not base64", printable(&name))))?;
            values.insert(name, bytes);
        }
        for (name, value) in raw.string_data.unwrap_or_default() {
            values.insert(name, Secret::new(value.as_bytes().to_vec()));
        }
        let metadata = raw.metadata.unwrap_or(RawMetadata { name: None, namespace: None, annotations: None });
        Ok(Self {
            kind: raw.secret_type.unwrap_or_else(|| "Opaque".to_owned()),
            immutable: raw.immutable.unwrap_or(false),
            name: metadata.name.unwrap_or_default(),
            namespace: metadata.namespace,
            annotations: metadata.annotations.unwrap_or_default(),
            values,
        })
    }
}

impl std::fmt::Debug for SecretManifest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SecretManifest({}, {:?})", self.name, self.values.keys())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Written<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: WrittenMetadata<'a>,
    #[serde(rename = "type")]
    secret_type: &'a str,
    data: BTreeMap<&'a str, Zeroizing<String>>,
}

#[derive(Serialize)]
struct WrittenMetadata<'a> {
    name: &'a str,
    namespace: &'a str,
    labels: BTreeMap<&'a str, &'a str>,
    annotations: BTreeMap<String, String>,
}

/// A set as a Secret that `kubectl apply --server-side` takes. It holds a
/// private key.
///
/// # Errors
/// `secret-manifest-malformed`, should the text not come about.
pub fn render(set: &Cacerts, namespace: &str, mark: &Ownership) -> Result<Secret, Problem> {
    let files = set.files();
    let written = Written {
        api_version: "v1",
        kind: "Secret",
        metadata: WrittenMetadata {
            name: SECRET_NAME,
            namespace,
            labels: [("app.kubernetes.io/managed-by", "meshca")].into_iter().collect(),
            annotations: mark.annotations(),
        },
        secret_type: "Opaque",
        data: files.iter().map(|(name, value)| (*name, encode(value))).collect(),
    };
    let text = serde_saphyr::to_string(&written)
        .map(Zeroizing::new)
        .map_err(|_| Problem::new(Code::SecretManifestMalformed, "the Secret could not be written as YAML"))?;
    Ok(Secret::new(
        format!("# Holds a private key. kubectl apply --server-side -f THIS\n{}", text.as_str()).into_bytes(),
    ))
}

/// Standard base64 with padding (RFC 4648 §4), as Kubernetes writes it.
fn encode(value: &Secret) -> Zeroizing<String> {
    use base64::Engine;
    Zeroizing::new(base64::engine::general_purpose::STANDARD.encode(value.expose()))
}

fn decode(text: &str) -> Option<Secret> {
    use base64::Engine;
    let compact: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
    base64::engine::general_purpose::STANDARD.decode(compact.as_bytes()).ok().map(Secret::new)
}

fn printable(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

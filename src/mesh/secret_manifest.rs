//! A Kubernetes Secret as a file: written for `kubectl apply --server-side`, read back, and read from anybody.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use zeroize::Zeroizing;

use crate::mesh::cacerts::{Cacerts, SECRET_NAME};
use crate::mesh::field_manager::FieldManager;
use crate::mesh::observed::{Owner, SecretKind, SecretSight};
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
    /// `metadata.uid`; a Secret that was made anew has another.
    pub uid: Option<String>,
    /// `metadata.resourceVersion`, which identifies its present content.
    pub resource_version: Option<String>,
    /// `metadata.managedFields`: who wrote what of it.
    pub managers: Vec<FieldManager>,
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

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct RawMetadata {
    name: Option<String>,
    namespace: Option<String>,
    annotations: Option<BTreeMap<String, String>>,
    uid: Option<String>,
    resource_version: Option<String>,
    managed_fields: Option<Vec<FieldManager>>,
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
        Self::from_raw(raw).map_err(malformed)
    }

    /// Reads what an API server answers. `None`: it is not a Secret; nothing of it is quoted.
    #[must_use]
    pub fn from_json(text: &Secret) -> Option<Self> {
        serde_json::from_slice(text.expose()).ok().and_then(|raw| Self::from_raw(raw).ok())
    }

    fn from_raw(raw: Raw) -> Result<Self, String> {
        if raw.kind.as_deref() != Some("Secret") {
            return Err(format!("its kind is {:?}", raw.kind.unwrap_or_default()));
        }
        let mut values = BTreeMap::new();
        for (name, value) in raw.data.unwrap_or_default() {
            let bytes = decode(&value).ok_or_else(|| format!("data.{} is not base64", printable(&name)))?;
            values.insert(name, bytes);
        }
        for (name, value) in raw.string_data.unwrap_or_default() {
            values.insert(name, Secret::new(value.as_bytes().to_vec()));
        }
        let metadata = raw.metadata.unwrap_or_default();
        Ok(Self {
            kind: raw.secret_type.unwrap_or_else(|| "Opaque".to_owned()),
            immutable: raw.immutable.unwrap_or(false),
            name: metadata.name.unwrap_or_default(),
            namespace: metadata.namespace,
            annotations: metadata.annotations.unwrap_or_default(),
            uid: metadata.uid,
            resource_version: metadata.resource_version,
            managers: metadata.managed_fields.unwrap_or_default(),
            values,
        })
    }

    /// When meshca last wrote its values, as the API server says.
    #[must_use]
    pub fn written_at(&self) -> Option<OffsetDateTime> {
        self.managers.iter().filter(|it| it.is_ours() && it.owns_values()).filter_map(FieldManager::time).max()
    }

    /// Whose it is: ours by our annotations, unless somebody else wrote one of its values.
    #[must_use]
    pub fn owner(&self) -> Owner {
        let stranger = self.managers.iter().find(|it| it.owns_values() && !it.is_ours());
        match (Ownership::from_annotations(&self.annotations), stranger) {
            (Some(mark), None) => Owner::Ours(mark),
            (_, Some(stranger)) => Owner::Somebody(format!("field manager {}", printable(&stranger.manager))),
            (None, None) => Owner::Somebody("no annotations of meshca".to_owned()),
        }
    }

    /// The public part of it. `key_spki` is the public half of its private key, which the one who read it worked out.
    #[must_use]
    pub fn sight(self, key_spki: Option<Vec<u8>>) -> SecretSight {
        let kind = match self.kind.as_str() {
            "Opaque" => SecretKind::Opaque,
            "kubernetes.io/tls" => SecretKind::Tls,
            other => SecretKind::Other(printable(other)),
        };
        let owner = self.owner();
        let values = self.values.iter().map(|(name, value)| (name.clone(), value.expose().to_vec())).collect();
        let mut sight = SecretSight::new(kind, owner, values, key_spki);
        sight.immutable = self.immutable;
        sight.uid = self.uid;
        sight.version = self.resource_version;
        sight
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
#[serde(rename_all = "camelCase")]
struct WrittenMetadata<'a> {
    name: &'a str,
    namespace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resource_version: Option<&'a str>,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

/// What a Secret must still be when it is written: the object, and its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Precondition<'a> {
    /// Its uid. Without it, an API server makes a Secret anew that was deleted meanwhile.
    pub uid: &'a str,
    /// Its version.
    pub resource_version: &'a str,
}

/// A set as a Secret that `kubectl apply --server-side` takes. It holds a
/// private key.
///
/// # Errors
/// `secret-manifest-malformed`, should the text not come about.
pub fn render(set: &Cacerts, namespace: &str, mark: &Ownership) -> Result<Secret, Problem> {
    let text = serde_saphyr::to_string(&written(set, namespace, mark, None))
        .map(Zeroizing::new)
        .map_err(|_| Problem::new(Code::SecretManifestMalformed, "the Secret could not be written as YAML"))?;
    Ok(Secret::new(
        format!("# Holds a private key. kubectl apply --server-side -f THIS\n{}", text.as_str()).into_bytes(),
    ))
}

/// A set as the body of a server-side apply. It holds a private key.
///
/// # Errors
/// `secret-manifest-malformed`, should the text not come about.
pub fn apply_body(
    set: &Cacerts,
    namespace: &str,
    mark: &Ownership,
    precondition: Option<Precondition<'_>>,
) -> Result<Secret, Problem> {
    // A buffer that does not grow leaves no copy of the key behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LARGEST / 16));
    serde_json::to_writer(&mut *text, &written(set, namespace, mark, precondition))
        .map_err(|_| Problem::new(Code::SecretManifestMalformed, "the Secret could not be written as JSON"))?;
    Ok(Secret::new(std::mem::take(&mut *text)))
}

fn written<'a>(
    set: &Cacerts,
    namespace: &'a str,
    mark: &Ownership,
    precondition: Option<Precondition<'a>>,
) -> Written<'a> {
    Written {
        api_version: "v1",
        kind: "Secret",
        metadata: WrittenMetadata {
            name: SECRET_NAME,
            namespace,
            uid: precondition.map(|it| it.uid),
            resource_version: precondition.map(|it| it.resource_version),
            labels: mark.labels(),
            annotations: mark.annotations(),
        },
        secret_type: "Opaque",
        data: set.files().iter().map(|(name, value)| (*name, encode(value))).collect(),
    }
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

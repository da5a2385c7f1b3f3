//! The mesh file as it is written: every key, its default and its meaning, before any rule is applied.
//!
//! These types are the one source of the JSON Schema, whose descriptions are the comments below. There are no
//! flattened and no untagged types among them: under those, YAML would turn an unquoted `no` into a boolean.

use std::fmt;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::mesh::snippet::Placed;

/// The clusters of one mesh file at most.
pub const MOST_CLUSTERS: usize = 10_000;

/// The JSON Schema of the mesh file (draft 2020-12), as editors take it.
///
/// It knows keys, types, defaults and words. The rules between values are checked only by `mesh_file::parse`.
#[must_use]
pub fn schema() -> serde_json::Value {
    let mut settings = SchemaSettings::draft2020_12();
    settings.inline_subschemas = true;
    settings.into_generator().into_root_schema_for::<WrittenMesh>().to_value()
}

/// The mesh file of meshca: one mesh, its clusters, and how their certificates should look.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
// Here all keys have defaults, so that a missing one is told together with other problems; the schema says the rest.
#[schemars(title = "meshca mesh file", extend("required" = ["version", "mesh", "clusters"]))]
pub(crate) struct WrittenMesh {
    /// The version of this format: 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("const" = 1))]
    pub(crate) version: Option<Placed<u64>>,
    /// The name of the mesh, as Istio's mesh ID. It stands in records and in the rows of root and issuing CA.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mesh: Option<Placed<String>>,
    /// The SPIFFE trust domain that istiod is installed with.
    pub(crate) trust_domain: TrustDomain,
    /// Whether this is a lab: `--at` may write and plaintext keys may exist. It is loud everywhere.
    pub(crate) lab: bool,
    /// The folder of certificates and sealed keys that ceremonies made, relative to this file. It may be read-only.
    pub(crate) material: Material,
    /// Where ledger and status go: a folder, relative to this file, or `stdout`.
    pub(crate) records: RecordsPath,
    /// The root, which is made in a ceremony and stays offline.
    pub(crate) root: WrittenRoot,
    /// The online issuing CA between the root and the intermediates.
    pub(crate) issuing: WrittenIssuing,
    /// The intermediate of each control plane: the `ca-cert.pem` that istiod signs workloads with.
    pub(crate) intermediate: WrittenIntermediate,
    /// How long it takes to arrange a ceremony.
    pub(crate) lead: Lead,
    /// What goes into `cert-chain.pem`.
    pub(crate) chain: WrittenChain,
    /// The certificates that istiod hands out to workloads.
    pub(crate) workload: WrittenWorkload,
    /// How the unattended side works.
    pub(crate) rotation: WrittenRotation,
    /// SHA-256 (64 hexadecimal digits) of each root or issuing CA whose private key may be in other hands. Such a root
    /// endorses nothing, such an issuing CA signs nothing, and the change of root does not wait for a window.
    pub(crate) leaked: Vec<Placed<String>>,
    /// The clusters of the mesh, at least one.
    #[schemars(with = "Vec<WrittenCluster>", extend("minItems" = 1, "maxItems" = MOST_CLUSTERS))]
    #[serde(skip_serializing)]
    pub(crate) clusters: Placed<Clusters>,
}

/// A length of time, not yet read.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(inline, extend("pattern" = "^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?$", "minLength" = 2))]
pub(crate) struct Length(pub(crate) String);

impl From<&str> for Placed<Length> {
    fn from(text: &str) -> Self {
        Length(text.to_owned()).into()
    }
}

/// A kind of key, not yet read.
#[derive(Debug, Clone, Deserialize, Serialize, JsonSchema)]
#[schemars(inline, extend("enum" = ["ecdsa-p256", "ecdsa-p384"]))]
pub(crate) struct KeyWord(pub(crate) String);

impl From<&str> for Placed<KeyWord> {
    fn from(text: &str) -> Self {
        KeyWord(text.to_owned()).into()
    }
}

// A value at the top of the file with a default of its own.
macro_rules! defaulted {
    ($( $name:ident = $inner:ty : $default:literal ; )*) => { $(
        #[derive(Debug, Deserialize, Serialize, JsonSchema)]
        #[serde(transparent)]
        #[schemars(inline)]
        pub(crate) struct $name(pub(crate) Placed<$inner>);

        impl Default for $name {
            fn default() -> Self {
                Self($default.into())
            }
        }
    )* };
}

defaulted! {
    TrustDomain = String: "cluster.local";
    Material = String: "./material";
    RecordsPath = String: "./records";
    Lead = Length: "30d";
}

/// The root.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenRoot {
    /// The subject of the root certificate.
    pub(crate) subject: WrittenSubject,
    /// The kind of key.
    pub(crate) key: Placed<KeyWord>,
    /// How long a root lives.
    pub(crate) lifetime: Placed<Length>,
    /// A change of root is due when this much of its life is left.
    pub(crate) renew_before: Placed<Length>,
    /// SHA-256 pins of root certificates (64 hexadecimal digits) that the unattended side may use besides endorsed ones.
    pub(crate) trusted: Vec<Placed<String>>,
}

impl Default for WrittenRoot {
    fn default() -> Self {
        Self {
            subject: WrittenSubject::default(),
            key: "ecdsa-p256".into(),
            lifetime: "3650d".into(),
            renew_before: "730d".into(),
            trusted: Vec::new(),
        }
    }
}

/// The subject of the root certificate.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenSubject {
    /// `O`, at most 64 characters. Where it is not given, the name of the mesh.
    pub(crate) organization: Option<Placed<String>>,
    /// `CN`, at most 56 characters, to which meshca adds the generation. Where it is not given, the mesh and `root`.
    pub(crate) common_name: Option<Placed<String>>,
}

/// The online issuing CA.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenIssuing {
    /// `online`: an issuing CA renews intermediates unattended. `none`: the root signs them itself, in ceremonies.
    pub(crate) mode: IssuingMode,
    /// The kind of key.
    pub(crate) key: Placed<KeyWord>,
    /// How long an issuing CA lives.
    pub(crate) lifetime: Placed<Length>,
    /// A new issuing CA is due when this much of its life is left.
    pub(crate) renew_before: Placed<Length>,
}

impl Default for WrittenIssuing {
    fn default() -> Self {
        Self {
            mode: IssuingMode::Online,
            key: "ecdsa-p256".into(),
            lifetime: "365d".into(),
            renew_before: "120d".into(),
        }
    }
}

/// Whether there is an issuing CA.
// A comment on a variant would turn the schema's plain list of words into a list of alternatives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum IssuingMode {
    Online,
    None,
}

/// The intermediate of each control plane.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenIntermediate {
    /// The kind of key. Every new connection in the mesh verifies the chain: P-384 costs it about seven times more.
    pub(crate) key: Placed<KeyWord>,
    /// How long an intermediate lives.
    pub(crate) lifetime: Placed<Length>,
    /// An intermediate is renewed when this much of its life is left.
    pub(crate) renew_before: Placed<Length>,
}

impl Default for WrittenIntermediate {
    fn default() -> Self {
        Self { key: "ecdsa-p256".into(), lifetime: "90d".into(), renew_before: "30d".into() }
    }
}

/// What goes into `cert-chain.pem`.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenChain {
    /// Whether `cert-chain.pem` ends with the root.
    pub(crate) include_root: bool,
}

/// The certificates of workloads.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WrittenWorkload {
    /// What istiod hands out at most (its `MAX_WORKLOAD_CERT_TTL`). The waiting times of a change of root follow from it.
    #[serde(rename = "maxTTL")]
    pub(crate) max_ttl: Placed<Length>,
    /// Slack on top of it.
    pub(crate) margin: Placed<Length>,
}

impl Default for WrittenWorkload {
    fn default() -> Self {
        Self { max_ttl: "24h".into(), margin: "1h".into() }
    }
}

/// How the unattended side works.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenRotation {
    /// While this is true nothing is renewed; the report and a metric say so.
    pub(crate) paused: bool,
    /// How often `meshca rotate` is scheduled. The rule about the 7-day alert counts with it.
    pub(crate) tick: Placed<Length>,
    /// The cluster that gets a new intermediate first: one that gets `cacerts`.
    pub(crate) canary: Option<Placed<String>>,
    /// How many targets are read at once, 1 to 1024.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) observe: Placed<u64>,
    /// How many targets are written at once, 1 to 1024.
    #[schemars(range(min = 1, max = 1024))]
    pub(crate) write: Placed<u64>,
    /// The time for one target.
    pub(crate) deadline: Placed<Length>,
    /// A renewal comes earlier by up to this much, by a stable hash of the target.
    pub(crate) jitter: Placed<Length>,
    /// Maintenance windows: renewals and steps of a change of root wait for one. Where there are none, they never wait.
    pub(crate) windows: Vec<Placed<WrittenWindow>>,
    /// How long after Drain the old root is removed without being asked, or `never`: `rotate --approve-removal` asks.
    pub(crate) remove_after: Placed<String>,
}

impl Default for WrittenRotation {
    fn default() -> Self {
        Self {
            paused: false,
            tick: "24h".into(),
            canary: None,
            observe: 64_u64.into(),
            write: 4_u64.into(),
            deadline: "30s".into(),
            jitter: "0s".into(),
            windows: Vec::new(),
            remove_after: "never".into(),
        }
    }
}

/// A maintenance window.
#[derive(Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenWindow {
    /// When it opens, as the five fields of cron.
    pub(crate) cron: Placed<String>,
    /// How long it stays open, from 1m to 7d.
    pub(crate) duration: Placed<Length>,
    /// The time zone of the cron fields, by its IANA name.
    pub(crate) time_zone: Placed<String>,
}

/// The list of clusters, which stops reading at the bound.
#[derive(Debug, Default)]
pub(crate) struct Clusters(pub(crate) Vec<Placed<WrittenCluster>>);

impl<'de> Deserialize<'de> for Clusters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded;

        impl<'de> Visitor<'de> for Bounded {
            type Value = Clusters;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MOST_CLUSTERS} clusters")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Clusters, A::Error> {
                let mut clusters = Vec::new();
                while let Some(cluster) = list.next_element()? {
                    if clusters.len() == MOST_CLUSTERS {
                        return Err(serde::de::Error::invalid_length(MOST_CLUSTERS + 1, &self));
                    }
                    clusters.push(cluster);
                }
                Ok(Clusters(clusters))
            }
        }

        deserializer.deserialize_seq(Bounded)
    }
}

impl Default for Placed<Clusters> {
    fn default() -> Self {
        Clusters::default().into()
    }
}

/// One cluster of the mesh.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("required" = ["name", "role", "access"]))]
pub(crate) struct WrittenCluster {
    /// The name of the cluster, as Istio's cluster ID: a DNS label, unique, and not `unknown`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<Placed<String>>,
    /// The network of the cluster, as Istio's network ID.
    pub(crate) network: Option<Placed<String>>,
    /// `primary` runs its own istiod, `remote` is served by another cluster's, `external` runs an istiod for another
    /// cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Placed<RoleWord>>,
    /// Of a remote: the primary or external control plane that serves it.
    pub(crate) primary: Option<Placed<String>>,
    /// Of an external control plane: the cluster whose configuration it reads, one of its remotes.
    pub(crate) config_cluster: Option<Placed<String>>,
    /// The namespace of istiod, where `cacerts` lies. Where it is not given, `istio-system`.
    pub(crate) namespace: Option<Placed<String>>,
    /// Whether the cluster takes part: `member`, `leaving`, or `excluded` with a reason and a moment.
    pub(crate) state: StateWord,
    /// Of an excluded cluster: why.
    pub(crate) reason: Option<Placed<String>>,
    /// Of an excluded cluster: until when, as `2027-01-31T00:00:00Z`.
    pub(crate) until: Option<Placed<String>>,
    /// How the cluster is reached: exactly one of directory, manifest, kubeconfig and inCluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) access: Option<Placed<WrittenAccess>>,
    /// What is known about its istiod, and how that can be looked at.
    pub(crate) istiod: WrittenIstiod,
    /// The object that carries its trust bundle. Where it is not given, the ConfigMap `istio-ca-root-cert`.
    pub(crate) trust_bundle: Option<Placed<WrittenTrustBundle>>,
}

/// What a cluster is in the mesh.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum RoleWord {
    Primary,
    Remote,
    External,
}

/// Whether a cluster takes part.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StateWord {
    #[default]
    Member,
    Leaving,
    Excluded,
}

/// How a cluster is reached.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenAccess {
    /// A folder for the four files, laid out as the kubelet projects a Secret. Relative to this file.
    pub(crate) directory: Option<Placed<String>>,
    /// A file for the Secret as YAML, which `kubectl apply --server-side` takes. Relative to this file.
    pub(crate) manifest: Option<Placed<String>>,
    /// A kubeconfig file. Relative to this file.
    pub(crate) kubeconfig: Option<Placed<String>>,
    /// The context of that kubeconfig. Where it is not given, its current one.
    pub(crate) context: Option<Placed<String>>,
    /// Whether the cluster is the one that meshca runs in.
    pub(crate) in_cluster: bool,
}

/// What is known about an istiod.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenIstiod {
    /// Behind a directory there is nothing to look at: a set counts as loaded this long after it was written.
    pub(crate) assume_loaded_after: Option<Placed<Length>>,
    /// Where replicas can be asked for their serving chain, as `host:port`. A name counts as one replica for each of its
    /// addresses.
    pub(crate) addresses: Vec<Placed<String>>,
    /// The URLs of its metrics, with http.
    pub(crate) metrics: Vec<Placed<String>>,
    /// The URL of a Prometheus that has its metrics, instead of `metrics`.
    pub(crate) prometheus: Option<Placed<String>>,
    /// Whether it runs with multi-root on (`ISTIO_MULTIROOT_MESH`).
    pub(crate) multi_root: bool,
    /// Whether clients authenticate to it by certificate.
    pub(crate) client_cert_auth: bool,
    /// Whether meshca may restart it where a change of root needs that.
    pub(crate) restart: bool,
}

/// The object that carries a trust bundle: exactly one of the two.
#[derive(Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct WrittenTrustBundle {
    /// The name of a ConfigMap in the namespace of istiod.
    pub(crate) config_map: Option<Placed<String>>,
    /// The name of a ClusterTrustBundle.
    pub(crate) cluster_trust_bundle: Option<Placed<String>>,
}

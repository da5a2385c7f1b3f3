//! What was seen of one target. Directories, API servers and simulated clusters all fill this one type.
//!
//! It holds no private key: of a key, only its public half is kept.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::mesh::cacerts::{CA_CERT, CA_KEY, CERT_CHAIN, ISTIO_GENERATED, ROOT_CERT};
use crate::mesh::fleet::ClusterName;
use crate::mesh::istiod_deployment::IstiodDeployment;
use crate::mesh::ownership::Ownership;
use crate::pki::certificate::Certificate;
use crate::pki::certificate_pem::CertificatePem;
use crate::pki::read_pem;
use crate::problem::{Code, Problem};

/// Everything that was seen of one target, at one moment.
#[derive(Debug, Clone)]
pub struct Observed {
    /// Which target.
    pub cluster: ClusterName,
    /// When it was looked at.
    pub at: OffsetDateTime,
    /// Its `cacerts`; `Ok(None)`: it has none; an error: it could not be read. Always `Ok(None)` for a remote.
    pub secret: Result<Option<SecretSight>, Problem>,
    /// The bytes of `istio-ca-root-cert` in istiod's system namespace; `Ok(None)`: there is none.
    pub system_roots: Result<Option<CertificatePem>, Problem>,
    /// Whether istiod keeps a self-signed CA there (`istio-ca-secret`).
    pub self_signed: bool,
    /// What each replica of its istiod showed. Empty where there was nothing to look at.
    pub replicas: Vec<Replica>,
    /// When the present set was written, where that can be seen.
    pub written_at: Option<OffsetDateTime>,
    /// Whom the namespace of a remote names as its control planes: cluster IDs, or `*`; empty: nobody. `None`: this is no
    /// remote, or it could not be seen.
    pub control_planes: Option<Vec<String>>,
    /// When the object that carries the trust bundle last changed in whatever way, UTC, by the clock of its API server.
    /// `None`: not seen.
    pub system_roots_since: Option<OffsetDateTime>,
    /// What the clock of the API server said when it answered, UTC, whole seconds: later than `at` by as long as the look had
    /// taken by then. `None`: there is no such server, or it did not say.
    pub server_clock: Option<OffsetDateTime>,
    /// What istiod's own Deployments say. `None`: not looked at, which is right unless a root change is under way.
    pub deployment: Option<Result<IstiodDeployment, Problem>>,
}

/// The public part of a `cacerts` Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSight {
    /// Its type.
    pub kind: SecretKind,
    /// Whether Kubernetes refuses changes of it.
    pub immutable: bool,
    /// What identifies the object; a recreated one has another.
    pub uid: Option<String>,
    /// What identifies its present content.
    pub version: Option<String>,
    /// Whose it is.
    pub owner: Owner,
    /// Its values except private keys.
    pub public: BTreeMap<String, CertificatePem>,
    /// The names of all its values.
    pub names: Vec<String>,
    /// The public half of `ca-key.pem`; `None`: absent or not readable.
    pub key_spki: Option<Vec<u8>>,
    /// The first certificate of `ca-cert.pem`, or why there is none.
    pub signer: Result<Certificate, Problem>,
}

/// The type of a Secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretKind {
    /// `Opaque`, the form with four files.
    Opaque,
    /// `kubernetes.io/tls`.
    Tls,
    /// Anything else.
    Other(String),
}

/// Whose Secret it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// meshca wrote it for this mesh.
    Ours(Ownership),
    /// istiod made it for itself (`istio-generated`).
    Istiod,
    /// Somebody else, by the name of their field manager or whatever else there is.
    Somebody(String),
}

/// How well something is known. An assumption is never shown as a sight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Not known.
    None,
    /// Nothing could be looked at; enough time has passed.
    Assumed,
    /// Seen on istiod itself.
    Seen,
}

impl Grade {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Assumed, Self::Seen];

    /// The word in tables and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Grade::None => "none",
            Grade::Assumed => "assumed",
            Grade::Seen => "seen",
        }
    }
}

/// What one replica of istiod showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// Its address or name.
    pub name: String,
    /// How it was looked at.
    pub way: Way,
    /// Why nothing could be seen of it; `None`: something was.
    pub unseen: Option<Problem>,
    /// The public key of the intermediate in the chain that it serves.
    pub signer_spki: Option<Vec<u8>>,
    /// The beginning of its serving certificate, which it signs anew at each load.
    pub served_since: Option<OffsetDateTime>,
    /// The names of client CAs that it offers, encoded; fixed at its start.
    pub client_ca_names: Vec<Vec<u8>>,
    /// Its gauge for the end of the first certificate of the chain file.
    pub chain_end: Option<OffsetDateTime>,
    /// Its gauge for the end of the first certificate of the root file.
    pub root_end: Option<OffsetDateTime>,
}

/// How a replica of istiod was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// By a handshake: the chain that it serves, and the client CAs that it offers.
    Chain,
    /// By its own gauges. They are as true as istiod's word, and in Istio before 1.24 they stay old after a reload.
    Gauges,
}

impl Way {
    /// The word in documents.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Way::Chain => "chain",
            Way::Gauges => "gauges",
        }
    }
}

impl Replica {
    /// A replica that was not seen yet.
    #[must_use]
    pub const fn new(name: String, way: Way) -> Self {
        Self {
            name,
            way,
            unseen: None,
            signer_spki: None,
            served_since: None,
            client_ca_names: Vec::new(),
            chain_end: None,
            root_end: None,
        }
    }

    /// A replica of which nothing could be seen, and why.
    #[must_use]
    pub fn unseen(name: String, way: Way, why: Problem) -> Self {
        Self { unseen: Some(why), ..Self::new(name, way) }
    }
}

impl Observed {
    /// A target that could not be looked at.
    #[must_use]
    pub fn unseen(cluster: &ClusterName, at: OffsetDateTime, problem: &Problem) -> Self {
        Self {
            cluster: cluster.clone(),
            at,
            secret: Err(problem.clone()),
            system_roots: Err(problem.clone()),
            self_signed: false,
            replicas: Vec::new(),
            written_at: None,
            control_planes: None,
            system_roots_since: None,
            server_clock: None,
            deployment: None,
        }
    }

    /// The roots that istiod hands out there and that can be read, in their order; `None`: none were seen.
    #[must_use]
    pub fn shown_roots(&self) -> Option<&[Certificate]> {
        self.system_roots.as_ref().ok()?.as_ref().map(CertificatePem::certificates)
    }

    /// The generation of the intermediate that the target holds; 0: none of ours, or it could not be seen.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.secret.as_ref().ok().and_then(Option::as_ref).map_or(0, SecretSight::generation)
    }
}

impl SecretSight {
    /// The generation that our mark names; 0: it is not ours.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        match &self.owner {
            Owner::Ours(mark) => mark.generation,
            Owner::Istiod | Owner::Somebody(_) => 0,
        }
    }

    /// Whether it is a set that was adopted: ours by its mark, with the signer that the cluster came with.
    #[must_use]
    pub fn is_adopted(&self) -> bool {
        let Ok(signer) = &self.signer else { return false };
        matches!(&self.owner, Owner::Ours(mark) if mark.generation == 0 && signer.has_serial(&mark.serial))
    }

    /// Of the roots in its trust bundle, the first that signed the top of its chain, or is it.
    #[must_use]
    pub fn own_root(&self) -> Option<Certificate> {
        let chain = self.chain();
        let top = chain.last().or(self.signer.as_ref().ok())?;
        self.roots().iter().find(|root| top == *root || is_signed_by(top, root)).cloned()
    }

    /// The public view of a Secret's values. `key_spki` is the public half of its private key, which the one who read
    /// it worked out; no value whose name says that it is a key is kept.
    #[must_use]
    pub fn new(kind: SecretKind, owner: Owner, values: BTreeMap<String, Vec<u8>>, key_spki: Option<Vec<u8>>) -> Self {
        let names: Vec<String> = values.keys().cloned().collect();
        let is_public = |(name, value): &(String, Vec<u8>)| !name.contains("key") && !holds_a_key(value);
        let public: BTreeMap<String, CertificatePem> =
            values.into_iter().filter(is_public).map(|(name, value)| (name, CertificatePem::from(value))).collect();
        let signer = first_certificate(public.get(CA_CERT).map(|text| &**text).unwrap_or_default());
        let owner = if names.iter().any(|name| name == ISTIO_GENERATED) { Owner::Istiod } else { owner };
        Self { kind, immutable: false, uid: None, version: None, owner, public, names, key_spki, signer }
    }

    /// The trust bundle, byte for byte; empty where there is none.
    #[must_use]
    pub fn bundle(&self) -> &[u8] {
        self.public.get(ROOT_CERT).map(|text| &**text).unwrap_or_default()
    }

    /// The roots in the trust bundle that can be read, in their order.
    #[must_use]
    pub fn roots(&self) -> &[Certificate] {
        self.certificates(ROOT_CERT)
    }

    /// The certificates of the chain file that can be read, in their order.
    #[must_use]
    pub fn chain(&self) -> &[Certificate] {
        self.certificates(CERT_CHAIN)
    }

    fn certificates(&self, file: &str) -> &[Certificate] {
        self.public.get(file).map(CertificatePem::certificates).unwrap_or_default()
    }

    /// The trust bundle as it is to be kept: byte for byte. Only what istiod would not read is laid out anew. `None`:
    /// there is none, or no root in it can be read.
    #[must_use]
    pub fn kept_bundle(&self) -> Option<Vec<u8>> {
        let bundle = self.public.get(ROOT_CERT)?;
        let roots = bundle.certificates();
        if roots.is_empty() {
            return None;
        }
        if bundle.is_clean() {
            return Some(bundle.to_vec());
        }
        Some(roots.iter().map(Certificate::pem).collect::<String>().into_bytes())
    }

    /// Why the set is of no use as it is, in words; `None`: its parts are there and fit.
    #[must_use]
    pub fn defect(&self) -> Option<&'static str> {
        let Ok(signer) = &self.signer else { return Some("its ca-cert.pem cannot be read") };
        if !self.is_complete() {
            return Some("its cacerts lacks one of the four files");
        }
        if self.key_fits() != Some(true) {
            return Some("its ca-key.pem does not belong to its ca-cert.pem");
        }
        if !self.public.values().all(CertificatePem::is_clean) {
            return Some("its cacerts has PEM blocks that istiod would not find");
        }
        let roots = self.roots();
        if roots.is_empty() {
            return Some("its root-cert.pem holds no root that can be read");
        }
        let chain = self.chain();
        if chain.first() != Some(signer) {
            return Some("its cert-chain.pem does not begin with its ca-cert.pem");
        }
        let mut links = chain.iter().zip(chain.iter().skip(1));
        let is_rooted = chain.last().is_some_and(|top| roots.iter().any(|root| is_signed_by(top, root)));
        if !is_rooted || !links.all(|(child, parent)| is_signed_by(child, parent)) {
            return Some("its cert-chain.pem does not lead to a root of its root-cert.pem");
        }
        None
    }

    /// Whether the private key belongs to the signer's certificate. `None`: it cannot be told.
    #[must_use]
    pub fn key_fits(&self) -> Option<bool> {
        let spki = self.key_spki.as_ref()?;
        self.signer.as_ref().ok().map(|signer| signer.spki() == spki)
    }

    /// Whether all four files are there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        [CA_CERT, CA_KEY, CERT_CHAIN, ROOT_CERT].iter().all(|file| self.names.iter().any(|name| name == file))
    }
}

/// The readable certificates of some PEM text, in their order; whatever cannot be read is passed over.
#[must_use]
pub fn certificates(text: &[u8]) -> Vec<Certificate> {
    read_pem::certificates(text).to_vec()
}

fn is_signed_by(child: &Certificate, parent: &Certificate) -> bool {
    child.issuer() == parent.subject() && child.is_signed_by(parent.spki())
}

fn holds_a_key(value: &[u8]) -> bool {
    const LABEL: &[u8] = b"PRIVATE KEY-----";
    value.windows(LABEL.len()).any(|window| window == LABEL)
}

fn first_certificate(text: &[u8]) -> Result<Certificate, Problem> {
    let unreadable =
        || Problem::new(Code::CertificateMalformed, format!("{CA_CERT} does not begin with a certificate"));
    let block = pem::parse(text).map_err(|_| unreadable())?;
    Certificate::from_der(block.contents())
}

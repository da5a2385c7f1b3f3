//! What an istiod shows of what it has loaded: its serving certificate, the client CAs of its start, its gauges.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use meshca::mesh::secret_files::{
    CA_CERT, CA_KEY, CERT_CHAIN, Form, ROOT_CERT, SecretFiles, TLS_CERT, TLS_KEY, TLS_ROOT,
};
use meshca::pki::certificate::Certificate;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};
use time::{Duration, OffsetDateTime};

use super::{Clock, rules};

/// How long istiod's serving certificate and its own CA are to last; the signer's end cuts it short.
const LIFETIME: Duration = Duration::days(3650);

/// What one replica serves.
pub(super) struct Serving {
    /// Its roots and its way to answer, as they were at its start.
    pub(super) config: Arc<ServerConfig>,
    certificate: Arc<Resolver>,
    pub(super) gauges: Gauges,
}

/// The ends of the first certificates of two files, seconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Gauges {
    root: Option<i64>,
    chain: Option<i64>,
}

#[derive(Debug)]
struct Resolver(Mutex<Arc<CertifiedKey>>);

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.lock().ok().map(|current| Arc::clone(&current))
    }
}

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        let seconds = u64::try_from(self.now().unix_timestamp()).ok()?;
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

impl Serving {
    pub(super) fn new(files: &SecretFiles, namespace: &str, clock: &Clock, now: OffsetDateTime) -> Self {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        for root in blocks(rules::roots(files)) {
            roots.add(root).unwrap();
        }
        // As istiod does: who shows a certificate is verified, who shows none is welcome.
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let verifier = verifier.allow_unauthenticated().build().unwrap();
        let certificate = Arc::new(Resolver(Mutex::new(signed(files, namespace, now))));
        let config = ServerConfig::builder_with_details(provider, Arc::new(clock.clone()));
        let config = config.with_protocol_versions(&[&TLS13]).unwrap().with_client_cert_verifier(verifier);
        let mut config = config.with_cert_resolver(Arc::clone(&certificate) as _);
        config.alpn_protocols = vec![b"h2".to_vec()];
        let mut serving = Self { config: Arc::new(config), certificate, gauges: Gauges::default() };
        serving.record(files);
        serving
    }

    /// From now on it serves a certificate by this signer.
    pub(super) fn sign(&mut self, files: &SecretFiles, namespace: &str, now: OffsetDateTime) {
        *self.certificate.0.lock().unwrap() = signed(files, namespace, now);
    }

    /// Sets the gauges. As in istiod, one without a certificate keeps what it had.
    pub(super) fn record(&mut self, files: &SecretFiles) {
        let end = |bytes: &[u8]| blocks(bytes).first().and_then(|der| Certificate::from_der(der).ok());
        let end = |bytes: &[u8]| end(bytes).map(|first| first.not_after().unix_timestamp());
        self.gauges.root = end(rules::roots(files)).or(self.gauges.root);
        self.gauges.chain = end(&chain(files)).or(self.gauges.chain);
    }
}

impl Gauges {
    /// Both gauges in text exposition 0.0.4, each as a moment and as what is left.
    pub(super) fn text(self, now: OffsetDateTime) -> String {
        let mut text = "# TYPE istio_build gauge\nistio_build{component=\"pilot\",tag=\"scripted\"} 1\n".to_owned();
        for (name, end) in [("root_cert", self.root), ("cert_chain", self.chain)] {
            let Some(end) = end else { continue };
            for (unit, value) in [("seconds", end - now.unix_timestamp()), ("timestamp", end)] {
                let name = format!("citadel_server_{name}_expiry_{unit}");
                write!(text, "# TYPE {name} gauge\n{name} {value}\n").unwrap();
            }
        }
        text
    }
}

/// The chain file, and in the tls form what istiod makes one of.
fn chain(files: &SecretFiles) -> Vec<u8> {
    let value = |name| files.get(name).unwrap_or_default();
    match files.form() {
        Form::Istio => value(CERT_CHAIN).to_vec(),
        Form::Tls => [value(TLS_CERT), value(TLS_ROOT)].concat(),
    }
}

fn blocks(text: &[u8]) -> Vec<CertificateDer<'static>> {
    let blocks = pem::parse_many(text).unwrap_or_default();
    let certificates = blocks.into_iter().filter(|block| block.tag() == "CERTIFICATE");
    certificates.map(|block| CertificateDer::from(block.into_contents())).collect()
}

/// A new serving certificate, with the chain file after it.
fn signed(files: &SecretFiles, namespace: &str, now: OffsetDateTime) -> Arc<CertifiedKey> {
    let (certificate, key) = match files.form() {
        Form::Istio => (CA_CERT, CA_KEY),
        Form::Tls => (TLS_CERT, TLS_KEY),
    };
    let text = |name| String::from_utf8_lossy(files.get(name).unwrap_or_default()).into_owned();
    let signer = pem::parse(text(certificate)).unwrap().into_contents();
    let key = KeyPair::from_pem(&text(key)).unwrap_or_else(|error| panic!("the stand-in reads PKCS#8 only: {error}"));
    let issuer = Issuer::from_ca_cert_der(&CertificateDer::from(signer.as_slice()), key).unwrap();

    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    let names = ["istiod", "istiod-remote", "istio-pilot"].map(|name| format!("{name}.{namespace}.svc"));
    params.subject_alt_names = names.map(|name| SanType::DnsName(name.try_into().unwrap())).into();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    params.not_before = now - Duration::minutes(2);
    params.not_after = (now + LIFETIME).min(Certificate::from_der(&signer).unwrap().not_after());
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &issuer).unwrap().der().clone();

    let chain = [leaf].into_iter().chain(blocks(&chain(files))).collect();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    Arc::new(CertifiedKey::new(chain, ring::sign::any_supported_type(&key).unwrap()))
}

/// A CA as istiod makes one for itself: no chain file, and the certificate is the root. (Istio's has an RSA key.)
pub(super) fn self_signed(now: OffsetDateTime) -> SecretFiles {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "cluster.local");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    (params.not_before, params.not_after) = (now - Duration::minutes(2), now + LIFETIME);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap().pem();
    let files = SecretFiles::new().with(CA_CERT, certificate.clone()).with(ROOT_CERT, certificate);
    files.with(CA_KEY, key.serialize_pem())
}

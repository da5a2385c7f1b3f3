//! Workloads of a simulated fleet with real certificates, and real mutual TLS handshakes between them in memory.

use std::sync::Arc;

use meshca::pki::validity::Validity;
use rcgen::{CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, Issuer, KeyPair, KeyUsagePurpose, SanType};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, ServerConfig, ServerConnection,
    SignatureScheme,
};
use time::{Duration, OffsetDateTime};

use crate::simulated::layout::{Layout, TTL};
use crate::simulated::pool::{Bundle, Signer};

/// A workload certificate with its chain and key, as istiod hands them out.
pub(crate) struct Leaf {
    pub(crate) signer: Signer,
    pub(crate) validity: Validity,
    pub(crate) identity: String,
    chain: Vec<CertificateDer<'static>>,
    key: PrivatePkcs8KeyDer<'static>,
}

impl Leaf {
    /// One that this intermediate signs now, for a workload of this cluster.
    pub(crate) fn new(layout: &Layout, signer: Signer, cluster: &str, now: OffsetDateTime) -> Self {
        let made = layout.pool.signer(signer, layout.window(signer));
        let issuing = &layout.pool.issuing[usize::from(signer.root) - 1].certificate;
        let ca = KeyPair::try_from(made.key.pkcs8().expose()).unwrap();
        let by = Issuer::from_ca_cert_der(&made.certificate.der().into(), ca).unwrap();
        let key = KeyPair::generate().unwrap();
        let validity = Validity::new(now - Duration::minutes(2), now + Duration::seconds(i64::from(TTL)));
        let identity = format!("spiffe://cluster.local/ns/default/sa/{cluster}");
        let mut parameters = CertificateParams::default();
        (parameters.not_before, parameters.not_after) = (validity.not_before(), validity.not_after());
        parameters.distinguished_name = DistinguishedName::new();
        parameters.subject_alt_names = vec![SanType::URI(identity.clone().try_into().unwrap())];
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        parameters.use_authority_key_identifier_extension = true;
        let leaf = parameters.signed_by(&key, &by).unwrap().der().clone();
        let upper = [&made.certificate, issuing].map(|it| CertificateDer::from(it.der().to_vec()));
        let chain = std::iter::once(leaf).chain(upper).collect();
        Self { signer, validity, identity, chain, key: PrivatePkcs8KeyDer::from(key.serialize_der()) }
    }

    fn key(&self) -> PrivateKeyDer<'static> {
        self.key.clone_key().into()
    }
}

/// One end of a connection: what it shows, and what it trusts.
#[derive(Clone, Copy)]
pub(crate) struct End<'a> {
    pub(crate) leaf: &'a Leaf,
    pub(crate) bundle: Bundle,
}

/// A moment that stands still.
#[derive(Debug)]
struct Stopped(u64);

impl TimeProvider for Stopped {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(std::time::Duration::from_secs(self.0)))
    }
}

/// Verifies the path up to a root and the handshake's signature, and no DNS name: workloads have none.
#[derive(Debug)]
struct PathOnly {
    roots: RootCertStore,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PathOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let leaf = ParsedCertificate::try_from(end_entity)?;
        verify_server_cert_signed_by_trust_anchor(&leaf, &self.roots, intermediates, now, algorithms)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, signed, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

fn store(layout: &Layout, bundle: Bundle) -> RootCertStore {
    let mut store = RootCertStore::empty();
    for root in layout.pool.roots_in(bundle) {
        store.add(CertificateDer::from(layout.pool.root(root).der().to_vec())).unwrap();
    }
    store
}

/// A whole mutual TLS 1.3 handshake at this moment. Each end must see the other's own certificate.
pub(crate) fn handshake(layout: &Layout, client: End<'_>, server: End<'_>, now: OffsetDateTime) -> Result<(), String> {
    let provider = Arc::new(ring::default_provider());
    let time = Arc::new(Stopped(u64::try_from(now.unix_timestamp()).unwrap()));
    let verifier = PathOnly { roots: store(layout, client.bundle), provider: Arc::clone(&provider) };
    let mut mine =
        ClientConfig::builder_with_details(Arc::clone(&provider), Arc::clone(&time) as Arc<dyn TimeProvider>)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_client_auth_cert(client.leaf.chain.clone(), client.leaf.key())
            .unwrap();
    mine.resumption = Resumption::disabled();
    let roots = Arc::new(store(layout, server.bundle));
    let verifier = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider)).build().unwrap();
    let mut theirs = ServerConfig::builder_with_details(provider, time)
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(server.leaf.chain.clone(), server.leaf.key())
        .unwrap();
    theirs.session_storage = Arc::new(NoServerSessionStorage {});
    theirs.send_tls13_tickets = 0;
    let mut one = ClientConnection::new(Arc::new(mine), ServerName::try_from("peer").unwrap()).unwrap();
    let mut other = ServerConnection::new(Arc::new(theirs)).unwrap();
    while one.is_handshaking() || other.is_handshaking() {
        let mut wire = Vec::new();
        one.write_tls(&mut wire).unwrap();
        other.read_tls(&mut wire.as_slice()).unwrap();
        other.process_new_packets().map_err(|error| format!("{} refused: {error}", client.leaf.identity))?;
        let mut wire = Vec::new();
        other.write_tls(&mut wire).unwrap();
        one.read_tls(&mut wire.as_slice()).unwrap();
        one.process_new_packets().map_err(|error| format!("{} refused: {error}", server.leaf.identity))?;
    }
    assert_eq!(one.peer_certificates().unwrap().first(), server.leaf.chain.first());
    assert_eq!(other.peer_certificates().unwrap().first(), client.leaf.chain.first());
    Ok(())
}

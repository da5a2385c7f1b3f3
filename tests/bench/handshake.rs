//! What the kind of the CAs' keys costs the mesh: full mutual TLS 1.3 handshakes per second, in memory, on one core.
//!
//! Each side sends its workload certificate, the intermediate and the issuing CA, and verifies the other's up to the
//! root, as sidecars do. Workload keys are P-256 in every row, so that only the CAs' keys differ.
//!
//! `cargo bench --bench handshake`; RSA keys come from `openssl`, and without it their rows are left out.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a benchmark that cannot run says so by stopping")]
#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "a benchmark reads the clock and prints")]

mod pairs;

use std::process::Command;
use std::sync::Arc;

use criterion::Criterion;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, SanType, SignatureAlgorithm,
};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, ServerConfig, ServerConnection,
    SignatureScheme,
};
use time::{Duration, OffsetDateTime};

use pairs::Contestant;

/// How many handshakes make one round.
const HANDSHAKES: u32 = 100;

/// Makes the keys of one tier.
type Keys = fn() -> Option<KeyPair>;

fn ecdsa(algorithm: &'static SignatureAlgorithm) -> Option<KeyPair> {
    Some(KeyPair::generate_for(algorithm).unwrap())
}

fn p256() -> Option<KeyPair> {
    ecdsa(&PKCS_ECDSA_P256_SHA256)
}

fn p384() -> Option<KeyPair> {
    ecdsa(&PKCS_ECDSA_P384_SHA384)
}

fn rsa_2048() -> Option<KeyPair> {
    rsa("rsa_keygen_bits:2048")
}

fn rsa_4096() -> Option<KeyPair> {
    rsa("rsa_keygen_bits:4096")
}

fn rsa(bits: &str) -> Option<KeyPair> {
    let made = Command::new("openssl").args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", bits]).output();
    match made {
        Ok(output) if output.status.success() => {
            Some(KeyPair::from_pem(std::str::from_utf8(&output.stdout).unwrap()).unwrap())
        }
        _ => None,
    }
}

/// Root, issuing CA and intermediate; `None`, when their keys cannot be made here.
struct Chain {
    root: CertificateDer<'static>,
    upper: Vec<CertificateDer<'static>>,
    signer: Issuer<'static, KeyPair>,
}

fn ca(name: &str, path_length: Option<u8>) -> CertificateParams {
    let mut parameters = life();
    parameters.distinguished_name = DistinguishedName::new();
    parameters.distinguished_name.push(DnType::OrganizationName, "shop");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.is_ca = IsCa::Ca(path_length.map_or(BasicConstraints::Unconstrained, BasicConstraints::Constrained));
    parameters.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    parameters.use_authority_key_identifier_extension = true;
    parameters
}

fn life() -> CertificateParams {
    let mut parameters = CertificateParams::default();
    parameters.not_before = OffsetDateTime::now_utc() - Duration::MINUTE;
    parameters.not_after = OffsetDateTime::now_utc() + Duration::DAY;
    parameters
}

impl Chain {
    fn new(root_key: Keys, below: Keys) -> Option<Self> {
        let (root_key, issuing_key, key) = (root_key()?, below()?, below()?);
        let parameters = ca("shop root g1", None);
        let root = parameters.self_signed(&root_key).unwrap().der().clone();
        let root_signs = Issuer::new(parameters, root_key);
        let parameters = ca("shop issuing g1", Some(1));
        let issuing = parameters.signed_by(&issuing_key, &root_signs).unwrap().der().clone();
        let issuing_signs = Issuer::new(parameters, issuing_key);
        let parameters = ca("shop intermediate g1", Some(0));
        let intermediate = parameters.signed_by(&key, &issuing_signs).unwrap().der().clone();
        Some(Self { root, upper: vec![intermediate, issuing], signer: Issuer::new(parameters, key) })
    }

    /// A workload's chain without the root, and its key.
    fn workload(&self, account: &str) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let key = p256().unwrap();
        let mut parameters = life();
        parameters.distinguished_name = DistinguishedName::new();
        let identity = format!("spiffe://cluster.local/ns/default/sa/{account}");
        parameters.subject_alt_names = vec![SanType::URI(identity.try_into().unwrap())];
        parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        parameters.use_authority_key_identifier_extension = true;
        let leaf = parameters.signed_by(&key, &self.signer).unwrap().der().clone();
        let chain = std::iter::once(leaf).chain(self.upper.iter().cloned()).collect();
        (chain, PrivatePkcs8KeyDer::from(key.serialize_der()).into())
    }
}

/// Verifies the path up to the root and the handshake's signature, and no DNS name: workloads have none.
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

/// Two workloads that never resume a TLS session.
struct Pair {
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
    name: ServerName<'static>,
    /// The bytes of the certificates that one side sends.
    sent: usize,
}

impl Pair {
    fn new(chain: &Chain) -> Self {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(chain.root.clone()).unwrap();
        let verifier = Arc::new(PathOnly { roots: roots.clone(), provider: provider.clone() });
        let (certs, key) = chain.workload("client");
        let sent = certs.iter().map(|cert| cert.len()).sum();
        let mut client = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_client_auth_cert(certs, key)
            .unwrap();
        client.resumption = Resumption::disabled();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().unwrap();
        let (certs, key) = chain.workload("server");
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_client_cert_verifier(verifier)
            .with_single_cert(certs, key)
            .unwrap();
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Self { client: Arc::new(client), server: Arc::new(server), name: "workload".try_into().unwrap(), sent }
    }

    fn handshake(&self) {
        let mut client = ClientConnection::new(self.client.clone(), self.name.clone()).unwrap();
        let mut server = ServerConnection::new(self.server.clone()).unwrap();
        let mut wire = Vec::with_capacity(16 * 1024);
        while client.is_handshaking() || server.is_handshaking() {
            wire.clear();
            while client.wants_write() {
                client.write_tls(&mut wire).unwrap();
            }
            let mut read = wire.as_slice();
            while !read.is_empty() {
                server.read_tls(&mut read).unwrap();
                server.process_new_packets().unwrap();
            }
            wire.clear();
            while server.wants_write() {
                server.write_tls(&mut wire).unwrap();
            }
            let mut read = wire.as_slice();
            while !read.is_empty() {
                client.read_tls(&mut read).unwrap();
                client.process_new_packets().unwrap();
            }
        }
        assert!(client.peer_certificates().is_some() && server.peer_certificates().is_some());
    }
}

fn main() {
    let mut criterion = Criterion::default().sample_size(20).configure_from_args();
    let kinds: [(&str, Keys, Keys); 5] = [
        ("ECDSA P-256", p256, p256),
        ("P-384 root, P-256 below", p384, p256),
        ("ECDSA P-384", p384, p384),
        ("RSA 2048", rsa_2048, rsa_2048),
        ("RSA 4096", rsa_4096, rsa_4096),
    ];
    let mut contestants = Vec::new();
    for (name, root_key, below) in kinds {
        let Some(chain) = Chain::new(root_key, below) else {
            println!("no {name} keys: is `openssl` on the PATH? Its row is left out.");
            continue;
        };
        let pair = Pair::new(&chain);
        println!("{name}: each side sends {} bytes of certificates", pair.sent);
        contestants.push(Contestant::timed(name, move || (0..HANDSHAKES).for_each(|_| pair.handshake())));
    }
    let mut group = criterion.benchmark_group("handshake");
    pairs::run(&mut group, "mutual TLS 1.3", HANDSHAKES, contestants);
    group.finish();
    criterion.final_summary();
}

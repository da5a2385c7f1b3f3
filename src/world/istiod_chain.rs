//! A handshake with an istiod, only to see which chain it serves and which client CAs it offers.
//!
//! The verifier takes any chain, which is right here and nowhere else: the question is *which* chain is served, an old or
//! a foreign one included, and a refused handshake would show nothing. Nothing is sent over the connection but its end,
//! and no trust is drawn from it but one fact: the peer holds the key of the first certificate. That is verified (it
//! signs the handshake, our random part included), and what the chain says about that key is read in
//! `mesh/served_chain.rs`. Names of client CAs stand before that signature in the same handshake, so it covers them, too.
//!
//! TLS 1.3 only: every istiod speaks it, and there the server's signature covers all that it said.

use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::version::TLS13;
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use crate::mesh::observed::{Replica, Way};
use crate::mesh::served_chain;
use crate::problem::{Code, Problem};
use crate::world::clock::Patience;
use crate::world::istiod_connection::{BoundedStream, connect};

/// More than any handshake: rustls takes messages of 64 KiB at most, and the server sends four.
const MOST_BYTES: usize = 512 * 1024;

/// Looks at one replica; `name` is how it is called, `namespace` that of its istiod.
pub(in crate::world) fn look(name: String, address: SocketAddr, namespace: &str, patience: Patience) -> Replica {
    match handshake(&name, address, namespace, patience) {
        Ok(replica) => replica,
        Err(problem) => Replica::unseen(name, Way::Chain, problem),
    }
}

/// Why it could not be reached.
pub(in crate::world) fn unreachable(name: &str, namespace: &str, error: &io::Error) -> Problem {
    Problem::new(Code::IstiodUnreachable, format!("istiod at {name} cannot be reached: {error}"))
        .hint(format!("openssl s_client -connect {name} -servername istiod.{namespace}.svc   tries the same"))
}

fn handshake(name: &str, address: SocketAddr, namespace: &str, patience: Patience) -> Result<Replica, Problem> {
    let failed = |error: &io::Error| match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(Error::InvalidCertificate(CertificateError::BadSignature)) => Problem::new(
            Code::IstiodNotProven,
            format!("istiod at {name}: whoever answers does not hold the key of the certificate that it shows"),
        ),
        _ => unreachable(name, namespace, error),
    };
    let offer = Arc::new(Offer::default());
    // Routes before an istiod look at the name; istiod itself does not.
    let server = ServerName::try_from(format!("istiod.{namespace}.svc"))
        .map_err(|_| failed(&io::Error::new(ErrorKind::InvalidInput, "its namespace makes no name of a server")))?;
    let mut connection = config(&offer)
        .and_then(|config| ClientConnection::new(config, server))
        .map_err(|error| failed(&other(error)))?;
    let stream = connect(address, patience).map_err(|error| failed(&error))?;
    let mut stream = BoundedStream::new(stream, patience, MOST_BYTES);
    while connection.is_handshaking() {
        connection.complete_io(&mut stream).map_err(|error| failed(&error))?;
    }
    // A proper end, so that istiod has no broken connection to complain about; it matters no more to us.
    connection.send_close_notify();
    let _ = connection.write_tls(&mut stream).and_then(|_| stream.flush());
    let chain: Vec<&[u8]> = connection.peer_certificates().unwrap_or_default().iter().map(AsRef::as_ref).collect();
    let served = served_chain::read(&chain, &format!("istiod at {name}"), namespace)?;
    Ok(Replica {
        signer_spki: Some(served.signer_spki),
        served_since: Some(served.since),
        client_ca_names: offer.names(),
        ..Replica::new(name.to_owned(), Way::Chain)
    })
}

fn other(error: Error) -> io::Error {
    io::Error::other(error)
}

fn config(offer: &Arc<Offer>) -> Result<Arc<ClientConfig>, Error> {
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider.clone()).with_protocol_versions(&[&TLS13])?;
    let config = config.dangerous().with_custom_certificate_verifier(Arc::new(AnyChain(provider)));
    let mut config = config.with_client_cert_resolver(offer.clone());
    // What istio-agent says; istiod's gRPC server wants it.
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = rustls::client::Resumption::disabled();
    Ok(Arc::new(config))
}

/// Takes any chain, and no signature but a right one.
#[derive(Debug)]
struct AnyChain(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyChain {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// Hears which client CAs the server offers, and has no certificate for it.
#[derive(Debug, Default)]
struct Offer(Mutex<Vec<Vec<u8>>>);

impl Offer {
    fn names(&self) -> Vec<Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesClientCert for Offer {
    fn resolve(&self, names: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = names.iter().map(|name| name.to_vec()).collect();
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
    use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
    use rustls::{RootCertStore, ServerConfig, ServerConnection};
    use time::OffsetDateTime;
    use time::macros::datetime;

    use crate::mesh::served_chain::made::{Made, make};
    use crate::pki::certificate::Certificate;

    const FROM: OffsetDateTime = datetime!(2026-11-23 10:00 UTC);
    const LONG: Duration = Duration::from_secs(60);

    #[derive(Debug)]
    struct Shown(Arc<CertifiedKey>);

    impl ResolvesServerCert for Shown {
        fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
            Some(self.0.clone())
        }
    }

    fn istiod() -> Made {
        make("mesh1 east g2", true, &["istiod.istio-system.svc"], &[], FROM)
    }

    /// Serves one connection and shows what a look at it sees.
    fn seen(serve: impl FnOnce(TcpStream) + Send + 'static, patience: Duration) -> Replica {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || serve(listener.accept().unwrap().0));
        let replica = look("east:1".to_owned(), address, "istio-system", Patience::of(patience));
        server.join().unwrap();
        replica
    }

    /// A server that shows this chain, holds this key, and offers the first certificate's CA to clients.
    fn tls(made: &Made, key: &rcgen::KeyPair) -> impl FnOnce(TcpStream) + Send + 'static {
        let provider = Arc::new(ring::default_provider());
        let mut offered = RootCertStore::empty();
        offered.add(made.ca.clone().into()).unwrap();
        let clients = WebPkiClientVerifier::builder_with_provider(offered.into(), provider.clone());
        let clients = clients.allow_unauthenticated().build().unwrap();
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = provider.key_provider.load_private_key(key).unwrap();
        let shown = CertifiedKey::new(vec![made.leaf.clone().into(), made.ca.clone().into()], key);
        let config = ServerConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
        let config = config.with_client_cert_verifier(clients).with_cert_resolver(Arc::new(Shown(Arc::new(shown))));
        move |mut stream| {
            let mut connection = ServerConnection::new(Arc::new(config)).unwrap();
            while connection.is_handshaking() && connection.complete_io(&mut stream).is_ok() {}
        }
    }

    fn why(replica: &Replica) -> (Code, &str) {
        let problem = replica.unseen.as_ref().unwrap();
        assert_eq!((&replica.signer_spki, replica.way), (&None, Way::Chain));
        (problem.code(), problem.what())
    }

    #[test]
    fn a_handshake_shows_the_signer_since_when_and_the_client_cas() {
        let made = istiod();
        let ca = Certificate::from_der(&made.ca).unwrap();
        let wanted = Replica {
            signer_spki: Some(ca.spki().to_vec()),
            served_since: Some(FROM),
            client_ca_names: vec![ca.subject().der().to_vec()],
            ..Replica::new("east:1".to_owned(), Way::Chain)
        };
        assert_eq!(seen(tls(&made, &made.key), LONG), wanted);
    }

    #[test]
    fn whoever_shows_the_chain_without_the_key_is_not_believed() {
        let (made, thief) = (istiod(), istiod());
        let replica = seen(tls(&made, &thief.key), LONG);
        let what = "istiod at east:1: whoever answers does not hold the key of the certificate that it shows";
        assert_eq!(why(&replica), (Code::IstiodNotProven, what));
    }

    #[test]
    fn a_workload_with_its_own_key_is_not_istiod() {
        let made = make("mesh1 east g2", true, &[], &["spiffe://cluster.local/ns/shop/sa/cart"], FROM);
        let replica = seen(tls(&made, &made.key), LONG);
        let what = "istiod at east:1 answers with a certificate that is not istiod's";
        assert_eq!(why(&replica), (Code::IstiodNotProven, what));
    }

    #[test]
    fn one_that_says_nothing_or_something_else_is_unreachable() {
        // It reads until the look has given up.
        let silent = seen(|mut stream| drop(stream.read_to_end(&mut Vec::new())), Duration::from_millis(200));
        let what = "istiod at east:1 cannot be reached: no answer in time";
        assert_eq!(why(&silent), (Code::IstiodUnreachable, what));
        let plain = |mut stream: TcpStream| {
            // What comes of it is for the look to say.
            let _ = stream.read(&mut [0; 64]).and_then(|_| stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
        };
        assert_eq!(why(&seen(plain, LONG)).0, Code::IstiodUnreachable);
        assert_eq!(why(&seen(drop, LONG)).0, Code::IstiodUnreachable);
    }

    #[test]
    fn a_closed_port_is_named_and_a_command_tries_it_again() {
        let free = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
        let replica = look("east:1".to_owned(), free, "istio-system", Patience::of(LONG));
        let problem = replica.unseen.unwrap();
        assert!(problem.what().starts_with("istiod at east:1 cannot be reached: Connection refused"), "{problem:?}");
        let hint = "openssl s_client -connect east:1 -servername istiod.istio-system.svc   tries the same";
        assert_eq!(problem.advice(), Some(hint));
    }
}

//! One HTTP request, without any client that retries, caches or explains: what the server said, to the number.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// What a server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// The head of a request: `GET /readyz` and what else goes before the body. In HTTP/1.0 the answer is over when the
/// connection is.
pub(crate) fn head(method_and_path: &str, headers: &[(&str, &str)], body: &[u8]) -> String {
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
    format!("{method_and_path} HTTP/1.0\r\nHost: 127.0.0.1\r\n{headers}Content-Length: {}\r\n\r\n", body.len())
}

/// Connects, and gives up waiting for each byte after this long.
pub(crate) fn connect(port: u16, patience: Duration) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&([127, 0, 0, 1], port).into(), patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    Ok(stream)
}

/// The same under TLS, to a server whose certificate this authority made.
pub(crate) fn connect_tls(
    port: u16,
    authority: &CertificateDer<'_>,
    patience: Duration,
) -> io::Result<impl Read + Write + use<>> {
    let mut roots = RootCertStore::empty();
    roots.add(authority.clone().into_owned()).unwrap();
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let client = client.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    let name = ServerName::try_from("127.0.0.1").unwrap();
    let connection = ClientConnection::new(Arc::new(client.with_no_client_auth()), name).unwrap();
    Ok(StreamOwned::new(connection, connect(port, patience)?))
}

/// Sends the request and reads what comes back, to its end.
pub(crate) fn ask(mut stream: impl Read + Write, head: &str, body: &[u8]) -> io::Result<Answer> {
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    stream.flush()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let parts = || {
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some(Answer { status: head.split(' ').nth(1)?.parse().ok()?, body: body.to_owned() })
    };
    parts().ok_or_else(|| io::Error::new(ErrorKind::InvalidData, answer.clone()))
}

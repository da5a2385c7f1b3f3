//! An istiod as it is seen from outside, without any code of meshca in between but its reader of certificates.

use std::io::{Read, Write};
use std::net::TcpStream;

use meshca::pki::certificate::Certificate;
use serde_json::Value;

use super::NAMESPACE;
use crate::clusters::ApiServer;
use crate::support::judges;

/// What is seen of an istiod from outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Who signed its serving certificate, when that ends, and its names.
    pub(crate) served: (String, i64, Vec<String>),
    /// The certificates after it.
    pub(crate) chain: Vec<String>,
    /// The names of client CAs, as OpenSSL writes them, sorted.
    pub(crate) client_cas: Vec<String>,
    /// The gauges `root` and `chain`.
    pub(crate) gauges: [Option<i64>; 2],
    /// The ConfigMap: value, labels, and the name of its writer.
    pub(crate) shown: (String, Value, String),
}

/// The serving certificate, the certificates after it, and what OpenSSL said; none: there was no handshake.
pub(crate) fn served(address: &str) -> Option<(Certificate, Vec<String>, String)> {
    let arguments =
        ["s_client", "-connect", address, "-servername", "istiod.istio-system.svc", "-alpn", "h2", "-showcerts"];
    let said = String::from_utf8_lossy(&judges::openssl(arguments).stdout).into_owned();
    let blocks = pem::parse_many(&said).unwrap().into_iter().filter(|it| it.tag() == "CERTIFICATE");
    let mut certificates = blocks.map(|it| Certificate::from_der(it.contents()).unwrap());
    let leaf = certificates.next()?;
    Some((leaf, certificates.map(|it| it.pem()).collect(), said))
}

impl Sight {
    pub(crate) fn of(address: &str, metrics: &str, server: &ApiServer) -> Self {
        let (leaf, chain, said) = served(address).unwrap_or_else(|| panic!("no handshake with {address}"));
        let cas = said.split("Acceptable client certificate CA names\n").nth(1).unwrap_or_default();
        let mut client_cas: Vec<String> =
            cas.lines().take_while(|line| line.contains('=') && !line.contains(':')).map(str::to_owned).collect();
        client_cas.sort();
        let mut names = leaf.extensions().dns_names.clone();
        names.sort();
        Self {
            served: (leaf.issuer().to_string(), leaf.not_after().unix_timestamp(), names),
            chain,
            client_cas,
            gauges: gauges(metrics),
            shown: shown(server),
        }
    }
}

pub(crate) fn gauges(metrics: &str) -> [Option<i64>; 2] {
    let (host, _) = metrics.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.write_all(format!("GET /metrics HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    ["root_cert", "cert_chain"].map(|name| {
        let name = format!("citadel_server_{name}_expiry_timestamp ");
        let value = text.lines().find_map(|line| line.strip_prefix(&name));
        value.map(|value| value.parse::<f64>().unwrap() as i64)
    })
}

pub(crate) fn shown(server: &ApiServer) -> (String, Value, String) {
    let path = format!("GET /api/v1/namespaces/{NAMESPACE}/configmaps/istio-ca-root-cert");
    let map = server.ask(server.token("admin"), &path, "", "").unwrap().json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let metadata = &map["metadata"];
    (text(&map["data"]["root-cert.pem"]), metadata["labels"].clone(), text(&metadata["managedFields"][0]["manager"]))
}

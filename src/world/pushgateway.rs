//! Metrics to a Prometheus Pushgateway, by one HTTP request.

use std::io;
use std::net::TcpStream;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;

use crate::mesh::exposition::Exposition;
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem};
use crate::world::clock::Patience;
use crate::world::files;
use crate::world::istiod_connection::{addresses, connect, too_late};

/// Where the group lies, if the URL does not say.
const GROUP: &str = "/metrics/job/meshca";
/// What every path of a group has in it.
const GROUPS: &str = "/metrics/job/";
/// So much is read of an answer, in bytes: the reason in words is short.
const LARGEST_ANSWER: usize = 64 * 1024;
/// The largest head of an answer, in bytes.
const LARGEST_HEAD: usize = 16 * 1024;
/// So much of the reason is told, in characters.
const LONGEST_REASON: usize = 200;

/// Puts these metrics, in exposition format 0.0.4, in place of the whole group: PUT, so that the series of a cluster that is
/// gone from the mesh file go, too.
///
/// Over http only, without a password; redirections are not followed.
///
/// # Errors
/// `pushgateway-failed`: it was not reached, not in time, or it refused.
pub fn put(place: &Place, text: &str, patience: Patience) -> Result<(), Problem> {
    let failed = |why: &dyn std::fmt::Display| {
        Problem::new(
            Code::PushgatewayFailed,
            format!("the metrics were not taken by the Pushgateway at {}: {why}", place.shown),
        )
        .hint(format!("curl -s http://{}/-/ready", place.authority))
    };
    let found = addresses(&place.host, place.port, patience).map_err(|error| failed(&files::words(&error)))?;
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in found {
        match connect(address, patience) {
            Ok(stream) => return asked(stream, place, text, patience).map_err(|why| failed(&why)),
            Err(error) => last = error,
        }
    }
    Err(failed(&files::words(&last)))
}

/// Where a Pushgateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The URL as it is told: there is no password in it.
    shown: String,
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Place {
    /// Takes an URL apart.
    ///
    /// # Errors
    /// Why it is none, in words that do not hold a password.
    pub fn of(url: &str) -> Result<Self, String> {
        let shown = plain(url.rsplit_once('@').map_or(url, |(_, rest)| rest), LONGEST_REASON);
        let uri: Uri = url.parse().map_err(|_| "it is no URL".to_owned())?;
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else {
            return Err("there is no host in it; it is written as http://HOST:9091".to_owned());
        };
        if uri.scheme_str() != Some("http") {
            return Err("meshca sends metrics by http only: http://HOST:9091".to_owned());
        }
        if authority.as_str().contains('@') {
            return Err("meshca sends no user and no password: http://HOST:9091".to_owned());
        }
        if uri.port_u16().is_none() && authority.as_str() != host {
            return Err("its port is none".to_owned());
        }
        if uri.query().is_some() {
            return Err("a Pushgateway takes no query".to_owned());
        }
        let path = uri.path().trim_end_matches('/');
        let path = if path.contains(GROUPS) { path.to_owned() } else { format!("{path}{GROUP}") };
        let (host, port) = (host.to_owned(), uri.port_u16().unwrap_or(80));
        Ok(Self { shown, host, port, authority: authority.as_str().to_owned(), path })
    }
}

/// Sends it, in a runtime of its own on this thread, and waits for the answer.
fn asked(stream: TcpStream, place: &Place, text: &str, patience: Patience) -> Result<(), String> {
    let words = |error: io::Error| files::words(&error);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(words)?;
    stream.set_nonblocking(true).map_err(words)?;
    let left = patience.left().ok_or_else(|| words(too_late()))?;
    runtime.block_on(async {
        let stream = tokio::net::TcpStream::from_std(stream).map_err(words)?;
        let answer = tokio::time::timeout(left, answer(stream, place, text)).await;
        answer.unwrap_or_else(|_| Err(words(too_late())))
    })
}

async fn answer(stream: tokio::net::TcpStream, place: &Place, text: &str) -> Result<(), String> {
    let words = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(LARGEST_HEAD).handshake(TokioIo::new(stream)).await.map_err(words)?;
    // It ends with the runtime; what went wrong with it, the answer says.
    tokio::spawn(connection);
    let request = Request::put(&place.path)
        .header(HOST, &place.authority)
        .header(CONTENT_TYPE, Exposition::Text.content_type())
        .body(Full::new(Bytes::from(text.to_owned())))
        .map_err(|error| error.to_string())?;
    let answer = sender.send_request(request).await.map_err(words)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
    let said = body.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let said = plain(String::from_utf8_lossy(&said).trim(), LONGEST_REASON);
    Err(if said.is_empty() { format!("it answers {status}") } else { format!("it answers {status}: {said}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(url: &str) -> String {
        Place::of(url).unwrap().path
    }

    #[test]
    fn the_group_is_that_of_job_meshca_unless_the_url_names_one() {
        assert_eq!(path("http://gateway:9091"), "/metrics/job/meshca");
        assert_eq!(path("http://gateway:9091/"), "/metrics/job/meshca");
        assert_eq!(path("http://gateway/below/"), "/below/metrics/job/meshca");
        assert_eq!(path("http://gateway/metrics/job/mesh1"), "/metrics/job/mesh1");
        let place = Place::of("http://[::1]:9091").unwrap();
        assert_eq!((place.host.as_str(), place.port, place.authority.as_str()), ("[::1]", 9091, "[::1]:9091"));
        assert_eq!(Place::of("http://gateway").unwrap().port, 80);
    }

    #[test]
    fn what_is_no_url_or_wants_what_is_not_built_is_refused_without_its_password() {
        for (url, why) in [
            ("", "no URL"),
            ("gateway", "http only"),
            ("/metrics", "no host"),
            ("http://gateway:99999", "port"),
            ("http://gateway:9091/?a=b", "query"),
            ("https://gateway", "http only"),
            ("http://user:hunter2@gateway", "no password"),
        ] {
            let told = Place::of(url).unwrap_err();
            assert!(told.contains(why) && !told.contains("hunter2"), "{url}: {told}");
        }
    }
}

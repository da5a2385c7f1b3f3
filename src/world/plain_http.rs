//! One HTTP request over plain TCP, bounded in time and in bytes whatever the other side does. Without a password, without
//! TLS, and without following where an answer points.

use std::io;
use std::net::TcpStream;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::HOST;
use hyper::{Request, Response, Uri, http::request};
use hyper_util::rt::TokioIo;

use crate::world::clock::Patience;
use crate::world::files;
use crate::world::istiod_connection::{addresses, connect, too_late};

/// The largest head of an answer, in bytes.
const LARGEST_HEAD: usize = 64 * 1024;

/// What an URL of plain HTTP names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::world) struct HttpPlace {
    pub(in crate::world) host: String,
    pub(in crate::world) port: u16,
    /// What the `Host` header says.
    pub(in crate::world) authority: String,
    /// With the query, if there is one.
    pub(in crate::world) path: String,
}

/// Why an URL names no such place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::world) enum UnfitUrl {
    /// It is none, for this reason.
    Malformed(String),
    /// There is no host in it.
    NoHost,
    /// It says something else than `http`.
    OtherScheme,
    /// There is a user or a password in it.
    Password,
    /// What stands for its port is none.
    Port,
}

impl HttpPlace {
    pub(in crate::world) fn of(url: &str) -> Result<Self, UnfitUrl> {
        let uri: Uri =
            url.parse().map_err(|error: hyper::http::uri::InvalidUri| UnfitUrl::Malformed(error.to_string()))?;
        let (Some(host), Some(authority)) = (uri.host(), uri.authority()) else { return Err(UnfitUrl::NoHost) };
        if uri.scheme_str() != Some("http") {
            return Err(UnfitUrl::OtherScheme);
        }
        if authority.as_str().contains('@') {
            return Err(UnfitUrl::Password);
        }
        if uri.port_u16().is_none() && authority.as_str() != host {
            return Err(UnfitUrl::Port);
        }
        let (host, port) = (host.to_owned(), uri.port_u16().unwrap_or(80));
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { host, port, authority: authority.as_str().to_owned(), path })
    }

    /// A connection to the first of its addresses that takes one.
    pub(in crate::world) fn connect(&self, patience: Patience) -> io::Result<TcpStream> {
        let mut last = io::Error::from(io::ErrorKind::NotFound);
        for address in addresses(&self.host, self.port, patience)? {
            match connect(address, patience) {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Sends a request with this body there, in a runtime of its own on this thread, and has the answer read.
    ///
    /// # Errors
    /// Why there is none, in words: what the system or the HTTP says, what `read` says, or that it took too long.
    pub(in crate::world) fn ask<T>(
        &self,
        stream: TcpStream,
        request: request::Builder,
        body: &str,
        patience: Patience,
        read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, String>,
    ) -> Result<T, String> {
        let words = |error: io::Error| files::words(&error);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(words)?;
        stream.set_nonblocking(true).map_err(words)?;
        let left = patience.left().ok_or_else(|| words(too_late()))?;
        let request =
            request.uri(self.path.as_str()).header(HOST, &self.authority).body(Full::new(Bytes::from(body.to_owned())));
        let request = request.map_err(|error| error.to_string())?;
        runtime.block_on(async {
            let stream = tokio::net::TcpStream::from_std(stream).map_err(words)?;
            let answered = tokio::time::timeout(left, answered(stream, request, read)).await;
            answered.unwrap_or_else(|_| Err(words(too_late())))
        })
    }
}

async fn answered<T>(
    stream: tokio::net::TcpStream,
    request: Request<Full<Bytes>>,
    read: impl AsyncFnOnce(Response<Incoming>) -> Result<T, String>,
) -> Result<T, String> {
    let words = |error: hyper::Error| error.to_string();
    let (mut sender, connection) =
        http1::Builder::new().max_buf_size(LARGEST_HEAD).handshake(TokioIo::new(stream)).await.map_err(words)?;
    // It ends with the runtime; what went wrong with it, the answer says.
    tokio::spawn(connection);
    read(sender.send_request(request).await.map_err(words)?).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_url_is_taken_apart_and_its_port_is_80_unless_it_says_so() {
        let place = HttpPlace::of("http://[::1]:9091/a?b=c").unwrap();
        assert_eq!((place.host.as_str(), place.port, place.authority.as_str()), ("[::1]", 9091, "[::1]:9091"));
        assert_eq!(place.path, "/a?b=c");
        assert_eq!(HttpPlace::of("http://gateway?b=c").unwrap().path, "/?b=c");
        assert_eq!(HttpPlace::of("http://gateway").unwrap().port, 80);
    }

    #[test]
    fn an_url_of_anything_else_is_refused() {
        for (url, why) in [
            ("/metrics", UnfitUrl::NoHost),
            ("gateway", UnfitUrl::OtherScheme),
            ("https://gateway", UnfitUrl::OtherScheme),
            ("http://gateway:99999", UnfitUrl::Port),
            ("http://user:hunter2@gateway", UnfitUrl::Password),
        ] {
            assert_eq!(HttpPlace::of(url), Err(why), "{url}");
        }
        assert!(matches!(HttpPlace::of(""), Err(UnfitUrl::Malformed(_))));
    }
}

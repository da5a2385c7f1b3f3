//! A small HTTP server for those who watch: GET and HEAD, answers that are ready at once, everything bounded.

use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::problem::{Code, Problem};
use crate::world::files;

/// Connections at one time; more wait until one ends.
const MOST_CONNECTIONS: u32 = 64;
/// The largest head of a request, in bytes. A body is not read.
const LARGEST_HEAD: usize = 16 * 1024;
/// How long a head may take, and how long a connection may lie idle.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// How long a connection may last, whatever goes over it: who reads an answer too slowly is cut off.
const LONGEST_CONNECTION: Duration = Duration::from_secs(300);
/// How long an answer that was begun may take at the end.
const END_TIME: Duration = Duration::from_secs(2);
/// A pause where the system has no more connections to give.
const PAUSE: Duration = Duration::from_millis(100);
const PLAIN: &str = "text/plain; charset=utf-8";

/// What is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status, as in HTTP.
    pub status: u16,
    /// The `Content-Type`.
    pub content_type: &'static str,
    /// The body.
    pub text: String,
}

impl Answer {
    /// An answer in plain words.
    #[must_use]
    pub fn words(status: u16, text: &str) -> Self {
        Self { status, content_type: PLAIN, text: format!("{text}\n") }
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The path, without a query.
    pub path: &'a str,
    /// What it says in `Accept`, all of it.
    pub accept: &'a str,
}

/// A server that runs, in a thread of its own.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    stop: watch::Sender<bool>,
    thread: JoinHandle<()>,
}

type Respond = dyn Fn(Asked<'_>) -> Answer + Send + Sync;

impl HttpServer {
    /// Listens at this address (port 0: any that is free), and answers by `respond` from then on.
    ///
    /// # Errors
    /// `listen-failed`.
    pub fn start(
        address: SocketAddr,
        respond: impl Fn(Asked<'_>) -> Answer + Send + Sync + 'static,
    ) -> Result<Self, Problem> {
        let failed = |error: std::io::Error| {
            Problem::new(Code::ListenFailed, format!("{address} cannot be listened on: {}", files::words(&error)))
                .hint(format!("--listen {}:0   takes any port that is free", address.ip()))
        };
        let listener = TcpListener::bind(address).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let bound = listener.local_addr().map_err(failed)?;
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
        let listener = {
            let _inside = runtime.enter();
            tokio::net::TcpListener::from_std(listener).map_err(failed)?
        };
        let (stop, stopped) = watch::channel(false);
        let serve = move || runtime.block_on(serve(listener, Arc::new(respond), stopped));
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(serve).map_err(failed)?;
        Ok(Self { address: bound, stop, thread })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it: no new connections, and a moment for what was begun.
    pub fn finish(self) {
        let _ = self.stop.send(true);
        // It does not panic; if it did, there is nothing left to end.
        let _ = self.thread.join();
    }
}

async fn serve(listener: tokio::net::TcpListener, respond: Arc<Respond>, mut stopped: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(usize::try_from(MOST_CONNECTIONS).unwrap_or(1)));
    loop {
        let next = async {
            // It is never closed.
            let place = Arc::clone(&places).acquire_owned().await.ok();
            (listener.accept().await, place)
        };
        let (accepted, place) = tokio::select! {
            next = next => next,
            _ = stopped.changed() => break,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(converse(stream, place, Arc::clone(&respond), stopped.clone()));
            }
            // No more files may be open, say: that ends when a connection does.
            Err(_) => sleep(PAUSE).await,
        }
    }
    drop(listener);
    let _ = timeout(END_TIME + PAUSE, places.acquire_many(MOST_CONNECTIONS)).await;
}

/// Everything that goes over one connection.
async fn converse(
    stream: tokio::net::TcpStream,
    place: Option<OwnedSemaphorePermit>,
    respond: Arc<Respond>,
    mut stopped: watch::Receiver<bool>,
) {
    let service = service_fn(|request: Request<Incoming>| {
        let response = response(&request, &*respond);
        async { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(LARGEST_HEAD)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let goes_on = tokio::select! {
        _ = connection.as_mut() => false,
        () = sleep(LONGEST_CONNECTION) => false,
        _ = stopped.changed() => true,
    };
    if goes_on {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(END_TIME, connection).await;
    }
    drop(place);
}

fn response(request: &Request<Incoming>, respond: &Respond) -> Response<Full<Bytes>> {
    let is_known = [Method::GET, Method::HEAD].contains(request.method());
    let answer = if is_known {
        let values = request.headers().get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        let accept = values.collect::<Vec<_>>().join(",");
        respond(Asked { path: request.uri().path(), accept: &accept })
    } else {
        Answer::words(405, "only GET and HEAD")
    };
    let mut response = Response::new(Full::new(Bytes::from(answer.text)));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::NOT_FOUND);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(answer.content_type));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !is_known {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

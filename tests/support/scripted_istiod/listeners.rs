//! The two ports of an istiod: TLS, and metrics.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rustls::ServerConnection;

use super::Inner;

/// Nobody who speaks takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Shows its chain to whoever comes, and says nothing more.
pub(super) fn serve_chain(listener: TcpListener, inner: Arc<Inner>) {
    serve(listener, inner, |inner, mut stream| {
        let Some(config) = inner.state().running.as_ref().map(|running| Arc::clone(&running.serving.config)) else {
            return;
        };
        let mut connection = ServerConnection::new(config).unwrap();
        while connection.is_handshaking() {
            if connection.complete_io(&mut stream).is_err() {
                return;
            }
        }
        // The end of the handshake is not the end of what a client may have to say.
        let _ = rustls::Stream::new(&mut connection, &mut stream).read_to_end(&mut Vec::new());
    });
}

/// Answers every request with its metrics.
pub(super) fn serve_metrics(listener: TcpListener, inner: Arc<Inner>) {
    serve(listener, inner, |inner, mut stream| {
        let now = inner.script.clock.now();
        let Some(text) = inner.state().running.as_ref().map(|running| running.serving.gauges.text(now)) else { return };
        // All of it: who is answered before he has said all sees a broken connection.
        let mut request: Vec<u8> = Vec::new();
        let mut piece = [0; 4096];
        while !request.windows(4).any(|end| end == b"\r\n\r\n") {
            match stream.read(&mut piece) {
                Ok(length @ 1..) => request.extend(piece.iter().take(length)),
                _ => return,
            }
        }
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            text.len()
        );
        let _ = stream.write_all((head + &text).as_bytes());
    });
}

/// Does this with every connection, each on a thread of its own, until it is over.
fn serve(listener: TcpListener, inner: Arc<Inner>, speak: fn(&Inner, TcpStream)) {
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if inner.is_over.load(Ordering::SeqCst) {
                return;
            }
            let inner = Arc::clone(&inner);
            thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(PATIENCE));
                let _ = stream.set_write_timeout(Some(PATIENCE));
                speak(&inner, stream);
            });
        }
    });
}

//! A connection to an istiod, bounded in time and in bytes whatever the other side does.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;

use crate::world::clock::Patience;

/// The addresses of a host, each once. Where it has addresses of both kinds, the IPv4 ones: a replica that listens on
/// both would else count twice.
///
/// # Errors
/// If the name is not known, or was not answered in time. The system cannot be stopped asking: its thread then ends by
/// itself.
pub(in crate::world) fn addresses(host: &str, port: u16, patience: Patience) -> io::Result<Vec<SocketAddr>> {
    let bare = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host).to_owned();
    if let Ok(number) = bare.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(number, port)]);
    }
    let (answer, answered) = mpsc::channel();
    thread::spawn(move || {
        let found = (bare.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Nobody listens any more where it took too long.
        let _ = answer.send(found);
    });
    let left = patience.left().ok_or_else(too_late)?;
    let mut found = answered.recv_timeout(left).map_err(|_| too_late())??;
    found.sort_unstable();
    found.dedup();
    if found.iter().any(SocketAddr::is_ipv4) {
        found.retain(SocketAddr::is_ipv4);
    }
    if found.is_empty() { Err(io::Error::new(ErrorKind::NotFound, "the name has no address")) } else { Ok(found) }
}

/// Connects.
///
/// # Errors
/// As the system says, or if it took too long.
pub(in crate::world) fn connect(address: SocketAddr, patience: Patience) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, patience.left().ok_or_else(too_late)?)
}

/// A stream that ends with patience, and after so many bytes read.
pub(in crate::world) struct BoundedStream {
    stream: TcpStream,
    patience: Patience,
    left: usize,
}

impl BoundedStream {
    pub(in crate::world) const fn new(stream: TcpStream, patience: Patience, most: usize) -> Self {
        Self { stream, patience, left: most }
    }
}

impl Read for BoundedStream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.patience.left().ok_or_else(too_late)?))?;
        let room = into.len().min(self.left);
        let Some(into) = into.get_mut(..room).filter(|room| !room.is_empty()) else {
            return Err(io::Error::new(ErrorKind::FileTooLarge, "it sends more than any istiod does"));
        };
        let read = self.stream.read(into).map_err(in_words)?;
        self.left = self.left.saturating_sub(read);
        Ok(read)
    }
}

impl Write for BoundedStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.patience.left().ok_or_else(too_late)?))?;
        self.stream.write(bytes).map_err(in_words)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

pub(in crate::world) fn too_late() -> io::Error {
    io::Error::new(ErrorKind::TimedOut, "no answer in time")
}

/// A time-out of a socket comes as "try again", which nobody should.
fn in_words(error: io::Error) -> io::Error {
    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) { too_late() } else { error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);

    fn pair(patience: Patience, most: usize) -> (BoundedStream, TcpStream) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = connect(listener.local_addr().unwrap(), Patience::of(LONG)).unwrap();
        (BoundedStream::new(stream, patience, most), listener.accept().unwrap().0)
    }

    #[test]
    fn bytes_are_read_up_to_the_bound_and_not_one_more() {
        let (mut bounded, mut other) = pair(Patience::of(LONG), 5);
        other.write_all(b"123456").unwrap();
        let mut read = [0; 8];
        assert_eq!(bounded.read(&mut read).unwrap(), 5);
        assert_eq!(bounded.read(&mut read).unwrap_err().kind(), ErrorKind::FileTooLarge);
    }

    #[test]
    fn a_peer_that_says_nothing_ends_with_patience() {
        let (mut bounded, _other) = pair(Patience::of(Duration::from_millis(50)), 5);
        assert_eq!(bounded.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
        assert_eq!(bounded.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut, "and stays so");
        assert_eq!(bounded.write(b"x").unwrap_err().kind(), ErrorKind::TimedOut);
    }

    #[test]
    fn a_number_is_its_own_address_and_an_unknown_name_has_none() {
        let patience = Patience::of(LONG);
        let v4: SocketAddr = "127.0.0.1:15012".parse().unwrap();
        assert_eq!(addresses("127.0.0.1", 15012, patience).unwrap(), [v4]);
        assert_eq!(addresses("[::1]", 1, patience).unwrap(), ["[::1]:1".parse().unwrap()]);
        assert!(addresses("nobody.invalid", 1, patience).is_err());
        assert_eq!(addresses("localhost", 1, Patience::of(Duration::ZERO)).unwrap_err().kind(), ErrorKind::TimedOut);
    }
}

//! A proxy between meshca and an API server. It passes TLS on as it is: what it does to the bytes, TLS has to notice.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// To whom bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    ToServer,
    ToMeshca,
}

/// What is done to the byte of this number, counted over all connections of one way. It happens once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// It does not come, and the connection ends.
    Cut,
    /// It comes with another value.
    Corrupt,
    /// It comes twice.
    Duplicate,
    /// It comes late.
    Delay(Duration),
}

/// What is done with each piece that was read, before it is passed on; false: the connection ends instead.
type Treatment = dyn Fn(Way, &mut Vec<u8>) -> bool + Send + Sync;

/// Listens on loopback and passes on what comes.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    passed: Arc<[AtomicUsize; 2]>,
}

impl Proxy {
    /// To this port, with this done to every piece.
    pub(crate) fn treating(to: u16, treat: impl Fn(Way, &mut Vec<u8>) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let passed = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
        let (treat, counted): (Arc<Treatment>, _) = (Arc::new(treat), Arc::clone(&passed));
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let Ok(far) = TcpStream::connect(("127.0.0.1", to)) else { continue };
                for stream in [&near, &far] {
                    stream.set_nodelay(true).unwrap();
                }
                let ends = [(near.try_clone(), far.try_clone(), Way::ToServer), (Ok(far), Ok(near), Way::ToMeshca)];
                for (from, to, way) in ends {
                    let (treat, counted) = (Arc::clone(&treat), Arc::clone(&counted));
                    thread::spawn(move || pass(&from.unwrap(), &to.unwrap(), way, &*treat, &counted[way as usize]));
                }
            }
        });
        Self { port, passed }
    }

    /// To this port, with nothing done.
    pub(crate) fn honest(to: u16) -> Self {
        Self::treating(to, |_, _| true)
    }

    /// To this port, with one harm.
    pub(crate) fn harming(to: u16, harmed: Way, byte: usize, harm: Harm) -> Self {
        let passed = Mutex::new(0);
        Self::treating(to, move |way, piece| {
            if way != harmed {
                return true;
            }
            let mut passed = passed.lock().unwrap();
            let place = byte.checked_sub(*passed).filter(|place| *place < piece.len());
            *passed += piece.len();
            match (place, harm) {
                (None, _) => {}
                (Some(place), Harm::Cut) => {
                    piece.truncate(place);
                    return false;
                }
                (Some(place), Harm::Corrupt) => piece[place] ^= 0x21,
                (Some(place), Harm::Duplicate) => piece.insert(place, piece[place]),
                (Some(_), Harm::Delay(by)) => thread::sleep(by),
            }
            true
        })
    }

    /// To this port; does this once, when a write is on its way, and then passes it on, or ends the connection if that
    /// returns false. Nothing else that meshca sends is as long.
    pub(crate) fn holding_a_write(to: u16, act: impl FnOnce() -> bool + Send + 'static) -> Self {
        let act: Mutex<Option<Box<dyn FnOnce() -> bool + Send>>> = Mutex::new(Some(Box::new(act)));
        Self::treating(to, move |way, piece| {
            if way == Way::ToServer && piece.len() > 2500 {
                let act = act.lock().unwrap().take();
                return act.is_none_or(|act| act());
            }
            true
        })
    }

    /// How many bytes went this way.
    pub(crate) fn passed(&self, way: Way) -> usize {
        self.passed[way as usize].load(Ordering::SeqCst)
    }
}

fn pass(mut from: &TcpStream, mut to: &TcpStream, way: Way, treat: &Treatment, passed: &AtomicUsize) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = match from.read(&mut buffer) {
            Ok(length) if length > 0 => length,
            _ => break,
        };
        let mut piece = buffer[..length].to_vec();
        let goes_on = treat(way, &mut piece);
        passed.fetch_add(piece.len(), Ordering::SeqCst);
        if to.write_all(&piece).is_err() || !goes_on {
            let _ = from.shutdown(Shutdown::Both);
            break;
        }
    }
    let _ = to.shutdown(if way == Way::ToServer { Shutdown::Write } else { Shutdown::Both });
}

// Each test program compiles this for itself and uses only some of it.
const _: () = {
    let _ = (Proxy::honest, Proxy::harming, |to| Proxy::holding_a_write(to, || true), Proxy::passed);
    let _ = |proxy: &Proxy| proxy.port;
    let _ = [Harm::Cut, Harm::Corrupt, Harm::Duplicate, Harm::Delay(Duration::ZERO)];
};

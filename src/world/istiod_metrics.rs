//! The gauges of a running istiod, by one HTTP request for its metrics.

use std::fmt::Display;
use std::net::{SocketAddr, TcpStream};

use http_body_util::BodyExt;
use hyper::header::ACCEPT;
use hyper::{Request, StatusCode};

use crate::mesh::istiod_gauges::{GaugeReader, Gauges};
use crate::mesh::observed::{Replica, Way};
use crate::problem::{Code, Problem};
use crate::world::clock::Patience;
use crate::world::istiod_connection::connect;
use crate::world::plain_http::{HttpPlace, UnfitUrl};

/// The largest answer that is read, in bytes. A large mesh's istiod writes several MiB, its own families among the first.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Where the metrics of an istiod are.
///
/// # Errors
/// `not-yet` for https and for a password in it; `istiod-metrics-unreadable` for what is no URL.
pub(in crate::world) fn place(url: &str) -> Result<HttpPlace, Problem> {
    let shown = shown(url);
    let not_yet = |what: &str| {
        Problem::new(Code::NotYet, format!("the metrics at {shown} were not asked for: {what}"))
            .hint("istiod itself serves them as http://HOST:15014/metrics")
    };
    HttpPlace::of(url).map_err(|unfit| match unfit {
        UnfitUrl::Malformed(why) => unreadable(shown, &why),
        UnfitUrl::NoHost => unreadable(shown, &"there is no host in it"),
        UnfitUrl::Port => unreadable(shown, &"its port is none"),
        UnfitUrl::OtherScheme => not_yet("meshca asks for metrics by http only"),
        UnfitUrl::Password => not_yet("meshca sends no user and no password"),
    })
}

/// An URL without what may be a password in it.
pub(in crate::world) fn shown(url: &str) -> &str {
    url.rsplit_once('@').map_or(url, |(_, rest)| rest)
}

/// Why its metrics say nothing.
pub(in crate::world) fn unreadable(name: &str, why: &dyn Display) -> Problem {
    Problem::new(Code::IstiodMetricsUnreadable, format!("the metrics of istiod at {name} cannot be read: {why}"))
        .hint(format!("curl -s {name} | grep citadel_server   must show gauges with expiry_timestamp"))
}

/// Looks at the metrics of one replica; `name` is how it is called.
pub(in crate::world) fn look(name: String, address: SocketAddr, place: &HttpPlace, patience: Patience) -> Replica {
    let gauges =
        connect(address, patience).map_err(|error| error.to_string()).and_then(|it| asked(it, place, patience));
    match gauges {
        Ok(Gauges { chain_end: None, root_end: None }) => {
            let why = unreadable(&name, &"no usable gauge of istiod's certificates is among them");
            Replica::unseen(name, Way::Gauges, why)
        }
        Ok(Gauges { chain_end, root_end }) => Replica { chain_end, root_end, ..Replica::new(name, Way::Gauges) },
        Err(why) => {
            let problem = unreadable(&name, &why);
            Replica::unseen(name, Way::Gauges, problem)
        }
    }
}

/// Asks, and reads until the gauges are there.
fn asked(stream: TcpStream, place: &HttpPlace, patience: Patience) -> Result<Gauges, String> {
    let request = Request::builder().header(ACCEPT, "text/plain;version=0.0.4");
    place.ask(stream, request, "", patience, async |answer| {
        if answer.status() != StatusCode::OK {
            return Err(format!("the answer is {}", answer.status()));
        }
        let mut body = answer.into_body();
        let (mut reader, mut read) = (GaugeReader::default(), 0_usize);
        while let Some(frame) = body.frame().await {
            let Some(piece) = frame.map_err(|error| error.to_string())?.into_data().ok() else { continue };
            reader.push(&piece);
            read = read.saturating_add(piece.len());
            if reader.is_complete() || read > MOST_BYTES {
                break;
            }
        }
        Ok(reader.finish())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::time::Duration;

    const LONG: Duration = Duration::from_secs(60);
    const GOOD: &str = "citadel_server_cert_chain_expiry_timestamp 1.801563072e+09\n\
                        citadel_server_root_cert_expiry_timestamp 2.111147072e+09\n";

    /// Serves one connection, after its request was read, and shows what a look at it sees.
    fn seen(serve: impl FnOnce(TcpStream) + Send + 'static, patience: Duration) -> Replica {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let mut stream = listener.accept().unwrap().0;
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
                request.extend(byte);
            }
            let request = String::from_utf8(request).unwrap();
            assert!(request.starts_with("GET /metrics HTTP/1.1\r\n"), "{request}");
            assert!(request.contains("host: east:15014\r\n"), "{request}");
            serve(stream);
        });
        let place = place("http://east:15014/metrics").unwrap();
        let replica = look("http://east:15014/metrics".to_owned(), address, &place, Patience::of(patience));
        server.join().unwrap();
        assert_eq!((replica.way, replica.unseen.is_some()), (Way::Gauges, replica.chain_end.is_none()));
        replica
    }

    fn says(answer: String) -> Replica {
        seen(move |mut stream| stream.write_all(answer.as_bytes()).unwrap(), LONG)
    }

    fn why(replica: &Replica) -> &str {
        let problem = replica.unseen.as_ref().unwrap();
        assert_eq!(problem.code(), Code::IstiodMetricsUnreadable);
        problem.what().strip_prefix("the metrics of istiod at http://east:15014/metrics cannot be read: ").unwrap()
    }

    #[test]
    fn the_gauges_are_read_whole_and_in_chunks() {
        let ends = |replica: Replica| [replica.chain_end, replica.root_end].map(|it| it.unwrap().unix_timestamp());
        let wanted = [1_801_563_072, 2_111_147_072];
        assert_eq!(ends(says(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{GOOD}", GOOD.len()))), wanted);
        assert_eq!(ends(says(format!("HTTP/1.1 200 OK\r\n\r\n{GOOD}"))), wanted);
        let (first, second) = GOOD.split_at(60);
        let chunks = format!("{:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\n\r\n", first.len(), second.len());
        assert_eq!(ends(says(format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"))), wanted);
    }

    #[test]
    fn an_endless_answer_is_left_as_soon_as_the_gauges_are_there_and_in_any_case_at_the_bound() {
        let endless = |begin: &'static str| {
            move |mut stream: TcpStream| {
                let line = "x 1\n".repeat(16 * 1024);
                let mut sent = stream.write_all(format!("HTTP/1.1 200 OK\r\n\r\n{begin}").as_bytes());
                while sent.is_ok() {
                    sent = stream.write_all(line.as_bytes());
                }
            }
        };
        assert!(seen(endless(GOOD), LONG).chain_end.is_some());
        assert_eq!(why(&seen(endless(""), LONG)), "no usable gauge of istiod's certificates is among them");
    }

    #[test]
    fn an_answer_that_is_none_says_why() {
        assert_eq!(
            why(&says("HTTP/1.1 503 Service Unavailable\r\n\r\n".into())),
            "the answer is 503 Service Unavailable"
        );
        let moved = "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\n\r\n";
        assert_eq!(why(&says(moved.into())), "the answer is 302 Found");
        assert_eq!(
            why(&says("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".into())),
            "no usable gauge of istiod's certificates is among them"
        );
        for odd in ["", "SSH-2.0-x\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\nx 1\n"] {
            assert!(!why(&says(odd.into())).is_empty(), "{odd}");
        }
        let silent = seen(|mut stream| drop(stream.read(&mut [0])), Duration::from_millis(200));
        assert_eq!(why(&silent), "no answer in time");
    }

    #[test]
    fn urls_are_taken_apart_and_no_password_is_shown() {
        let place = |url: &str| place(url).map(|it| (it.host, it.port, it.path));
        let good = |host: &str, port, path: &str| Ok((host.to_owned(), port, path.to_owned()));
        assert_eq!(place("http://a:15014/metrics?x=1"), good("a", 15014, "/metrics?x=1"));
        assert_eq!(place("http://a"), good("a", 80, "/"));
        assert_eq!(place("http://[::1]:1/m"), good("[::1]", 1, "/m"));
        for (url, code) in [
            ("https://a/metrics", Code::NotYet),
            ("http://me:secret@a/metrics", Code::NotYet),
            ("http://me:secret@", Code::IstiodMetricsUnreadable),
            ("http://a:99999/", Code::IstiodMetricsUnreadable),
        ] {
            let problem = place(url).unwrap_err();
            assert_eq!(problem.code(), code, "{url}");
            assert!(!format!("{problem:?}").contains("secret"), "{problem:?}");
        }
    }
}

//! The metrics of an exporter, by one HTTP request.

use std::fmt;

use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::header::ACCEPT;

use crate::problem::{Code, Problem};
use crate::world::clock::Patience;
use crate::world::files;
use crate::world::plain_http::{HttpPlace, UnfitUrl};

/// The largest answer that is read, in bytes: ten thousand clusters are a third of it.
const LARGEST: usize = 128 * 1024 * 1024;

/// Where an exporter is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExporterPlace {
    http: HttpPlace,
}

impl ExporterPlace {
    /// Takes an URL apart; without a path, it is that of `/metrics`.
    ///
    /// # Errors
    /// Why it is none, in words that do not hold a password.
    pub fn of(url: &str) -> Result<Self, String> {
        let mut http = HttpPlace::of(url).map_err(|unfit| match unfit {
            UnfitUrl::Malformed(_) => "it is no URL",
            UnfitUrl::NoHost => "there is no host in it; it is written as http://HOST:9949",
            UnfitUrl::OtherScheme => "an exporter is asked by http only: http://HOST:9949",
            UnfitUrl::Password => "meshca sends no user and no password: http://HOST:9949",
            UnfitUrl::Port => "its port is none",
        })?;
        if http.path.trim_matches('/').is_empty() {
            "/metrics".clone_into(&mut http.path);
        }
        Ok(Self { http })
    }
}

impl fmt::Display for ExporterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}{}", self.http.authority, self.http.path)
    }
}

/// Reads its metrics in text exposition 0.0.4.
///
/// # Errors
/// `exporter-gone`: it was not reached, not in time, or it answers with anything but metrics.
pub fn ask(place: &ExporterPlace, patience: Patience) -> Result<String, Problem> {
    let gone = |why: &str| {
        Problem::new(Code::ExporterGone, format!("no exporter answers at {place}: {why}"))
            .fact("who watches by it sees nothing of this mesh")
            .hint(format!("look whether it runs: curl -s {place}"))
    };
    let stream = place.http.connect(patience).map_err(|error| gone(&files::words(&error)))?;
    let request = Request::builder().header(ACCEPT, "text/plain;version=0.0.4");
    let text = place.http.ask(stream, request, "", patience, async |answer| {
        if !answer.status().is_success() {
            return Err(format!("the answer is {}", answer.status()));
        }
        let body = Limited::new(answer.into_body(), LARGEST).collect().await.map_err(|error| error.to_string())?;
        String::from_utf8(body.to_bytes().into()).map_err(|_| "the answer is no text".to_owned())
    });
    text.map_err(|why| gone(&why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_path_it_is_that_of_metrics() {
        for (url, shown) in [
            ("http://watch:9949", "http://watch:9949/metrics"),
            ("http://watch:9949/", "http://watch:9949/metrics"),
            ("http://watch/below/metrics", "http://watch/below/metrics"),
        ] {
            assert_eq!(ExporterPlace::of(url).unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_url_or_wants_what_is_not_built_is_refused_without_its_password() {
        for (url, why) in [
            ("", "no URL"),
            ("watch", "http only"),
            ("/metrics", "no host"),
            ("http://watch:99999", "port"),
            ("https://watch", "http only"),
            ("http://user:hunter2@watch", "no password"),
        ] {
            let told = ExporterPlace::of(url).unwrap_err();
            assert!(told.contains(why) && !told.contains("hunter2"), "{url}: {told}");
        }
    }
}

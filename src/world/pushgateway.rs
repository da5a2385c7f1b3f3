//! Metrics to a Prometheus Pushgateway, by one HTTP request.

use http_body_util::{BodyExt, Collected, Limited};
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};

use crate::mesh::exposition::Exposition;
use crate::pki::plain_text::plain;
use crate::problem::{Code, Problem};
use crate::world::clock::Patience;
use crate::world::files;
use crate::world::plain_http::{HttpPlace, UnfitUrl};

/// Where the group lies, if the URL does not say.
const GROUP: &str = "/metrics/job/meshca";
/// What every path of a group has in it.
const GROUPS: &str = "/metrics/job/";
/// So much is read of an answer, in bytes: the reason in words is short.
const LARGEST_ANSWER: usize = 64 * 1024;
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
        .hint(format!("curl -s http://{}/-/ready", place.http.authority))
    };
    let stream = place.http.connect(patience).map_err(|error| failed(&files::words(&error)))?;
    let request = Request::builder().method(Method::PUT).header(CONTENT_TYPE, Exposition::Text.content_type());
    let taken = place.http.ask(stream, request, text, patience, async |answer| {
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let body = Limited::new(answer.into_body(), LARGEST_ANSWER).collect().await;
        let said = body.map(Collected::to_bytes).unwrap_or_default();
        let said = plain(String::from_utf8_lossy(&said).trim(), LONGEST_REASON);
        Err(if said.is_empty() { format!("it answers {status}") } else { format!("it answers {status}: {said}") })
    });
    taken.map_err(|why| failed(&why))
}

/// Where a Pushgateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The URL as it is told: there is no password in it.
    shown: String,
    http: HttpPlace,
}

impl Place {
    /// Takes an URL apart.
    ///
    /// # Errors
    /// Why it is none, in words that do not hold a password.
    pub fn of(url: &str) -> Result<Self, String> {
        let shown = plain(url.rsplit_once('@').map_or(url, |(_, rest)| rest), LONGEST_REASON);
        let mut http = HttpPlace::of(url).map_err(|unfit| match unfit {
            UnfitUrl::Malformed(_) => "it is no URL",
            UnfitUrl::NoHost => "there is no host in it; it is written as http://HOST:9091",
            UnfitUrl::OtherScheme => "meshca sends metrics by http only: http://HOST:9091",
            UnfitUrl::Password => "meshca sends no user and no password: http://HOST:9091",
            UnfitUrl::Port => "its port is none",
        })?;
        if http.path.contains('?') {
            return Err("a Pushgateway takes no query".to_owned());
        }
        let path = http.path.trim_end_matches('/');
        http.path = if path.contains(GROUPS) { path.to_owned() } else { format!("{path}{GROUP}") };
        Ok(Self { shown, http })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(url: &str) -> String {
        Place::of(url).unwrap().http.path
    }

    #[test]
    fn the_group_is_that_of_job_meshca_unless_the_url_names_one() {
        assert_eq!(path("http://gateway:9091"), "/metrics/job/meshca");
        assert_eq!(path("http://gateway:9091/"), "/metrics/job/meshca");
        assert_eq!(path("http://gateway/below/"), "/below/metrics/job/meshca");
        assert_eq!(path("http://gateway/metrics/job/mesh1"), "/metrics/job/mesh1");
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

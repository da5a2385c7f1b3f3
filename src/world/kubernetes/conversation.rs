//! One visit at an API server on behalf of one target: single requests, their answers, and which are asked again.

use std::cell::Cell;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http_body_util::BodyExt;
use kube::Client;
use kube::client::Body;
use serde::Deserialize;
use time::OffsetDateTime;

use crate::mesh::fleet::Cluster;
use crate::pki::plain_text::plain;
use crate::pki::secret::Secret;
use crate::problem::{Code, Problem};
use crate::world::kubernetes::exchange::{self, Answer, Object, Verb};
use crate::world::kubernetes::refusal::refusal;

/// The largest answer that is read, in bytes: a Secret of 1 MiB in base64, with its metadata.
const LARGEST: usize = 3 * 1024 * 1024;

/// The pauses before a request is made again, where the server does not name one.
const PAUSES: [Duration; 4] =
    [Duration::from_millis(200), Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// The longest pause that a server may ask for; the deadline of the visit is what really bounds it.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// One visit.
pub(super) struct Conversation<'a> {
    client: Client,
    cluster: &'a Cluster,
    course: Arc<Mutex<Course>>,
    clock: Cell<Option<OffsetDateTime>>,
}

/// How far a visit has come, for when its deadline passes.
#[derive(Default)]
pub(super) struct Course {
    /// The requests that are not answered for good.
    open: Vec<String>,
    /// What was last heard, where that was trouble.
    trouble: Option<Problem>,
}

impl Course {
    /// The problem of a visit that took too long, with what is known of it.
    pub(super) fn told_with(&self, slow: Problem) -> Problem {
        let slow = match self.open.is_empty() {
            true => slow,
            false => slow.fact(format!("step     {}", self.open.join(", "))),
        };
        match &self.trouble {
            Some(last) => slow.fact(format!("last heard  {}", last.what())),
            None => slow,
        }
    }
}

impl<'a> Conversation<'a> {
    /// A visit for this target, which keeps its course up to date.
    pub(super) fn new(client: Client, cluster: &'a Cluster, course: Arc<Mutex<Course>>) -> Self {
        Self { client, cluster, course, clock: Cell::new(None) }
    }

    /// What the clock of the API server said in its last answer, UTC, whole seconds; `None`: it said nothing yet.
    pub(super) fn server_clock(&self) -> Option<OffsetDateTime> {
        self.clock.get()
    }

    /// Reads one object; `None`: there is none.
    ///
    /// # Errors
    /// `not-authenticated`, `not-allowed`, `api-server-unreachable`, `api-server-untrusted`, `api-server-failing`,
    /// `api-answer-malformed`, `api-refused`.
    pub(super) async fn get(&self, object: &Object) -> Result<Option<Secret>, Problem> {
        self.read(object, false).await
    }

    /// Whether an object is there. Its content is not sent.
    ///
    /// # Errors
    /// As [`Conversation::get`].
    pub(super) async fn is_there(&self, object: &Object) -> Result<bool, Problem> {
        self.read(object, true).await.map(|found| found.is_some())
    }

    async fn read(&self, object: &Object, metadata_only: bool) -> Result<Option<Secret>, Problem> {
        let answer = self
            .ask_again(object, Verb::Get, || {
                let request = kube::core::Request::new(&object.path);
                let parameters = kube::api::GetParams::default();
                if metadata_only {
                    request.get_metadata(&object.name, &parameters)
                } else {
                    request.get(&object.name, &parameters)
                }
            })
            .await?;
        match answer.status {
            200 => Ok(Some(answer.body)),
            404 => Ok(None),
            _ => Err(refusal(self.cluster, object, Verb::Get, &answer)),
        }
    }

    /// Reads the objects of one kind that have this label, all at once.
    ///
    /// # Errors
    /// As [`Conversation::get`]; `too-many-values`: there are more than `most`.
    pub(super) async fn list(&self, objects: &Object, label: &str, most: u32) -> Result<Secret, Problem> {
        let chosen = kube::api::ListParams::default().labels(label).limit(most);
        let request = || kube::core::Request::new(&objects.path).list(&chosen);
        let answer = self.ask_again(objects, Verb::List, request).await?;
        if answer.status != 200 {
            return Err(refusal(self.cluster, objects, Verb::List, &answer));
        }
        let head: ListHead =
            serde_json::from_slice(answer.body.expose()).map_err(|_| self.malformed(objects, "it is not a list"))?;
        if head.metadata.rest.is_none_or(|rest| rest.is_empty()) {
            return Ok(answer.body);
        }
        let Cluster { name, namespace, .. } = self.cluster;
        let what = format!("{name}/{namespace}: more than {most} {objects} have the label {label}");
        Err(Problem::new(Code::TooManyValues, what).hint("remove what is no longer used"))
    }

    /// Sends a strategic merge patch, as `kubectl` does. Of the object that comes of it, only the metadata is sent back.
    ///
    /// # Errors
    /// As [`Conversation::apply`].
    pub(super) async fn patch(&self, object: &Object, manager: &str, body: &[u8]) -> Result<(), Problem> {
        let parameters = kube::api::PatchParams { field_manager: Some(manager.to_owned()), ..Default::default() };
        self.change(object, &parameters, &kube::api::Patch::Strategic(()), body).await
    }

    /// Sends a server-side apply. Of the object that comes of it, only the metadata is sent back.
    ///
    /// # Errors
    /// As [`Conversation::get`]; `target-changed-meanwhile`; `namespace-missing`; `answer-lost`, `api-server-failing`:
    /// whether it was done is not known.
    pub(super) async fn apply(
        &self,
        object: &Object,
        parameters: &kube::api::PatchParams,
        body: &Secret,
    ) -> Result<(), Problem> {
        self.change(object, parameters, &kube::api::Patch::Apply(()), body.expose()).await
    }

    async fn change(
        &self,
        object: &Object,
        parameters: &kube::api::PatchParams,
        kind: &kube::api::Patch<()>,
        body: &[u8],
    ) -> Result<(), Problem> {
        let answer = self
            .ask_again(object, Verb::Patch, || {
                let path = kube::core::Request::new(&object.path);
                // The body is written already; only address and headers are taken from here.
                let request = path.patch(&object.name, parameters, kind)?;
                let (mut parts, _) = request.into_parts();
                parts.headers.insert(http::header::ACCEPT, http::HeaderValue::from_static(METADATA_ONLY));
                Ok(http::Request::from_parts(parts, body.to_vec()))
            })
            .await?;
        match answer.status {
            200 | 201 => Ok(()),
            _ => Err(refusal(self.cluster, object, Verb::Patch, &answer)),
        }
    }

    /// Creates one object, by a request that names it only in its body. What comes of it is not sent back.
    ///
    /// # Errors
    /// As [`Conversation::apply`]; `target-changed-meanwhile`: one of that name is there.
    pub(super) async fn create(&self, object: &Object, body: &Secret) -> Result<(), Problem> {
        let answer = self
            .ask_again(object, Verb::Create, || {
                let path = kube::core::Request::new(&object.path);
                let request = path.create(&kube::api::PostParams::default(), body.expose().to_vec())?;
                let (mut parts, body) = request.into_parts();
                parts.headers.insert(http::header::ACCEPT, http::HeaderValue::from_static(METADATA_ONLY));
                Ok(http::Request::from_parts(parts, body))
            })
            .await?;
        match answer.status {
            200..=202 => Ok(()),
            _ => Err(refusal(self.cluster, object, Verb::Create, &answer)),
        }
    }

    /// Makes a request until it is answered for good, and keeps it in the course of the visit as long.
    async fn ask_again(
        &self,
        object: &Object,
        verb: Verb,
        request: impl Fn() -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Answer, Problem> {
        let step = step(verb, object);
        self.course().open.push(step.clone());
        let answer = self.ask_until_answered(object, verb, request).await;
        self.course().open.retain(|open| *open != step);
        answer
    }

    fn course(&self) -> MutexGuard<'_, Course> {
        self.course.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A read is made again whenever the server is in trouble; a write only where the server says that it did nothing.
    async fn ask_until_answered(
        &self,
        object: &Object,
        verb: Verb,
        request: impl Fn() -> Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<Answer, Problem> {
        let mut pauses = PAUSES.iter();
        loop {
            let request = request().map_err(|error| self.malformed(object, &error.to_string()))?;
            let asked = self.ask(object, verb, request).await;
            let (again, wished) = match &asked {
                Ok(answer) => (
                    matches!(answer.status, 429 | 503) || verb.is_read() && matches!(answer.status, 500 | 502 | 504),
                    answer.retry_after.map(|pause| pause.min(LONGEST_PAUSE)),
                ),
                Err(problem) => (verb.is_read() && problem.code() == Code::AnswerLost, None),
            };
            let Some(pause) = pauses.next().filter(|_| again) else { return asked };
            let heard = match asked {
                Ok(answer) => refusal(self.cluster, object, verb, &answer),
                Err(problem) => problem,
            };
            self.course().trouble = Some(heard);
            tokio::time::sleep(wished.unwrap_or(*pause)).await;
        }
    }

    async fn ask(&self, object: &Object, verb: Verb, request: http::Request<Vec<u8>>) -> Result<Answer, Problem> {
        let answer =
            self.client.send(request.map(Body::from)).await.map_err(|error| self.unheard(object, verb, &error))?;
        let status = answer.status().as_u16();
        let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok());
        let retry_after = header(http::header::RETRY_AFTER).and_then(|text| text.parse().ok()).map(Duration::from_secs);
        self.clock.set(header(http::header::DATE).and_then(exchange::date).or(self.clock.get()));
        let announced = header(http::header::CONTENT_LENGTH).and_then(|text| text.parse().ok()).unwrap_or(0_usize);
        // A buffer that does not grow leaves no copy of a key behind.
        let mut bytes = Vec::with_capacity(announced.min(LARGEST));
        let mut body = answer.into_body();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| self.unheard(object, verb, &error))?;
            if let Some(data) = frame.data_ref() {
                if bytes.len() + data.len() > LARGEST {
                    return Err(self.malformed(object, &format!("it is longer than {LARGEST} bytes")));
                }
                bytes.extend_from_slice(data);
            }
        }
        Ok(Answer { status, body: Secret::new(bytes), retry_after })
    }

    /// The problem of an answer that cannot be read. It never quotes the answer.
    pub(super) fn malformed(&self, object: &Object, why: &str) -> Problem {
        let Cluster { name, namespace, .. } = self.cluster;
        Problem::new(
            Code::ApiAnswerMalformed,
            format!("{name}/{namespace}: the answer about {object} is not one of an API server: {why}"),
        )
        .hint("look what stands between here and the API server")
    }

    fn unheard(&self, object: &Object, verb: Verb, error: &(dyn Error + 'static)) -> Problem {
        let Cluster { name, namespace, .. } = self.cluster;
        let place = format!("{name}/{namespace}");
        let why = plain(&causes(error).last().map_or_else(String::new, ToString::to_string), 300);
        match trouble(error) {
            Trouble::Untrusted => Problem::new(
                Code::ApiServerUntrusted,
                format!("{place}: the certificate of the API server is not trusted: {why}"),
            )
            .fact(format!("step     {}", step(verb, object)))
            .hint("give its CA as certificate-authority-data in the kubeconfig"),
            Trouble::Unreachable => {
                Problem::new(Code::ApiServerUnreachable, format!("{place}: the API server cannot be reached: {why}"))
                    .fact(format!("step     {}", step(verb, object)))
                    .hint("look whether it runs, and whether the server of the kubeconfig is right")
            }
            Trouble::Cut => Problem::new(
                Code::AnswerLost,
                format!("{place}: the connection ended before the answer about {object} ({}): {why}", verb.as_str()),
            )
            .hint("look what stands between here and the API server"),
        }
    }
}

/// Of a list, whether it is whole.
#[derive(Deserialize)]
struct ListHead {
    metadata: ListMetadata,
}

#[derive(Deserialize)]
struct ListMetadata {
    #[serde(rename = "continue")]
    rest: Option<String>,
}

/// A request in words.
fn step(verb: Verb, object: &Object) -> String {
    format!("{} {object}", verb.as_str())
}

const METADATA_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

enum Trouble {
    Untrusted,
    Unreachable,
    Cut,
}

fn causes<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error| cause(*error))
}

fn cause<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e (dyn Error + 'static)> {
    // An I/O error names what it wraps only here.
    match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

/// Whether a certificate is what is wrong, and not the bytes on the way: those are garbled where somebody tampers with
/// them, or where no API server speaks at all.
fn is_about_trust(cause: &(dyn Error + 'static)) -> bool {
    use rustls::Error::{InvalidCertRevocationList, InvalidCertificate, NoCertificatesPresented, UnsupportedNameType};
    cause.downcast_ref::<rustls::Error>().is_some_and(|error| {
        matches!(
            error,
            InvalidCertificate(_) | NoCertificatesPresented | UnsupportedNameType | InvalidCertRevocationList(_)
        )
    })
}

fn trouble(error: &(dyn Error + 'static)) -> Trouble {
    let is_connect = |cause: &(dyn Error + 'static)| {
        cause
            .downcast_ref::<hyper_util::client::legacy::Error>()
            .is_some_and(hyper_util::client::legacy::Error::is_connect)
    };
    if causes(error).any(is_about_trust) {
        Trouble::Untrusted
    } else if causes(error).any(is_connect) {
        Trouble::Unreachable
    } else {
        Trouble::Cut
    }
}

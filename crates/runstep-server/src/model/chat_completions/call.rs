//! Asks the provider, again where that is safe, and reads its reply.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_core::Stream;
use futures_util::stream;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{RequestBuilder, Response};
use secrecy::ExposeSecret as _;
use tokio::time::Instant;

use super::Upstream;
use super::answer::Answer;
use super::body::Body;
use super::chunk::Chunk;
use super::events::{Events, EventsError, MAX_EVENT_BYTES};
use super::failure::Failure;
use crate::model::{ModelError, ModelErrorKind, ModelEvent, ModelRequest, prompt_tokens};

/// How much of a refusal is read.
const MAX_REFUSAL_BYTES: usize = 64 * 1024;
/// How long a reply may stay open once the answer in it is complete.
const LINGER: Duration = Duration::from_secs(5);
/// How long it may stay open once its end was marked.
const DRAIN: Duration = Duration::from_millis(50);

/// Asks until an answer begins, or the retries are used up.
pub(super) async fn begin(
    upstream: Arc<Upstream>,
    request: &ModelRequest,
) -> Result<Reply, ModelError> {
    let body = serde_json::to_vec(&Body::new(request, &upstream)).map_err(|error| {
        ModelError::new(ModelErrorKind::Server, format!("The request is no JSON: {error}."))
    })?;
    let body = Bytes::from(body);
    let prompt_estimate = prompt_tokens(request);
    let mut failures = 0;
    loop {
        let answer = Answer::new(prompt_estimate);
        let failure = match attempt(&upstream, body.clone(), answer).await {
            Ok(reply) => return Ok(reply),
            Err(failure) => failure,
        };
        failures += 1;
        let Some(pause) = upstream.backoff.pause(failures, failure.advice) else {
            return Err(failure.error);
        };
        // Not the error itself: providers repeat in it what people write.
        let status = failure.status.map(|status| status.as_u16());
        let kind = failure.error.kind;
        tracing::warn!(?kind, status, failures, ?pause, "the model is asked again");
        tokio::time::sleep(pause).await;
    }
}

/// Asks once, and reads up to the first event.
async fn attempt(upstream: &Arc<Upstream>, body: Bytes, answer: Answer) -> Result<Reply, Failure> {
    let request = upstream.client.post(upstream.endpoint.clone()).body(body);
    let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let response = authorized(request, upstream)
        .send()
        .await
        .map_err(|error| Failure::transport(&error, upstream.idle_timeout))?;
    let status = response.status();
    if !status.is_success() {
        let headers = response.headers().clone();
        // What cannot be read of a refusal does not make it another.
        let (body, _) = read(response, MAX_REFUSAL_BYTES).await;
        return Err(Failure::refused(status, &headers, &body, upstream.api_key.as_ref()));
    }
    let mut reply = Reply::open(Arc::clone(upstream), response, answer).await?;
    while !reply.is_over && !reply.answer.has_events() {
        reply.read().await?;
    }
    Ok(reply)
}

fn authorized(request: RequestBuilder, upstream: &Upstream) -> RequestBuilder {
    let Some(key) = &upstream.api_key else { return request };
    // The builder has seen that a header can carry it.
    match HeaderValue::try_from(format!("Bearer {}", key.expose_secret())) {
        Ok(mut value) => {
            value.set_sensitive(true);
            request.header(AUTHORIZATION, value)
        }
        Err(_) => request,
    }
}

/// A body up to a limit, and whether that was all of it.
async fn read(mut response: Response, limit: usize) -> (Vec<u8>, Result<(), ReadError>) {
    let mut body = Vec::new();
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) if body.len() + bytes.len() <= limit => body.extend_from_slice(&bytes),
            Ok(Some(bytes)) => {
                body.extend(bytes.iter().take(limit - body.len()));
                return (body, Err(ReadError::TooLong));
            }
            Ok(None) => return (body, Ok(())),
            Err(error) => return (body, Err(ReadError::Transport(error))),
        }
    }
}

enum ReadError {
    TooLong,
    Transport(reqwest::Error),
}

/// An answer, and the reply that the rest of it comes from.
pub(super) struct Reply {
    upstream: Arc<Upstream>,
    answer: Answer,
    /// None for a reply that came whole.
    source: Option<Events>,
    /// Whether the answer is complete, or failed.
    is_over: bool,
    /// When a reply is left whose answer is complete.
    leave_at: Option<Instant>,
}

impl Reply {
    /// A reply of events, or of a provider that does not stream.
    async fn open(
        upstream: Arc<Upstream>,
        response: Response,
        answer: Answer,
    ) -> Result<Self, Failure> {
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if kind.starts_with("text/html") {
            return Err(Failure::nonsense(
                "answered with a web page; the upstream URL must name its API, such as http://host/v1",
            ));
        }
        if !kind.starts_with("application/json") {
            return Ok(Self {
                upstream,
                answer,
                source: Some(Events::new(response)),
                is_over: false,
                leave_at: None,
            });
        }
        let (body, end) = read(response, MAX_EVENT_BYTES).await;
        end.map_err(|error| match error {
            ReadError::TooLong => too_long(),
            ReadError::Transport(error) => Failure::transport(&error, upstream.idle_timeout),
        })?;
        let mut reply = Self { upstream, answer, source: None, is_over: true, leave_at: None };
        reply.take(&body, false)?;
        reply.answer.end(true)?;
        Ok(reply)
    }

    /// The answer's events, as they come.
    pub(super) fn into_events(self) -> impl Stream<Item = Result<ModelEvent, ModelError>> {
        stream::unfold(self, |mut reply| async move {
            let event = reply.next().await?;
            Some((event, reply))
        })
    }

    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            if let Some(event) = self.answer.next() {
                return Some(Ok(event));
            }
            if self.is_over {
                self.drain().await;
                return None;
            }
            if let Err(failure) = self.read().await {
                // What the failed part held besides is not told after it.
                self.answer.clear();
                (self.source, self.is_over) = (None, true);
                return Some(Err(failure.error));
            }
        }
    }

    /// Reads one event of the reply.
    async fn read(&mut self) -> Result<(), Failure> {
        let Some(source) = &mut self.source else { return Ok(()) };
        if self.answer.is_finished() {
            let leave_at = *self.leave_at.get_or_insert_with(|| Instant::now() + LINGER);
            // The answer is complete, whatever becomes of the rest.
            let rest = tokio::time::timeout_at(leave_at, source.next()).await;
            let event = rest.ok().and_then(Result::ok).flatten().filter(|event| !event.is_end());
            return match event.map(|event| self.take(event.data.as_bytes(), event.is_error)) {
                Some(Ok(())) => Ok(()),
                _ => self.end(true),
            };
        }
        let event = source.next().await.map_err(|error| match error {
            EventsError::TooLong => too_long(),
            EventsError::Read(error) => self.cut(&error),
        })?;
        match event {
            Some(event) if event.is_end() => self.end(true),
            Some(event) => self.take(event.data.as_bytes(), event.is_error),
            None => self.end(false),
        }
    }

    fn end(&mut self, is_marked: bool) -> Result<(), Failure> {
        self.is_over = true;
        self.answer.end(is_marked)
    }

    /// Reads what follows the answer: a connection whose reply was read to its end serves the next
    /// request.
    async fn drain(&mut self) {
        let Some(mut source) = self.source.take() else { return };
        let rest = async { while let Ok(Some(_)) = source.next().await {} };
        let _ = tokio::time::timeout(DRAIN, rest).await;
    }

    fn take(&mut self, data: &[u8], is_error: bool) -> Result<(), Failure> {
        let key = self.upstream.api_key.as_ref();
        let mut chunk: Chunk = serde_json::from_slice(data).map_err(|error| {
            if error.is_eof() {
                return Failure::cut("ended its reply within an event");
            }
            // The error itself may repeat what came.
            let place = format!("line {}, column {}", error.line(), error.column());
            Failure::nonsense(&format!("sent something that is no part of an answer ({place})"))
        })?;
        match chunk.error.take().filter(|error| !error.is_null()) {
            Some(error) => Err(Failure::told(&error, key)),
            None if is_error => {
                Err(Failure::told(&serde_json::from_slice(data).unwrap_or_default(), key))
            }
            None => self.answer.take(chunk),
        }
    }

    fn cut(&self, error: &std::io::Error) -> Failure {
        match error.get_ref().and_then(|error| error.downcast_ref::<reqwest::Error>()) {
            Some(error) => Failure::transport(error, self.upstream.idle_timeout),
            None => Failure::nonsense("sent text that is no UTF-8"),
        }
    }
}

fn too_long() -> Failure {
    let limit = MAX_EVENT_BYTES / (1024 * 1024);
    Failure::nonsense(&format!("sent an event longer than {limit} MiB"))
}

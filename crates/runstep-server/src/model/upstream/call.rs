//! Calls the provider, with retries, and reads the response.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use futures_core::Stream;
use futures_util::stream;
use reqwest::RequestBuilder;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::error::CallError;
use super::settings::Upstream;
use super::sse::{MAX_EVENT_BYTES, SseError, SseReader};
use crate::model::{ModelError, ModelEvent};

/// How much of an error response is read.
const MAX_ERROR_BYTES: usize = 64 * 1024;
/// How long to wait for usage, or the end of the stream, after the finish reason.
const USAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// How many times the idle timeout a provider can send no part of its response, but comments or
/// empty chunks.
const STALL_FACTOR: u32 = 2;
/// How long to read after the end was marked.
const DRAIN_TIMEOUT: Duration = Duration::from_millis(50);

/// Decodes the events of one response, or a response that is not streamed.
pub(crate) trait Decoder: Send + 'static {
    /// Returns the decoded events that were not taken yet.
    fn events(&mut self) -> &mut VecDeque<ModelEvent>;

    /// Returns whether the response is complete, apart from its usage.
    fn is_finished(&self) -> bool;

    /// Returns whether nothing that follows belongs to the response.
    fn is_complete(&self) -> bool {
        false
    }

    /// Returns the usage that the provider has reported.
    fn reported_usage(&self) -> Option<(u64, u64)>;

    /// Decodes an event. Returns whether it has a part of the response. `is_error` means that the
    /// event is named `error`. `key` must not be in an error.
    fn decode(
        &mut self,
        data: &[u8],
        is_error: bool,
        key: Option<&SecretString>,
    ) -> Result<bool, CallError>;

    /// Completes the response. `has_done_marker` means that the provider marked its end with `[DONE]`.
    fn finish(&mut self, has_done_marker: bool) -> Result<(), CallError>;
}

/// Parses the data of an event.
pub(crate) fn parse<T: DeserializeOwned>(data: &[u8]) -> Result<T, CallError> {
    serde_json::from_slice(data).map_err(|error| {
        if error.is_eof() {
            return CallError::incomplete_response("returned an incomplete event");
        }
        // Without the error itself, which may repeat the content of messages.
        let (line, column) = (error.line(), error.column());
        CallError::invalid_response(&format!(
            "returned an invalid chunk (line {line}, column {column})"
        ))
    })
}

/// Sends the request until a response starts or the retries are used up.
pub(crate) async fn start<D: Decoder>(
    upstream: Arc<Upstream>,
    body: Bytes,
    decoder: impl Fn() -> D,
) -> Response<D> {
    let mut failures = 0;
    loop {
        let error = match attempt(&upstream, body.clone(), decoder()).await {
            Ok(response) => return response,
            Err(error) => error,
        };
        failures += 1;
        let Some(delay) = upstream.settings.backoff.delay(failures, error.advice) else {
            return Response::failed(upstream, decoder(), error);
        };
        // Without the message, because providers repeat the content of messages in it.
        let status = error.status.map(|status| status.as_u16());
        let kind = error.model_error.kind;
        tracing::warn!(?kind, status, failures, ?delay, "retrying the request to the model");
        tokio::time::sleep(delay).await;
    }
}

/// Sends the request once, and reads the response up to its first event.
async fn attempt<D: Decoder>(
    upstream: &Arc<Upstream>,
    body: Bytes,
    decoder: D,
) -> Result<Response<D>, CallError> {
    let request = upstream.client.post(upstream.endpoint.clone()).body(body);
    let request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    let response = authorize(request, upstream)
        .send()
        .await
        .map_err(|error| CallError::transport(&error, upstream.settings.idle_timeout))?;
    let status = response.status();
    if !status.is_success() {
        let headers = response.headers().clone();
        // A truncated body does not change the error.
        let (body, _) = read(response, MAX_ERROR_BYTES).await;
        return Err(CallError::status(status, &headers, &body, upstream.settings.api_key.as_ref()));
    }
    let mut response = Response::new(Arc::clone(upstream), response, decoder).await?;
    while !response.is_over && response.decoder.events().is_empty() {
        response.read().await.map_err(|error| response.with_usage(error))?;
    }
    Ok(response)
}

pub(crate) fn authorize(request: RequestBuilder, upstream: &Upstream) -> RequestBuilder {
    let Some(key) = &upstream.settings.api_key else { return request };
    // The builder has checked that the key is a valid header value.
    match HeaderValue::try_from(format!("Bearer {}", key.expose_secret())) {
        Ok(mut value) => {
            value.set_sensitive(true);
            request.header(AUTHORIZATION, value)
        }
        Err(_) => request,
    }
}

/// Reads a body up to a limit, or up to an error.
pub(crate) async fn read_body(response: reqwest::Response, limit: usize) -> Vec<u8> {
    read(response, limit).await.0
}

/// Reads a body up to a limit. Also returns whether the body is complete.
async fn read(mut response: reqwest::Response, limit: usize) -> (Vec<u8>, Result<(), ReadError>) {
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

/// A successful response, which may still be streaming.
pub(crate) struct Response<D> {
    upstream: Arc<Upstream>,
    decoder: D,
    /// `None` for a response that is not a stream.
    reader: Option<SseReader>,
    /// Whether the response is complete or failed.
    is_over: bool,
    /// When to stop waiting for usage, after the finish reason.
    usage_deadline: Option<Instant>,
    /// How long the provider has sent no part of the response.
    stalled: Duration,
    /// The error that ends the response.
    failure: Option<CallError>,
}

impl<D: Decoder> Response<D> {
    fn with_reader(upstream: Arc<Upstream>, decoder: D, reader: Option<SseReader>) -> Self {
        Self {
            upstream,
            decoder,
            is_over: reader.is_none(),
            reader,
            usage_deadline: None,
            stalled: Duration::ZERO,
            failure: None,
        }
    }

    /// Creates a response that only has the reported usage and an error.
    fn failed(upstream: Arc<Upstream>, decoder: D, error: CallError) -> Self {
        let mut response = Self::with_reader(upstream, decoder, None);
        response.fail(error);
        response
    }

    async fn new(
        upstream: Arc<Upstream>,
        response: reqwest::Response,
        decoder: D,
    ) -> Result<Self, CallError> {
        let content_type = response.headers().get(CONTENT_TYPE);
        let content_type = content_type.and_then(|value| value.to_str().ok()).unwrap_or_default();
        if content_type.starts_with("text/html") {
            return Err(CallError::invalid_response(
                "returned a web page; the upstream URL must be that of its API, such as \
                 http://host/v1",
            ));
        }
        if !content_type.starts_with("application/json") {
            let reader = SseReader::new(response);
            return Ok(Self::with_reader(upstream, decoder, Some(reader)));
        }
        let (body, end) = read(response, MAX_EVENT_BYTES).await;
        end.map_err(|error| match error {
            ReadError::TooLong => event_too_long(),
            ReadError::Transport(error) => {
                CallError::transport(&error, upstream.settings.idle_timeout)
            }
        })?;
        let mut response = Self::with_reader(upstream, decoder, None);
        let decoded = response.decode(&body, false).and_then(|_| response.decoder.finish(true));
        decoded.map_err(|error| response.with_usage(error))?;
        Ok(response)
    }

    /// Returns the error of a response that failed before its first event.
    pub(crate) fn failure(&self) -> Option<&CallError> {
        self.failure.as_ref()
    }

    /// Returns the events of the response as a stream.
    pub(crate) fn into_events(self) -> impl Stream<Item = Result<ModelEvent, ModelError>> {
        stream::unfold(self, |mut response| async move {
            let event = response.next().await?;
            Some((event, response))
        })
    }

    async fn next(&mut self) -> Option<Result<ModelEvent, ModelError>> {
        loop {
            if let Some(event) = self.decoder.events().pop_front() {
                return Some(Ok(event));
            }
            if let Some(error) = self.failure.take() {
                return Some(Err(error.model_error));
            }
            if self.is_over {
                self.drain().await;
                return None;
            }
            if let Err(error) = self.read().await {
                let error = self.with_usage(error);
                self.fail(error);
            }
        }
    }

    fn with_usage(&self, error: CallError) -> CallError {
        CallError { usage: self.decoder.reported_usage(), ..error }
    }

    /// Ends the response. Only the usage precedes the error, because the other events that were not
    /// taken yet may be incomplete.
    fn fail(&mut self, error: CallError) {
        let events = self.decoder.events();
        events.clear();
        events.extend(error.usage.map(|(prompt_tokens, completion_tokens)| ModelEvent::Usage {
            prompt_tokens,
            completion_tokens,
        }));
        (self.reader, self.is_over) = (None, true);
        self.failure = Some(error);
    }

    /// Reads one event of the response.
    async fn read(&mut self) -> Result<(), CallError> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        if self.decoder.is_complete() {
            return self.finish(true);
        }
        if self.decoder.is_finished() {
            let deadline =
                *self.usage_deadline.get_or_insert_with(|| Instant::now() + USAGE_TIMEOUT);
            // The response is complete, so errors in the rest of the stream are ignored.
            let rest = tokio::time::timeout_at(deadline, reader.next()).await;
            let event = rest.ok().and_then(Result::ok).flatten().filter(|event| !event.is_end());
            return match event.map(|event| self.decode(event.data.as_bytes(), event.is_error)) {
                Some(Ok(_)) => Ok(()),
                _ => self.finish(true),
            };
        }
        // Comments and empty chunks reset the idle timeout of the connection, but not this one.
        let limit = self.upstream.settings.idle_timeout.saturating_mul(STALL_FACTOR);
        let started = Instant::now();
        let event = tokio::time::timeout(limit.saturating_sub(self.stalled), reader.next());
        let event = event.await.map_err(|_| CallError::stalled(limit))?;
        self.stalled += started.elapsed();
        let event = event.map_err(|error| match error {
            SseError::TooLong => event_too_long(),
            SseError::Read(error) => self.read_error(&error),
        })?;
        match event {
            Some(event) if event.is_end() => self.finish(true),
            Some(event) => {
                if self.decode(event.data.as_bytes(), event.is_error)? {
                    self.stalled = Duration::ZERO;
                }
                Ok(())
            }
            None => self.finish(false),
        }
    }

    fn finish(&mut self, has_done_marker: bool) -> Result<(), CallError> {
        self.is_over = true;
        self.decoder.finish(has_done_marker)
    }

    /// Reads the rest of the stream, which allows the connection to be reused.
    async fn drain(&mut self) {
        let Some(mut reader) = self.reader.take() else { return };
        let rest = async { while let Ok(Some(_)) = reader.next().await {} };
        let _ = tokio::time::timeout(DRAIN_TIMEOUT, rest).await;
    }

    fn decode(&mut self, data: &[u8], is_error: bool) -> Result<bool, CallError> {
        self.decoder.decode(data, is_error, self.upstream.settings.api_key.as_ref())
    }

    fn read_error(&self, error: &std::io::Error) -> CallError {
        match error.get_ref().and_then(|error| error.downcast_ref::<reqwest::Error>()) {
            Some(error) => CallError::transport(error, self.upstream.settings.idle_timeout),
            None => CallError::invalid_response("returned text that is not valid UTF-8"),
        }
    }
}

fn event_too_long() -> CallError {
    let limit = MAX_EVENT_BYTES / (1024 * 1024);
    CallError::invalid_response(&format!("returned an event longer than {limit} MiB"))
}

//! Calls of the API: sends a request, retries it according to the policy, and traces it.
//!
//! ```text
//! Call (request without its type) ─▶ attempts ─▶ CompletedCall ─▶ Reading<T>: decodes the response
//! ```
//!
//! Only the last step depends on the type of the response, so the others are compiled once.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_util::stream;
use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use runstep_api::types::{Assistant, Message, Run, Thread};
use runstep_api::{ByteStream, ClientInfo as _, Decode, Operation, Validate};
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::Client;
use super::idempotency::new_idempotency_key;
use crate::error::{Error, ErrorKind, Result};
use crate::time::deadline_after;
use crate::transport::response_body::{Failure, ResponseHead, error_response, receive};
use crate::transport::{RequestOptions, Response, ResponseFuture};

/// Maximum size of a response that is read as a whole, in bytes.
const MAX_RESPONSE_BYTES: u64 = 64 * 1024 * 1024;

/// The ids that a span records.
#[derive(Clone, Copy, Default)]
pub(crate) struct SpanIds<'a> {
    pub(crate) thread_id: Option<&'a str>,
    pub(crate) run_id: Option<&'a str>,
    pub(crate) assistant_id: Option<&'a str>,
    pub(crate) step_id: Option<&'a str>,
    pub(crate) message_id: Option<&'a str>,
}

/// Whether a request may be sent more than once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeatability {
    /// Whether repeating it has no further effect.
    pub(crate) is_idempotent: bool,
    /// Whether its body can be sent only once, so that it is never repeated.
    pub(crate) is_single_use: bool,
}

impl Repeatability {
    pub(crate) fn of(method: &Method) -> Self {
        Self { is_idempotent: method.is_idempotent(), is_single_use: false }
    }
}

/// What a call needs to know about its request.
pub(crate) struct PreparedCall {
    /// Records the call.
    pub(crate) span: tracing::Span,
    pub(crate) repeatability: Repeatability,
}

/// A request to the API, whatever its parameters and its response are.
pub(crate) trait ApiRequest: Send {
    /// Checks the request before anything is sent.
    fn prepare(&mut self, client: &Client) -> Result<PreparedCall>;

    /// Builds the request of one attempt, without its options.
    fn build(&mut self, api: &runstep_api::Client) -> Result<reqwest::Request>;
}

/// A request with what sends it.
pub(crate) struct Call {
    client: Client,
    options: RequestOptions,
    request: Box<dyn ApiRequest>,
    /// Whether to return the body of the response as a stream.
    reads_stream: bool,
}

/// A successful response, before it is decoded.
pub(crate) struct CompletedCall {
    head: ResponseHead,
    /// The rest of the response, if it is read as a stream.
    stream: Option<ByteStream>,
    span: tracing::Span,
    /// Whether the request may have created the object in the response.
    creates_object: bool,
}

type CallFuture = Pin<Box<dyn Future<Output = Result<CompletedCall>> + Send>>;

impl Call {
    pub(crate) fn new(
        client: Client,
        options: RequestOptions,
        request: Box<dyn ApiRequest>,
    ) -> Self {
        Self { client, options, request, reads_stream: false }
    }

    /// Sends the request, and converts the response. Nothing happens before the future is polled.
    pub(crate) fn read<T>(self, read: fn(CompletedCall) -> Result<T>) -> ResponseFuture<T>
    where
        T: 'static,
    {
        Box::pin(Reading { call: self.execute(), read })
    }

    /// Sends the request, and returns the response as a stream when it starts.
    pub(crate) fn open(mut self) -> ResponseFuture<Response<ByteStream>> {
        self.reads_stream = true;
        self.read(CompletedCall::stream)
    }

    fn execute(mut self) -> CallFuture {
        Box::pin(async move {
            let PreparedCall { span, repeatability } = self.request.prepare(&self.client)?;
            let attempts = self.attempts(repeatability, span.clone());
            attempts.instrument(span).await
        })
    }

    /// Sends the request until it succeeds or is not retried. `span` records the result.
    async fn attempts(
        mut self,
        repeatability: Repeatability,
        span: tracing::Span,
    ) -> Result<CompletedCall> {
        let Self { client, options, request, reads_stream } = &mut self;
        let idempotency_key = match repeatability.is_idempotent {
            true => None,
            false => new_idempotency_key(),
        };
        let timeout = options.timeout.unwrap_or(client.settings().timeout);
        let mut retries = RetryState::default();
        loop {
            let deadline = deadline_after(timeout);
            let http = client.api().client();
            let built = match client.check(options) {
                Ok(()) => client.token(deadline).await,
                Err(error) => Err(error),
            };
            let built = built.and_then(|token| {
                let mut request = request.build(client.api())?;
                client.add_options(&mut request, options, token)?;
                Ok(request)
            });
            let mut sent = built.map_err(|error| record_error(&span, error))?;
            let mut attempt = Attempt { head: None, token: None, deadline };
            if client.may_renew_token() {
                attempt.token = sent.headers().get(AUTHORIZATION).cloned();
            }
            if let Some(key) = &idempotency_key {
                sent.headers_mut().entry("idempotency-key").or_insert_with(|| key.clone());
            }
            let limit = (!*reads_stream).then_some(MAX_RESPONSE_BYTES);
            let received = receive(http, sent, limit, &mut attempt.head);
            let failure = match timeout_at(deadline, received).await {
                Ok(Ok(stream)) => {
                    let head = attempt.head.unwrap_or_default();
                    span.record("http.response.status_code", head.status.as_u16());
                    let creates_object = !repeatability.is_idempotent;
                    return Ok(CompletedCall { head, stream, span, creates_object });
                }
                Ok(Err(failure)) => failure,
                Err(_) => Failure::Failed(Error::timed_out()),
            };
            let retried =
                on_failure(client, options, repeatability, failure, attempt, &mut retries, &span);
            Box::pin(retried).await?;
        }
    }
}

/// Handles a failed attempt. Returns an error, unless the request must be sent again: after the delay, or
/// at once with a new token.
async fn on_failure(
    client: &Client,
    options: &RequestOptions,
    repeatability: Repeatability,
    failure: Failure,
    attempt: Attempt,
    retries: &mut RetryState,
    span: &tracing::Span,
) -> Result<()> {
    let error = match (failure, &attempt.head) {
        (Failure::Rejected(response), _) => error_response(response, attempt.deadline).await,
        (Failure::Failed(error), Some(head)) => error.with_head(Some(head.status), &head.headers),
        (Failure::Failed(error), None) => error,
    };
    // The server has not processed a request that it did not authenticate.
    if error.status() == Some(401) {
        client.discard_token(attempt.token.as_ref()).await;
        let may_renew = client.may_renew_token() && !repeatability.is_single_use;
        if may_renew && !retries.has_renewed_token {
            retries.has_renewed_token = true;
            return Ok(());
        }
    }
    retries.attempts += 1;
    let policy = options.retry.unwrap_or(client.settings().retry_policy);
    let delay = policy.delay(&error, repeatability.is_idempotent, retries.attempts);
    let Some(delay) = delay.filter(|_| !repeatability.is_single_use) else {
        return Err(record_error(span, error));
    };
    span.record("http.request.resend_count", retries.attempts);
    tracing::debug!(
        attempt = retries.attempts,
        status = error.status(),
        delay_ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX),
        "retrying the request"
    );
    tokio::time::sleep(delay).await;
    Ok(())
}

impl CompletedCall {
    /// Decodes the response.
    pub(crate) fn object<T: Decode + 'static>(self) -> Result<Response<T>> {
        match runstep_api::decode::<T>(&self.head.body) {
            Ok(value) => {
                self.record_created(&value);
                Ok(Response::new(value, self.head))
            }
            Err(error) => Err(self.undecodable(error)),
        }
    }

    /// Decodes the response, without its status and headers.
    pub(crate) fn value<T: Decode + 'static>(self) -> Result<T> {
        self.object().map(Response::into_inner)
    }

    /// Returns the body of the response.
    pub(crate) fn bytes(self) -> Result<Response<Bytes>> {
        Ok(Response::new(self.head.body.clone(), self.head))
    }

    /// Returns the rest of the response as a stream.
    pub(crate) fn stream(self) -> Result<Response<ByteStream>> {
        let stream = self.stream.unwrap_or_else(|| ByteStream::new(Box::pin(stream::empty())));
        Ok(Response::new(stream, self.head))
    }

    fn record_created(&self, object: &dyn Any) {
        if self.creates_object {
            record_ids(&self.span, object);
        }
    }

    #[cold]
    fn undecodable(&self, error: serde_json::Error) -> Error {
        let ResponseHead { status, headers, body } = &self.head;
        let error = Error::undecodable(error, body).with_head(Some(*status), headers);
        record_error(&self.span, error)
    }
}

/// A call whose response is converted when it is complete.
struct Reading<T> {
    call: CallFuture,
    read: fn(CompletedCall) -> Result<T>,
}

impl<T> Future for Reading<T> {
    type Output = Result<T>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<T>> {
        let completed = ready!(self.call.as_mut().poll(context));
        Poll::Ready(match completed {
            Ok(call) => (self.read)(call),
            Err(error) => Err(error),
        })
    }
}

impl Client {
    /// Checks the limits of a request body, unless the client is configured not to.
    pub(crate) fn validate(&self, body: &dyn Validate) -> Result<()> {
        match self.settings().check_limits {
            true => body.validate().map_err(exceeds_limits),
            false => Ok(()),
        }
    }

    /// Checks the `limit` parameter of a list request.
    pub(crate) fn validate_page_limit(&self, limit: Option<u64>) -> Result<()> {
        let Some(limit) = limit.filter(|_| self.settings().check_limits) else { return Ok(()) };
        runstep_api::validate_range("limit", limit, Operation::PAGE_LIMIT).map_err(exceeds_limits)
    }

    /// Returns the call of an operation.
    pub(crate) fn prepared_call(&self, operation: Operation, ids: SpanIds<'_>) -> PreparedCall {
        let (address, port) = self.server();
        let method = operation.method();
        let span = tracing::info_span!(
            "runstep.request",
            otel.name = operation.sdk_name(),
            otel.kind = "client",
            http.request.method = method.as_str(),
            url.template = operation.path(),
            server.address = address,
            server.port = port,
            gen_ai.conversation.id = ids.thread_id,
            gen_ai.agent.id = ids.assistant_id,
            runstep.run.id = ids.run_id,
            runstep.step.id = ids.step_id,
            runstep.message.id = ids.message_id,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
            otel.status_code = Empty,
        );
        PreparedCall { span, repeatability: Repeatability::of(&method) }
    }
}

#[cold]
fn exceeds_limits(violation: runstep_api::Violation) -> Error {
    let message =
        format!("{violation}; nothing was sent (`check_limits(false)` disables this check)");
    Error::new(ErrorKind::InvalidRequest, message).with_param(&violation.path)
}

/// Records the ids of the object that a request has created.
#[cold]
fn record_ids(span: &tracing::Span, object: &dyn Any) {
    if let Some(run) = object.downcast_ref::<Run>() {
        span.record("gen_ai.conversation.id", &run.thread_id);
        span.record("runstep.run.id", &run.id);
    } else if let Some(thread) = object.downcast_ref::<Thread>() {
        span.record("gen_ai.conversation.id", &thread.id);
    } else if let Some(message) = object.downcast_ref::<Message>() {
        span.record("runstep.message.id", &message.id);
    } else if let Some(assistant) = object.downcast_ref::<Assistant>() {
        span.record("gen_ai.agent.id", &assistant.id);
    }
}

/// Records why a request failed.
#[cold]
fn record_error(span: &tracing::Span, error: Error) -> Error {
    if let Some(status) = error.status() {
        span.record("http.response.status_code", status);
    }
    // The semantic conventions name an error response by its status.
    match error.status().filter(|_| error.kind() == ErrorKind::Api) {
        Some(status) => span.record("error.type", tracing::field::display(status)),
        None => span.record("error.type", error.kind().as_str()),
    };
    span.record("otel.status_code", "ERROR");
    error
}

/// An attempt in flight.
struct Attempt {
    /// The start of the response, if one arrived.
    head: Option<ResponseHead>,
    /// The token of the request, if it can be renewed.
    token: Option<HeaderValue>,
    deadline: Instant,
}

/// The attempts so far.
#[derive(Default)]
struct RetryState {
    attempts: u32,
    has_renewed_token: bool,
}

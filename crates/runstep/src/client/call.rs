//! Calls an operation: sends it, retries it according to the policy, and traces it.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use reqwest::Method;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use runstep_api::types::{Assistant, Message, Run, Thread};
use runstep_api::{ByteStream, Operation, ResponseHeaders, ResponseValue, Validate};
use tokio::time::Instant;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::Client;
use super::idempotency::new_idempotency_key;
use crate::error::{Error, ErrorKind, Result};
use crate::time::deadline_after;
use crate::transport::response_body::{self, AnyResponse, CompletedCall, ResponseReader};
use crate::transport::{RequestOptions, Response};

/// The ids that a span records.
#[derive(Clone, Copy, Default)]
pub(crate) struct SpanIds<'a> {
    pub(crate) thread_id: Option<&'a str>,
    pub(crate) run_id: Option<&'a str>,
    pub(crate) assistant_id: Option<&'a str>,
    pub(crate) step_id: Option<&'a str>,
    pub(crate) message_id: Option<&'a str>,
}

/// The result of a method of the generated client.
pub(crate) type ApiResult<T> = std::result::Result<ResponseValue<T>, runstep_api::Error<()>>;

/// The result of an attempt, whose type of value only the caller of the operation knows.
pub(crate) type AttemptResult = std::result::Result<AnyResponse, runstep_api::Error<()>>;

/// One attempt of a request.
pub(crate) type AttemptFuture<'a> = Pin<Box<dyn Future<Output = AttemptResult> + Send + 'a>>;

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

impl Client {
    /// Checks the limits of a request body, unless the client is configured not to.
    pub(crate) fn validate(&self, body: &impl Validate) -> Result<()> {
        self.check_limits(|| body.validate())
    }

    /// Checks the `limit` parameter of a list request.
    pub(crate) fn validate_page_limit(&self, limit: Option<u64>) -> Result<()> {
        self.check_limits(|| match limit {
            Some(limit) => runstep_api::validate_range("limit", limit, Operation::PAGE_LIMIT),
            None => Ok(()),
        })
    }

    fn check_limits(
        &self,
        check: impl FnOnce() -> std::result::Result<(), runstep_api::Violation>,
    ) -> Result<()> {
        if !self.settings().check_limits {
            return Ok(());
        }
        check().map_err(|violation| {
            Error::new(
                ErrorKind::InvalidRequest,
                format!(
                    "{violation}; nothing was sent (`check_limits(false)` disables this check)"
                ),
            )
            .with_param(&violation.path)
        })
    }

    // `call`, `open` and `call_traced` return futures instead of being `async`: each `async fn` would
    // store another copy of the future that it forwards.

    /// Calls an operation of the generated client, with retries.
    pub(crate) fn call<'a, T, F, Fut>(
        &'a self,
        operation: Operation,
        ids: SpanIds<'_>,
        options: &'a RequestOptions,
        call: F,
    ) -> impl Future<Output = Result<Response<T>>>
    where
        T: runstep_api::Decode + Send + 'static,
        F: Fn(runstep_api::Client) -> Fut + Sync,
        Fut: Future<Output = ApiResult<T>> + Send + 'a,
    {
        self.call_traced(operation, ids, options, call, response_body::json::<T>)
    }

    /// Calls an operation whose response is read as a stream. Returns when the response starts.
    pub(crate) fn open<'a, F, Fut>(
        &'a self,
        operation: Operation,
        ids: SpanIds<'_>,
        options: &'a RequestOptions,
        call: F,
    ) -> impl Future<Output = Result<Response<ByteStream>>>
    where
        F: Fn(runstep_api::Client) -> Fut + Sync,
        Fut: Future<Output = ApiResult<ByteStream>> + Send + 'a,
    {
        self.call_traced(operation, ids, options, call, response_body::bytes)
    }

    fn call_traced<'a, T, F, Fut>(
        &'a self,
        operation: Operation,
        ids: SpanIds<'_>,
        options: &'a RequestOptions,
        call: F,
        read: ResponseReader,
    ) -> impl Future<Output = Result<Response<T>>>
    where
        T: Send + 'static,
        F: Fn(runstep_api::Client) -> Fut + Sync,
        Fut: Future<Output = ApiResult<T>> + Send + 'a,
    {
        let span = self.request_span(operation, ids);
        let record = span.clone();
        let repeatability = Repeatability::of(&operation.method());
        let called = async move {
            let attempt = |api| -> AttemptFuture<'a> {
                let sent = call(api);
                Box::pin(async move { sent.await.map(AnyResponse::new) })
            };
            let result = self.call_with_retries(repeatability, options, &attempt, read, record);
            result.await.map(CompletedCall::into_response)
        };
        called.instrument(span)
    }

    fn request_span(&self, operation: Operation, ids: SpanIds<'_>) -> tracing::Span {
        let (address, port) = self.server();
        tracing::info_span!(
            "runstep.request",
            otel.name = operation.sdk_name(),
            otel.kind = "client",
            http.request.method = operation.method().as_str(),
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
        )
    }

    /// Sends a request until it succeeds or is not retried. `span` records the result.
    ///
    /// Attempts are boxed, and the type of the value is erased, so that this is compiled once and not per
    /// operation.
    pub(crate) async fn call_with_retries<'a>(
        &self,
        repeatability: Repeatability,
        options: &RequestOptions,
        call: &(dyn Fn(runstep_api::Client) -> AttemptFuture<'a> + Sync),
        read: ResponseReader,
        span: tracing::Span,
    ) -> Result<CompletedCall> {
        let idempotency_key = match repeatability.is_idempotent {
            true => None,
            false => new_idempotency_key(),
        };
        let timeout = options.timeout.unwrap_or(self.settings().timeout);
        let mut retries = RetryState::default();
        loop {
            let deadline = deadline_after(timeout);
            let call_options = self.call_options(options, deadline).await;
            let mut call_options = call_options.map_err(|error| record_error(&span, error))?;
            if let Some(key) = &idempotency_key {
                call_options.headers.entry("idempotency-key").or_insert_with(|| key.clone());
            }
            let mut attempt =
                Attempt { headers: call_options.response_headers.clone(), token: None, deadline };
            if self.may_renew_token() {
                attempt.token = call_options.headers.get(AUTHORIZATION).cloned();
            }
            let sent = call(self.generated(call_options));
            let error = match tokio::time::timeout_at(deadline, sent).await {
                Ok(Ok(response)) => {
                    span.record("http.response.status_code", response.status().as_u16());
                    if !repeatability.is_idempotent {
                        record_ids(&span, response.value());
                    }
                    return Ok(CompletedCall { response, body: attempt.headers.take_body() });
                }
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            let result =
                self.on_failure(repeatability, options, error, attempt, read, &mut retries, &span);
            if let Some(result) = Box::pin(result).await.transpose() {
                return result;
            }
        }
    }

    /// Handles a failed attempt. Returns the response if it was a success with a status that the
    /// specification does not list, an error, or `None` if the request must be sent again: after the
    /// delay, or at once with a new token. `error` is `None` after a timeout.
    #[allow(clippy::too_many_arguments, reason = "the cold half of `call_with_retries`")]
    async fn on_failure(
        &self,
        repeatability: Repeatability,
        options: &RequestOptions,
        error: Option<runstep_api::Error<()>>,
        attempt: Attempt,
        read: ResponseReader,
        retries: &mut RetryState,
        span: &tracing::Span,
    ) -> Result<Option<CompletedCall>> {
        let result = match error {
            Some(error) => {
                response_body::after_error(error, attempt.headers, read, attempt.deadline).await
            }
            None => {
                let (status, headers) = attempt.headers.take();
                Err(Error::timed_out().with_head(status, &headers))
            }
        };
        let error = match result {
            Ok(completed) => {
                let response = &completed.response;
                span.record("http.response.status_code", response.status().as_u16());
                record_ids(span, response.value());
                return Ok(Some(completed));
            }
            Err(error) => error,
        };
        // The server has not processed a request that it did not authenticate.
        if error.status() == Some(401) {
            self.discard_token(attempt.token.as_ref()).await;
            let may_renew = self.may_renew_token() && !repeatability.is_single_use;
            if may_renew && !retries.has_renewed_token {
                retries.has_renewed_token = true;
                return Ok(None);
            }
        }
        retries.attempts += 1;
        let policy = options.retry.unwrap_or(self.settings().retry_policy);
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
        Ok(None)
    }
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
    headers: ResponseHeaders,
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

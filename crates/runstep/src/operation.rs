//! One operation: sent, sent again where that is right, and traced.

use std::any::Any;
use std::future::Future;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use runstep_api::types::{Assistant, Message, Run, Thread};
use runstep_api::{ByteStream, ReplyHeaders, ResponseValue};
use serde::de::DeserializeOwned;
use tokio::time::Instant;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::Client;
use crate::backoff::unique_name;
use crate::error::{Error, ErrorKind, Result};
use crate::options::RequestOptions;
use crate::poll::after;
use crate::reply::{self, Reader};
use crate::response::Response;

/// An operation of the API, as the documents name it.
pub(crate) struct Operation {
    name: &'static str,
    method: &'static str,
    route: &'static str,
}

impl Operation {
    pub(crate) const fn get(name: &'static str, route: &'static str) -> Self {
        Self { name, method: "GET", route }
    }

    pub(crate) const fn post(name: &'static str, route: &'static str) -> Self {
        Self { name, method: "POST", route }
    }

    pub(crate) const fn delete(name: &'static str, route: &'static str) -> Self {
        Self { name, method: "DELETE", route }
    }

    fn makes_something(&self) -> bool {
        self.method == "POST"
    }
}

/// The ids that a span shows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) thread_id: Option<&'a str>,
    pub(crate) run_id: Option<&'a str>,
    pub(crate) assistant_id: Option<&'a str>,
    pub(crate) step_id: Option<&'a str>,
    pub(crate) message_id: Option<&'a str>,
}

impl<'a> Subject<'a> {
    pub(crate) fn thread(thread_id: &'a str) -> Self {
        Self { thread_id: Some(thread_id), ..Self::default() }
    }

    pub(crate) fn run(thread_id: &'a str, run_id: &'a str) -> Self {
        Self { run_id: Some(run_id), ..Self::thread(thread_id) }
    }

    pub(crate) fn step(thread_id: &'a str, run_id: &'a str, step_id: &'a str) -> Self {
        Self { step_id: Some(step_id), ..Self::run(thread_id, run_id) }
    }

    pub(crate) fn message(thread_id: &'a str, message_id: &'a str) -> Self {
        Self { message_id: Some(message_id), ..Self::thread(thread_id) }
    }

    pub(crate) fn assistant(assistant_id: &'a str) -> Self {
        Self { assistant_id: Some(assistant_id), ..Self::default() }
    }
}

/// What the generated client gives back.
type ApiResult<T> = std::result::Result<ResponseValue<T>, runstep_api::Error<()>>;

impl Client {
    // What passes futures on is no `async fn`: each of those would copy what it passes on.

    /// Calls an operation of the generated client, as often as the policy allows.
    pub(crate) fn call<T, F, Fut>(
        &self,
        operation: &'static Operation,
        subject: Subject<'_>,
        options: &RequestOptions,
        call: F,
    ) -> impl Future<Output = Result<Response<T>>>
    where
        T: DeserializeOwned + Send + 'static,
        F: Fn(runstep_api::Client) -> Fut,
        Fut: Future<Output = ApiResult<T>>,
    {
        self.traced(operation, subject, options, call, reply::json)
    }

    /// The same for a reply that is read as it comes: only its beginning is waited for. The options
    /// say that it streams.
    pub(crate) fn open<F, Fut>(
        &self,
        operation: &'static Operation,
        subject: Subject<'_>,
        options: &RequestOptions,
        call: F,
    ) -> impl Future<Output = Result<Response<ByteStream>>>
    where
        F: Fn(runstep_api::Client) -> Fut,
        Fut: Future<Output = ApiResult<ByteStream>>,
    {
        self.traced(operation, subject, options, call, reply::bytes)
    }

    fn traced<T, F, Fut>(
        &self,
        operation: &'static Operation,
        subject: Subject<'_>,
        options: &RequestOptions,
        call: F,
        read: Reader<T>,
    ) -> impl Future<Output = Result<Response<T>>>
    where
        T: 'static,
        F: Fn(runstep_api::Client) -> Fut,
        Fut: Future<Output = ApiResult<T>>,
    {
        let (address, port) = self.server();
        let span = tracing::info_span!(
            "runstep.request",
            otel.name = operation.name,
            otel.kind = "client",
            http.request.method = operation.method,
            url.template = operation.route,
            server.address = address,
            server.port = port,
            gen_ai.conversation.id = subject.thread_id,
            gen_ai.agent.id = subject.assistant_id,
            runstep.run.id = subject.run_id,
            runstep.step.id = subject.step_id,
            runstep.message.id = subject.message_id,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
            otel.status_code = Empty,
        );
        let record = span.clone();
        self.attempts(operation, options, call, read, record).instrument(span)
    }

    async fn attempts<T, F, Fut>(
        &self,
        operation: &'static Operation,
        options: &RequestOptions,
        call: F,
        read: Reader<T>,
        span: tracing::Span,
    ) -> Result<Response<T>>
    where
        T: 'static,
        F: Fn(runstep_api::Client) -> Fut,
        Fut: Future<Output = ApiResult<T>>,
    {
        let key = operation.makes_something().then(unique_name);
        let timeout = options.timeout.unwrap_or(self.settings().timeout);
        let mut tried = Tried::default();
        loop {
            let until = after(timeout);
            let prepared = self.call_options(options, until).await;
            let mut call_options = prepared.map_err(|error| told_error(&span, error))?;
            if let Some(key) = key.as_deref().and_then(|key| HeaderValue::from_str(key).ok()) {
                call_options.headers.entry("idempotency-key").or_insert(key);
            }
            let mut reply =
                Awaited { headers: call_options.reply_headers.clone(), token: None, until };
            if self.may_renew_token() {
                reply.token = call_options.headers.get(AUTHORIZATION).cloned();
            }
            let sent = call(self.generated(call_options));
            let error = match tokio::time::timeout_at(until, sent).await {
                Ok(Ok(reply)) => {
                    span.record("http.response.status_code", reply.status().as_u16());
                    if operation.makes_something() {
                        tell_ids(&span, &*reply);
                    }
                    return Ok(Response::new(reply));
                }
                Ok(Err(error)) => Some(error),
                Err(_) => None,
            };
            let failed = self.failed(operation, options, error, reply, read, &mut tried, &span);
            if let Some(result) = Box::pin(failed).await.transpose() {
                return result;
            }
        }
    }

    /// What comes after an attempt that failed: a reply after all, an error, or none where another
    /// attempt may help.
    #[allow(clippy::too_many_arguments, reason = "it is the second half of a function")]
    async fn failed<T: 'static>(
        &self,
        operation: &'static Operation,
        options: &RequestOptions,
        error: Option<runstep_api::Error<()>>,
        awaited: Awaited,
        read: Reader<T>,
        tried: &mut Tried,
        span: &tracing::Span,
    ) -> Result<Option<Response<T>>> {
        let head = awaited.headers.take();
        let result = match error {
            Some(error) => reply::failed(error, head, read, awaited.until).await,
            None => Err(Error::timed_out().with_head(head.0, &head.1)),
        };
        let error = match result {
            Ok(response) => {
                span.record("http.response.status_code", response.status());
                tell_ids(span, response.value());
                return Ok(Some(response));
            }
            Err(error) => error,
        };
        // The server did not act for somebody whom it does not know.
        if error.status() == Some(401) {
            self.forget_token(awaited.token.as_ref()).await;
            if self.may_renew_token() && !tried.renewed {
                tried.renewed = true;
                return Ok(None);
            }
        }
        tried.attempts += 1;
        let policy = options.retry.unwrap_or(self.retry_policy());
        let pause = policy.pause(&error, !operation.makes_something(), tried.attempts);
        let Some(pause) = pause else { return Err(told_error(span, error)) };
        span.record("http.request.resend_count", tried.attempts);
        let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        tracing::debug!(
            attempt = tried.attempts,
            status = error.status(),
            pause_ms = milliseconds,
            "sending again"
        );
        tokio::time::sleep(pause).await;
        Ok(None)
    }
}

/// Shows in its span the ids of what a request made.
#[cold]
fn tell_ids<T: 'static>(span: &tracing::Span, reply: &T) {
    let made: &dyn Any = reply;
    if let Some(run) = made.downcast_ref::<Run>() {
        span.record("gen_ai.conversation.id", &run.thread_id);
        span.record("runstep.run.id", &run.id);
    } else if let Some(thread) = made.downcast_ref::<Thread>() {
        span.record("gen_ai.conversation.id", &thread.id);
    } else if let Some(message) = made.downcast_ref::<Message>() {
        span.record("runstep.message.id", &message.id);
    } else if let Some(assistant) = made.downcast_ref::<Assistant>() {
        span.record("gen_ai.agent.id", &assistant.id);
    }
}

/// Shows in its span why a request failed.
#[cold]
fn told_error(span: &tracing::Span, error: Error) -> Error {
    if let Some(status) = error.status() {
        span.record("http.response.status_code", status);
    }
    // An error reply is named by its status, as the conventions have it.
    match error.status().filter(|_| error.kind() == ErrorKind::Api) {
        Some(status) => span.record("error.type", tracing::field::display(status)),
        None => span.record("error.type", error.kind().as_str()),
    };
    span.record("otel.status_code", "ERROR");
    error
}

/// What is known of an attempt while its reply is awaited.
struct Awaited {
    headers: ReplyHeaders,
    /// The token that went along, if it may be renewed.
    token: Option<HeaderValue>,
    until: Instant,
}

/// What was tried before.
#[derive(Default)]
struct Tried {
    attempts: u32,
    renewed: bool,
}

//! One operation: sent, sent again where that is right, and traced.

use std::future::Future;

use reqwest::header::HeaderValue;
use runstep_api::ResponseValue;
use serde::de::DeserializeOwned;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::Client;
use crate::backoff::unique_name;
use crate::error::Result;
use crate::options::RequestOptions;
use crate::reply;
use crate::response::Response;

/// An operation of the API, as the documents name it.
#[derive(Clone, Copy)]
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

    fn makes_something(self) -> bool {
        self.method == "POST"
    }
}

/// The ids that a span shows.
#[derive(Clone, Copy, Default)]
pub(crate) struct Subject<'a> {
    pub(crate) thread_id: Option<&'a str>,
    pub(crate) run_id: Option<&'a str>,
    pub(crate) assistant_id: Option<&'a str>,
}

impl<'a> Subject<'a> {
    pub(crate) fn thread(thread_id: &'a str) -> Self {
        Self { thread_id: Some(thread_id), ..Self::default() }
    }

    pub(crate) fn run(thread_id: &'a str, run_id: &'a str) -> Self {
        Self { run_id: Some(run_id), ..Self::thread(thread_id) }
    }

    pub(crate) fn assistant(assistant_id: &'a str) -> Self {
        Self { assistant_id: Some(assistant_id), ..Self::default() }
    }
}

impl Client {
    /// Calls an operation of the generated client, as often as the policy allows.
    pub(crate) async fn call<T, F, Fut>(
        &self,
        operation: Operation,
        subject: Subject<'_>,
        options: &RequestOptions,
        call: F,
    ) -> Result<Response<T>>
    where
        T: DeserializeOwned,
        F: Fn(runstep_api::Client) -> Fut,
        Fut: Future<Output = std::result::Result<ResponseValue<T>, runstep_api::Error<()>>>,
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
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
        );
        let record = span.clone();
        self.attempts(operation, options, call, record).instrument(span).await
    }

    async fn attempts<T, F, Fut>(
        &self,
        operation: Operation,
        options: &RequestOptions,
        call: F,
        span: tracing::Span,
    ) -> Result<Response<T>>
    where
        T: DeserializeOwned,
        F: Fn(runstep_api::Client) -> Fut,
        Fut: Future<Output = std::result::Result<ResponseValue<T>, runstep_api::Error<()>>>,
    {
        let policy = options.retry.unwrap_or(self.retry_policy());
        let key = operation.makes_something().then(unique_name);
        let mut attempt = 1;
        let mut renewed = false;
        loop {
            let result = self.attempt(options, key.as_deref(), &call).await;
            let error = match result {
                Ok(response) => {
                    span.record("http.response.status_code", response.status());
                    return Ok(response);
                }
                Err(error) => error,
            };
            // The server did not act for somebody whom it does not know.
            if error.status() == Some(401) && !renewed && self.may_renew_token() {
                renewed = true;
                continue;
            }
            let Some(pause) = policy.pause(&error, !operation.makes_something(), attempt) else {
                if let Some(status) = error.status() {
                    span.record("http.response.status_code", status);
                }
                span.record("error.type", error.kind().as_str());
                return Err(error);
            };
            span.record("http.request.resend_count", attempt);
            let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
            tracing::debug!(
                attempt,
                status = error.status(),
                pause_ms = milliseconds,
                "sending again"
            );
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt<T, F, Fut>(
        &self,
        options: &RequestOptions,
        key: Option<&str>,
        call: &F,
    ) -> Result<Response<T>>
    where
        T: DeserializeOwned,
        F: Fn(runstep_api::Client) -> Fut,
        Fut: Future<Output = std::result::Result<ResponseValue<T>, runstep_api::Error<()>>>,
    {
        let mut call_options = self.call_options(options).await?;
        if let Some(key) = key.and_then(|key| HeaderValue::from_str(key).ok()) {
            call_options.headers.entry("idempotency-key").or_insert(key);
        }
        let api = self.generated(call_options.clone());
        let result = reply::receive(&call_options, call(api).await).await;
        if result.as_ref().is_err_and(|error| error.status() == Some(401)) {
            Box::pin(self.forget_token(&call_options)).await;
        }
        result
    }
}

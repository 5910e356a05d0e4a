//! How errors are created, and what is added to them later.

use std::borrow::Cow;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use runstep_api::types::{ErrorObject, Run};

use super::body::{self, truncate};
use super::cause;
use super::{ActiveRun, ApiError, Error, ErrorKind, Inner, MAX_BODY, Source, TokenError};
use crate::headers;

/// Maximum length of a URL that the HTTP client accepts, in bytes.
const MAX_URL_BYTES: usize = 65_534;
const TIMED_OUT: &str = "the request timed out";
/// Maximum length of each text in errors that are collected in lists, in characters.
const MAX_COLLECTED: usize = 4 * 1024;

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Box::new(Inner {
            kind,
            message: message.into(),
            status: None,
            api: ApiError::default(),
            request_id: None,
            retry_after: None,
            should_retry: None,
            body: None,
            active: None,
            run: None,
            source: None,
        })))
    }

    /// Creates the error for a busy thread that the client detected itself.
    pub(crate) fn active_run_on(active: ActiveRun) -> Self {
        let ActiveRun { thread_id, run_id } = &active;
        let message = format!("Thread {thread_id} already has an active run {run_id}.");
        let mut error = Self::new(ErrorKind::Api, message);
        error.0.inner_mut().active = Some(active);
        error
    }

    /// Creates the error for an error response. `truncated` says why the body is incomplete, if it is.
    pub(crate) fn api(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        truncated: Option<&str>,
    ) -> Self {
        let mut api = body::parse(body);
        let message = match api.message.take() {
            Some(message) => message,
            None => body::describe(headers, body, truncated),
        };
        let error = Self::new(ErrorKind::Api, message);
        let mut error = error.with_head(Some(status), headers).with_body(body);
        error.0.inner_mut().api = api;
        error
    }

    pub(crate) fn http(error: reqwest::Error) -> Self {
        let kind = if error.is_timeout() { ErrorKind::Timeout } else { ErrorKind::Connection };
        let message = match kind {
            ErrorKind::Timeout => TIMED_OUT,
            _ if error.is_connect() => "could not connect to the server",
            _ => "the connection failed",
        };
        let error = error.without_url();
        let message = match kind {
            ErrorKind::Timeout => message.to_owned(),
            _ => cause::with_cause(message, &error),
        };
        Self::new(kind, message).with_source(Source::Http(error))
    }

    /// Creates the error for a request that cannot be built.
    pub(crate) fn not_built(error: reqwest::Error) -> Self {
        let url_bytes = error.url().map_or(0, |url| url.as_str().len());
        let error = error.without_url();
        let message = match url_bytes > MAX_URL_BYTES {
            true => format!(
                "the request cannot be built: its URL has {url_bytes} bytes, and at most \
                 {MAX_URL_BYTES} are allowed"
            ),
            false => cause::with_cause("the request cannot be built", &error),
        };
        Self::new(ErrorKind::InvalidRequest, message).with_source(Source::Http(error))
    }

    /// Creates the error for the body of a response that cannot be decoded.
    pub(crate) fn undecodable(error: serde_json::Error, body: &[u8]) -> Self {
        let message = format!("the response cannot be decoded: {error}");
        Self::new(ErrorKind::Decode, body::escape_controls(&message))
            .with_source(Source::Json(error))
            .with_body(body)
    }

    /// Creates the error for a response to a streaming request that is not a stream of events. `start`
    /// is the beginning of its body.
    pub(crate) fn not_events(status: u16, headers: &HeaderMap, start: &[u8]) -> Self {
        let message = body::describe_unexpected("a stream of events", headers, start);
        Self::new(ErrorKind::Decode, message)
            .with_status(status)
            .with_headers(headers)
            .with_body(start)
    }

    /// Creates the error for the body of a successful response to a list request that is not a list.
    pub(crate) fn not_a_list(body: &[u8]) -> Self {
        let start = body.get(..MAX_BODY).unwrap_or(body);
        let excerpt = body::excerpt(&String::from_utf8_lossy(start));
        let message = format!("the response is not a list, because it has no `data`: {excerpt}");
        let mut error = Self::new(ErrorKind::Decode, message).with_body(body);
        error.0.inner_mut().api = body::parse(body);
        error
    }

    pub(crate) fn timed_out() -> Self {
        Self::new(ErrorKind::Timeout, TIMED_OUT)
    }

    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        let body = body.get(..MAX_BODY).unwrap_or(body);
        self.0.inner_mut().body = Some(String::from_utf8_lossy(body).into_owned());
        self
    }

    /// Adds the status and the headers of a response.
    pub(crate) fn with_head(mut self, status: Option<StatusCode>, headers: &HeaderMap) -> Self {
        self.0.inner_mut().status = status;
        self.with_headers(headers)
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.0.inner_mut().status = StatusCode::from_u16(status).ok();
        self
    }

    pub(crate) fn with_headers(mut self, headers: &HeaderMap) -> Self {
        if matches!(self.0.inner().source, Some(Source::Json(_)))
            && let Some(encoding) = headers::unsupported_encoding(headers)
        {
            let hint = format!("the content encoding {} is not supported", body::excerpt(encoding));
            self = self.with_context(&hint);
        }
        self.0.inner_mut().request_id = headers::request_id(headers).map(str::to_owned);
        self.0.inner_mut().retry_after = headers::retry_after(headers);
        self.0.inner_mut().should_retry = headers::should_retry(headers);
        self
    }

    /// Creates the error of a failed token provider. All requests that waited for the token share it.
    pub(crate) fn token(source: TokenError) -> Self {
        Self::new(ErrorKind::Authentication, "the token provider failed; nothing was sent")
            .with_source(Source::Token(source))
    }

    /// Creates the error of an `error` event.
    pub(crate) fn event(error: &ErrorObject) -> Self {
        let mut event = Self::new(ErrorKind::Api, &error.message);
        event.0.inner_mut().api = ApiError {
            message: Some(error.message.clone()),
            kind: error.type_.clone(),
            param: error.param.clone(),
            code: error.code.clone(),
        };
        event
    }

    /// Returns the error object of an `error` event that has the format of an error response, if it has
    /// a message.
    pub(crate) fn parse_event(data: &[u8]) -> Option<ErrorObject> {
        let ApiError { message, kind, param, code } = body::parse(data);
        let mut error = ErrorObject::new(message?);
        (error.type_, error.param, error.code) = (kind, param, code);
        Some(error)
    }

    /// Prefixes the message with context.
    pub(crate) fn with_context(mut self, context: &str) -> Self {
        let inner = self.0.inner_mut();
        inner.message = format!("{context}: {}", inner.message);
        self
    }

    pub(crate) fn with_param(mut self, param: &str) -> Self {
        self.0.inner_mut().api.param = Some(param.to_owned());
        self
    }

    pub(crate) fn with_code(mut self, code: &str) -> Self {
        self.0.inner_mut().api.code = Some(code.to_owned());
        self
    }

    pub(crate) fn with_run(mut self, run: Option<Run>) -> Self {
        self.0.inner_mut().run = run;
        self
    }

    /// Adds the run, unless the error has one already.
    pub(crate) fn or_run(self, run: &Run) -> Self {
        if self.run().is_some() { self } else { self.with_run(Some(run.clone())) }
    }

    pub(crate) fn with_source(mut self, source: Source) -> Self {
        self.0.inner_mut().source = Some(source);
        self
    }

    /// Adds the error that caused this one, if any.
    pub(crate) fn with_cause(self, cause: Option<Self>) -> Self {
        match cause {
            Some(cause) => self.with_source(Source::Other(Box::new(cause))),
            None => self,
        }
    }

    /// Truncates all texts, for errors that are collected in lists.
    pub(crate) fn truncated(mut self) -> Self {
        let Inner { message, body, api: ApiError { kind, param, code, .. }, .. } =
            self.0.inner_mut();
        let texts = [body, kind, param, code].into_iter().flatten();
        for text in texts.chain([message]) {
            if let Cow::Owned(truncated) = truncate(text, MAX_COLLECTED) {
                *text = truncated;
            }
        }
        self
    }
}

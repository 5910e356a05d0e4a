//! Errors as the API writes them.

use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::Refusal;
use crate::schema::Violation;
use crate::text::shorten;

/// How long to wait when nobody knows when there will be room.
const RETRY_SOON: Duration = Duration::from_secs(1);

/// How much of a host or an origin is repeated, in characters.
const LONGEST_NAME: usize = 200;

/// A reply that is an error.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
    /// When to come again, in seconds.
    retry_after: Option<u64>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: String) -> Self {
        Self { status, kind, message, param: None, code: None, retry_after: None }
    }

    fn invalid(message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "invalid_request_error", message)
    }

    fn with_code(mut self, code: &'static str) -> Self {
        self.code = Some(code);
        self
    }

    /// A parameter that is wrong.
    pub(super) fn parameter(name: &str, code: &'static str, message: String) -> Self {
        let param = (!name.is_empty()).then(|| name.to_owned());
        Self { param, ..Self::invalid(message).with_code(code) }
    }

    /// A body that is no JSON.
    pub(super) fn malformed(error: &serde_json::Error) -> Self {
        let message = format!("We could not parse the JSON body of your request: {error}.");
        Self::invalid(message).with_code("invalid_json")
    }

    /// No body where one is needed.
    pub(super) fn no_body() -> Self {
        let message = "The request has no body: send one in JSON, if only {}.";
        Self::invalid(message.to_owned()).with_code("missing_body")
    }

    /// A body that is longer than the server takes.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("The request body is longer than {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message)
            .with_code("request_too_large")
    }

    /// A body that ended early.
    pub(super) fn unreadable() -> Self {
        Self::invalid("The request body could not be read to its end.".to_owned())
    }

    /// A path with ids that are not UTF-8.
    pub(super) fn unreadable_path(path: &str) -> Self {
        Self::invalid(format!("Invalid URL: an id in {path} is not UTF-8."))
            .with_code("invalid_url")
    }

    /// A path that is none of the API's.
    pub(super) fn unknown_path(method: &str, path: &str) -> Self {
        let message = format!("Invalid URL ({method} {path}).");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message).with_code("unknown_url")
    }

    /// A method that the path does not take.
    pub(super) fn unknown_method(method: &str, path: &str) -> Self {
        let message = format!("Not allowed to {method} on {path}.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message)
            .with_code("method_not_allowed")
    }

    /// No key, where one is needed.
    pub(super) fn no_key() -> Self {
        let message = "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.";
        Self::unauthorized(message)
    }

    /// A key that is none of those let in. It is not told: it may be a good one somewhere else.
    pub(super) fn wrong_key() -> Self {
        Self::unauthorized("Incorrect API key provided: ********.")
    }

    fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message.to_owned())
            .with_code("invalid_api_key")
    }

    /// A web page asks that may not.
    pub(super) fn forbidden_origin(origin: &str) -> Self {
        let origin = shorten(origin, LONGEST_NAME);
        Self::forbidden(format!(
            "This server has no API keys, so that web pages may not ask it. To let those of \
             '{origin}', start it with that as an allowed origin."
        ))
    }

    /// A name that may be a web page's own.
    pub(super) fn forbidden_host(host: &str) -> Self {
        let host = shorten(host, LONGEST_NAME);
        Self::forbidden(format!(
            "This server has no API keys, so that it may only be asked as localhost or by a \
             loopback address, not as '{host}'. Ask for http://127.0.0.1 and its port, or start it \
             with keys."
        ))
    }

    fn forbidden(message: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_request_error", message).with_code("forbidden")
    }

    /// A body that did not come in time.
    pub(super) fn too_slow(limit: Duration) -> Self {
        let message = format!("The request took longer than {} s.", limit.as_secs_f64());
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", message)
            .with_code("request_timeout")
    }

    /// More than the server takes at a time; `why` completes "because …".
    pub(crate) fn rate_limited(why: &str, retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        let seconds = seconds.max(1);
        let message =
            format!("Rate limit reached, because {why}. Please try again in {seconds} s.");
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message)
                .with_code("rate_limit_exceeded")
        }
    }

    /// As many streams are open as may be.
    pub(super) fn too_many_streams(limit: usize) -> Self {
        Self::rate_limited(&format!("{limit} streams are open"), RETRY_SOON)
    }

    /// A defect of the server.
    pub(crate) fn internal(message: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::NotFound { .. } => StatusCode::NOT_FOUND,
            Refusal::Busy { .. } | Refusal::Full { .. } => {
                return Self::rate_limited(&refusal.to_string(), RETRY_SOON);
            }
            _ => StatusCode::BAD_REQUEST,
        };
        Self {
            param: refusal.param().map(str::to_owned),
            code: refusal.code(),
            ..Self::new(status, "invalid_request_error", refusal.to_string())
        }
    }
}

impl From<Violation> for ApiError {
    fn from(violation: Violation) -> Self {
        Self::parameter(&violation.param, violation.code, violation.message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let error = json!({
            "message": self.message,
            "type": self.kind,
            "param": self.param,
            "code": self.code,
        });
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

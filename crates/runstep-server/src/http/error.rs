//! Error responses in the format of the API.

use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::EngineError;
use crate::schema::Violation;
use crate::text::shorten;

/// The `Retry-After` if the time when capacity becomes free is unknown.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// How many characters of a host or an origin a message repeats.
const MAX_ECHO: usize = 200;

/// An error response.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
    /// In seconds.
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

    /// Creates the error for an invalid parameter.
    pub(super) fn parameter(name: &str, code: &'static str, message: String) -> Self {
        let param = (!name.is_empty()).then(|| name.to_owned());
        Self { param, ..Self::invalid(message).with_code(code) }
    }

    /// Creates the error for a body that is not valid JSON.
    pub(super) fn invalid_json(error: &serde_json::Error) -> Self {
        let message = format!("We could not parse the JSON body of your request: {error}.");
        Self::invalid(message).with_code("invalid_json")
    }

    /// Creates the error for a missing body.
    pub(super) fn missing_body() -> Self {
        let message = "The request has no body: send a JSON object, such as {}.";
        Self::invalid(message.to_owned()).with_code("missing_body")
    }

    /// Creates the error for a body that exceeds the limit.
    pub(super) fn too_large(limit: usize) -> Self {
        let message = format!("The request body is longer than {limit} bytes.");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request_error", message)
            .with_code("request_too_large")
    }

    /// Creates the error for a body that ended early.
    pub(super) fn incomplete_body() -> Self {
        Self::invalid("The request body could not be read to its end.".to_owned())
    }

    /// Creates the error for a path whose ids are not UTF-8.
    pub(super) fn invalid_path(path: &str) -> Self {
        Self::invalid(format!("Invalid URL: an id in {path} is not UTF-8."))
            .with_code("invalid_url")
    }

    /// Creates the error for a path that is not part of the API.
    pub(super) fn unknown_path(method: &str, path: &str) -> Self {
        let message = format!("Invalid URL ({method} {path}).");
        Self::new(StatusCode::NOT_FOUND, "invalid_request_error", message).with_code("unknown_url")
    }

    /// Creates the error for a method that the path does not support.
    pub(super) fn unknown_method(method: &str, path: &str) -> Self {
        let message = format!("Not allowed to {method} on {path}.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "invalid_request_error", message)
            .with_code("method_not_allowed")
    }

    /// Creates the error for a missing key.
    pub(super) fn missing_key() -> Self {
        let message = "You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.";
        Self::unauthorized(message)
    }

    /// Creates the error for an unknown key. The message hides it, because it may be valid
    /// elsewhere.
    pub(super) fn wrong_key() -> Self {
        Self::unauthorized("Incorrect API key provided: ********.")
    }

    fn unauthorized(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_request_error", message.to_owned())
            .with_code("invalid_api_key")
    }

    /// Creates the error for a web page of an origin that is not allowed.
    pub(super) fn forbidden_origin(origin: &str) -> Self {
        let origin = shorten(origin, MAX_ECHO);
        Self::forbidden(format!(
            "This server requires no API key, so it does not accept requests from web pages. To \
             accept those of '{origin}', start it with that as an allowed origin."
        ))
    }

    /// Creates the error for a host name that a web page may have chosen.
    pub(super) fn forbidden_host(host: &str) -> Self {
        let host = shorten(host, MAX_ECHO);
        Self::forbidden(format!(
            "This server requires no API key, so it only accepts requests to localhost or a \
             loopback address, not to '{host}'. Use http://127.0.0.1 and its port, or start the \
             server with API keys."
        ))
    }

    fn forbidden(message: String) -> Self {
        Self::new(StatusCode::FORBIDDEN, "invalid_request_error", message).with_code("forbidden")
    }

    /// Creates the error for a request that exceeds the time limit.
    pub(super) fn timeout(limit: Duration) -> Self {
        let message = format!("The request took longer than {} s.", limit.as_secs_f64());
        Self::new(StatusCode::REQUEST_TIMEOUT, "invalid_request_error", message)
            .with_code("request_timeout")
    }

    /// Creates the error for a request beyond a limit. `reason` completes "because …".
    pub(crate) fn rate_limited(reason: &str, retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        let seconds = seconds.max(1);
        let message =
            format!("Rate limit reached, because {reason}. Please try again in {seconds} s.");
        Self {
            retry_after: Some(seconds),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", message)
                .with_code("rate_limit_exceeded")
        }
    }

    /// Creates the error for one open stream too many.
    pub(super) fn too_many_streams(limit: usize) -> Self {
        Self::rate_limited(&format!("{limit} streams are open"), RETRY_DELAY)
    }

    /// Creates the error for a bug in the server.
    pub(crate) fn internal(message: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let status = match error {
            EngineError::NotFound { .. } => StatusCode::NOT_FOUND,
            EngineError::QueueFull { .. } | EngineError::QuotaExceeded { .. } => {
                return Self::rate_limited(&error.to_string(), RETRY_DELAY);
            }
            _ => StatusCode::BAD_REQUEST,
        };
        Self {
            param: error.param().map(str::to_owned),
            code: error.code(),
            ..Self::new(status, "invalid_request_error", error.to_string())
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

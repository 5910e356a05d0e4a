//! Errors as the API writes them.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::engine::Refusal;
use crate::schema::Violation;

/// A reply that is an error.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    param: Option<String>,
    code: Option<&'static str>,
}

impl ApiError {
    fn new(status: StatusCode, kind: &'static str, message: String) -> Self {
        Self { status, kind, message, param: None, code: None }
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

    /// A defect of the server.
    pub(super) fn internal(message: String) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", message)
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let status = match refusal {
            Refusal::NotFound { .. } => StatusCode::NOT_FOUND,
            _ => StatusCode::BAD_REQUEST,
        };
        Self {
            status,
            kind: "invalid_request_error",
            message: refusal.to_string(),
            param: refusal.param().map(str::to_owned),
            code: refusal.code(),
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
        (self.status, Json(json!({ "error": error }))).into_response()
    }
}

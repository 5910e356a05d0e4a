//! Error responses in the format of the API.

use std::time::Duration;

use axum::Json;
use axum::http::header::{ACCEPT_ENCODING, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::engine::EngineError;
use crate::schema::Violation;
use crate::text::shorten;

/// The `Retry-After` if the time when capacity becomes free is unknown.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The `Retry-After` of a server that shuts down, in which it can restart.
const RESTART_DELAY: Duration = Duration::from_secs(5);

/// How many characters of a host or an origin a message repeats.
const MAX_QUOTED_CHARACTERS: usize = 200;

/// An error response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{}", .0.message)]
    Parameter(Violation),
    #[error("{0}")]
    Engine(EngineError),
    #[error("We could not parse the JSON body of your request: {0}.")]
    InvalidJson(serde_json::Error),
    #[error("The request has no body: send a JSON object, such as {{}}.")]
    MissingBody,
    /// The body exceeds this limit.
    #[error("The request body is longer than {0} bytes.")]
    TooLarge(usize),
    #[error("The request body could not be read to its end.")]
    IncompleteBody,
    #[error(
        "The request body has too many values: send shorter lists and fewer objects, or use \
         several requests."
    )]
    TooManyValues,
    /// The body has this content encoding.
    #[error(
        "The content encoding '{}' is not supported: send the body with gzip, or not compressed.",
        shorten(.0, MAX_QUOTED_CHARACTERS)
    )]
    UnsupportedEncoding(String),
    #[error("The request body is not valid gzip: {0}.")]
    InvalidEncoding(String),
    /// Other long bodies use all memory that is available for bodies.
    #[error("The server is processing other long requests. Please try again in {} s.",
        self.retry_after().unwrap_or_default())]
    TooManyBodies,
    /// The server finishes the runs it has, and creates no others.
    #[error("The server is shutting down and does not create runs. Please try again in {} s.",
        self.retry_after().unwrap_or_default())]
    ShuttingDown,
    /// The head of the request, for which the HTTP library has chosen this status.
    #[error("{}", malformed_head(*.0))]
    MalformedHead(StatusCode),
    /// The ids in this path are not UTF-8.
    #[error("Invalid URL: an id in {0} is not UTF-8.")]
    InvalidPath(String),
    /// The path is not part of the API.
    #[error("Invalid URL ({0} {1}).")]
    UnknownPath(Method, String),
    /// The path is that of objects which only a model's provider has.
    #[error(
        "Invalid URL ({0}): this server has no files, uploads, vector stores and models of its own. \
         To use those of the model's provider, start it with --upstream and --upstream-api responses."
    )]
    NoUpstreamResources(String),
    /// The model's provider failed.
    #[error("{0}")]
    Upstream(String),
    /// The path does not support the method.
    #[error("Not allowed to {0} on {1}.")]
    UnknownMethod(Method, String),
    #[error("You didn't provide an API key. Send it as 'Authorization: Bearer KEY'.")]
    MissingKey,
    /// The message hides the key, because it may be valid elsewhere.
    #[error("Incorrect API key provided: ********.")]
    WrongKey,
    /// The server requires the header of the beta, as the original API did.
    #[error(
        "The header 'OpenAI-Beta' of the request must have the value 'assistants=v2', because this \
         server was started with --strict-beta-header."
    )]
    BetaHeader,
    /// A web page of this origin sent the request.
    #[error(
        "This server requires no API key, so it does not accept requests from web pages. To accept \
         those of '{}', start it with that as an allowed origin.",
        shorten(.0, MAX_QUOTED_CHARACTERS)
    )]
    ForbiddenOrigin(String),
    /// A web page may have chosen this host name.
    #[error(
        "This server requires no API key, so it only accepts requests to localhost or a loopback \
         address, not to '{}'. Use http://127.0.0.1 and its port, or start the server with API \
         keys.",
        shorten(.0, MAX_QUOTED_CHARACTERS)
    )]
    ForbiddenHost(String),
    /// The request exceeds this time limit.
    #[error("The request took longer than {} s.", .0.as_secs_f64())]
    Timeout(Duration),
    #[error("Rate limit reached, because {reason}. Please try again in {seconds} s.")]
    RateLimited { reason: String, seconds: u64 },
    /// An injected fault or a bug.
    #[error("{0}")]
    Internal(String),
}

impl ApiError {
    pub(super) fn parameter(name: &str, code: &'static str, message: String) -> Self {
        Self::Parameter(Violation { param: name.to_owned(), code, message })
    }

    /// Creates the error for a request beyond a limit. `reason` completes "because …".
    pub(super) fn rate_limited(reason: String, retry_after: Duration) -> Self {
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        Self::RateLimited { reason, seconds: seconds.max(1) }
    }

    pub(super) fn too_many_streams(limit: usize) -> Self {
        Self::rate_limited(format!("{limit} streams are open"), RETRY_DELAY)
    }

    fn status_and_code(&self) -> (StatusCode, Option<&'static str>) {
        match self {
            Self::Parameter(violation) => (StatusCode::BAD_REQUEST, Some(violation.code)),
            Self::Engine(EngineError::NotFound { .. }) => (StatusCode::NOT_FOUND, None),
            Self::Engine(EngineError::KeyReused) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Some("idempotency_key_reused"))
            }
            Self::Engine(
                EngineError::Unavailable(_) | EngineError::Stale | EngineError::Replayed,
            ) => (StatusCode::SERVICE_UNAVAILABLE, None),
            Self::Upstream(_) | Self::Engine(EngineError::Upstream(_)) => {
                (StatusCode::BAD_GATEWAY, Some("upstream_error"))
            }
            Self::Engine(error) => (StatusCode::BAD_REQUEST, error.code()),
            Self::InvalidJson(_) => (StatusCode::BAD_REQUEST, Some("invalid_json")),
            Self::MissingBody => (StatusCode::BAD_REQUEST, Some("missing_body")),
            Self::TooLarge(_) => (StatusCode::PAYLOAD_TOO_LARGE, Some("request_too_large")),
            Self::IncompleteBody => (StatusCode::BAD_REQUEST, None),
            Self::TooManyValues => (StatusCode::BAD_REQUEST, Some("too_many_values")),
            Self::UnsupportedEncoding(_) => {
                (StatusCode::UNSUPPORTED_MEDIA_TYPE, Some("unsupported_encoding"))
            }
            Self::InvalidEncoding(_) => (StatusCode::BAD_REQUEST, Some("invalid_encoding")),
            Self::TooManyBodies => (StatusCode::SERVICE_UNAVAILABLE, Some("server_busy")),
            Self::ShuttingDown => (StatusCode::SERVICE_UNAVAILABLE, Some("shutting_down")),
            Self::MalformedHead(status) => (*status, Some("invalid_request_head")),
            Self::InvalidPath(_) => (StatusCode::BAD_REQUEST, Some("invalid_url")),
            Self::UnknownPath(..) => (StatusCode::NOT_FOUND, Some("unknown_url")),
            Self::NoUpstreamResources(_) => (StatusCode::NOT_FOUND, Some("unknown_url")),
            Self::UnknownMethod(..) => (StatusCode::METHOD_NOT_ALLOWED, Some("method_not_allowed")),
            Self::MissingKey | Self::WrongKey => {
                (StatusCode::UNAUTHORIZED, Some("invalid_api_key"))
            }
            Self::BetaHeader => (StatusCode::BAD_REQUEST, Some("invalid_beta")),
            Self::ForbiddenOrigin(_) | Self::ForbiddenHost(_) => {
                (StatusCode::FORBIDDEN, Some("forbidden"))
            }
            Self::Timeout(_) => (StatusCode::REQUEST_TIMEOUT, Some("request_timeout")),
            Self::RateLimited { .. } => {
                (StatusCode::TOO_MANY_REQUESTS, Some("rate_limit_exceeded"))
            }
            Self::Internal(_) => (StatusCode::INTERNAL_SERVER_ERROR, None),
        }
    }

    /// Returns after how many seconds the request can be repeated, if that may help.
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::RateLimited { seconds, .. } => Some(*seconds),
            Self::ShuttingDown => Some(RESTART_DELAY.as_secs()),
            Self::TooManyBodies
            | Self::Engine(
                EngineError::Unavailable(_) | EngineError::Stale | EngineError::Replayed,
            ) => Some(RETRY_DELAY.as_secs()),
            _ => None,
        }
    }

    /// Returns the body of the response.
    pub(super) fn body(&self) -> Value {
        let (status, code) = self.status_and_code();
        let kind = match status {
            StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
            status if status.is_server_error() => "server_error",
            _ => "invalid_request_error",
        };
        let message = self.to_string();
        let error = json!({"message": message, "type": kind, "param": self.param(), "code": code});
        json!({ "error": error })
    }

    fn param(&self) -> Option<&str> {
        match self {
            Self::Parameter(violation) => Some(&*violation.param).filter(|name| !name.is_empty()),
            Self::Engine(error) => error.param(),
            Self::BetaHeader => Some("OpenAI-Beta"),
            _ => None,
        }
    }
}

fn malformed_head(status: StatusCode) -> &'static str {
    match status {
        StatusCode::REQUEST_TIMEOUT => "The head of the request was not received in time.",
        StatusCode::URI_TOO_LONG => "The URL is too long.",
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "The headers of the request are too long.",
        _ => "The head of the request is not valid HTTP/1.1.",
    }
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::QueueFull { .. } | EngineError::QuotaExceeded(_) => {
                Self::rate_limited(error.to_string(), RETRY_DELAY)
            }
            error => Self::Engine(error),
        }
    }
}

impl From<Violation> for ApiError {
    fn from(violation: Violation) -> Self {
        Self::Parameter(violation)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, _) = self.status_and_code();
        let mut response = (status, Json(self.body())).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if status == StatusCode::UNSUPPORTED_MEDIA_TYPE {
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

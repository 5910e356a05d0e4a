//! Errors of calls, as errors of the model and with advice for retries.

use std::error::Error as _;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::retry::{RetryAdvice, advice};
use crate::model::{ModelError, ModelErrorKind};
use crate::text::shorten;

/// How many characters of a provider's message are passed on.
const MAX_QUOTED_CHARACTERS: usize = 500;

/// How many characters of a function's name a message repeats.
const MAX_QUOTED_NAME: usize = 64;

/// Parts of the codes of errors that are caused by the conversation.
const PROMPT_CODES: [&str; 6] = [
    "content_filter",
    "content_policy",
    "context_length",
    "context_size",
    "invalid_prompt",
    "above_max_length",
];
/// Parts of the messages of providers without error codes if the conversation is too long.
const TOO_LONG_MESSAGES: [&str; 5] =
    ["context length", "context size", "context window", "too long", "too many tokens"];

/// The error of a call.
#[derive(Debug)]
pub(crate) struct CallError {
    pub(crate) model_error: ModelError,
    pub(crate) advice: RetryAdvice,
    /// The status of the response, if it is not a success.
    pub(crate) status: Option<StatusCode>,
    /// The usage that the provider has reported for a response that failed.
    pub(crate) usage: Option<(u64, u64)>,
}

impl CallError {
    fn new(kind: ModelErrorKind, message: String, advice: RetryAdvice) -> Self {
        let model_error = ModelError::new(kind, message);
        Self { model_error, advice, status: None, usage: None }
    }

    /// Creates the error for an invalid response, which a retry would repeat. `problem` completes
    /// "The model's provider …".
    pub(crate) fn invalid_response(problem: &str) -> Self {
        let message = format!("The model's provider {problem}.");
        Self::new(ModelErrorKind::Server, message, RetryAdvice::Never)
    }

    /// Creates the error for a response that ended early.
    pub(crate) fn incomplete_response(problem: &str) -> Self {
        Self { advice: RetryAdvice::Retry, ..Self::invalid_response(problem) }
    }

    /// Creates the error for a call that ended within its arguments.
    pub(crate) fn cut_off_arguments(function: &str) -> Self {
        let name = shorten(function, MAX_QUOTED_NAME);
        Self::incomplete_response(&format!(
            "ended its response within the arguments of the function '{name}'"
        ))
    }

    pub(crate) fn missing_name() -> Self {
        Self::invalid_response("called a function without a name")
    }

    pub(crate) fn too_many_calls() -> Self {
        Self::invalid_response("called too many functions at once")
    }

    /// Creates the error for a provider that keeps the connection open without a response.
    pub(crate) fn stalled(timeout: Duration) -> Self {
        let seconds = timeout.as_secs_f64();
        Self::invalid_response(&format!(
            "sent no part of its response for {seconds} s, only signs of life"
        ))
    }

    /// Creates the error for a connection that failed.
    pub(crate) fn transport(error: &reqwest::Error, idle_timeout: Duration) -> Self {
        let (message, advice) = if error.is_connect() {
            let reason = innermost(error);
            (format!("The model's provider cannot be reached: {reason}."), RetryAdvice::Retry)
        } else if error.is_timeout() {
            // The provider may still be working, and a retry would add to its load.
            let seconds = idle_timeout.as_secs_f64();
            (format!("The model's provider sent nothing for {seconds} s."), RetryAdvice::Never)
        } else {
            let reason = innermost(error);
            let message = format!("The connection to the model's provider was lost: {reason}.");
            (message, RetryAdvice::Retry)
        };
        Self::new(ModelErrorKind::Server, message, advice)
    }

    /// Creates the error for a response with an error status.
    pub(crate) fn status(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        key: Option<&SecretString>,
    ) -> Self {
        let details = ErrorDetails::parse(body);
        let kind = details.kind(status);
        let number = status.as_u16();
        let is_key_error = details.is_key_error(status);
        let message = details.suffix(key, is_key_error);
        let problem = match number {
            _ if is_key_error => "rejected the key of this server",
            _ if kind == ModelErrorKind::RateLimit => "limits the rate of requests",
            300..=399 => "redirected the request; set the upstream URL to the final one",
            400..=499 => "rejected the request",
            _ => "failed",
        };
        let message = format!("The model's provider {problem} (status {number}){message}");
        let advice =
            if details.is_out_of_quota() { RetryAdvice::Never } else { advice(status, headers) };
        Self { status: Some(status), ..Self::new(kind, message, advice) }
    }

    /// Creates the error for an error object in a successful response.
    pub(crate) fn in_stream(error: &Value, key: Option<&SecretString>) -> Self {
        let details = ErrorDetails::read(error);
        let status = details.error_status().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_key_error = details.is_key_error(status);
        let problem = if is_key_error { "rejected the key of this server" } else { "failed" };
        let message = details.suffix(key, is_key_error);
        let message = format!("The model's provider {problem} within its response{message}");
        let kind = details.kind(status);
        let advice = match kind {
            ModelErrorKind::InvalidPrompt => RetryAdvice::Never,
            _ if details.is_out_of_quota() => RetryAdvice::Never,
            _ => advice(status, &HeaderMap::new()),
        };
        Self::new(kind, message, advice)
    }
}

/// The details of an error, from the various formats of providers.
#[derive(Debug, Default)]
struct ErrorDetails {
    message: Option<String>,
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
}

impl ErrorDetails {
    fn parse(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(body) => Self::read(body.get("error").unwrap_or(&body)),
            Err(_) => {
                let text = String::from_utf8_lossy(body);
                let text = text.trim();
                // The first lines of a proxy's HTML page are not useful.
                let is_text = !text.is_empty() && !text.starts_with('<');
                Self { message: is_text.then(|| text.to_owned()), ..Self::default() }
            }
        }
    }

    fn read(error: &Value) -> Self {
        let text = |name: &str| match error.get(name)? {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        };
        let message = match error {
            Value::String(message) => Some(message.clone()),
            _ => text("message").or_else(|| text("detail")).or_else(|| {
                let details = error.get("detail")?.as_array()?;
                let messages = details.iter().filter_map(|detail| detail.get("msg")?.as_str());
                Some(messages.collect::<Vec<_>>().join("; "))
            }),
        };
        Self { message, code: text("code"), kind: text("type"), param: text("param") }
    }

    fn error_status(&self) -> Option<StatusCode> {
        self.code.as_ref()?.parse().ok()
    }

    /// Returns whether the code or the type contains one of these words.
    fn is_named(&self, words: &[&str]) -> bool {
        let mut names = self.code.iter().chain(&self.kind);
        names.any(|name| words.iter().any(|word| name.contains(word)))
    }

    fn is_out_of_quota(&self) -> bool {
        self.is_named(&["insufficient_quota"])
    }

    /// Returns whether the provider rejected the server's key.
    fn is_key_error(&self, status: StatusCode) -> bool {
        let is_rejected = matches!(status.as_u16(), 401 | 403)
            || self.is_named(&["invalid_api_key", "authentication"]);
        is_rejected && self.kind(status) == ModelErrorKind::Server
    }

    fn kind(&self, status: StatusCode) -> ModelErrorKind {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        let is_prompt_error = || {
            TOO_LONG_MESSAGES.iter().any(|words| message.contains(words))
                || self.param.as_ref().is_some_and(|param| {
                    param.starts_with("messages") || param.starts_with("input")
                })
        };
        if status == StatusCode::TOO_MANY_REQUESTS || self.is_named(&["rate_limit", "quota"]) {
            ModelErrorKind::RateLimit
        } else if status == StatusCode::PAYLOAD_TOO_LARGE
            || self.is_named(&PROMPT_CODES)
            || (matches!(status.as_u16(), 400 | 422) && is_prompt_error())
        {
            ModelErrorKind::InvalidPrompt
        } else {
            ModelErrorKind::Server
        }
    }

    /// Returns the provider's message after a colon, without the key. The message of a key error is
    /// hidden, because some providers repeat a part of the key.
    fn suffix(&self, key: Option<&SecretString>, is_key_error: bool) -> String {
        let message = self.message.as_deref().map(str::trim).unwrap_or_default();
        if message.is_empty() || is_key_error {
            return String::new();
        }
        let message = match key {
            Some(key) => message.replace(key.expose_secret(), "[key]"),
            None => message.to_owned(),
        };
        format!(": {}", shorten(&message, MAX_QUOTED_CHARACTERS))
    }
}

/// Returns the innermost source of an error. The outer ones only contain the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut last: &dyn std::error::Error = match error.source() {
        Some(source) => source,
        None => return "the request failed".to_owned(),
    };
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

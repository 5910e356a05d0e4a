//! What went wrong with the provider, as a run tells it and as the retries see it.

use std::error::Error as _;
use std::time::Duration;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::retry::{Advice, advice};
use crate::model::{ModelError, ModelErrorKind};
use crate::text::shorten;

/// How much of what a provider says is passed on, in characters.
const QUOTE_LENGTH: usize = 500;

/// Codes of errors that the conversation is to blame for, or parts of them.
const OF_PROMPT: [&str; 6] = [
    "content_filter",
    "content_policy",
    "context_length",
    "context_size",
    "invalid_prompt",
    "above_max_length",
];
/// How providers without codes say that a conversation is too long.
const TOO_LONG: [&str; 5] =
    ["context length", "context size", "context window", "too long", "too many tokens"];

/// A call that failed.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) error: ModelError,
    pub(super) advice: Advice,
    /// What the provider answered with, if it was no success.
    pub(super) status: Option<StatusCode>,
}

impl Failure {
    fn new(kind: ModelErrorKind, message: String, advice: Advice) -> Self {
        Self { error: ModelError::new(kind, message), advice, status: None }
    }

    /// The provider did something that it would do again.
    pub(super) fn nonsense(what: &str) -> Self {
        let message = format!("The model's provider {what}.");
        Self::new(ModelErrorKind::Server, message, Advice::GiveUp)
    }

    /// The provider's reply broke off.
    pub(super) fn cut(what: &str) -> Self {
        let message = format!("The model's provider {what}.");
        Self::new(ModelErrorKind::Server, message, Advice::TryAgain)
    }

    /// There was no connection, or it failed.
    pub(super) fn transport(error: &reqwest::Error, idle_timeout: Duration) -> Self {
        let (message, advice) = if error.is_connect() {
            let reason = innermost(error);
            (format!("The model's provider cannot be reached: {reason}."), Advice::TryAgain)
        } else if error.is_timeout() {
            // It may be at work still: a second request would only add to that.
            let seconds = idle_timeout.as_secs_f64();
            (format!("The model's provider was silent for {seconds} s."), Advice::GiveUp)
        } else {
            let reason = innermost(error);
            let message = format!("The connection to the model's provider was cut: {reason}.");
            (message, Advice::TryAgain)
        };
        Self::new(ModelErrorKind::Server, message, advice)
    }

    /// The provider answered with a status other than success.
    pub(super) fn refused(
        status: StatusCode,
        headers: &HeaderMap,
        body: &[u8],
        key: Option<&SecretString>,
    ) -> Self {
        let told = Told::of(body);
        let kind = told.kind(status);
        let number = status.as_u16();
        let is_key = told.is_of_key(status);
        // Some providers repeat a part of the key.
        let said = told.quoted(key).filter(|_| !is_key);
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let what = match number {
            _ if is_key => "refused the key of this server",
            _ if kind == ModelErrorKind::RateLimit => "limits requests",
            300..=399 => "sent the request elsewhere; set the upstream URL to the final one",
            400..=499 => "refused the request",
            _ => "failed",
        };
        let message = format!("The model's provider {what} (status {number}){said}");
        let advice = if told.is_out_of_quota() { Advice::GiveUp } else { advice(status, headers) };
        Self { status: Some(status), ..Self::new(kind, message, advice) }
    }

    /// The provider told an error in place of a part of its answer.
    pub(super) fn told(error: &Value, key: Option<&SecretString>) -> Self {
        let told = Told::read(error);
        let status = told.status().unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let is_key = told.is_of_key(status);
        let said = told.quoted(key).filter(|_| !is_key);
        let said = said.map(|said| format!(": {said}")).unwrap_or_default();
        let what = if is_key { "refused the key of this server" } else { "failed" };
        let message = format!("The model's provider {what} within its answer{said}");
        let kind = told.kind(status);
        let advice = match kind {
            ModelErrorKind::InvalidPrompt => Advice::GiveUp,
            _ if told.is_out_of_quota() => Advice::GiveUp,
            _ => advice(status, &HeaderMap::new()),
        };
        Self::new(kind, message, advice)
    }
}

/// What a provider says about an error, in the shapes that are about.
#[derive(Debug, Default)]
struct Told {
    message: Option<String>,
    code: Option<String>,
    kind: Option<String>,
    param: Option<String>,
}

impl Told {
    fn of(body: &[u8]) -> Self {
        match serde_json::from_slice::<Value>(body) {
            Ok(body) => Self::read(body.get("error").unwrap_or(&body)),
            Err(_) => {
                let text = String::from_utf8_lossy(body);
                let text = text.trim();
                // A page of a proxy tells nothing in its first lines.
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

    fn status(&self) -> Option<StatusCode> {
        self.code.as_ref()?.parse().ok()
    }

    /// Whether its code or type has one of these words in it.
    fn is_called(&self, words: &[&str]) -> bool {
        let mut names = self.code.iter().chain(&self.kind);
        names.any(|name| words.iter().any(|word| name.contains(word)))
    }

    fn is_out_of_quota(&self) -> bool {
        self.is_called(&["insufficient_quota"])
    }

    /// Whether the server's key is refused.
    fn is_of_key(&self, status: StatusCode) -> bool {
        let is_refused = matches!(status.as_u16(), 401 | 403)
            || self.is_called(&["invalid_api_key", "authentication"]);
        is_refused && self.kind(status) == ModelErrorKind::Server
    }

    fn kind(&self, status: StatusCode) -> ModelErrorKind {
        let message = self.message.as_deref().unwrap_or_default().to_lowercase();
        let is_of_prompt = || {
            TOO_LONG.iter().any(|words| message.contains(words))
                || self.param.as_ref().is_some_and(|param| param.starts_with("messages"))
        };
        if status == StatusCode::TOO_MANY_REQUESTS || self.is_called(&["rate_limit", "quota"]) {
            ModelErrorKind::RateLimit
        } else if status == StatusCode::PAYLOAD_TOO_LARGE
            || self.is_called(&OF_PROMPT)
            || (matches!(status.as_u16(), 400 | 422) && is_of_prompt())
        {
            ModelErrorKind::InvalidPrompt
        } else {
            ModelErrorKind::Server
        }
    }

    /// What it says, without the key.
    fn quoted(&self, key: Option<&SecretString>) -> Option<String> {
        let message = self.message.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
        let hidden = match key {
            Some(key) => message.replace(key.expose_secret(), "[key]"),
            None => message.to_owned(),
        };
        Some(shorten(&hidden, QUOTE_LENGTH).into_owned())
    }
}

/// The last cause: the ones before it name the URL, or say that a request failed.
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

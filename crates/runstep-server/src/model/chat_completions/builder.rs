//! How a model behind an endpoint is set up.

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Url, header};
use secrecy::{ExposeSecret as _, SecretString};

use super::names::Names;
use super::retry::Backoff;
use super::{ChatCompletions, Upstream};

/// How often a request is sent again unless told.
const RETRIES: u32 = 2;
/// How long connecting may take unless told.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a provider may be silent unless told. Models that are loaded first take their time.
const IDLE_TIMEOUT: Duration = Duration::from_secs(120);
/// The pauses before requests that are sent again, unless told.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(8));

/// The endpoint's path below a base URL.
const PATH: &str = "/chat/completions";

/// What a [`ChatCompletions`] model is built from.
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ChatCompletionsBuilder {
    base_url: String,
    api_key: Option<SecretString>,
    names: Names,
    retries: u32,
    backoff: (Duration, Duration),
    connect_timeout: Duration,
    idle_timeout: Duration,
    token_limit_field: TokenLimitField,
    stream_usage: bool,
}

/// The property by which a provider is told how many tokens an answer may have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenLimitField {
    /// `max_tokens`, which nearly all providers know. The default.
    #[default]
    MaxTokens,
    /// `max_completion_tokens`, which OpenAI's reasoning models insist on.
    MaxCompletionTokens,
}

impl ChatCompletionsBuilder {
    pub(super) fn new(base_url: String) -> Self {
        Self {
            base_url,
            api_key: None,
            names: Names::default(),
            retries: RETRIES,
            backoff: BACKOFF,
            connect_timeout: CONNECT_TIMEOUT,
            idle_timeout: IDLE_TIMEOUT,
            token_limit_field: TokenLimitField::default(),
            stream_usage: true,
        }
    }

    /// The key for the provider, sent as a bearer token. Default: none.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Asks the provider for `upstream` when a run asks for `asked`.
    pub fn model_name(mut self, asked: impl Into<String>, upstream: impl Into<String>) -> Self {
        self.names.known.insert(asked.into(), upstream.into());
        self
    }

    /// What to ask the provider for when a run asks for a model without a
    /// [`model_name`](Self::model_name). Default: the name that the run asks for.
    pub fn default_model(mut self, upstream: impl Into<String>) -> Self {
        self.names.default = Some(upstream.into());
        self
    }

    /// How often a request is sent again before the answer has begun. Default: 2.
    pub fn retries(mut self, retries: u32) -> Self {
        self.retries = retries;
        self
    }

    /// The pause before the first request that is sent again, which doubles with each, and the
    /// longest pause; a quarter of it at most is left to chance. A provider that says when to come
    /// back is obeyed, within a minute. Default: 0.5 s and 8 s.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.backoff = (first, longest);
        self
    }

    /// How long connecting may take. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// How long the provider may be silent, before its reply and within it. Default: 120 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.idle_timeout = timeout;
        self
    }

    /// How a limit of completion tokens is told. Default: `max_tokens`.
    pub fn token_limit_field(mut self, field: TokenLimitField) -> Self {
        self.token_limit_field = field;
        self
    }

    /// Whether to ask for usage within streams (`stream_options`), which a few providers refuse.
    /// Usage that is not told is estimated. Default: true.
    pub fn stream_usage(mut self, asked_for: bool) -> Self {
        self.stream_usage = asked_for;
        self
    }

    /// Makes the model, without asking the provider anything.
    ///
    /// # Errors
    ///
    /// [`ChatCompletionsError`] when the URL or the key cannot be used, or TLS cannot be set up.
    pub fn build(self) -> Result<ChatCompletions, ChatCompletionsError> {
        let endpoint = endpoint(&self.base_url)?;
        if let Some(key) = &self.api_key {
            let header = format!("Bearer {}", key.expose_secret());
            if key.expose_secret().is_empty() || header::HeaderValue::try_from(header).is_err() {
                return Err(ChatCompletionsError::Key);
            }
        }
        let client = reqwest::Client::builder();
        #[cfg(feature = "rustls")]
        let client = match endpoint.scheme() {
            // Without TLS there is no need for the system's certificates, which take memory.
            "http" => client.tls_certs_only([]),
            _ => client,
        };
        let client = client
            .user_agent(concat!("runstep-server/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.idle_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(ChatCompletionsError::Client)?;
        let (first, longest) = self.backoff;
        Ok(ChatCompletions {
            upstream: Arc::new(Upstream {
                client,
                endpoint,
                api_key: self.api_key,
                names: self.names,
                backoff: Backoff { retries: self.retries, first, longest },
                idle_timeout: self.idle_timeout,
                token_limit_field: self.token_limit_field,
                stream_usage: self.stream_usage,
            }),
        })
    }
}

fn endpoint(base_url: &str) -> Result<Url, ChatCompletionsError> {
    let invalid = |reason: &str| ChatCompletionsError::Url { reason: reason.to_owned() };
    let mut url = Url::parse(base_url).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it holds a user name or password, which are for the key to replace"));
    }
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    let path = path.strip_suffix(PATH).unwrap_or(&path);
    url.set_path(&format!("{path}{PATH}"));
    Ok(url)
}

/// Why a [`ChatCompletions`] model cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatCompletionsError {
    /// The base URL cannot be used. It is not repeated, because it may hold a secret.
    #[error(
        "the upstream URL cannot be used: {reason}; give one such as http://127.0.0.1:11434/v1"
    )]
    Url {
        /// What is wrong with it.
        reason: String,
    },
    /// The key is empty, or has characters that no header can carry.
    #[error("the upstream key is empty, or has characters that no header can carry")]
    Key,
    /// The HTTP client cannot be set up.
    #[error("the client for the upstream cannot be set up: {0}")]
    Client(#[source] reqwest::Error),
}

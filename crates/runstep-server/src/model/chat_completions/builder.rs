//! The builder of the model.

use std::time::Duration;

use reqwest::{Url, header};
use secrecy::{ExposeSecret as _, SecretString};

use super::client::ChatCompletions;
use super::retry::Backoff;
use super::upstream::{TokenLimitField, Upstream, UpstreamSettings};

/// The endpoint's path below a base URL.
const PATH: &str = "/chat/completions";

/// A builder of [`ChatCompletions`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct ChatCompletionsBuilder {
    base_url: String,
    connect_timeout: Duration,
    settings: UpstreamSettings,
}

impl ChatCompletions {
    /// Creates a builder for the endpoint below a base URL such as `http://127.0.0.1:11434/v1`. The
    /// URL can have a query, and can already end in `/chat/completions`.
    pub fn builder(base_url: impl Into<String>) -> ChatCompletionsBuilder {
        ChatCompletionsBuilder {
            base_url: base_url.into(),
            connect_timeout: Duration::from_secs(10),
            settings: UpstreamSettings::default(),
        }
    }
}

impl ChatCompletionsBuilder {
    /// Sets the API key of the provider, which is sent as a bearer token. Default: none.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.settings.api_key = Some(key.into());
        self
    }

    /// Maps a model name that runs request to the provider's name.
    pub fn map_model(mut self, requested: impl Into<String>, upstream: impl Into<String>) -> Self {
        self.settings.model_names.mapped.insert(requested.into(), upstream.into());
        self
    }

    /// Sets the provider's name for requested models that are not [mapped](Self::map_model).
    /// Default: the requested name.
    pub fn default_model(mut self, upstream: impl Into<String>) -> Self {
        self.settings.model_names.default = Some(upstream.into());
        self
    }

    /// Sets how many times a failed request is retried. Default: 2.
    pub fn max_retries(mut self, retries: u32) -> Self {
        self.settings.backoff.max_retries = retries;
        self
    }

    /// Sets the delay before the first retry, which doubles with each further one, and the longest
    /// delay. Up to a quarter of each delay is random. A `Retry-After` of up to a minute takes
    /// precedence. Default: 0.5 s and 8 s.
    pub fn backoff(mut self, initial_delay: Duration, max_delay: Duration) -> Self {
        let max_retries = self.settings.backoff.max_retries;
        self.settings.backoff = Backoff { max_retries, initial_delay, max_delay };
        self
    }

    /// Sets the timeout for connecting. Default: 10 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the timeout for the start of a response and between its parts. Default: 120 s.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = timeout;
        self
    }

    /// Sets the field for the limit of completion tokens. Default: `max_tokens`.
    pub fn token_limit_field(mut self, field: TokenLimitField) -> Self {
        self.settings.token_limit_field = field;
        self
    }

    /// Sets whether to request usage in streams (`stream_options`), which some providers reject.
    /// Usage that a provider does not report is estimated. Default: true.
    pub fn stream_usage(mut self, requested: bool) -> Self {
        self.settings.stream_usage = requested;
        self
    }

    /// Builds the model. This does not contact the provider.
    ///
    /// # Errors
    ///
    /// Returns an error if the URL or the key is not valid, or if TLS cannot be set up.
    pub fn build(self) -> Result<ChatCompletions, ChatCompletionsError> {
        let endpoint = endpoint(&self.base_url)?;
        if let Some(key) = &self.settings.api_key {
            let header = format!("Bearer {}", key.expose_secret());
            if key.expose_secret().is_empty() || header::HeaderValue::try_from(header).is_err() {
                return Err(ChatCompletionsError::Key);
            }
        }
        let client = reqwest::Client::builder();
        #[cfg(feature = "rustls")]
        let client = match endpoint.scheme() {
            // Avoids loading the system's certificates, which need memory.
            "http" => client.tls_certs_only([]),
            _ => client,
        };
        let client = client
            .user_agent(concat!("runstep-server/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .read_timeout(self.settings.idle_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .build()
            .map_err(ChatCompletionsError::Client)?;
        Ok(ChatCompletions::new(Upstream { client, endpoint, settings: self.settings }))
    }
}

fn endpoint(base_url: &str) -> Result<Url, ChatCompletionsError> {
    let invalid = |reason: &str| ChatCompletionsError::Url { reason: reason.to_owned() };
    let mut url = Url::parse(base_url).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it contains a user name or password; use an API key instead"));
    }
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    let path = path.strip_suffix(PATH).unwrap_or(&path);
    url.set_path(&format!("{path}{PATH}"));
    Ok(url)
}

/// The reason why a [`ChatCompletions`] model cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatCompletionsError {
    /// The base URL is not valid. The message does not contain it, because it may contain a secret.
    #[error("invalid upstream URL: {reason}; expected one such as http://127.0.0.1:11434/v1")]
    Url {
        /// Why it is not valid.
        reason: String,
    },
    /// The key is empty or contains characters that are not allowed in a header.
    #[error(
        "invalid upstream key: it is empty or contains characters that are not allowed in a header"
    )]
    Key,
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client for the upstream: {0}")]
    Client(#[source] reqwest::Error),
}

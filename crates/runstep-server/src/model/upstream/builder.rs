//! The builder of the model.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use reqwest::{Url, header};
use secrecy::{ExposeSecret as _, SecretString};

use super::retry::Backoff;
use super::settings::{Upstream, UpstreamSettings};

/// A builder of a model behind an HTTP endpoint:
/// [`ChatCompletions`](crate::model::ChatCompletions) or [`Responses`](crate::model::Responses).
#[must_use = "a builder does nothing until `build` is called"]
pub struct UpstreamBuilder<M> {
    base_url: String,
    connect_timeout: Duration,
    pub(crate) settings: UpstreamSettings,
    model: PhantomData<fn() -> M>,
}

impl<M> UpstreamBuilder<M> {
    pub(crate) fn new(base_url: String) -> Self {
        Self {
            base_url,
            connect_timeout: Duration::from_secs(10),
            settings: UpstreamSettings::default(),
            model: PhantomData,
        }
    }

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

    /// Validates the settings and sets up the connection pool for the endpoint at this path.
    pub(crate) fn upstream(self, path: &str) -> Result<Upstream, UpstreamError> {
        let endpoint = endpoint(&self.base_url, path)?;
        if let Some(key) = &self.settings.api_key {
            let header = format!("Bearer {}", key.expose_secret());
            if key.expose_secret().is_empty() || header::HeaderValue::try_from(header).is_err() {
                return Err(UpstreamError::Key);
            }
        }
        let client = self.client(&endpoint).read_timeout(self.settings.idle_timeout);
        let client = client.build().map_err(UpstreamError::Client)?;
        Ok(Upstream { client, endpoint, settings: self.settings })
    }

    /// Builds a client for long bodies, which has no timeout for reading.
    pub(crate) fn transfers(&self) -> Result<reqwest::Client, UpstreamError> {
        let url = endpoint(&self.base_url, "")?;
        self.client(&url).build().map_err(UpstreamError::Client)
    }

    fn client(&self, endpoint: &Url) -> reqwest::ClientBuilder {
        let client = reqwest::Client::builder();
        #[cfg(feature = "rustls")]
        let client = match endpoint.scheme() {
            // Avoids loading the system's certificates, which need memory.
            "http" => client.tls_certs_only([]),
            _ => client,
        };
        client
            .user_agent(concat!("runstep-server/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(self.connect_timeout)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
    }
}

impl<M> fmt::Debug for UpstreamBuilder<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL's query may contain a secret.
        f.debug_struct("UpstreamBuilder").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Returns the URL of a path below a base URL, which can already end in it.
fn endpoint(base_url: &str, endpoint: &str) -> Result<Url, UpstreamError> {
    let invalid = |reason: &str| UpstreamError::Url { reason: reason.to_owned() };
    let mut url = Url::parse(base_url).map_err(|error| invalid(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(invalid("it must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid("it contains a user name or password; use an API key instead"));
    }
    url.set_fragment(None);
    let path = url.path().trim_end_matches('/').to_owned();
    let path = path.strip_suffix(endpoint).unwrap_or(&path);
    url.set_path(&format!("{path}{endpoint}"));
    Ok(url)
}

/// The reason why a model behind an HTTP endpoint cannot be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
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

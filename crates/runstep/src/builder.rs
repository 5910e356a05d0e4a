//! What a client is built from.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use secrecy::SecretString;

use crate::auth::{Auth, Token};
use crate::backoff::Backoff;
use crate::base_url::{self, configuration};
use crate::client::{Client, Settings};
use crate::error::{Error, Result, Source};
use crate::options::callers;
use crate::poll::PollErrorPolicy;
use crate::retry::RetryPolicy;

/// How long one attempt of a request may take unless told: 10 minutes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
/// How long connecting may take: 5 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What a [`Client`] is built from.
///
/// ```
/// use std::time::Duration;
/// use runstep::{Client, RetryPolicy};
///
/// # fn example() -> runstep::Result<()> {
/// let client = Client::builder("https://api.example.com/v1")
///     .api_key("secret")
///     .timeout(Duration::from_secs(30))
///     .retry_policy(RetryPolicy::default().attempts(5))
///     .build()?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    base_url: String,
    auth: Auth,
    headers: Vec<(String, String)>,
    query: Vec<(String, String)>,
    allow_plain_http: bool,
    settings: Settings,
}

impl ClientBuilder {
    pub(crate) fn new(base_url: String) -> Self {
        Self {
            base_url,
            auth: Auth::None,
            headers: Vec::new(),
            query: Vec::new(),
            allow_plain_http: false,
            settings: Settings {
                timeout: DEFAULT_TIMEOUT,
                retry_policy: RetryPolicy::default(),
                poll_backoff: None,
                poll_error_policy: PollErrorPolicy::default(),
                check_limits: true,
            },
        }
    }

    /// The key that goes with every request as `Authorization: Bearer …`. Default: none.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.auth = Auth::Bearer(key.into());
        self
    }

    /// The key that goes with every request in the header `api-key`, as Azure wants it.
    pub fn api_key_header(mut self, key: impl Into<SecretString>) -> Self {
        self.auth = Auth::ApiKeyHeader(key.into());
        self
    }

    /// Where bearer tokens come from that end, such as Entra's. The callback is called when there
    /// is no token yet, a minute before one ends, and once more when the server refuses one. One call
    /// at a time, within the time that the request has. A token that cannot be renewed is used until
    /// it has ended.
    ///
    /// ```
    /// use std::time::Duration;
    /// use runstep::{Client, Token};
    ///
    /// # fn example() -> runstep::Result<()> {
    /// let client = Client::builder("https://api.example.com/v1")
    ///     .token_callback(|| async {
    ///         Ok::<_, std::io::Error>(Token::new("secret").expires_in(Duration::from_secs(3600)))
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn token_callback<F, Fut, E>(mut self, callback: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<Token, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.auth = Auth::tokens(callback);
        self
    }

    /// Adds a header to every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a pair to every request's query.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// The organization to count requests for, sent as `OpenAI-Organization`. Default: none.
    pub fn organization(self, organization: impl Into<String>) -> Self {
        self.header("openai-organization", organization)
    }

    /// The project to count requests for, sent as `OpenAI-Project`. Default: none.
    pub fn project(self, project: impl Into<String>) -> Self {
        self.header("openai-project", project)
    }

    /// How long one attempt of a request may take, from connecting to the end of the reply.
    /// Default: [`DEFAULT_TIMEOUT`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// When requests are sent again. Default: [`RetryPolicy::default`].
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry_policy = policy;
        self
    }

    /// The pace at which runs are polled where the server names none. Default: from a quarter of a
    /// second to 2 seconds.
    pub fn poll_backoff(mut self, backoff: Backoff) -> Self {
        self.settings.poll_backoff = Some(backoff);
        self
    }

    /// Which failed looks at a run a poll goes on after. Default: [`PollErrorPolicy::default`].
    pub fn poll_error_policy(mut self, policy: PollErrorPolicy) -> Self {
        self.settings.poll_error_policy = policy;
        self
    }

    /// Whether the API's limits (16 pairs of metadata, 20 tools, a temperature from 0 to 2, …) are
    /// checked before a request is sent. Default: yes. Switch it off for a provider that allows more.
    pub fn check_limits(mut self, check: bool) -> Self {
        self.settings.check_limits = check;
        self
    }

    /// Lets requests go to another machine without TLS, where anybody on the way can read them and
    /// the key. Default: only to this machine.
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.allow_plain_http = allow;
        self
    }

    /// Builds the client. Nothing is sent.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) when the base URL is none, has
    /// a query or a password in it, or is plain http to another machine; or when the key or a header
    /// cannot be sent.
    pub fn build(self) -> Result<Client> {
        let base_url = base_url::checked(&self.base_url, self.allow_plain_http)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            let wrong = || {
                configuration(format!(
                    "the value of `{name}` has characters that a header cannot have"
                ))
            };
            let header = HeaderName::try_from(name)
                .map_err(|_| configuration(format!("`{name}` cannot be the name of a header")))?;
            headers.insert(header, callers(value).ok_or_else(wrong)?);
        }
        let mut same = HeaderMap::new();
        same.insert("openai-beta", HeaderValue::from_static("assistants=v2"));
        if let Some((name, value)) = self.auth.header()? {
            headers.remove(&name);
            same.insert(name, value);
        }
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::custom(base_url::follow_on_same_host))
            .user_agent(concat!("runstep/", env!("CARGO_PKG_VERSION")))
            .default_headers(same);
        if base_url::is_loopback(&base_url) {
            // A proxy that the environment names would be another machine, which reads the key.
            http = http.no_proxy();
        }
        let http = http.build().map_err(not_built)?;
        Ok(Client::new(http, &base_url, self.auth, headers, self.query, self.settings))
    }
}

fn not_built(error: reqwest::Error) -> Error {
    configuration("the HTTP client cannot be built").with_source(Source::Http(error))
}

/// Shows no key, and of headers and query only the names.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |pairs: &[(String, String)]| {
            pairs.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
        };
        f.debug_struct("ClientBuilder")
            .field("auth", &self.auth)
            .field("headers", &names(&self.headers))
            .field("query", &names(&self.query))
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

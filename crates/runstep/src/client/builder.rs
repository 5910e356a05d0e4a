//! Builds a [`Client`].

use std::fmt;
use std::future::Future;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, USER_AGENT};
use secrecy::SecretString;

use super::auth::{AccessToken, Auth};
use super::base_url::{self, configuration_error, with_path};
use super::environment::{self, Environment};
use super::{Client, Settings};
use crate::error::{Error, Result, Source};
use crate::transport::{Backoff, PollErrorPolicy, RetryPolicy, names, sensitive_header_value};

/// Default timeout of one attempt of a request: 10 minutes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
/// Timeout for establishing a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const AGENT: &str = concat!("runstep/", env!("CARGO_PKG_VERSION"));
const OPENAI_BETA: HeaderName = HeaderName::from_static("openai-beta");

/// Builds a [`Client`].
///
/// ```
/// use std::time::Duration;
/// use runstep::{Client, RetryPolicy};
///
/// # fn example() -> runstep::Result<()> {
/// let client = Client::builder("https://api.example.com/v1")
///     .api_key("secret")
///     .timeout(Duration::from_secs(30))
///     .retry_policy(RetryPolicy::default().max_attempts(5))
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
    http: HttpClient,
}

/// The HTTP client that requests are sent with.
enum HttpClient {
    Default,
    Configured(Box<reqwest::ClientBuilder>),
    Provided(reqwest::Client),
}

impl ClientBuilder {
    pub(crate) fn new(base_url: String) -> Self {
        Self {
            base_url,
            auth: Auth::None,
            headers: Vec::new(),
            query: Vec::new(),
            allow_plain_http: false,
            http: HttpClient::Default,
            settings: Settings {
                timeout: DEFAULT_TIMEOUT,
                retry_policy: RetryPolicy::default(),
                poll_backoff: None,
                poll_error_policy: PollErrorPolicy::default(),
                check_limits: true,
            },
        }
    }

    /// Sets the API key, sent as `Authorization: Bearer KEY`. Default: none.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.auth = Auth::Bearer(key.into());
        self
    }

    /// Sets the API key, sent in the `api-key` header, as Azure requires.
    pub fn api_key_header(mut self, key: impl Into<SecretString>) -> Self {
        self.auth = Auth::ApiKeyHeader(key.into());
        self
    }

    /// Sets a provider of expiring bearer tokens, such as Microsoft Entra ID.
    ///
    /// The client calls the provider before the first request, one minute before a token expires, and
    /// once more if the server rejects a token. Calls never overlap, and each must finish within the
    /// timeout of the request that needs the token. If the provider fails, the current token is used
    /// until it expires.
    ///
    /// ```
    /// use std::time::Duration;
    /// use runstep::{AccessToken, Client};
    ///
    /// # fn example() -> runstep::Result<()> {
    /// let client = Client::builder("https://api.example.com/v1")
    ///     .token_provider(|| async {
    ///         let token = AccessToken::new("secret").expires_in(Duration::from_secs(3600));
    ///         Ok::<_, std::io::Error>(token)
    ///     })
    ///     .build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn token_provider<F, Fut, E>(mut self, provider: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<AccessToken, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.auth = Auth::with_provider(provider);
        self
    }

    /// Adds a header to every request.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a query parameter to every request.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets the organization, sent as `OpenAI-Organization`. Default: none.
    pub fn organization(self, organization: impl Into<String>) -> Self {
        self.header("openai-organization", organization)
    }

    /// Sets the project, sent as `OpenAI-Project`. Default: none.
    pub fn project(self, project: impl Into<String>) -> Self {
        self.header("openai-project", project)
    }

    /// Sets the timeout of one attempt of a request, from connecting to the end of the response.
    /// Default: [`DEFAULT_TIMEOUT`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout = timeout;
        self
    }

    /// Sets when failed requests are retried. Default: [`RetryPolicy::default`].
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.settings.retry_policy = policy;
        self
    }

    /// Sets the delays between polls of a run if the server does not specify one. Default: from
    /// 250 ms to 2 s.
    pub fn poll_backoff(mut self, backoff: Backoff) -> Self {
        self.settings.poll_backoff = Some(backoff);
        self
    }

    /// Sets which polling errors are tolerated. Default: [`PollErrorPolicy::default`].
    pub fn poll_error_policy(mut self, policy: PollErrorPolicy) -> Self {
        self.settings.poll_error_policy = policy;
        self
    }

    /// Sets whether the limits of the API (16 metadata entries, 20 tools, a temperature from 0 to 2, …)
    /// are checked before a request is sent. Default: true. Disable it for providers with higher
    /// limits.
    pub fn check_limits(mut self, check: bool) -> Self {
        self.settings.check_limits = check;
        self
    }

    /// Allows requests without TLS to other machines, where anyone on the network path can read the
    /// key. Default: false; plain HTTP is allowed only to this machine.
    pub fn allow_plain_http(mut self, allow: bool) -> Self {
        self.allow_plain_http = allow;
        self
    }

    /// Configures the HTTP client: a proxy, root and client certificates, a DNS resolver, and anything
    /// else that [`reqwest::ClientBuilder`] offers. Several calls add up.
    ///
    /// Some things stay as they are: redirects are followed only to the same origin and with status 307
    /// or 308, so a redirect policy has no effect, and the client adds the API key, `OpenAI-Beta`, and
    /// `User-Agent` to each request and marks keys and custom headers as sensitive. A total timeout
    /// would end streams: use [`timeout`](Self::timeout) instead.
    ///
    /// ```
    /// use runstep::{Client, reqwest};
    ///
    /// # fn example(ca: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    /// let proxy = reqwest::Proxy::https("http://proxy.example.com:3128")?;
    /// let client = Client::builder("https://api.example.com/v1")
    ///     .api_key("secret")
    ///     .configure_http(|http| http.proxy(proxy))
    ///     .build()?;
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    pub fn configure_http(
        mut self,
        configure: impl FnOnce(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
    ) -> Self {
        let http = match self.http {
            HttpClient::Configured(http) => *http,
            HttpClient::Default | HttpClient::Provided(_) => default_http(&self.base_url),
        };
        self.http = HttpClient::Configured(Box::new(configure(http)));
        self
    }

    /// Sets the HTTP client, for example to share its connection pool. Discards what
    /// [`configure_http`](Self::configure_http) has set before.
    ///
    /// The API key, `OpenAI-Beta`, `User-Agent` and custom headers are part of each request, and keys
    /// and custom headers are marked as sensitive. Everything else is the given client's: its proxies,
    /// timeouts, certificates, default headers, and its **redirect policy**. With reqwest's default
    /// policy, a server can redirect a request with an `api-key` header to another host. Build the
    /// client with [`redirect_policy`](Self::redirect_policy) to prevent this:
    ///
    /// ```
    /// use runstep::{Client, ClientBuilder, reqwest};
    ///
    /// # fn example() -> Result<(), Box<dyn std::error::Error>> {
    /// let http = reqwest::Client::builder().redirect(ClientBuilder::redirect_policy()).build()?;
    /// let client = Client::builder("https://api.example.com/v1").http_client(http).build()?;
    /// # let _ = client;
    /// # Ok(())
    /// # }
    /// ```
    pub fn http_client(mut self, client: reqwest::Client) -> Self {
        self.http = HttpClient::Provided(client);
        self
    }

    /// Returns the redirect policy of this crate's own HTTP client, which protects the API key: it
    /// follows at most five redirects, only to the same origin, and only with status 307 or 308, which
    /// preserve the method and the body.
    pub fn redirect_policy() -> reqwest::redirect::Policy {
        reqwest::redirect::Policy::custom(base_url::redirect_action)
    }

    /// Builds the client. Sends nothing.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if the base URL is
    /// invalid, has a query or credentials, or is plain HTTP to another machine, if the key or a header
    /// contains characters that a header value does not allow, or if the HTTP client cannot be built.
    pub fn build(self) -> Result<Client> {
        let base_url = base_url::parse(&self.base_url, self.allow_plain_http)?;
        let mut headers = HeaderMap::new();
        headers.insert(OPENAI_BETA, HeaderValue::from_static("assistants=v2"));
        headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
        for (name, value) in &self.headers {
            let (name, value) = header(name, value)?;
            headers.insert(name, value);
        }
        if let Some((name, value)) = self.auth.header()? {
            headers.insert(name, value);
        }
        let build = |http: reqwest::ClientBuilder| {
            http.redirect(Self::redirect_policy()).build().map_err(http_client_error)
        };
        let http = match self.http {
            HttpClient::Default => build(default_http(&self.base_url))?,
            HttpClient::Configured(http) => build(*http)?,
            HttpClient::Provided(client) => client,
        };
        Ok(Client::new(http, &base_url, self.auth, headers, self.query, self.settings))
    }
}

impl Client {
    /// Creates a client from the environment: `RUNSTEP_BASE_URL` and `RUNSTEP_API_KEY`, or
    /// `OPENAI_BASE_URL` and `OPENAI_API_KEY`.
    ///
    /// The two pairs are never mixed, so a key is sent only to the server it belongs to. The key is
    /// optional, for servers that do not require one.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) if no base URL is set or
    /// the base URL is invalid.
    pub fn from_env() -> Result<Self> {
        let Environment { base_url, api_key } = environment::read()?;
        let builder = Self::builder(base_url);
        match api_key {
            Some(key) => builder.api_key(key).build(),
            None => builder.build(),
        }
    }

    /// Returns a builder for a client of the server at a base URL, such as
    /// `http://127.0.0.1:8080/v1`. Paths are appended to the URL as given: include `/v1` if the server
    /// requires it.
    pub fn builder(base_url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(base_url.into())
    }

    /// Returns a builder for a client of an OpenAI-compatible host. Appends `/v1` if the URL has no
    /// path.
    pub fn openai_compatible(host: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(with_path(host.into(), "v1"))
    }

    /// Returns a builder for a client of Azure's classic agents.
    ///
    /// `endpoint` is the endpoint of a resource, such as `https://NAME.openai.azure.com`, or of a
    /// project. Appends `/openai` if it has no path. `api_version`, such as `2024-05-01-preview`, is
    /// sent with every request. Authenticate with
    /// [`api_key_header`](ClientBuilder::api_key_header) or, for Microsoft Entra ID, with
    /// [`token_provider`](ClientBuilder::token_provider).
    pub fn azure(endpoint: impl Into<String>, api_version: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(with_path(endpoint.into(), "openai")).query("api-version", api_version)
    }
}

/// Returns the builder of the HTTP client, before the caller's configuration.
fn default_http(base_url: &str) -> reqwest::ClientBuilder {
    let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT);
    match base_url.trim().parse() {
        // A proxy from the environment is another machine and would receive the key.
        Ok(url) if base_url::is_loopback(&url) => http.no_proxy(),
        _ => http,
    }
}

/// Parses a header that the caller has set.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue)> {
    let invalid_name = |_| configuration_error(format!("invalid header name `{name}`"));
    let invalid_value = || configuration_error(format!("the value of header `{name}` is invalid"));
    let value = sensitive_header_value(value).ok_or_else(invalid_value);
    Ok((HeaderName::try_from(name).map_err(invalid_name)?, value?))
}

fn http_client_error(error: reqwest::Error) -> Error {
    configuration_error("the HTTP client cannot be built").with_source(Source::Http(error))
}

/// Shows no key, and only the names of headers and query parameters.
impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("auth", &self.auth)
            .field("headers", &names(&self.headers))
            .field("query", &names(&self.query))
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

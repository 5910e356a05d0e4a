//! The client: server address, authentication, default settings, and the calls of operations.

mod auth;
mod base_url;
mod builder;
mod call;
mod environment;
mod idempotency;
mod tenant;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use runstep_api::{CallOptions, ClientInfo as _};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::transport::{Backoff, PollErrorPolicy, RequestOptions, RetryPolicy};
use auth::Auth;
use base_url::configuration_error;

pub use auth::AccessToken;
pub use builder::{ClientBuilder, DEFAULT_TIMEOUT};
pub(crate) use call::{ApiRequest, Call, CompletedCall, PreparedCall, Repeatability, SpanIds};

/// A client for the Run and Run Step API.
///
/// Cloning is cheap: clones share one connection pool. [`with_api_key`](Self::with_api_key) returns
/// a client for another tenant of the server, which shares the pool as well.
///
/// ```no_run
/// # async fn example() -> runstep::Result<()> {
/// let client = runstep::Client::from_env()?;
/// let run = client.runs("thread_abc123").create("asst_abc123").await?;
/// println!("{}", run.status);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    api: runstep_api::Client,
    host: String,
    port: Option<u16>,
    auth: Auth,
    /// The headers of every request, except for an expiring token.
    headers: HeaderMap,
    query: Vec<(String, String)>,
    settings: Settings,
    /// Why no request can be sent, if a key or a header of a tenant is invalid.
    invalid: Option<String>,
}

/// Defaults for all requests of a client. Requests can override them.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) retry_policy: RetryPolicy,
    pub(crate) poll_backoff: Option<Backoff>,
    pub(crate) poll_error_policy: PollErrorPolicy,
    pub(crate) check_limits: bool,
}

impl Client {
    pub(crate) fn new(
        http: reqwest::Client,
        base_url: &Url,
        auth: Auth,
        headers: HeaderMap,
        query: Vec<(String, String)>,
        settings: Settings,
    ) -> Self {
        let text = base_url.as_str().trim_end_matches('/');
        Self(Arc::new(Inner {
            api: runstep_api::Client::new_with_client(text, http, CallOptions::default()),
            host: base_url.host_str().unwrap_or_default().to_owned(),
            port: base_url.port_or_known_default(),
            auth,
            headers,
            query,
            settings,
            invalid: None,
        }))
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns the server's address and port, for traces.
    pub(crate) fn server(&self) -> (&str, Option<u16>) {
        (&self.0.host, self.0.port)
    }

    /// Returns whether a rejected token can be replaced by a new one.
    pub(crate) fn may_renew_token(&self) -> bool {
        self.0.auth.may_renew()
    }

    /// Discards the token of a request that the server rejected.
    pub(crate) async fn discard_token(&self, sent: Option<&HeaderValue>) {
        self.0.auth.discard(sent).await;
    }

    /// Returns the authorization header of one attempt, if it expires. Waits for it until `deadline`.
    pub(crate) async fn token(&self, deadline: Instant) -> Result<Option<HeaderValue>> {
        self.0.auth.token(deadline).await
    }

    /// Returns an error if no request with these options can be sent.
    pub(crate) fn check(&self, options: &RequestOptions) -> Result<()> {
        match &self.0.invalid {
            Some(message) => Err(configuration_error(message)),
            None => options.check_arguments(),
        }
    }

    /// Adds the headers, query and body fields to one attempt.
    pub(crate) fn add_options(
        &self,
        request: &mut reqwest::Request,
        options: &RequestOptions,
        token: Option<HeaderValue>,
    ) -> Result<()> {
        if options.accepts_events {
            runstep_api::accept_events(request);
        }
        let headers = request.headers_mut();
        for (name, value) in &self.0.headers {
            headers.insert(name, value.clone());
        }
        if let Some(token) = token {
            headers.insert(AUTHORIZATION, token);
        }
        options.add_headers(headers)?;
        for query in [&self.0.query, &options.query].into_iter().filter(|query| !query.is_empty()) {
            request.url_mut().query_pairs_mut().extend_pairs(query);
        }
        runstep_api::extend_body(request, &options.body)
            .map_err(|error| Error::new(ErrorKind::InvalidRequest, error.to_string()))
    }

    /// Returns the base URL without a trailing slash.
    pub(crate) fn base_url(&self) -> &str {
        self.0.api.baseurl()
    }

    /// Returns the generated client.
    pub(crate) fn api(&self) -> &runstep_api::Client {
        &self.0.api
    }
}

/// Shows the base URL and the settings, never the key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.0.api.baseurl())
            .field("auth", &self.0.auth)
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

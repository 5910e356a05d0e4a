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

use crate::error::Result;
use crate::transport::{Backoff, PollErrorPolicy, RequestOptions, RetryPolicy};
use auth::Auth;
use base_url::configuration_error;

pub use auth::AccessToken;
pub use builder::{ClientBuilder, DEFAULT_TIMEOUT};
pub(crate) use call::{
    ApiRequest, BuildResult, Call, CompletedCall, PreparedCall, Repeatability, SpanIds,
};

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

    /// Returns the headers, query and body fields of one attempt. Waits for a token until `deadline`.
    pub(crate) async fn call_options(
        &self,
        options: &RequestOptions,
        deadline: Instant,
    ) -> Result<CallOptions> {
        if let Some(message) = &self.0.invalid {
            return Err(configuration_error(message));
        }
        options.check_arguments()?;
        let mut call = CallOptions::default();
        call.headers.clone_from(&self.0.headers);
        if let Some(token) = self.0.auth.token(deadline).await? {
            call.headers.insert(AUTHORIZATION, token);
        }
        options.add_headers(&mut call.headers)?;
        call.query = self.0.query.iter().chain(&options.query).cloned().collect();
        call.body.clone_from(&options.body);
        call.streams = options.streams;
        Ok(call)
    }

    /// Returns the base URL without a trailing slash.
    pub(crate) fn base_url(&self) -> &str {
        self.0.api.baseurl()
    }

    /// Returns the generated client for one attempt.
    pub(crate) fn generated(&self, options: CallOptions) -> runstep_api::Client {
        self.0.api.with_options(options)
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

//! The client: where requests go, who asks, and the settings for all of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use runstep_api::{CallOptions, ClientInfo as _};
use tokio::time::Instant;

use crate::assistants::Assistants;
use crate::auth::Auth;
use crate::backoff::Backoff;
use crate::base_url::with_path;
use crate::builder::ClientBuilder;
use crate::environment::{self, Environment};
use crate::error::Result;
use crate::messages::Messages;
use crate::options::RequestOptions;
use crate::poll::{PollAll, PollErrorPolicy, RunRef};
use crate::retry::RetryPolicy;
use crate::runs::Runs;
use crate::threads::Threads;

/// A client of the Run and Run Step API.
///
/// Cheap to clone: clones share one pool of connections.
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

struct Inner {
    api: runstep_api::Client,
    host: String,
    port: Option<u16>,
    auth: Auth,
    /// Those of the user. What is the same in all requests is added by the HTTP client.
    headers: HeaderMap,
    query: Vec<(String, String)>,
    settings: Settings,
}

/// What holds for all requests of a client, unless one says otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) timeout: Duration,
    pub(crate) retry_policy: RetryPolicy,
    pub(crate) poll_backoff: Option<Backoff>,
    pub(crate) poll_error_policy: PollErrorPolicy,
    pub(crate) check_limits: bool,
}

impl Client {
    /// A client from the environment: `RUNSTEP_BASE_URL` and `RUNSTEP_API_KEY`, else
    /// `OPENAI_BASE_URL` and `OPENAI_API_KEY`.
    ///
    /// The two pairs are never mixed, so that a key goes only where it was meant to go. The key may
    /// be left out, for a server that asks for none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`](crate::ErrorKind::Configuration) when no base URL is set, or it
    /// is none.
    pub fn from_env() -> Result<Self> {
        let Environment { base_url, api_key } = environment::read()?;
        let builder = Self::builder(base_url);
        match api_key {
            Some(key) => builder.api_key(key).build(),
            None => builder.build(),
        }
    }

    /// Begins a client of the server at a base URL, such as `http://127.0.0.1:8080/v1`. Paths are
    /// appended to it as it is: give it with `/v1` where the server wants that.
    pub fn builder(base_url: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(base_url.into())
    }

    /// Begins a client of a host that is compatible with OpenAI's API: `/v1` is appended to a URL
    /// that has no path.
    pub fn openai_compatible(host: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(with_path(host.into(), "v1"))
    }

    /// Begins a client of Azure's classic agents at a resource's endpoint, such as
    /// `https://NAME.openai.azure.com`, with the version that goes with every request, such as
    /// `2024-05-01-preview`. `/openai` is appended to an endpoint that has no path; a project's
    /// endpoint is taken as it is. Add
    /// [`api_key_header`](ClientBuilder::api_key_header) or, for Entra,
    /// [`token_callback`](ClientBuilder::token_callback).
    pub fn azure(endpoint: impl Into<String>, api_version: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(with_path(endpoint.into(), "openai")).query("api-version", api_version)
    }

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
        }))
    }

    /// The assistants.
    pub fn assistants(&self) -> Assistants {
        Assistants::new(self.clone())
    }

    /// The threads.
    pub fn threads(&self) -> Threads {
        Threads::new(self.clone())
    }

    /// The messages of a thread.
    pub fn messages(&self, thread_id: impl Into<String>) -> Messages {
        Messages::new(self.clone(), thread_id.into())
    }

    /// The runs of a thread.
    pub fn runs(&self, thread_id: impl Into<String>) -> Runs {
        Runs::new(self.clone(), thread_id.into())
    }

    /// Waits for many runs, on one thread or on many, and gives each as it ends. Together they stay
    /// within a budget of requests a second.
    pub fn poll_all<I>(&self, runs: I) -> PollAll
    where
        I: IntoIterator,
        I::Item: Into<RunRef>,
    {
        PollAll::new(self.clone(), runs.into_iter().map(Into::into).collect())
    }

    pub(crate) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(crate) fn retry_policy(&self) -> RetryPolicy {
        self.0.settings.retry_policy
    }

    /// The server's address and port, for traces.
    pub(crate) fn server(&self) -> (&str, Option<u16>) {
        (&self.0.host, self.0.port)
    }

    /// Whether there may be another token after one that was refused.
    pub(crate) fn may_renew_token(&self) -> bool {
        self.0.auth.may_renew()
    }

    /// Forgets the token that went with a request and was refused.
    pub(crate) async fn forget_token(&self, sent: Option<&HeaderValue>) {
        self.0.auth.forget(sent).await;
    }

    /// What goes along with one attempt of a request. A token has to be there in time.
    pub(crate) async fn call_options(
        &self,
        options: &RequestOptions,
        until: Instant,
    ) -> Result<CallOptions> {
        let mut call = CallOptions::default();
        call.headers.clone_from(&self.0.headers);
        if let Some(token) = self.0.auth.token(until).await? {
            call.headers.insert(AUTHORIZATION, token);
        }
        options.add_headers(&mut call.headers)?;
        call.query = self.0.query.iter().chain(&options.query).cloned().collect();
        call.body.clone_from(&options.body);
        call.streams = options.streams;
        Ok(call)
    }

    /// The generated client for one attempt.
    pub(crate) fn generated(&self, options: CallOptions) -> runstep_api::Client {
        self.0.api.with_options(options)
    }
}

/// Shows where requests go, and never the key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.0.api.baseurl())
            .field("auth", &self.0.auth)
            .field("settings", &self.0.settings)
            .finish_non_exhaustive()
    }
}

//! The client: where requests go, with which key, and for how long.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use runstep_api::CallOptions;
use secrecy::{ExposeSecret as _, SecretString};

use crate::assistants::Assistants;
use crate::environment::{self, Environment};
use crate::error::{Error, ErrorKind, Result, Source};
use crate::messages::Messages;
use crate::runs::Runs;
use crate::threads::Threads;

/// How long a request may take unless told: 10 minutes.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
/// How long connecting may take: 5 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

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
    http: reqwest::Client,
    base_url: String,
    api_key: Option<SecretString>,
    headers: HeaderMap,
    timeout: Duration,
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
    /// [`ErrorKind::Configuration`] when no base URL is set, or it is none.
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
        ClientBuilder {
            base_url: base_url.into(),
            api_key: None,
            timeout: DEFAULT_TIMEOUT,
            organization: None,
            project: None,
            allow_plain_http: false,
        }
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

    /// The generated client for one call, with what goes along with every call.
    pub(crate) fn api(&self) -> Result<(runstep_api::Client, CallOptions)> {
        let mut options = CallOptions::default();
        options.headers.clone_from(&self.0.headers);
        options.timeout = Some(self.0.timeout);
        if let Some(key) = &self.0.api_key {
            let bearer = SecretString::from(format!("Bearer {}", key.expose_secret()));
            let mut value =
                HeaderValue::from_str(bearer.expose_secret()).map_err(|_| key_is_no_header())?;
            value.set_sensitive(true);
            options.headers.insert(AUTHORIZATION, value);
        }
        let api = runstep_api::Client::new_with_client(
            &self.0.base_url,
            self.0.http.clone(),
            options.clone(),
        );
        Ok((api, options))
    }
}

/// Shows where requests go, and never the key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("base_url", &self.0.base_url)
            .field("api_key", &self.0.api_key.as_ref().map(|_| "[secret]"))
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}

/// What a [`Client`] is built from.
#[must_use = "a builder does nothing until `build` is called"]
pub struct ClientBuilder {
    base_url: String,
    api_key: Option<SecretString>,
    timeout: Duration,
    organization: Option<String>,
    project: Option<String>,
    allow_plain_http: bool,
}

impl ClientBuilder {
    /// The key that goes with every request as `Authorization: Bearer …`. Default: none.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// How long a request may take, from connecting to the end of the reply. Default:
    /// [`DEFAULT_TIMEOUT`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The organization to count requests for, sent as `OpenAI-Organization`. Default: none.
    pub fn organization(mut self, organization: impl Into<String>) -> Self {
        self.organization = Some(organization.into());
        self
    }

    /// The project to count requests for, sent as `OpenAI-Project`. Default: none.
    pub fn project(mut self, project: impl Into<String>) -> Self {
        self.project = Some(project.into());
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
    /// [`ErrorKind::Configuration`] when the base URL is none, has a query or a password in it, or
    /// is plain http to another machine; or when the key cannot stand in a header.
    pub fn build(self) -> Result<Client> {
        let base_url = base_url(&self.base_url, self.allow_plain_http)?;
        if let Some(key) = &self.api_key {
            HeaderValue::from_str(key.expose_secret()).map_err(|_| key_is_no_header())?;
        }
        let mut headers = HeaderMap::new();
        headers.insert("openai-beta", HeaderValue::from_static("assistants=v2"));
        for (name, value) in
            [("openai-organization", &self.organization), ("openai-project", &self.project)]
        {
            if let Some(value) = value {
                let value = HeaderValue::from_str(value).map_err(|_| {
                    configuration(format!(
                        "the value of `{name}` has characters that a header cannot have"
                    ))
                })?;
                headers.insert(name, value);
            }
        }
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .redirect(reqwest::redirect::Policy::custom(follow_on_same_host))
            .user_agent(concat!("runstep/", env!("CARGO_PKG_VERSION")));
        if is_loopback(&base_url) {
            // A proxy that the environment names would be another machine, which reads the key.
            http = http.no_proxy();
        }
        let http = http.build().map_err(|error| {
            configuration("the HTTP client cannot be built").with_source(Source::Http(error))
        })?;
        let base_url = base_url.as_str().trim_end_matches('/').to_owned();
        let timeout = self.timeout;
        Ok(Client(Arc::new(Inner { http, base_url, api_key: self.api_key, headers, timeout })))
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("api_key", &self.api_key.as_ref().map(|_| "[secret]"))
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn configuration(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::Configuration, message)
}

fn key_is_no_header() -> Error {
    configuration(
        "the API key has characters that a header cannot have; is there a line end in it?",
    )
}

/// A base URL that paths can be appended to, but for slashes at its end.
fn base_url(text: &str, allow_plain_http: bool) -> Result<Url> {
    // What was given may have a password in it: messages name the fault only.
    let url = Url::parse(text.trim())
        .map_err(|error| configuration(format!("the base URL is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(configuration(
            "the base URL must begin with `https://` or `http://` and name a host",
        ));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(configuration(
            "the base URL has a user or a password in it; use the API key instead",
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(configuration(
            "the base URL has a query or a fragment, but paths are appended to it",
        ));
    }
    if url.scheme() == "http" && !allow_plain_http && !is_loopback(&url) {
        return Err(configuration(
            "the base URL is plain http to another machine, which shows the key to everybody on the way; \
             use https, or allow it with `allow_plain_http(true)`",
        ));
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A key must not follow a redirect to somebody else.
fn follow_on_same_host(attempt: reqwest::redirect::Attempt<'_>) -> reqwest::redirect::Action {
    let next = attempt.url();
    let same = attempt.previous().iter().all(|url| {
        url.scheme() == next.scheme()
            && url.host_str() == next.host_str()
            && url.port_or_known_default() == next.port_or_known_default()
    });
    if !same || attempt.previous().len() > 5 { attempt.stop() } else { attempt.follow() }
}

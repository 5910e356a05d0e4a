//! Options of a single call, and the hook that applies them.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::Arguments;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use progenitor_client::{ClientHooks, Error, encode_path};
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};
use serde::de::Error as _;

use crate::Client;
use crate::raw::raw_properties;

/// Options of a call: headers, query, body fields, and limits. They are the inner value of a
/// [`Client`].
#[derive(Clone)]
#[non_exhaustive]
pub struct CallOptions {
    /// Headers to add to the request. They replace headers with the same name.
    pub headers: HeaderMap,
    /// Pairs to add to the query.
    pub query: Vec<(String, String)>,
    /// Fields to add to the body, which must be an object: names, and values as JSON. They replace fields
    /// with the same name.
    pub body: Vec<(String, String)>,
    /// Timeout of the whole request, including the response body. `None` means no timeout.
    pub timeout: Option<Duration>,
    /// Maximum size in bytes of a response that is read as a whole; a larger one is an error. Streams of
    /// bytes are not limited: their reader does that. Default: 64 MiB.
    pub max_response_bytes: u64,
    /// Whether the request accepts a stream of events as its response.
    pub streams: bool,
    /// Receives the status and headers of a response while its body is read. They stay there if
    /// that fails.
    pub response_headers: Option<ResponseHeaders>,
}

/// Status and headers of an incomplete response, see [`CallOptions::response_headers`]. Clones share
/// them.
#[derive(Clone, Default)]
pub struct ResponseHeaders(Arc<Mutex<(Option<StatusCode>, HeaderMap)>>);

impl ResponseHeaders {
    /// Removes and returns the status and headers. The status is `None` before there is a response.
    pub fn take(&self) -> (Option<StatusCode>, HeaderMap) {
        std::mem::take(&mut self.lock())
    }

    pub(crate) fn put(&self, status: StatusCode, headers: HeaderMap) {
        *self.lock() = (Some(status), headers);
    }

    fn lock(&self) -> MutexGuard<'_, (Option<StatusCode>, HeaderMap)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            query: Vec::new(),
            body: Vec::new(),
            timeout: None,
            max_response_bytes: 64 * 1024 * 1024,
            streams: false,
            response_headers: None,
        }
    }
}

/// Shows names only: values may be secret.
impl std::fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallOptions")
            .field("headers", &self.headers.keys().map(|name| name.as_str()).collect::<Vec<_>>())
            .field("query", &self.query.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body", &self.body.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("timeout", &self.timeout)
            .field("max_response_bytes", &self.max_response_bytes)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// Returns a client with other options. It shares the connection pool.
    pub fn with_options(&self, options: CallOptions) -> Self {
        let (baseurl, client) = (self.baseurl.clone(), self.client.clone());
        Self { baseurl, client, inner: options }
    }
}

/// The base URL. It is parsed once, since parsing takes as long as the rest of building a request.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl(Arc<(String, Option<Url>)>);

impl BaseUrl {
    pub(crate) fn new(text: &str) -> Self {
        let url = Url::parse(text).ok().filter(|url| !url.cannot_be_a_base());
        Self(Arc::new((text.to_owned(), url)))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0.0
    }

    /// Returns the URL of a path below the base URL, such as `/threads`.
    #[allow(clippy::result_large_err, reason = "all methods have this error")]
    pub(crate) fn join<E>(&self, path: Arguments<'_>) -> Result<Url, Error<E>> {
        let (text, url) = &*self.0;
        let Some(mut url) = url.clone() else {
            return Err(Error::InvalidRequest(format!("invalid base URL `{text}`")));
        };
        let path = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&path);
        Ok(url)
    }
}

/// Sets the JSON body of a request.
#[allow(dead_code, reason = "a specification need not have requests with bodies")]
pub(crate) fn with_json(
    request: reqwest::RequestBuilder,
    json: Vec<u8>,
) -> reqwest::RequestBuilder {
    request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(json)
}

/// Adds the options to a request.
fn add_options(
    request: &mut reqwest::Request,
    options: &CallOptions,
) -> Result<(), serde_json::Error> {
    if options.streams {
        accept_events(request);
    }
    for (name, value) in &options.headers {
        request.headers_mut().insert(name, value.clone());
    }
    if !options.query.is_empty() {
        request.url_mut().query_pairs_mut().extend_pairs(&options.query);
    }
    *request.timeout_mut() = options.timeout;
    extend_body(request, &options.body)
}

/// Lets a request accept a stream of events, and a JSON object from a server without support for streams.
pub fn accept_events(request: &mut reqwest::Request) {
    let types = HeaderValue::from_static("text/event-stream, application/json");
    request.headers_mut().insert(ACCEPT, types);
}

/// Sends a request with the options of the client. All methods share it, so that it is compiled once.
pub(crate) async fn send(
    client: &Client,
    mut request: reqwest::Request,
) -> Result<reqwest::Response, Error<()>> {
    add_options(&mut request, &client.inner)
        .map_err(|error| Error::InvalidRequest(error.to_string()))?;
    Ok(client.client.execute(request).await?)
}

impl ClientHooks<CallOptions> for Client {}

/// Percent-encodes a path segment, if needed.
pub(crate) fn segment(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if text.bytes().all(plain) { Cow::Borrowed(text) } else { Cow::Owned(encode_path(text)) }
}

/// Adds fields to the body of a request: names, and values as JSON. They replace fields with the same name.
/// A `POST` request without a body gets a length, because some servers and proxies reject it otherwise.
///
/// # Errors
///
/// Returns an error if there are fields, and the body is a stream or not a JSON object.
pub fn extend_body(
    request: &mut reqwest::Request,
    fields: &[(String, String)],
) -> Result<(), serde_json::Error> {
    if fields.is_empty() {
        if request.body().is_none() && request.method() == reqwest::Method::POST {
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        return Ok(());
    }
    let body = match request.body() {
        Some(body) => body.as_bytes().ok_or_else(|| {
            serde_json::Error::custom("fields cannot be added to a body that is a stream")
        })?,
        None => b"{}",
    };
    let mut properties: Vec<(String, &str)> = Vec::new();
    let mut positions: HashMap<String, usize> = HashMap::new();
    let own = raw_properties(body)?.into_iter().map(|(name, value)| (name, value.get()));
    for (name, value) in own.chain(fields.iter().map(|(name, json)| (name.clone(), json.as_str())))
    {
        match positions.get(&name).and_then(|position| properties.get_mut(*position)) {
            Some(property) => property.1 = value,
            None => {
                positions.insert(name.clone(), properties.len());
                properties.push((name, value));
            }
        }
    }
    let mut json = Vec::with_capacity(body.len());
    for (name, value) in properties {
        json.push(if json.is_empty() { b'{' } else { b',' });
        json.extend(serde_json::to_string(&name)?.into_bytes());
        json.push(b':');
        json.extend_from_slice(value.as_bytes());
    }
    json.push(b'}');
    *request.body_mut() = Some(json.into());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(())
}

/// Reads the body of a response of at most `limit` bytes.
///
/// # Errors
///
/// Returns an error if the connection fails, or if the body is longer.
pub async fn read_body(mut response: reqwest::Response, limit: u64) -> Result<Bytes, ReadError> {
    if response.content_length().is_some_and(|length| length > limit) {
        return Err(ReadError::TooLong { limit });
    }
    let mut body = Bytes::new();
    let mut joined = Vec::new();
    let mut length = 0;
    while let Some(chunk) = response.chunk().await.map_err(ReadError::Transport)? {
        length += chunk.len() as u64;
        if length > limit {
            return Err(ReadError::TooLong { limit });
        }
        // Most bodies are one chunk, which is not copied.
        if body.is_empty() {
            body = chunk;
            continue;
        }
        if joined.is_empty() {
            joined.extend_from_slice(&body);
        }
        joined.extend_from_slice(&chunk);
    }
    Ok(if joined.is_empty() { body } else { joined.into() })
}

/// An error of reading a response body.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The connection failed.
    Transport(reqwest::Error),
    /// The body is longer than the limit, which is usually [`CallOptions::max_response_bytes`].
    TooLong {
        /// The limit, in bytes.
        limit: u64,
    },
}

impl std::fmt::Display for ReadError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::TooLong { limit } => write!(f, "the response is longer than {limit} bytes"),
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Transport(error) => Some(error),
            Self::TooLong { .. } => None,
        }
    }
}

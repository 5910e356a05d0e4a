//! Options of a single call, and the hook that applies them.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use progenitor_client::{ClientHooks, ClientInfo as _, Error, OperationInfo, encode_path};
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use reqwest::{StatusCode, Url};

use serde_json::{Map, Value};

use crate::wire::Decode;
use crate::{Client, encode};

/// Options of a call: headers, query, body fields, and limits. They are the inner value of a
/// [`Client`].
#[derive(Clone)]
#[non_exhaustive]
pub struct CallOptions {
    /// Headers to add to the request. They replace headers with the same name.
    pub headers: HeaderMap,
    /// Pairs to add to the query.
    pub query: Vec<(String, String)>,
    /// Fields to add to the body, which must be an object. They replace fields with the same name.
    pub body: Map<String, Value>,
    /// Timeout of the whole request, including the response body. `None` means no timeout.
    pub timeout: Option<Duration>,
    /// Maximum size of a response in bytes; a larger one is an error. Default: 64 MiB.
    pub max_response_bytes: u64,
    /// Whether the response is a stream of events, whose reader limits the size of each event. The
    /// size of the whole response is then not limited.
    pub streams: bool,
    /// Receives the status and headers of a response while its body is read. They stay there if
    /// that fails.
    pub response_headers: ResponseHeaders,
}

/// Status and headers of an incomplete response, see [`CallOptions::response_headers`], and the body of
/// a decoded one. Clones share them.
#[derive(Clone, Default)]
pub struct ResponseHeaders(Arc<Mutex<ResponseParts>>);

#[derive(Default)]
struct ResponseParts {
    head: (Option<StatusCode>, HeaderMap),
    body: Bytes,
}

impl ResponseHeaders {
    /// Removes and returns the status and headers. The status is `None` before there is a response.
    pub fn take(&self) -> (Option<StatusCode>, HeaderMap) {
        std::mem::take(&mut self.parts().head)
    }

    /// Removes and returns the body of a response that was decoded; empty if there is none.
    pub fn take_body(&self) -> Bytes {
        std::mem::take(&mut self.parts().body)
    }

    /// Stores the body of a response. It is shared, not copied.
    pub fn put_body(&self, body: Bytes) {
        self.parts().body = body;
    }

    pub(crate) fn put(&self, status: StatusCode, headers: HeaderMap) {
        self.parts().head = (Some(status), headers);
    }

    fn parts(&self) -> MutexGuard<'_, ResponseParts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for CallOptions {
    fn default() -> Self {
        Self {
            headers: HeaderMap::new(),
            query: Vec::new(),
            body: Map::new(),
            timeout: None,
            max_response_bytes: 64 * 1024 * 1024,
            streams: false,
            response_headers: ResponseHeaders::default(),
        }
    }
}

/// Shows names only: values may be secret.
impl std::fmt::Debug for CallOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CallOptions")
            .field("headers", &self.headers.keys().map(|name| name.as_str()).collect::<Vec<_>>())
            .field("query", &self.query.iter().map(|(name, _)| name).collect::<Vec<_>>())
            .field("body", &self.body.keys().collect::<Vec<_>>())
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
#[allow(clippy::result_large_err, reason = "all methods have this error")]
pub(crate) fn with_json<T: Decode>(
    request: reqwest::RequestBuilder,
    body: &T,
) -> Result<reqwest::RequestBuilder, Error<()>> {
    let reason = |error| format!("the body cannot be serialized: {error}");
    let json = encode(body).map_err(|error| Error::InvalidRequest(reason(error)))?;
    Ok(request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(json))
}

/// Sends a request with the options of the client. All methods share it, so that it is compiled once.
pub(crate) async fn send(
    client: &Client,
    mut request: reqwest::Request,
    operation: &OperationInfo,
) -> Result<reqwest::Response, Error<()>> {
    client.pre(&mut request, operation).await?;
    let result = client.exec(request, operation).await;
    client.post(&result, operation).await?;
    Ok(result?)
}

impl ClientHooks<CallOptions> for Client {
    async fn pre<E>(
        &self,
        request: &mut reqwest::Request,
        _: &OperationInfo,
    ) -> Result<(), Error<E>> {
        let options = self.inner();
        for (name, value) in &options.headers {
            request.headers_mut().insert(name, value.clone());
        }
        if !options.query.is_empty() {
            request.url_mut().query_pairs_mut().extend_pairs(&options.query);
        }
        if !options.body.is_empty() {
            extend_body(request, &options.body)
                .map_err(|error| Error::InvalidRequest(error.to_string()))?;
        }
        if request.body().is_none() && request.method() == reqwest::Method::POST {
            // Some servers and proxies reject a POST without a content length.
            request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        *request.timeout_mut() = options.timeout;
        Ok(())
    }

    async fn exec(
        &self,
        request: reqwest::Request,
        _: &OperationInfo,
    ) -> reqwest::Result<reqwest::Response> {
        let response = self.client().execute(request).await?;
        let options = self.inner();
        Ok(if options.streams { response } else { bounded(response, options.max_response_bytes) })
    }
}

/// Percent-encodes a path segment, if needed.
pub(crate) fn segment(text: &str) -> Cow<'_, str> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if text.bytes().all(plain) { Cow::Borrowed(text) } else { Cow::Owned(encode_path(text)) }
}

/// Adds fields to the JSON body of a request.
fn extend_body(
    request: &mut reqwest::Request,
    fields: &Map<String, Value>,
) -> Result<(), serde_json::Error> {
    let mut body: Map<String, Value> = match request.body().and_then(reqwest::Body::as_bytes) {
        Some(bytes) => serde_json::from_slice(bytes)?,
        None => Map::new(),
    };
    body.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
    *request.body_mut() = Some(serde_json::to_vec(&body)?.into());
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(())
}

/// Returns a response whose body ends with an error after `limit` bytes.
fn bounded(mut response: reqwest::Response, limit: u64) -> reqwest::Response {
    if response.content_length().is_some_and(|length| length <= limit) {
        return response;
    }
    let mut bounded = http::Response::new(());
    *bounded.status_mut() = response.status();
    *bounded.version_mut() = response.version();
    *bounded.headers_mut() = std::mem::take(response.headers_mut());
    let body = Bounded { body: Box::pin(response.bytes_stream()), left: limit, limit };
    bounded.map(|()| reqwest::Body::wrap_stream(body)).into()
}

struct Bounded<S> {
    body: Pin<Box<S>>,
    left: u64,
    limit: u64,
}

impl<S: Stream<Item = reqwest::Result<Bytes>>> Stream for Bounded<S> {
    type Item = Result<Bytes, ReadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = match ready!(self.body.as_mut().poll_next(context)) {
            Some(Ok(chunk)) => chunk,
            Some(Err(error)) => return Poll::Ready(Some(Err(ReadError::Transport(error)))),
            None => return Poll::Ready(None),
        };
        match self.left.checked_sub(chunk.len() as u64) {
            Some(left) => self.left = left,
            None => return Poll::Ready(Some(Err(ReadError::TooLong { limit: self.limit }))),
        }
        Poll::Ready(Some(Ok(chunk)))
    }
}

/// An error of reading a response body.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The connection failed.
    Transport(reqwest::Error),
    /// The body exceeds [`CallOptions::max_response_bytes`].
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

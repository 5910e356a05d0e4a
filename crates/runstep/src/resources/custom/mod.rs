//! Requests to endpoints that this crate has no method for.

mod form;
mod path;
mod response;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use futures_util::TryFutureExt as _;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use runstep_api::ClientInfo as _;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sync_wrapper::SyncWrapper;
use tracing::field::Empty;

use crate::client::{ApiRequest, Call, Client, CompletedCall, PreparedCall, Repeatability};
use crate::error::{Error, ErrorKind, Result, Source};
use crate::transport::{RequestOptions, Response, ResponseFuture, RetryPolicy};

pub use form::Form;
pub use response::BodyStream;

/// A request to any endpoint of the server; see [`Client::request`].
///
/// Awaiting it returns the response as JSON.
#[must_use = "a request is sent when it is awaited"]
pub struct Request {
    client: Client,
    options: RequestOptions,
    method: Method,
    path: String,
    body: Body,
}

enum Body {
    Empty,
    /// A body in memory, which can be sent again.
    Chunks(Vec<Bytes>, Option<HeaderValue>),
    /// A body that can be sent once; `None` after that.
    Stream(Option<SyncWrapper<reqwest::Body>>),
    Invalid(serde_json::Error),
}

impl Client {
    /// Creates a request to an endpoint that this crate has no method for, such as those of files and
    /// vector stores; see [`docs::files`](crate::docs::files).
    ///
    /// `path` is relative to the base URL, such as `/files`, and cannot leave it. The request has the
    /// authentication, headers, timeout, errors and traces of every other request, and the same retries:
    /// methods that are idempotent are retried after any transient error, others only if they were not
    /// processed.
    ///
    /// ```no_run
    /// use runstep::reqwest::Method;
    ///
    /// # async fn example(client: runstep::Client) -> runstep::Result<()> {
    /// let files = client.request(Method::GET, "/files").query("purpose", "assistants").await?;
    /// for file in files["data"].as_array().into_iter().flatten() {
    ///     println!("{} {}", file["id"], file["filename"]);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(&self, method: Method, path: impl Into<String>) -> Request {
        Request {
            client: self.clone(),
            options: RequestOptions::default(),
            method,
            path: path.into(),
            body: Body::Empty,
        }
    }
}

impl Request {
    /// Sets the body to JSON. If the value cannot be serialized, sending the request returns an error.
    pub fn json(mut self, body: &(impl Serialize + ?Sized)) -> Self {
        let content_type = Some(HeaderValue::from_static("application/json"));
        self.body = match serde_json::to_vec(body) {
            Ok(json) => Body::Chunks(vec![json.into()], content_type),
            Err(error) => Body::Invalid(error),
        };
        self
    }

    /// Sets the body to a form with text fields and files.
    pub fn multipart(mut self, form: Form) -> Self {
        let (chunks, content_type) = form.encode();
        self.body = Body::Chunks(chunks, content_type);
        self
    }

    /// Sets the body to text, bytes, or a stream of bytes
    /// ([`reqwest::Body::wrap_stream`](reqwest::Body::wrap_stream)). Set the content type with
    /// [`header`](Self::header).
    ///
    /// A request whose body is a stream is never retried, because the stream can be read only once.
    pub fn body(mut self, body: impl Into<reqwest::Body>) -> Self {
        let body = body.into();
        self.body = match body.as_bytes() {
            Some(bytes) => Body::Chunks(vec![Bytes::copy_from_slice(bytes)], None),
            None => Body::Stream(Some(SyncWrapper::new(body))),
        };
        self
    }

    /// Adds a header. Overrides a header of the client.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.headers.push((name.into(), value.into()));
        self
    }

    /// Adds a query parameter.
    pub fn query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.query.push((name.into(), value.into()));
        self
    }

    /// Sets the timeout of one attempt, from connecting to the end of the response. Default: the
    /// client's.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout = Some(timeout);
        self
    }

    /// Sets when the request is retried. Default: the client's policy.
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.options.retry = Some(policy);
        self
    }

    /// Sends the request and returns the body of the response with its status and headers.
    ///
    /// # Errors
    ///
    /// Returns [`InvalidRequest`](ErrorKind::InvalidRequest) if the path leaves the base URL or the body
    /// cannot be serialized, and otherwise the errors of every request; see [`Error`]. A response of more
    /// than 64 MiB is an error: read it with [`stream_response`](Self::stream_response).
    pub fn send(self) -> ResponseFuture<Response<Bytes>> {
        self.call("*/*").read(CompletedCall::bytes)
    }

    /// Sends the request and decodes the response, which is JSON. A response without a body is null.
    ///
    /// # Errors
    ///
    /// In addition to the errors of [`send`](Self::send), returns [`Decode`](ErrorKind::Decode) if the
    /// response does not match the type.
    pub fn json_response<T: DeserializeOwned>(self) -> ResponseFuture<T> {
        let response = self.call("application/json").read(CompletedCall::bytes);
        Box::pin(async move { response::decode(&response.await?) })
    }

    /// Sends the request and returns the body of the response as a stream, with its status and headers.
    /// The request timeout applies until the response starts.
    ///
    /// ```no_run
    /// use runstep::reqwest::Method;
    ///
    /// # async fn example(client: runstep::Client) -> Result<(), Box<dyn std::error::Error>> {
    /// # use std::io::Write as _;
    /// let request = client.request(Method::GET, "/files/file_1/content");
    /// let mut content = request.stream_response().await?.into_inner();
    /// let mut file = std::fs::File::create("report.pdf")?;
    /// while let Some(chunk) = content.try_next().await? {
    ///     file.write_all(&chunk)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the errors of [`send`](Self::send).
    pub fn stream_response(self) -> ResponseFuture<Response<BodyStream>> {
        let body = self.call("*/*").open();
        Box::pin(body.map_ok(|response| response.map(BodyStream::new)))
    }

    fn call(self, accept: &'static str) -> Call {
        let Self { client, options, method, path, body } = self;
        Call::new(client, options, Box::new(CustomRequest { accept, method, path, body }))
    }
}

/// A request without what sends it.
struct CustomRequest {
    accept: &'static str,
    method: Method,
    path: String,
    body: Body,
}

impl ApiRequest for CustomRequest {
    fn prepare(&mut self, client: &Client) -> Result<PreparedCall> {
        let url = path::join(client.base_url(), &self.path)?;
        let mut repeatability = Repeatability::of(&self.method);
        let body = std::mem::replace(&mut self.body, Body::Empty);
        if let Body::Invalid(error) = body {
            let message = "the body cannot be serialized; nothing was sent";
            let invalid = Error::new(ErrorKind::InvalidRequest, message);
            return Err(invalid.with_source(Source::Json(error)));
        }
        self.body = body;
        repeatability.is_single_use = matches!(self.body, Body::Stream(_));
        let (address, port) = client.server();
        let span = tracing::info_span!(
            "runstep.request",
            otel.name = self.method.as_str(),
            otel.kind = "client",
            http.request.method = self.method.as_str(),
            url.path = url.path(),
            server.address = address,
            server.port = port,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
            otel.status_code = Empty,
        );
        Ok(PreparedCall { span, repeatability })
    }

    fn build(&mut self, api: &runstep_api::Client) -> Result<reqwest::Request> {
        let url = path::join(api.baseurl(), &self.path)?;
        let mut request = reqwest::Request::new(self.method.clone(), url);
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static(self.accept));
        *request.body_mut() = match &mut self.body {
            Body::Chunks(chunks, content_type) => {
                if let Some(content_type) = content_type {
                    headers.insert(CONTENT_TYPE, content_type.clone());
                }
                to_body(chunks, headers)
            }
            Body::Stream(body) => body.take().map(SyncWrapper::into_inner),
            Body::Empty | Body::Invalid(_) => None,
        };
        Ok(request)
    }
}

/// Returns a body of known length.
fn to_body(chunks: &[Bytes], headers: &mut HeaderMap) -> Option<reqwest::Body> {
    match chunks {
        [] => None,
        [chunk] => Some(chunk.clone().into()),
        chunks => {
            let length: usize = chunks.iter().map(Bytes::len).sum();
            headers.insert(CONTENT_LENGTH, length.into());
            let chunks = chunks.iter().cloned().map(Ok::<_, std::convert::Infallible>);
            let chunks: Vec<_> = chunks.collect();
            Some(reqwest::Body::wrap_stream(futures_util::stream::iter(chunks)))
        }
    }
}

impl IntoFuture for Request {
    type Output = Result<Value>;
    type IntoFuture = ResponseFuture<Value>;

    fn into_future(self) -> Self::IntoFuture {
        let response = self.call("application/json");
        response.read(|call| response::decode_value(&call.bytes()?))
    }
}

/// Shows the method and the path, not the body.
impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

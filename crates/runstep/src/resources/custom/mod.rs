//! Requests to endpoints that this crate has no method for.

mod form;
mod path;
mod response;

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue};
use runstep_api::{ClientInfo as _, ResponseHeaders, ResponseValue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sync_wrapper::SyncWrapper;
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::client::{AttemptFuture, AttemptResult, Client, Repeatability};
use crate::error::{Error, ErrorKind, Result, Source};
use crate::transport::response_body::{
    AnyResponse, CompletedCall, ReadFuture, ResponseReader, bytes,
};
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
    Stream(SyncWrapper<reqwest::Body>),
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
            None => Body::Stream(SyncWrapper::new(body)),
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
        Box::pin(self.call("*/*", read_bytes))
    }

    /// Sends the request and decodes the response, which is JSON. A response without a body is null.
    ///
    /// # Errors
    ///
    /// In addition to the errors of [`send`](Self::send), returns [`Decode`](ErrorKind::Decode) if the
    /// response does not match the type.
    pub fn json_response<T: DeserializeOwned>(self) -> ResponseFuture<T> {
        Box::pin(async move { response::decode(&self.call("application/json", read_bytes).await?) })
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
        Box::pin(async move { Ok(self.call("*/*", bytes).await?.map(BodyStream::new)) })
    }

    async fn call<T: 'static>(
        self,
        accept: &'static str,
        read: ResponseReader,
    ) -> Result<Response<T>> {
        let Self { client, options, method, path, body } = self;
        let url = path::join(client.base_url(), &path)?;
        let mut repeatability = Repeatability::of(&method);
        let (mut chunks, mut content_type, mut stream) = (Vec::new(), None, None);
        match body {
            Body::Empty => {}
            Body::Chunks(body, body_type) => (chunks, content_type) = (body, body_type),
            Body::Stream(body) => {
                repeatability.is_single_use = true;
                stream = Some(body.into_inner());
            }
            Body::Invalid(error) => {
                let message = "the body cannot be serialized; nothing was sent";
                let error =
                    Error::new(ErrorKind::InvalidRequest, message).with_source(Source::Json(error));
                return Err(error);
            }
        }
        let (address, port) = client.server();
        let span = tracing::info_span!(
            "runstep.request",
            otel.name = method.as_str(),
            otel.kind = "client",
            http.request.method = method.as_str(),
            url.path = url.path(),
            server.address = address,
            server.port = port,
            http.request.resend_count = Empty,
            http.response.status_code = Empty,
            error.type = Empty,
            otel.status_code = Empty,
        );
        let stream = std::sync::Mutex::new(stream);
        let attempt = |api: runstep_api::Client| -> AttemptFuture<'static> {
            let mut request = reqwest::Request::new(method.clone(), url.clone());
            let headers = request.headers_mut();
            headers.insert(ACCEPT, HeaderValue::from_static(accept));
            if let Some(content_type) = &content_type {
                headers.insert(CONTENT_TYPE, content_type.clone());
            }
            let single = stream.lock().ok().and_then(|mut stream| stream.take());
            let body = single.or_else(|| to_body(&chunks, &method, headers));
            *request.body_mut() = body;
            Box::pin(send(api, request, read))
        };
        let record = span.clone();
        client
            .call_with_retries(repeatability, &options, &attempt, read, record)
            .instrument(span)
            .await
            .map(CompletedCall::into_response)
    }
}

/// Returns a body of known length.
fn to_body(chunks: &[Bytes], method: &Method, headers: &mut HeaderMap) -> Option<reqwest::Body> {
    match chunks {
        [] if *method == Method::POST => {
            // Some servers and proxies reject a POST without a length.
            headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            None
        }
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

async fn send(
    api: runstep_api::Client,
    mut request: reqwest::Request,
    read: ResponseReader,
) -> AttemptResult {
    let options = api.inner();
    for (name, value) in &options.headers {
        request.headers_mut().insert(name, value.clone());
    }
    if !options.query.is_empty() {
        request.url_mut().query_pairs_mut().extend_pairs(&options.query);
    }
    let response = api.client().execute(request).await?;
    match response.status().is_success() {
        true => read(response, options.response_headers.clone()).await,
        false => Err(runstep_api::Error::UnexpectedResponse(response)),
    }
}

fn read_bytes(response: reqwest::Response, response_headers: ResponseHeaders) -> ReadFuture {
    Box::pin(async move {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response::read(response).await?;
        response_headers.put_body(body.clone());
        Ok(AnyResponse::new(ResponseValue::new(body, status, headers)))
    })
}

impl IntoFuture for Request {
    type Output = Result<Value>;
    type IntoFuture = ResponseFuture<Value>;

    fn into_future(self) -> Self::IntoFuture {
        self.json_response()
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

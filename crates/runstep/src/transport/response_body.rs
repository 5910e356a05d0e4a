//! Converts results of the generated client to values and errors.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use runstep_api::{ReadError, ResponseHeaders, ResponseValue};
use tokio::time::{Instant, timeout_at};

use super::response::Response;
use crate::error::{Error, ErrorKind, MAX_BODY, Result, Source};

type Api = runstep_api::Error<()>;

/// A response with a value of any type. Code that takes it is compiled once, and not per type of value.
pub(crate) struct AnyResponse(Box<dyn Erased>);

trait Erased: Send {
    fn status(&self) -> StatusCode;
    fn value(&self) -> &dyn Any;
    fn into_any(self: Box<Self>) -> Box<dyn Any>;
}

impl<T: Send + 'static> Erased for ResponseValue<T> {
    fn status(&self) -> StatusCode {
        ResponseValue::status(self)
    }

    fn value(&self) -> &dyn Any {
        &**self
    }

    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self
    }
}

impl AnyResponse {
    pub(crate) fn new<T: Send + 'static>(response: ResponseValue<T>) -> Self {
        Self(Box::new(response))
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.0.status()
    }

    pub(crate) fn value(&self) -> &dyn Any {
        self.0.value()
    }
}

/// The result of a call: the response, and its body if it was read as a whole.
pub(crate) struct CompletedCall {
    pub(crate) response: AnyResponse,
    pub(crate) body: Bytes,
}

impl CompletedCall {
    /// Returns the response with its value, which has the type that the attempts of the call return.
    pub(crate) fn into_response<T: 'static>(self) -> Response<T> {
        #[allow(clippy::expect_used, reason = "a call has attempts and a reader of one type")]
        let response = self
            .response
            .0
            .into_any()
            .downcast::<ResponseValue<T>>()
            .expect("all attempts of a call return a value of the type of the call");
        Response::new(*response, self.body)
    }
}

/// Reads a successful response whose status the specification does not list.
pub(crate) type ResponseReader = fn(reqwest::Response, ResponseHeaders) -> ReadFuture;

pub(crate) type ReadFuture =
    Pin<Box<dyn Future<Output = std::result::Result<AnyResponse, Api>> + Send>>;

/// Handles a response that the generated client rejects. Returns a value if the response is a success
/// nevertheless, and otherwise an error with the body, which is read until `deadline`.
pub(crate) async fn after_error(
    error: Api,
    response_headers: ResponseHeaders,
    read: ResponseReader,
    deadline: Instant,
) -> Result<CompletedCall> {
    let (mut status, mut headers) = response_headers.take();
    let error = match error {
        // The specification lists 200 only, but a run that was created with 201 exists.
        Api::UnexpectedResponse(response) if response.status().is_success() => {
            (status, headers) = (Some(response.status()), response.headers().clone());
            match timeout_at(deadline, read(response, response_headers.clone())).await {
                Ok(Ok(response)) => {
                    return Ok(CompletedCall { response, body: response_headers.take_body() });
                }
                Ok(Err(error)) => error,
                Err(_) => return Err(Error::timed_out().with_head(status, &headers)),
            }
        }
        error => error,
    };
    Err(match error {
        Api::UnexpectedResponse(response) => error_response(response, deadline).await,
        Api::InvalidResponsePayload(body, error) => {
            Error::undecodable(error, &body).with_head(status, &headers)
        }
        Api::ResponseBodyError(error) => match too_long_message(&error) {
            Some(message) => Error::new(ErrorKind::Decode, message).with_head(status, &headers),
            None => Error::http(error).with_head(status, &headers),
        },
        Api::CommunicationError(error) if error.is_builder() => Error::not_built(error),
        Api::CommunicationError(error) | Api::InvalidUpgrade(error) => Error::http(error),
        other @ (Api::InvalidRequest(_) | Api::Custom(_) | Api::ErrorResponse(_)) => {
            Error::new(ErrorKind::InvalidRequest, other.to_string())
        }
    })
}

/// Reads and decodes the whole response.
pub(crate) fn json<T: runstep_api::Decode + Send + 'static>(
    response: reqwest::Response,
    response_headers: ResponseHeaders,
) -> ReadFuture {
    Box::pin(decoded(response, response_headers, |body, status, headers| {
        let value = runstep_api::decode::<T>(body)?;
        Ok(AnyResponse::new(ResponseValue::new(value, status, headers)))
    }))
}

type Decoder = fn(&[u8], StatusCode, HeaderMap) -> serde_json::Result<AnyResponse>;

async fn decoded(
    response: reqwest::Response,
    response_headers: ResponseHeaders,
    decode: Decoder,
) -> std::result::Result<AnyResponse, Api> {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(Api::ResponseBodyError)?;
    match decode(&body, status, headers) {
        Ok(value) => {
            response_headers.put_body(body);
            Ok(value)
        }
        Err(error) => Err(Api::InvalidResponsePayload(body, error)),
    }
}

/// Returns the response as a byte stream.
pub(crate) fn bytes(response: reqwest::Response, _: ResponseHeaders) -> ReadFuture {
    Box::pin(std::future::ready(Ok(AnyResponse::new(ResponseValue::stream(response)))))
}

/// Creates the error for an error response. Reads its body up to a limit.
async fn error_response(mut response: reqwest::Response, deadline: Instant) -> Error {
    let mut body = Vec::new();
    let reading = async {
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend(chunk.iter().take(MAX_BODY - body.len())),
                Ok(None) => return BodyEnd::Complete,
                Err(error) => return BodyEnd::Failed(error),
            }
            if body.len() == MAX_BODY {
                return BodyEnd::TooLong;
            }
        }
    };
    // A partial body is still useful.
    let end = timeout_at(deadline, reading).await.unwrap_or(BodyEnd::TimedOut);
    let (status, headers) = (response.status(), response.headers());
    if status.is_redirection() {
        return Error::new(
            ErrorKind::Api,
            "the server redirects the request, but the client follows redirects only with status 307 \
             or 308, on the same host and at most five times; check the base URL",
        )
        .with_head(Some(status), headers)
        .with_body(&body);
    }
    let error = Error::api(status, headers, &body, end.truncated());
    match end {
        BodyEnd::Failed(cause) => error.with_source(Source::Http(cause.without_url())),
        _ => error,
    }
}

/// How reading the body of an error response ended.
enum BodyEnd {
    Complete,
    TooLong,
    Failed(reqwest::Error),
    TimedOut,
}

impl BodyEnd {
    /// Says why the body is incomplete, if it is.
    fn truncated(&self) -> Option<&'static str> {
        match self {
            Self::Complete => None,
            Self::TooLong => Some("was truncated"),
            Self::Failed(_) => Some("was interrupted"),
            Self::TimedOut => Some("timed out"),
        }
    }
}

/// Returns a message if the response exceeded the size limit of the client.
fn too_long_message(error: &reqwest::Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(ReadError::TooLong { .. }) = inner.downcast_ref::<ReadError>() {
            return Some(inner.to_string());
        }
        source = inner.source();
    }
    None
}

//! From what the generated client gives back to a value or an error that says what happened.

use std::future::Future;
use std::pin::Pin;

use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use runstep_api::{ByteStream, ReadError, ResponseValue};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, MAX_BODY, Result, Source};
use crate::response::Response;

type Api = runstep_api::Error<()>;

/// How a reply of success is read whose status the document does not list.
pub(crate) type Reader<T> = fn(reqwest::Response) -> Reading<T>;

type Reading<T> = Pin<Box<dyn Future<Output = std::result::Result<ResponseValue<T>, Api>> + Send>>;

/// What is to be done about a reply that the generated client does not take: a value after all, or
/// an error. The rest of it is read until then, if it takes that long.
pub(crate) async fn failed<T>(
    error: Api,
    head: (Option<StatusCode>, HeaderMap),
    read: Reader<T>,
    until: Instant,
) -> Result<Response<T>> {
    let (mut status, mut headers) = head;
    let error = match error {
        // The document lists 200 only, but a run that was made with 201 has been made.
        Api::UnexpectedResponse(response) if response.status().is_success() => {
            (status, headers) = (Some(response.status()), response.headers().clone());
            match timeout_at(until, read(response)).await {
                Ok(Ok(reply)) => return Ok(Response::new(reply)),
                Ok(Err(error)) => error,
                Err(_) => return Err(Error::timed_out().with_head(status, &headers)),
            }
        }
        error => error,
    };
    Err(match error {
        Api::UnexpectedResponse(response) => refused(response, until).await,
        Api::InvalidResponsePayload(body, error) => {
            Error::new(ErrorKind::Decode, format!("the reply cannot be decoded: {error}"))
                .with_source(Source::Json(error))
                .with_head(status, &headers)
                .with_body(&body)
        }
        Api::ResponseBodyError(error) => match too_long(&error) {
            Some(message) => Error::new(ErrorKind::Decode, message).with_head(status, &headers),
            None => Error::http(error).with_head(status, &headers),
        },
        Api::CommunicationError(error) if error.is_builder() => {
            Error::new(ErrorKind::InvalidRequest, "the request cannot be built")
                .with_source(Source::Http(error.without_url()))
        }
        Api::CommunicationError(error) | Api::InvalidUpgrade(error) => Error::http(error),
        other @ (Api::InvalidRequest(_) | Api::Custom(_) | Api::ErrorResponse(_)) => {
            Error::new(ErrorKind::InvalidRequest, other.to_string())
        }
    })
}

/// The whole reply, decoded.
pub(crate) fn json<T: DeserializeOwned + Send + 'static>(
    response: reqwest::Response,
) -> Reading<T> {
    Box::pin(async move {
        let (status, headers) = (response.status(), response.headers().clone());
        let body = response.bytes().await.map_err(Api::ResponseBodyError)?;
        match runstep_api::decode(&body) {
            Ok(value) => Ok(ResponseValue::new(value, status, headers)),
            Err(error) => Err(Api::InvalidResponsePayload(body, error)),
        }
    })
}

/// The reply as it comes.
pub(crate) fn bytes(response: reqwest::Response) -> Reading<ByteStream> {
    Box::pin(std::future::ready(Ok(ResponseValue::stream(response))))
}

/// An error reply; its body is read as far as it is of use.
async fn refused(mut response: reqwest::Response, until: Instant) -> Error {
    let mut body = Vec::new();
    let reading = async {
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => body.extend(chunk.iter().take(MAX_BODY - body.len())),
                Ok(None) => return Ending::Whole,
                Err(error) => return Ending::Broken(error),
            }
            if body.len() == MAX_BODY {
                return Ending::Long;
            }
        }
    };
    // What came in time tells something.
    let ending = timeout_at(until, reading).await.unwrap_or(Ending::Late);
    let (status, headers) = (response.status(), response.headers());
    if status.is_redirection() {
        return Error::new(
            ErrorKind::Api,
            "the server redirects where the client does not follow: to another host, in a circle, or \
             not by 307 or 308, which alone leave a request as it is; is the base URL right?",
        )
        .with_head(Some(status), headers)
        .with_body(&body);
    }
    let error = Error::api(status, headers, &body, ending.cut());
    match ending {
        Ending::Broken(cause) => error.with_source(Source::Http(cause.without_url())),
        _ => error,
    }
}

/// How the reading of an error reply's body ended.
enum Ending {
    Whole,
    Long,
    Broken(reqwest::Error),
    Late,
}

impl Ending {
    /// What is to be said of a body that is not whole.
    fn cut(&self) -> Option<&'static str> {
        match self {
            Self::Whole => None,
            Self::Long => Some("is longer than an error is read"),
            Self::Broken(_) => Some("broke off"),
            Self::Late => Some("did not come whole before the timeout"),
        }
    }
}

/// Whether reading stopped because the reply is longer than the client takes.
fn too_long(error: &reqwest::Error) -> Option<String> {
    let mut source = std::error::Error::source(error);
    while let Some(inner) = source {
        if let Some(ReadError::TooLong { .. }) = inner.downcast_ref::<ReadError>() {
            return Some(inner.to_string());
        }
        source = inner.source();
    }
    None
}

//! Receives responses: their status and headers, and their bodies up to a limit.

use bytes::Bytes;
use reqwest::StatusCode;
use reqwest::header::HeaderMap;
use runstep_api::{ByteStream, ReadError, read_body};
use tokio::time::{Instant, timeout_at};

use crate::error::{Error, ErrorKind, MAX_BODY, Result, Source};

/// The status and headers of a response, and its body if that was read as a whole.
#[derive(Clone, Default)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why an attempt has no successful response.
pub(crate) enum Failure {
    /// The status of the response is not a success.
    Rejected(reqwest::Response),
    /// The request was not sent, or the response was not received.
    Failed(Error),
}

/// Sends a request, and receives the response if it is a success. The specification lists 200 only, but a
/// run that was created with 201 exists.
///
/// Reads at most `limit` bytes. Without a limit, returns the body as a stream. `head` has the status and the
/// headers as soon as they arrive, also if the future is dropped after that.
pub(crate) async fn receive(
    client: &reqwest::Client,
    request: reqwest::Request,
    limit: Option<u64>,
    head: &mut Option<ResponseHead>,
) -> Result<Option<ByteStream>, Failure> {
    let response = client.execute(request).await;
    let mut response = response.map_err(|error| Failure::Failed(not_sent(error)))?;
    if !response.status().is_success() {
        return Err(Failure::Rejected(response));
    }
    let (status, headers) = (response.status(), std::mem::take(response.headers_mut()));
    let head = head.insert(ResponseHead { status, headers, body: Bytes::new() });
    let Some(limit) = limit else {
        return Ok(Some(ByteStream::new(Box::pin(response.bytes_stream()))));
    };
    head.body = read_body(response, limit).await.map_err(|error| {
        Failure::Failed(match error {
            ReadError::Transport(error) => Error::http(error),
            error => Error::new(ErrorKind::Decode, error.to_string()),
        })
    })?;
    Ok(None)
}

fn not_sent(error: reqwest::Error) -> Error {
    if error.is_builder() { Error::not_built(error) } else { Error::http(error) }
}

/// Creates the error for a request that the generated client did not build.
#[cold]
pub(crate) fn not_built(error: runstep_api::Error<()>) -> Error {
    match error {
        runstep_api::Error::CommunicationError(error) => not_sent(error),
        error => Error::new(ErrorKind::InvalidRequest, error.to_string()),
    }
}

/// Creates the error for an error response. Reads its body up to a limit, until `deadline`.
pub(crate) async fn error_response(mut response: reqwest::Response, deadline: Instant) -> Error {
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
    if status.is_redirection() && status != StatusCode::NOT_MODIFIED {
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

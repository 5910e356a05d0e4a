//! The response to a streaming request: events, or a run from a server that does not stream.

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use reqwest::header::{CONTENT_TYPE, HeaderMap};
use runstep_api::ByteStream;

use super::connection::Body;
use super::run_api::{FetchedRun, StreamResponse};
use crate::error::{Error, ErrorKind, Result};
use crate::headers;
use crate::transport::Response;

/// Maximum length of a JSON response to a streaming request, as with every other request.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// How much of a response that is not a stream of events is kept for the error, in bytes.
const MAX_START_BYTES: usize = 1024;

/// Distinguishes a stream of events from a JSON object by the content type of the response.
pub(super) async fn read_response(response: Response<ByteStream>) -> Result<StreamResponse> {
    let (status, headers) = (response.status(), response.header_map().clone());
    let poll_after = headers::poll_after(&headers);
    let mut chunks = response.into_inner().into_inner();
    if !has_type(&headers, b"application/json") {
        let body = Box::pin(chunks.map_err(Error::http));
        let is_stream = has_type(&headers, b"text/event-stream")
            && headers::unsupported_encoding(&headers).is_none();
        return Ok(StreamResponse::Events(match is_stream {
            true => body,
            false => checked(body, status, headers),
        }));
    }
    let mut body = Vec::new();
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Error::http(error).with_headers(&headers))?;
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            let message = format!("the response exceeds {MAX_RESPONSE_BYTES} bytes");
            return Err(Error::new(ErrorKind::Decode, message).with_headers(&headers));
        }
        body.extend_from_slice(&chunk);
    }
    let run = runstep_api::decode(&body).map_err(|error| {
        Error::undecodable(error, &body).with_status(status).with_headers(&headers)
    })?;
    Ok(StreamResponse::Run(Box::new(FetchedRun { run, poll_after })))
}

fn has_type(headers: &HeaderMap, content_type: &[u8]) -> bool {
    headers
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(content_type))
}

/// Ends a body with an error unless it begins as a stream of events, which some servers send with another
/// content type.
fn checked(body: Body, status: u16, headers: HeaderMap) -> Body {
    let mut start = Vec::new();
    let chunks = body.map(Some).chain(stream::iter([None])).filter_map(move |chunk| {
        let chunk = match chunk {
            Some(Ok(bytes)) => {
                start.extend(bytes.iter().take(MAX_START_BYTES - start.len()));
                Some(Ok(bytes))
            }
            None if !begins_as_events(&start) => {
                Some(Err(Error::not_events(status, &headers, &start)))
            }
            error => error,
        };
        std::future::ready(chunk)
    });
    Box::pin(chunks)
}

/// Returns whether the first line of a body is a field or a comment of a server-sent event.
fn begins_as_events(start: &[u8]) -> bool {
    let start = start.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(start).trim_ascii_start();
    let names: [&[u8]; 5] = [b":", b"event:", b"data:", b"id:", b"retry:"];
    names.iter().any(|name| start.starts_with(name))
}

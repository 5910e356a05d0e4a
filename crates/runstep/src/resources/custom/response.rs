//! Responses of any type.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use runstep_api::ByteStream;
use serde::de::{DeserializeOwned, Error as _};
use sync_wrapper::SyncWrapper;

use crate::error::{Error, Result};
use crate::transport::{BoxStream, Response, boxed_stream};

/// Maximum length of a response that is read as a whole, as with every other request.
const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// The body of a response as it arrives; see [`Request::stream_response`](crate::Request::stream_response).
///
/// An error ends the stream.
#[must_use = "a stream does nothing until it is polled"]
pub struct BodyStream(BoxStream<Bytes>);

impl BodyStream {
    pub(super) fn new(body: ByteStream) -> Self {
        Self(SyncWrapper::new(body.into_inner().map_err(Error::http).boxed()))
    }

    /// Returns the next chunk, or `None` at the end.
    ///
    /// # Errors
    ///
    /// Returns an error if the connection fails.
    pub async fn try_next(&mut self) -> Result<Option<Bytes>> {
        self.next().await.transpose()
    }
}

boxed_stream!(BodyStream -> Bytes);

/// Reads the whole body of a successful response.
pub(super) async fn read(
    mut response: reqwest::Response,
) -> std::result::Result<Bytes, runstep_api::Error<()>> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(runstep_api::Error::ResponseBodyError)? {
        if body.is_empty() && response.content_length() == Some(chunk.len() as u64) {
            return Ok(chunk);
        }
        if body.len() + chunk.len() > MAX_RESPONSE_BYTES {
            let message = format!("it exceeds {MAX_RESPONSE_BYTES} bytes");
            let error = serde_json::Error::custom(message);
            return Err(runstep_api::Error::InvalidResponsePayload(body.into(), error));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.into())
}

/// Decodes a response. A response without a body is null.
pub(super) fn decode<T: DeserializeOwned>(response: &Response<Bytes>) -> Result<T> {
    let body: &[u8] = match response.value().as_ref() {
        b"" => b"null",
        body => body,
    };
    runstep_api::decode_any(body).map_err(|error| {
        Error::undecodable(error, response.value())
            .with_status(response.status())
            .with_headers(response.header_map())
    })
}

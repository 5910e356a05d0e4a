//! Responses of any type.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use runstep_api::ByteStream;
use serde::de::DeserializeOwned;
use sync_wrapper::SyncWrapper;

use crate::error::{Error, Result};
use crate::transport::{BoxStream, Response, boxed_stream};

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

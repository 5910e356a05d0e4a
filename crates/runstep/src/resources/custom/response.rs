//! Responses of any type.

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use runstep_api::ByteStream;
use serde::de::DeserializeOwned;
use serde_json::Value;
use sync_wrapper::SyncWrapper;

use crate::error::{Error, Result, without_mark};
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
    runstep_api::decode_any(body(response)).map_err(|error| undecodable(error, response))
}

/// Decodes a response as any JSON. A response without a body is null.
pub(super) fn decode_value(response: &Response<Bytes>) -> Result<Value> {
    runstep_api::parse_value(body(response)).map_err(|error| undecodable(error, response))
}

fn body(response: &Response<Bytes>) -> &[u8] {
    match without_mark(response.body()) {
        b"" => b"null",
        body => body,
    }
}

fn undecodable(error: serde_json::Error, response: &Response<Bytes>) -> Error {
    Error::undecodable(error, response.value())
        .with_status(response.status())
        .with_headers(response.header_map())
}

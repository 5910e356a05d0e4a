//! Events as they are written.

use std::io::Write as _;

use axum::body::Bytes;
use runstep_api::types::{ErrorResponse, StreamEvent};

/// What an event takes besides its name and its data.
const FRAME: usize = 48;

/// An event that a stream can be resumed after.
pub(super) fn numbered(number: u64, event: &StreamEvent) -> Bytes {
    written(Some(number), event)
}

/// An event that is no part of its run.
pub(crate) fn unnumbered(event: &StreamEvent) -> Bytes {
    written(None, event)
}

fn written(number: Option<u64>, event: &StreamEvent) -> Bytes {
    // Clients that get a bare error object take the stream for complete.
    let data = match event {
        StreamEvent::Error(error) => serde_json::to_string(&ErrorResponse::new(error.clone())),
        event => event.data(),
    };
    // The server's own objects can always be written as JSON, and that on one line.
    let data = data.unwrap_or_default();
    let name = event.event();
    let mut bytes = Vec::with_capacity(FRAME + name.len() + data.len());
    // Nor can writing to memory fail.
    let _ = match number {
        Some(number) => write!(bytes, "id: {number}\nevent: {name}\ndata: {data}\n\n"),
        None => write!(bytes, "event: {name}\ndata: {data}\n\n"),
    };
    bytes.into()
}

//! The encoding of events as server-sent events.

use std::io::Write as _;

use axum::body::Bytes;
use runstep_api::types::{ErrorResponse, StreamEvent};

use crate::text::escape_line_separators;

/// An estimate of the bytes of an event besides its name and its data.
const OVERHEAD: usize = 48;

/// Encodes an event. Events of a run's log have a number, after which a stream can be resumed.
pub(crate) fn encode(number: Option<u64>, event: &StreamEvent) -> Bytes {
    // Some clients do not recognize a bare error object and take the stream for a complete one.
    let data = match event {
        StreamEvent::Error(error) => serde_json::to_string(&ErrorResponse::new(error.clone())),
        event => event.data(),
    };
    // Serializing the server's own objects to one line of JSON cannot fail.
    let data = escape_line_separators(data.unwrap_or_default());
    let name = event.event();
    let mut bytes = Vec::with_capacity(OVERHEAD + name.len() + data.len());
    // Writing to memory cannot fail.
    let _ = match number {
        Some(number) => write!(bytes, "id: {number}\nevent: {name}\ndata: {data}\n\n"),
        None => write!(bytes, "event: {name}\ndata: {data}\n\n"),
    };
    bytes.into()
}

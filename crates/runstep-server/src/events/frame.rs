//! The encoding of events as server-sent events.

use std::io::Write as _;

use axum::body::Bytes;
use runstep_api::types::{ErrorResponse, StreamEvent};

use crate::text::escape_line_separators;

/// An estimate of the bytes of an event besides its name and its data.
const OVERHEAD: usize = 48;

/// The property of a stored step that only the server reads.
pub(crate) const HIDDEN_PROPERTY: &str = "_hidden";

/// An encoded event of a run.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    /// Whether this is the `done` of an execution.
    pub(crate) is_done: bool,
}

impl Frame {
    pub(crate) fn new(number: u64, event: &StreamEvent) -> Self {
        let is_done = matches!(event, StreamEvent::Done);
        Self { bytes: encode(Some(number), event), is_done }
    }
}

/// Returns the part of a chunk after its first `count` events.
pub(super) fn skip_events(chunk: &Bytes, count: u64) -> Bytes {
    // JSON has no line feeds, so a blank line only occurs at the end of an event.
    let mut ends = memchr::memmem::find_iter(chunk, b"\n\n").map(|position| position + 2);
    let skipped = match usize::try_from(count).unwrap_or(usize::MAX).checked_sub(1) {
        Some(index) => ends.nth(index).unwrap_or(chunk.len()),
        None => 0,
    };
    chunk.slice(skipped..)
}

/// Returns the text of an event without the property that clients do not get.
fn data(event: &StreamEvent) -> serde_json::Result<String> {
    let step = match event {
        StreamEvent::StepCreated(step)
        | StreamEvent::StepInProgress(step)
        | StreamEvent::StepCompleted(step)
        | StreamEvent::StepFailed(step)
        | StreamEvent::StepCancelled(step)
        | StreamEvent::StepExpired(step) => step,
        event => return event.data(),
    };
    if !step.other().contains_key(HIDDEN_PROPERTY) {
        return event.data();
    }
    let mut step = step.clone();
    step.other_mut().remove(HIDDEN_PROPERTY);
    serde_json::to_string(&step)
}

/// Encodes an event. Events of a run's log have a number, after which a stream can be resumed.
pub(crate) fn encode(number: Option<u64>, event: &StreamEvent) -> Bytes {
    // Some clients do not recognize a bare error object and take the stream for a complete one.
    let data = match event {
        StreamEvent::Error(error) => serde_json::to_string(&ErrorResponse::new(error.clone())),
        event => data(event),
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

//! The encoding of events as server-sent events.

use std::borrow::Cow;
use std::io::Write as _;

use axum::body::Bytes;
use runstep_api::types::{ErrorResponse, StreamEvent};

use crate::json_text::LongMembers;
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

/// Encoded events with consecutive numbers, in one text.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// For each event its end in the text, and whether it is `done`.
    ends: Vec<(usize, bool)>,
}

impl Frames {
    /// Creates frames that follow encoded events.
    pub(crate) fn after(bytes: Vec<u8>) -> Self {
        let ends = Vec::new();
        Self { bytes, ends }
    }

    /// Appends an event. An event with a run gets the long members of the run.
    pub(crate) fn push(&mut self, number: u64, event: &StreamEvent, long: &LongMembers) {
        let name = event.event();
        if name.starts_with("thread.run.") && !name.starts_with("thread.run.step.") {
            let data = event_data(event);
            // Writing to memory cannot fail.
            let _ = write!(self.bytes, "id: {number}\nevent: {name}\ndata: ");
            long.join_event(data.as_bytes(), &mut self.bytes);
            self.bytes.extend_from_slice(b"\n\n");
        } else {
            self.bytes.extend_from_slice(&encode(Some(number), event));
        }
        self.ends.push((self.bytes.len(), matches!(event, StreamEvent::Done)));
    }

    /// Returns the frames, which share the text, and the whole text with what precedes them.
    pub(crate) fn finish(self, start: usize) -> (Vec<Frame>, Bytes) {
        let bytes = Bytes::from(self.bytes.into_boxed_slice());
        let mut start = start;
        let frames = self.ends.into_iter().map(|(end, is_done)| {
            let frame = Frame { bytes: bytes.slice(start..end), is_done };
            start = end;
            frame
        });
        (frames.collect(), bytes)
    }
}

/// Returns the text of an event without the property that clients do not get.
fn visible_data(event: &StreamEvent) -> serde_json::Result<String> {
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

/// Returns the data of an event as one line.
fn event_data(event: &StreamEvent) -> String {
    // Some clients do not recognize a bare error object and take the stream for a complete one.
    let data = match event {
        StreamEvent::Error(error) => serde_json::to_string(&ErrorResponse::new(error.clone())),
        event => visible_data(event),
    };
    // Serializing the server's own objects to one line of JSON cannot fail.
    let data = data.unwrap_or_default();
    match escape_line_separators(&data) {
        Cow::Borrowed(_) => data,
        Cow::Owned(escaped) => escaped,
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

/// Encodes an event. Events of a run's log have a number, after which a stream can be resumed.
pub(crate) fn encode(number: Option<u64>, event: &StreamEvent) -> Bytes {
    let data = event_data(event);
    let name = event.event();
    let mut bytes = Vec::with_capacity(OVERHEAD + name.len() + data.len());
    // Writing to memory cannot fail.
    let _ = match number {
        Some(number) => write!(bytes, "id: {number}\nevent: {name}\ndata: {data}\n\n"),
        None => write!(bytes, "event: {name}\ndata: {data}\n\n"),
    };
    bytes.into()
}

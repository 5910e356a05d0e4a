//! The encoding of events as server-sent events.

use std::borrow::Cow;
use std::io::Write as _;

use axum::body::Bytes;
use runstep_api::encode_into;
use runstep_api::types::{ErrorResponse, StreamEvent};

use crate::text::escape_line_separators;

/// An estimate of the bytes of an event besides its data, and of those of a delta.
const OVERHEAD: usize = 80;
const DELTA_BYTES: usize = 200;

/// An event before it is encoded.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// An object in a state, as JSON that the store can share.
    Object {
        /// For example `thread.run.completed`.
        name: String,
        json: Bytes,
    },
    /// Another event.
    Other(StreamEvent),
}

/// An encoded event of a run.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Bytes,
    /// Whether this is the `done` of an execution.
    pub(crate) is_done: bool,
}

/// Encoded events with consecutive numbers, in one text.
#[derive(Debug)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// For each event its end in the text, and whether it is `done`.
    ends: Vec<(usize, bool)>,
}

impl Event {
    /// Returns the event that an object of a kind, for example `thread.run`, is in a state.
    pub(crate) fn object(kind: &str, state: &str, json: Bytes) -> Self {
        Self::Object { name: [kind, ".", state].concat(), json }
    }

    /// Returns whether this is a part of an object.
    pub(crate) fn is_delta(&self) -> bool {
        matches!(self, Self::Other(StreamEvent::MessageDelta(_) | StreamEvent::StepDelta(_)))
    }

    fn is_done(&self) -> bool {
        matches!(self, Self::Other(StreamEvent::Done))
    }

    fn name(&self) -> &str {
        match self {
            Self::Object { name, .. } => name,
            Self::Other(event) => event.event(),
        }
    }

    /// Appends the data as one line.
    fn write_data(&self, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        match self {
            Self::Object { json, .. } => bytes.extend_from_slice(json),
            Self::Other(StreamEvent::MessageDelta(delta)) => encode_into(delta, bytes),
            Self::Other(StreamEvent::StepDelta(delta)) => encode_into(delta, bytes),
            // Some clients do not recognize a bare error object and take the stream for a complete one.
            Self::Other(StreamEvent::Error(error)) => {
                encode_into(&ErrorResponse::new(error.clone()), bytes);
            }
            // Serializing the server's own objects cannot fail.
            Self::Other(event) => bytes.extend(event.data().unwrap_or_default().into_bytes()),
        }
        let data = bytes.get(start..).unwrap_or_default();
        if !data.is_ascii()
            && let Ok(text) = std::str::from_utf8(data)
            && let Cow::Owned(escaped) = escape_line_separators(text)
        {
            bytes.truncate(start);
            bytes.extend_from_slice(escaped.as_bytes());
        }
    }

    /// Estimates the length of the encoded event.
    fn size_hint(&self) -> usize {
        match self {
            Self::Object { json, .. } => OVERHEAD + json.len(),
            Self::Other(_) => OVERHEAD + DELTA_BYTES,
        }
    }

    /// Appends the event. Events of a run's log have a number, after which a stream can be resumed.
    fn write(&self, number: Option<u64>, bytes: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        if let Some(number) = number {
            let _ = writeln!(bytes, "id: {number}");
        }
        for text in ["event: ", self.name(), "\ndata: "] {
            bytes.extend_from_slice(text.as_bytes());
        }
        self.write_data(bytes);
        bytes.extend_from_slice(b"\n\n");
    }
}

impl From<StreamEvent> for Event {
    fn from(event: StreamEvent) -> Self {
        Self::Other(event)
    }
}

impl Frame {
    pub(crate) fn new(number: u64, event: &Event) -> Self {
        Self { bytes: encode(Some(number), event), is_done: event.is_done() }
    }
}

impl Frames {
    /// Encodes events that follow encoded ones. The first of them gets this number.
    pub(crate) fn encode<'a>(
        preceding: &[u8],
        first: u64,
        events: impl Iterator<Item = &'a Event> + Clone,
    ) -> Self {
        let length: usize = events.clone().map(Event::size_hint).sum();
        let mut bytes = Vec::with_capacity(preceding.len() + length);
        bytes.extend_from_slice(preceding);
        let ends = events.zip(first..).map(|(event, number)| {
            event.write(Some(number), &mut bytes);
            (bytes.len(), event.is_done())
        });
        let ends = ends.collect();
        Self { bytes, ends }
    }

    /// Returns the frames, which share the text, and the whole text with what precedes them.
    pub(crate) fn finish(self, start: usize) -> (Vec<Frame>, Bytes) {
        let mut text = self.bytes;
        // The store keeps it. Copying the whole text to save a little memory would take longer.
        if text.capacity() > text.len() + text.len() / 8 {
            text.shrink_to_fit();
        }
        let bytes = Bytes::from(text);
        let mut start = start;
        let frames = self.ends.into_iter().map(|(end, is_done)| {
            let frame = Frame { bytes: bytes.slice(start..end), is_done };
            start = end;
            frame
        });
        (frames.collect(), bytes)
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

/// Encodes an event.
pub(crate) fn encode(number: Option<u64>, event: &Event) -> Bytes {
    let mut bytes = Vec::with_capacity(event.size_hint());
    event.write(number, &mut bytes);
    bytes.into_boxed_slice().into()
}

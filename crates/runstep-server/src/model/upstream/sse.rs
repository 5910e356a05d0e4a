//! Reads the server-sent events of a response, with a limit on their length.

use std::io;
use std::pin::Pin;

use axum::body::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

/// The length of a line and of an event. A complete function call can be in one line.
pub(super) const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Reads the events of a response.
pub(super) struct SseReader {
    lines: FramedRead<StreamReader<ByteStream, Bytes>, LinesCodec>,
}

/// A server-sent event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SseEvent {
    /// Whether the event is named `error`.
    pub(super) is_error: bool,
    pub(super) data: String,
}

impl SseEvent {
    /// Returns whether the event marks the end of the response.
    pub(super) fn is_end(&self) -> bool {
        self.data == "[DONE]"
    }
}

/// The reason why the next event cannot be read.
#[derive(Debug)]
pub(super) enum SseError {
    TooLong,
    /// The connection failed, or a line is not valid UTF-8.
    Read(io::Error),
}

impl SseReader {
    pub(super) fn new(response: reqwest::Response) -> Self {
        let bytes: ByteStream = Box::pin(response.bytes_stream().map_err(io::Error::other));
        let codec = LinesCodec::new_with_max_length(MAX_EVENT_BYTES);
        Self { lines: FramedRead::new(StreamReader::new(bytes), codec) }
    }

    /// Returns the next event, or `None` at the end. The last event needs no blank line after it,
    /// because some providers omit it.
    pub(super) async fn next(&mut self) -> Result<Option<SseEvent>, SseError> {
        let mut event = SseEvent::default();
        while let Some(line) = self.lines.next().await {
            let line = line.map_err(|error| match error {
                LinesCodecError::MaxLineLengthExceeded => SseError::TooLong,
                LinesCodecError::Io(error) => SseError::Read(error),
            })?;
            if line.is_empty() {
                if event.data.is_empty() {
                    event = SseEvent::default();
                    continue;
                }
                return Ok(Some(event));
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => {
                    if event.data.len() + value.len() >= MAX_EVENT_BYTES {
                        return Err(SseError::TooLong);
                    }
                    if !event.data.is_empty() {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                }
                "event" => event.is_error = value == "error",
                // Comments and all other fields are irrelevant here.
                _ => {}
            }
        }
        Ok(Some(event).filter(|event| !event.data.is_empty()))
    }
}

//! Cuts a reply into the data of its server-sent events, each line of them bounded.

use std::io;
use std::pin::Pin;

use axum::body::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

/// How long a line, and an event, may be; a function call that comes whole is one line.
pub(super) const MAX_EVENT_BYTES: usize = 4 * 1024 * 1024;

type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// The events of a reply.
pub(super) struct Events {
    lines: FramedRead<StreamReader<ByteStream, Bytes>, LinesCodec>,
}

/// An event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// Whether it is named `error`.
    pub(super) is_error: bool,
    pub(super) data: String,
}

impl Event {
    /// Whether it marks the end of the reply.
    pub(super) fn is_end(&self) -> bool {
        self.data == "[DONE]"
    }
}

/// Why there is no next event.
#[derive(Debug)]
pub(super) enum EventsError {
    TooLong,
    /// The connection failed, or what came is no UTF-8.
    Read(io::Error),
}

impl Events {
    pub(super) fn new(response: reqwest::Response) -> Self {
        let bytes: ByteStream = Box::pin(response.bytes_stream().map_err(io::Error::other));
        let codec = LinesCodec::new_with_max_length(MAX_EVENT_BYTES);
        Self { lines: FramedRead::new(StreamReader::new(bytes), codec) }
    }

    /// The next event; none at the end. An event that the end cuts is given too: providers forget
    /// the empty line after their last.
    pub(super) async fn next(&mut self) -> Result<Option<Event>, EventsError> {
        let mut event = Event::default();
        while let Some(line) = self.lines.next().await {
            let line = line.map_err(|error| match error {
                LinesCodecError::MaxLineLengthExceeded => EventsError::TooLong,
                LinesCodecError::Io(error) => EventsError::Read(error),
            })?;
            if line.is_empty() {
                if event.data.is_empty() {
                    event = Event::default();
                    continue;
                }
                return Ok(Some(event));
            }
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "data" => {
                    if event.data.len() + value.len() >= MAX_EVENT_BYTES {
                        return Err(EventsError::TooLong);
                    }
                    if !event.data.is_empty() {
                        event.data.push('\n');
                    }
                    event.data.push_str(value);
                }
                "event" => event.is_error = value == "error",
                // A comment, an id, or nothing that matters here.
                _ => {}
            }
        }
        Ok(Some(event).filter(|event| !event.data.is_empty()))
    }
}

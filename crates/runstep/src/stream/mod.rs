//! Runs as they go: events, snapshots, and an end that always comes.

mod decoder;
mod identity;
mod leg;
mod open;
mod progress;
mod recovery;
mod remote;
mod run_stream;
mod snapshots;
#[cfg(test)]
mod tests;
mod text;
mod text_delta;

use runstep_api::types::{Message, Run, RunStep};

pub use decoder::{DEFAULT_MAX_EVENT_BYTES, EventDecoder, EventTooLong, ServerSentEvent};
pub use open::{DEFAULT_IDLE_TIMEOUT, OpenStream};
pub(crate) use open::{StartStream, WhichRun};
pub use run_stream::RunStream;
pub(crate) use text::TellsRun;
pub use text::TextDeltas;

/// Why a stream has ended; see [`RunStream::end`]. The run itself is in [`RunStream::run`], and
/// [`RunExt::outcome`](crate::RunExt::outcome) has the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunStreamEnd {
    /// The run completed.
    Completed,
    /// The run waits for tool outputs; [`RunStream::submit_tool_outputs`] goes on.
    RequiresAction,
    /// The run failed.
    Failed,
    /// The run ended early.
    Incomplete,
    /// The run was cancelled.
    Cancelled,
    /// The run ran out of time.
    Expired,
    /// The stream was cut, and that could not be made up for. The run may go on.
    Cut,
}

/// What a stream has told in all; see [`RunStream::collect`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CollectedRun {
    /// The run at the end.
    pub run: Run,
    /// Its messages, oldest first.
    pub messages: Vec<Message>,
    /// Its steps, oldest first.
    pub steps: Vec<RunStep>,
    /// Why the stream ended.
    pub end: RunStreamEnd,
}

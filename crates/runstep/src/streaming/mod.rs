//! Streams of run events, with snapshots, reconnection and a guaranteed end.
//!
//! ```text
//! bytes ─▶ sse ─▶ connection ─▶ run_stream ─▶ caller
//!                                │     ▲
//!                      run_state ┘     └ recovery (after a lost connection)
//! ```
//!
//! [`RunStream`] is the state machine; `run_stream` documents its states. `run_state` applies events
//! to snapshots and synthesizes the events that a lost connection has dropped.

mod connection;
mod event_ids;
mod event_template;
mod follow;
mod open;
#[cfg(feature = "test-util")]
mod recorded;
mod recovery;
mod response;
mod run_api;
mod run_state;
mod run_stream;
mod settings;
mod snapshots;
mod sse;
#[cfg(test)]
mod tests;
mod text_delta_decoder;
mod text_deltas;

pub use follow::{FollowRun, FollowRunParams};
#[cfg(feature = "tools")]
pub(crate) use open::{open, waiting_for_outputs};
pub use run_stream::{CollectedRun, RunStream, StreamEnd};
pub use text_deltas::{RunEventSource, TextDeltas};

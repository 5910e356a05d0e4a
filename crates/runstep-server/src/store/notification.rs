//! Notifications between the nodes that share a store, so that they need not wait for the next poll.

use super::object::{EventChunk, RunKey};

/// News of another node. Notifications are hints: some can be lost, repeated or late, and the state
/// that they are about is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    not(any(test, feature = "postgres")),
    expect(dead_code, reason = "a file and memory have one node")
)]
pub(crate) enum Notification {
    /// Events of a run were committed, or the run was changed.
    RunChanged(RunKey),
    /// A run has to stop: it is being cancelled, or its thread was deleted.
    RunStopped(RunKey),
    /// Deltas of a run that are not committed yet.
    Deltas(RunKey, EventChunk),
    /// Runs without an owner can be claimed.
    RunsReleased,
    /// Notifications may have been lost, such as after a lost connection to the database.
    Lost,
}

//! Limits on what clients can use at a time.

use std::time::Duration;

/// What a model gets of the earlier runs of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum History {
    /// Their messages, with the calls of functions and built-in tools in their places, and their
    /// outputs. The default.
    #[default]
    Calls,
    /// Only their messages.
    MessagesOnly,
}

impl History {
    pub(crate) fn has_calls(self) -> bool {
        self == Self::Calls
    }
}

/// Bounds on the memory and the time that clients can use.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    /// The maximum length of a request body.
    pub(crate) max_body_bytes: usize,
    /// The maximum length of all long request bodies that are being read or parsed.
    pub(crate) max_buffered_body_bytes: usize,
    /// The maximum number of runs in progress.
    pub(crate) max_concurrent_runs: usize,
    /// The same for all nodes of a database together.
    pub(crate) max_concurrent_runs_of_all_nodes: usize,
    /// The maximum number of runs that wait to be in progress.
    pub(crate) max_queued_runs: usize,
    /// The maximum number of open event streams.
    pub(crate) max_open_streams: usize,
    /// The maximum number of prompt tokens of a run whose truncation strategy is `auto`.
    pub(crate) max_context_tokens: u64,
    /// The maximum estimated size of all objects.
    pub(crate) max_stored_bytes: usize,
    /// The maximum estimated size of what is in memory for one key, if there are keys.
    pub(crate) max_stored_bytes_per_key: usize,
    /// The maximum number of open connections.
    pub(crate) max_connections: usize,
    /// Time for the head of a request, then for its body and the start of the response, and for a
    /// client to read any part of a response.
    pub(crate) request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body_bytes: 8 * 1024 * 1024,
            max_buffered_body_bytes: 64 * 1024 * 1024,
            max_concurrent_runs: 1024,
            max_concurrent_runs_of_all_nodes: usize::MAX,
            max_queued_runs: 4096,
            max_open_streams: 4096,
            max_context_tokens: 128_000,
            max_stored_bytes: 1024 * 1024 * 1024,
            max_stored_bytes_per_key: 512 * 1024 * 1024,
            max_connections: 8192,
            request_timeout: Duration::from_secs(60),
        }
    }
}

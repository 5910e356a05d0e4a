//! Settings of a stream.

use std::time::Duration;

use runstep_api::types::RunInclude;

use crate::client::Client;
use crate::run_request::RunOptions;
use crate::transport::{Backoff, PollErrorPolicy};

/// Settings of a stream.
#[derive(Clone, Debug)]
pub(super) struct StreamSettings {
    /// Optional fields of steps, also when the steps are fetched.
    pub(super) include: Vec<RunInclude>,
    /// Whether to recover from a lost connection and to reconcile snapshots.
    pub(super) reconnect: bool,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) max_event_bytes: usize,
    pub(super) recovery_deadline: Duration,
    /// The total time of a segment, or of the whole stream within a tool loop.
    pub(super) deadline: Duration,
    pub(super) cancel_on_deadline: bool,
    pub(super) cancel_on_drop: bool,
    pub(super) backoff: Option<Backoff>,
    pub(super) error_policy: PollErrorPolicy,
}

impl StreamSettings {
    pub(super) fn new(client: &Client, options: &RunOptions, include: &[RunInclude]) -> Self {
        Self {
            include: include.to_vec(),
            reconnect: options.reconnect,
            idle_timeout: options.idle_timeout,
            max_event_bytes: options.max_event_bytes,
            recovery_deadline: options.recovery_deadline,
            deadline: options.deadline,
            cancel_on_deadline: options.cancel_on_deadline,
            cancel_on_drop: options.cancel_on_drop,
            backoff: options.backoff(client),
            error_policy: options.error_policy(client),
        }
    }
}

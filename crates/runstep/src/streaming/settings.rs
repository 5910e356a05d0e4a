//! Settings of a stream.

use std::time::Duration;

use runstep_api::types::RunInclude;

use crate::transport::{Backoff, PollErrorPolicy};

/// Default idle timeout of a stream: 2 minutes. Servers are expected to send a comment about every
/// 15 s.
pub const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(120);

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
    pub(super) cancel_on_drop: bool,
    pub(super) backoff: Option<Backoff>,
    pub(super) error_policy: PollErrorPolicy,
}

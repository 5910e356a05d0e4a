//! What a function may know about the call that it answers.

use tokio_util::sync::CancellationToken;

/// The call that a function answers: its ids, and whether anybody still waits for the output.
///
/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct ToolContext {
    thread_id: String,
    run_id: String,
    call_id: String,
    cancellation: CancellationToken,
}

impl ToolContext {
    /// The context of a call that no run makes, for a test; see
    /// [`Toolbox::call_with`](crate::tools::Toolbox::call_with).
    pub fn new(
        thread_id: impl Into<String>,
        run_id: impl Into<String>,
        call_id: impl Into<String>,
    ) -> Self {
        Self {
            thread_id: thread_id.into(),
            run_id: run_id.into(),
            call_id: call_id.into(),
            cancellation: CancellationToken::new(),
        }
    }

    /// The thread's id; empty when no run makes the call.
    pub fn thread_id(&self) -> &str {
        &self.thread_id
    }

    /// The run's id; empty when no run makes the call.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// The call's id; empty when no run makes the call.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Cancelled once nobody waits for the output any more: the call timed out, the run is about to
    /// expire, another call failed for good, or whoever waited was dropped.
    ///
    /// The function's future is dropped then, so only what it has started elsewhere, on a task or a
    /// thread of its own, need look at this.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }
}

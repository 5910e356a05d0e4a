//! The context of a tool call.

use tokio_util::sync::CancellationToken;

/// The context of a tool call: its ids and its cancellation.
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
    /// Creates a context for a test; see [`Toolbox::call_with`](crate::tools::Toolbox::call_with).
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

    /// Returns the id of the thread; empty if the call does not belong to a run.
    pub fn thread_id(&self) -> &str {
        &self.thread_id
    }

    /// Returns the id of the run; empty if the call does not belong to a run.
    pub fn run_id(&self) -> &str {
        &self.run_id
    }

    /// Returns the id of the call; empty if the call does not belong to a run.
    pub fn call_id(&self) -> &str {
        &self.call_id
    }

    /// Returns a token that is cancelled when the output is no longer needed: the call timed out, the
    /// run is about to expire, another call failed permanently, or the wait was dropped.
    ///
    /// The future of the function is dropped at that moment. Only work that it has started on other
    /// tasks or threads needs this token.
    pub fn cancellation(&self) -> &CancellationToken {
        &self.cancellation
    }
}

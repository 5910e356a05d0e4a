//! Outputs on their way to the run, which may have moved on in the meantime.

use std::collections::HashSet;

use runstep_api::types::{Run, ToolOutput};

use super::rounds::waits_for_functions;
use crate::error::{Error, ErrorKind, Result};
use crate::extensions::RunExt as _;
use crate::options::{RequestOptions, TakesOptions as _};
use crate::retry::{RetryPolicy, is_passing};
use crate::runs::Runs;

/// Outputs for a run.
pub(super) struct Submission<'a> {
    runs: &'a Runs,
    run_id: &'a str,
    outputs: Vec<ToolOutput>,
    /// What goes along with each request.
    options: &'a RequestOptions,
}

impl<'a> Submission<'a> {
    pub(super) fn new(
        runs: &'a Runs,
        run_id: &'a str,
        outputs: Vec<ToolOutput>,
        options: &'a RequestOptions,
    ) -> Self {
        Self { runs, run_id, outputs, options }
    }

    /// Submits the outputs, and gives the run: as it took them, or as it is now if it has moved on
    /// without them.
    ///
    /// Whether a submission that failed on its way has arrived is not known. So the run is looked
    /// at before anything is sent again, at the pace of the client's [`RetryPolicy`].
    pub(super) async fn send(&self) -> Result<Run> {
        let policy = self.runs.client().retry_policy();
        let mut attempt = 1;
        loop {
            let sent = if attempt == 1 { self.submit().await } else { self.again().await };
            let error = match sent {
                Ok(run) => return Ok(run),
                Err(error) => error,
            };
            if !may_have_moved_on(&error) {
                return Err(error);
            }
            match policy.pause(&error, true, attempt) {
                Some(pause) => tokio::time::sleep(pause).await,
                None => return self.decide(error).await,
            }
            attempt += 1;
        }
    }

    /// What the run is, when the outputs cannot be sent: where it has moved on, that is no error.
    async fn decide(&self, error: Error) -> Result<Run> {
        match self.look().await {
            Ok(run) if !self.is_waited_for(&run) => Ok(run),
            Ok(run) => Err(error.with_run(Some(run))),
            Err(_) => Err(error),
        }
    }

    async fn again(&self) -> Result<Run> {
        let run = self.look().await?;
        if self.is_waited_for(&run) { self.submit().await } else { Ok(run) }
    }

    async fn submit(&self) -> Result<Run> {
        let request = self.runs.submit_tool_outputs(self.run_id).with_options(self.options.clone());
        request.outputs(self.outputs.iter().cloned()).retry_policy(RetryPolicy::none()).await
    }

    async fn look(&self) -> Result<Run> {
        let retrieve = self.runs.retrieve(self.run_id).with_options(self.options.clone());
        retrieve.retry_policy(RetryPolicy::none()).await
    }

    /// Whether the run still waits for these very outputs.
    fn is_waited_for(&self, run: &Run) -> bool {
        let wanted: HashSet<&str> =
            run.function_calls().iter().map(|call| call.id.as_str()).collect();
        let given = self.outputs.iter().filter_map(|output| output.tool_call_id.as_deref());
        waits_for_functions(run) && wanted == given.collect()
    }
}

/// The caller's deadline came before the outputs were taken.
pub(super) fn not_submitted() -> Error {
    Error::new(ErrorKind::Deadline, "the outputs could not be submitted before the deadline")
}

/// The caller's deadline came before the run went on after the outputs.
pub(super) fn not_taken() -> Error {
    Error::new(ErrorKind::Deadline, "the run still waited for submitted outputs at the deadline")
}

/// Whether the run may be further than it was when the outputs were sent.
fn may_have_moved_on(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 409)) || is_passing(error)
}

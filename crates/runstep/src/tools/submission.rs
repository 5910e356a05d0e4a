//! Submits tool outputs, and checks whether the run has continued in the meantime.

use std::collections::HashSet;

use runstep_api::types::{Run, ToolOutput};

use super::rounds::requires_functions_only;
use crate::error::{Error, ErrorKind, Result};
use crate::resources::Runs;
use crate::transport::{RequestOptions, RetryPolicy, is_transient};

/// Outputs for a run.
pub(super) struct Submission<'a> {
    pub(super) runs: &'a Runs,
    pub(super) run_id: &'a str,
    pub(super) outputs: Vec<ToolOutput>,
    /// The options of each request.
    pub(super) options: &'a RequestOptions,
}

impl Submission<'_> {
    /// Submits the outputs and returns the run, as the response contains it or as it is now if it has
    /// continued without them.
    ///
    /// After an ambiguous failure it is unknown whether the server received the outputs. The run is
    /// fetched before they are sent again, with the delays of the client's [`RetryPolicy`].
    pub(super) async fn send(&self) -> Result<Run> {
        let policy = self.runs.client().settings().retry_policy;
        let mut attempt = 1;
        loop {
            let result = if attempt == 1 { self.submit().await } else { self.resubmit().await };
            let error = match result {
                Ok(run) => return Ok(run),
                Err(error) => error,
            };
            if !needs_fetch(&error) {
                return Err(error);
            }
            match policy.delay(&error, true, attempt) {
                Some(delay) => tokio::time::sleep(delay).await,
                None => return self.fetch_after_error(error).await,
            }
            attempt += 1;
        }
    }

    /// Fetches the run after the last attempt. Returns it if it has continued, otherwise the error.
    async fn fetch_after_error(&self, error: Error) -> Result<Run> {
        match self.fetch().await {
            Ok(run) if !self.is_required_by(&run) => Ok(run),
            Ok(run) => Err(error.with_run(Some(run))),
            Err(_) => Err(error),
        }
    }

    async fn resubmit(&self) -> Result<Run> {
        let run = self.fetch().await?;
        if self.is_required_by(&run) { self.submit().await } else { Ok(run) }
    }

    async fn submit(&self) -> Result<Run> {
        let request = self.runs.submit_tool_outputs(self.run_id).with_options(self.options.clone());
        request.outputs(self.outputs.iter().cloned()).retry_policy(RetryPolicy::none()).await
    }

    async fn fetch(&self) -> Result<Run> {
        let retrieve = self.runs.retrieve(self.run_id).with_options(self.options.clone());
        retrieve.retry_policy(RetryPolicy::none()).await
    }

    /// Returns whether the run still requires exactly these outputs.
    fn is_required_by(&self, run: &Run) -> bool {
        let required: HashSet<&str> =
            run.function_calls().iter().map(|call| call.id.as_str()).collect();
        let submitted = self.outputs.iter().filter_map(|output| output.tool_call_id.as_deref());
        requires_functions_only(run) && required == submitted.collect()
    }
}

/// The deadline passed before the outputs were submitted.
pub(super) fn submission_deadline_exceeded() -> Error {
    Error::new(ErrorKind::Deadline, "the outputs were not submitted before the deadline")
}

/// The deadline passed before the run continued after the outputs.
pub(super) fn stale_run_deadline_exceeded() -> Error {
    Error::new(
        ErrorKind::Deadline,
        "the run did not continue with the submitted outputs before the deadline",
    )
}

/// Returns whether the run must be fetched before the outputs are sent again.
fn needs_fetch(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 409)) || is_transient(error)
}

//! From `Idle` to the next segment: submits tool outputs on the same stream.

use std::time::Duration;

use futures_util::StreamExt as _;
use runstep_api::types::ToolOutput;

use super::reconciling::SnapshotGap;
use super::{RunStream, StreamEnd};
use crate::error::{Error, ErrorKind, Result};
use crate::run_ref::RunRef;
use crate::streaming::recovery::RunLocation;
use crate::streaming::run_api::StreamResponse;
use crate::transport::is_transient;

impl RunStream {
    /// Submits outputs for all required tool calls and continues the stream:
    /// `POST /threads/{thread_id}/runs/{run_id}/submit_tool_outputs`.
    ///
    /// # Errors
    ///
    /// Returns an error if the run does not require outputs or the request fails; the stream remains
    /// unchanged. After an ambiguous failure the run is fetched, and if the server has accepted the
    /// outputs, the stream continues without an error.
    pub async fn submit_tool_outputs(
        &mut self,
        outputs: impl IntoIterator<Item = ToolOutput>,
    ) -> Result<()> {
        self.submit(outputs.into_iter().collect()).await
    }

    async fn submit(&mut self, outputs: Vec<ToolOutput>) -> Result<()> {
        if self.end() != Some(StreamEnd::RequiresAction) {
            return Err(self.no_action_required());
        }
        // Read the rest of the response, so that its connection can be reused.
        while self.next().await.is_some() {}
        let Some(run) = self.run().cloned() else { return Err(self.no_action_required()) };
        let run_ref = RunRef::from(&run);
        self.restart_deadline();
        let submitted = outputs.iter().filter_map(|output| output.tool_call_id.clone()).collect();
        let response = match self.api.submit(run_ref.clone(), outputs).await {
            Err(error) if may_be_accepted(&error) => match self.api.run(&run_ref).await {
                Ok(fetched) if fetched.required_action != run.required_action => {
                    StreamResponse::Run(Box::new(fetched))
                }
                _ => return Err(error.or_run(&run)),
            },
            response => response.map_err(|error| error.or_run(&run))?,
        };
        self.run_state.start_segment(submitted);
        self.set_location(RunLocation::Confirmed(run_ref));
        self.start_segment(response);
        Ok(())
    }

    /// Reads the response that starts a segment.
    pub(super) fn start_segment(&mut self, response: StreamResponse) {
        self.is_synthesized = false;
        self.recovery = None;
        if self.gap == SnapshotGap::Unresolved {
            self.gap = SnapshotGap::Open;
        }
        self.last_event_id.clear();
        self.ids.start_segment();
        match response {
            StreamResponse::Events(body) => self.read(body),
            StreamResponse::Run(fetched) => {
                self.set_location(RunLocation::Confirmed(RunRef::from(&fetched.run)));
                // Also without `reconnect`: no connection was lost, and there is no other source.
                let mut recovery = self.new_recovery();
                let delay = recovery.delay_after_success(Some(Duration::ZERO));
                self.recover(recovery, delay);
            }
        }
    }

    fn no_action_required(&self) -> Error {
        let message = "the run does not require tool outputs; nothing was sent";
        Error::new(ErrorKind::InvalidRequest, message).with_run(self.run().cloned())
    }
}

/// Returns whether the server may have accepted the outputs although the request failed: it rejects
/// outputs that it has already, and the response to accepted ones can be lost.
fn may_be_accepted(error: &Error) -> bool {
    matches!(error.status(), Some(400 | 409)) || (is_transient(error) && !error.is_connect())
}

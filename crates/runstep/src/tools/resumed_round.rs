//! The calls of a suspended round when it continues.

use runstep_api::types::{Run, ToolOutput};

use super::event::{Approval, PendingCall};

/// What is known about the calls of a suspended round when it continues.
pub(super) struct ResumedRound {
    /// The calls that still wait, with the decision about each.
    pub(super) calls: Vec<(PendingCall, Approval)>,
    /// The outputs of the other calls.
    pub(super) outputs: Vec<ToolOutput>,
    pub(super) rounds: u32,
}

impl ResumedRound {
    /// Returns whether the run requires exactly the function calls of this round.
    pub(super) fn is_required_by(&self, run: &Run) -> bool {
        let submitted = self.outputs.iter().filter_map(|output| output.tool_call_id.as_deref());
        let waiting = self.calls.iter().map(|(call, _)| call.id.as_str());
        let mut known: Vec<&str> = submitted.chain(waiting).collect();
        let mut required: Vec<&str> =
            run.function_calls().iter().map(|call| call.id.as_str()).collect();
        for ids in [&mut known, &mut required] {
            ids.sort_unstable();
            ids.dedup();
        }
        known == required
    }
}

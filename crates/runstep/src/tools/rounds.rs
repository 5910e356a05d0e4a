//! The rounds of one run: their limits, and which failures end them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runstep_api::types::{
    FunctionToolCall, RequiredAction, RequiredFunctionToolCall, RequiredToolCall, Run, RunStatus,
    RunStep, RunStepStatus,
};
use tokio::time::Instant;

use super::event::ToolEvent;
use super::round::Round;
use super::settings::ToolLoopSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::resources::Runs;
use crate::step_calls::{function_calls, is_same_call};
use crate::suspended::ResumedRound;
use crate::time::deadline_after;
use crate::transport::{RequestOptions, RetryPolicy};

/// Timeout of the cancel request.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// The state that the rounds of a run share, for polling and streaming.
pub(super) struct Rounds {
    settings: ToolLoopSettings,
    deadline: Instant,
    expiry: Option<Instant>,
    count: u32,
    /// The calls of the last round.
    last_calls: Vec<RequiredFunctionToolCall>,
    /// The number of calls in all rounds; unknown for a run that other clients may have served before.
    call_count: Option<usize>,
    /// Consecutive rounds with failures before this one.
    consecutive_failures: u32,
    /// Whether a call of this round has failed.
    has_failed: bool,
}

impl Rounds {
    /// Creates the state. `created` is when the run was created, if this client created it.
    pub(super) fn new(
        settings: ToolLoopSettings,
        run: &Run,
        created: Option<Instant>,
        deadline: Instant,
    ) -> Self {
        let expiry = expiry(run, created);
        Self {
            settings,
            deadline,
            expiry,
            count: 0,
            last_calls: Vec::new(),
            call_count: created.map(|_| 0),
            consecutive_failures: 0,
            has_failed: false,
        }
    }

    /// Returns the number of rounds so far.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Sets the calls whose outputs were submitted before the first round.
    pub(super) fn set_last_calls(&mut self, required: &Run) {
        self.last_calls = required.function_calls().into_iter().cloned().collect();
    }

    /// Starts the round that was suspended.
    pub(super) fn resume(&mut self, run: &Run, resumed: ResumedRound) -> Result<Option<Round>> {
        self.count = resumed.rounds.saturating_sub(1).min(self.settings.max_rounds);
        Ok(self.start(run)?.map(|round| round.resumed(resumed)))
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Returns whether the run still requires exactly the calls of the last round: the state is stale.
    ///
    /// Ids are not sufficient, because some servers reuse them in each round. Names and arguments are
    /// not sufficient either if the model repeats a call; see [`is_repeated`](Self::is_repeated).
    pub(super) fn is_stale(&self, run: &Run) -> bool {
        let calls = run.function_calls();
        requires_functions_only(run) && calls.iter().copied().eq(&self.last_calls)
    }

    /// Returns whether the steps can show that the calls of the last round were repeated.
    pub(super) fn can_detect_repetition(&self) -> bool {
        self.call_count.is_some()
    }

    /// Returns whether the complete list of steps shows that the calls of the last round were repeated:
    /// as many calls as were submitted are completed, and the same calls are pending.
    ///
    /// Stale steps contain fewer completed calls. Calls are counted instead of steps, because servers
    /// may create one step per call.
    pub(super) fn is_repeated(&self, steps: &[RunStep]) -> bool {
        let Some(submitted) = self.call_count else { return false };
        let calls_in = |status: RunStepStatus| {
            let steps = steps.iter().filter(move |step| step.status == status);
            steps.flat_map(function_calls)
        };
        let pending: Vec<&FunctionToolCall> = calls_in(RunStepStatus::InProgress).collect();
        let is_pending =
            |call: &RequiredFunctionToolCall| pending.iter().any(|open| is_same_call(open, call));
        calls_in(RunStepStatus::Completed).count() >= submitted
            && pending.len() == self.last_calls.len()
            && self.last_calls.iter().all(is_pending)
    }

    /// Starts the next round. Returns `None` if the run does not require function calls, or requires
    /// something else as well.
    pub(super) fn start(&mut self, run: &Run) -> Result<Option<Round>> {
        if !requires_functions_only(run) {
            return Ok(None);
        }
        if self.count == self.settings.max_rounds {
            let limit = self.settings.max_rounds;
            let message =
                format!("the run exceeded {limit} rounds of tool calls; raise `max_rounds`");
            return Err(Error::new(ErrorKind::Tool, message));
        }
        self.count += 1;
        self.consecutive_failures = if self.has_failed { self.consecutive_failures + 1 } else { 0 };
        self.has_failed = false;
        let deadline = self.expiry.map_or(self.deadline, |expiry| expiry.min(self.deadline));
        let calls = run.function_calls();
        self.last_calls = calls.iter().copied().cloned().collect();
        self.call_count = self.call_count.map(|count| count + calls.len());
        Ok(Some(Round::new(self.settings.clone(), run, &calls, deadline)))
    }

    /// Reports an event, and returns an error if the run must not continue after it.
    pub(super) fn report(&mut self, event: &ToolEvent) -> Result<()> {
        if let Some(callback) = &self.settings.progress {
            callback(event);
        }
        let ToolEvent::Failed { error, .. } = event else { return Ok(()) };
        self.has_failed = true;
        if self.settings.failure_policy.tolerates(error, self.consecutive_failures) {
            return Ok(());
        }
        Err(error.clone().into())
    }

    /// Returns an error if the caller's deadline has passed.
    pub(super) fn check_deadline(&self) -> Result<()> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Deadline, "the tool calls did not return before the deadline"))
    }
}

/// Cancels the run, and adds its last state to the error.
pub(super) async fn cancel_run(
    runs: &Runs,
    run: Run,
    error: Error,
    options: &RequestOptions,
) -> Error {
    let cancel = runs.cancel(&run.id).with_options(options.clone());
    let cancel = cancel.retry_policy(RetryPolicy::none());
    // A failed cancel is less informative than its cause.
    let cancelled = tokio::time::timeout(CANCEL_TIMEOUT, cancel.into_future()).await;
    error.with_run(Some(cancelled.ok().and_then(Result::ok).unwrap_or(run)))
}

/// Returns whether the run requires outputs of functions and nothing else.
pub(super) fn requires_functions_only(run: &Run) -> bool {
    let Some(RequiredAction::SubmitToolOutputs(action)) = &run.required_action else {
        return false;
    };
    let calls = &action.submit_tool_outputs.tool_calls;
    run.status == RunStatus::RequiresAction
        && !calls.is_empty()
        && calls.iter().all(|call| matches!(call, RequiredToolCall::Function(_)))
}

/// Returns when the run expires, on the local clock.
fn expiry(run: &Run, created: Option<Instant>) -> Option<Instant> {
    let expires_at = run.expires_at?;
    let seconds = |seconds: i64| u64::try_from(seconds).ok().map(Duration::from_secs);
    if let Some(created) = created {
        // The server's clock may differ, so only the distance of its two timestamps is used.
        let lifetime = seconds(expires_at.saturating_sub(run.created_at?))?;
        return created.checked_add(lifetime);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    // If the run has expired by the local clock but still waits, the clocks differ.
    let left = seconds(expires_at)?.checked_sub(now)?;
    Some(deadline_after(left))
}

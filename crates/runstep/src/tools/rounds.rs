//! The rounds of one run: how many there may be, until when, and which failures end them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use runstep_api::types::{
    FunctionToolCall, RequiredAction, RequiredFunctionToolCall, RequiredToolCall, Run, RunStatus,
    RunStep, RunStepStatus,
};
use tokio::time::Instant;

use super::event::ToolEvent;
use super::round::Round;
use super::settings::Settings;
use crate::error::{Error, ErrorKind, Result};
use crate::extensions::RunExt as _;
use crate::options::{RequestOptions, TakesOptions as _};
use crate::poll::after;
use crate::retry::RetryPolicy;
use crate::runs::Runs;
use crate::step_calls::{function_calls, is_same};

/// How long asking to cancel a run may take.
const CANCEL: Duration = Duration::from_secs(5);

/// What the rounds of a run have in common, whoever carries them out.
pub(super) struct Rounds {
    settings: Settings,
    deadline: Instant,
    expiry: Option<Instant>,
    begun: u32,
    /// The calls of the last round.
    last: Vec<RequiredFunctionToolCall>,
    /// How many calls all rounds had; none for a run that others may have answered before.
    calls: Option<usize>,
    /// Rounds with failures before this one, one after the other.
    failed_in_a_row: u32,
    /// Whether a call of this round has failed.
    failed: bool,
}

impl Rounds {
    /// The rounds of a run that was created at a moment, if that is known.
    pub(super) fn new(
        settings: Settings,
        run: &Run,
        created: Option<Instant>,
        deadline: Instant,
    ) -> Self {
        let expiry = expiry(run, created);
        Self {
            settings,
            deadline,
            expiry,
            begun: 0,
            last: Vec::new(),
            calls: created.map(|_| 0),
            failed_in_a_row: 0,
            failed: false,
        }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Whether the run waits for the very calls of the last round, which have been answered: it was
    /// seen as it had been before.
    ///
    /// Ids alone do not tell, because there are servers that count them anew in each round. Nor does
    /// all of it where a model asks the same again on such a server; see
    /// [`have_come_again`](Self::have_come_again).
    pub(super) fn has_answered(&self, run: &Run) -> bool {
        let calls = run.function_calls();
        waits_for_functions(run) && calls.iter().copied().eq(&self.last)
    }

    /// Whether the steps could tell that the calls of the last round have come a second time.
    pub(super) fn knows_all_calls(&self) -> bool {
        self.calls.is_some()
    }

    /// Whether the steps, all of them, tell that the calls of the last round have come a second
    /// time: as many calls as have been answered are done, and these wait besides.
    ///
    /// Steps that are seen as they had been before have fewer calls that are done. Calls are
    /// counted, and not steps, because a server may make a step of each call.
    pub(super) fn have_come_again(&self, steps: &[RunStep]) -> bool {
        let Some(all) = self.calls else { return false };
        let calls_in = |status: RunStepStatus| {
            let steps = steps.iter().filter(move |step| step.status == status);
            steps.flat_map(function_calls)
        };
        let waiting: Vec<&FunctionToolCall> = calls_in(RunStepStatus::InProgress).collect();
        let waits =
            |call: &RequiredFunctionToolCall| waiting.iter().any(|waiting| is_same(waiting, call));
        calls_in(RunStepStatus::Completed).count() >= all
            && waiting.len() == self.last.len()
            && self.last.iter().all(waits)
    }

    /// The next round; none if the run does not wait for calls, or for something besides that
    /// nobody here can answer.
    pub(super) fn begin(&mut self, run: &Run) -> Result<Option<Round>> {
        if !waits_for_functions(run) {
            return Ok(None);
        }
        if self.begun == self.settings.max_rounds {
            let most = self.settings.max_rounds;
            let message = format!("the run asked for more than {most} rounds of tool calls");
            return Err(Error::new(ErrorKind::Tool, message));
        }
        self.begun += 1;
        self.failed_in_a_row = if self.failed { self.failed_in_a_row + 1 } else { 0 };
        self.failed = false;
        let until = self.expiry.map_or(self.deadline, |expiry| expiry.min(self.deadline));
        let calls = run.function_calls();
        self.last = calls.iter().copied().cloned().collect();
        self.calls = self.calls.map(|all| all + calls.len());
        Ok(Some(Round::new(self.settings.clone(), run, &calls, until)))
    }

    /// Tells what happened, and gives an error if the run must not go on after it.
    pub(super) fn judge(&mut self, event: &ToolEvent) -> Result<()> {
        if let Some(progress) = &self.settings.progress {
            progress(event);
        }
        let ToolEvent::Failed { error, .. } = event else { return Ok(()) };
        self.failed = true;
        if self.settings.failures.tolerates(error, self.failed_in_a_row) {
            return Ok(());
        }
        Err(error.clone().into())
    }

    /// The caller's deadline came in the middle of a round.
    pub(super) fn check_deadline(&self) -> Result<()> {
        if Instant::now() < self.deadline {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Deadline, "the tool calls were not done before the deadline"))
    }
}

/// Asks to cancel the run, which nobody would answer any more, and gives the error its last state.
pub(super) async fn give_up(
    runs: &Runs,
    run: Run,
    error: Error,
    options: &RequestOptions,
) -> Error {
    let cancel = runs.cancel(&run.id).with_options(options.clone());
    let cancel = cancel.retry_policy(RetryPolicy::none());
    // That the run could not be cancelled would say less than why it should be.
    let cancelled = tokio::time::timeout(CANCEL, cancel.into_future()).await;
    error.with_run(Some(cancelled.ok().and_then(Result::ok).unwrap_or(run)))
}

/// Whether the run waits for outputs of functions and for nothing else.
pub(super) fn waits_for_functions(run: &Run) -> bool {
    let Some(RequiredAction::SubmitToolOutputs(action)) = &run.required_action else {
        return false;
    };
    let calls = &action.submit_tool_outputs.tool_calls;
    run.status == RunStatus::RequiresAction
        && !calls.is_empty()
        && calls.iter().all(|call| matches!(call, RequiredToolCall::Function(_)))
}

/// When the run expires, by our own clock.
fn expiry(run: &Run, created: Option<Instant>) -> Option<Instant> {
    let expires_at = run.expires_at?;
    let seconds = |seconds: i64| u64::try_from(seconds).ok().map(Duration::from_secs);
    if let Some(created) = created {
        // The server's clock need not be ours: only how far apart its two times are is told.
        let lifetime = seconds(expires_at.saturating_sub(run.created_at))?;
        return created.checked_add(lifetime);
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    // A clock by which a run that waits has expired already is not worth asking.
    let left = seconds(expires_at)?.checked_sub(now)?;
    Some(after(left))
}

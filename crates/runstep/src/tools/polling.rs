//! The tool loop by polling.

use futures_util::StreamExt as _;
use runstep_api::types::Run;
use tokio::time::{Instant, sleep_until};

use super::round::RoundEnd;
use super::rounds::{Rounds, cancel_run};
use super::settings::ToolLoopSettings;
use super::submission::{Submission, stale_run_deadline_exceeded, submission_deadline_exceeded};
use super::tool_run::ToolRun;
use crate::error::{Error, Result};
use crate::polling::{CancelOnDrop, PollDelays, has_settled, poll_until};
use crate::resources::Runs;
use crate::run_request::RunOptions;
use crate::suspended::{ResumedRound, SuspendedRun};
use crate::transport::RetryPolicy;

/// A run whose calls are executed until it ends or requires another action.
pub(super) struct ToolLoop {
    runs: Runs,
    run: Run,
    options: RunOptions,
    rounds: Box<Rounds>,
    start: Start,
}

/// Where a loop starts.
enum Start {
    /// With the run as it is.
    Run,
    /// With a suspended round, which the run still requires.
    Resumed(ResumedRound),
    /// After outputs were submitted, so that the run may be stale.
    Submitted,
}

/// What happened to a round.
enum RoundResult {
    /// The run does not require calls.
    NoCalls,
    Submitted,
    Suspended(SuspendedRun),
}

impl ToolLoop {
    /// Creates the loop. `created` is when the run was created, if this client created it.
    pub(super) fn new(
        runs: Runs,
        run: Run,
        created: Option<Instant>,
        options: RunOptions,
        deadline: Instant,
        settings: ToolLoopSettings,
    ) -> Self {
        let rounds = Box::new(Rounds::new(settings, &run, created, deadline));
        Self { runs, run, options, rounds, start: Start::Run }
    }

    /// Continues after outputs of the calls that `required` requires were submitted.
    pub(super) fn submitted(mut self, required: &Run) -> Self {
        self.rounds.set_last_calls(required);
        self.start = Start::Submitted;
        self
    }

    /// Continues with a suspended round, which the run still requires.
    pub(super) fn resumed(mut self, round: ResumedRound) -> Self {
        self.start = Start::Resumed(round);
        self
    }

    /// Executes all rounds and returns the run at the end, or when calls were deferred.
    pub(super) async fn run_to_end(mut self) -> Result<ToolRun> {
        let cancel = self.runs.cancel(&self.run.id).with_options(self.options.related());
        // The guard covers the polls and the time between them.
        let mut guard = match std::mem::take(&mut self.options.cancel_on_drop) {
            true => CancelOnDrop::armed(cancel),
            false => CancelOnDrop::disarmed(),
        };
        let result = Box::pin(self.execute_rounds()).await;
        guard.disarm();
        result.map(|suspended| ToolRun { run: self.run, suspended })
    }

    async fn execute_rounds(&mut self) -> Result<Option<SuspendedRun>> {
        let mut resumed = None;
        match std::mem::replace(&mut self.start, Start::Run) {
            Start::Resumed(round) => resumed = Some(round),
            Start::Submitted => self.poll_after_submission().await?,
            Start::Run if has_settled(&self.run) => {}
            Start::Run => self.run = self.poll().await?,
        }
        loop {
            match self.execute_round(resumed.take()).await? {
                RoundResult::NoCalls => return Ok(None),
                RoundResult::Suspended(suspended) => return Ok(Some(suspended)),
                RoundResult::Submitted => self.poll_after_submission().await?,
            }
        }
    }

    /// Polls until the run has continued with the submitted outputs and settled again. Polls even if the
    /// response to the outputs says requires_action, because it may be stale.
    async fn poll_after_submission(&mut self) -> Result<()> {
        let mut delays = PollDelays::of(&self.options, self.runs.client());
        loop {
            self.run = self.poll().await?;
            if !self.rounds.is_stale(&self.run) || self.is_repeated().await {
                return Ok(());
            }
            let next = Instant::now() + delays.next(None);
            sleep_until(next.min(self.rounds.deadline())).await;
            if Instant::now() >= self.rounds.deadline() {
                return Err(self.on_deadline(stale_run_deadline_exceeded()).await);
            }
        }
    }

    /// Executes the pending calls and submits their outputs, unless calls were deferred.
    async fn execute_round(&mut self, resumed: Option<ResumedRound>) -> Result<RoundResult> {
        let round = match resumed {
            Some(resumed) => self.rounds.resume(&self.run, resumed),
            None => self.rounds.start(&self.run),
        };
        let mut round = match round {
            Ok(Some(round)) => round,
            Ok(None) => return Ok(RoundResult::NoCalls),
            Err(error) => return Err(self.cancel_run(error).await),
        };
        while let Some(event) = round.next().await {
            if let Err(error) = self.rounds.report(&event) {
                drop(round); // Cancels the other calls.
                return Err(self.cancel_run(error).await);
            }
        }
        if let Err(error) = self.rounds.check_deadline() {
            return Err(self.on_deadline(error).await);
        }
        let outputs = match round.into_end(&self.run, self.rounds.count()) {
            Ok(RoundEnd::Outputs(outputs)) => outputs,
            Ok(RoundEnd::Suspended(suspended)) => return Ok(RoundResult::Suspended(suspended)),
            Err(error) => return Err(self.cancel_run(error).await),
        };
        let (runs, run_id, options) = (&self.runs, &self.run.id, self.options.related());
        let submission = Submission { runs, run_id, outputs, options: &options };
        let result = tokio::time::timeout_at(self.rounds.deadline(), submission.send()).await;
        match result {
            Ok(run) => self.run = run.map_err(|error| error.or_run(&self.run))?,
            Err(_) => return Err(self.on_deadline(submission_deadline_exceeded()).await),
        }
        Ok(RoundResult::Submitted)
    }

    /// Returns whether the run repeats the calls of the last round, according to its steps. Returns
    /// `false` if the steps cannot be listed.
    async fn is_repeated(&self) -> bool {
        if !self.rounds.can_detect_repetition() {
            return false;
        }
        let steps = self.runs.steps(&self.run.id).list().with_options(self.options.related());
        let steps = steps.limit(100).retry_policy(RetryPolicy::none());
        let steps = steps.readable_items().collect_all();
        let listed = tokio::time::timeout_at(self.rounds.deadline(), steps).await;
        matches!(listed, Ok(Ok(steps)) if self.rounds.is_repeated(&steps))
    }

    async fn poll(&self) -> Result<Run> {
        let (runs, run_id) = (self.runs.clone(), self.run.id.clone());
        poll_until(runs, run_id, &self.options, self.rounds.deadline()).await
    }

    async fn cancel_run(&self, error: Error) -> Error {
        cancel_run(&self.runs, self.run.clone(), error, &self.options.related()).await
    }

    /// Handles the deadline: cancels the run if the caller asked for that.
    async fn on_deadline(&self, error: Error) -> Error {
        if self.options.cancel_on_deadline {
            return self.cancel_run(error).await;
        }
        error.with_run(Some(self.run.clone()))
    }
}

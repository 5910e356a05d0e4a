//! Answering a run round by round, by polling.

use futures_util::StreamExt as _;
use runstep_api::types::Run;
use tokio::time::{Instant, sleep_until};

use super::rounds::{Rounds, give_up};
use super::settings::Settings;
use super::submit::{Submission, not_submitted, not_taken};
use crate::error::{Error, Result};
use crate::options::TakesOptions as _;
use crate::poll::{CancelOnDrop, Poll, PollSettings, after, is_settled};
use crate::retry::RetryPolicy;
use crate::runs::Runs;

/// A run whose calls are answered until it has ended, or asks for something else.
pub(super) struct Answered {
    runs: Runs,
    run: Run,
    settings: PollSettings,
    rounds: Box<Rounds>,
}

impl Answered {
    /// A run as it is, created at a moment, if that is known.
    pub(super) fn new(
        runs: Runs,
        run: Run,
        created: Option<Instant>,
        settings: PollSettings,
        calls: Settings,
    ) -> Self {
        let rounds = Rounds::new(calls, &run, created, after(settings.deadline));
        Self { runs, run, settings, rounds: Box::new(rounds) }
    }

    pub(super) async fn end(mut self) -> Result<Run> {
        let mut guard = CancelOnDrop::of(&self.runs, &self.run.id, self.settings.cancel_on_drop)
            .with_options(&self.settings.options);
        let ended = self.answered().await;
        guard.disarm();
        ended.map(|()| self.run)
    }

    async fn answered(&mut self) -> Result<()> {
        if !is_settled(&self.run) {
            self.run = self.poll().await?;
        }
        while self.round().await? {
            // Even if a reply to outputs should say that there is action required: it may not yet
            // have taken them in.
            let mut pace = self.settings.pace(self.runs.client());
            loop {
                self.run = self.poll().await?;
                if !self.rounds.has_answered(&self.run) || self.is_asked_again().await {
                    break;
                }
                let next = Instant::now() + pace.pause(None);
                sleep_until(next.min(self.rounds.deadline())).await;
                if Instant::now() >= self.rounds.deadline() {
                    return Err(self.late(not_taken()).await);
                }
            }
        }
        Ok(())
    }

    /// Answers the calls that the run waits for; says whether there were any.
    async fn round(&mut self) -> Result<bool> {
        let mut round = match self.rounds.begin(&self.run) {
            Ok(Some(round)) => round,
            Ok(None) => return Ok(false),
            Err(error) => return Err(self.give_up(error).await),
        };
        while let Some(event) = round.next().await {
            if let Err(error) = self.rounds.judge(&event) {
                drop(round); // the other calls
                return Err(self.give_up(error).await);
            }
        }
        if let Err(error) = self.rounds.check_deadline() {
            return Err(self.late(error).await);
        }
        let outputs = match round.into_outputs() {
            Ok(outputs) => outputs,
            Err(error) => return Err(self.give_up(error).await),
        };
        let submission = Submission::new(&self.runs, &self.run.id, outputs, &self.settings.options);
        let sent = tokio::time::timeout_at(self.rounds.deadline(), submission.send()).await;
        match sent {
            Ok(run) => self.run = run.map_err(|error| error.or_run(&self.run))?,
            Err(_) => return Err(self.late(not_submitted()).await),
        }
        Ok(true)
    }

    /// Whether the run waits for calls that merely look like the last ones. It is told by its steps;
    /// where these cannot be had, it is not known.
    async fn is_asked_again(&self) -> bool {
        if !self.rounds.knows_all_calls() {
            return false;
        }
        let steps =
            self.runs.steps(&self.run.id).list().with_options(self.settings.options.clone());
        let steps = steps.limit(100).retry_policy(RetryPolicy::none()).items().collect_all();
        let listed = tokio::time::timeout_at(self.rounds.deadline(), steps).await;
        matches!(listed, Ok(Ok(steps)) if self.rounds.have_come_again(&steps))
    }

    async fn poll(&self) -> Result<Run> {
        let left = self.rounds.deadline().saturating_duration_since(Instant::now());
        let settings = self.settings.for_part(left);
        Poll::with_settings(self.runs.clone(), self.run.id.clone(), settings).await
    }

    async fn give_up(&self, error: Error) -> Error {
        give_up(&self.runs, self.run.clone(), error, &self.settings.options).await
    }

    /// The deadline came: whether the run is cancelled is the caller's to say.
    async fn late(&self, error: Error) -> Error {
        if self.settings.cancel_on_deadline {
            return self.give_up(error).await;
        }
        error.with_run(Some(self.run.clone()))
    }
}

//! The poll loop of one run.

use std::time::Duration;

use runstep_api::types::{Run, RunStatus};
use tokio::time::{Instant, timeout, timeout_at};

use super::cancel_on_drop::{CancelOnDrop, FINAL_CANCEL_TIMEOUT};
use super::delays::{PollDelays, ToleratedErrors};
use super::new_steps::{NewSteps, NoSteps};
use crate::error::{Error, ErrorKind, Result};
use crate::resources::Runs;
use crate::run_request::RunOptions;
use crate::time::deadline_after;
use crate::transport::{PollErrorPolicy, RequestOptions, Response};

/// Timeout of the final poll at the deadline.
pub(super) const FINAL_POLL_TIMEOUT: Duration = Duration::from_secs(1);

/// Message of deadline errors.
pub(super) const DEADLINE_MESSAGE: &str =
    "the run neither ended nor required action before the deadline";

/// Returns whether a poll ends with this state: the run has ended or requires action.
pub(crate) fn has_settled(run: &Run) -> bool {
    run.is_terminal() || run.status == RunStatus::RequiresAction
}

/// A change of the run. The run itself is [`PollLoop::last_run`].
pub(super) struct Change<T> {
    pub(super) new_steps: T,
    pub(super) tolerated_errors: Vec<Error>,
}

/// Polls one run until it settles, and its steps if `S` says so.
pub(super) struct PollLoop<S: NewSteps = NoSteps> {
    runs: Runs,
    run_id: String,
    deadline: Instant,
    delays: PollDelays,
    error_policy: PollErrorPolicy,
    steps: S,
    cancel_on_deadline: bool,
    /// Whether to wait until the run has ended, even while it requires action.
    until_terminal: bool,
    options: RequestOptions,
    /// Whether the first change is the run as its create request returned it, before the first poll.
    starts_with_response: bool,
    /// When to poll next; `None` polls immediately.
    next_poll_at: Option<Instant>,
    last_run: Option<Run>,
    reported_status: Option<RunStatus>,
    errors: ToleratedErrors,
    consecutive_errors: u32,
    ended: bool,
    /// Whether the final poll at the deadline has been sent.
    final_poll_sent: bool,
    guard: CancelOnDrop,
}

impl PollLoop {
    /// Returns the run when it settles.
    pub(super) async fn settled_run(mut self: Box<Self>) -> Result<Run> {
        while self.next().await?.is_some() {}
        let run = self.last_run.take();
        run.ok_or_else(|| Error::new(ErrorKind::Decode, "the poll ended without a run"))
    }
}

impl<S: NewSteps> PollLoop<S> {
    pub(super) fn new(runs: Runs, run_id: String, options: &RunOptions, deadline: Instant) -> Self {
        let client = runs.client();
        let guard = match options.cancel_on_drop {
            true => CancelOnDrop::armed(runs.cancel(&run_id).with_options(options.related())),
            false => CancelOnDrop::disarmed(),
        };
        Self {
            deadline,
            delays: PollDelays::of(options, client),
            error_policy: options.error_policy(client),
            steps: S::new(options),
            cancel_on_deadline: options.cancel_on_deadline,
            until_terminal: false,
            options: options.poll_request_options(client),
            starts_with_response: false,
            next_poll_at: None,
            last_run: None,
            reported_status: None,
            errors: ToleratedErrors::default(),
            consecutive_errors: 0,
            ended: false,
            final_poll_sent: false,
            guard,
            runs,
            run_id,
        }
    }

    /// Starts from the response that created or resumed the run. Polls immediately if the run requires
    /// action, because the response may be stale, or if it has ended and steps are requested, because
    /// the response does not contain them.
    pub(super) fn starting_with(mut self, response: Response<Run>) -> Self {
        let delay = self.delays.next_after_response(response.header_map());
        let run = response.into_inner();
        if !has_settled(&run) || (run.is_terminal() && !self.steps.are_requested()) {
            self.next_poll_at = Some(deadline_after(delay));
            self.starts_with_response = true;
        }
        self.last_run = Some(run);
        self
    }

    /// Starts from a known state and waits until the run has ended.
    pub(super) fn until_terminal(mut self, run: Run) -> Self {
        self.until_terminal = true;
        self.last_run = Some(run);
        self
    }

    /// Returns the next change, or `None` after the end. After an error, the run is left to the
    /// caller.
    pub(super) async fn next(&mut self) -> Result<Option<Change<S::Steps>>> {
        let next = self.next_change().await;
        if next.is_err() {
            self.ended = true;
            self.guard.disarm();
        }
        next
    }

    async fn next_change(&mut self) -> Result<Option<Change<S::Steps>>> {
        if std::mem::take(&mut self.starts_with_response) {
            return Ok(self.change(S::Steps::default()));
        }
        while !self.ended {
            if self.final_poll_sent {
                return self.on_deadline().await;
            }
            if let Some(wake) = self.next_poll_at {
                tokio::time::sleep_until(wake.min(self.deadline)).await;
            }
            // Poll once more at the deadline, even if this future is first polled after it.
            let now = Instant::now();
            self.final_poll_sent = now >= self.deadline;
            let limit = if self.final_poll_sent { now + FINAL_POLL_TIMEOUT } else { self.deadline };
            if let Some(update) = self.poll(limit).await? {
                return Ok(Some(update));
            }
        }
        Ok(None)
    }

    async fn poll(&mut self, limit: Instant) -> Result<Option<Change<S::Steps>>> {
        let Ok(fetched) = timeout_at(limit, self.fetch()).await else {
            return self.on_deadline().await;
        };
        match fetched {
            Ok((new_steps, delay)) => {
                self.consecutive_errors = 0;
                self.next_poll_at = Some(deadline_after(delay));
                Ok(self.change(new_steps))
            }
            Err(error) if self.error_policy.tolerates(&error, self.consecutive_errors) => {
                self.consecutive_errors += 1;
                self.next_poll_at = Some(deadline_after(self.delays.next(error.retry_after())));
                self.errors.push(error);
                Ok(None)
            }
            Err(error) => Err(error.with_run(self.last_run.take())),
        }
    }

    async fn fetch(&mut self) -> Result<(S::Steps, Duration)> {
        let delay = self.retrieve().await?;
        let new_steps = self.steps.fetch(&self.runs, &self.run_id, &self.options).await?;
        Ok((new_steps, delay))
    }

    /// Fetches and stores the run. Returns the delay before the next poll.
    async fn retrieve(&mut self) -> Result<Duration> {
        let retrieve = self.runs.retrieve(&self.run_id).with_options(self.options.clone());
        let response = retrieve.send().await?;
        let delay = self.delays.next_after_response(response.header_map());
        let run = response.into_inner();
        if self.is_end(&run) {
            self.guard.disarm();
        }
        self.last_run = Some(run);
        Ok(delay)
    }

    fn is_end(&self, run: &Run) -> bool {
        if self.until_terminal { run.is_terminal() } else { has_settled(run) }
    }

    /// Returns whether the last known state of the run is its end.
    fn has_ended(&self) -> bool {
        self.last_run.as_ref().is_some_and(|run| self.is_end(run))
    }

    /// Returns the last known state of the run.
    pub(super) fn last_run(&self) -> Option<&Run> {
        self.last_run.as_ref()
    }

    /// Returns a change, or `None` if nothing changed.
    fn change(&mut self, new_steps: S::Steps) -> Option<Change<S::Steps>> {
        self.ended = self.has_ended();
        if self.ended {
            self.guard.disarm();
        }
        let status = self.last_run.as_ref().map(|run| &run.status);
        if self.reported_status.as_ref() == status && S::are_none(&new_steps) {
            return None;
        }
        self.reported_status = status.cloned();
        Some(Change { new_steps, tolerated_errors: self.errors.take() })
    }

    /// Handles the deadline: cancels the run if configured. Returns the run if the cancel request
    /// shows that it had ended, otherwise a deadline error.
    async fn on_deadline(&mut self) -> Result<Option<Change<S::Steps>>> {
        let is_end = self.has_ended();
        if self.cancel_on_deadline && !is_end {
            // A failed cancel is less informative than the deadline.
            if timeout(FINAL_CANCEL_TIMEOUT, self.cancel()).await.unwrap_or(false) {
                return Ok(self.change(S::Steps::default()));
            }
        }
        let message = match (is_end, self.until_terminal) {
            (true, _) => "the run ended, but its steps could not be listed before the deadline",
            (false, true) => "the run did not end before the deadline",
            (false, false) => DEADLINE_MESSAGE,
        };
        let advice = match (is_end, self.cancel_on_deadline) {
            (true, _) => "; list them",
            (false, true) => "",
            (false, false) => "; poll it again, or set a later deadline",
        };
        let message = format!("{message}{advice}");
        let error = Error::new(ErrorKind::Deadline, message).with_run(self.last_run.take());
        Err(error.with_cause(self.errors.take().pop()))
    }

    /// Cancels the run and stores its state. Returns whether the run had ended already.
    async fn cancel(&mut self) -> bool {
        let cancel = self.runs.cancel(&self.run_id).with_options(self.options.clone());
        match cancel.send().await {
            Ok(response) => self.last_run = Some(response.into_inner()),
            Err(error) if error.status() == Some(400) => {
                return self.retrieve().await.is_ok() && self.has_ended();
            }
            Err(_) => {}
        }
        false
    }
}

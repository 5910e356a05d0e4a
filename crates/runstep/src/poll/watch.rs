//! Looking at one run again and again.

use std::future::IntoFuture as _;
use std::time::Duration;

use runstep_api::types::{Order, Run, RunStatus, RunStep};
use tokio::time::Instant;

use super::policy::{Pace, PollErrorPolicy};
use super::{PollSettings, RunUpdate};
use crate::error::{Error, ErrorKind, Result};
use crate::extensions::RunExt as _;
use crate::retry::RetryPolicy;
use crate::runs::Runs;

/// The longest a poll looks ahead, so that no sum of times overflows: a year.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long the last look may take, when the deadline has come.
const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long asking to cancel may take, when the deadline has come.
const LAST_REQUEST: Duration = Duration::from_secs(5);

pub(crate) fn after(duration: Duration) -> Instant {
    Instant::now() + duration.min(FAR)
}

/// Whether a poll is at its end.
pub(crate) fn is_settled(run: &Run) -> bool {
    run.is_terminal() || run.status == RunStatus::RequiresAction
}

/// A run that is looked at.
pub(super) struct Watch {
    runs: Runs,
    run_id: String,
    until: Instant,
    pace: Pace,
    errors: PollErrorPolicy,
    with_steps: bool,
    cancel_on_deadline: bool,
    /// When to look next; at once at first.
    next_look: Option<Instant>,
    last: Option<Run>,
    last_step: Option<String>,
    failures: Vec<Error>,
    failed_in_a_row: u32,
    ended: bool,
    /// Whether the last look, at the deadline, has been taken.
    looked_last: bool,
    guard: CancelOnDrop,
}

impl Watch {
    pub(super) fn new(runs: Runs, run_id: String, settings: &PollSettings) -> Self {
        let defaults = runs.client().settings();
        let backoff = settings.backoff.or(defaults.poll_backoff);
        let guard = CancelOnDrop::of(&runs, &run_id, settings.cancel_on_drop);
        Self {
            until: after(settings.deadline),
            pace: Pace::new(settings.interval, backoff),
            errors: settings.errors.unwrap_or(defaults.poll_error_policy),
            with_steps: settings.with_steps,
            cancel_on_deadline: settings.cancel_on_deadline,
            next_look: None,
            last: None,
            last_step: None,
            failures: Vec::new(),
            failed_in_a_row: 0,
            ended: false,
            looked_last: false,
            guard,
            runs,
            run_id,
        }
    }

    /// The next change; none after the end. An error is an end too: it is the caller's then to say
    /// what becomes of the run.
    pub(super) async fn next(&mut self) -> Result<Option<RunUpdate>> {
        let next = self.change().await;
        if next.is_err() {
            self.ended = true;
            self.guard.disarm();
        }
        next
    }

    async fn change(&mut self) -> Result<Option<RunUpdate>> {
        while !self.ended {
            if self.looked_last {
                return Err(self.late().await);
            }
            // A pause beyond the deadline ends at it, with one last look.
            let mut limit = self.until;
            if let Some(wake) = self.next_look {
                tokio::time::sleep_until(wake.min(self.until)).await;
                if wake >= self.until {
                    limit = Instant::now() + LAST_LOOK;
                    self.looked_last = true;
                }
            }
            if let Some(update) = self.look(limit).await? {
                return Ok(Some(update));
            }
        }
        Ok(None)
    }

    async fn look(&mut self, limit: Instant) -> Result<Option<RunUpdate>> {
        let Ok(looked) = tokio::time::timeout_at(limit, self.fetch()).await else {
            return Err(self.late().await);
        };
        let (run, new_steps, pause) = match looked {
            Ok(looked) => looked,
            Err(error) => return self.failed(error),
        };
        self.failed_in_a_row = 0;
        self.next_look = Some(after(pause));
        self.ended = is_settled(&run);
        if self.ended {
            self.guard.disarm();
        }
        let changed = self.last.as_ref().map(|last| &last.status) != Some(&run.status);
        self.last = Some(run.clone());
        if !changed && new_steps.is_empty() && self.failures.is_empty() {
            return Ok(None);
        }
        let failures = std::mem::take(&mut self.failures);
        Ok(Some(RunUpdate { run, new_steps, failures }))
    }

    async fn fetch(&mut self) -> Result<(Run, Vec<RunStep>, Duration)> {
        let once = RetryPolicy::none();
        let reply = self.runs.retrieve(&self.run_id).retry_policy(once).send().await?;
        let pause = self.pace.pause_after(reply.headers());
        let run = reply.into_value();
        let mut new_steps = Vec::new();
        if self.with_steps {
            let mut steps =
                self.runs.steps(&self.run_id).list().order(Order::Asc).retry_policy(once);
            if let Some(last) = &self.last_step {
                steps = steps.after(last);
            }
            new_steps = steps.items().collect_all().await?;
            if let Some(last) = new_steps.last() {
                self.last_step = Some(last.id.clone());
            }
        }
        Ok((run, new_steps, pause))
    }

    /// A look that failed: tolerated and told with the next update, or the end.
    fn failed(&mut self, error: Error) -> Result<Option<RunUpdate>> {
        if !self.errors.tolerates(&error, self.failed_in_a_row) {
            return Err(error.with_run(self.last.clone()));
        }
        self.failed_in_a_row += 1;
        self.next_look = Some(after(self.pace.pause(error.retry_after())));
        let Some(run) = self.last.clone() else {
            self.failures.push(error);
            return Ok(None);
        };
        Ok(Some(RunUpdate { run, new_steps: Vec::new(), failures: vec![error] }))
    }

    async fn late(&mut self) -> Error {
        if self.cancel_on_deadline {
            // The error tells of the deadline; that the cancel failed would say less.
            let cancel = self.runs.cancel(&self.run_id).retry_policy(RetryPolicy::none());
            let _ = tokio::time::timeout(LAST_REQUEST, cancel.into_future()).await;
        }
        let message = "the run neither ended nor asked for action before the deadline";
        Error::new(ErrorKind::Deadline, message).with_run(self.last.take())
    }
}

/// Asks to cancel the run when it is dropped before the run has settled.
pub(crate) struct CancelOnDrop(Option<(Runs, String)>);

impl CancelOnDrop {
    /// A guard of a run, if it is wanted.
    pub(crate) fn of(runs: &Runs, run_id: &str, wanted: bool) -> Self {
        Self(wanted.then(|| (runs.clone(), run_id.to_owned())))
    }

    /// A guard of nothing.
    pub(crate) fn none() -> Self {
        Self(None)
    }

    pub(crate) fn disarm(&mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        let Some((runs, run_id)) = self.0.take() else { return };
        // Outside of a runtime there is nobody who could ask.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = runs.cancel(run_id).await;
            });
        }
    }
}

//! A run that is looked at until it settles.

use std::time::Duration;

use runstep_api::types::{Order, Run, RunStatus, RunStep};
use tokio::time::{Instant, timeout, timeout_at};

use super::RunUpdate;
use super::guard::CancelOnDrop;
use super::policy::{Failures, Pace, PollErrorPolicy};
use super::settings::PollSettings;
use crate::error::{Error, ErrorKind, Result};
use crate::extensions::RunExt as _;
use crate::options::{RequestOptions, TakesOptions as _};
use crate::response::Response;
use crate::runs::Runs;

/// The longest a poll looks ahead, so that no sum of times overflows: a year.
const FAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long the last look may take, when the deadline has come.
pub(super) const LAST_LOOK: Duration = Duration::from_secs(1);
/// How long asking to cancel may take, when the deadline has come.
const LAST_REQUEST: Duration = Duration::from_secs(5);

/// What the error on the deadline says.
pub(super) const LATE: &str = "the run neither ended nor asked for action before the deadline";

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
    /// Whether a run that asks for action is waited for too.
    to_the_end: bool,
    options: RequestOptions,
    /// The run as the request left it that started it; told before any look.
    started: Option<Run>,
    /// When to look next; at once at first.
    next_look: Option<Instant>,
    last: Option<Run>,
    told: Option<RunStatus>,
    last_step: Option<String>,
    failures: Failures,
    failed_in_a_row: u32,
    ended: bool,
    /// Whether the last look, at the deadline, has been taken.
    looked_last: bool,
    guard: CancelOnDrop,
}

impl Watch {
    pub(super) fn new(runs: Runs, run_id: String, settings: &PollSettings, until: Instant) -> Self {
        let client = runs.client();
        let guard = CancelOnDrop::of(&runs, &run_id, settings.cancel_on_drop);
        Self {
            until,
            pace: settings.pace(client),
            errors: settings.errors(client),
            with_steps: settings.with_steps,
            cancel_on_deadline: settings.cancel_on_deadline,
            to_the_end: false,
            options: settings.look_options(client),
            started: None,
            next_look: None,
            last: None,
            told: None,
            last_step: None,
            failures: Failures::default(),
            failed_in_a_row: 0,
            ended: false,
            looked_last: false,
            guard: guard.with_options(&settings.options),
            runs,
            run_id,
        }
    }

    /// Goes on from the reply that started the run. One that asks for action may only not have taken
    /// in yet what was submitted, and steps are not in it: these are looked at at once.
    pub(super) fn from(mut self, reply: Response<Run>) -> Self {
        let pause = self.pace.pause_after(reply.header_map());
        let run = reply.into_value();
        if !is_settled(&run) || (run.is_terminal() && !self.with_steps) {
            self.next_look = Some(after(pause));
            self.started = Some(run.clone());
        }
        self.last = Some(run);
        self
    }

    /// Waits for a run that was seen, also while it asks for action.
    pub(super) fn until_ended(mut self, seen: Run) -> Self {
        self.to_the_end = true;
        self.last = Some(seen);
        self
    }

    /// The run at the end of the wait.
    pub(super) async fn end(mut self: Box<Self>) -> Result<Run> {
        let mut last = None;
        while let Some(update) = self.next().await? {
            last = Some(update.run);
        }
        last.ok_or_else(|| Error::new(ErrorKind::Decode, "the run was never seen"))
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
        if let Some(run) = self.started.take() {
            return Ok(self.changed(run, Vec::new()));
        }
        while !self.ended {
            if self.looked_last {
                return self.late().await;
            }
            if let Some(wake) = self.next_look {
                tokio::time::sleep_until(wake.min(self.until)).await;
            }
            // At the deadline there is one last look, also for somebody who comes late.
            let now = Instant::now();
            self.looked_last = now >= self.until;
            let limit = if self.looked_last { now + LAST_LOOK } else { self.until };
            if let Some(update) = self.look(limit).await? {
                return Ok(Some(update));
            }
        }
        Ok(None)
    }

    async fn look(&mut self, limit: Instant) -> Result<Option<RunUpdate>> {
        let Ok(looked) = timeout_at(limit, self.fetch()).await else {
            return self.late().await;
        };
        match looked {
            Ok((run, new_steps, pause)) => {
                self.failed_in_a_row = 0;
                self.next_look = Some(after(pause));
                Ok(self.changed(run, new_steps))
            }
            Err(error) if self.errors.tolerates(&error, self.failed_in_a_row) => {
                self.failed_in_a_row += 1;
                self.next_look = Some(after(self.pace.pause(error.retry_after())));
                self.failures.push(error);
                Ok(None)
            }
            Err(error) => Err(error.with_run(self.last.clone())),
        }
    }

    async fn fetch(&mut self) -> Result<(Run, Vec<RunStep>, Duration)> {
        let (run, pause) = self.retrieve().await?;
        let mut new_steps = Vec::new();
        if self.with_steps {
            let steps = self.runs.steps(&self.run_id).list().with_options(self.options.clone());
            let mut steps = steps.order(Order::Asc);
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

    /// The run as it is now, kept whatever becomes of its steps.
    async fn retrieve(&mut self) -> Result<(Run, Duration)> {
        let retrieve = self.runs.retrieve(&self.run_id).with_options(self.options.clone());
        let reply = retrieve.send().await?;
        let pause = self.pace.pause_after(reply.header_map());
        let run = reply.into_value();
        if self.is_end(&run) {
            self.guard.disarm();
        }
        self.last = Some(run.clone());
        Ok((run, pause))
    }

    fn is_end(&self, run: &Run) -> bool {
        if self.to_the_end { run.is_terminal() } else { is_settled(run) }
    }

    /// What there is to tell of a run that was seen; none if that is nothing new.
    fn changed(&mut self, run: Run, new_steps: Vec<RunStep>) -> Option<RunUpdate> {
        self.ended = self.is_end(&run);
        if self.ended {
            self.guard.disarm();
        }
        if self.told.as_ref() == Some(&run.status) && new_steps.is_empty() {
            return None;
        }
        self.told = Some(run.status.clone());
        Some(RunUpdate { run, new_steps, failures: self.failures.take() })
    }

    /// The deadline has come: an error, unless the run turns out to have ended.
    async fn late(&mut self) -> Result<Option<RunUpdate>> {
        let settled = self.last.as_ref().is_some_and(|run| self.is_end(run));
        if self.cancel_on_deadline && !settled {
            // The error tells of the deadline; that the cancel failed would say less.
            let cancelled = timeout(LAST_REQUEST, self.cancel()).await;
            if let Some(run) = cancelled.ok().flatten() {
                return Ok(self.changed(run, Vec::new()));
            }
        }
        let message = match settled {
            true => "the run's steps could not be listed before the deadline",
            false if self.to_the_end => "the run did not end before the deadline",
            false => LATE,
        };
        let error = Error::new(ErrorKind::Deadline, message).with_run(self.last.take());
        Err(error.with_cause(self.failures.take().pop()))
    }

    /// Asks to cancel, and keeps the run as that leaves it. Gives it if it had ended before.
    async fn cancel(&mut self) -> Option<Run> {
        let cancel = self.runs.cancel(&self.run_id).with_options(self.options.clone());
        match cancel.send().await {
            Ok(reply) => self.last = Some(reply.into_value()),
            Err(error) if error.status() == Some(400) => {
                let (run, _) = self.retrieve().await.ok()?;
                return Some(run).filter(|run| self.is_end(run));
            }
            Err(_) => {}
        }
        None
    }
}

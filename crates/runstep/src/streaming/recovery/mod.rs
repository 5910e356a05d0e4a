//! Recovery after a lost connection: resumes the stream, or fetches the run.

mod run_origin;

use std::sync::Arc;
use std::time::Duration;

use runstep_api::types::{Message, Run, RunInclude, RunStatus, RunStep};
use tokio::time::{Instant, sleep, timeout_at};

pub(super) use run_origin::{RunLocation, RunOrigin};

use super::connection::Body;
use super::run_api::{ApiFuture, FetchedRun, RunApi, StreamResponse};
use super::run_state::{CompleteObjects, FetchedState, message_id};
use super::settings::StreamSettings;
use super::snapshots::{MAX_SNAPSHOT_BYTES, json_size, snapshots_too_large};
use crate::error::{Error, ErrorKind, Result};
use crate::polling::PollDelays;
use crate::run_ref::RunRef;
use crate::time::deadline_after;
use crate::transport::PollErrorPolicy;

/// The result of a fetch.
pub(super) enum FetchOutcome {
    /// The server resumes the stream.
    Resumed(Body),
    /// The current state of the run, and the delay that the server requests before the next poll.
    State(Box<FetchedState>, Option<Duration>),
}

/// What to fetch.
pub(super) enum FetchTarget {
    /// A run, and its events after `last_event_id` if that is not empty. A run that only the response
    /// has named (`is_confirmed` is false) may not be visible yet.
    Run { run: RunRef, last_event_id: String, is_confirmed: bool },
    /// A run that a request has created on a thread and that is not identified yet.
    NewRun { thread_id: String, origin: RunOrigin },
}

/// Fetches a run with delays, until a deadline.
pub(super) struct Recovery {
    api: Arc<dyn RunApi>,
    include: Vec<RunInclude>,
    deadline: Instant,
    delays: PollDelays,
    error_policy: PollErrorPolicy,
    consecutive_errors: u32,
}

impl Recovery {
    pub(super) fn new(api: Arc<dyn RunApi>, settings: &StreamSettings) -> Self {
        Self {
            api,
            include: settings.include.clone(),
            deadline: deadline_after(settings.recovery_deadline),
            delays: PollDelays::new(None, settings.backoff),
            error_policy: settings.error_policy,
            consecutive_errors: 0,
        }
    }

    /// Fetches after a delay. `complete` need not be fetched.
    pub(super) fn fetch(
        &self,
        delay: Duration,
        target: FetchTarget,
        complete: CompleteObjects,
    ) -> ApiFuture<'static, FetchOutcome> {
        let (api, deadline) = (Arc::clone(&self.api), self.deadline);
        let include = self.include.clone();
        Box::pin(async move {
            let outcome = async {
                sleep(delay).await;
                fetch(&*api, target, &include, &complete).await
            };
            match timeout_at(deadline, outcome).await {
                Ok(outcome) => outcome,
                Err(_) => Err(Error::new(
                    ErrorKind::Deadline,
                    "the connection was lost, and the run neither ended nor required action \
                     before the recovery deadline",
                )),
            }
        })
    }

    /// Returns the delay after a successful fetch of an active run.
    pub(super) fn delay_after_success(&mut self, requested: Option<Duration>) -> Duration {
        self.consecutive_errors = 0;
        self.delays.next(requested)
    }

    /// Returns the delay after a failed fetch.
    ///
    /// # Errors
    ///
    /// Returns the error itself if the policy does not tolerate it.
    pub(super) fn delay_after_error(&mut self, error: Error) -> Result<Duration> {
        if !self.error_policy.tolerates(&error, self.consecutive_errors) {
            return Err(error);
        }
        self.consecutive_errors += 1;
        Ok(self.delays.next(error.retry_after()))
    }
}

/// Resumes the events, or fetches the run with its contents.
pub(super) async fn fetch(
    api: &dyn RunApi,
    target: FetchTarget,
    include: &[RunInclude],
    complete: &CompleteObjects,
) -> Result<FetchOutcome> {
    let (run_ref, fetched) = match target {
        FetchTarget::Run { run, last_event_id, is_confirmed } if last_event_id.is_empty() => {
            let fetched = match api.run(&run).await {
                Err(error) if !is_confirmed && error.is_not_found() => {
                    return Err(not_visible(&run, error));
                }
                fetched => fetched?,
            };
            (run, fetched)
        }
        FetchTarget::Run { run, last_event_id, .. } => {
            match api.resume(&run, &last_event_id).await? {
                StreamResponse::Run(fetched) => (run, *fetched),
                StreamResponse::Events(body) => return Ok(FetchOutcome::Resumed(body)),
            }
        }
        FetchTarget::NewRun { thread_id, origin } => {
            let run = origin.identify(&thread_id, api.newest_runs(&thread_id).await?)?;
            (RunRef::from(&run), FetchedRun { run, poll_after: None })
        }
    };
    let thread = match complete.thread {
        true => None,
        false => Some(api.thread(&run_ref.thread_id).await?),
    };
    let (steps, messages) = fetch_contents(api, &run_ref, include, complete).await?;
    let FetchedRun { run, poll_after } = fetched;
    Ok(FetchOutcome::State(Box::new(FetchedState { thread, run, steps, messages }), poll_after))
}

/// A transient error: the run may be visible a moment later.
fn not_visible(RunRef { thread_id, run_id }: &RunRef, cause: Error) -> Error {
    let message = format!(
        "the connection was lost before the first run event; the response names the run {run_id}, \
         but it is not visible on {thread_id} yet; retrieve it before you create another run"
    );
    Error::new(ErrorKind::Connection, message).with_cause(Some(cause))
}

/// Fetches the steps of a run, and those of its messages that are not complete.
async fn fetch_contents(
    api: &dyn RunApi,
    run: &RunRef,
    include: &[RunInclude],
    complete: &CompleteObjects,
) -> Result<(Vec<RunStep>, Vec<Message>)> {
    let steps = api.steps(run, include).await?;
    let mut messages = Vec::new();
    let is_complete = |id: &&str| complete.message_ids.iter().any(|complete| complete == id);
    let mut size: usize = steps.iter().map(json_size).sum();
    for id in steps.iter().filter_map(message_id).filter(|id| !is_complete(id)) {
        let Some(message) = api.message(&run.thread_id, id).await? else { continue };
        size += json_size(&message);
        if size > MAX_SNAPSHOT_BYTES {
            return Err(snapshots_too_large());
        }
        messages.push(message);
    }
    Ok((steps, messages))
}

/// Fetches the steps and messages of a run that has settled. Returns `None` if the run has
/// continued in the meantime.
pub(super) async fn fetch_settled(
    api: &dyn RunApi,
    run: &Run,
    include: &[RunInclude],
    complete: &CompleteObjects,
) -> Result<Option<FetchedState>> {
    let run_ref = RunRef::from(run);
    let (steps, messages) = fetch_contents(api, &run_ref, include, complete).await?;
    // Another client may have submitted outputs before the steps were listed.
    if run.status == RunStatus::RequiresAction
        && api.run(&run_ref).await?.required_action != run.required_action
    {
        return Ok(None);
    }
    Ok(Some(FetchedState { thread: None, run: run.clone(), steps, messages }))
}

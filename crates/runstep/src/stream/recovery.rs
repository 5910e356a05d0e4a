//! What is done about a stream that was cut.

use std::sync::Arc;
use std::time::Duration;

use runstep_api::types::{Message, Run, RunInclude, RunStatus, RunStep};
use tokio::time::{Instant, sleep, timeout_at};

use super::identity::Origin;
use super::leg::Body;
use super::open::StreamSettings;
use super::progress::{Found, Told, message_id};
use super::remote::{Answer, Opened, Remote, Seen};
use super::snapshots::json_size;
use crate::error::{Error, ErrorKind, Result};
use crate::poll::{Pace, PollErrorPolicy, RunRef, after};

/// How much is kept of messages and steps in all, as with a reply that is no stream: 64 MiB.
pub(super) const MAX_KEPT: usize = 64 * 1024 * 1024;

pub(super) fn too_long() -> Error {
    let message = format!("the run's messages and steps are longer than {MAX_KEPT} bytes");
    Error::new(ErrorKind::Decode, message)
}

/// What a look at the server gave.
pub(super) enum Look {
    /// The stream goes on.
    Resumed(Body),
    /// The run as it is, and when to ask again.
    Found(Box<Found>, Option<Duration>),
}

/// What to look for.
pub(super) enum Target {
    /// The run, and its events after the last that had an id. One that has not been told, but only
    /// named by the head of the reply, may not be there yet.
    Run { run: RunRef, last_event_id: String, is_told: bool },
    /// The run that was made on a thread, of which no more is known than where it came from.
    NewRun { thread_id: String, origin: Origin },
}

/// Looks, at a pace and up to a time, over a run whose stream was cut.
pub(super) struct Recovery {
    remote: Arc<dyn Remote>,
    include: Vec<RunInclude>,
    until: Instant,
    pace: Pace,
    errors: PollErrorPolicy,
    failed_in_a_row: u32,
}

impl Recovery {
    pub(super) fn new(remote: Arc<dyn Remote>, settings: &StreamSettings) -> Self {
        Self {
            remote,
            include: settings.include.clone(),
            until: after(settings.recovery_deadline),
            pace: Pace::new(None, settings.backoff),
            errors: settings.errors,
            failed_in_a_row: 0,
        }
    }

    /// A look after a pause.
    pub(super) fn look(
        &self,
        pause: Duration,
        target: Target,
        told: Told,
    ) -> Answer<'static, Look> {
        let (remote, until) = (Arc::clone(&self.remote), self.until);
        let include = self.include.clone();
        Box::pin(async move {
            let looked = async {
                sleep(pause).await;
                look(&*remote, target, &include, &told).await
            };
            match timeout_at(until, looked).await {
                Ok(looked) => looked,
                Err(_) => Err(Error::new(
                    ErrorKind::Deadline,
                    "the stream was cut, and the run neither ended nor asked for action before the \
                     deadline",
                )),
            }
        })
    }

    /// How long to pause after a look that found the run under way.
    pub(super) fn found(&mut self, ask_after: Option<Duration>) -> Duration {
        self.failed_in_a_row = 0;
        self.pace.pause(ask_after)
    }

    /// How long to pause after a look that failed.
    ///
    /// # Errors
    ///
    /// The same error, if there is to be no other look.
    pub(super) fn failed(&mut self, error: Error) -> Result<Duration> {
        if !self.errors.tolerates(&error, self.failed_in_a_row) {
            return Err(error);
        }
        self.failed_in_a_row += 1;
        Ok(self.pace.pause(error.retry_after()))
    }
}

async fn look(
    remote: &dyn Remote,
    target: Target,
    include: &[RunInclude],
    told: &Told,
) -> Result<Look> {
    let (run_ref, seen) = match target {
        Target::Run { run, last_event_id, is_told } if last_event_id.is_empty() => {
            let seen = match remote.run(&run).await {
                Err(error) if !is_told && error.is_not_found() => {
                    return Err(not_there_yet(&run, error));
                }
                seen => seen?,
            };
            (run, seen)
        }
        Target::Run { run, last_event_id, .. } => {
            match remote.resume(&run, &last_event_id).await? {
                Opened::Run(seen) => (run, *seen),
                Opened::Events(body) => return Ok(Look::Resumed(body)),
            }
        }
        Target::NewRun { thread_id, origin } => {
            let run = origin.find(&thread_id, remote.newest_runs(&thread_id).await?)?;
            (RunRef::from(&run), Seen { run, ask_after: None })
        }
    };
    let thread = match told.thread {
        true => None,
        false => Some(remote.thread(&run_ref.thread_id).await?),
    };
    let (steps, messages) = contents(remote, &run_ref, include, told).await?;
    let Seen { run, ask_after } = seen;
    Ok(Look::Found(Box::new(Found { thread, run, steps, messages }), ask_after))
}

/// One that may pass: the policy says how often to look.
fn not_there_yet(RunRef { thread_id, run_id }: &RunRef, cause: Error) -> Error {
    let message = format!(
        "the stream was cut before it told its run, which may have been made all the same: its \
         reply names {run_id}, which is not on {thread_id} yet; look there before you create another"
    );
    Error::new(ErrorKind::Connection, message).with_cause(Some(cause))
}

/// The steps of a run, and those of its messages that have not been told to their end.
async fn contents(
    remote: &dyn Remote,
    run: &RunRef,
    include: &[RunInclude],
    told: &Told,
) -> Result<(Vec<RunStep>, Vec<Message>)> {
    let steps = remote.steps(run, include).await?;
    let mut messages = Vec::new();
    let is_told = |id: &&str| told.messages.iter().any(|told| told == id);
    let mut size: usize = steps.iter().map(json_size).sum();
    for id in steps.iter().filter_map(message_id).filter(|id| !is_told(id)) {
        let Some(message) = remote.message(&run.thread_id, id).await? else { continue };
        size += json_size(&message);
        if size > MAX_KEPT {
            return Err(too_long());
        }
        messages.push(message);
    }
    Ok((steps, messages))
}

/// What belongs to a run that has told its end; none if it has gone on since then.
pub(super) async fn settled(
    remote: &dyn Remote,
    run: &Run,
    include: &[RunInclude],
    told: &Told,
) -> Result<Option<Found>> {
    let run_ref = RunRef::from(run);
    let (steps, messages) = contents(remote, &run_ref, include, told).await?;
    // Somebody else may have submitted outputs before the steps were listed.
    if run.status == RunStatus::RequiresAction
        && remote.run(&run_ref).await?.required_action != run.required_action
    {
        return Ok(None);
    }
    Ok(Some(Found { thread: None, run: run.clone(), steps, messages }))
}

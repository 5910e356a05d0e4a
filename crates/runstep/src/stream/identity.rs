//! Which run a stream is of, also before the stream has told it.

use std::time::Duration;

use reqwest::header::HeaderMap;
use runstep_api::types::{Run, RunStatus};

use crate::error::{Error, ErrorKind, Result};
use crate::extensions::RunExt as _;
use crate::headers;
use crate::id;
use crate::poll::RunRef;

/// How much earlier than its request a run may seem to have been made, in seconds: the clock that
/// dates replies may be another.
const LEEWAY: i64 = 60;
/// How long an id may be that a header names. Those of all known servers are far shorter.
const LONGEST_ID: usize = 256;

/// Which run a stream is of.
#[derive(Clone, Debug)]
pub(super) enum Identity {
    /// As the request or the server told it.
    Told(RunRef),
    /// No event has told it yet.
    Sought(Origin),
}

impl Identity {
    /// The run, if it is known.
    pub(super) fn run(&self) -> Option<&RunRef> {
        match self {
            Self::Told(run) => Some(run),
            Self::Sought(origin) => origin.named.as_ref(),
        }
    }
}

/// What is known of a run that a request has made.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// None where the thread is made along with the run.
    thread_id: Option<String>,
    assistant_id: String,
    /// The run that the head of the reply names.
    named: Option<RunRef>,
    /// None where the reply is not dated.
    sent: Option<Sent>,
}

/// When a request was sent by the clock that dates its reply, in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug)]
struct Sent {
    earliest: i64,
    latest: i64,
}

impl Sent {
    /// From when the reply was made, and how long after the request it came.
    fn new(replied_at: i64, head_after: Duration) -> Self {
        let seconds = i64::try_from(head_after.as_secs()).unwrap_or(i64::MAX);
        // All times are whole seconds, and clocks that are kept right may still differ by a bit.
        Self {
            earliest: replied_at.saturating_sub(seconds).saturating_sub(2),
            latest: replied_at.saturating_sub(seconds).saturating_add(2),
        }
    }

    /// Whether the request may have made the run.
    fn may_have_made(self, run: &Run) -> bool {
        let made_about = |earliest: i64| run.created_at >= earliest;
        match ended_at(run) {
            // A thread has one active run, so that none that was made before it still goes on.
            None => made_about(self.earliest.saturating_sub(LEEWAY)),
            Some(ended) if ended > self.latest => made_about(self.earliest.saturating_sub(LEEWAY)),
            // It may have ended right before the request, too: then it was made before.
            Some(_) => made_about(self.earliest),
        }
    }
}

/// When a run ended by the clock of the server; none while it goes on. Where nothing says it, it is
/// when it was made: then the run counts as ended as early as it can have been.
fn ended_at(run: &Run) -> Option<i64> {
    if !run.is_terminal() {
        return None;
    }
    let expired_at = run.expires_at.filter(|_| run.status == RunStatus::Expired);
    let told = [run.completed_at, run.failed_at, run.cancelled_at, expired_at];
    told.into_iter().flatten().chain([run.created_at]).max()
}

impl Origin {
    /// What the request says, and the head of its reply, which came so long after it was sent
    /// first.
    pub(super) fn new(
        thread_id: Option<String>,
        assistant_id: String,
        head: &HeaderMap,
        head_after: Duration,
    ) -> Self {
        let named = headers::content_location(head).and_then(run_at);
        let own = |run: &RunRef| thread_id.as_ref().is_none_or(|own| *own == run.thread_id);
        let named = named.filter(own);
        let sent = headers::date(head).map(|date| Sent::new(date, head_after));
        Self { thread_id, assistant_id, named, sent }
    }

    pub(super) fn thread_id(&self) -> Option<&str> {
        self.thread_id.as_deref()
    }

    /// The same with what events have told, which counts more than what the head has named.
    pub(super) fn settled(&self, run: Option<&Run>, thread_id: Option<&str>) -> Identity {
        if let Some(run) = run {
            return Identity::Told(RunRef::from(run));
        }
        let mut origin = self.clone();
        origin.named.take_if(|run| thread_id.is_some_and(|told| told != run.thread_id));
        Identity::Sought(origin)
    }

    /// The run among the newest of its thread, the newest first. It has been made, or there would
    /// be no stream, though it may not be listed yet.
    ///
    /// A thread has one active run at a time: what was made before has ended before the request
    /// was sent, which the date of the reply tells, less the time that it took to come. So it is the
    /// only run of the assistant that had not. Without a date, our own clock could be any other: then
    /// only a run that still goes on is surely not an earlier one.
    ///
    /// # Errors
    ///
    /// One that may pass where the run is not in the list yet, and one that does not where it
    /// cannot be told from others.
    pub(super) fn find(&self, thread_id: &str, mut runs: Vec<Run>) -> Result<Run> {
        // Nobody else can know of a thread that was made along with the run.
        let is_alone = runs.len() == 1 && self.thread_id.is_none();
        let newest = runs.iter().find(|run| self.is_of_assistant(run)).map(|run| run.id.clone());
        if !is_alone {
            runs.retain(|run| self.may_be(run));
        }
        let is_sure = |run: &Run| is_alone || self.sent.is_some() || !run.is_terminal();
        match (runs.pop(), runs.as_slice()) {
            (Some(run), []) if is_sure(&run) => Ok(run),
            (Some(last), others) => {
                let ids = others.iter().chain([&last]).map(|run| run.id.as_str());
                let message = format!(
                    "the stream was cut before it told its run, which has been made on \
                     {thread_id} and cannot be told from others there: {}; retrieve them to see \
                     which it is before you create another",
                    ids.collect::<Vec<_>>().join(", ")
                );
                Err(Error::new(ErrorKind::Decode, message))
            }
            (None, _) => {
                // It may be listed in a moment; the policy says how often to look.
                let older = newest.map(|id| format!(" unless it is {id}, which seems older"));
                let message = format!(
                    "the stream was cut before it told its run, which is not in the list of \
                     {thread_id} yet{}; look there before you create another",
                    older.unwrap_or_default()
                );
                Err(Error::new(ErrorKind::Connection, message))
            }
        }
    }

    /// Whether this may be the run, as far as is known. Runs that were made after it may be, too.
    fn may_be(&self, run: &Run) -> bool {
        self.is_of_assistant(run) && self.sent.is_none_or(|sent| sent.may_have_made(run))
    }

    fn is_of_assistant(&self, run: &Run) -> bool {
        run.assistant_id.as_ref() == Some(&self.assistant_id)
    }
}

/// The run at a path, whatever is before it.
fn run_at(path: &str) -> Option<RunRef> {
    let path = path.split(['?', '#']).next()?;
    let mut parts = path.rsplit('/');
    let (run_id, runs, thread_id, threads) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_id = |name: &str, id: &str| id.len() <= LONGEST_ID && id::checked(name, id).is_ok();
    let is_one = (threads, runs) == ("threads", "runs")
        && is_id("thread_id", thread_id)
        && is_id("run_id", run_id);
    is_one.then(|| RunRef::from((thread_id, run_id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_ids_of_a_path_are_taken() {
        let found = |path: &str| run_at(path).map(|run| (run.thread_id, run.run_id));
        let run = Some(("thread_1".to_owned(), "run_1".to_owned()));
        for path in [
            "/threads/thread_1/runs/run_1",
            "threads/thread_1/runs/run_1",
            "/v1/threads/thread_1/runs/run_1?api-version=1/threads/a/runs/b",
            "https://elsewhere/tenant/../v1/threads/thread_1/runs/run_1#a",
        ] {
            assert_eq!(found(path), run, "{path}");
        }
        let long = format!("/threads/thread_1/runs/run_{}", "1".repeat(LONGEST_ID));
        for path in [
            "",
            "run_1",
            "runs/run_1",
            "/thread_1/runs/run_1",
            "/threads/thread_1/runs/",
            "/threads/thread_1/runs/run_1/",
            "/threads/thread_1/runs/run_1/steps/step_1",
            "/threads/thread_1/messages/run_1",
            "/threads//runs/run_1",
            "/threads/../runs/run_1",
            "/threads/thread_1/../runs/run_1",
            "/threads/thread_1/runs/..",
            "/threads/thread_1/runs/../../../assistants",
            "/threads/thread_1/runs/run_1%2fcancel",
            "/threads/thread_1/runs/run_1\\cancel",
            "/threads/thread_1/runs/run_1\tcancel",
            "?/threads/thread_1/runs/run_1",
            &long,
        ] {
            assert_eq!(found(path), None, "{path}");
        }
    }
}

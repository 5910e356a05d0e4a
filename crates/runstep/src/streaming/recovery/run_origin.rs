//! Identifies the run of a stream whose connection was lost before the first run event.
//!
//! # Rule
//!
//! `Content-Location` of the response names the run. Otherwise it is the one run among the newest of
//! the thread that has the request's assistant and was created at or after the request, on the
//! server's clock (`Date` of the response, less the time until the response arrived). The clocks of `Date`
//! and `created_at` may differ by up to [`MAX_CLOCK_SKEW`], so a run that is that much older matches
//! as well if it had not ended when the request was sent: a thread has one active run at a time.
//! Without a `Date`, every run of the assistant matches, and only an active run is accepted. If the
//! request created the thread and the thread has exactly one run, that run matches in any case. If
//! not exactly one run matches, the result is an error that lists the candidates.

use std::time::Duration;

use reqwest::header::HeaderMap;
use runstep_api::types::{Run, RunStatus};

use crate::error::{Error, ErrorKind, Result, join};
use crate::headers;
use crate::run_ref::RunRef;
use crate::transport::checked_id;

/// Assumed maximum difference between the clocks that set `Date` and `created_at`, in seconds.
const MAX_CLOCK_SKEW: i64 = 60;
/// Precision of comparisons with the time of the request, in seconds: timestamps are rounded, and
/// synchronized clocks differ slightly.
const TIME_PRECISION: i64 = 2;
/// Maximum length of an id in `Content-Location`. Ids of known servers are far shorter.
const MAX_ID_BYTES: usize = 256;

/// Which run a stream belongs to.
#[derive(Clone, Debug)]
pub(in crate::streaming) enum RunLocation {
    /// The request, an event or a fetch identified the run.
    Confirmed(RunRef),
    /// Nothing has confirmed the run yet; `Content-Location` may name it.
    Unconfirmed(RunOrigin),
}

impl RunLocation {
    /// Returns the run, if it was identified or at least named by the response.
    pub(in crate::streaming) fn run(&self) -> Option<&RunRef> {
        match self {
            Self::Confirmed(run) => Some(run),
            Self::Unconfirmed(origin) => origin.content_location.as_ref(),
        }
    }
}

/// What is known about the run that a request has created.
#[derive(Clone, Debug)]
pub(in crate::streaming) struct RunOrigin {
    /// `None` if the request creates the thread, too.
    thread_id: Option<String>,
    assistant_id: String,
    /// The run in the `Content-Location` of the response.
    content_location: Option<RunRef>,
    /// When the request was sent, in seconds since the Unix epoch on the server's clock. `None` if
    /// the response has no `Date`.
    sent_at: Option<i64>,
}

impl RunOrigin {
    /// Combines the request with the headers of its response, which arrived `elapsed` after the request
    /// was sent.
    pub(in crate::streaming) fn new(
        thread_id: Option<String>,
        assistant_id: String,
        headers: &HeaderMap,
        elapsed: Duration,
    ) -> Self {
        let content_location = headers::content_location(headers).and_then(run_in_path);
        let is_on_thread = |run: &RunRef| thread_id.as_ref().is_none_or(|id| *id == run.thread_id);
        let content_location = content_location.filter(is_on_thread);
        let elapsed = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
        let sent_at = headers::date(headers).map(|date| date.saturating_sub(elapsed));
        Self { thread_id, assistant_id, content_location, sent_at }
    }

    pub(in crate::streaming) fn thread_id(&self) -> Option<&str> {
        self.thread_id.as_deref()
    }

    /// Returns the location after an event. Events take precedence over `Content-Location`.
    pub(in crate::streaming) fn location_after_event(
        &self,
        run: Option<&Run>,
        thread_id: Option<&str>,
    ) -> RunLocation {
        if let Some(run) = run {
            return RunLocation::Confirmed(RunRef::from(run));
        }
        let mut origin = self.clone();
        origin.content_location.take_if(|run| thread_id.is_some_and(|id| id != run.thread_id));
        RunLocation::Unconfirmed(origin)
    }

    /// Identifies the run among the newest runs of its thread.
    ///
    /// # Errors
    ///
    /// Returns a transient error if the run is not listed yet, and a permanent one if several runs
    /// match, or if the only match is uncertain because it has ended and the response has no `Date`.
    pub(super) fn identify(&self, thread_id: &str, mut runs: Vec<Run>) -> Result<Run> {
        // Nobody else can have created a run on a thread that the request has created.
        let is_only_run = runs.len() == 1 && self.thread_id.is_none();
        let newest = runs.iter().find(|run| self.has_assistant(run)).map(|run| run.id.clone());
        if !is_only_run {
            runs.retain(|run| self.matches(run));
        }
        let is_certain = is_only_run || self.sent_at.is_some();
        match (runs.pop(), runs.as_slice()) {
            (Some(run), []) if is_certain || !run.is_terminal() => Ok(run),
            (Some(last), others) => Err(ambiguous(thread_id, others.iter().chain([&last]))),
            (None, _) => Err(not_listed(thread_id, newest)),
        }
    }

    fn matches(&self, run: &Run) -> bool {
        let was_created = |sent_at: i64| {
            let had_ended =
                ended_at(run).is_some_and(|time| time <= sent_at.saturating_add(TIME_PRECISION));
            let tolerance = TIME_PRECISION + if had_ended { 0 } else { MAX_CLOCK_SKEW };
            run.created_at.is_some_and(|time| time >= sent_at.saturating_sub(tolerance))
        };
        self.has_assistant(run) && self.sent_at.is_none_or(was_created)
    }

    fn has_assistant(&self, run: &Run) -> bool {
        run.assistant_id.as_ref() == Some(&self.assistant_id)
    }
}

/// Returns when a run ended on the server's clock, or `None` if it is active. A run without a time
/// counts as ended when it was created.
fn ended_at(run: &Run) -> Option<i64> {
    if !run.is_terminal() {
        return None;
    }
    let expired_at = run.expires_at.filter(|_| run.status == RunStatus::Expired);
    let times = [run.completed_at, run.failed_at, run.cancelled_at, expired_at];
    times.into_iter().chain([run.created_at]).flatten().max()
}

fn ambiguous<'a>(thread_id: &str, candidates: impl Iterator<Item = &'a Run>) -> Error {
    let ids = join(candidates.map(|run| run.id.as_str()), ", ");
    let message = format!(
        "the connection was lost before the first run event; the run was created on {thread_id}, \
         but cannot be identified with certainty; candidates: {ids}; retrieve them before you create \
         another run"
    );
    Error::new(ErrorKind::Decode, message)
}

/// A transient error: the run may be listed a moment later.
fn not_listed(thread_id: &str, newest: Option<String>) -> Error {
    let newest = newest.map(|id| format!(" (the newest run of the assistant, {id}, is older)"));
    let message = format!(
        "the connection was lost before the first run event; the run was created, but is not \
         listed on {thread_id} yet{}; list the runs before you create another",
        newest.unwrap_or_default()
    );
    Error::new(ErrorKind::Connection, message)
}

/// Returns the run at the end of a URL or path. Everything before `/threads/` is ignored.
fn run_in_path(path: &str) -> Option<RunRef> {
    let path = path.split(['?', '#']).next()?;
    let mut parts = path.rsplit('/');
    let (run_id, runs, thread_id, threads) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_id = |name: &str, id: &str| id.len() <= MAX_ID_BYTES && checked_id(name, id).is_ok();
    let is_run = (threads, runs) == ("threads", "runs")
        && is_id("thread_id", thread_id)
        && is_id("run_id", run_id);
    is_run.then(|| RunRef::from((thread_id, run_id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_location_yields_ids_only() {
        let parse = |path: &str| run_in_path(path).map(|run| (run.thread_id, run.run_id));
        let run = Some(("thread_1".to_owned(), "run_1".to_owned()));
        for path in [
            "/threads/thread_1/runs/run_1",
            "threads/thread_1/runs/run_1",
            "/v1/threads/thread_1/runs/run_1?api-version=1/threads/a/runs/b",
            "https://elsewhere/tenant/../v1/threads/thread_1/runs/run_1#a",
        ] {
            assert_eq!(parse(path), run, "{path}");
        }
        let long = format!("/threads/thread_1/runs/run_{}", "1".repeat(MAX_ID_BYTES));
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
            assert_eq!(parse(path), None, "{path}");
        }
    }
}

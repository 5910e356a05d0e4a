//! Which run a stream is of, also before the stream has told it.

use reqwest::header::HeaderMap;
use runstep_api::types::Run;

use crate::error::{Error, ErrorKind, Result};
use crate::headers;
use crate::id;
use crate::poll::RunRef;

/// How much earlier than its reply a run may seem to have been made, in seconds: the clocks may be two.
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
    /// When the reply began by its own word, in seconds since the Unix epoch.
    replied_at: Option<i64>,
}

impl Origin {
    /// What the request says, and the head of its reply.
    pub(super) fn new(thread_id: Option<String>, assistant_id: String, head: &HeaderMap) -> Self {
        let named = headers::content_location(head).and_then(run_at);
        let own = |run: &RunRef| thread_id.as_ref().is_none_or(|own| *own == run.thread_id);
        let named = named.filter(own);
        Self { thread_id, assistant_id, named, replied_at: headers::date(head) }
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

    /// The run among the newest of its thread. It has been made, or there would be no stream.
    ///
    /// # Errors
    ///
    /// One that may pass where the run is not in the list yet, and one that does not where it
    /// cannot be told from others.
    pub(super) fn find(&self, thread_id: &str, mut runs: Vec<Run>) -> Result<Run> {
        let is_only = runs.len() == 1;
        // Nobody else can know of a thread that was made along with the run.
        if !is_only || self.thread_id.is_some() {
            runs.retain(|run| self.may_be(run));
        }
        match (runs.pop(), runs.as_slice()) {
            (Some(run), []) if is_only || self.replied_at.is_some() => Ok(run),
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
                let message = format!(
                    "the stream was cut before it told its run, which is not in the list of \
                     {thread_id} yet; look there before you create another"
                );
                Err(Error::new(ErrorKind::Connection, message))
            }
        }
    }

    /// Whether this may be the run, as far as is known. Runs that were made after it may be, too.
    fn may_be(&self, run: &Run) -> bool {
        run.assistant_id.as_ref() == Some(&self.assistant_id)
            && self.replied_at.is_none_or(|time| run.created_at >= time.saturating_sub(LEEWAY))
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

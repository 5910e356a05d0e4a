//! A thread takes no messages and no other run while one is active on it.

use std::future::IntoFuture;
use std::time::Duration;

use runstep_api::types::{Order, Run};
use tokio::time::{Instant, timeout_at};

use crate::error::{ActiveRun, Error, ErrorKind, Result};
use crate::extensions::RunExt as _;
use crate::options::TakesOptions as _;
use crate::poll::{PollSettings, after, look_setters, to_the_end};
use crate::request::ResponseFuture;
use crate::runs::Runs;

/// What to do about a run that is active.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfActive {
    /// Wait until it has ended. One that waits for tool outputs is waited for too: somebody else
    /// may submit them.
    Wait,
    /// Ask to cancel it, and wait until it has ended.
    Cancel,
    /// Give an error with both ids ([`Error::active_run`]).
    Fail,
}

/// A request to see to it that no run is active; see [`Runs::ensure_idle`].
///
/// Awaited, it gives the run that was active, as it ended; none if there was none.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct EnsureIdle {
    runs: Runs,
    thread_id: String,
    if_active: IfActive,
    settings: PollSettings,
}

impl EnsureIdle {
    pub(crate) fn new(runs: Runs, thread_id: String, if_active: IfActive) -> Self {
        Self { runs, thread_id, if_active, settings: PollSettings::default() }
    }

    /// How long it may take in all. Default: [`DEFAULT_DEADLINE`](crate::DEFAULT_DEADLINE).
    ///
    /// The error on the deadline carries the last state of the run, if one was seen. It comes up to
    /// a second later, because of a last look.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    look_setters!();

    async fn ensure(self) -> Result<Option<Run>> {
        let until = after(self.settings.deadline);
        let Some(run) = by(until, self.active()).await.ok_or_else(|| late(None))?? else {
            return Ok(None);
        };
        let run = match self.if_active {
            IfActive::Fail => return Err(self.busy(run)),
            IfActive::Wait => run,
            IfActive::Cancel => match by(until, self.cancel(&run)).await {
                Some(Ok(run)) => run,
                // It may have ended in the meantime, or be cancelled already.
                Some(Err(error)) if error.status() == Some(400) => run,
                Some(Err(error)) => return Err(error.with_run(Some(run))),
                None => return Err(late(Some(run))),
            },
        };
        to_the_end(self.runs, run, &self.settings, until).await.map(Some)
    }

    async fn active(&self) -> Result<Option<Run>> {
        // The newest run is the only one that can be active.
        let newest = self.runs.list().with_options(self.settings.options.clone());
        let newest = newest.order(Order::Desc).limit(1).await?.data.into_iter().next();
        Ok(newest.filter(|run| !run.is_terminal()))
    }

    async fn cancel(&self, run: &Run) -> Result<Run> {
        self.runs.cancel(&run.id).with_options(self.settings.options.clone()).await
    }

    fn busy(&self, run: Run) -> Error {
        let active = ActiveRun { thread_id: self.thread_id.clone(), run_id: run.id.clone() };
        Error::active(active).with_run(Some(run))
    }
}

/// None when the time is up.
async fn by<T>(until: Instant, work: impl Future<Output = T>) -> Option<T> {
    timeout_at(until, work).await.ok()
}

fn late(run: Option<Run>) -> Error {
    let message = "the thread was not seen free of runs before the deadline";
    Error::new(ErrorKind::Deadline, message).with_run(run)
}

impl IntoFuture for EnsureIdle {
    type Output = Result<Option<Run>>;
    type IntoFuture = ResponseFuture<Option<Run>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ensure())
    }
}

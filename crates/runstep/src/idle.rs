//! A thread takes no messages and no other run while one is active on it.

use std::future::IntoFuture;
use std::time::Duration;

use runstep_api::types::Run;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::extensions::RunExt as _;
use crate::poll::{DEFAULT_DEADLINE, after};
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
    deadline: Duration,
    interval: Duration,
}

impl EnsureIdle {
    pub(crate) fn new(runs: Runs, thread_id: String, if_active: IfActive) -> Self {
        let interval = Duration::from_millis(500);
        Self { runs, thread_id, if_active, deadline: DEFAULT_DEADLINE, interval }
    }

    /// How long to wait in all. Default: [`DEFAULT_DEADLINE`].
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How long to pause between two looks at a run that waits for outputs. Default: 500 ms.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    async fn ensure(self) -> Result<Option<Run>> {
        // The newest run is the only one that can be active.
        let newest = self.runs.list().limit(1).await?.data.into_iter().next();
        let Some(run) = newest.filter(|run| !run.is_terminal()) else { return Ok(None) };
        match self.if_active {
            IfActive::Fail => Err(self.busy(run)),
            IfActive::Wait => self.wait(run).await.map(Some),
            IfActive::Cancel => match self.runs.cancel(&run.id).await {
                Ok(run) => self.wait(run).await.map(Some),
                // It may have ended in the meantime, or be cancelled already.
                Err(error) if error.status() == Some(400) => self.wait(run).await.map(Some),
                Err(error) => Err(error),
            },
        }
    }

    async fn wait(&self, mut run: Run) -> Result<Run> {
        let until = after(self.deadline);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.runs.poll(&run.id).deadline(left).await {
                Ok(seen) => run = seen,
                Err(error) if error.is_deadline() => {
                    return Err(late(error.run().cloned().unwrap_or(run)));
                }
                Err(error) => return Err(error),
            }
            if run.is_terminal() {
                return Ok(run);
            }
            if left.is_zero() {
                return Err(late(run));
            }
            let pause = self.interval.max(Duration::from_millis(1));
            tokio::time::sleep(pause.min(until.saturating_duration_since(Instant::now()))).await;
        }
    }

    fn busy(&self, run: Run) -> Error {
        let message = format!("Thread {} already has an active run {}.", self.thread_id, run.id);
        Error::new(ErrorKind::Api, message).with_run(Some(run))
    }
}

fn late(run: Run) -> Error {
    let message = "the thread's run did not end before the deadline";
    Error::new(ErrorKind::Deadline, message).with_run(Some(run))
}

impl IntoFuture for EnsureIdle {
    type Output = Result<Option<Run>>;
    type IntoFuture = ResponseFuture<Option<Run>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ensure())
    }
}

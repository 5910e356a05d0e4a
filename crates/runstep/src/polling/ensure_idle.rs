//! Frees a thread: a thread with an active run accepts neither messages nor another run.

use std::future::IntoFuture;

use runstep_api::types::{Order, Run};
use tokio::time::{Instant, timeout_at};

use super::poll_loop::PollLoop;
use crate::error::{ActiveRun, Error, ErrorKind, Result};
use crate::resources::Runs;
use crate::run_request::RunRequest;
use crate::time::deadline_after;
use crate::transport::ResponseFuture;

/// What to do about an active run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IfActive {
    /// Wait until the run has ended, even if it requires action: another client may submit the tool
    /// outputs.
    Wait,
    /// Cancel the run and wait until it has ended.
    Cancel,
    /// Return an error with the ids of the thread and the run ([`Error::active_run`]).
    Fail,
}

/// A request that ensures that a thread has no active run; see [`Runs::ensure_idle`].
///
/// Returns the run that was active, as it ended, or `None` if there was none.
pub type EnsureIdle = RunRequest<EnsureIdleParams>;

/// The parameters of [`EnsureIdle`].
#[derive(Clone, Debug)]
pub struct EnsureIdleParams {
    runs: Runs,
    if_active: IfActive,
}

impl EnsureIdle {
    async fn ensure(self) -> Result<Option<Run>> {
        let deadline = deadline_after(self.options.deadline);
        let active = before(deadline, self.active_run()).await;
        let Some(run) = active.ok_or_else(|| deadline_exceeded(None))?? else {
            return Ok(None);
        };
        let run = match self.params.if_active {
            IfActive::Fail => return Err(self.active_run_error(run)),
            IfActive::Wait => run,
            IfActive::Cancel => match before(deadline, self.cancel(&run)).await {
                Some(Ok(run)) => run,
                // The run may have ended or be cancelling already.
                Some(Err(error)) if error.status() == Some(400) => run,
                Some(Err(error)) => return Err(error.with_run(Some(run))),
                None => return Err(deadline_exceeded(Some(run))),
            },
        };
        if run.is_terminal() {
            return Ok(Some(run));
        }
        let poll_loop = PollLoop::new(self.params.runs, run.id.clone(), &self.options, deadline);
        Box::new(poll_loop.until_terminal(run)).settled_run().await.map(Some)
    }

    async fn active_run(&self) -> Result<Option<Run>> {
        // Only the newest run of a thread can be active.
        let newest = self.params.runs.list().with_options(self.options.related());
        // An entry that does not decode may be an active run, so it is an error.
        let newest = newest.order(Order::Desc).limit(1).items().try_next().await?;
        Ok(newest.filter(|run| !run.is_terminal()))
    }

    async fn cancel(&self, run: &Run) -> Result<Run> {
        self.params.runs.cancel(&run.id).with_options(self.options.related()).await
    }

    fn active_run_error(&self, run: Run) -> Error {
        let thread_id = self.params.runs.thread_id().to_owned();
        Error::active_run_on(ActiveRun { thread_id, run_id: run.id.clone() }).with_run(Some(run))
    }
}

/// Runs a future until `deadline`.
async fn before<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    timeout_at(deadline, future).await.ok()
}

fn deadline_exceeded(run: Option<Run>) -> Error {
    let message = "the thread still had an active run at the deadline";
    Error::new(ErrorKind::Deadline, message).with_run(run)
}

impl IntoFuture for EnsureIdle {
    type Output = Result<Option<Run>>;
    type IntoFuture = ResponseFuture<Option<Run>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.ensure())
    }
}

impl Runs {
    /// Ensures that the thread has no active run, so that it accepts messages and another run.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use runstep::IfActive;
    ///
    /// runs.create(&assistant.id).and_poll().await?; // requires action, so the thread is busy
    /// let ended = runs.ensure_idle(IfActive::Cancel).await?;
    /// assert_eq!(ended.unwrap().status, "cancelled");
    /// client.messages(&thread.id).create("Never mind.").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the request returns the errors of every request ([`docs::errors`](crate::docs::errors)),
    /// [`Deadline`](ErrorKind::Deadline) if the run has not ended before the deadline, an error with an
    /// [`active_run`](Error::active_run) for [`IfActive::Fail`], and [`Decode`](ErrorKind::Decode) if the
    /// newest run does not decode.
    pub fn ensure_idle(&self, if_active: IfActive) -> EnsureIdle {
        let params = EnsureIdleParams { runs: self.clone(), if_active };
        RunRequest::from_params(self.client(), params)
    }
}

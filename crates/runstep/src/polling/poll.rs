//! The request that waits for a run.

use std::future::IntoFuture;

use super::start::watch;
use super::updates::RunUpdates;
use crate::error::Result;
use crate::resources::{ExistingRun, Runs};
use crate::run_ref::RunRef;
use crate::run_request::{Action, Plain, RunMode, RunRequest};
use crate::transport::ResponseFuture;

/// A request that waits for a run; see [`Runs::poll`] and [`docs::polling`](crate::docs::polling).
///
/// Awaiting it returns the run once it settles: when it requires action or has ended.
/// [`watch`](Self::watch) yields the run after each change of its status. Unknown statuses are treated
/// as active.
pub type Poll<M = Plain> = RunRequest<PollParams, M>;

/// The parameters of [`Poll`].
#[derive(Clone, Debug)]
pub struct PollParams {
    run: RunRef,
}

impl PollParams {
    fn into_action(self) -> Action {
        Action::new(ExistingRun {
            run: self.run,
            include: Vec::new(),
            last_event_id: String::new(),
        })
    }
}

impl Poll {
    /// Returns a stream of changes: the current state first, then one item for each change of the
    /// status or, with [`with_steps`](Self::with_steps), for new steps. The stream ends after the run
    /// has settled, or after an error.
    pub fn watch(self) -> RunUpdates {
        let (_, request) = self.erase(PollParams::into_action);
        watch(request)
    }
}

impl<M: RunMode> IntoFuture for Poll<M> {
    type Output = Result<M::Polled>;
    type IntoFuture = ResponseFuture<M::Polled>;

    fn into_future(self) -> Self::IntoFuture {
        let (mode, request) = self.erase(PollParams::into_action);
        mode.poll(request)
    }
}

impl Runs {
    /// Waits until a run has settled, by polling `GET /threads/{thread_id}/runs/{run_id}`. See
    /// [`docs::polling`](crate::docs::polling).
    ///
    /// With a [`toolbox`](RunRequest::toolbox), the function calls of the run are executed. The run keeps
    /// the tool definitions with which it was created.
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// let run = runs.create(&assistant.id).await?;
    /// let mut updates = runs.poll(&run.id).watch(); // one item per change
    /// while let Some(update) = updates.try_next().await? {
    ///     println!("{}", update.status);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it returns the errors of [`and_poll`](RunRequest::and_poll).
    pub fn poll(&self, run_id: impl Into<String>) -> Poll {
        let run = RunRef { thread_id: self.thread_id().to_owned(), run_id: run_id.into() };
        RunRequest::from_params(self.client(), PollParams { run })
    }
}

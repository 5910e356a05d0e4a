//! The request that waits for a run.

use runstep_api::types::Run;

use super::start::WatchRun;
use crate::arguments::IntoId;
use crate::resources::{ExistingRun, Runs};
use crate::run_ref::RunRef;
use crate::run_request::sealed::Sealed;
use crate::run_request::{Action, AwaitRun, Plain, RunMode, RunRequest};
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

impl Sealed for PollParams {}

impl WatchRun for PollParams {
    fn into_watch(self) -> Action {
        self.into_action()
    }
}

impl<M: RunMode> AwaitRun<M> for PollParams {
    type Output = M::Polled;

    fn into_future(request: Poll<M>) -> ResponseFuture<M::Polled> {
        let (mode, request) = request.erase(Self::into_action);
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
    pub fn poll(&self, run_id: impl IntoId<Run>) -> Poll {
        let run = RunRef { thread_id: self.thread_id().to_owned(), run_id: run_id.into_id().0 };
        RunRequest::from_params(self.client(), PollParams { run })
    }
}

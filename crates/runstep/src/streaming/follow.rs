//! Streams of runs that exist already.

use runstep_api::types::{Run, RunInclude};

use crate::arguments::{IntoField, IntoId};
use crate::resources::{ExistingRun, Runs};
use crate::run_ref::RunRef;
use crate::run_request::sealed::Sealed;
use crate::run_request::{Action, AwaitRun, Plain, RunMode, RunRequest};
use crate::transport::ResponseFuture;

/// A request that streams the events of a run that exists already; see [`Runs::stream`].
pub type FollowRun<M = Plain> = RunRequest<FollowRunParams, M>;

/// The parameters of [`FollowRun`].
#[derive(Clone, Debug)]
pub struct FollowRunParams {
    run: RunRef,
    include: Vec<RunInclude>,
    last_event_id: String,
}

impl Runs {
    /// Streams the events of a run that is under way, for example one that another process has created.
    ///
    /// [`last_event_id`](FollowRun::last_event_id) resumes the events after a saved position.
    /// Without a position, or if the server cannot resume events, the run is polled and its events are
    /// synthesized, starting with `thread.run.created`; see
    /// [`RunStream::is_synthesized`](crate::RunStream::is_synthesized).
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// let mut events = runs.create(&assistant.id).stream().await?;
    /// let _first = events.try_next().await?;
    /// let run_id = events.run().unwrap().id.clone();
    /// let position = events.last_event_id().map(str::to_owned); // to be saved
    /// drop(events);
    ///
    /// let mut events = runs.stream(run_id).last_event_id(position.unwrap_or_default()).await?;
    /// while let Some(event) = events.try_next().await? {
    ///     println!("{}", event.event());
    /// }
    /// assert_eq!(events.run().unwrap().status, "requires_action");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it returns the errors of [`retrieve`](Self::retrieve). Errors of the stream are those of
    /// [`RunStream::try_next`](crate::RunStream::try_next).
    pub fn stream(&self, run_id: impl IntoId<Run>) -> FollowRun {
        let run = RunRef { thread_id: self.thread_id().to_owned(), run_id: run_id.into_id().0 };
        let params = FollowRunParams { run, include: Vec::new(), last_event_id: String::new() };
        RunRequest::from_params(self.client(), params)
    }
}

impl<M> FollowRun<M> {
    /// Resumes after the event with this id; see
    /// [`RunStream::last_event_id`](crate::RunStream::last_event_id). An empty id, or `None`, is no position.
    /// Snapshots of earlier messages and steps are fetched at the end of the stream.
    ///
    /// Servers define the format of ids and how long they keep events. If the server cannot resume after
    /// this id, all events of the run are synthesized.
    pub fn last_event_id(mut self, id: impl IntoField<String>) -> Self {
        let id = self.options.request.field("last_event_id", id);
        self.params.last_event_id = id.into_option().unwrap_or_default();
        self
    }

    /// Requests an optional field of the steps.
    pub fn include(mut self, include: impl Into<RunInclude>) -> Self {
        self.params.include.push(include.into());
        self
    }
}

impl FollowRunParams {
    fn into_action(self) -> Action {
        let Self { run, include, last_event_id } = self;
        Action::new(ExistingRun { run, include, last_event_id })
    }
}

impl Sealed for FollowRunParams {}

impl<M: RunMode> AwaitRun<M> for FollowRunParams {
    type Output = M::Streamed;

    fn into_future(request: FollowRun<M>) -> ResponseFuture<M::Streamed> {
        let (mode, request) = request.erase(Self::into_action);
        mode.stream(request)
    }
}

//! Requests about one run: creating it, continuing it, or waiting for it.
//!
//! ```text
//! RunRequest<parameters, mode> ─▶ ErasedRequest (no type parameters) ─▶ polling, streaming, tools
//! ```
//!
//! A [`RunRequest`] is generic, so that the compiler checks what it results in. Its verbs erase the
//! parameters: the code that waits for runs is compiled once, in this crate.

mod action;
mod options;

use std::future::IntoFuture;

use runstep_api::types::Run;

use crate::client::Client;
use crate::transport::{Response, ResponseFuture};

pub(crate) use action::{Action, RunAction, RunTarget};
pub(crate) use options::RunOptions;
pub use options::{DEFAULT_DEADLINE, DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_EVENT_BYTES};

/// A request about one run, with the options of waiting for that run.
///
/// `R` contains the parameters: [`CreateRun`](crate::CreateRun),
/// [`CreateThreadAndRun`](crate::CreateThreadAndRun), [`SubmitToolOutputs`](crate::SubmitToolOutputs),
/// [`Poll`](crate::Poll) and [`FollowRun`](crate::FollowRun) are aliases of this type. The mode `M` is
/// what the request results in; see [`RunMode`].
///
/// Options can be set in any order. A verb ends the request:
///
/// | verb | result |
/// | --- | --- |
/// | `.await`, [`send`](Self::send) | the response: the run as it was created or continued |
/// | [`and_poll`](Self::and_poll) | the run once it settles, by polling |
/// | [`watch`](Self::watch) | a stream of the changes of the run, by polling |
/// | [`stream`](Self::stream) | a stream of the events of the run |
///
/// [`Poll`](crate::Poll) and [`FollowRun`](crate::FollowRun) are about a run that exists already, so
/// `.await` waits for it or opens its stream.
///
/// Headers, query and timeout apply to each request about the run: polls, submissions, and cancelling.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct RunRequest<R, M = Plain> {
    pub(crate) client: Client,
    pub(crate) params: R,
    pub(crate) options: RunOptions,
    pub(crate) mode: M,
}

/// The mode of a request without a toolbox and without an answer type: it results in a
/// [`Run`] or a [`RunStream`](crate::RunStream).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plain;

/// What a [`RunRequest`] results in.
///
/// | mode | after | polled | streamed |
/// | --- | --- | --- | --- |
/// | [`Plain`] | | [`Run`] | [`RunStream`](crate::RunStream) |
/// | [`WithToolbox`](crate::tools::WithToolbox) | `toolbox` | [`ToolRun`](crate::tools::ToolRun) | [`ToolStream`](crate::tools::ToolStream) |
/// | [`Typed`](crate::Typed) | `response_as` | [`Answer`](crate::Answer) | [`AnswerStream`](crate::AnswerStream) |
///
/// The trait is sealed.
pub trait RunMode: sealed::Sealed + Send + Sized + 'static {
    /// What waiting for the run returns.
    type Polled: Send + 'static;
    /// What streaming the run returns.
    type Streamed: Send + 'static;

    #[doc(hidden)]
    fn poll(self, request: ErasedRequest) -> ResponseFuture<Self::Polled>;

    #[doc(hidden)]
    fn stream(self, request: ErasedRequest) -> ResponseFuture<Self::Streamed>;
}

/// The parameters of a request that creates a run or continues one.
///
/// The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a request about a run that exists already has no such verb: end it with `.await`",
    label = "`{Self}` neither creates a run nor continues one",
    note = "`runs.poll(id).await` waits until the run settles, and `runs.stream(id).await` streams its events"
)]
pub trait StartRun: sealed::Sealed + Send + 'static {
    #[doc(hidden)]
    fn into_action(self) -> Action;
}

/// A mode without a toolbox and without an answer type, whose request can be sent without waiting for
/// the run: [`Plain`].
///
/// The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a request with a toolbox or an answer type waits for its run: end it with `.and_poll()` or `.stream()`",
    label = "this request has the mode `{Self}`",
    note = "`runs.poll(id)` and `runs.stream(id)` end with `.await` in every mode"
)]
pub trait PlainMode: RunMode {}

impl PlainMode for Plain {}

/// The parameters of a request that can be awaited in the mode `M`.
///
/// Requests that create a run or continue one result in the [`Run`]. [`Poll`](crate::Poll) results in what
/// polling returns in its mode, and [`FollowRun`](crate::FollowRun) in what streaming returns.
///
/// The trait is sealed.
pub trait AwaitRun<M>: sealed::Sealed + Sized {
    /// What the request results in.
    type Output;

    #[doc(hidden)]
    fn into_future(request: RunRequest<Self, M>) -> ResponseFuture<Self::Output>;
}

pub(crate) mod sealed {
    pub trait Sealed {}

    impl Sealed for super::Plain {}
}

/// A request without its type parameters.
pub struct ErasedRequest {
    pub(crate) client: Client,
    pub(crate) action: Box<dyn RunAction>,
    pub(crate) options: RunOptions,
}

impl<R> RunRequest<R> {
    pub(crate) fn from_params(client: &Client, params: R) -> Self {
        let (client, options) = (client.clone(), RunOptions::default());
        Self { client, params, options, mode: Plain }
    }

    /// Replaces the options of the request itself.
    #[cfg(feature = "tools")]
    pub(crate) fn with_options(mut self, options: crate::transport::RequestOptions) -> Self {
        self.options.request = options;
        self
    }
}

impl<R, M> RunRequest<R, M> {
    #[cfg(feature = "tools")]
    pub(crate) fn map_mode<N>(self, change: impl FnOnce(M) -> N) -> RunRequest<R, N> {
        let Self { client, params, options, mode } = self;
        RunRequest { client, params, options, mode: change(mode) }
    }

    pub(crate) fn erase(self, action: impl FnOnce(R) -> Action) -> (M, ErasedRequest) {
        let Self { client, params, options, mode } = self;
        let Action(action) = action(params);
        (mode, ErasedRequest { client, action, options })
    }
}

impl<R, M> RunRequest<R, M> {
    /// Sends the request and returns the run with the status, headers and body of the response.
    /// Awaiting the request returns the run alone.
    ///
    /// # Errors
    ///
    /// See [`Error`](crate::Error).
    pub fn send(self) -> ResponseFuture<Response<Run>>
    where
        R: StartRun,
        M: PlainMode,
    {
        let (_, ErasedRequest { client, action, options }) = self.erase(R::into_action);
        action.send(client, options.request)
    }

    /// Sends the request and waits until the run settles: until it has ended or requires action. With a
    /// toolbox, function calls are executed, so that the run ends.
    ///
    /// # Errors
    ///
    /// Awaiting it returns
    ///
    /// - the errors of the request; see [`Error`](crate::Error),
    /// - [`Deadline`](crate::ErrorKind::Deadline) if the run has not settled before the
    ///   [`deadline`](Self::deadline), with its last known state,
    /// - errors of polls that the [`error_policy`](Self::error_policy) does not tolerate,
    /// - with a toolbox, [`Tool`](crate::ErrorKind::Tool) if a call failed and the policy does not
    ///   tolerate it or there were too many rounds; the run is cancelled then,
    /// - with a toolbox or an answer type that is not valid,
    ///   [`Configuration`](crate::ErrorKind::Configuration), before anything is sent.
    ///
    /// A run that failed is not an error; see [`IntoCompleted`](crate::IntoCompleted).
    pub fn and_poll(self) -> ResponseFuture<M::Polled>
    where
        R: StartRun,
        M: RunMode,
    {
        let (mode, request) = self.erase(R::into_action);
        mode.poll(request)
    }

    /// Sends the request and returns the stream of the run's events when the response starts; see
    /// [`docs::streaming`](crate::docs::streaming).
    ///
    /// ```
    #[doc = include_str!("../docs/setup.txt")]
    /// use runstep::RunEvent;
    ///
    /// let mut events = runs.create(&assistant.id).stream().await?;
    /// while let Some(event) = events.try_next().await? {
    ///     match event {
    ///         RunEvent::MessageDelta(delta) => print!("{}", delta.text()),
    ///         RunEvent::StepCreated(step) => println!("{}", step.id),
    ///         _ => {}
    ///     }
    /// }
    /// let run = events.final_run().await?;
    /// assert_eq!(run.status, "requires_action");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it returns the errors of the request, and
    /// [`Deadline`](crate::ErrorKind::Deadline) if no response starts before the
    /// [`deadline`](Self::deadline). Errors after that are items of the stream.
    pub fn stream(self) -> ResponseFuture<M::Streamed>
    where
        R: StartRun,
        M: RunMode,
    {
        let (mode, request) = self.erase(R::into_action);
        mode.stream(request)
    }
}

impl<R: AwaitRun<M>, M> IntoFuture for RunRequest<R, M> {
    type Output = crate::Result<R::Output>;
    type IntoFuture = ResponseFuture<R::Output>;

    fn into_future(self) -> Self::IntoFuture {
        R::into_future(self)
    }
}

impl<R: StartRun, M: PlainMode> AwaitRun<M> for R {
    type Output = Run;

    fn into_future(request: RunRequest<R, M>) -> ResponseFuture<Run> {
        let response = request.send();
        Box::pin(async move { response.await.map(Response::into_inner) })
    }
}

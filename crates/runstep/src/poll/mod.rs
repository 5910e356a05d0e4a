//! Waiting for runs: the end of one, each change on the way, or the ends of many.

mod many;
mod policy;
mod watch;

use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll as Ready};
use std::time::Duration;

use futures_core::Stream;
use futures_util::{StreamExt as _, TryFutureExt as _};
use runstep_api::types::{Run, RunStep};

pub use many::{PollAll, RunEnd, RunRef};
pub(crate) use policy::Pace;
pub use policy::PollErrorPolicy;

use crate::Client;
use crate::backoff::Backoff;
use crate::error::{Error, ErrorKind, Result};
use crate::request::ResponseFuture;
use crate::runs::Runs;
use watch::Watch;
pub(crate) use watch::{CancelOnDrop, after, is_settled};

/// How long a poll waits in all unless told: 15 minutes. A run expires after 10.
pub const DEFAULT_DEADLINE: Duration = Duration::from_secs(15 * 60);

/// How a poll is told to wait.
#[derive(Clone, Debug)]
pub(crate) struct PollSettings {
    pub(crate) deadline: Duration,
    pub(crate) cancel_on_deadline: bool,
    pub(crate) cancel_on_drop: bool,
    interval: Option<Duration>,
    backoff: Option<Backoff>,
    errors: Option<PollErrorPolicy>,
    with_steps: bool,
}

impl PollSettings {
    /// The settings for a part of a longer wait, which sees to the rest of it itself.
    pub(crate) fn for_part(&self, deadline: Duration) -> Self {
        Self { deadline, cancel_on_drop: false, ..self.clone() }
    }
}

impl Default for PollSettings {
    fn default() -> Self {
        Self {
            deadline: DEFAULT_DEADLINE,
            interval: None,
            backoff: None,
            errors: None,
            with_steps: false,
            cancel_on_deadline: false,
            cancel_on_drop: false,
        }
    }
}

/// The methods by which a poll is told how to wait.
macro_rules! poll_setters {
    () => {
        /// How long to wait in all, however long a single request may take. Default:
        /// [`DEFAULT_DEADLINE`].
        ///
        /// The error on the deadline ([`Error::is_deadline`]) carries the last state of the run.
        pub fn deadline(mut self, deadline: Duration) -> Self {
            self.settings.deadline = deadline;
            self
        }

        /// How long to pause between two looks, whatever the server asks for. At least 1 ms.
        pub fn interval(mut self, interval: Duration) -> Self {
            self.settings.interval = Some(interval);
            self
        }

        /// The pace where the server names none by `openai-poll-after-ms` or `Retry-After`.
        /// Default: the client's.
        pub fn backoff(mut self, backoff: Backoff) -> Self {
            self.settings.backoff = Some(backoff);
            self
        }

        /// Which failed looks the poll goes on after. Default: the client's.
        pub fn error_policy(mut self, policy: PollErrorPolicy) -> Self {
            self.settings.errors = Some(policy);
            self
        }

        /// Whether the server is asked to cancel the run when the deadline is reached. Default: no.
        pub fn cancel_on_deadline(mut self, cancel: bool) -> Self {
            self.settings.cancel_on_deadline = cancel;
            self
        }

        /// Whether the server is asked to cancel the run when the poll is dropped before the run
        /// has settled. Default: no. Needs a tokio runtime at that moment.
        pub fn cancel_on_drop(mut self, cancel: bool) -> Self {
            self.settings.cancel_on_drop = cancel;
            self
        }

        /// Whether the stream tells new steps too, at one more request a look. Default: no.
        pub fn with_steps(mut self, with_steps: bool) -> Self {
            self.settings.with_steps = with_steps;
            self
        }
    };
}

/// A wait for a run; see [`Runs::poll`] and [`docs::polling`](crate::docs::polling).
///
/// Awaited, it gives the run once it needs action or has ended. As a stream
/// ([`into_stream`](Self::into_stream)) it gives the run each time its status has changed.
///
/// A status that nobody knows yet is waited through, until the deadline.
#[derive(Clone, Debug)]
#[must_use = "a poll does nothing until it is awaited"]
pub struct Poll {
    runs: Runs,
    run_id: String,
    settings: PollSettings,
}

impl Poll {
    pub(crate) fn new(runs: Runs, run_id: String) -> Self {
        Self::with_settings(runs, run_id, PollSettings::default())
    }

    pub(crate) fn with_settings(runs: Runs, run_id: String, settings: PollSettings) -> Self {
        Self { runs, run_id, settings }
    }

    pub(crate) fn parts(&self) -> (Runs, PollSettings) {
        (self.runs.clone(), self.settings.clone())
    }

    poll_setters!();

    /// The way there: the run at first, then each time its status has changed, and what failed in
    /// between. The stream ends after the run that needs action or has ended, or after an error.
    pub fn into_stream(self) -> RunUpdates {
        let watch = Watch::new(self.runs, self.run_id, &self.settings);
        let changes = futures_util::stream::try_unfold(watch, |mut watch| async move {
            Ok(watch.next().await?.map(|update| (update, watch)))
        });
        RunUpdates(changes.boxed())
    }

    async fn end(self) -> Result<Run> {
        let mut watch = Watch::new(self.runs, self.run_id, &self.settings);
        let mut last = None;
        while let Some(update) = watch.next().await? {
            last = Some(update.run);
        }
        last.ok_or_else(|| Error::new(ErrorKind::Decode, "the run was never seen"))
    }
}

impl IntoFuture for Poll {
    type Output = Result<Run>;
    type IntoFuture = ResponseFuture<Run>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.end())
    }
}

/// A request after which a run goes on.
pub(crate) trait StartRun: Send + 'static {
    fn client(&self) -> &Client;

    fn start(self) -> ResponseFuture<Run>;
}

/// A request that can be waited for, such as [`CreateRun`](crate::CreateRun).
pub trait Polled {
    /// What [`AndPoll`] gives at the end.
    type Output;
}

/// How a request is waited for.
pub(crate) trait Wait: Polled + Send + 'static {
    fn client(&self) -> &Client;

    fn wait(self, settings: PollSettings) -> ResponseFuture<Self::Output>;
}

#[allow(private_bounds, reason = "which requests start runs is not for others to say")]
impl<R: StartRun> Polled for R {
    type Output = Run;
}

impl<R: StartRun> Wait for R {
    fn client(&self) -> &Client {
        StartRun::client(self)
    }

    fn wait(self, settings: PollSettings) -> ResponseFuture<Run> {
        Box::pin(async move { AndPoll { request: self, settings }.poll().await?.end().await })
    }
}

/// A request whose run is waited for; see [`Runs::create`] and its `and_poll`.
///
/// Awaited, it sends the request, and gives the run once it needs action or has ended.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct AndPoll<R> {
    request: R,
    settings: PollSettings,
}

impl<R> AndPoll<R> {
    pub(crate) fn new(request: R) -> Self {
        Self { request, settings: PollSettings::default() }
    }

    poll_setters!();
}

#[allow(private_bounds, reason = "which requests start runs is not for others to say")]
impl<R: StartRun> AndPoll<R> {
    /// Each change of the run from when it was started; see [`Poll::into_stream`].
    pub fn into_stream(self) -> RunUpdates {
        let updates = self.poll().map_ok(Poll::into_stream).try_flatten_stream();
        RunUpdates(updates.boxed())
    }

    async fn poll(self) -> Result<Poll> {
        let client = StartRun::client(&self.request).clone();
        let run = self.request.start().await?;
        Ok(Poll { runs: client.runs(run.thread_id), run_id: run.id, settings: self.settings })
    }
}

#[allow(private_bounds, reason = "which requests are waited for is not for others to say")]
impl<R: Wait> IntoFuture for AndPoll<R> {
    type Output = Result<R::Output>;
    type IntoFuture = ResponseFuture<R::Output>;

    fn into_future(self) -> Self::IntoFuture {
        self.request.wait(self.settings)
    }
}

/// What a poll saw: the run, and what is new. It can be used as the run itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunUpdate {
    /// The run as it was seen last.
    pub run: Run,
    /// Steps that were not there before, with [`Poll::with_steps`]; oldest first.
    pub new_steps: Vec<RunStep>,
    /// Looks that failed since the last update and were tolerated.
    pub failures: Vec<Error>,
}

impl Deref for RunUpdate {
    type Target = Run;

    fn deref(&self) -> &Run {
        &self.run
    }
}

/// The changes of a run; see [`Poll::into_stream`].
#[must_use = "a stream does nothing until it is polled"]
pub struct RunUpdates(Pin<Box<dyn Stream<Item = Result<RunUpdate>> + Send>>);

impl RunUpdates {
    /// The next change; none after the last.
    ///
    /// # Errors
    ///
    /// When a look at the run fails and is not tolerated, or the deadline is reached.
    pub async fn try_next(&mut self) -> Result<Option<RunUpdate>> {
        self.0.next().await.transpose()
    }
}

impl Stream for RunUpdates {
    type Item = Result<RunUpdate>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Ready<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}

impl fmt::Debug for RunUpdates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunUpdates").finish_non_exhaustive()
    }
}

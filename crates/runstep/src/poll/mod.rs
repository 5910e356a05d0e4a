//! Waiting for runs: the end of one, each change on the way, or the ends of many.

mod guard;
mod many;
mod policy;
mod settings;
mod start;
mod watch;

use std::fmt;
use std::future::IntoFuture;
use std::ops::Deref;
use std::pin::Pin;
use std::task::{Context, Poll as Ready};

use futures_core::Stream;
use futures_util::{StreamExt as _, TryFutureExt as _};
use runstep_api::types::{Run, RunStep};
use tokio::time::Instant;

pub use many::{PollAll, RunEnd, RunRef};
pub(crate) use policy::Pace;
pub use policy::PollErrorPolicy;
pub use settings::DEFAULT_DEADLINE;
pub use start::{AndPoll, Polled};

use crate::error::{Error, Result};
use crate::extensions::RunExt as _;
use crate::request::ResponseFuture;
use crate::runs::Runs;
pub(crate) use guard::CancelOnDrop;
use settings::poll_setters;
pub(crate) use settings::{PollSettings, look_setters};
pub(crate) use start::{StartRun, Wait, started};
use watch::Watch;
pub(crate) use watch::{after, is_settled};

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

    /// The way there: the run at first, then each time its status has changed, each change once.
    /// With [`with_steps`](Self::with_steps) also each time there are new steps. The stream ends
    /// after the run that needs action or has ended, or after an error.
    pub fn into_stream(self) -> RunUpdates {
        updates(self.watch())
    }

    /// Begins to wait. That is when the deadline begins to count.
    async fn watch(self) -> Result<Box<Watch>> {
        let until = after(self.settings.deadline);
        Ok(Box::new(Watch::new(self.runs, self.run_id, &self.settings, until)))
    }
}

impl IntoFuture for Poll {
    type Output = Result<Run>;
    type IntoFuture = ResponseFuture<Run>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.watch().await?.end().await })
    }
}

/// Waits for a run that was seen, until it has ended.
pub(crate) async fn to_the_end(
    runs: Runs,
    seen: Run,
    settings: &PollSettings,
    until: Instant,
) -> Result<Run> {
    if seen.is_terminal() {
        return Ok(seen);
    }
    let watch = Watch::new(runs, seen.id.clone(), settings, until).until_ended(seen);
    Box::new(watch).end().await
}

/// What a poll saw: the run, and what is new. It can be used as the run itself.
#[derive(Debug)]
#[non_exhaustive]
pub struct RunUpdate {
    /// The run as it was seen last.
    pub run: Run,
    /// Steps that were not there before, with [`Poll::with_steps`]; oldest first.
    pub new_steps: Vec<RunStep>,
    /// Looks that failed since the last update and were tolerated; the last eight of them. They are
    /// told with the next change: a failure is none. Those after the last change are the cause of the
    /// error that ends the stream.
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

/// The changes that a watch sees once it has begun.
fn updates(watch: impl Future<Output = Result<Box<Watch>>> + Send + 'static) -> RunUpdates {
    let changes = watch.map_ok(|watch| {
        futures_util::stream::try_unfold(watch, |mut watch| async move {
            Ok(watch.next().await?.map(|update| (update, watch)))
        })
    });
    RunUpdates(changes.try_flatten_stream().boxed())
}

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

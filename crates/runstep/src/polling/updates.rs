//! The stream of the changes of a polled run.

use futures_util::{StreamExt as _, TryFutureExt as _};
use sync_wrapper::SyncWrapper;

use super::new_steps::StepsAfterLast;
use super::poll_loop::{Change, PollLoop};
use super::update::RunUpdate;
use crate::error::Result;
use crate::transport::{BoxStream, boxed_stream};

/// A stream of changes of a run; see [`Poll::watch`](crate::Poll::watch).
#[must_use = "a stream does nothing until it is polled"]
pub struct RunUpdates(BoxStream<RunUpdate>);

impl RunUpdates {
    /// Creates a stream from a poll loop.
    pub(super) fn new(
        start: impl Future<Output = Result<Box<PollLoop<StepsAfterLast>>>> + Send + 'static,
    ) -> Self {
        let updates = start.map_ok(|poll_loop| {
            futures_util::stream::try_unfold(poll_loop, |mut poll_loop| async move {
                let change = poll_loop.next().await?;
                let run = poll_loop.last_run().cloned();
                Ok(change.zip(run).map(|(Change { new_steps, tolerated_errors }, run)| {
                    (RunUpdate { run, new_steps, tolerated_errors }, poll_loop)
                }))
            })
        });
        Self(SyncWrapper::new(updates.try_flatten_stream().boxed()))
    }

    /// Returns the next change, or `None` after the last.
    ///
    /// # Errors
    ///
    /// Returns an error if a poll fails and the policy does not tolerate it, or if the deadline has
    /// passed.
    pub async fn try_next(&mut self) -> Result<Option<RunUpdate>> {
        self.next().await.transpose()
    }
}

boxed_stream!(RunUpdates -> RunUpdate);

//! The request that waits for a run.

use std::future::IntoFuture;

use runstep_api::types::Run;

use super::poll_loop::PollLoop;
use super::settings::{PollSettings, poll_setters};
use super::updates::RunUpdates;
use crate::error::Result;
use crate::resources::Runs;
use crate::resources::macros::example;
use crate::time::deadline_after;
use crate::transport::ResponseFuture;

/// A request that waits for a run; see [`Runs::poll`] and [`docs::polling`](crate::docs::polling).
///
/// Awaiting it returns the run once it settles: when it requires action or has ended.
/// [`into_stream`](Self::into_stream) yields the run after each change of its status. Unknown
/// statuses are treated as active.
#[derive(Clone, Debug)]
#[must_use = "a poll does nothing until it is awaited"]
pub struct Poll {
    pub(crate) runs: Runs,
    pub(crate) run_id: String,
    pub(crate) settings: PollSettings,
}

impl Poll {
    poll_setters!();

    /// Returns a stream of changes: the current state first, then one item for each change of the
    /// status or, with [`with_steps`](Self::with_steps), for new steps. The stream ends after the run
    /// has settled, or after an error.
    pub fn into_stream(self) -> RunUpdates {
        RunUpdates::new(self.start())
    }

    /// Starts the deadline and creates the poll loop.
    async fn start(self) -> Result<Box<PollLoop>> {
        let deadline = deadline_after(self.settings.deadline);
        Ok(Box::new(PollLoop::new(self.runs, self.run_id, &self.settings, deadline)))
    }
}

impl IntoFuture for Poll {
    type Output = Result<Run>;
    type IntoFuture = ResponseFuture<Run>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.start().await?.settled_run().await })
    }
}

impl Runs {
    /// Waits until a run has settled, by polling `GET /threads/{thread_id}/runs/{run_id}`. See
    /// [`docs::polling`](crate::docs::polling).
    ///
    #[doc = example!("let run = runs.create(&assistant.id).await?;
let mut updates = runs.poll(&run.id).into_stream(); // one item per change
while let Some(update) = updates.try_next().await? {
    println!(\"{}\", update.status);
}")]
    pub fn poll(&self, run_id: impl Into<String>) -> Poll {
        Poll { runs: self.clone(), run_id: run_id.into(), settings: PollSettings::default() }
    }
}

//! What a stream does about events that could not be taken, once the run has told its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout_at;

use super::{RunStream, RunStreamEnd, Source};
use crate::error::Result;
use crate::poll::after;
use crate::stream::progress::Found;
use crate::stream::recovery::{MAX_KEPT, settled};
use crate::stream::remote::Answer;

/// The longest that the end of a stream waits for what it missed.
const MENDING: Duration = Duration::from_secs(30);

/// Whether the snapshots lack something that came and could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    None,
    /// It is to be looked up at the end of the leg.
    Open,
    /// It was looked up in vain, and may be again at the end of the next leg.
    Left,
}

/// What a look gave: none where the run has gone on meanwhile.
pub(super) type Settled = Answer<'static, Option<Found>>;

impl RunStream {
    /// Whether there is something to look up before the stream ends; then it is looked up.
    pub(super) fn mends(&mut self) -> bool {
        let has_end = self.progress.end().is_some_and(|end| end != RunStreamEnd::Cut);
        let Some(run) = self.progress.run().filter(|_| has_end && self.gap == Gap::Open) else {
            return false;
        };
        if !self.settings.recover {
            return false;
        }
        let (remote, include) = (Arc::clone(&self.remote), self.settings.include.clone());
        let (run, told) = (run.clone(), self.progress.told());
        let until = after(self.settings.recovery_deadline.min(MENDING));
        self.gap = Gap::Left;
        self.source = Source::Mend(Box::pin(async move {
            let settled = settled(&*remote, &run, &include, &told);
            timeout_at(until, settled).await.unwrap_or(Ok(None))
        }));
        true
    }

    /// Takes what was looked up. Without it the stream ends as it would have.
    pub(super) fn mended(&mut self, found: Result<Option<Found>>) {
        self.source = Source::None;
        if let Ok(Some(found)) = found
            && self.progress.mend(found, MAX_KEPT)
        {
            self.gap = Gap::None;
        }
    }
}

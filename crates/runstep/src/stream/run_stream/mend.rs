//! What a stream does about events that could not be taken, once the run has told its end.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use super::{RunStream, RunStreamEnd, Source};
use crate::error::Result;
use crate::poll::{Pace, after};
use crate::stream::progress::{Found, Mended};
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

/// What a look gave, and what is to be kept for another: none where the run has gone on meanwhile.
pub(super) type Settled = Answer<'static, Option<(Found, Again)>>;

/// How to look again.
pub(super) struct Again {
    until: Instant,
    pace: Pace,
}

impl RunStream {
    /// Whether there is something to look up before the stream ends; then it is looked up.
    pub(super) fn mends(&mut self) -> bool {
        let has_end = self.progress.end().is_some_and(|end| end != RunStreamEnd::Cut);
        if !has_end || self.gap != Gap::Open || !self.settings.recover {
            return false;
        }
        let until = after(self.settings.recovery_deadline.min(MENDING));
        let pace = Pace::new(None, self.settings.backoff);
        self.settle(Duration::ZERO, Again { until, pace });
        true
    }

    /// Whether the snapshots lack something that came and could not be taken.
    pub(crate) fn has_gap(&self) -> bool {
        self.gap != Gap::None
    }

    /// Whether all that is waited for is what was missed.
    pub(crate) fn is_mending(&self) -> bool {
        matches!(self.source, Source::Mend(_))
    }

    /// Goes on without what was missed, as after a look in vain.
    pub(crate) fn stop_mending(&mut self) {
        if self.is_mending() {
            self.source = Source::None;
        }
    }

    /// Looks after a pause.
    fn settle(&mut self, pause: Duration, again: Again) {
        self.gap = Gap::Left;
        let Some(run) = self.progress.run().cloned() else { return };
        let (remote, include) = (Arc::clone(&self.remote), self.settings.include.clone());
        let (until, told) = (again.until, self.progress.told());
        self.source = Source::Mend(Box::pin(async move {
            let settled = async {
                sleep(pause).await;
                settled(&*remote, &run, &include, &told).await
            };
            let found = timeout_at(until, settled).await.unwrap_or(Ok(None))?;
            Ok(found.map(|found| (found, again)))
        }));
    }

    /// Takes what was looked up. Without it the stream ends as it would have.
    pub(super) fn mended(&mut self, found: Result<Option<(Found, Again)>>) {
        self.source = Source::None;
        let Ok(Some((found, mut again))) = found else { return };
        match self.progress.mend(&found, MAX_KEPT) {
            Mended::Whole => self.gap = Gap::None,
            // A run that waits is not kept waiting: its next leg makes up for it.
            Mended::Early if self.progress.has_ended() => {
                let pause = again.pace.pause(None);
                self.settle(pause, again);
            }
            Mended::Early | Mended::TooLong => {}
        }
    }
}

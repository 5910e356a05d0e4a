//! How many runs are under way: so many in progress, and so many that wait for their turn.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Refusal;
use crate::metrics::{Counted, Metrics};

/// Room for runs. Those that wait get their turn in the order in which they came.
pub(super) struct Slots {
    concurrent: usize,
    queued: usize,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    metrics: Arc<Metrics>,
}

/// A place among the runs that are under way.
pub(super) struct Place {
    turns: Arc<Semaphore>,
    metrics: Arc<Metrics>,
    queued: Counted,
    place: OwnedSemaphorePermit,
}

/// A run's turn, until this is dropped.
pub(super) struct Turn {
    _turn: Option<OwnedSemaphorePermit>,
    _counted: Counted,
    _place: OwnedSemaphorePermit,
}

impl Slots {
    pub(super) fn new(concurrent: usize, queued: usize, metrics: Arc<Metrics>) -> Self {
        let semaphore = |size: usize| Arc::new(Semaphore::new(size.min(Semaphore::MAX_PERMITS)));
        let concurrent = concurrent.max(1);
        let places = semaphore(concurrent.saturating_add(queued));
        Self { concurrent, queued, places, turns: semaphore(concurrent), metrics }
    }

    /// Takes a place, if there is one.
    pub(super) fn enter(&self) -> Result<Place, Refusal> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Refusal::Busy { concurrent: self.concurrent, queued: self.queued })?;
        Ok(Place {
            turns: Arc::clone(&self.turns),
            metrics: Arc::clone(&self.metrics),
            queued: Counted::by(&self.metrics.runs_queued),
            place,
        })
    }
}

impl Place {
    /// Waits for its turn.
    pub(super) async fn turn(self) -> Turn {
        // The semaphore is never closed.
        let turn = self.turns.acquire_owned().await.ok();
        drop(self.queued);
        let counted = Counted::by(&self.metrics.runs_in_progress);
        Turn { _turn: turn, _counted: counted, _place: self.place }
    }
}

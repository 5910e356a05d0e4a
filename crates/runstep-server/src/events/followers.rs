//! Readers of runs that other nodes execute.

use std::collections::HashMap;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use crate::store::{EventChunk, RunKey};

/// How many notifications wait for a slow reader. A reader that misses some reads the store.
const CAPACITY: usize = 64;

/// What a reader is notified of: deltas that are not stored yet, or nothing if it has to read the
/// store.
type News = Option<EventChunk>;

/// Wakes up readers of runs that other nodes execute.
#[derive(Debug, Default)]
pub(crate) struct Followers(Mutex<HashMap<RunKey, broadcast::Sender<News>>>);

/// Receives the news of one run.
#[derive(Debug)]
pub(super) struct Follower(broadcast::Receiver<News>);

impl Followers {
    pub(super) fn follow(&self, key: &RunKey) -> Follower {
        let mut runs = self.0.lock();
        if runs.len() == runs.capacity() {
            runs.retain(|_, sender| sender.receiver_count() > 0);
        }
        let sender = runs.entry(key.clone()).or_insert_with(|| broadcast::channel(CAPACITY).0);
        Follower(sender.subscribe())
    }

    /// Notifies the readers of a run.
    pub(crate) fn notify(&self, key: &RunKey, news: News) {
        let mut runs = self.0.lock();
        // Fails if there are no readers any more.
        if runs.get(key).is_some_and(|sender| sender.send(news).is_err()) {
            runs.remove(key);
        }
    }

    /// Lets all readers read the store.
    pub(crate) fn notify_all(&self) {
        self.0.lock().retain(|_, sender| sender.send(None).is_ok());
    }
}

impl Follower {
    /// Waits for news. Returns `None` if the store has to be read.
    ///
    /// # Cancel safety
    ///
    /// No notification is lost if the future is dropped.
    pub(super) async fn receive(&mut self) -> News {
        // Missed notifications, too, are a reason to read the store.
        self.0.recv().await.ok().flatten()
    }
}

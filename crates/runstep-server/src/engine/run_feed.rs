//! Live changes of the runs of a namespace.
//!
//! A change is only the name of a run: a subscriber reads the run when it can send it, so several
//! changes of a run become one, and the memory of a slow subscriber is bounded.

use std::collections::{HashMap, VecDeque};

use axum::body::Bytes;
use parking_lot::Mutex;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};

use super::context::Engine;
use crate::store::{Change, Collection, Namespace, RunKey, StoreError};

/// How many changes a subscriber can be behind.
const MAX_BEHIND: usize = 1024;

/// What has changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RunChange {
    Run {
        thread: String,
        run: String,
    },
    ThreadDeleted(String),
    /// Changes of other nodes may have been lost.
    Lost,
}

/// The subscribers of all namespaces.
#[derive(Default)]
pub(super) struct RunFeed(Mutex<HashMap<Namespace, broadcast::Sender<RunChange>>>);

impl RunChange {
    /// Returns what a change means for the list of runs, if anything.
    pub(super) fn of(change: &Change) -> Option<Self> {
        let run = |thread: &str, run: &str| {
            Some(Self::Run { thread: thread.to_owned(), run: run.to_owned() })
        };
        match change {
            Change::CreateRun(new) => run(&new.thread, &new.run.id),
            Change::WriteRun(write) if write.update.is_some() => run(&write.thread, &write.run),
            Change::Replace { collection: Collection::Runs { thread }, object, .. } => {
                run(thread, &object.id)
            }
            Change::Delete { collection: Collection::Threads, id } => {
                Some(Self::ThreadDeleted(id.clone()))
            }
            _ => None,
        }
    }
}

impl RunFeed {
    fn subscribe(&self, namespace: &Namespace) -> broadcast::Receiver<RunChange> {
        let mut senders = self.0.lock();
        let sender = senders.entry(namespace.clone());
        sender.or_insert_with(|| broadcast::channel(MAX_BEHIND).0).subscribe()
    }

    pub(super) fn publish(&self, namespace: &Namespace, change: RunChange) {
        let mut senders = self.0.lock();
        if let Some(sender) = senders.get(namespace)
            && sender.send(change).is_err()
        {
            // The last subscriber is gone.
            senders.remove(namespace);
        }
    }

    /// Publishes a change of another node.
    pub(super) fn publish_run(&self, key: &RunKey) {
        let (thread, run) = (key.thread.clone(), key.run.clone());
        self.publish(&key.namespace, RunChange::Run { thread, run });
    }

    /// Publishes to all namespaces that changes may have been lost.
    pub(super) fn publish_lost(&self) {
        self.0.lock().retain(|_, sender| sender.send(RunChange::Lost).is_ok());
    }
}

/// A change as subscribers receive it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunUpdate {
    /// The run as it is now.
    Changed(Bytes),
    /// The run no longer exists.
    Deleted { thread: String, run: String },
    /// The thread was deleted with its runs.
    ThreadDeleted(String),
    /// The subscriber was too slow, or changes were lost: it has to read the list again.
    Lost,
}

/// The changes of the runs of a namespace.
pub(crate) struct RunUpdates {
    engine: Engine,
    receiver: broadcast::Receiver<RunChange>,
    /// Changes that were received, each once.
    pending: VecDeque<RunChange>,
}

impl Engine {
    /// Subscribes to the changes of runs from now on.
    pub(crate) fn subscribe_to_runs(&self) -> RunUpdates {
        let receiver = self.context.run_feed.subscribe(&self.namespace);
        RunUpdates { engine: self.clone(), receiver, pending: VecDeque::new() }
    }
}

impl RunUpdates {
    /// Returns the next change, or `None` at a shutdown.
    ///
    /// # Cancel safety
    ///
    /// No change is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<RunUpdate> {
        if self.pending.is_empty() {
            match self.receiver.recv().await {
                Ok(change) => self.pending.push_back(change),
                Err(RecvError::Lagged(_)) => self.pending.push_back(RunChange::Lost),
                Err(RecvError::Closed) => return None,
            }
        }
        self.receive_pending();
        let update = match self.pending.front()? {
            RunChange::Lost => RunUpdate::Lost,
            RunChange::ThreadDeleted(thread) => RunUpdate::ThreadDeleted(thread.clone()),
            RunChange::Run { thread, run } => {
                let key = self.engine.run_key(thread, run);
                match self.engine.context.store.run(&key).await {
                    Ok(record) => RunUpdate::Changed(record.object.json),
                    Err(StoreError::Missing { .. }) => {
                        RunUpdate::Deleted { thread: key.thread, run: key.run }
                    }
                    Err(_) => RunUpdate::Lost,
                }
            }
        };
        self.pending.pop_front();
        Some(update)
    }

    /// Moves received changes to `pending`, without repetitions.
    fn receive_pending(&mut self) {
        while self.pending.len() < MAX_BEHIND {
            let change = match self.receiver.try_recv() {
                Ok(change) => change,
                Err(TryRecvError::Lagged(_)) => RunChange::Lost,
                Err(TryRecvError::Empty | TryRecvError::Closed) => return,
            };
            if change == RunChange::Lost {
                // The list has to be read again anyway.
                self.pending.clear();
            }
            if !self.pending.contains(&change) {
                self.pending.push_back(change);
            }
        }
    }
}

//! What this node learns of the others that share the store.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::StreamExt as _;

use super::context::EngineContext;
use crate::store::{Claimant, Notification, Phase, RunKey, StoreError};

/// Applies the notifications of other nodes. Returns when there are no more.
pub(super) async fn run(context: &Arc<EngineContext>) {
    let mut notifications = context.store.notifications();
    while let Some(notification) = notifications.next().await {
        apply(context, notification).await;
    }
}

async fn apply(context: &EngineContext, notification: Notification) {
    match notification {
        Notification::RunChanged(key) => {
            context.followers.notify(&key, None);
            context.run_feed.publish_run(&key);
        }
        Notification::RunStopped(key) => {
            stop_if_over(context, &key).await;
            context.followers.notify(&key, None);
            context.run_feed.publish_run(&key);
        }
        Notification::Deltas(key, deltas) => context.followers.notify(&key, Some(deltas)),
        Notification::RunsReleased => context.claims.notify_one(),
        Notification::Lost => {
            context.followers.notify_all();
            context.run_feed.publish_lost();
            context.claims.notify_one();
            check_live_runs(context).await;
        }
    }
}

/// Finds what notifications may have missed: executions that have to stop. Reads all runs at once.
pub(super) async fn check_live_runs(context: &EngineContext) {
    // Taken before the read, which may not find a run that starts after it.
    let live = context.live_runs.all();
    if live.is_empty() {
        return;
    }
    let claimant = Claimant(Arc::clone(&context.node));
    // After an error, the executions find out when they write.
    let Ok(claimed) = context.store.claimed_runs(claimant).await else { return };
    let claimed: HashSet<RunKey> = claimed.into_iter().collect();
    for (key, run) in live {
        if !claimed.contains(&key) {
            run.cancel.cancel();
        }
    }
}

/// Stops the execution of a run that is being cancelled, was deleted, or belongs to another node,
/// which may have ended it. The execution then reads what has happened.
async fn stop_if_over(context: &EngineContext, key: &RunKey) {
    let Some(live) = context.live_runs.get(key) else { return };
    let is_over = match context.store.run(key).await {
        Ok(record) => {
            let is_own = record.owner.as_ref().is_none_or(|owner| *owner == context.node);
            !matches!(record.phase, Phase::Queued | Phase::InProgress) || !is_own
        }
        Err(StoreError::Missing { .. }) => true,
        // The execution finds out when it writes.
        Err(_) => false,
    };
    if is_over {
        live.cancel.cancel();
    }
}

//! Background tasks: recovery of runs, leases, notifications, and expiry of runs that wait for tool outputs.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use runstep_api::types::RunStatus;
use tokio::sync::Notify;

use super::context::EngineContext;
use super::execution::RunExecution;
use super::finish::Outcome;
use super::nodes;
use super::recovery;
use super::run_state::RunState;
use crate::store::{Phase, Result, RunKey, StoreError};

/// How many runs are read at a time,
const BATCH: usize = 100;
/// and how many of them expire at the same time.
const CONCURRENCY: usize = 16;
/// The delay after an error of the store.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// When the next run that waits for tool outputs expires.
pub(super) struct Expiry {
    is_started: AtomicBool,
    /// The time that the task waits for, in Unix seconds.
    next: AtomicI64,
    changed: Notify,
}

impl Default for Expiry {
    fn default() -> Self {
        let (is_started, next) = (AtomicBool::new(false), AtomicI64::new(i64::MAX));
        Self { is_started, next, changed: Notify::new() }
    }
}

impl Expiry {
    /// Starts the background tasks, once. They end at a shutdown.
    pub(super) fn start(&self, context: &Arc<EngineContext>) {
        if self.is_started.load(Ordering::Relaxed) || self.is_started.swap(true, Ordering::AcqRel) {
            return;
        }
        let context = Arc::clone(context);
        tokio::spawn(async move {
            let stop_runs = context.stop_runs.clone();
            let tasks = async {
                tokio::join!(
                    recovery::claim_runs(&context),
                    recovery::remove_old(&context),
                    nodes::run(&context),
                    context.expiry.run(&context),
                )
            };
            stop_runs.run_until_cancelled(tasks).await;
        });
    }

    /// A run waits for tool outputs until this time.
    pub(super) fn expect_at(&self, expires_at: i64) {
        if expires_at < self.next.load(Ordering::Acquire) {
            self.changed.notify_one();
        }
    }

    /// Another node may have runs that wait.
    pub(super) fn reload(&self) {
        self.changed.notify_one();
    }

    /// Expires runs when their time has come.
    async fn run(&self, context: &Arc<EngineContext>) {
        loop {
            let changed = pin!(self.changed.notified());
            // Runs that begin to wait during the read notify.
            self.next.store(i64::MAX, Ordering::Release);
            let Ok(next) = context.store.next_expiry().await else {
                tokio::time::sleep(RETRY_DELAY).await;
                continue;
            };
            let next = next.unwrap_or(i64::MAX);
            self.next.store(next, Ordering::Release);
            let due = async {
                match next {
                    i64::MAX => std::future::pending().await,
                    next => context.clock.sleep_until(next).await,
                }
            };
            tokio::select! {
                () = due => {
                    if expire(context).await.is_err() {
                        tokio::time::sleep(RETRY_DELAY).await;
                    }
                }
                () = changed => {}
            }
        }
    }
}

/// Expires the runs whose time has come. Fails if one of them cannot expire.
async fn expire(context: &Arc<EngineContext>) -> Result<()> {
    let failed = AtomicBool::new(false);
    let runs = context.store.expired_runs(context.clock.now(), BATCH).await?;
    let is_failed = &failed;
    let expire = |key| async move {
        if let Err(error) = expire_run(context, key).await {
            tracing::warn!(target: "runstep_server::run", %error, "a run could not expire");
            is_failed.store(true, Ordering::Relaxed);
        }
    };
    stream::iter(runs).for_each_concurrent(CONCURRENCY, expire).await;
    if failed.into_inner() { Err(StoreError::Stale) } else { Ok(()) }
}

async fn expire_run(context: &Arc<EngineContext>, key: RunKey) -> super::error::Result<()> {
    let record = context.store.run(&key).await?;
    if record.phase == Phase::RequiresAction {
        let live = context.live_run(record.next_event);
        let state = RunState::load(context, &key, record).await?;
        let execution = RunExecution::new(context, key, live, state);
        execution.finish_in_status(RunStatus::RequiresAction, Outcome::Expired).await;
    }
    Ok(())
}

//! Recovery: executes the runs whose node has stopped, at the start and while the server runs.

use std::sync::Arc;
use std::time::Duration;

use super::context::EngineContext;
use super::error::{EngineError, Result};
use super::execution::RunExecution;
use super::nodes;
use super::run_state::RunState;
use crate::store::{Claimant, RunKey};

/// How often old entries are searched for.
const INTERVAL: Duration = Duration::from_secs(10);
/// The same while there are more runs to claim than this node can queue.
const BUSY_INTERVAL: Duration = Duration::from_secs(1);
/// How many runs are claimed at a time.
const BATCH: usize = 100;

/// Claims and executes runs that no node executes. Never returns.
pub(super) async fn claim_runs(context: &Arc<EngineContext>) {
    // How often the lease is renewed, and runs without a valid claim are searched for. Leases end at
    // full seconds.
    let all_claimed = Duration::from_secs(context.lease.unsigned_abs()) / 3;
    let mut failed = Vec::new();
    loop {
        let interval = match claim(context, &mut failed).await {
            Ok(true) if failed.is_empty() => all_claimed,
            Ok(_) => all_claimed.min(BUSY_INTERVAL),
            Err(error) => {
                tracing::warn!(target: "runstep_server::store", %error, "runs cannot be claimed");
                all_claimed.min(BUSY_INTERVAL)
            }
        };
        if context.store.is_shared() {
            nodes::check_live_runs(context).await;
            context.expiry.reload();
        }
        // Ends early if there may be runs to claim.
        let _ = tokio::time::timeout(interval, context.claims.notified()).await;
    }
}

/// Removes what is no longer retained. Never returns.
pub(super) async fn remove_old(context: &EngineContext) {
    loop {
        if let Err(error) = remove_expired(context).await {
            tracing::warn!(target: "runstep_server::store", %error, "old runs cannot be removed");
        }
        // Ends early after the deletion of a thread.
        let _ = tokio::time::timeout(INTERVAL, context.deletions.notified()).await;
    }
}

/// Claims as many runs as this node can queue. Returns whether these were all. `failed` are claimed
/// runs that could not be read, for example because other runs use the memory.
async fn claim(context: &Arc<EngineContext>, failed: &mut Vec<RunKey>) -> Result<bool> {
    let claimant = || Claimant(Arc::clone(&context.node));
    let lease_end = context.clock.now().saturating_add(context.lease);
    let now = context.clock.now();
    let nodes = context.store.renew_lease(claimant(), now, lease_end).await?;
    context.admission.set_nodes(nodes);
    for key in std::mem::take(failed) {
        recover(context, key, failed, false).await;
    }
    loop {
        let limit = context.admission.available().min(BATCH);
        if limit == 0 {
            return Ok(false);
        }
        let keys = context.store.claim_runs(claimant(), context.clock.now(), limit).await?;
        let is_last = keys.len() < limit;
        for key in keys {
            recover(context, key, failed, true).await;
        }
        if is_last {
            return Ok(true);
        }
    }
}

async fn remove_expired(context: &EngineContext) -> Result<()> {
    let now = context.clock.now();
    while context.store.remove_expired(context.retention, now, BATCH).await? > 0 {
        // Lets other transactions in.
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Executes a claimed run, or adds it to `failed`. Logs the first failure of a run.
async fn recover(
    context: &Arc<EngineContext>,
    key: RunKey,
    failed: &mut Vec<RunKey>,
    is_first: bool,
) {
    match start(context, &key).await {
        Ok(()) => {
            tracing::info!(target: "runstep_server::run", run_id = key.run, "run recovered");
        }
        // Its thread was deleted.
        Err(EngineError::NotFound { .. }) => {}
        Err(error) => {
            if is_first {
                tracing::error!(
                    target: "runstep_server::run",
                    run_id = key.run,
                    %error,
                    "a run could not be recovered; trying again"
                );
            }
            failed.push(key);
        }
    }
}

/// Starts the execution of a claimed run, unless it has ended or belongs to another node.
async fn start(context: &Arc<EngineContext>, key: &RunKey) -> Result<()> {
    let record = context.store.run(key).await?;
    let is_own = record.owner.as_ref().is_some_and(|owner| *owner == context.node);
    if !is_own || !record.phase.is_executable() {
        return Ok(());
    }
    let live = context.live_run(record.next_event);
    let state = RunState::load(context, key, record).await?;
    let (quota, bytes) = (context.quota(&key.namespace), state.texts.execution_bytes());
    let reserved = match quota.reserve(bytes) {
        Ok(reserved) => reserved,
        // Nothing else will free memory. The run was admitted before, so it is not refused.
        Err(_) if context.live_runs.is_empty() => {
            let mut reserved = quota.charge();
            reserved.add(bytes);
            reserved
        }
        Err(error) => return Err(error.into()),
    };
    let permit = context.admission.admit_recovered(&key.namespace);
    let state = state.with_reserved(reserved);
    context.live_runs.insert(key.clone(), Arc::clone(&live));
    RunExecution::new(context, key.clone(), live, state).spawn_recovered(permit);
    Ok(())
}

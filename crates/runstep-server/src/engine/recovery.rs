//! Recovery: executes the runs whose node has stopped, at the start and while the server runs.

use std::sync::Arc;
use std::time::Duration;

use super::context::EngineContext;
use super::error::Result;
use super::execution::RunExecution;
use super::run_state::RunState;
use crate::store::{Claimant, RunKey};

/// How long the claims of a node are valid without renewal, in seconds.
const LEASE: i64 = 30;
/// How often leases are renewed, and runs without a valid claim are searched for.
const INTERVAL: Duration = Duration::from_secs(10);
/// How many runs are claimed at a time.
const BATCH: usize = 100;

/// Claims and executes runs that no node executes, and removes what is no longer retained. Never
/// returns.
pub(super) async fn run(context: &Arc<EngineContext>) {
    loop {
        if let Err(error) = claim(context).await {
            tracing::warn!(target: "runstep_server::store", %error, "runs cannot be claimed");
        }
        if let Err(error) = remove_expired(context).await {
            tracing::warn!(target: "runstep_server::store", %error, "old runs cannot be removed");
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn claim(context: &Arc<EngineContext>) -> Result<()> {
    let claimant = || Claimant(Arc::clone(&context.node));
    let lease_end = context.clock.now().saturating_add(LEASE);
    context.store.renew_lease(claimant(), lease_end).await?;
    loop {
        let keys = context.store.claim_runs(claimant(), context.clock.now(), BATCH).await?;
        let is_last = keys.len() < BATCH;
        for key in keys {
            recover(context, key).await;
        }
        if is_last {
            return Ok(());
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

async fn recover(context: &Arc<EngineContext>, key: RunKey) {
    let permit = context.admission.admit_recovered().await;
    let started = async {
        let record = context.store.run(&key).await?;
        let live = context.live_run(record.next_event);
        let state = RunState::load(context, &key, record).await?;
        context.live_runs.insert(key.clone(), Arc::clone(&live));
        RunExecution::new(context, key.clone(), live, state).spawn_recovered(permit);
        Ok(())
    };
    let started: Result<()> = started.await;
    match started {
        Ok(()) => {
            tracing::info!(target: "runstep_server::run", run_id = key.run, "run recovered");
        }
        Err(error) => {
            tracing::error!(
                target: "runstep_server::run",
                run_id = key.run,
                %error,
                "a run could not be recovered"
            );
        }
    }
}

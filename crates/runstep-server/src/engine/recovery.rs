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

/// Claims and executes runs that no node executes. Never returns.
pub(super) async fn run(context: &Arc<EngineContext>) {
    let claimant = || Claimant(Arc::clone(&context.node));
    if let Ok(waiting) = context.store.waiting_runs().await {
        let waiting = i64::try_from(waiting).unwrap_or(i64::MAX);
        context.metrics.runs_requiring_action.inc_by(waiting);
    }
    loop {
        let lease_end = context.clock.now().saturating_add(LEASE);
        let renewed = context.store.renew_lease(claimant(), lease_end).await;
        if renewed.is_ok() {
            while let Ok(keys) = context.store.claim_runs(claimant(), context.clock.now(), BATCH).await {
                let count = keys.len();
                for key in keys {
                    recover(context, key).await;
                }
                if count < BATCH {
                    break;
                }
            }
        }
        tokio::time::sleep(INTERVAL).await;
    }
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

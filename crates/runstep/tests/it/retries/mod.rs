//! Retries: which requests are retried, when, and how often.

mod conditions;
mod delays;
mod idempotency;

use std::time::Duration;

use runstep::types::Run;
use runstep::{Backoff, Client, Result, RetryPolicy};

use crate::harness::{API_KEY, Behavior, ScriptedServer, example, fast_retries, retrieve_run};

fn ok() -> Behavior {
    Behavior::ok(example("Run"))
}

async fn post(client: &Client) -> Result<Run> {
    client.runs("thread_abc123").create("asst_abc123").await
}

/// Connection failures after the server has read the request.
fn connection_failures() -> [Behavior; 4] {
    [
        Behavior::Reset,
        Behavior::ResetInHeaders,
        Behavior::ResetInBody(Vec::new()),
        Behavior::CloseInBody,
    ]
}

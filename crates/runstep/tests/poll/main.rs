//! Waiting for a run.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod and_poll;
mod cancelling;
mod deadline;
mod failures;
mod pace;
mod statuses;
mod steps;
#[path = "../support/mod.rs"]
mod support;

use axum::body::Body;
use axum::response::Response;
use runstep::{Backoff, Error, ErrorKind, Poll, PollErrorPolicy, Result};
use serde_json::Value;
use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use support::script::{Act, Script, quick};
use support::{Recorder, example, json, reply};

const TINY: Duration = Duration::from_millis(1);
/// A deadline to wait for, before which a look at least succeeds on a busy machine.
const SOON: Duration = Duration::from_millis(250);
const HOUR: Duration = Duration::from_secs(3600);

fn run(status: &str) -> Value {
    let mut run = example("Run");
    run["status"] = status.into();
    run
}

/// A server where the run takes these statuses one after the other, and keeps the last.
async fn server_of(script: &'static [&'static str]) -> Recorder {
    scripted(script, |_| {}).await
}

async fn scripted(script: &'static [&'static str], change: fn(&mut Response)) -> Recorder {
    Recorder::start(move |number| {
        let mut response = json(&run(script[number.min(script.len() - 1)]));
        change(&mut response);
        response
    })
    .await
}

/// A poll that gives up before the test run does.
fn poll(server: &Recorder) -> Poll {
    server.client().runs("thread_abc123").poll("run_abc123").deadline(HOUR / 720)
}

/// The statuses that the stream gives, and the error at its end if there is one.
async fn updates(poll: Poll) -> (Vec<String>, Option<Error>) {
    let mut updates = poll.into_stream();
    let mut statuses = Vec::new();
    loop {
        match updates.try_next().await {
            Ok(Some(run)) => statuses.push(run.status.to_string()),
            ended => {
                assert!(updates.try_next().await.unwrap().is_none(), "there is more after the end");
                return (statuses, ended.err());
            }
        }
    }
}

fn assert_deadline(result: Result<runstep::types::Run>, status: Option<&str>) -> Error {
    let error = result.unwrap_err();
    assert!(error.is_deadline(), "{error:?}");
    assert_eq!(error.kind(), ErrorKind::Deadline);
    assert_eq!(error.run().map(|run| run.status.as_str()), status);
    error
}

/// A reply whose body never comes.
fn hanging() -> Response {
    let never = futures_util::stream::pending::<std::result::Result<Vec<u8>, std::io::Error>>();
    reply(200, &[], Body::from_stream(never))
}

/// How a run looks at each look: a status, or a failure.
enum Look {
    Run(&'static str),
    Fails(u16),
}

use Look::{Fails, Run};

/// A server where looks go like this, the last of them for ever; a cancel is granted.
async fn looks(script: &'static [Look]) -> Recorder {
    let looked = Arc::new(AtomicUsize::new(0));
    Recorder::answering(move |_, request| {
        if request.method == "POST" {
            return json(&run("cancelling"));
        }
        let number = looked.fetch_add(1, Ordering::SeqCst);
        match &script[number.min(script.len() - 1)] {
            Run(status) => json(&run(status)),
            Fails(status) => reply(*status, &[], r#"{"error": {"message": "Oh no"}}"#),
        }
    })
    .await
}

/// Lets time pass in which nothing happens.
async fn later(duration: Duration) {
    tokio::time::pause();
    tokio::time::advance(duration).await;
    tokio::time::resume();
}

fn cancels(server: &Recorder) -> usize {
    server.count_of("POST", "/threads/thread_abc123/runs/run_abc123/cancel")
}

/// Lets what was spawned be sent, then a moment for what should not be.
async fn settled(server: &Recorder, expected: usize) {
    for _ in 0..2000 {
        if cancels(server) >= expected {
            break;
        }
        tokio::time::sleep(TINY).await;
    }
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(cancels(server), expected);
}

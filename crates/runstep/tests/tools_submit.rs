//! Outputs that meet a run which has moved on, or a network that loses them.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod rounds;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::response::Response;
use rounds::{Call, Instead, Rounds, is_submission, quickly, refusal, rounds, rounds_but, usual};
use runstep::tools::Toolbox;
use runstep::{Error, Result, types::Run};
use serde_json::{Value, json};
use support::script::{Act, Script, quick};
use support::{Recorded, example};

const CALL: Call = ("call_1", "now", "{}");
const NEXT: Call = ("call_2", "now", "{}");

/// Answers a run of two rounds, with something else done to some requests.
async fn answered(instead: Instead) -> (Rounds, Result<Run>) {
    let world = rounds_but([vec![CALL], vec![NEXT]], instead).await;
    let client = world.server.builder().retry_policy(quick()).build().unwrap();
    let tools = Toolbox::new().function("now", || async { "12:00" });
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&tools);
    let ended = quickly(request.and_poll()).await;
    (world, ended)
}

fn refused(ended: Result<Run>) -> Error {
    ended.unwrap_err()
}

#[tokio::test]
async fn a_run_that_was_cancelled_from_outside_is_given_back_cancelled() {
    let (world, ended) = answered(|request, state| {
        is_submission(request).then(|| {
            state.status = Some("cancelled");
            refusal(400, "Runs in status \"cancelled\" do not accept tool outputs.")
        })
    })
    .await;
    assert_eq!(ended.unwrap().status, "cancelled");
    assert_eq!((world.submissions(), world.cancels()), (1, 0));
}

#[tokio::test]
async fn a_run_that_is_being_cancelled_is_waited_for() {
    let (world, ended) = answered(|request, state| {
        if is_submission(request) {
            state.status = Some("cancelling");
            let message = "Runs in status \"cancelling\" do not accept tool outputs.";
            return Some(refusal(400, message));
        }
        let looks_after = request.method == "GET" && state.status == Some("cancelling");
        let reply = looks_after.then(|| usual(request, state));
        if looks_after {
            state.status = Some("cancelled");
        }
        reply
    })
    .await;
    assert_eq!(ended.unwrap().status, "cancelled");
    assert_eq!(world.submissions(), 1);
}

#[tokio::test]
async fn calls_that_somebody_else_answered_are_not_answered_again() {
    let (world, ended) = answered(|request, state| {
        (is_submission(request) && state.answered == 0).then(|| {
            state.answered = 1;
            refusal(400, "Expected tool outputs for call_ids ['call_2'], got ['call_1']")
        })
    })
    .await;
    assert_eq!(ended.unwrap().status, "completed");
    insta::assert_snapshot!(world.submitted());
}

#[tokio::test]
async fn calls_that_a_stale_look_shows_again_are_not_made_again() {
    static STALE: AtomicUsize = AtomicUsize::new(0);
    let (world, ended) = answered(|request, state| {
        // For three looks the outputs of the first round are not to be seen.
        let looks = request.method == "GET" && !request.target.contains("/steps");
        let stale = looks && state.answered == 1;
        let stale = stale && STALE.fetch_add(1, Ordering::SeqCst) < 3;
        stale.then(|| {
            let mut before = state.clone();
            before.answered = 0;
            support::json(&before.run())
        })
    })
    .await;
    assert_eq!(ended.unwrap().status, "completed");
    assert_eq!(world.submissions(), 2);
    assert!(world.submitted().contains("call_2"), "{}", world.submitted());
}

/// A run that asks for the same in three rounds, by the same id, and how often it was answered.
async fn repeated(instead: Instead) -> (Rounds, usize, Result<Run>) {
    let world = rounds_but([vec![CALL], vec![CALL], vec![CALL]], instead).await;
    let count = Arc::new(AtomicUsize::new(0));
    let calls = Arc::clone(&count);
    let tools = Toolbox::new().function("now", move || {
        calls.fetch_add(1, Ordering::SeqCst);
        async { "12:00" }
    });
    let ended = quickly(world.with(&tools).and_poll()).deadline(Duration::from_secs(1)).await;
    (world, count.load(Ordering::SeqCst), ended)
}

/// A step that makes the call.
fn step(number: usize, done: bool) -> Value {
    let mut step = example("RunStep");
    let function = json!({"name": "now", "arguments": "{}", "output": null});
    let call = json!({"id": "call_1", "type": "function", "function": function});
    step["id"] = format!("step_{number}").into();
    step["type"] = "tool_calls".into();
    step["status"] = if done { "completed" } else { "in_progress" }.into();
    step["step_details"] = json!({"type": "tool_calls", "tool_calls": [call]});
    step
}

/// The steps of that run when it has been answered so often, if they are asked for.
fn steps_when(request: &Recorded, answered: usize) -> Option<Response> {
    list_of(
        (0..=answered.min(2)).rev().map(|number| step(number, number < answered)).collect(),
        request,
    )
}

/// A list of steps, if it is asked for.
fn list_of(steps: Vec<Value>, request: &Recorded) -> Option<Response> {
    request.target.contains("/steps").then(|| {
        support::json(&json!({
            "object": "list", "data": steps,
            "first_id": "step_9", "last_id": "step_0", "has_more": false,
        }))
    })
}

#[tokio::test]
async fn the_same_calls_by_the_same_ids_are_answered_each_time_if_the_steps_tell() {
    let (world, calls, ended) =
        repeated(|request, state| steps_when(request, state.answered)).await;
    assert_eq!(ended.unwrap().status, "completed");
    assert_eq!((calls, world.submissions()), (3, 3));
}

#[tokio::test]
async fn stale_looks_at_the_same_calls_are_seen_through() {
    static STALE: AtomicUsize = AtomicUsize::new(0);
    let (world, calls, ended) = repeated(|request, state| {
        if request.target.contains("/steps") {
            // They, too, are seen as they were, one time out of two.
            let stale = STALE.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
            return steps_when(request, state.answered - usize::from(stale));
        }
        let stale = request.method == "GET" && state.answered > 0;
        let stale = stale && STALE.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        stale.then(|| {
            let mut before = state.clone();
            before.answered -= 1;
            support::json(&before.run())
        })
    })
    .await;
    assert_eq!(ended.unwrap().status, "completed");
    assert_eq!((calls, world.submissions()), (3, 3));
}

#[tokio::test]
async fn calls_that_are_done_by_the_steps_are_not_made_again() {
    static STALE: AtomicUsize = AtomicUsize::new(0);
    let (world, ended) = answered(|request, state| {
        if request.target.contains("/steps") {
            return list_of(vec![step(0, true)], request);
        }
        let stale = request.method == "GET" && state.answered == 1;
        let stale = stale && STALE.fetch_add(1, Ordering::SeqCst) < 3;
        stale.then(|| {
            let mut before = state.clone();
            before.answered = 0;
            support::json(&before.run())
        })
    })
    .await;
    assert_eq!(ended.unwrap().status, "completed");
    assert_eq!(world.submissions(), 2);
    assert!(world.submitted().contains("call_2"), "{}", world.submitted());
}

#[tokio::test]
async fn without_steps_calls_that_look_the_same_are_waited_for() {
    for steps in [
        (|request, _| request.target.contains("/steps").then(|| refusal(404, "Not found.")))
            as Instead,
        |request, _| steps_when(request, 0),
    ] {
        let (world, calls, ended) = repeated(steps).await;
        assert!(refused(ended).is_deadline());
        assert_eq!((calls, world.submissions()), (1, 1));
    }
}

/// Others may have answered some of its calls before.
#[tokio::test]
async fn the_steps_of_a_run_that_was_started_elsewhere_tell_nothing() {
    let world =
        rounds_but([vec![CALL], vec![CALL]], |request, state| steps_when(request, state.answered))
            .await;
    let tools = Toolbox::new().function("now", || async { "12:00" });
    let poll = world.runs.poll("run_abc123").interval(Duration::from_millis(1));
    let ended = poll.deadline(Duration::from_millis(300)).toolbox(&tools).await;
    assert!(refused(ended).is_deadline());
    assert_eq!(world.submissions(), 1);
}

#[tokio::test]
async fn outputs_that_are_refused_while_the_run_waits_for_them_are_an_error() {
    let (world, ended) = answered(|request, _| {
        is_submission(request).then(|| refusal(400, "The output is too long."))
    })
    .await;
    let error = refused(ended);
    assert_eq!((error.status(), error.message()), (Some(400), "The output is too long."));
    assert_eq!(error.run().unwrap().status, "requires_action");
    assert_eq!((world.submissions(), world.cancels()), (1, 0));
}

#[tokio::test]
async fn outputs_that_arrived_though_the_reply_was_lost_are_not_sent_again() {
    let (world, ended) = answered(|request, state| {
        is_submission(request).then(|| {
            usual(request, state);
            refusal(502, "Bad gateway")
        })
    })
    .await;
    assert_eq!(ended.unwrap().status, "completed");
    assert_eq!(world.submissions(), 2, "one for each round");
}

#[tokio::test]
async fn outputs_that_never_arrived_are_sent_again() {
    static LOST: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let (world, ended) = answered(|request, _| {
        let lost = is_submission(request) && !LOST.swap(true, std::sync::atomic::Ordering::SeqCst);
        lost.then(|| refusal(502, "Bad gateway"))
    })
    .await;
    assert_eq!(ended.unwrap().status, "completed");
    assert_eq!(world.submissions(), 3);
}

#[tokio::test]
async fn outputs_that_never_arrive_are_an_error_after_as_many_attempts_as_may_be() {
    let (world, ended) =
        answered(|request, _| is_submission(request).then(|| refusal(502, "Bad gateway"))).await;
    let error = refused(ended);
    assert_eq!(error.status(), Some(502));
    assert_eq!(error.run().unwrap().status, "requires_action");
    assert_eq!(world.submissions(), 3);
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_no_more_often_than_the_policy_says() {
    let (world, ended) =
        answered(|request, _| is_submission(request).then(|| refusal(429, "Rate limit reached.")))
            .await;
    assert!(refused(ended).is_rate_limited());
    assert_eq!(world.submissions(), 3);
}

#[tokio::test]
async fn the_deadline_ends_a_submission_that_hangs() {
    let waiting = rounds([vec![CALL]]).await.state.lock().unwrap().run();
    let tools = Toolbox::new().function("now", || async { "12:00" });
    let soon = Duration::from_millis(300);

    let server = Script::of([Act::ok(&waiting), Act::Hang]).await;
    let request = server.client().runs("thread_abc123").create("asst_abc123").toolbox(&tools);
    let error = request.and_poll().deadline(soon).await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert_eq!(error.run().unwrap().status, "requires_action");

    let events = format!("event: thread.run.requires_action\ndata: {waiting}\n\n");
    let events = Act::ok(events + "event: done\ndata: [DONE]\n\n");
    let events = events.with("content-type", "text/event-stream");
    let server = Script::of([events, Act::Hang]).await;
    let request = server.client().runs("thread_abc123").create("asst_abc123").toolbox(&tools);
    let mut events = request.stream().deadline(soon).await.unwrap();
    let error = events.final_run().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert_eq!(error.run().unwrap().status, "requires_action");
    assert!(is_submission(server.seen().last().unwrap()));
}

#[tokio::test]
async fn a_key_that_is_not_accepted_any_more_is_no_reason_to_look() {
    let (world, ended) = answered(|request, _| {
        is_submission(request).then(|| refusal(401, "Incorrect API key provided."))
    })
    .await;
    let error = refused(ended);
    assert!(error.is_authentication());
    assert_eq!(error.run().unwrap().id, "run_abc123");
    let last = world.server.seen().pop().unwrap();
    assert!(is_submission(&last), "{}", last.target);
}

#[tokio::test]
async fn what_goes_along_with_the_request_goes_with_the_outputs_and_the_cancel() {
    static SENT: AtomicUsize = AtomicUsize::new(0);
    for streams in [false, true] {
        let world = rounds_but([vec![CALL], vec![NEXT]], |request, _| {
            // Each time the first outputs do not arrive, so that the run is looked at.
            let loses =
                is_submission(request) && SENT.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
            loses.then(|| refusal(503, "Try again."))
        })
        .await;
        let client = world.server.builder().retry_policy(quick()).build().unwrap();
        let tools = Toolbox::new().function("now", || async { "12:00" });
        let create = client.runs("thread_abc123").create("asst_abc123");
        let create = create.header("X-Tenant", "harbour").query("shard", "7");
        let request = create.toolbox(&tools).max_rounds(1);
        if streams {
            request.stream().await.unwrap().final_run().await.unwrap_err();
        } else {
            quickly(request.and_poll()).await.unwrap_err();
        }
        assert_eq!((world.submissions(), world.cancels()), (2, 1));
        for request in world.server.seen() {
            let goes_along = request.header("x-tenant") == Some("harbour");
            assert!(goes_along && request.target.contains("shard=7"), "{request:?}");
        }
    }
}

//! The calls of a run, answered round by round.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod rounds;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rounds::{Call, Rounds, quickly, rounds, rounds_but};
use runstep::tools::{ToolContext, ToolEvent, Toolbox};
use runstep::{ErrorKind, RetryPolicy};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;
use support::script::quick;
use support::{example, reply};
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

/// Current weather in a city
#[derive(Deserialize, JsonSchema)]
struct GetWeather {
    city: String,
}

const PARIS: &str = r#"{"city": "Paris"}"#;
const OSLO: &str = r#"{"city": "Oslo"}"#;

fn weather() -> Toolbox {
    Toolbox::new().function("get_weather", |args: GetWeather| async move {
        format!("18 degrees in {}", args.city)
    })
}

fn call(id: &'static str, arguments: &'static str) -> Call {
    (id, "get_weather", arguments)
}

#[tokio::test]
async fn the_calls_of_a_run_are_answered_and_the_run_ends() {
    let world = rounds([vec![call("call_1", PARIS)]]).await;
    let run = quickly(world.with(&weather()).and_poll()).await.unwrap();
    assert_eq!(run.status, "completed");
    insta::assert_snapshot!(world.submitted());
}

#[tokio::test]
async fn the_run_is_given_the_tools() {
    let world = rounds([]).await;
    let tools = weather().tool(runstep::types::CodeInterpreterTool::default());
    let request = world.runs.create("asst_abc123").tool(runstep::types::FileSearchTool::default());
    quickly(request.toolbox(&tools).and_poll()).await.unwrap();
    insta::assert_snapshot!(world.server.seen()[0].text());
}

#[tokio::test]
async fn the_run_keeps_the_assistants_tools_where_that_is_wanted() {
    let world = rounds([vec![call("call_1", PARIS)]]).await;
    quickly(world.with(&weather()).attach(false).and_poll()).await.unwrap();
    let body: Value = serde_json::from_slice(&world.server.seen()[0].body).unwrap();
    assert_eq!(body, serde_json::json!({"assistant_id": "asst_abc123"}));
    assert_eq!(world.submissions(), 1);
}

#[tokio::test]
async fn nothing_is_sent_with_a_toolbox_that_is_wrong() {
    let world = rounds([]).await;
    let tools = weather().function("bad name", || async { "" });
    let error = quickly(world.with(&tools).and_poll()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = world.runs.poll("run_abc123").toolbox(&tools).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = quickly(world.with(&tools).attach(false).and_poll()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(world.server.count(), 0);
}

#[tokio::test]
async fn parallel_calls_run_at_the_same_time_and_are_submitted_once() {
    let calls = vec![call("call_1", PARIS), call("call_2", OSLO), call("call_3", PARIS)];
    let world = rounds([calls]).await;
    // Each call waits for the two others: one after the other they would wait for ever.
    let barrier = Arc::new(Barrier::new(3));
    let tools = Toolbox::with_state(barrier).function(
        "get_weather",
        |args: GetWeather, barrier: Arc<Barrier>, context: ToolContext| async move {
            barrier.wait().await;
            format!("{} for {} of {}", args.city, context.call_id(), context.run_id())
        },
    );
    let request = world.runs.create("asst_abc123").toolbox(&tools);
    quickly(request.and_poll()).await.unwrap();
    insta::assert_snapshot!(world.submitted());
}

#[tokio::test]
async fn no_more_calls_run_at_once_than_may() {
    let ids = ["a", "b", "c", "d", "e", "f"];
    let world = rounds([ids.map(|id| call(id, PARIS)).to_vec()]).await;
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, seen) = (Arc::clone(&now), Arc::clone(&most));
    let tools = Toolbox::new().function("get_weather", move |_: GetWeather| {
        let (running, seen) = (Arc::clone(&running), Arc::clone(&seen));
        async move {
            seen.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
        }
    });
    quickly(world.with(&tools).concurrency(2).and_poll()).await.unwrap();
    assert_eq!(most.load(Ordering::SeqCst), 2);
    assert_eq!(world.submissions(), 1);
}

#[tokio::test]
async fn ten_rounds_are_answered_one_after_the_other() {
    const IDS: [&str; 10] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"];
    let world = rounds(IDS.map(|id| vec![call(id, PARIS)])).await;
    let run = quickly(world.with(&weather()).and_poll()).await.unwrap();
    assert_eq!(run.status, "completed");
    insta::assert_snapshot!(world.submitted());
}

#[tokio::test]
async fn too_many_rounds_cancel_the_run() {
    let world = rounds(["a", "b", "c"].map(|id| vec![call(id, PARIS)])).await;
    let error = quickly(world.with(&weather()).max_rounds(2).and_poll()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tool);
    assert!(error.tool_error().is_none());
    assert_eq!(error.run().unwrap().status, "cancelling");
    assert_eq!((world.submissions(), world.cancels()), (2, 1));
    insta::assert_snapshot!(error);
    let world = rounds(["a", "b"].map(|id| vec![call(id, PARIS)])).await;
    quickly(world.with(&weather()).max_rounds(2).and_poll()).await.unwrap();
}

#[tokio::test]
async fn a_call_that_comes_twice_is_made_once() {
    let world = rounds([vec![call("same", PARIS), call("other", OSLO), call("same", PARIS)]]).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let tools = Toolbox::new().function("get_weather", move |args: GetWeather| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { args.city }
    });
    quickly(world.with(&tools).and_poll()).await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2);
    insta::assert_snapshot!(world.submitted());
}

/// A function that never ends, and the token by which it learns that nobody waits any more.
fn endless() -> (Toolbox, Arc<Mutex<Option<CancellationToken>>>) {
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let tools = Toolbox::new().function("get_weather", move |_: GetWeather, at: ToolContext| {
        *keep.lock().unwrap() = Some(at.cancellation().clone());
        std::future::pending::<String>()
    });
    (tools, seen)
}

fn was_cancelled(seen: &Mutex<Option<CancellationToken>>) -> bool {
    seen.lock().unwrap().as_ref().unwrap().is_cancelled()
}

#[tokio::test]
async fn a_run_that_expires_in_the_middle_of_a_call_is_given_back_expired() {
    let world = rounds::rounds_but([vec![call("call_1", PARIS)]], |request, state| {
        rounds::is_submission(request).then(|| {
            state.status = Some("expired");
            rounds::refusal(400, "Runs in status \"expired\" do not accept tool outputs.")
        })
    })
    .await;
    world.state.lock().unwrap().lifetime = 1;
    let (tools, seen) = endless();
    let run = quickly(world.with(&tools).and_poll()).await.unwrap();
    assert_eq!(run.status, "expired");
    assert!(was_cancelled(&seen));
    assert_eq!(world.cancels(), 0);
}

#[tokio::test]
async fn a_run_lives_from_its_creation_and_not_from_the_first_attempt() {
    static REFUSED: AtomicUsize = AtomicUsize::new(0);
    let world = rounds_but([vec![call("a", PARIS)]], |request, state| {
        state.lifetime = 1;
        let first = request.target.ends_with("/runs");
        let first = first && REFUSED.fetch_add(1, Ordering::SeqCst) == 0;
        first.then(|| reply(429, &[("retry-after", "1")], "busy"))
    })
    .await;
    let client = world.server.builder().retry_policy(quick()).build().unwrap();
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&weather());
    quickly(request.and_poll()).await.unwrap();
    assert_eq!(REFUSED.load(Ordering::SeqCst), 2);
    assert!(world.submitted().contains("18 degrees in Paris"), "{}", world.submitted());
}

#[tokio::test]
async fn the_deadline_in_the_middle_of_a_call_is_an_error_with_the_run() {
    for cancel in [false, true] {
        let world = rounds([vec![call("call_1", PARIS)]]).await;
        let (tools, seen) = endless();
        let poll = quickly(world.with(&tools).and_poll()).deadline(Duration::from_millis(300));
        let error = poll.cancel_on_deadline(cancel).await.unwrap_err();
        assert!(error.is_deadline(), "{error}");
        assert_eq!(error.run().unwrap().id, "run_abc123");
        assert!(was_cancelled(&seen));
        assert_eq!((world.submissions(), world.cancels()), (0, usize::from(cancel)));
    }
}

#[tokio::test]
async fn whoever_stops_waiting_cancels_the_calls_and_the_run_if_that_is_wanted() {
    for cancel in [false, true] {
        let world = rounds([vec![call("call_1", PARIS)]]).await;
        let (tools, seen) = endless();
        let started = Arc::new(tokio::sync::Notify::new());
        let tell = Arc::clone(&started);
        let request = world.with(&tools).on_progress(move |_| tell.notify_one());
        let waiting =
            tokio::spawn(quickly(request.and_poll()).cancel_on_drop(cancel).into_future());
        started.notified().await;
        // The call has been told of and is begun right after.
        while seen.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert!(was_cancelled(&seen));
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        while cancel && world.cancels() == 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(world.cancels(), usize::from(cancel));
    }
}

#[tokio::test]
async fn a_run_that_has_ended_is_not_cancelled_after_all() {
    let world = rounds([vec![call("call_1", PARIS)]]).await;
    quickly(world.with(&weather()).and_poll()).cancel_on_drop(true).await.unwrap();
    // A request to cancel would be sent by a task of its own.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.cancels(), 0);
}

#[tokio::test]
async fn what_else_a_run_waits_for_is_given_back_as_it_came() {
    let approval = serde_json::json!({
        "type": "submit_tool_approval",
        "submit_tool_approval": {"tool_calls": [{"id": "call_1", "type": "mcp", "name": "search"}]},
    });
    let unknown_call = serde_json::json!({
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": [{"id": "call_1", "type": "mcp", "name": "search"}]},
    });
    for action in [approval, unknown_call] {
        let mut waiting = example("Run");
        waiting["status"] = "requires_action".into();
        waiting["required_action"] = action.clone();
        let server = support::Recorder::with_json(waiting).await;
        let request = server.client().runs("thread_abc123").create("asst_abc123");
        let run = quickly(request.toolbox(&weather()).and_poll()).await.unwrap();
        assert_eq!(run.status, "requires_action");
        assert_eq!(serde_json::to_value(run.required_action).unwrap(), action);
        assert_eq!(server.count_of("POST", "/submit_tool_outputs"), 0);
    }
}

#[tokio::test]
async fn a_run_that_was_started_elsewhere_is_picked_up() {
    let world = rounds([vec![call("call_1", PARIS)], vec![call("call_2", OSLO)]]).await;
    let poll = world.runs.poll("run_abc123").interval(Duration::from_millis(1));
    let run = poll.toolbox(&weather()).await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!((world.submissions(), world.server.count_of("POST", "/runs")), (2, 0));
}

#[tokio::test]
async fn progress_tells_what_becomes_of_each_call() {
    let calls = vec![call("call_1", PARIS), ("call_2", "unknown", "{}"), call("call_3", "{}")];
    let world = rounds([calls]).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let keep = Arc::clone(&told);
    let request = world.with(&weather()).concurrency(1).on_progress(move |event| {
        let what = match event {
            ToolEvent::Started(call) => format!("started with {}", call.arguments),
            ToolEvent::Finished { output, .. } => format!("finished: {output}"),
            ToolEvent::Failed { error, .. } => format!("failed: {error}"),
            other => format!("{other:?}"),
        };
        keep.lock().unwrap().push(format!("{} {what}", event.call().id));
    });
    quickly(request.and_poll()).await.unwrap();
    insta::assert_snapshot!(told.lock().unwrap().join("\n"));
}

#[tokio::test]
async fn a_thread_and_its_run_are_answered_too() {
    let world: Rounds = rounds([vec![call("call_1", PARIS)]]).await;
    let request = world.server.client().threads().create_and_run("asst_abc123");
    let run = quickly(request.toolbox(&weather()).and_poll()).await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!(world.submissions(), 1);
}

#[tokio::test]
async fn the_wait_can_be_sent_between_threads_and_is_small() {
    fn sent<T: Send>(value: T) -> T {
        value
    }
    let server = support::Recorder::with_json(example("Run")).await;
    let client = server.builder().retry_policy(RetryPolicy::none()).build().unwrap();
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&weather());
    let waiting = sent(request.and_poll().into_future());
    assert!(size_of_val(&*waiting) <= 8 * 1024, "{} bytes", size_of_val(&*waiting));
}

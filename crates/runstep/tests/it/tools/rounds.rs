//! The tool calls of a run, executed and submitted round by round.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use runstep::tools::{ToolContext, Toolbox};
use runstep::{ErrorKind, RetryPolicy};
use serde_json::Value;
use tokio::sync::Barrier;

use super::{
    GetWeather, PARIS, is_cancelled, never_finishing_weather_tools, progress_log, weather_tools,
};
use crate::harness::{
    RecordingServer, ToolCall, ToolRunServer, error_response, example, fast_retries, http_response,
    is_submission, poll_fast, run_with_status, tool_run, tool_run_with,
};

const OSLO: &str = r#"{"city": "Oslo"}"#;

fn call(id: &'static str, arguments: &'static str) -> ToolCall {
    (id, "get_weather", arguments)
}

#[tokio::test]
async fn outputs_are_submitted_and_run_completes() {
    let server = tool_run([vec![call("call_1", PARIS)]]).await;
    let run = poll_fast(server.create_run(&weather_tools())).and_poll().await.unwrap();
    assert_eq!(run.status, "completed");
    insta::assert_snapshot!(server.submitted_bodies());
}

#[tokio::test]
async fn create_request_contains_tools() {
    let server = tool_run([]).await;
    let tools = weather_tools().tool(runstep::types::CodeInterpreterTool::default());
    let request = server.runs.create("asst_abc123").tool(runstep::types::FileSearchTool::default());
    poll_fast(request.toolbox(&tools)).and_poll().await.unwrap();
    insta::assert_snapshot!(server.http.requests()[0].text());
}

#[tokio::test]
async fn tools_are_not_attached_if_disabled() {
    let server = tool_run([vec![call("call_1", PARIS)]]).await;
    poll_fast(server.create_run(&weather_tools()).attach(false)).and_poll().await.unwrap();
    let body: Value = serde_json::from_slice(&server.http.requests()[0].body).unwrap();
    assert_eq!(body, serde_json::json!({"assistant_id": "asst_abc123"}));
    assert_eq!(server.submissions(), 1);
}

#[tokio::test]
async fn invalid_toolbox_is_rejected_before_sending() {
    let server = tool_run([]).await;
    let tools = weather_tools().function("bad name", || async { "" });
    let error = poll_fast(server.create_run(&tools)).and_poll().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = server.runs.poll("run_abc123").toolbox(&tools).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    let error = poll_fast(server.create_run(&tools).attach(false)).and_poll().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Configuration);
    assert_eq!(server.http.count(), 0);
}

#[tokio::test]
async fn parallel_calls_run_concurrently_and_are_submitted_once() {
    let calls = vec![call("call_1", PARIS), call("call_2", OSLO), call("call_3", PARIS)];
    let server = tool_run([calls]).await;
    // Each call waits for the two others, so sequential calls would deadlock.
    let barrier = Arc::new(Barrier::new(3));
    let tools = Toolbox::with_state(barrier).function(
        "get_weather",
        |args: GetWeather, barrier: Arc<Barrier>, context: ToolContext| async move {
            barrier.wait().await;
            format!("{} for {} of {}", args.city, context.call_id(), context.run_id())
        },
    );
    let request = server.runs.create("asst_abc123").toolbox(&tools);
    poll_fast(request).and_poll().await.unwrap();
    insta::assert_snapshot!(server.submitted_bodies());
}

#[tokio::test]
async fn concurrency_is_limited() {
    let ids = ["a", "b", "c", "d", "e", "f"];
    let server = tool_run([ids.map(|id| call(id, PARIS)).to_vec()]).await;
    let (now, max) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (running, max_running) = (Arc::clone(&now), Arc::clone(&max));
    let tools = Toolbox::new().function("get_weather", move |_: GetWeather| {
        let (running, max_running) = (Arc::clone(&running), Arc::clone(&max_running));
        async move {
            max_running.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            for _ in 0..10 {
                tokio::task::yield_now().await;
            }
            running.fetch_sub(1, Ordering::SeqCst);
        }
    });
    poll_fast(server.create_run(&tools).concurrency(2)).and_poll().await.unwrap();
    assert_eq!(max.load(Ordering::SeqCst), 2);
    assert_eq!(server.submissions(), 1);
}

#[tokio::test]
async fn ten_rounds_are_submitted_in_order() {
    const IDS: [&str; 10] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"];
    let server = tool_run(IDS.map(|id| vec![call(id, PARIS)])).await;
    let run = poll_fast(server.create_run(&weather_tools())).and_poll().await.unwrap();
    assert_eq!(run.status, "completed");
    insta::assert_snapshot!(server.submitted_bodies());
}

#[tokio::test]
async fn too_many_rounds_cancel_the_run() {
    let server = tool_run(["a", "b", "c"].map(|id| vec![call(id, PARIS)])).await;
    let error =
        poll_fast(server.create_run(&weather_tools()).max_rounds(2)).and_poll().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Tool);
    assert!(error.tool_error().is_none());
    assert_eq!(error.run().unwrap().status, "cancelling");
    assert_eq!((server.submissions(), server.cancels()), (2, 1));
    insta::assert_snapshot!(error);
    let server = tool_run(["a", "b"].map(|id| vec![call(id, PARIS)])).await;
    poll_fast(server.create_run(&weather_tools()).max_rounds(2)).and_poll().await.unwrap();
}

#[tokio::test]
async fn duplicate_call_is_executed_once() {
    let server =
        tool_run([vec![call("same", PARIS), call("other", OSLO), call("same", PARIS)]]).await;
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let tools = Toolbox::new().function("get_weather", move |args: GetWeather| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { args.city }
    });
    poll_fast(server.create_run(&tools)).and_poll().await.unwrap();
    assert_eq!(count.load(Ordering::SeqCst), 2);
    insta::assert_snapshot!(server.submitted_bodies());
}

#[tokio::test]
async fn run_that_expires_during_call_is_returned_expired() {
    let server = tool_run_with([vec![call("call_1", PARIS)]], |request, state| {
        is_submission(request).then(|| {
            state.status = Some("expired");
            error_response(400, "Runs in status \"expired\" do not accept tool outputs.")
        })
    })
    .await;
    server.state.lock().unwrap().lifetime = 1;
    let (tools, token) = never_finishing_weather_tools();
    let run = poll_fast(server.create_run(&tools)).and_poll().await.unwrap();
    assert_eq!(run.status, "expired");
    assert!(is_cancelled(&token));
    assert_eq!(server.cancels(), 0);
}

#[tokio::test]
async fn expiry_is_counted_from_creation_not_first_attempt() {
    static CREATE_ATTEMPTS: AtomicUsize = AtomicUsize::new(0);
    let server = tool_run_with([vec![call("a", PARIS)]], |request, state| {
        state.lifetime = 1;
        let is_create = request.target.ends_with("/runs");
        let is_first_attempt = is_create && CREATE_ATTEMPTS.fetch_add(1, Ordering::SeqCst) == 0;
        is_first_attempt.then(|| http_response(429, &[("retry-after", "1")], "busy"))
    })
    .await;
    let client = server.http.builder().retry_policy(fast_retries()).build().unwrap();
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&weather_tools());
    poll_fast(request).and_poll().await.unwrap();
    assert_eq!(CREATE_ATTEMPTS.load(Ordering::SeqCst), 2);
    assert!(
        server.submitted_bodies().contains("18 degrees in Paris"),
        "{}",
        server.submitted_bodies()
    );
}

#[tokio::test]
async fn deadline_during_call_returns_error_with_run() {
    for cancel in [false, true] {
        let server = tool_run([vec![call("call_1", PARIS)]]).await;
        let (tools, token) = never_finishing_weather_tools();
        let request = poll_fast(server.create_run(&tools)).deadline(Duration::from_millis(300));
        let error = request.cancel_on_deadline(cancel).and_poll().await.unwrap_err();
        assert!(error.is_deadline(), "{error}");
        assert_eq!(error.run().unwrap().id, "run_abc123");
        assert!(is_cancelled(&token));
        assert_eq!((server.submissions(), server.cancels()), (0, usize::from(cancel)));
    }
}

#[tokio::test]
async fn dropping_the_future_cancels_calls_and_optionally_the_run() {
    for cancel in [false, true] {
        let server = tool_run([vec![call("call_1", PARIS)]]).await;
        let (tools, token) = never_finishing_weather_tools();
        let started = Arc::new(tokio::sync::Notify::new());
        let notify = Arc::clone(&started);
        let request = server.create_run(&tools).on_progress(move |_| notify.notify_one());
        let waiting =
            tokio::spawn(poll_fast(request).cancel_on_drop(cancel).and_poll().into_future());
        started.notified().await;
        // The function starts right after the event.
        while token.lock().unwrap().is_none() {
            tokio::task::yield_now().await;
        }
        waiting.abort();
        assert!(waiting.await.unwrap_err().is_cancelled());
        assert!(is_cancelled(&token));
        server.assert_cancels(usize::from(cancel)).await;
    }
}

#[tokio::test]
async fn completed_run_is_not_cancelled_on_drop() {
    let server = tool_run([vec![call("call_1", PARIS)]]).await;
    poll_fast(server.create_run(&weather_tools())).cancel_on_drop(true).and_poll().await.unwrap();
    // A cancel request would be sent by a spawned task.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.cancels(), 0);
}

#[tokio::test]
async fn unknown_required_action_is_returned_unchanged() {
    let approval = serde_json::json!({
        "type": "submit_tool_approval",
        "submit_tool_approval": {"tool_calls": [{"id": "call_1", "type": "mcp", "name": "search"}]},
    });
    let unknown_call = serde_json::json!({
        "type": "submit_tool_outputs",
        "submit_tool_outputs": {"tool_calls": [{"id": "call_1", "type": "mcp", "name": "search"}]},
    });
    for action in [approval, unknown_call] {
        let mut waiting = run_with_status("requires_action");
        waiting["required_action"] = action.clone();
        let server = RecordingServer::with_json(waiting).await;
        let request = server.client().runs("thread_abc123").create("asst_abc123");
        let run = poll_fast(request.toolbox(&weather_tools())).and_poll().await.unwrap();
        assert_eq!(run.status, "requires_action");
        assert_eq!(serde_json::to_value(&run.required_action).unwrap(), action);
        assert_eq!(server.count_of("POST", "/submit_tool_outputs"), 0);
    }
}

#[tokio::test]
async fn run_created_elsewhere_can_be_polled_with_tools() {
    let server = tool_run([vec![call("call_1", PARIS)], vec![call("call_2", OSLO)]]).await;
    let poll = server.runs.poll("run_abc123").interval(Duration::from_millis(1));
    let run = poll.toolbox(&weather_tools()).await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!((server.submissions(), server.http.count_of("POST", "/runs")), (2, 0));
}

#[tokio::test]
async fn progress_events_report_each_call() {
    let calls = vec![call("call_1", PARIS), ("call_2", "unknown", "{}"), call("call_3", "{}")];
    let server = tool_run([calls]).await;
    let (log, append) = progress_log();
    let request = server.create_run(&weather_tools()).concurrency(1).on_progress(append);
    poll_fast(request).and_poll().await.unwrap();
    insta::assert_snapshot!(log.lock().unwrap().join("\n"));
}

#[tokio::test]
async fn run_of_new_thread_executes_tool_calls() {
    let server: ToolRunServer = tool_run([vec![call("call_1", PARIS)]]).await;
    let request = server.http.client().threads().create_and_run("asst_abc123");
    let run = poll_fast(request.toolbox(&weather_tools())).and_poll().await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!(server.submissions(), 1);
}

#[tokio::test]
async fn polling_future_is_send_and_small() {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let server = RecordingServer::with_json(example("Run")).await;
    let client = server.builder().retry_policy(RetryPolicy::none()).build().unwrap();
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&weather_tools());
    let waiting = assert_send(request.and_poll().into_future());
    assert!(size_of_val(&*waiting) <= 8 * 1024, "{} bytes", size_of_val(&*waiting));
}

//! One event stream across all rounds of tool calls.

use runstep::tools::{
    Approval, FailurePolicy, ToolErrorKind, ToolEvent, ToolStream, ToolStreamEvent, Toolbox,
};
use runstep::{ErrorKind, RunEvent, StreamEnd};
use runstep_server::model::{ConversationItem, Scripted, Turn};
use serde_json::json;
use std::time::Duration;

use super::{
    GetWeather, PARIS, SharedToken, is_cancelled, never_finishing_weather_tools, weather_tools,
};
use crate::harness::{
    TestServer, ToolCall, error_response, event_response, fast_retries, is_submission,
    run_with_status, tool_run, tool_run_with,
};

fn call(id: &'static str) -> ToolCall {
    (id, "get_weather", PARIS)
}

/// An event as a line of text.
fn line_of(event: &ToolStreamEvent) -> String {
    match event {
        ToolStreamEvent::Run(RunEvent::MessageDelta(delta)) => {
            format!("thread.message.delta {:?}", delta.text())
        }
        ToolStreamEvent::Run(event) => event.event().to_owned(),
        ToolStreamEvent::Tool(ToolEvent::Started(call)) => {
            format!("-> {}({})", call.name, call.arguments)
        }
        ToolStreamEvent::Tool(ToolEvent::Finished { call, output, .. }) => {
            format!("-> {} finished: {output}", call.name)
        }
        ToolStreamEvent::Tool(ToolEvent::Failed { error, .. }) => format!("-> failed: {error}"),
        ToolStreamEvent::Tool(ToolEvent::Denied { call, reason }) => {
            format!("-> {} denied: {reason}", call.name)
        }
        other => format!("{other:?}"),
    }
}

/// Reads a stream to its end and returns a line per event. Repeated lines are merged, because the
/// number of step deltas depends on the server.
async fn event_lines(events: &mut ToolStream) -> String {
    let mut lines: Vec<String> = Vec::new();
    loop {
        let line = match events.try_next().await {
            Ok(Some(event)) => line_of(&event),
            Ok(None) => break,
            Err(error) => format!("error: {error}"),
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    lines.join("\n")
}

#[tokio::test]
async fn events_of_all_rounds_form_one_stream() {
    let paris = || Turn::call("get_weather", json!({"city": "Paris"}));
    let model = Scripted::new([paris(), paris(), Turn::text("Sunny.")]);
    let server = TestServer::with_model(model.clone()).await;
    let request = server.create_run();
    let mut events = request.toolbox(&weather_tools()).stream().await.unwrap();
    insta::assert_snapshot!(event_lines(&mut events).await);
    assert_eq!(events.end(), Some(StreamEnd::Completed));
    assert_eq!(events.run().unwrap().status, "completed");
    assert_eq!(events.messages()[0].text(), "Sunny.");
    assert_eq!(events.steps().len(), 3);
    let conversation = &model.requests()[2].conversation;
    let output = "18 degrees in Paris".to_owned();
    let count = conversation.iter().filter(
        |item| matches!(item, ConversationItem::ToolOutput { output: submitted, .. } if *submitted == output),
    );
    assert_eq!(count.count(), 2);
}

#[tokio::test]
async fn ten_rounds_submit_the_same_bodies_as_polling() {
    const IDS: [&str; 10] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"];
    let server = tool_run(IDS.map(|id| vec![call(id), call(id)])).await;
    let mut events = server.create_run(&weather_tools()).stream().await.unwrap();
    let run = events.final_run().await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!(server.submissions(), 10);
    insta::assert_snapshot!(server.submitted_bodies());
    insta::assert_snapshot!("create_request", server.http.requests()[0].text());
}

#[tokio::test]
async fn tool_events_report_each_call() {
    let server =
        tool_run([vec![call("a"), ("b", "unknown", "{}"), ("c", "get_weather", "{}")]]).await;
    let request = server.create_run(&weather_tools()).concurrency(1).approve(|call| async move {
        if call.id == "a" { Approval::Deny("it is night".to_owned()) } else { Approval::Allow }
    });
    let mut events = request.stream().await.unwrap();
    insta::assert_snapshot!(event_lines(&mut events).await);
    insta::assert_snapshot!("outputs_of_denied_and_failed_calls", server.submitted_bodies());
}

#[tokio::test]
async fn fatal_failure_event_precedes_the_error() {
    let server = tool_run([vec![("a", "unknown", "{}")]]).await;
    let request = server.create_run(&weather_tools()).failure_policy(FailurePolicy::none());
    let mut events = request.stream().await.unwrap();
    insta::assert_snapshot!(event_lines(&mut events).await);
    assert_eq!((server.submissions(), server.cancels()), (0, 1));
    let request = server.create_run(&weather_tools()).failure_policy(FailurePolicy::none());
    server.state.lock().unwrap().status = None;
    let error = request.stream().await.unwrap().final_run().await.unwrap_err();
    assert_eq!(error.tool_error().unwrap().kind(), ToolErrorKind::UnknownTool);
    assert_eq!(error.run().unwrap().status, "cancelling");
}

#[tokio::test]
async fn too_many_rounds_end_the_stream() {
    let server = tool_run(["a", "b", "c"].map(|id| vec![call(id)])).await;
    let mut events = server.create_run(&weather_tools()).max_rounds(2).stream().await.unwrap();
    let error = events.final_run().await.unwrap_err();
    assert_eq!((error.kind(), server.cancels()), (ErrorKind::Tool, 1));
    assert!(events.try_next().await.unwrap().is_none(), "the stream continues after its end");
}

#[tokio::test]
async fn invalid_toolbox_is_rejected_before_sending() {
    let server = tool_run([]).await;
    let tools = weather_tools().function("bad name", || async { "" });
    let error = server.create_run(&tools).stream().await.unwrap_err();
    assert_eq!((error.kind(), server.http.count()), (ErrorKind::Configuration, 0));
}

#[tokio::test]
async fn unknown_required_action_ends_the_stream() {
    let server = tool_run_with([], |request, _| {
        request.target.ends_with("/runs").then(|| {
            let run = run_with_status("queued");
            let mut waiting = run_with_status("requires_action");
            waiting["required_action"] = json!({"type": "submit_tool_approval", "more": [1]});
            event_response(&run, &waiting)
        })
    })
    .await;
    let mut events = server.create_run(&weather_tools()).stream().await.unwrap();
    let run = events.final_run().await.unwrap();
    let action = serde_json::to_value(run.required_action).unwrap();
    assert_eq!(action, json!({"type": "submit_tool_approval", "more": [1]}));
    assert_eq!(server.submissions(), 0);
}

#[tokio::test]
async fn run_cancelled_meanwhile_is_followed_to_its_end() {
    let server = tool_run_with([vec![call("a")]], |request, state| {
        is_submission(request).then(|| {
            state.status = Some("cancelled");
            error_response(400, "Runs in status \"cancelled\" do not accept tool outputs.")
        })
    })
    .await;
    let mut events = server.create_run(&weather_tools()).stream().await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "cancelled");
    assert_eq!(events.end(), Some(StreamEnd::Cancelled));
}

#[tokio::test]
async fn undelivered_outputs_are_submitted_again() {
    static LOST: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let server = tool_run_with([vec![call("a")]], |request, _| {
        let lost = is_submission(request) && !LOST.swap(true, std::sync::atomic::Ordering::SeqCst);
        lost.then(|| error_response(502, "Bad gateway"))
    })
    .await;
    let client = server.http.builder().retry_policy(fast_retries()).build().unwrap();
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&weather_tools());
    let run = request.stream().await.unwrap().final_run().await.unwrap();
    assert_eq!((run.status.as_str(), server.submissions()), ("completed", 2));
}

#[tokio::test]
async fn rate_limited_submission_follows_retry_policy() {
    let server = tool_run_with([vec![call("a")]], |request, _| {
        is_submission(request).then(|| error_response(429, "Rate limit reached."))
    })
    .await;
    let client = server.http.builder().retry_policy(fast_retries()).build().unwrap();
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&weather_tools());
    let error = request.stream().await.unwrap().final_run().await.unwrap_err();
    assert!(error.is_rate_limited(), "{error}");
    assert_eq!(server.submissions(), 3);
}

#[tokio::test]
async fn rejected_outputs_end_the_stream_with_the_api_error() {
    let server = tool_run_with([vec![call("a")]], |request, _| {
        is_submission(request).then(|| error_response(400, "The output is too long."))
    })
    .await;
    let mut events = server.create_run(&weather_tools()).stream().await.unwrap();
    let error = loop {
        match events.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without an error"),
            Err(error) => break error,
        }
    };
    assert_eq!((error.status(), error.message()), (Some(400), "The output is too long."));
    assert!(events.try_next().await.unwrap().is_none());
    assert_eq!(server.submissions(), 1);
}

/// Reads events until a call runs and no further event arrives.
async fn read_until_call_runs(events: &mut ToolStream, token: &SharedToken) {
    loop {
        let next = tokio::time::timeout(Duration::from_millis(100), events.try_next()).await;
        if next.is_err() && token.lock().unwrap().is_some() {
            return;
        }
        assert!(!matches!(next, Ok(Ok(None) | Err(_))), "the stream ended");
    }
}

#[tokio::test]
async fn dropping_the_stream_cancels_calls_and_optionally_the_run() {
    for cancel in [false, true] {
        let server = tool_run([vec![call("a")]]).await;
        let (tools, token) = never_finishing_weather_tools();
        let request = server.runs.create("asst_abc123").cancel_on_drop(cancel);
        let mut events = request.toolbox(&tools).stream().await.unwrap();
        read_until_call_runs(&mut events, &token).await;
        assert_eq!(events.run().unwrap().status, "requires_action");
        drop(events);
        assert!(is_cancelled(&token));
        server.assert_cancels(usize::from(cancel)).await;
        assert_eq!(server.submissions(), 0);
    }
}

#[tokio::test]
async fn completed_run_is_not_cancelled_on_drop() {
    let server = tool_run([vec![call("a")]]).await;
    let request = server.runs.create("asst_abc123").cancel_on_drop(true);
    let mut events = request.toolbox(&weather_tools()).stream().await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "completed");
    drop(events);
    // A cancel request would be sent by a spawned task.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(server.cancels(), 0);
}

#[tokio::test]
async fn run_that_expires_during_call_ends_the_stream_expired() {
    let server = tool_run_with([vec![call("a")]], |request, state| {
        is_submission(request).then(|| {
            state.status = Some("expired");
            error_response(400, "Runs in status \"expired\" do not accept tool outputs.")
        })
    })
    .await;
    server.state.lock().unwrap().lifetime = 1;
    let (tools, token) = never_finishing_weather_tools();
    let mut events = server.create_run(&tools).stream().await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "expired");
    assert!(is_cancelled(&token));
    assert_eq!(server.cancels(), 0);
}

#[tokio::test]
async fn deadline_applies_during_calls_and_between_events() {
    let server = tool_run([vec![call("a")]]).await;
    let (tools, token) = never_finishing_weather_tools();
    let request = server.create_run(&tools).deadline(Duration::from_millis(300)).stream();
    let mut events = request.await.unwrap();
    let error = events.final_run().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert_eq!(error.run().unwrap().status, "requires_action");
    assert!(is_cancelled(&token));
    assert_eq!(server.submissions(), 0);

    let silent = TestServer::with_turns([Turn::stall()]).await;
    let request = silent.create_run();
    let request = request.toolbox(&tools).deadline(Duration::from_millis(300)).stream();
    let error = request.await.unwrap().final_run().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
}

#[tokio::test]
async fn deadline_does_not_affect_completed_run() {
    let server = tool_run([]).await;
    let request = server.create_run(&weather_tools()).deadline(Duration::from_millis(300)).stream();
    let mut events = request.await.unwrap();
    while events.run().is_none_or(|run| run.status != "completed") {
        events.try_next().await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(events.final_run().await.unwrap().status, "completed");
    assert_eq!(events.end(), Some(StreamEnd::Completed));
}

#[tokio::test]
async fn run_is_not_cancelled_after_an_error() {
    let server = TestServer::with_turns([Turn::stall()]).await;
    let request = server.create_run().cancel_on_drop(true);
    let request = request.toolbox(&weather_tools()).deadline(Duration::from_millis(300));
    let mut events = request.stream().await.unwrap();
    let error = events.final_run().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    drop(events);
    // A cancel request would be sent by a spawned task.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let run = server.runs.retrieve(&error.run().unwrap().id).await.unwrap();
    assert_eq!(run.status, "in_progress");
}

#[tokio::test]
async fn dropping_try_next_loses_no_event() {
    let server = tool_run(["a", "b"].map(|id| vec![call(id)])).await;
    let tools = Toolbox::new().function("get_weather", |args: GetWeather| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        args.city
    });
    let mut events = server.create_run(&tools).stream().await.unwrap();
    let mut lines = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_millis(1), events.try_next()).await;
        match next {
            Ok(Ok(Some(event))) => lines.push(line_of(&event)),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => {}
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(server.submissions(), 2);
}

#[test]
fn tool_stream_is_send_and_small() {
    fn assert_send<T: Send + Unpin>() {}
    assert_send::<ToolStream>();
    assert!(size_of::<ToolStream>() <= 1024, "{} bytes", size_of::<ToolStream>());
}

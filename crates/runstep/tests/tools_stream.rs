//! One stream over all rounds of a run.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod rounds;
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rounds::{Call, is_submission, refusal, rounds, rounds_but};
use runstep::prelude::*;
use runstep::tools::{
    Approval, FailurePolicy, ToolContext, ToolErrorKind, ToolEvent, ToolStream, ToolStreamEvent,
    Toolbox,
};
use runstep::{Client, ErrorKind, RunEvent, RunStreamEnd};
use runstep_server::model::{ConversationItem, Scripted, Turn};
use runstep_server::{RunningServer, Server};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use support::script::quick;
use tokio_util::sync::CancellationToken;

#[derive(Deserialize, JsonSchema)]
struct GetWeather {
    city: String,
}

const PARIS: &str = r#"{"city": "Paris"}"#;

fn weather() -> Toolbox {
    Toolbox::new().function("get_weather", |args: GetWeather| async move {
        format!("18 degrees in {}", args.city)
    })
}

fn call(id: &'static str) -> Call {
    (id, "get_weather", PARIS)
}

/// An event as a line.
fn line(event: &ToolStreamEvent) -> String {
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

/// All that a stream tells. Deltas of steps are told as one: how arguments are cut is the server's.
async fn told(events: &mut ToolStream) -> String {
    let mut lines: Vec<String> = Vec::new();
    loop {
        let told = match events.try_next().await {
            Ok(Some(event)) => line(&event),
            Ok(None) => break,
            Err(error) => format!("error: {error}"),
        };
        if lines.last() != Some(&told) {
            lines.push(told);
        }
    }
    lines.join("\n")
}

struct World {
    _server: RunningServer,
    client: Client,
    assistant_id: String,
    thread_id: String,
    model: Scripted,
}

async fn world(turns: impl IntoIterator<Item = Turn>) -> World {
    let model = Scripted::new(turns);
    let builder = Server::builder().model(model.clone());
    let server = builder.poll_after(Duration::from_millis(2)).spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let assistant = client.assistants().create("scripted").await.unwrap();
    let thread = client.threads().create().user_message("Weather?").await.unwrap();
    World { _server: server, client, assistant_id: assistant.id, thread_id: thread.id, model }
}

#[tokio::test]
async fn the_events_of_all_rounds_come_as_one_stream() {
    let paris = || Turn::call("get_weather", json!({"city": "Paris"}));
    let world = world([paris(), paris(), Turn::say("Sunny.")]).await;
    let request = world.client.runs(&world.thread_id).create(&world.assistant_id);
    let mut events = request.toolbox(&weather()).stream().await.unwrap();
    insta::assert_snapshot!(told(&mut events).await);
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
    assert_eq!(events.run().unwrap().status, "completed");
    assert_eq!(events.messages()[0].text(), "Sunny.");
    assert_eq!(events.steps().len(), 3);
    let outputs: Vec<ConversationItem> = world.model.requests()[2].conversation.clone();
    let output = "18 degrees in Paris".to_owned();
    let count = outputs.iter().filter(
        |item| matches!(item, ConversationItem::ToolOutput { output: given, .. } if *given == output),
    );
    assert_eq!(count.count(), 2);
}

#[tokio::test]
async fn ten_rounds_are_submitted_as_they_are_by_polling() {
    const IDS: [&str; 10] = ["c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7", "c8", "c9"];
    let world = rounds(IDS.map(|id| vec![call(id), call(id)])).await;
    let mut events = world.with(&weather()).stream().await.unwrap();
    let run = events.final_run().await.unwrap();
    assert_eq!(run.status, "completed");
    assert_eq!(world.submissions(), 10);
    insta::assert_snapshot!(world.submitted());
    insta::assert_snapshot!("the_request", world.server.seen()[0].text());
}

#[tokio::test]
async fn what_becomes_of_the_calls_is_told_as_it_is_by_polling() {
    let world = rounds([vec![call("a"), ("b", "unknown", "{}"), ("c", "get_weather", "{}")]]).await;
    let request = world.with(&weather()).concurrency(1).approve(|call| async move {
        if call.id == "a" { Approval::Deny("it is night".to_owned()) } else { Approval::Allow }
    });
    let mut events = request.stream().await.unwrap();
    insta::assert_snapshot!(told(&mut events).await);
    insta::assert_snapshot!("the_outputs_of_all_kinds", world.submitted());
}

#[tokio::test]
async fn a_failure_for_good_is_told_before_the_error_that_ends_the_stream() {
    let world = rounds([vec![("a", "unknown", "{}")]]).await;
    let request = world.with(&weather()).failure_policy(FailurePolicy::none());
    let mut events = request.stream().await.unwrap();
    insta::assert_snapshot!(told(&mut events).await);
    assert_eq!((world.submissions(), world.cancels()), (0, 1));
    let request = world.with(&weather()).failure_policy(FailurePolicy::none());
    world.state.lock().unwrap().status = None;
    let error = request.stream().await.unwrap().final_run().await.unwrap_err();
    assert_eq!(error.tool_error().unwrap().kind(), ToolErrorKind::UnknownTool);
    assert_eq!(error.run().unwrap().status, "cancelling");
}

#[tokio::test]
async fn too_many_rounds_end_the_stream() {
    let world = rounds(["a", "b", "c"].map(|id| vec![call(id)])).await;
    let mut events = world.with(&weather()).max_rounds(2).stream().await.unwrap();
    let error = events.final_run().await.unwrap_err();
    assert_eq!((error.kind(), world.cancels()), (ErrorKind::Tool, 1));
    assert!(events.try_next().await.unwrap().is_none(), "there is more after the end");
}

#[tokio::test]
async fn nothing_is_sent_with_a_toolbox_that_is_wrong() {
    let world = rounds([]).await;
    let tools = weather().function("bad name", || async { "" });
    let error = world.with(&tools).stream().await.unwrap_err();
    assert_eq!((error.kind(), world.server.count()), (ErrorKind::Configuration, 0));
}

#[tokio::test]
async fn what_else_a_run_waits_for_ends_the_stream() {
    let world = rounds_but([], |request, _| {
        request.target.ends_with("/runs").then(|| {
            let mut run = support::example("Run");
            run["status"] = "queued".into();
            let mut waits = run.clone();
            waits["status"] = "requires_action".into();
            waits["required_action"] = json!({"type": "submit_tool_approval", "more": [1]});
            rounds::events(&run, &waits)
        })
    })
    .await;
    let mut events = world.with(&weather()).stream().await.unwrap();
    let run = events.final_run().await.unwrap();
    let action = serde_json::to_value(run.required_action).unwrap();
    assert_eq!(action, json!({"type": "submit_tool_approval", "more": [1]}));
    assert_eq!(world.submissions(), 0);
}

#[tokio::test]
async fn a_run_that_moved_on_is_followed_to_its_end() {
    let world = rounds_but([vec![call("a")]], |request, state| {
        is_submission(request).then(|| {
            state.status = Some("cancelled");
            refusal(400, "Runs in status \"cancelled\" do not accept tool outputs.")
        })
    })
    .await;
    let mut events = world.with(&weather()).stream().await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "cancelled");
    assert_eq!(events.end(), Some(RunStreamEnd::Cancelled));
}

#[tokio::test]
async fn outputs_that_never_arrived_are_sent_again() {
    static LOST: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
    let world = rounds_but([vec![call("a")]], |request, _| {
        let lost = is_submission(request) && !LOST.swap(true, std::sync::atomic::Ordering::SeqCst);
        lost.then(|| refusal(502, "Bad gateway"))
    })
    .await;
    let client = world.server.builder().retry_policy(quick()).build().unwrap();
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&weather());
    let run = request.stream().await.unwrap().final_run().await.unwrap();
    assert_eq!((run.status.as_str(), world.submissions()), ("completed", 2));
}

#[tokio::test]
async fn a_server_that_is_busy_is_asked_no_more_often_than_the_policy_says() {
    let world = rounds_but([vec![call("a")]], |request, _| {
        is_submission(request).then(|| refusal(429, "Rate limit reached."))
    })
    .await;
    let client = world.server.builder().retry_policy(quick()).build().unwrap();
    let request = client.runs("thread_abc123").create("asst_abc123").toolbox(&weather());
    let error = request.stream().await.unwrap().final_run().await.unwrap_err();
    assert!(error.is_rate_limited(), "{error}");
    assert_eq!(world.submissions(), 3);
}

#[tokio::test]
async fn outputs_that_are_refused_end_the_stream_with_the_servers_words() {
    let world = rounds_but([vec![call("a")]], |request, _| {
        is_submission(request).then(|| refusal(400, "The output is too long."))
    })
    .await;
    let mut events = world.with(&weather()).stream().await.unwrap();
    let error = loop {
        match events.try_next().await {
            Ok(Some(_)) => {}
            Ok(None) => panic!("the stream ended without an error"),
            Err(error) => break error,
        }
    };
    assert_eq!((error.status(), error.message()), (Some(400), "The output is too long."));
    assert!(events.try_next().await.unwrap().is_none());
    assert_eq!(world.submissions(), 1);
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

/// Reads on until a call runs and there is nothing more to tell.
async fn until_the_call_runs(events: &mut ToolStream, seen: &Mutex<Option<CancellationToken>>) {
    loop {
        let next = tokio::time::timeout(Duration::from_millis(100), events.try_next()).await;
        if next.is_err() && seen.lock().unwrap().is_some() {
            return;
        }
        assert!(!matches!(next, Ok(Ok(None) | Err(_))), "the stream ended");
    }
}

#[tokio::test]
async fn a_stream_dropped_between_rounds_cancels_the_calls_and_the_run_if_that_is_wanted() {
    for cancel in [false, true] {
        let world = rounds([vec![call("a")]]).await;
        let (tools, seen) = endless();
        let request = world.runs.create("asst_abc123").stream().cancel_on_drop(cancel);
        let mut events = request.toolbox(&tools).await.unwrap();
        until_the_call_runs(&mut events, &seen).await;
        assert_eq!(events.run().unwrap().status, "requires_action");
        drop(events);
        assert!(seen.lock().unwrap().as_ref().unwrap().is_cancelled());
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        while cancel && world.cancels() == 0 && tokio::time::Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!((world.submissions(), world.cancels()), (0, usize::from(cancel)));
    }
}

#[tokio::test]
async fn a_run_that_has_ended_is_not_cancelled_after_all() {
    let world = rounds([vec![call("a")]]).await;
    let request = world.runs.create("asst_abc123").stream().cancel_on_drop(true);
    let mut events = request.toolbox(&weather()).await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "completed");
    drop(events);
    // A request to cancel would be sent by a task of its own.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(world.cancels(), 0);
}

#[tokio::test]
async fn a_run_that_expires_in_the_middle_of_a_call_is_told_as_expired() {
    let world = rounds_but([vec![call("a")]], |request, state| {
        is_submission(request).then(|| {
            state.status = Some("expired");
            refusal(400, "Runs in status \"expired\" do not accept tool outputs.")
        })
    })
    .await;
    world.state.lock().unwrap().lifetime = 1;
    let (tools, seen) = endless();
    let mut events = world.with(&tools).stream().await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "expired");
    assert!(seen.lock().unwrap().as_ref().unwrap().is_cancelled());
    assert_eq!(world.cancels(), 0);
}

#[tokio::test]
async fn the_deadline_ends_the_stream_whatever_it_waits_for() {
    let world = rounds([vec![call("a")]]).await;
    let (tools, seen) = endless();
    let request = world.with(&tools).stream().deadline(Duration::from_millis(300));
    let mut events = request.await.unwrap();
    let error = events.final_run().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    assert_eq!(error.run().unwrap().status, "requires_action");
    assert!(seen.lock().unwrap().as_ref().unwrap().is_cancelled());
    assert_eq!(world.submissions(), 0);

    let silent = self::world([Turn::stall()]).await;
    let request = silent.client.runs(&silent.thread_id).create(&silent.assistant_id);
    let request = request.toolbox(&tools).stream().deadline(Duration::from_millis(300));
    let error = request.await.unwrap().final_run().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
}

#[tokio::test]
async fn the_deadline_is_nothing_to_a_run_that_has_ended() {
    let world = rounds([]).await;
    let request = world.with(&weather()).stream().deadline(Duration::from_millis(300));
    let mut events = request.await.unwrap();
    while events.run().is_none_or(|run| run.status != "completed") {
        events.try_next().await.unwrap().unwrap();
    }
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(events.final_run().await.unwrap().status, "completed");
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
}

#[tokio::test]
async fn after_an_error_the_run_is_the_callers() {
    let world = world([Turn::stall()]).await;
    let runs = world.client.runs(&world.thread_id);
    let request = runs.create(&world.assistant_id).stream().cancel_on_drop(true);
    let request = request.toolbox(&weather()).deadline(Duration::from_millis(300));
    let mut events = request.await.unwrap();
    let error = events.final_run().await.unwrap_err();
    assert!(error.is_deadline(), "{error}");
    drop(events);
    // A request to cancel would be sent by a task of its own.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let run = runs.retrieve(&error.run().unwrap().id).await.unwrap();
    assert_eq!(run.status, "in_progress");
}

#[tokio::test]
async fn a_next_that_is_dropped_loses_nothing() {
    let world = rounds(["a", "b"].map(|id| vec![call(id)])).await;
    let tools = Toolbox::new().function("get_weather", |args: GetWeather| async move {
        tokio::time::sleep(Duration::from_millis(5)).await;
        args.city
    });
    let mut events = world.with(&tools).stream().await.unwrap();
    let mut lines = Vec::new();
    loop {
        let next = tokio::time::timeout(Duration::from_millis(1), events.try_next()).await;
        match next {
            Ok(Ok(Some(event))) => lines.push(line(&event)),
            Ok(Ok(None)) => break,
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => {}
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
    assert_eq!(world.submissions(), 2);
}

#[test]
fn a_stream_can_be_sent_between_threads_and_is_small() {
    fn sent<T: Send + Unpin>() {}
    sent::<ToolStream>();
    assert!(size_of::<ToolStream>() <= 1024, "{} bytes", size_of::<ToolStream>());
}

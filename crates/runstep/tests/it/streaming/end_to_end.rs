//! Streams against the real server: the events of a run, its snapshots, and the stream's end.

use runstep::types::{Order, RequiredFunctionToolCall, StreamEvent, ToolOutput};
use runstep::{Client, CreateRun, ErrorKind, RunEvent, RunStream, StreamEnd};
use runstep_server::model::{ModelErrorKind, Scripted, Turn};
use runstep_server::{Fault, Faults, Operation, Server};
use serde_json::json;
use std::time::Duration;

use super::event_lines::{EventLines, event_lines};

use crate::harness::{CuttingProxy, TestServer};

fn request(server: &TestServer) -> CreateRun {
    server.create_run()
}

async fn open(server: &TestServer) -> RunStream {
    request(server).stream().await.unwrap()
}

/// Checks that the stream's snapshots equal the objects on the server.
async fn assert_snapshots_match(server: &TestServer, events: &RunStream) {
    let run = events.run().unwrap();
    assert_eq!(run, &server.runs.retrieve(&run.id).await.unwrap());
    let steps = server.runs.steps(&run.id);
    let listed = steps.list().order(Order::Asc).items().collect_all().await.unwrap();
    assert_eq!(events.steps(), listed);
    for step in events.steps() {
        assert_eq!(step, &steps.retrieve(&step.id).await.unwrap());
    }
    let messages = server.client.messages(&server.thread_id);
    let listed = messages.list().run_id(&run.id).order(Order::Asc).items();
    assert_eq!(events.messages(), listed.collect_all().await.unwrap());
}

fn function_calls(events: &RunStream) -> Vec<&RequiredFunctionToolCall> {
    events.run().unwrap().function_calls()
}

/// Outputs for all calls of the run.
fn outputs(events: &RunStream) -> Vec<ToolOutput> {
    let output = |id: &str| ToolOutput::default().tool_call_id(id).output("18 degrees");
    function_calls(events).iter().map(|call| output(&call.id)).collect()
}

#[tokio::test]
async fn generated_message() {
    let server = TestServer::with_turns([Turn::text("It is sunny.")]).await;
    let mut events = open(&server).await;
    assert_eq!((events.end(), events.run()), (None, None));
    insta::assert_snapshot!(event_lines(&mut events).await);
    assert_eq!(events.end(), Some(StreamEnd::Completed));
    assert_snapshots_match(&server, &events).await;
    assert!(events.try_next().await.unwrap().is_none());
}

#[tokio::test]
async fn tool_call_continues_in_the_same_stream() {
    let weather = Turn::call("get_weather", json!({"city": "Paris"}));
    let server = TestServer::with_turns([weather, Turn::text("Sunny.")]).await;
    let mut events = open(&server).await;
    insta::assert_snapshot!("tool_call", event_lines(&mut events).await);
    assert_eq!(events.end(), Some(StreamEnd::RequiresAction));
    assert_snapshots_match(&server, &events).await;
    events.submit_tool_outputs(outputs(&events)).await.unwrap();
    assert_eq!(events.end(), None);
    insta::assert_snapshot!("tool_call_after_submission", event_lines(&mut events).await);
    assert_eq!(events.end(), Some(StreamEnd::Completed));
    assert_snapshots_match(&server, &events).await;
    assert_eq!((events.messages().len(), events.steps().len()), (1, 2));
}

#[tokio::test]
async fn parallel_calls_in_one_stream() {
    let calls = Turn::text("Let me see.").and_call("get_weather", json!({"city": "Paris"}));
    let server =
        TestServer::with_turns([calls.and_call("get_time", json!({})), Turn::text("Noon.")]).await;
    let mut events = open(&server).await;
    insta::assert_snapshot!("parallel_calls", event_lines(&mut events).await);
    assert_snapshots_match(&server, &events).await;
    assert_eq!(function_calls(&events).len(), 2);
    events.submit_tool_outputs(outputs(&events)).await.unwrap();
    events.final_run().await.unwrap();
    assert_snapshots_match(&server, &events).await;
}

#[tokio::test]
async fn failed_run() {
    let server = TestServer::with_turns([
        Turn::text("It is").and_fail(ModelErrorKind::RateLimit, "Slow down.")
    ])
    .await;
    let mut events = open(&server).await;
    insta::assert_snapshot!(event_lines(&mut events).await);
    assert_eq!(events.end(), Some(StreamEnd::Failed));
    assert_snapshots_match(&server, &events).await;
}

#[tokio::test]
async fn run_at_token_limit() {
    let server = TestServer::with_turns([Turn::text("It is").token_limit()]).await;
    let mut events = open(&server).await;
    insta::assert_snapshot!(event_lines(&mut events).await);
    assert_eq!(events.end(), Some(StreamEnd::Incomplete));
    assert_snapshots_match(&server, &events).await;
}

#[tokio::test]
async fn cancelled_run() {
    let server = TestServer::with_turns([Turn::text("It is").and_stall()]).await;
    let mut events = open(&server).await;
    let mut lines = EventLines::default();
    while let Some(event) = events.try_next().await.unwrap() {
        lines.push(&event);
        if events.messages().first().is_some_and(|message| message.text() == "It is")
            && matches!(event, RunEvent::MessageDelta(_))
        {
            server.runs.cancel(&events.run().unwrap().id).await.unwrap();
        }
    }
    insta::assert_snapshot!(lines.text());
    assert_eq!(events.end(), Some(StreamEnd::Cancelled));
    assert_snapshots_match(&server, &events).await;
}

#[tokio::test]
async fn expired_run() {
    let model = Scripted::new([Turn::text("It is").and_stall()]);
    let builder = Server::builder().model(model).run_lifetime(Duration::from_secs(1));
    let server = TestServer::of(builder.spawn().await.unwrap()).await;
    let mut events = open(&server).await;
    insta::assert_snapshot!(event_lines(&mut events).await);
    assert_eq!(events.end(), Some(StreamEnd::Expired));
    assert_snapshots_match(&server, &events).await;
}

#[tokio::test]
async fn run_of_new_thread() {
    let server = TestServer::with_turns([Turn::text("Hi.")]).await;
    let request =
        server.client.threads().create_and_run(&server.assistant_id).user_message("Hello");
    let mut events = request.stream().await.unwrap();
    insta::assert_snapshot!(event_lines(&mut events).await);
    assert_eq!(events.end(), Some(StreamEnd::Completed));
}

#[tokio::test]
async fn separate_submission_opens_new_stream() {
    let server =
        TestServer::with_turns([Turn::call("get_time", json!({})), Turn::text("Noon.")]).await;
    let run = server.create_run().and_poll().await.unwrap();
    let call = &run.function_calls()[0].id;
    let submit = server.runs.submit_tool_outputs(&run.id).output(call, "12:00");
    let mut events = submit.stream().await.unwrap();
    insta::assert_snapshot!(event_lines(&mut events).await);
    assert_eq!(events.run().unwrap().status, "completed");
}

#[tokio::test]
async fn text_deltas_yield_text_only() {
    let server = TestServer::with_turns([Turn::text("It is sunny.")]).await;
    let mut events = open(&server).await;
    let mut texts = events.text_deltas();
    let mut received = Vec::new();
    while let Some(text) = texts.try_next().await.unwrap() {
        received.push(text);
    }
    assert_eq!(received, ["It ", "is ", "sunny."]);
    assert_eq!(events.final_run().await.unwrap().status, "completed");
}

#[tokio::test]
async fn owned_text_deltas_return_the_stream() {
    let server = TestServer::with_turns([Turn::text("It is sunny.")]).await;
    let events = open(&server).await;
    let mut texts = tokio::spawn(async { events.into_text_deltas() }).await.unwrap();
    assert_eq!(texts.try_next().await.unwrap().as_deref(), Some("It "));
    assert_eq!(texts.events().end(), None);
    let mut texts = texts.into_events().into_text_deltas();
    assert_eq!(texts.try_next().await.unwrap().as_deref(), Some("is "));
    while texts.try_next().await.unwrap().is_some() {}
    assert_eq!(texts.events().end(), Some(StreamEnd::Completed));
}

#[tokio::test]
async fn collected_run_is_checked_for_completion() {
    let server =
        TestServer::with_turns([Turn::text("It is sunny."), Turn::call("get_time", json!({}))])
            .await;
    let collected = open(&server).await.collect().await.unwrap().into_completed().unwrap();
    assert_eq!(collected.messages.len(), 1);
    let collected = open(&server).await.collect().await.unwrap();
    let error = collected.into_completed().unwrap_err();
    assert_eq!(error.kind(), runstep::ErrorKind::NotCompleted);
    assert_eq!(error.run().unwrap().status, "requires_action");
}

#[tokio::test]
async fn collect_returns_run_messages_and_steps() {
    let server = TestServer::with_turns([Turn::text("It is sunny.")]).await;
    let collected = open(&server).await.collect().await.unwrap();
    assert_eq!((collected.run.status.as_str(), collected.end), ("completed", StreamEnd::Completed));
    assert_eq!((collected.messages[0].text().as_str(), collected.steps.len()), ("It is sunny.", 1));
}

#[tokio::test]
async fn message_snapshot_grows_with_deltas() {
    let server = TestServer::with_turns([Turn::chunks(["It ", "is ", "sunny."])]).await;
    let mut events = open(&server).await;
    let mut text = String::new();
    while let Some(event) = events.try_next().await.unwrap() {
        if let StreamEvent::MessageDelta(delta) = &event {
            text.push_str(&delta.text());
            assert_eq!(events.messages()[0].text(), text);
        }
    }
    assert_eq!(text, "It is sunny.");
}

#[tokio::test]
async fn rejected_request_returns_error_instead_of_stream() {
    let server = TestServer::with_turns([Turn::stall(), Turn::stall()]).await;
    let _first = open(&server).await;
    let error = request(&server).stream().await.unwrap_err();
    assert!(error.is_active_run(), "{error}");
    let submit = server.runs.submit_tool_outputs("run_1").outputs([ToolOutput::default()]);
    assert_eq!(submit.stream().await.unwrap_err().kind(), ErrorKind::Api);
}

/// By default the run continues.
#[tokio::test]
async fn dropping_stream_cancels_run_if_configured() {
    for (cancel, status) in [(false, "completed"), (true, "cancelled")] {
        let slow =
            Turn::chunks(["It ", "is ", "sunny."]).chunk_interval(Duration::from_millis(100));
        let server = TestServer::with_turns([slow]).await;
        let mut events = request(&server).cancel_on_drop(cancel).stream().await.unwrap();
        while events.messages().is_empty() {
            events.try_next().await.unwrap().unwrap();
        }
        let run_id = events.run().unwrap().id.clone();
        drop(events);
        assert_eq!(server.runs.poll(&run_id).await.unwrap().status, status);
    }
}

#[test]
fn run_stream_is_send_and_small() {
    fn is_send(_: &(impl Send + Unpin)) {}
    fn check(events: &mut RunStream) {
        is_send(events);
        is_send(&events.text_deltas());
    }
    let _ = check;
    assert!(size_of::<RunStream>() < 2048, "{}", size_of::<RunStream>());
}

/// The connection breaks before the first event is complete, so that the run's id is unknown.
#[tokio::test]
async fn run_is_found_if_stream_breaks_before_first_event() {
    for cut_after in [1, 2, 17, 60, 100] {
        for creates_thread in [false, true] {
            let case = format!("{cut_after} bytes, with a thread: {creates_thread}");
            let cut = Fault::cut_after_bytes(cut_after);
            let cut = cut.on(Operation::CreateRun).on(Operation::CreateThreadAndRun).times(1);
            let model = Scripted::new([Turn::chunks(["It ", "is ", "sunny."])]);
            let builder = Server::builder().model(model).faults(Faults::new([cut]));
            let server = TestServer::of(builder.spawn().await.unwrap()).await;
            let mut events = match creates_thread {
                false => open(&server).await,
                true => {
                    let threads = server.client.threads();
                    let request = threads.create_and_run(&server.assistant_id);
                    request.user_message("How is it?").stream().await.unwrap()
                }
            };
            let mut names = Vec::new();
            while let Some(event) = events.try_next().await.unwrap() {
                assert!(events.is_synthesized() || !names.is_empty(), "{case}");
                names.push(event.event().to_owned());
            }
            names.dedup();
            let first_event = if creates_thread { "thread.created" } else { "thread.run.created" };
            assert_eq!(names[0], first_event, "{case}");
            assert_eq!(names.len(), if creates_thread { 12 } else { 11 }, "{case}: {names:?}");
            assert_eq!(events.end(), Some(StreamEnd::Completed), "{case}");
            let run = events.run().unwrap();
            assert_eq!(events.messages()[0].text(), "It is sunny.", "{case}");
            let runs = server.client.runs(&run.thread_id);
            let listed = runs.list().await.unwrap().data;
            assert_eq!(listed, std::slice::from_ref(run), "{case}");
            // No run was created on the server's own thread.
            let other_runs = server.runs.list().await.unwrap().data.len();
            assert_eq!(other_runs, usize::from(!creates_thread), "{case}");
        }
    }
}

/// The server still has the events, so that no event is synthesized.
#[tokio::test]
async fn broken_connection_resumes_from_last_event() {
    // After the response's headers and the first event, and at later positions.
    for cut_after in [1_500, 2_000, 2_777, 4_000, 5_001, 6_500] {
        let server = TestServer::with_turns([Turn::chunks(["It ", "is ", "sunny."])]).await;
        let proxy = CuttingProxy::start(server.address(), cut_after).await;
        let client = Client::builder(proxy.base_url()).build().unwrap();
        let request = client.runs(&server.thread_id).create(&server.assistant_id);
        let mut events = request.stream().await.unwrap();
        let mut lines = EventLines::default();
        while let Some(event) = events.try_next().await.unwrap() {
            assert!(!events.is_synthesized(), "cut after {cut_after}");
            lines.push(&event);
        }
        insta::assert_snapshot!("resumed_stream", lines.text());
        assert_eq!(events.end(), Some(StreamEnd::Completed), "cut after {cut_after}");
        assert_snapshots_match(&server, &events).await;
        assert!(proxy.connections() > 1, "cut after {cut_after}");
        assert_eq!(server.runs.list().await.unwrap().data.len(), 1, "cut after {cut_after}");
    }
}

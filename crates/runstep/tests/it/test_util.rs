//! Values and streams that applications create in their tests.

use runstep::types::{MessageStatus, ToolOutput};
use runstep::{Error, ErrorKind, RunEvent, RunStream, RunUpdate, StreamEnd};
use runstep_server::model::Turn;
use serde_json::json;

use crate::harness::{TestServer, error_response, example};

/// The events of a run with a tool call and a message, as the server sends them.
async fn recorded_events() -> Vec<RunEvent> {
    let turns = [Turn::call("get_weather", json!({})), Turn::text("Sunny.")];
    let server = TestServer::with_turns(turns).await;
    let mut stream = server.create_run().stream().await.unwrap();
    let mut events = Vec::new();
    for _segment in 0..2 {
        while let Some(event) = stream.try_next().await.unwrap() {
            events.push(event);
        }
        if stream.end() == Some(StreamEnd::RequiresAction) {
            let call_id = &stream.run().unwrap().function_calls()[0].id;
            let output = ToolOutput::default().tool_call_id(call_id).output("18 degrees");
            stream.submit_tool_outputs([output]).await.unwrap();
        }
    }
    events
}

#[tokio::test]
async fn recorded_events_are_read_to_the_same_state() {
    let events = recorded_events().await;
    let mut stream = RunStream::from_events(events.clone());
    let mut read = Vec::new();
    while let Some(event) = stream.try_next().await.unwrap() {
        read.push(event);
    }
    assert_eq!(read, events);
    assert_eq!(stream.end(), Some(StreamEnd::Completed));
    assert_eq!(stream.messages()[0].text(), "Sunny.");
    assert_eq!(stream.messages()[0].status, Some(MessageStatus::Completed));
    assert_eq!(stream.steps().len(), 2);
    let collected = RunStream::from_events(events).collect().await.unwrap();
    assert_eq!(collected.run.status, "completed");
}

/// Server-sent events have no representation for some of these texts.
#[tokio::test]
async fn recorded_events_are_read_unchanged() {
    let unknown = |event: &str, data: &str| RunEvent::Unknown {
        event: event.to_owned(),
        data: data.to_owned(),
    };
    let events = vec![
        unknown("vendor.event", "{\r\"a\": 1}"),
        unknown("vendor.event", "{\r\n\"a\": 1\r\n}\r"),
        unknown("vendor.event", "text\n\nwith lines\n"),
        unknown("vendor\nevent", ""),
        unknown("", " leading space"),
    ];
    let mut stream = RunStream::from_events(events.clone());
    for event in events {
        assert_eq!(stream.try_next().await.unwrap(), Some(event));
    }
    assert!(stream.try_next().await.is_err(), "there is no terminal event");
}

#[tokio::test]
async fn recording_without_an_end_is_an_error_and_sends_nothing() {
    let events: Vec<RunEvent> = recorded_events().await.into_iter().take(4).collect();
    let mut stream = RunStream::from_events(events);
    let error = stream.final_run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Connection);
    assert!(error.run().is_some());
    assert_eq!(stream.end(), Some(StreamEnd::ConnectionLost));
    let error = stream.submit_tool_outputs([]).await.unwrap_err();
    assert!(error.message().ends_with("nothing was sent"), "{error}");
}

/// Malformed bytes of a recording are errors of the stream, which continues.
#[tokio::test]
async fn recording_may_contain_anything() {
    for recorded in ["", "\n", "event: thread.run.completed\ndata: {\n\n", "\u{0}", "data\n\n"] {
        let mut stream = RunStream::from_sse(recorded);
        assert!(stream.final_run().await.is_err(), "{recorded:?}");
    }
}

/// The constructed error equals the one that a request returns.
#[tokio::test]
async fn errors_of_responses_are_those_of_requests() {
    let body = r#"{"error": {"message": "No thread.", "type": "invalid_request_error"}}"#;
    let server =
        crate::harness::RecordingServer::start(|_| error_response(404, "No thread.")).await;
    let sent = server.client().threads().retrieve("thread_1").await.unwrap_err();
    let constructed = Error::from_response(404, &[], body);
    assert_eq!(constructed.to_string(), sent.to_string());
    assert_eq!(constructed.error_type(), sent.error_type());
    assert_eq!((constructed.kind(), constructed.status()), (sent.kind(), sent.status()));
    let header = ("x-request-id", "req_7");
    let error = Error::from_response(99, &[header, ("not valid\n", "x"), ("x", "\n")], [0xff]);
    assert_eq!((error.status(), error.request_id()), (Some(500), Some("req_7")));
    let run = serde_json::from_value(example("Run")).unwrap();
    let error = Error::from_kind(ErrorKind::Deadline, "too late").about_run(run);
    assert!(error.is_deadline() && error.run().is_some());
}

/// Every property of a response can be set, as a value, an option or null.
#[test]
fn responses_are_constructed_with_all_properties() {
    use runstep::types::{Message, Run, RunStatus, Usage};

    let run = Run::new("run_1", 1, "thread_1", "asst_1", RunStatus::Failed, "m", "", [], true);
    let run = run.started_at(2).failed_at(Some(9)).usage(Usage::new(1, 2, 3)).metadata(None);
    let sent = serde_json::to_value(&run).unwrap();
    assert_eq!((&sent["failed_at"], &sent["usage"]["total_tokens"]), (&json!(9), &json!(3)));
    assert_eq!(serde_json::from_value::<Run>(sent).unwrap(), run);
    assert_eq!(run.duration(), Some(std::time::Duration::from_secs(7)));
    let message: Message = serde_json::from_value(example("Message")).unwrap();
    assert_eq!(message.run_id("run_7".to_owned()).run_id.as_deref(), Some("run_7"));
}

#[test]
fn changes_of_runs_are_constructed() {
    let run: runstep::types::Run = serde_json::from_value(example("Run")).unwrap();
    let update = RunUpdate::new(run.clone(), Vec::new());
    assert_eq!((&update.run, update.id.as_str()), (&run, run.id.as_str()));
    assert!(update.new_steps.is_empty() && update.tolerated_errors.is_empty());
}

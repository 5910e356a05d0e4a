//! Streams of runs that exist already: from a saved position, or by polling.

use std::time::Duration;

use axum::response::Response;
use runstep::tools::Toolbox;
use runstep::{RunEvent, RunStream, StreamEnd};
use runstep_server::model::Turn;
use serde_json::json;

use super::fixtures::{broken_stream, first_half, respond_with_completed_run, run, second_half};
use crate::harness::{
    EVENT_STREAM, RecordedRequest, RecordingServer, TestServer, error_response, http_response,
    json_response,
};

fn follow(server: &RecordingServer) -> runstep::FollowRun {
    server.client().runs("thread_1").stream("run_1")
}

/// Reads to the end and returns the names of the events.
async fn event_names(events: &mut RunStream) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(event) = events.try_next().await.unwrap() {
        names.push(event.event().trim_start_matches("thread.").to_owned());
    }
    names
}

const SYNTHESIZED_EVENTS: [&str; 11] = [
    "run.created",
    "run.queued",
    "run.in_progress",
    "run.step.created",
    "run.step.in_progress",
    "message.created",
    "message.in_progress",
    "message.delta",
    "message.completed",
    "run.step.completed",
    "run.completed",
];

/// Resumes events after ids, and otherwise returns the run.
fn resuming_response(request: &RecordedRequest) -> Response {
    match request.header("last-event-id") {
        Some("7") => http_response(200, EVENT_STREAM, second_half()),
        Some(_) => error_response(400, "Unknown event."),
        None => respond_with_completed_run(request),
    }
}

#[tokio::test]
async fn saved_position_resumes_the_events_after_it() {
    let server = RecordingServer::start_with(|_, request| resuming_response(request)).await;
    let request = follow(&server).last_event_id("7").header("x-tenant", "7").query("region", "eu");
    let mut events = request.await.unwrap();
    let request = server.only_request();
    assert_eq!(request.method, "GET");
    assert_eq!(request.target, "/v1/threads/thread_1/runs/run_1?region=eu");
    assert!(request.header("accept").unwrap().contains("text/event-stream"));
    assert_eq!(events.last_event_id(), Some("7"));
    let names = event_names(&mut events).await;
    let expected = ["message.delta", "message.completed", "run.step.completed", "run.completed"];
    assert_eq!(names, expected);
    assert!(!events.is_synthesized());
    assert_eq!(events.end(), Some(StreamEnd::Completed));
    assert!(server.requests().iter().all(|request| request.header("x-tenant") == Some("7")));
}

/// The events before the position are missing, so the snapshots are fetched at the end.
#[tokio::test]
async fn snapshots_are_complete_after_resuming() {
    let model = [Turn::call("get_weather", json!({})), Turn::text("It is sunny.")];
    let server = TestServer::with_turns(model).await;
    let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    let mut events = server.create_run().toolbox(&tools).stream().await.unwrap();
    let mut last_step = None;
    while events.try_next().await.unwrap().is_some() {
        if events.steps().len() == 2 && last_step.is_none() {
            last_step = events.last_event_id().map(str::to_owned);
        }
    }
    let run = events.run().unwrap();
    let mut rest = server.runs.stream(&run.id).last_event_id(last_step.unwrap()).await.unwrap();
    assert_eq!(rest.final_run().await.unwrap().id, run.id);
    assert!(!rest.is_synthesized());
    let steps = server.runs.steps(&run.id).list().await.unwrap().data;
    assert_eq!(rest.steps().len(), steps.len());
    for step in steps {
        assert!(rest.steps().contains(&step));
    }
}

/// Every position of a stream is tried.
#[tokio::test]
async fn events_of_both_parts_are_the_events_of_the_whole() {
    let server = TestServer::with_turns([Turn::text("It is sunny.")]).await;
    let mut whole = server.create_run().stream().await.unwrap();
    let (mut events, mut positions) = (Vec::new(), Vec::new());
    while let Some(event) = whole.try_next().await.unwrap() {
        events.push(event.event().to_owned());
        positions.push(whole.last_event_id().unwrap().to_owned());
    }
    assert_eq!(whole.last_event_id(), positions.last().map(String::as_str));
    let run_id = &whole.run().unwrap().id;
    for (index, position) in positions.iter().enumerate() {
        let mut rest = server.runs.stream(run_id).last_event_id(position).await.unwrap();
        let mut names = events[..=index].to_vec();
        while let Some(event) = rest.try_next().await.unwrap() {
            names.push(event.event().to_owned());
            // A snapshot does not begin in the middle of its message.
            let text = rest.messages().first().map(|message| message.text()).unwrap_or_default();
            assert!("It is sunny.".starts_with(&text), "{text:?} after {position}");
        }
        assert_eq!(names, events, "after {position}");
        assert_eq!(rest.messages()[0].text(), "It is sunny.", "after {position}");
    }
}

#[tokio::test]
async fn run_is_polled_if_the_server_does_not_stream() {
    let server = RecordingServer::start_with(|number, request| match number {
        0 | 1 => json_response(&run("queued")),
        _ => respond_with_completed_run(request),
    })
    .await;
    // The first step list is still empty.
    let mut events = follow(&server).await.unwrap();
    assert_eq!(events.last_event_id(), None);
    let first = events.try_next().await.unwrap();
    assert!(matches!(first, Some(RunEvent::RunCreated(_))), "{first:?}");
    assert!(events.is_synthesized());
    assert_eq!(events.last_event_id(), None);
    let mut names = vec!["run.created".to_owned()];
    names.extend(event_names(&mut events).await);
    assert_eq!(names, SYNTHESIZED_EVENTS);
    assert_eq!(events.messages()[0].text(), "It is sunny.");
}

#[tokio::test]
async fn run_is_polled_if_the_server_cannot_resume_after_the_id() {
    let server = RecordingServer::start_with(|_, request| resuming_response(request)).await;
    let mut events = follow(&server).last_event_id("expired").await.unwrap();
    assert_eq!(event_names(&mut events).await, SYNTHESIZED_EVENTS);
    let with_id = |request: &&RecordedRequest| request.header("last-event-id").is_some();
    assert_eq!(server.requests().iter().filter(with_id).count(), 1);
}

#[tokio::test]
async fn lost_connection_resumes_from_the_saved_position() {
    let server = RecordingServer::start_with(|number, request| match number {
        0 => broken_stream(String::new()),
        _ => resuming_response(request),
    })
    .await;
    let mut events = follow(&server).last_event_id("7").await.unwrap();
    assert_eq!(event_names(&mut events).await.len(), 4);
    assert_eq!(server.requests()[1].header("last-event-id"), Some("7"));
}

#[tokio::test]
async fn missing_run_is_an_error_of_the_request() {
    let server = RecordingServer::start(|_| error_response(404, "No run found.")).await;
    assert!(follow(&server).await.unwrap_err().is_not_found());
    assert!(follow(&server).last_event_id("7").await.unwrap_err().is_not_found());
    let server = RecordingServer::start(|_| error_response(401, "Invalid key.")).await;
    assert!(follow(&server).last_event_id("7").await.unwrap_err().is_authentication());
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn last_event_id_follows_the_events() {
    let server = RecordingServer::start(|_| broken_stream(first_half(true))).await;
    let request = server.client().runs("thread_1").create("asst_1").reconnect(false).stream();
    let mut events = request.await.unwrap();
    assert_eq!(events.last_event_id(), None);
    for id in ["0", "1", "2"] {
        events.try_next().await.unwrap().unwrap();
        assert_eq!(events.last_event_id(), Some(id));
    }
}

#[tokio::test]
async fn followed_run_can_be_cancelled_on_drop() {
    let server =
        RecordingServer::start_with(|_, request| match request.path().ends_with("cancel") {
            true => json_response(&run("cancelling")),
            false => broken_stream(first_half(true)),
        })
        .await;
    drop(follow(&server).last_event_id("7").cancel_on_drop(true).await.unwrap());
    for _ in 0..1000 {
        if server.count_of("POST", "/cancel") == 1 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the run was not cancelled");
}

#[tokio::test]
async fn toolbox_executes_calls_of_a_followed_run() {
    let model = [Turn::call("get_weather", json!({})), Turn::text("It is sunny.")];
    let server = TestServer::with_turns(model).await;
    let run = server.create_run().await.unwrap();
    let tools = Toolbox::new().function("get_weather", || async { "18 degrees" });
    let mut events = server.runs.stream(&run.id).toolbox(&tools).await.unwrap();
    assert_eq!(events.final_run().await.unwrap().status, "completed");
    assert_eq!(events.messages()[0].text(), "It is sunny.");
}

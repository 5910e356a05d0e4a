//! Servers that send events again after a lost connection.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{StreamExt as _, stream};
use runstep::{CreateRun, StreamEnd};
use serde_json::json;

use super::fixtures::{broken_stream, first_half, respond_with_completed_run, run, second_half};
use crate::harness::{EVENT_STREAM, RecordingServer, http_response, sse_event};

fn request(server: &RecordingServer) -> CreateRun {
    server.client().runs("thread_1").create("asst_1")
}

/// All events except the first ones, with their numbers as ids.
fn events_from(first: usize) -> String {
    let events = first_half(false) + &second_half();
    let events = events.split_inclusive("\n\n").enumerate().skip(first);
    events.map(|(number, event)| format!("id: {number}\n{event}")).collect()
}

/// An event stream that sends nothing after these events, and does not end.
fn hanging_stream(events: String) -> Response {
    let events = stream::iter([Ok::<_, io::Error>(Bytes::from(events))]);
    http_response(200, EVENT_STREAM, Body::from_stream(events.chain(stream::pending())))
}

#[tokio::test]
async fn events_that_are_sent_again_are_skipped() {
    let position = first_half(false).matches("\n\n").count() - 1;
    // From the start, from an event in between, or from the position itself.
    for first in [0, 3, position, position + 1] {
        let server = RecordingServer::start_with(move |number, _| match number {
            0 => broken_stream(first_half(true)),
            // The first replay ends before the position.
            1 if first == 0 => {
                broken_stream(first_half(true).split_inclusive("\n\n").take(3).collect())
            }
            _ => http_response(200, EVENT_STREAM, events_from(first)),
        })
        .await;
        let mut events = request(&server).stream().await.unwrap();
        let (mut names, mut text) = (Vec::new(), Vec::new());
        while let Some(event) = events.try_next().await.unwrap() {
            assert!(!events.is_synthesized());
            names.push(event.event().to_owned());
            if let runstep::RunEvent::MessageDelta(delta) = event {
                text.push(
                    serde_json::to_value(delta).unwrap()["delta"]["content"][0]["text"]["value"]
                        .clone(),
                );
            }
        }
        assert_eq!(text, ["It ", "is sunny."], "from {first}");
        assert_eq!(names.len(), 12, "from {first}: {names:?}");
        assert_eq!(events.end(), Some(StreamEnd::Completed));
        assert_eq!(events.run().unwrap().status, "completed");
        for request in &server.requests()[1..] {
            assert_eq!(request.headers["last-event-id"], position.to_string());
        }
    }
}

#[tokio::test]
async fn events_that_are_sent_again_are_not_progress() {
    let created = format!("id: 1\n{}", sse_event("thread.run.created", &run("queued")));
    let server = RecordingServer::start_with(move |number, _| match number {
        0 => broken_stream(created.clone()),
        _ => hanging_stream(created.clone()),
    })
    .await;
    let request = request(&server).idle_timeout(Duration::from_millis(20));
    let mut events = request.recovery_deadline(Duration::from_millis(500)).stream().await.unwrap();
    assert_eq!(events.try_next().await.unwrap().unwrap().event(), "thread.run.created");
    let end = tokio::time::timeout(Duration::from_secs(20), events.try_next()).await;
    end.expect("the recovery does not end").unwrap_err();
    assert_eq!(events.end(), Some(StreamEnd::ConnectionLost));
    // The position is the last event that was received.
    assert!(server.count() < 20, "{} requests", server.count());
}

/// The events after the position would be sent again, because they have no ids.
#[tokio::test]
async fn run_is_fetched_after_resumed_events_without_ids() {
    let server = RecordingServer::start_with(move |number, request| match number {
        0 => broken_stream(format!("id: 1\n{}", sse_event("thread.run.created", &run("queued")))),
        1 => broken_stream(sse_event("thread.run.queued", &run("queued"))),
        _ => respond_with_completed_run(request),
    })
    .await;
    let mut events = request(&server).stream().await.unwrap();
    let mut names = Vec::new();
    while let Some(event) = events.try_next().await.unwrap() {
        names.push(event.event().to_owned());
    }
    let queued = names.iter().filter(|name| *name == "thread.run.queued").count();
    assert_eq!((queued, events.end()), (1, Some(StreamEnd::Completed)), "{names:?}");
    let has_position =
        |number: usize| server.requests()[number].headers.contains_key("last-event-id");
    assert_eq!(json!([has_position(1), has_position(2)]), json!([true, false]));
}

//! The stream over all rounds of a run, read for its text alone or as a whole.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod rounds;
mod support;

use std::time::Duration;

use axum::Error;
use axum::body::{Body, Bytes};
use rounds::{rounds, rounds_but};
use runstep::prelude::*;
use runstep::tools::{FailurePolicy, ToolErrorKind, Toolbox};
use runstep::types::Order;
use runstep::{Client, RunStreamEnd, Runs};
use runstep_server::model::{Scripted, Turn};
use runstep_server::{RunningServer, Server};
use serde_json::json;
use support::reply;

fn weather() -> Toolbox {
    Toolbox::new().function("get_weather", || async { "18 degrees" })
}

struct World {
    _server: RunningServer,
    runs: Runs,
    assistant_id: String,
}

/// A run that calls a function in two rounds, and then says something.
async fn world(text: &str) -> World {
    let call = || Turn::call("get_weather", json!({}));
    let builder = Server::builder().model(Scripted::new([call(), call(), Turn::say(text)]));
    let server = builder.poll_after(Duration::from_millis(2)).spawn().await.unwrap();
    let client = Client::builder(server.base_url()).build().unwrap();
    let assistant = client.assistants().create("scripted").await.unwrap();
    let thread = client.threads().create().user_message("Weather?").await.unwrap();
    World { _server: server, runs: client.runs(&thread.id), assistant_id: assistant.id }
}

#[tokio::test]
async fn the_text_of_all_rounds_can_be_read_alone() {
    let world = world("Sunny in Paris.").await;
    let request = world.runs.create(&world.assistant_id);
    let mut events = request.toolbox(&weather()).stream().await.unwrap();
    let mut deltas = events.text_deltas();
    let mut pieces = Vec::new();
    while let Some(piece) = deltas.try_next().await.unwrap() {
        pieces.push(piece);
    }
    assert_eq!(pieces.concat(), "Sunny in Paris.");
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
}

#[tokio::test]
async fn the_text_alone_ends_with_the_error_that_ends_the_stream() {
    let world = rounds([vec![("a", "unknown", "{}")]]).await;
    let request = world.with(&weather()).failure_policy(FailurePolicy::none());
    let mut events = request.stream().await.unwrap();
    assert!(!events.has_ended());
    let mut deltas = events.text_deltas();
    let error = deltas.try_next().await.unwrap_err();
    assert_eq!(error.tool_error().unwrap().kind(), ToolErrorKind::UnknownTool);
    assert!(deltas.try_next().await.unwrap().is_none());
    // There is no end that the run has told.
    assert_eq!((events.end(), events.has_ended()), (None, true));
}

#[tokio::test]
async fn all_rounds_are_collected() {
    let world = world("Sunny.").await;
    let request = world.runs.create(&world.assistant_id).toolbox(&weather());
    let told = request.stream().await.unwrap().collect().await.unwrap();
    assert_eq!(told.end, RunStreamEnd::Completed);
    assert_eq!(told.run, world.runs.retrieve(&told.run.id).await.unwrap());
    assert_eq!(told.messages.iter().map(|message| message.text()).collect::<Vec<_>>(), ["Sunny."]);
    let steps = world.runs.steps(&told.run.id).list().order(Order::Asc).await.unwrap().data;
    assert_eq!((told.steps.len(), &told.steps), (3, &steps));
}

#[tokio::test]
async fn a_stream_that_ends_before_its_run_is_not_collected() {
    let world = rounds([vec![("a", "unknown", "{}")]]).await;
    let request = world.with(&weather()).failure_policy(FailurePolicy::none());
    let error = request.stream().await.unwrap().collect().await.unwrap_err();
    assert_eq!(error.tool_error().unwrap().kind(), ToolErrorKind::UnknownTool);
    assert_eq!(error.run().unwrap().status, "cancelling");
}

#[tokio::test]
async fn after_an_error_was_read_the_run_is_still_told() {
    let world = rounds([vec![("a", "unknown", "{}")]]).await;
    let request = world.with(&weather()).failure_policy(FailurePolicy::none());
    let mut events = request.stream().await.unwrap();
    events.text_deltas().try_next().await.unwrap_err();
    let run = events.run().unwrap().clone();
    let error = events.final_run().await.unwrap_err();
    assert_eq!(error.message(), "an error that was given before has ended the stream");
    assert_eq!(error.run(), Some(&run));
    assert_eq!(events.collect().await.unwrap_err().run(), Some(&run));
}

/// What the stream asks for at its end, because an event did not decode, never comes.
#[tokio::test]
async fn the_deadline_ends_a_look_for_what_was_missed() {
    let world = rounds_but([], |request, state| {
        if request.target.contains("/steps") {
            let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Error>>());
            return Some(reply(200, &[("content-type", "application/json")], body));
        }
        let run = state.run();
        let told = format!(
            "event: thread.message.created\ndata: x\n\nevent: thread.run.completed\ndata: {run}\n\n"
        );
        Some(reply(200, &[("content-type", "text/event-stream")], told))
    })
    .await;
    let request = world.with(&weather()).stream().deadline(Duration::from_millis(300));
    let mut events = request.await.unwrap();
    let begun = tokio::time::Instant::now();
    assert_eq!(events.final_run().await.unwrap().status, "completed");
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert_eq!(events.end(), Some(RunStreamEnd::Completed));
    assert_eq!(world.server.count_of("GET", "/steps"), 1);
}

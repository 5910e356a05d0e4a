//! Reading a stream of all rounds as text, or collecting it.

use std::time::Duration;

use runstep::StreamEnd;
use runstep::tools::{FailurePolicy, ToolErrorKind, Toolbox};
use runstep::types::Order;
use runstep_server::model::Turn;
use serde_json::json;

use crate::harness::{TestServer, hanging_body, http_response, tool_run, tool_run_with};

fn weather() -> Toolbox {
    Toolbox::new().function("get_weather", || async { "18 degrees" })
}

/// A server whose model calls a function in two rounds and then generates this text.
async fn server_with_two_rounds(text: &str) -> TestServer {
    let call = || Turn::call("get_weather", json!({}));
    TestServer::with_turns([call(), call(), Turn::text(text)]).await
}

#[tokio::test]
async fn text_deltas_span_all_rounds() {
    let server = server_with_two_rounds("Sunny in Paris.").await;
    let request = server.create_run();
    let mut events = request.toolbox(&weather()).stream().await.unwrap();
    let mut deltas = events.text_deltas();
    let mut texts = Vec::new();
    while let Some(text) = deltas.try_next().await.unwrap() {
        texts.push(text);
    }
    assert_eq!(texts.concat(), "Sunny in Paris.");
    assert!(texts.iter().all(|text| !text.is_empty()));
    assert_eq!(events.end(), Some(StreamEnd::Completed));
}

#[tokio::test]
async fn owned_text_deltas_span_all_rounds() {
    let server = server_with_two_rounds("Sunny in Paris.").await;
    let events = server.create_run().toolbox(&weather()).stream().await.unwrap();
    let mut texts = events.into_text_deltas();
    let mut text = String::new();
    while let Some(piece) = texts.try_next().await.unwrap() {
        text.push_str(&piece);
    }
    assert_eq!(text, "Sunny in Paris.");
    assert_eq!(texts.into_events().end(), Some(StreamEnd::Completed));
}

#[tokio::test]
async fn text_deltas_end_with_the_stream_error() {
    let server = tool_run([vec![("a", "unknown", "{}")]]).await;
    let request = server.create_run(&weather()).failure_policy(FailurePolicy::none());
    let mut events = request.stream().await.unwrap();
    assert!(!events.has_ended());
    let mut deltas = events.text_deltas();
    let error = deltas.try_next().await.unwrap_err();
    assert_eq!(error.tool_error().unwrap().kind(), ToolErrorKind::UnknownTool);
    assert!(deltas.try_next().await.unwrap().is_none());
    // The stream ended without a terminal event of the run.
    assert_eq!((events.end(), events.has_ended()), (None, true));
}

#[tokio::test]
async fn collect_returns_all_rounds() {
    let server = server_with_two_rounds("Sunny.").await;
    let request = server.create_run().toolbox(&weather());
    let collected = request.stream().await.unwrap().collect().await.unwrap();
    assert_eq!(collected.end, StreamEnd::Completed);
    assert_eq!(collected.run, server.runs.retrieve(&collected.run.id).await.unwrap());
    assert_eq!(
        collected.messages.iter().map(|message| message.text()).collect::<Vec<_>>(),
        ["Sunny."]
    );
    let steps = server.runs.steps(&collected.run.id).list().order(Order::Asc).await.unwrap().data;
    assert_eq!((collected.steps.len(), &collected.steps), (3, &steps));
}

#[tokio::test]
async fn collect_returns_stream_error_with_run() {
    let server = tool_run([vec![("a", "unknown", "{}")]]).await;
    let request = server.create_run(&weather()).failure_policy(FailurePolicy::none());
    let error = request.stream().await.unwrap().collect().await.unwrap_err();
    assert_eq!(error.tool_error().unwrap().kind(), ToolErrorKind::UnknownTool);
    assert_eq!(error.run().unwrap().status, "cancelling");
}

#[tokio::test]
async fn run_remains_available_after_an_error() {
    let server = tool_run([vec![("a", "unknown", "{}")]]).await;
    let request = server.create_run(&weather()).failure_policy(FailurePolicy::none());
    let mut events = request.stream().await.unwrap();
    events.text_deltas().try_next().await.unwrap_err();
    let run = events.run().unwrap().clone();
    let error = events.final_run().await.unwrap_err();
    assert_eq!(error.message(), "an earlier error has ended the stream");
    assert_eq!(error.run(), Some(&run));
    assert_eq!(events.collect().await.unwrap_err().run(), Some(&run));
}

/// An event did not decode, so the stream fetches the steps at its end; that request hangs.
#[tokio::test]
async fn deadline_ends_fetch_of_missing_snapshots() {
    let server = tool_run_with([], |request, state| {
        if request.target.contains("/steps") {
            return Some(http_response(
                200,
                &[("content-type", "application/json")],
                hanging_body(),
            ));
        }
        let run = state.run();
        let events = format!(
            "event: thread.message.created\ndata: x\n\nevent: thread.run.completed\ndata: {run}\n\n"
        );
        Some(http_response(200, &[("content-type", "text/event-stream")], events))
    })
    .await;
    let request = server.create_run(&weather()).deadline(Duration::from_millis(300)).stream();
    let mut events = request.await.unwrap();
    let start = tokio::time::Instant::now();
    assert_eq!(events.final_run().await.unwrap().status, "completed");
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    assert_eq!(events.end(), Some(StreamEnd::Completed));
    assert_eq!(server.http.count_of("GET", "/steps"), 1);
}

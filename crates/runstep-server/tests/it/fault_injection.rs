//! Injected faults: delays, errors, cut and malformed responses.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Method;
use axum::response::Response;
use futures_util::StreamExt as _;
use runstep_server::model::{Scripted, Turn};
use runstep_server::{Fault, Faults, Operation, Server};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Fixture, TestClient, id};

fn client_with_faults(faults: &Faults) -> TestClient {
    let turns = (0..10).map(|_| Turn::text("It is sunny."));
    TestClient::from_builder(Server::builder().model(Scripted::new(turns)).faults(faults.clone()))
}

async fn fixture_with_faults(faults: &Faults) -> Fixture {
    client_with_faults(faults).create_fixture(&[]).await
}

/// Reads a body; returns its text, and whether it was cut.
async fn read(body: Body) -> (String, bool) {
    let mut chunks = body.into_data_stream();
    let mut text = String::new();
    while let Some(chunk) = chunks.next().await {
        match chunk {
            Ok(bytes) => text.push_str(std::str::from_utf8(&bytes).unwrap()),
            Err(_) => return (text, true),
        }
    }
    (text, false)
}

async fn open_stream(fixture: &Fixture) -> Response {
    let body = fixture.run_body(json!({"stream": true})).to_string();
    fixture.client.send(Method::POST, &fixture.runs_path(), body.into()).await
}

#[tokio::test(start_paused = true)]
async fn delay_postpones_only_its_operation() {
    let faults = Faults::new([Fault::delay(Duration::from_secs(3)).on(Operation::CreateThread)]);
    let client = client_with_faults(&faults);
    let started = Instant::now();
    let thread = client.post("/threads", json!({})).await.ok();
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    client.get(&format!("/threads/{}", id(&thread))).await.ok();
    assert_eq!(started.elapsed(), Duration::from_secs(3), "other operations are delayed");
}

#[tokio::test(start_paused = true)]
async fn rate_limit_sends_retry_after_and_has_no_side_effect() {
    for (retry_after, seconds) in [(0, "1"), (1500, "2"), (7000, "7")] {
        let fault = Fault::rate_limit(Duration::from_millis(retry_after)).on(Operation::CreateRun);
        let fixture = fixture_with_faults(&Faults::new([fault.times(1)])).await;
        let response = fixture.try_create_run(json!({})).await;
        assert_eq!(response.header("retry-after"), Some(seconds));
        assert_eq!(response.expect_error(429)["code"], "rate_limit_exceeded");
        assert_eq!(fixture.client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
        assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    }
}

#[tokio::test(start_paused = true)]
async fn server_error_is_returned_the_given_number_of_times() {
    let faults = Faults::default();
    let client = client_with_faults(&faults);
    faults.add(Fault::server_error().times(2));
    for path in ["/threads", "/v1/threads"] {
        let response = client.send(Method::POST, path, "{}".into()).await;
        assert_eq!(response.status(), 500);
        let body = to_bytes(response.into_body(), 1000).await.unwrap();
        let error = &serde_json::from_slice::<Value>(&body).unwrap()["error"];
        assert_eq!((&error["type"], &error["param"]), (&"server_error".into(), &Value::Null));
    }
    client.post("/threads", json!({})).await.ok();
}

#[tokio::test(start_paused = true)]
async fn cut_after_events_ends_the_stream_but_not_the_run() {
    let uncut = fixture_with_faults(&Faults::default()).await.stream_run(json!({})).await;
    for count in 0..uncut.len() {
        let fault = Fault::cut_after_events(count).on(Operation::CreateRun);
        let fixture = fixture_with_faults(&Faults::new([fault])).await;
        let (text, cut) = read(open_stream(&fixture).await.into_body()).await;
        assert!(cut);
        let names: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        let expected: Vec<&str> = uncut[..count].iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, expected);
        assert!(text.is_empty() || text.ends_with("\n\n"), "an event is cut: {text}");
        let run = fixture.newest_run().await;
        assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
    }
}

#[tokio::test(start_paused = true)]
async fn comments_do_not_count_as_events() {
    let turn = Turn::text("It is sunny.").initial_delay(Duration::from_secs(50));
    let faults = Faults::new([Fault::cut_after_events(4).on(Operation::CreateRun)]);
    let builder = Server::builder().model(Scripted::new([turn])).faults(faults);
    let fixture = Fixture::from_builder(builder, &[]).await;
    let (text, cut) = read(open_stream(&fixture).await.into_body()).await;
    assert!(cut);
    let comments = text.lines().filter(|line| *line == ":").count();
    assert_eq!((text.matches("event: ").count(), comments), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn cut_after_bytes_truncates_any_response() {
    let cut_after = |count| Faults::new([Fault::cut_after_bytes(count)]);
    for count in [0, 1, 50] {
        let response =
            client_with_faults(&cut_after(count)).send(Method::POST, "/threads", "{}".into()).await;
        let (text, cut) = read(response.into_body()).await;
        assert_eq!((text.len(), cut), (count, true));
    }
    let response =
        client_with_faults(&cut_after(10_000)).send(Method::POST, "/threads", "{}".into()).await;
    assert!(!read(response.into_body()).await.1, "the body is shorter");

    let faults = Faults::new([Fault::cut_after_bytes(777).on(Operation::CreateRun)]);
    let fixture = fixture_with_faults(&faults).await;
    let (text, cut) = read(open_stream(&fixture).await.into_body()).await;
    assert_eq!((text.len(), cut), (777, true));
}

#[tokio::test(start_paused = true)]
async fn malformed_json_lacks_its_last_byte() {
    let faults = Faults::new([Fault::malformed_json().on(Operation::RetrieveThread).times(1)]);
    let client = client_with_faults(&faults);
    let thread = client.post("/threads", json!({})).await.ok();
    let path = format!("/threads/{}", id(&thread));
    let response = client.send(Method::GET, &path, Body::empty()).await;
    assert_eq!(response.status(), 200);
    let (text, cut) = read(response.into_body()).await;
    assert!(!cut);
    assert_eq!(serde_json::from_str::<Value>(&format!("{text}}}")).unwrap(), thread);
    assert_eq!(client.get(&path).await.ok(), thread);
}

#[tokio::test(start_paused = true)]
async fn malformed_event_affects_only_that_event() {
    let uncut = fixture_with_faults(&Faults::default()).await.stream_run(json!({})).await;
    for number in 1..uncut.len() {
        let fault = Fault::malformed_event(number).on(Operation::CreateRun);
        let fixture = fixture_with_faults(&Faults::new([fault])).await;
        let (text, cut) = read(open_stream(&fixture).await.into_body()).await;
        assert!(!cut);
        let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(data.len(), uncut.len());
        let malformed = data.iter().enumerate().filter(|(index, data)| {
            serde_json::from_str::<Value>(data).is_err() && index + 1 != uncut.len()
        });
        assert_eq!(malformed.map(|(index, _)| index + 1).collect::<Vec<_>>(), [number]);
    }
}

#[tokio::test(start_paused = true)]
async fn stream_faults_and_json_faults_do_not_affect_each_other() {
    let faults = Faults::new([Fault::cut_after_events(0), Fault::malformed_event(1)]);
    let fixture = fixture_with_faults(&faults).await;
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    let faults = Faults::new([Fault::malformed_json().on(Operation::CreateRun)]);
    let fixture = fixture_with_faults(&faults).await;
    assert_eq!(fixture.stream_run(json!({})).await.last().unwrap().name, "done");
}

#[tokio::test(start_paused = true)]
async fn faults_of_one_operation_do_not_affect_unknown_paths() {
    let one_operation =
        client_with_faults(&Faults::new([Fault::server_error().on(Operation::CreateRun)]));
    assert_eq!(one_operation.get("/nothing").await.expect_error(404)["code"], "unknown_url");
    let all_operations = client_with_faults(&Faults::new([Fault::rate_limit(Duration::ZERO)]));
    let response = all_operations.send(Method::GET, "/threads/thread_x", Body::empty()).await;
    assert_eq!(response.status(), 429);
}

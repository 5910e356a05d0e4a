//! Requests that are repeated with an idempotency key.

use std::time::Duration;

use runstep_server::model::Turn;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Fixture, TestClient, event_names, tool_outputs_body};

impl TestClient {
    fn with_key(&self, key: &str) -> Self {
        self.with_header("idempotency-key", key)
    }
}

#[tokio::test(start_paused = true)]
async fn repeated_request_returns_the_first_response_and_changes_nothing() {
    let fixture = Fixture::with_turns(vec![Turn::text("Hi."); 2], &[]).await;
    let message = fixture.newest_message().await;
    let message_path = fixture.message_path(&message);
    for (index, (path, body)) in [
        ("/assistants".to_owned(), json!({"model": "m"})),
        (fixture.assistant_path(), json!({"name": "a"})),
        ("/threads".to_owned(), json!({})),
        (fixture.thread_path(), json!({"metadata": {"a": "b"}})),
        (fixture.messages_path(), json!({"role": "user", "content": "Hello"})),
        (message_path, json!({"metadata": {"a": "b"}})),
        (fixture.runs_path(), fixture.run_body(json!({}))),
        ("/threads/runs".to_owned(), fixture.run_body(json!({}))),
    ]
    .into_iter()
    .enumerate()
    {
        let client = fixture.client.with_key(&format!("key {index}"));
        let first = client.post(&path, body.clone()).await.ok();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(client.post(&path, body.clone()).await.ok(), first, "{path}");
        let other = client.post(&path, json!({"metadata": {"x": "y"}, "model": "other"})).await;
        if other.status != 400 {
            let error = other.expect_error(422);
            assert_eq!(error["code"], "idempotency_key_reused", "{path}");
        }
    }
    let assistants = fixture.client.get("/assistants").await.ok();
    assert_eq!(assistants["data"].as_array().unwrap().len(), 2);
    let runs = fixture.client.get(&fixture.runs_path()).await.ok();
    assert_eq!(runs["data"].as_array().unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn other_keys_and_tenants_are_independent() {
    let fixture = Fixture::with_turns([], &[]).await;
    let create = async |key: &str| {
        let client = fixture.client.with_key(key);
        client.post("/assistants", json!({"model": "m"})).await.ok()["id"].clone()
    };
    let first = create("one").await;
    assert_ne!(create("two").await, first);
    assert_eq!(create("one").await, first);
}

#[tokio::test(start_paused = true)]
async fn keys_are_forgotten_after_a_day() {
    let fixture = Fixture::with_turns([], &[]).await;
    let client = fixture.client.with_key("key");
    let create = async || client.post("/threads", json!({})).await.ok()["id"].clone();
    let first = create().await;
    sleep(Duration::from_secs(24 * 60 * 60 - 60)).await;
    assert_eq!(create().await, first);
    sleep(Duration::from_secs(120)).await;
    assert_ne!(create().await, first);
}

#[tokio::test(start_paused = true)]
async fn failed_request_can_be_repeated() {
    let fixture =
        Fixture::with_turns([Turn::text("Hi.").initial_delay(Duration::from_secs(1))], &[]).await;
    let run = fixture.create_run(json!({})).await;
    let client = fixture.client.with_key("key");
    let body = json!({"role": "user", "content": "Hello"});
    client.post(&fixture.messages_path(), body.clone()).await.expect_error(400);
    fixture.wait_for_run(&run).await;
    let message = client.post(&fixture.messages_path(), body.clone()).await.ok();
    assert_eq!(client.post(&fixture.messages_path(), body).await.ok(), message);
}

#[tokio::test(start_paused = true)]
async fn tool_outputs_and_cancellation_are_accepted_once() {
    let turns = [Turn::call("weather", json!({})), Turn::text("Sunny."), Turn::stall()];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let waiting = fixture.create_run_and_wait(json!({})).await;
    let body = tool_outputs_body(&waiting, &["sun"]);
    let repeated = Fixture { client: fixture.client.with_key("outputs"), ..fixture.clone() };
    let first = repeated.try_submit_outputs(&waiting, body.clone()).await.ok();
    assert_eq!(first["status"], "queued");
    assert_eq!(fixture.wait_for_run(&waiting).await["status"], "completed");
    assert_eq!(repeated.try_submit_outputs(&waiting, body).await.ok(), first);

    let run = fixture.create_run(json!({})).await;
    let repeated = Fixture { client: fixture.client.with_key("cancel"), ..fixture.clone() };
    let first = repeated.cancel_run(&run).await.ok();
    assert_eq!(fixture.wait_for_run(&run).await["status"], "cancelled");
    assert_eq!(repeated.cancel_run(&run).await.ok(), first);
}

#[tokio::test(start_paused = true)]
async fn repeated_stream_has_the_same_events() {
    let turns = [Turn::call("weather", json!({})), Turn::text("Sunny.")];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let repeated = Fixture { client: fixture.client.with_key("run"), ..fixture.clone() };
    let first = repeated.stream_run(json!({})).await;
    assert_eq!(repeated.stream_run(json!({})).await, first);
    let waiting = first[first.len() - 2].data.clone();
    let repeated = Fixture { client: fixture.client.with_key("outputs"), ..fixture.clone() };
    let second = repeated.open_outputs_stream(&waiting, &["sun"]).await.read_to_end().await;
    let again = repeated.open_outputs_stream(&waiting, &["sun"]).await.read_to_end().await;
    assert_eq!(again, second);
    assert_eq!(event_names(&second)[..2], ["run.step.completed", "run.queued"]);
}

#[tokio::test]
async fn simultaneous_requests_are_executed_once() {
    let fixture = Fixture::with_turns([Turn::text("Hi.")], &[]).await;
    let client = fixture.client.with_key("key");
    let requests = (0..8).map(|_| client.post("/threads", json!({})));
    let responses = futures_util::future::join_all(requests).await;
    let ids: Vec<Value> =
        responses.into_iter().map(|response| response.ok()["id"].clone()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

#[tokio::test(start_paused = true)]
async fn invalid_keys_are_rejected() {
    let fixture = Fixture::with_turns([], &[]).await;
    for key in [String::new(), "x".repeat(256)] {
        let client = fixture.client.with_key(&key);
        client.post("/threads", json!({})).await.expect_invalid("Idempotency-Key", "invalid_value");
    }
}

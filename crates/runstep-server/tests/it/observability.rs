//! Request ids, health endpoints and metrics.

use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use serde_json::json;

use crate::harness::{
    TestClient, fetch_metrics, fetch_text, run_pending_tasks, self_cancelling_fixture,
};

#[tokio::test(start_paused = true)]
async fn only_well_formed_client_request_ids_are_echoed() {
    let client = TestClient::with_turns([]);
    let longest = "x".repeat(128);
    for id in ["my-request_1", "a/b+c=d@e:f.g", &longest] {
        let response = client.with_header("x-request-id", id).get("/assistants").await;
        assert_eq!(response.header("x-request-id"), Some(id));
    }
    let too_long = "x".repeat(129);
    for id in ["", "two words", "a\"b", "{}", "<script>", &too_long] {
        let response = client.with_header("x-request-id", id).get("/assistants").await;
        assert!(response.header("x-request-id").unwrap().starts_with("req_"), "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn running_server_is_healthy_and_ready() {
    let client = TestClient::with_turns([]);
    assert_eq!(fetch_text(&client, "/healthz").await, "ok\n");
    assert_eq!(fetch_text(&client, "/readyz").await, "ready\n");
}

#[tokio::test(start_paused = true)]
async fn run_is_counted_under_its_final_status() {
    let fixture = self_cancelling_fixture(&[]).await;
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "cancelled");
    let metrics = fetch_metrics(&fixture.client).await;
    assert!(metrics.contains("\nrunstep_runs_ended_total{status=\"cancelled\"} 1\n"), "{metrics}");
}

#[tokio::test(start_paused = true)]
async fn metrics_count_requests_runs_tokens_and_streams() {
    let turns = [
        Turn::text("It is sunny.").usage(12, 3),
        Turn::call("weather", json!({})).usage(20, 5),
        Turn::stall(),
    ];
    let builder = Server::builder().model(Scripted::new(turns)).max_concurrent_runs(1);
    let client = TestClient::from_builder(builder);
    let first = client.create_fixture(&[]).await;
    first.stream_run(json!({})).await;
    let second = client.create_fixture(&["weather"]).await;
    second.create_run_and_wait(json!({})).await;
    let third = client.create_fixture(&[]).await;
    let stream = third.open_run_stream(json!({})).await;
    run_pending_tasks().await;
    let fourth = client.create_fixture(&[]).await;
    fourth.create_run(json!({})).await;
    run_pending_tasks().await;
    first.try_create_run(json!({"temperature": 3})).await.expect_error(400);
    client.get("/nothing").await.expect_error(404);

    let metrics = fetch_metrics(&client).await;
    for line in [
        "runstep_requests_total{operation=\"createRun\",status=\"200\"} 4",
        "runstep_requests_total{operation=\"createRun\",status=\"400\"} 1",
        "runstep_requests_total{operation=\"none\",status=\"404\"} 1",
        "runstep_request_duration_seconds_count{operation=\"createRun\"} 5",
        "runstep_runs_created_total 4",
        "runstep_runs_ended_total{status=\"completed\"} 1",
        "runstep_run_duration_seconds_count 1",
        "runstep_tokens_total{kind=\"prompt\"} 12",
        "runstep_tokens_total{kind=\"completion\"} 3",
        "runstep_runs_requiring_action 1",
        "runstep_runs_in_progress 1",
        "runstep_runs_queued 1",
        "runstep_open_streams 1",
        // The events of a completed run (14), of one that waits for tool outputs (9), of one in
        // progress (3) and of a queued one (2).
        "runstep_events_total 28",
    ] {
        assert!(metrics.contains(&format!("\n{line}\n")), "{line} is not in {metrics}");
    }
    assert!(metrics.ends_with("# EOF\n"));
    drop(stream);
    let metrics = fetch_metrics(&client).await;
    assert!(metrics.contains("\nrunstep_open_streams 0\n"), "{metrics}");
}

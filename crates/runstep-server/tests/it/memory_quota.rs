//! The limit of the memory that objects and retained events take.

use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use serde_json::{Value, json};

use crate::harness::{Fixture, TestClient, fetch_metrics, run_pending_tasks};

#[tokio::test(start_paused = true)]
async fn full_quota_rejects_creation_until_objects_are_deleted() {
    let client = TestClient::from_builder(Server::builder().max_stored_bytes(25_000));
    let fixture = client.create_fixture(&[]).await;
    let text = "x".repeat(15_000);
    let large = fixture.add_message(text.clone()).await;
    let thread = client.create_thread(&text).await;

    let reason = "the objects use all 25000 bytes of their memory quota; delete some";
    for (path, body) in [
        ("/assistants".to_owned(), json!({"model": "m"})),
        ("/threads".to_owned(), json!({})),
        ("/threads/runs".to_owned(), fixture.run_body(json!({}))),
        (fixture.runs_path(), fixture.run_body(json!({}))),
        (fixture.messages_path(), json!({"role": "user", "content": "Hi"})),
    ] {
        client.post(&path, body).await.expect_rate_limit(reason);
    }
    client.get(&fixture.messages_path()).await.ok();
    client.delete(&fixture.message_path(&large)).await.ok();
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    client.delete(&format!("/threads/{thread}")).await.ok();
    client.delete(&fixture.thread_path()).await.ok();
    client.delete(&fixture.assistant_path()).await.ok();
    run_pending_tasks().await;
    assert!(fetch_metrics(&client).await.contains("\nrunstep_stored_bytes 0\n"));
}

async fn stored_bytes(client: &TestClient) -> i64 {
    let metrics = fetch_metrics(client).await;
    let (_, rest) = metrics.split_once("\nrunstep_stored_bytes ").unwrap();
    rest.lines().next().unwrap().parse().unwrap()
}

/// The largest possible metadata. Serialized as JSON, each value doubles in length.
fn large_metadata() -> Value {
    let pairs = (0..16).map(|number| (format!("key {number}"), json!("\"".repeat(512))));
    json!({"metadata": Value::Object(pairs.collect())})
}

#[tokio::test(start_paused = true)]
async fn updates_charge_and_release_quota() {
    let client = TestClient::with_turns([Turn::text("Hi.")]);
    let fixture = client.create_fixture(&[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let message = fixture.newest_message().await;
    for path in [
        fixture.assistant_path(),
        fixture.thread_path(),
        fixture.message_path(&message),
        fixture.run_path(&run, ""),
    ] {
        let before = stored_bytes(&client).await;
        client.post(&path, large_metadata()).await.ok();
        let growth = stored_bytes(&client).await - before;
        assert!((16_000..20_000).contains(&growth), "{path}: {growth}");
        client.post(&path, json!({"metadata": null})).await.ok();
        assert_eq!(stored_bytes(&client).await, before, "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn deletion_releases_no_more_than_was_charged() {
    // Serialized as JSON, it is six times as long.
    let turn = Turn::chunks(vec!["\u{1}".repeat(1000); 10]);
    let fixture = Fixture::with_turns([turn], &[]).await;
    let client = &fixture.client;
    fixture.add_message("x".repeat(90_000)).await;
    let before = stored_bytes(client).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let path = fixture.message_path(&fixture.newest_message().await);
    client.post(&path, large_metadata()).await.ok();
    client.delete(&path).await.ok();
    let remaining = stored_bytes(client).await - before;
    let run_bytes = fixture.get_run(&run).await.to_string().len() as i64;
    assert!(
        (run_bytes..run_bytes + 5000).contains(&remaining),
        "{remaining} bytes for a run of {run_bytes}"
    );
}

#[tokio::test(start_paused = true)]
async fn retained_events_are_charged_while_a_run_requires_action() {
    for streamed in [false, true] {
        let turn = Turn::chunks(vec!["It "; 100]).and_call("weather", json!({}));
        let fixture = Fixture::with_turns([turn], &["weather"]).await;
        if streamed {
            fixture.stream_run(json!({})).await;
        } else {
            fixture.create_run(json!({})).await;
        }
        let run = fixture.newest_run().await;
        let run = fixture.wait_for_run(&run).await;
        assert_eq!(run["status"], "requires_action");
        let waiting = stored_bytes(&fixture.client).await;
        fixture.cancel_run(&run).await.ok();
        fixture.wait_for_run(&run).await;
        let after = stored_bytes(&fixture.client).await;
        assert!(waiting > after + 10_000, "{waiting}, {after}");
    }
}

#[tokio::test(start_paused = true)]
async fn tombstones_of_deleted_messages_are_charged() {
    let client = TestClient::with_turns([]);
    let fixture = client.create_fixture(&[]).await;
    let before = stored_bytes(&client).await;
    for _ in 0..10 {
        let message = fixture.add_message("Hi").await;
        client.delete(&fixture.message_path(&message)).await.ok();
    }
    assert!(stored_bytes(&client).await >= before + 10 * 100);
}

#[tokio::test(start_paused = true)]
async fn full_quota_allows_only_shrinking_updates() {
    let client = TestClient::from_builder(Server::builder().max_stored_bytes(20_000));
    let fixture = client.create_fixture(&[]).await;
    client.post(&fixture.thread_path(), json!({"metadata": {"short": "x"}})).await.ok();
    let message = fixture.add_message("x".repeat(20_000)).await;
    let message_path = fixture.message_path(&message);
    let reason = "the objects use all 20000 bytes of their memory quota; delete some";
    for path in [fixture.assistant_path(), fixture.thread_path(), message_path] {
        let before = client.get(&path).await.ok();
        client.post(&path, large_metadata()).await.expect_rate_limit(reason);
        assert_eq!(client.get(&path).await.ok(), before);
        client.post(&path, json!({"metadata": {}})).await.ok();
    }
    let long = json!({"instructions": "x".repeat(1000)});
    client.post(&fixture.assistant_path(), long).await.expect_rate_limit(reason);
}

#[tokio::test(start_paused = true)]
async fn model_output_above_the_quota_fails_the_run() {
    let turn = Turn::chunks(vec!["x".repeat(1000); 100]);
    let builder = Server::builder().model(Scripted::new([turn])).max_stored_bytes(20_000);
    let fixture = Fixture::from_builder(builder, &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "failed");
    let message = "The server's memory quota is used up.";
    assert_eq!(run["last_error"], json!({"code": "server_error", "message": message}));
}

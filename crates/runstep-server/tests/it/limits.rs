//! Limits of concurrent runs, streams, request time and model context.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use runstep_server::model::{ConversationItem, Scripted, Turn};
use runstep_server::{Server, ServerBuilder};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Fixture, TestClient, merged, run_pending_tasks, tool_outputs_body};

const SECOND: Duration = Duration::from_secs(1);

/// A server whose model takes a second for each of `count` responses.
fn slow_server(count: usize) -> ServerBuilder {
    let turns =
        (0..count).map(|number| Turn::text(format!("Answer {number}.")).initial_delay(SECOND));
    Server::builder().model(Scripted::new(turns))
}

/// Creates a run on a new thread.
async fn create_run_on_new_thread(client: &TestClient) -> (Fixture, Value) {
    let fixture = client.create_fixture(&["weather"]).await;
    let run = fixture.create_run(json!({})).await;
    (fixture, run)
}

#[tokio::test(start_paused = true)]
async fn queued_runs_start_in_creation_order() {
    let client = TestClient::from_builder(slow_server(3).max_concurrent_runs(1));
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(create_run_on_new_thread(&client).await);
        run_pending_tasks().await;
    }
    let statuses = async || {
        let mut statuses = Vec::new();
        for (fixture, run) in &runs {
            statuses.push(fixture.get_run(run).await["status"].as_str().unwrap().to_owned());
        }
        statuses
    };
    assert_eq!(statuses().await, ["in_progress", "queued", "queued"]);
    sleep(SECOND).await;
    assert_eq!(statuses().await, ["completed", "in_progress", "queued"]);
    sleep(SECOND).await;
    assert_eq!(statuses().await, ["completed", "completed", "in_progress"]);
    sleep(SECOND).await;
    assert_eq!(statuses().await, ["completed"; 3]);
}

#[tokio::test(start_paused = true)]
async fn run_above_the_queue_limit_is_rejected_without_side_effects() {
    let client = TestClient::from_builder(slow_server(3).max_concurrent_runs(1).max_queued_runs(1));
    let runs = [create_run_on_new_thread(&client).await, create_run_on_new_thread(&client).await];
    let fixture = client.create_fixture(&[]).await;
    let reason = "1 runs are in progress and 1 are queued";
    let message = json!({"additional_messages": [{"role": "user", "content": "More"}]});
    fixture.try_create_run(message).await.expect_rate_limit(reason);
    fixture.try_create_run(json!({"stream": true})).await.expect_rate_limit(reason);
    let thread = json!({"metadata": {"only": "this"}});
    client
        .post("/threads/runs", fixture.run_body(json!({"thread": thread})))
        .await
        .expect_rate_limit(reason);
    assert_eq!(fixture.message_texts().await, ["Hello there"]);
    assert_eq!(client.get(&fixture.runs_path()).await.ok()["data"], json!([]));

    for (fixture, run) in &runs {
        assert_eq!(fixture.wait_for_run(run).await["status"], "completed");
    }
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn run_that_requires_action_holds_no_permit_and_needs_one_to_continue() {
    let turns = [
        Turn::call("weather", json!({})),
        Turn::text("Slow.").initial_delay(SECOND),
        Turn::text("Sunny.").initial_delay(SECOND),
    ];
    let builder = Server::builder().model(Scripted::new(turns));
    let client = TestClient::from_builder(builder.max_concurrent_runs(1).max_queued_runs(0));
    let (fixture, run) = create_run_on_new_thread(&client).await;
    let waiting = fixture.wait_for_run(&run).await;
    assert_eq!(waiting["status"], "requires_action");

    let (other_fixture, other_run) = create_run_on_new_thread(&client).await;
    let reason = "1 runs are in progress and 0 are queued";
    for fields in [json!({}), json!({"stream": true})] {
        let body = merged(tool_outputs_body(&waiting, &["sun"]), fields);
        fixture.try_submit_outputs(&waiting, body).await.expect_rate_limit(reason);
        assert_eq!(fixture.get_run(&run).await, waiting, "the run was changed");
    }
    other_fixture.wait_for_run(&other_run).await;
    fixture.submit_outputs(&waiting, &["sun"]).await;
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn queued_run_can_be_cancelled_and_starts_once_a_permit_is_free() {
    let builder = Server::builder().model(Scripted::new([Turn::stall(), Turn::text("Hi.")]));
    let client = TestClient::from_builder(builder.max_concurrent_runs(1).max_queued_runs(2));
    let (first, stalled) = create_run_on_new_thread(&client).await;
    run_pending_tasks().await;
    let (fixture, run) = create_run_on_new_thread(&client).await;
    run_pending_tasks().await;
    assert_eq!(fixture.get_run(&run).await["status"], "queued");
    fixture.cancel_run(&run).await.ok();
    let run = fixture.wait_for_run(&run).await;
    assert_eq!((&run["status"], &run["started_at"]), (&"cancelled".into(), &Value::Null));

    sleep(300 * SECOND).await;
    let (fixture, run) = create_run_on_new_thread(&client).await;
    first.cancel_run(&stalled).await.ok();
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed", "the run did not start");
}

#[tokio::test(start_paused = true)]
async fn run_queued_behind_stalled_runs_expires() {
    let builder = Server::builder().model(Scripted::new([Turn::stall(), Turn::stall()]));
    let client = TestClient::from_builder(builder.max_concurrent_runs(1));
    create_run_on_new_thread(&client).await;
    sleep(500 * SECOND).await;
    let (fixture, run) = create_run_on_new_thread(&client).await;
    sleep(99 * SECOND).await;
    let (last_fixture, last) = create_run_on_new_thread(&client).await;
    assert_eq!(fixture.get_run(&run).await["status"], "queued");
    sleep(502 * SECOND).await;
    // It started when the first run expired, and then stalled as well.
    assert_eq!(fixture.get_run(&run).await["status"], "expired");
    let last = last_fixture.wait_for_run(&last).await;
    assert_eq!(last["status"], "failed", "the script has another turn");
}

#[tokio::test(start_paused = true)]
async fn stream_above_the_limit_is_rejected_without_side_effects() {
    let turns = [Turn::text("Slow.").initial_delay(SECOND), Turn::text("Hi."), Turn::text("Hi.")];
    let builder = Server::builder().model(Scripted::new(turns)).max_open_streams(1);
    let client = TestClient::from_builder(builder);
    let first = client.create_fixture(&[]).await;
    let stream = first.open_run_stream(json!({})).await;
    let fixture = client.create_fixture(&[]).await;
    fixture.try_create_run(json!({"stream": true})).await.expect_rate_limit("1 streams are open");
    let body = fixture.run_body(json!({"stream": true}));
    client.post("/threads/runs", body).await.expect_rate_limit("1 streams are open");
    assert_eq!(client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
    assert_eq!(
        fixture.create_run_and_wait(json!({})).await["status"],
        "completed",
        "runs without streams are limited too"
    );

    assert_eq!(stream.read_to_end().await.last().unwrap().name, "done");
    let stream = fixture.open_run_stream(json!({})).await;
    fixture.try_create_run(json!({"stream": true})).await.expect_rate_limit("1 streams are open");
    drop(stream);
    run_pending_tasks().await;
    let error =
        fixture.try_create_run(json!({"stream": true, "temperature": 3})).await.expect_error(400);
    assert_eq!(error["param"], "temperature");
}

#[tokio::test(start_paused = true)]
async fn slow_request_body_times_out() {
    let client = TestClient::from_builder(Server::builder().request_timeout(5 * SECOND));
    let endless_body = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let started = tokio::time::Instant::now();
    let error = client.request(Method::POST, "/threads", endless_body).await.expect_error(408);
    assert_eq!(started.elapsed(), 5 * SECOND);
    assert_eq!(error["code"], "request_timeout");
    assert_eq!(error["message"], "The request took longer than 5 s.");
}

#[tokio::test(start_paused = true)]
async fn streams_are_exempt_from_the_request_timeout() {
    let builder = Server::builder()
        .model(Scripted::new([Turn::text("It is sunny.").chunk_interval(5 * SECOND)]))
        .request_timeout(SECOND);
    let fixture = Fixture::from_builder(builder, &[]).await;
    let events = fixture.stream_run(json!({})).await;
    assert_eq!(events.last().unwrap().name, "done");
}

#[tokio::test(start_paused = true)]
async fn context_limit_keeps_the_newest_messages() {
    let model = Scripted::new((0..3).map(|_| Turn::text("Fine.")));
    let builder = Server::builder().model(model.clone()).max_context_tokens(10);
    let fixture = Fixture::from_builder(builder, &[]).await;
    for text in ["sixteen letters.", "twelve chars", "last"] {
        fixture.add_message(text).await;
    }
    let sent_conversation = async |fields: Value| {
        fixture.create_run_and_wait(fields).await;
        model.requests().pop().unwrap().conversation
    };
    let user = |text: &str| ConversationItem::User(text.to_owned());
    let auto = sent_conversation(json!({})).await;
    assert_eq!(auto, [user("sixteen letters."), user("twelve chars"), user("last")]);
    let long = "x".repeat(100);
    let fields = json!({"additional_messages": [{"role": "user", "content": long}]});
    assert_eq!(
        sent_conversation(fields).await,
        [user(&long)],
        "the newest message is sent even if it does not fit"
    );
    let last = json!({"truncation_strategy": {"type": "last_messages", "last_messages": 6}});
    assert_eq!(
        sent_conversation(last).await.len(),
        6,
        "the truncation strategy of the run applies"
    );
}

//! Limits of concurrent runs, streams, request time and model context.

use std::time::Duration;

use axum::body::Body;
use axum::http::Method;
use futures_util::stream;
use runstep_server::model::{ConversationItem, Scripted, Turn};
use runstep_server::{Server, ServerBuilder};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{
    Fixture, JsonResponse, TestClient, id, merged, run_pending_tasks, tool_outputs_body,
};

const SECOND: Duration = Duration::from_secs(1);

/// A server whose model takes a second for each of `count` responses.
fn slow(count: usize) -> ServerBuilder {
    let turns = (0..count).map(|number| Turn::say(format!("Answer {number}.")).after(SECOND));
    Server::builder().model(Scripted::new(turns))
}

#[track_caller]
fn rate_limited(response: JsonResponse, why: &str) {
    assert_eq!(response.header("retry-after"), Some("1"));
    let message = format!("Rate limit reached, because {why}. Please try again in 1 s.");
    let expected = json!({
        "message": message,
        "type": "rate_limit_error",
        "param": null,
        "code": "rate_limit_exceeded",
    });
    assert_eq!(response.expect_error(429), expected);
}

/// Creates a run on a new thread.
async fn another(client: &TestClient) -> (crate::harness::Fixture, Value) {
    let fixture = client.create_fixture(&["weather"]).await;
    let run = fixture.create_run(json!({})).await;
    (fixture, run)
}

#[tokio::test(start_paused = true)]
async fn queued_runs_start_in_creation_order() {
    let client = TestClient::from_builder(slow(3).max_concurrent_runs(1));
    let mut runs = Vec::new();
    for _ in 0..3 {
        runs.push(another(&client).await);
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
    let client = TestClient::from_builder(slow(3).max_concurrent_runs(1).max_queued_runs(1));
    let runs = [another(&client).await, another(&client).await];
    let fixture = client.create_fixture(&[]).await;
    let why = "1 runs are in progress and 1 more wait";
    let message = json!({"additional_messages": [{"role": "user", "content": "More"}]});
    rate_limited(fixture.try_create_run(message).await, why);
    rate_limited(fixture.try_create_run(json!({"stream": true})).await, why);
    let thread = json!({"metadata": {"only": "this"}});
    rate_limited(
        client.post("/threads/runs", fixture.run_body(json!({"thread": thread}))).await,
        why,
    );
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
        Turn::say("Slow.").after(SECOND),
        Turn::say("Sunny.").after(SECOND),
    ];
    let builder = Server::builder().model(Scripted::new(turns));
    let client = TestClient::from_builder(builder.max_concurrent_runs(1).max_queued_runs(0));
    let (fixture, run) = another(&client).await;
    let waiting = fixture.wait_for_run(&run).await;
    assert_eq!(waiting["status"], "requires_action");

    let (other_fixture, other) = another(&client).await;
    let why = "1 runs are in progress and 0 more wait";
    for more in [json!({}), json!({"stream": true})] {
        let body = merged(tool_outputs_body(&waiting, &["sun"]), more);
        rate_limited(fixture.try_submit_outputs(&waiting, body).await, why);
        assert_eq!(fixture.get_run(&run).await, waiting, "nothing has changed");
    }
    other_fixture.wait_for_run(&other).await;
    fixture.submit_outputs(&waiting, &["sun"]).await;
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed");
}

#[tokio::test(start_paused = true)]
async fn queued_run_can_be_cancelled_and_starts_once_a_permit_is_free() {
    let builder = Server::builder().model(Scripted::new([Turn::stall(), Turn::say("Hi.")]));
    let client = TestClient::from_builder(builder.max_concurrent_runs(1).max_queued_runs(2));
    let (first, stalled) = another(&client).await;
    run_pending_tasks().await;
    let (fixture, run) = another(&client).await;
    run_pending_tasks().await;
    assert_eq!(fixture.get_run(&run).await["status"], "queued");
    fixture.cancel_run(&run).await.ok();
    let run = fixture.wait_for_run(&run).await;
    assert_eq!((&run["status"], &run["started_at"]), (&"cancelled".into(), &Value::Null));

    sleep(300 * SECOND).await;
    let (fixture, run) = another(&client).await;
    first.cancel_run(&stalled).await.ok();
    assert_eq!(fixture.wait_for_run(&run).await["status"], "completed", "its turn has come");
}

#[tokio::test(start_paused = true)]
async fn run_queued_behind_stalled_runs_expires() {
    let builder = Server::builder().model(Scripted::new([Turn::stall(), Turn::stall()]));
    let client = TestClient::from_builder(builder.max_concurrent_runs(1));
    let (_, _) = another(&client).await;
    sleep(500 * SECOND).await;
    let (fixture, run) = another(&client).await;
    sleep(99 * SECOND).await;
    let (last_fixture, last) = another(&client).await;
    assert_eq!(fixture.get_run(&run).await["status"], "queued");
    sleep(502 * SECOND).await;
    // It started when the first run expired, and then stalled as well.
    assert_eq!(fixture.get_run(&run).await["status"], "expired");
    let fails = last_fixture.wait_for_run(&last).await;
    assert_eq!(fails["status"], "failed", "the script has no turn left");
}

#[tokio::test(start_paused = true)]
async fn stream_above_the_limit_is_rejected_without_side_effects() {
    let turns = [Turn::say("Slow.").after(SECOND), Turn::say("Hi."), Turn::say("Hi.")];
    let builder = Server::builder().model(Scripted::new(turns)).max_open_streams(1);
    let client = TestClient::from_builder(builder);
    let first = client.create_fixture(&[]).await;
    let stream = first.open_run_stream(json!({})).await;
    let fixture = client.create_fixture(&[]).await;
    rate_limited(fixture.try_create_run(json!({"stream": true})).await, "1 streams are open");
    let body = fixture.run_body(json!({"stream": true}));
    rate_limited(client.post("/threads/runs", body).await, "1 streams are open");
    assert_eq!(client.get(&fixture.runs_path()).await.ok()["data"], json!([]));
    assert_eq!(
        fixture.create_run_and_wait(json!({})).await["status"],
        "completed",
        "runs without streams go on"
    );

    assert_eq!(stream.read_to_end().await.last().unwrap().name, "done");
    let stream = fixture.open_run_stream(json!({})).await;
    rate_limited(fixture.try_create_run(json!({"stream": true})).await, "1 streams are open");
    drop(stream);
    run_pending_tasks().await;
    let error =
        fixture.try_create_run(json!({"stream": true, "temperature": 3})).await.expect_error(400);
    assert_eq!(error["param"], "temperature");
}

#[tokio::test(start_paused = true)]
async fn slow_request_body_times_out() {
    let client = TestClient::from_builder(Server::builder().request_timeout(5 * SECOND));
    let never = Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>());
    let started = tokio::time::Instant::now();
    let error = client.request(Method::POST, "/threads", never).await.expect_error(408);
    assert_eq!(started.elapsed(), 5 * SECOND);
    assert_eq!(error["code"], "request_timeout");
    assert_eq!(error["message"], "The request took longer than 5 s.");
}

#[tokio::test(start_paused = true)]
async fn streams_are_exempt_from_the_request_timeout() {
    let builder = Server::builder()
        .model(Scripted::new([Turn::say("It is sunny.").every(5 * SECOND)]))
        .request_timeout(SECOND);
    let fixture = Fixture::from_builder(builder, &[]).await;
    let events = fixture.stream_run(json!({})).await;
    assert_eq!(events.last().unwrap().name, "done");
}

#[tokio::test(start_paused = true)]
async fn full_quota_rejects_creation_until_objects_are_deleted() {
    let limit = 25_000;
    let client = TestClient::from_builder(Server::builder().max_stored_bytes(limit));
    let fixture = client.create_fixture(&[]).await;
    let text = "x".repeat(15_000);
    let message = json!({"role": "user", "content": text});
    let big = id(&client.post(&fixture.messages_path(), message.clone()).await.ok());
    let thread = id(&client.post("/threads", json!({"messages": [message]})).await.ok());

    let why = "the objects take 25000 bytes, which is all they may: delete some";
    for (path, body) in [
        ("/assistants".to_owned(), json!({"model": "m"})),
        ("/threads".to_owned(), json!({})),
        ("/threads/runs".to_owned(), fixture.run_body(json!({}))),
        (fixture.runs_path(), fixture.run_body(json!({}))),
        (fixture.messages_path(), json!({"role": "user", "content": "Hi"})),
    ] {
        rate_limited(client.post(&path, body).await, why);
    }
    client.get(&fixture.messages_path()).await.ok();
    client.delete(&format!("{}/{big}", fixture.messages_path())).await.ok();
    assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "completed");
    client.delete(&format!("/threads/{thread}")).await.ok();
    client.delete(&fixture.thread_path()).await.ok();
    client.delete(&fixture.assistant_path()).await.ok();
    run_pending_tasks().await;
    assert!(crate::harness::fetch_metrics(&client).await.contains("\nrunstep_stored_bytes 0\n"));
}

async fn stored_bytes(client: &TestClient) -> i64 {
    let told = crate::harness::fetch_metrics(client).await;
    let (_, rest) = told.split_once("\nrunstep_stored_bytes ").unwrap();
    rest.lines().next().unwrap().parse().unwrap()
}

/// The largest possible metadata. Serialized as JSON, each value doubles in length.
fn much_metadata() -> Value {
    let pairs = (0..16).map(|number| (format!("key {number}"), json!("\"".repeat(512))));
    json!({"metadata": Value::Object(pairs.collect())})
}

#[tokio::test(start_paused = true)]
async fn updates_charge_and_release_quota() {
    let client = TestClient::with_turns([Turn::say("Hi.")]);
    let fixture = client.create_fixture(&[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let message = id(&client.get(&fixture.messages_path()).await.ok()["data"][0]);
    for path in [
        fixture.assistant_path(),
        fixture.thread_path(),
        format!("{}/{message}", fixture.messages_path()),
        fixture.run_path(&run, ""),
    ] {
        let before = stored_bytes(&client).await;
        client.post(&path, much_metadata()).await.ok();
        let grown = stored_bytes(&client).await - before;
        assert!((16_000..20_000).contains(&grown), "{path}: {grown}");
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
    fixture
        .client
        .post(&fixture.messages_path(), json!({"role": "user", "content": "x".repeat(90_000)}))
        .await
        .ok();
    let before = stored_bytes(client).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let message = id(&client.get(&fixture.messages_path()).await.ok()["data"][0]);
    let path = format!("{}/{message}", fixture.messages_path());
    client.post(&path, much_metadata()).await.ok();
    client.delete(&path).await.ok();
    let left = stored_bytes(client).await - before;
    let kept = fixture.get_run(&run).await.to_string().len() as i64;
    assert!((kept..kept + 5000).contains(&left), "{left} of a run of {kept}");
}

#[tokio::test(start_paused = true)]
async fn retained_events_are_charged_while_a_run_requires_action() {
    let mut bytes = Vec::new();
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
        bytes.push((waiting, stored_bytes(&fixture.client).await));
    }
    let [(unstreamed, _), (streamed, after)] = bytes[..] else { unreachable!() };
    assert!(streamed > unstreamed + 10_000, "{streamed}, {unstreamed}");
    assert!(after < unstreamed + 1000, "{after}, {unstreamed}");
}

#[tokio::test(start_paused = true)]
async fn tombstones_of_deleted_messages_are_charged() {
    let client = TestClient::with_turns([]);
    let fixture = client.create_fixture(&[]).await;
    let before = stored_bytes(&client).await;
    for _ in 0..10 {
        let message = json!({"role": "user", "content": "Hi"});
        let message = id(&client.post(&fixture.messages_path(), message).await.ok());
        client.delete(&format!("{}/{message}", fixture.messages_path())).await.ok();
    }
    assert!(stored_bytes(&client).await >= before + 10 * 100);
}

#[tokio::test(start_paused = true)]
async fn full_quota_allows_only_shrinking_updates() {
    let client = TestClient::from_builder(Server::builder().max_stored_bytes(20_000));
    let fixture = client.create_fixture(&[]).await;
    client.post(&fixture.thread_path(), json!({"metadata": {"short": "x"}})).await.ok();
    let message = json!({"role": "user", "content": "x".repeat(20_000)});
    let message = id(&client.post(&fixture.messages_path(), message).await.ok());
    let message = format!("{}/{message}", fixture.messages_path());
    let why = "the objects take 20000 bytes, which is all they may: delete some";
    for path in [fixture.assistant_path(), fixture.thread_path(), message] {
        let before = client.get(&path).await.ok();
        rate_limited(client.post(&path, much_metadata()).await, why);
        assert_eq!(client.get(&path).await.ok(), before);
        client.post(&path, json!({"metadata": {}})).await.ok();
    }
    let long = json!({"instructions": "x".repeat(1000)});
    rate_limited(client.post(&fixture.assistant_path(), long).await, why);
}

#[tokio::test(start_paused = true)]
async fn model_output_above_the_quota_fails_the_run() {
    let turn = Turn::chunks(vec!["x".repeat(1000); 100]);
    let builder = Server::builder().model(Scripted::new([turn])).max_stored_bytes(20_000);
    let fixture = Fixture::from_builder(builder, &[]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["status"], "failed");
    let message = "The server has no room for more of the answer.";
    assert_eq!(run["last_error"], json!({"code": "server_error", "message": message}));
}

#[tokio::test(start_paused = true)]
async fn context_limit_keeps_the_newest_messages() {
    let model = Scripted::new((0..3).map(|_| Turn::say("Fine.")));
    let builder = Server::builder().model(model.clone()).max_context_tokens(10);
    let fixture = Fixture::from_builder(builder, &[]).await;
    for text in ["sixteen letters.", "twelve chars", "last"] {
        let message = json!({"role": "user", "content": text});
        fixture.client.post(&fixture.messages_path(), message).await.ok();
    }
    let given = async |more: Value| {
        fixture.create_run_and_wait(more).await;
        model.requests().pop().unwrap().conversation
    };
    let user = |text: &str| ConversationItem::User(text.to_owned());
    let auto = given(json!({})).await;
    assert_eq!(auto, [user("sixteen letters."), user("twelve chars"), user("last")]);
    let long = "x".repeat(100);
    let more = json!({"additional_messages": [{"role": "user", "content": long}]});
    assert_eq!(given(more).await, [user(&long)], "the newest is there even if it does not fit");
    let last = json!({"truncation_strategy": {"type": "last_messages", "last_messages": 6}});
    assert_eq!(given(last).await.len(), 6, "as many as the run asks for");
}

//! Cancellation and expiry of runs.

use std::time::{Duration, Instant};

use runstep_server::Server;
use runstep_server::model::{Model, ModelEvent, ModelRequest, ModelStream, Scripted, Turn};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::harness::{Fixture, TestClient, id, run_pending_tasks, timestamps_set, usage};

const LIFETIME: i64 = 600;

#[tokio::test(start_paused = true)]
async fn run_in_progress_expires_after_its_lifetime_and_not_before() {
    let fixture = Fixture::with_turns([Turn::text("It is").and_stall()], &[]).await;
    let run = fixture.create_run(json!({})).await;
    sleep(Duration::from_secs(599)).await;
    assert_eq!(fixture.get_run(&run).await["status"], "in_progress");
    sleep(Duration::from_secs(2)).await;
    let run = fixture.get_run(&run).await;
    assert_eq!(run["status"], "expired");
    assert_eq!(timestamps_set(&run), ["started_at"]);
    assert_eq!(run["usage"], usage(0, 0));
    let step = &fixture.list_steps(&run).await[0];
    assert_eq!(step["status"], "expired");
    let age = step["expired_at"].as_i64().unwrap() - run["created_at"].as_i64().unwrap();
    assert!((LIFETIME..=LIFETIME + 1).contains(&age), "{age} s");
    let message = fixture.newest_message().await;
    assert_eq!(message["incomplete_details"], json!({"reason": "run_expired"}));
    assert_eq!(fixture.try_create_run(json!({})).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn expiry_of_a_run_that_requires_action_counts_from_its_creation() {
    let turns =
        [Turn::call("weather", json!({})).initial_delay(Duration::from_secs(300)).usage(3, 4)];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    sleep(Duration::from_secs(298)).await;
    assert_eq!(fixture.get_run(&run).await["status"], "requires_action");
    sleep(Duration::from_secs(3)).await;
    let run = fixture.get_run(&run).await;
    assert_eq!(run["status"], "expired");
    assert_eq!(run["required_action"], Value::Null);
    assert_eq!(timestamps_set(&run), ["started_at"]);
    assert_eq!(run["usage"], usage(3, 4));
    assert_eq!(fixture.list_steps(&run).await[0]["status"], "expired");
}

#[tokio::test(start_paused = true)]
async fn expiry_of_a_continued_run_counts_from_its_creation() {
    let turns = [Turn::call("weather", json!({})), Turn::stall()];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    sleep(Duration::from_secs(400)).await;
    fixture.submit_outputs(&run, &["sun"]).await;
    sleep(Duration::from_secs(198)).await;
    assert_eq!(fixture.get_run(&run).await["status"], "in_progress");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(fixture.get_run(&run).await["status"], "expired");
}

#[tokio::test(start_paused = true)]
async fn run_lifetime_is_configurable() {
    let model = Scripted::new([Turn::stall()]);
    let builder = Server::builder().model(model).run_lifetime(Duration::from_secs(30));
    let fixture = Fixture::from_builder(builder, &[]).await;
    let run = fixture.create_run(json!({})).await;
    assert_eq!(run["expires_at"], run["created_at"].as_i64().unwrap() + 30);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(fixture.get_run(&run).await["status"], "expired");
}

#[tokio::test(start_paused = true)]
async fn run_lifetime_is_capped_at_a_century() {
    let century = 100 * 365 * 24 * 60 * 60;
    let model = Scripted::new([Turn::call("weather", json!({}))]);
    let builder = Server::builder().model(model).run_lifetime(Duration::MAX);
    let fixture = Fixture::from_builder(builder, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(run["expires_at"], run["created_at"].as_i64().unwrap() + century);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(fixture.get_run(&run).await["status"], "requires_action");
}

/// A model whose stream is never pending. It ends after ten seconds.
struct AlwaysReady(fn() -> ModelEvent);

impl Model for AlwaysReady {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        let (event, start) = (self.0, Instant::now());
        let events = std::iter::from_fn(move || {
            (start.elapsed() < Duration::from_secs(10)).then(|| Ok(event()))
        });
        Box::pin(futures_util::stream::iter(events))
    }
}

/// Events that a model may repeat without end.
const ENDLESS_EVENTS: [fn() -> ModelEvent; 3] = [
    || ModelEvent::Text("word ".to_owned()),
    || ModelEvent::Text(String::new()),
    || ModelEvent::Usage { prompt_tokens: 1, completion_tokens: 1 },
];

#[tokio::test]
async fn cancel_interrupts_a_model_that_is_always_ready() {
    for event in ENDLESS_EVENTS {
        let fixture = Fixture::with_model(AlwaysReady(event), &[]).await;
        let run = fixture.create_run(json!({})).await;
        run_pending_tasks().await;
        assert_eq!(fixture.get_run(&run).await["status"], "in_progress");
        fixture.cancel_run(&run).await.ok();
        assert_eq!(fixture.wait_for_run(&run).await["status"], "cancelled");
    }
}

#[tokio::test]
async fn expiry_interrupts_a_model_that_is_always_ready() {
    for event in ENDLESS_EVENTS {
        let builder = Server::builder().model(AlwaysReady(event));
        let fixture =
            Fixture::from_builder(builder.run_lifetime(Duration::from_secs(1)), &[]).await;
        assert_eq!(fixture.create_run_and_wait(json!({})).await["status"], "expired");
    }
}

#[tokio::test(start_paused = true)]
async fn queued_run_can_be_cancelled() {
    let builder = Server::builder().model(Scripted::new([Turn::stall()])).max_concurrent_runs(1);
    let client = TestClient::from_builder(builder);
    client.hold_execution_permit().await;
    let fixture = client.create_fixture(&[]).await;
    let run = fixture.create_run(json!({})).await;
    assert_eq!(run["status"], "queued");
    assert_eq!(fixture.cancel_run(&run).await.ok()["status"], "cancelling");
    let run = fixture.wait_for_run(&run).await;
    assert_eq!(run["status"], "cancelled");
    assert_eq!(timestamps_set(&run), ["cancelled_at"]);
    assert_eq!(fixture.message_texts().await, ["Hello there"]);
}

#[tokio::test(start_paused = true)]
async fn run_in_progress_can_be_cancelled() {
    let fixture = Fixture::with_turns([Turn::text("It is").and_stall()], &[]).await;
    let run = fixture.create_run(json!({})).await;
    run_pending_tasks().await;
    let cancelling = fixture.cancel_run(&run).await.ok();
    assert_eq!(cancelling["status"], "cancelling");
    assert_eq!(timestamps_set(&cancelling), ["expires_at", "started_at"]);
    let run = fixture.wait_for_run(&run).await;
    assert_eq!(run["status"], "cancelled");
    assert_eq!(timestamps_set(&run), ["started_at", "cancelled_at"]);
    let step = &fixture.list_steps(&run).await[0];
    assert_eq!(step["status"], "cancelled");
    assert_eq!(timestamps_set(step), ["cancelled_at"]);
    let message = fixture.newest_message().await;
    assert_eq!(message["incomplete_details"], json!({"reason": "run_cancelled"}));
}

#[tokio::test(start_paused = true)]
async fn cancelling_a_run_that_requires_action_frees_its_thread() {
    let turns = [Turn::call("weather", json!({})), Turn::text("Next.")];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let run = fixture.create_run_and_wait(json!({})).await;
    let cancelling = fixture.cancel_run(&run).await.ok();
    assert_eq!(
        (&cancelling["status"], &cancelling["required_action"]),
        (&"cancelling".into(), &Value::Null)
    );
    let cancelled = fixture.wait_for_run(&run).await;
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(timestamps_set(&cancelled), ["started_at", "cancelled_at"]);
    assert_eq!(fixture.list_steps(&run).await[0]["status"], "cancelled");
    let next = fixture.create_run_and_wait(json!({})).await;
    assert_eq!(next["status"], "completed");
    assert_ne!(id(&next), id(&run));
}

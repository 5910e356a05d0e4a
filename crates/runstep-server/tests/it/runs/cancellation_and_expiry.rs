//! Runs that are ended before they are done: by their time, or by a cancel.

use std::time::{Duration, Instant};

use crate::harness::{Api, breathe, id, times, usage};
use runstep_server::Server;
use runstep_server::model::{Model, ModelEvent, ModelRequest, ModelStream, Turn};
use serde_json::{Value, json};
use tokio::time::sleep;

const LIFETIME: i64 = 600;

#[tokio::test(start_paused = true)]
async fn a_run_in_progress_expires_at_its_time_and_not_before() {
    let scene = Api::scripted([Turn::say("It is").and_stall()]).scene(&[]).await;
    let run = scene.start(json!({})).await;
    sleep(Duration::from_secs(599)).await;
    assert_eq!(scene.get_run(&run).await["status"], "in_progress");
    sleep(Duration::from_secs(2)).await;
    let run = scene.get_run(&run).await;
    assert_eq!(run["status"], "expired");
    assert_eq!(times(&run), ["started_at"]);
    assert_eq!(run["usage"], usage(0, 0));
    let step = &scene.steps(&run).await[0];
    assert_eq!(step["status"], "expired");
    let age = step["expired_at"].as_i64().unwrap() - run["created_at"].as_i64().unwrap();
    assert!((LIFETIME..=LIFETIME + 1).contains(&age), "{age} s");
    let list = scene.api.get(&scene.messages()).await.ok();
    assert_eq!(list["data"][0]["incomplete_details"], json!({"reason": "run_expired"}));
    assert_eq!(scene.try_start(json!({})).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_requires_action_expires_by_the_time_of_its_creation() {
    let turns = [Turn::call("weather", json!({})).after(Duration::from_secs(300)).usage(3, 4)];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let run = scene.play(json!({})).await;
    sleep(Duration::from_secs(298)).await;
    assert_eq!(scene.get_run(&run).await["status"], "requires_action");
    sleep(Duration::from_secs(3)).await;
    let run = scene.get_run(&run).await;
    assert_eq!(run["status"], "expired");
    assert_eq!(run["required_action"], Value::Null);
    assert_eq!(times(&run), ["started_at"]);
    assert_eq!(run["usage"], usage(3, 4));
    assert_eq!(scene.steps(&run).await[0]["status"], "expired");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_after_outputs_still_expires_by_its_creation() {
    let turns = [Turn::call("weather", json!({})), Turn::stall()];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let run = scene.play(json!({})).await;
    sleep(Duration::from_secs(400)).await;
    scene.submit(&run, &["sun"]).await;
    sleep(Duration::from_secs(198)).await;
    assert_eq!(scene.get_run(&run).await["status"], "in_progress");
    sleep(Duration::from_secs(3)).await;
    assert_eq!(scene.get_run(&run).await["status"], "expired");
}

#[tokio::test(start_paused = true)]
async fn the_lifetime_of_runs_can_be_set() {
    let model = runstep_server::model::Scripted::new([Turn::stall()]);
    let builder = Server::builder().model(model).run_lifetime(Duration::from_secs(30));
    let scene = Api::built(builder).scene(&[]).await;
    let run = scene.start(json!({})).await;
    assert_eq!(run["expires_at"], run["created_at"].as_i64().unwrap() + 30);
    sleep(Duration::from_secs(31)).await;
    assert_eq!(scene.get_run(&run).await["status"], "expired");
}

#[tokio::test(start_paused = true)]
async fn a_run_may_live_as_long_as_one_likes() {
    let century = 100 * 365 * 24 * 60 * 60;
    let model = runstep_server::model::Scripted::new([Turn::call("weather", json!({}))]);
    let builder = Server::builder().model(model).run_lifetime(Duration::MAX);
    let scene = Api::built(builder).scene(&["weather"]).await;
    let run = scene.play(json!({})).await;
    assert_eq!(run["expires_at"], run["created_at"].as_i64().unwrap() + century);
    sleep(Duration::from_secs(3600)).await;
    assert_eq!(scene.get_run(&run).await["status"], "requires_action");
}

/// A model that never makes the runtime wait, and gives up after ten seconds.
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

/// What a model may say for ever.
const SAYINGS: [fn() -> ModelEvent; 3] = [
    || ModelEvent::Text("word ".to_owned()),
    || ModelEvent::Text(String::new()),
    || ModelEvent::Usage { prompt_tokens: 1, completion_tokens: 1 },
];

#[tokio::test]
async fn a_model_that_is_always_ready_lets_a_cancel_in() {
    for saying in SAYINGS {
        let scene = Api::new(AlwaysReady(saying)).scene(&[]).await;
        let run = scene.start(json!({})).await;
        breathe().await;
        assert_eq!(scene.get_run(&run).await["status"], "in_progress");
        scene.cancel(&run).await.ok();
        assert_eq!(scene.settle(&run).await["status"], "cancelled");
    }
}

#[tokio::test]
async fn a_model_that_is_always_ready_lets_the_expiry_in() {
    for saying in SAYINGS {
        let builder = Server::builder().model(AlwaysReady(saying));
        let scene = Api::built(builder.run_lifetime(Duration::from_secs(1))).scene(&[]).await;
        assert_eq!(scene.play(json!({})).await["status"], "expired");
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_can_be_cancelled_while_it_is_queued() {
    let scene = Api::scripted([Turn::say("never told")]).scene(&[]).await;
    let run = scene.start(json!({})).await;
    assert_eq!(run["status"], "queued");
    // On this runtime no other task has run since.
    assert_eq!(scene.cancel(&run).await.ok()["status"], "cancelling");
    let run = scene.settle(&run).await;
    assert_eq!(run["status"], "cancelled");
    assert_eq!(times(&run), ["cancelled_at"]);
    assert_eq!(scene.texts().await, ["Hello there"]);
}

#[tokio::test(start_paused = true)]
async fn a_run_can_be_cancelled_while_the_model_answers() {
    let scene = Api::scripted([Turn::say("It is").and_stall()]).scene(&[]).await;
    let run = scene.start(json!({})).await;
    breathe().await;
    let cancelling = scene.cancel(&run).await.ok();
    assert_eq!(cancelling["status"], "cancelling");
    assert_eq!(times(&cancelling), ["expires_at", "started_at"]);
    let run = scene.settle(&run).await;
    assert_eq!(run["status"], "cancelled");
    assert_eq!(times(&run), ["started_at", "cancelled_at"]);
    let step = &scene.steps(&run).await[0];
    assert_eq!(step["status"], "cancelled");
    assert_eq!(times(step), ["cancelled_at"]);
    let list = scene.api.get(&scene.messages()).await.ok();
    assert_eq!(list["data"][0]["incomplete_details"], json!({"reason": "run_cancelled"}));
}

#[tokio::test(start_paused = true)]
async fn a_run_that_requires_action_can_be_cancelled_and_frees_its_thread() {
    let turns = [Turn::call("weather", json!({})), Turn::say("Next.")];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let run = scene.play(json!({})).await;
    let cancelling = scene.cancel(&run).await.ok();
    assert_eq!(
        (&cancelling["status"], &cancelling["required_action"]),
        (&"cancelling".into(), &Value::Null)
    );
    let cancelled = scene.settle(&run).await;
    assert_eq!(cancelled["status"], "cancelled");
    assert_eq!(times(&cancelled), ["started_at", "cancelled_at"]);
    assert_eq!(scene.steps(&run).await[0]["status"], "cancelled");
    let next = scene.play(json!({})).await;
    assert_eq!(next["status"], "completed");
    assert_ne!(id(&next), id(&run));
}

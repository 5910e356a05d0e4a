//! How the server shows itself: names of requests, health and figures.

use std::sync::{Arc, OnceLock};

use crate::harness::{Api, figures, id};
use axum::body::{Body, to_bytes};
use axum::http::Method;
use futures_util::stream;
use runstep_server::Server;
use runstep_server::model::{Model, ModelEvent, ModelRequest, ModelStream, Scripted, Turn};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn the_name_that_a_client_gives_its_request_is_kept_if_it_is_sane() {
    let api = Api::scripted([]);
    let longest = "x".repeat(128);
    for given in ["my-request_1", "a/b+c=d@e:f.g", &longest] {
        let reply = api.with("x-request-id", given).get("/assistants").await;
        assert_eq!(reply.header("x-request-id"), Some(given));
    }
    let too_long = "x".repeat(129);
    for given in ["", "two words", "a\"b", "{}", "<script>", &too_long] {
        let reply = api.with("x-request-id", given).get("/assistants").await;
        assert!(reply.header("x-request-id").unwrap().starts_with("req_"), "{given}");
    }
}

async fn text(api: &Api, path: &str) -> (u16, String) {
    let reply = api.send(Method::GET, path, Body::empty()).await;
    let status = reply.status().as_u16();
    let bytes = to_bytes(reply.into_body(), 100_000).await.unwrap();
    (status, String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_server_that_runs_is_healthy_and_ready() {
    let api = Api::scripted([]);
    assert_eq!(text(&api, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(text(&api, "/readyz").await, (200, "ready\n".to_owned()));
}

/// A model that cancels its run while it answers.
#[derive(Clone, Default)]
struct CancelsItself(Arc<OnceLock<Api>>);

impl Model for CancelsItself {
    fn respond(&self, _: ModelRequest) -> ModelStream {
        let api = self.0.get().unwrap().clone();
        Box::pin(stream::once(async move {
            let thread = api.get("/assistants").await.ok()["data"][0]["metadata"]["thread"].clone();
            let runs = format!("/threads/{}/runs", thread.as_str().unwrap());
            let run = id(&api.get(&runs).await.ok()["data"][0]);
            api.post_text(&format!("{runs}/{run}/cancel"), "").await.ok();
            Ok(ModelEvent::Text("Too late.".to_owned()))
        }))
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_is_counted_under_the_status_that_it_ends_with() {
    let model = CancelsItself::default();
    let api = Api::new(model.clone());
    assert!(model.0.set(api.clone()).is_ok());
    let scene = api.scene(&[]).await;
    let thread = json!({"metadata": {"thread": scene.thread}});
    api.post(&scene.assistant_path(), thread).await.ok();
    assert_eq!(scene.play(json!({})).await["status"], "cancelled");
    let told = figures(&api).await;
    assert!(told.contains("\nrunstep_runs_ended_total{status=\"cancelled\"} 1\n"), "{told}");
}

#[tokio::test(start_paused = true)]
async fn figures_tell_what_goes_on() {
    let turns = [
        Turn::say("It is sunny.").usage(12, 3),
        Turn::call("weather", json!({})).usage(20, 5),
        Turn::stall(),
    ];
    let builder = Server::builder().model(Scripted::new(turns)).max_concurrent_runs(1);
    let api = Api::built(builder);
    let first = api.scene(&[]).await;
    first.stream(json!({})).await;
    let second = api.scene(&["weather"]).await;
    second.play(json!({})).await;
    let third = api.scene(&[]).await;
    let stream = third.listen(json!({})).await;
    crate::harness::breathe().await;
    let fourth = api.scene(&[]).await;
    fourth.start(json!({})).await;
    crate::harness::breathe().await;
    first.try_start(json!({"temperature": 3})).await.refused(400);
    api.get("/nothing").await.refused(404);

    let told = figures(&api).await;
    for line in [
        "runstep_requests_total{operation=\"createRun\",status=\"200\"} 4",
        "runstep_requests_total{operation=\"createRun\",status=\"400\"} 1",
        "runstep_requests_total{operation=\"none\",status=\"404\"} 1",
        "runstep_request_seconds_count{operation=\"createRun\"} 5",
        "runstep_runs_created_total 4",
        "runstep_runs_ended_total{status=\"completed\"} 1",
        "runstep_run_seconds_count 1",
        "runstep_tokens_total{kind=\"prompt\"} 12",
        "runstep_tokens_total{kind=\"completion\"} 3",
        "runstep_runs_waiting 1",
        "runstep_runs_in_progress 1",
        "runstep_runs_queued 1",
        "runstep_streams 1",
        // Those of a whole answer, and of one that has only begun.
        "runstep_events_total 17",
    ] {
        assert!(told.contains(&format!("\n{line}\n")), "{line} is not in {told}");
    }
    assert!(told.ends_with("# EOF\n"));
    drop(stream);
    let told = figures(&api).await;
    assert!(told.contains("\nrunstep_streams 0\n"), "{told}");
}

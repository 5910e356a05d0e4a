//! Faults that the server makes when a test tells it to.

use std::time::Duration;

use crate::harness::{Api, id};
use axum::body::{Body, to_bytes};
use axum::http::Method;
use axum::response::Response;
use futures_util::StreamExt as _;
use runstep_server::model::{Scripted, Turn};
use runstep_server::{Fault, Faults, Operation, Server};
use serde_json::{Value, json};
use tokio::time::Instant;

fn server(faults: &Faults) -> Api {
    let turns = (0..10).map(|_| Turn::say("It is sunny."));
    Api::built(Server::builder().model(Scripted::new(turns)).faults(faults.clone()))
}

/// What comes of a body, and whether it breaks off.
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

async fn stream(scene: &crate::harness::Scene) -> Response {
    let body = scene.body(json!({"stream": true})).to_string();
    scene.api.send(Method::POST, &scene.runs(), body.into()).await
}

#[tokio::test(start_paused = true)]
async fn a_delay_lets_a_request_wait_and_then_through() {
    let faults = Faults::new([Fault::delay(Duration::from_secs(3)).on(Operation::CreateThread)]);
    let api = server(&faults);
    let started = Instant::now();
    let thread = api.post("/threads", json!({})).await.ok();
    assert_eq!(started.elapsed(), Duration::from_secs(3));
    api.get(&format!("/threads/{}", id(&thread))).await.ok();
    assert_eq!(started.elapsed(), Duration::from_secs(3), "other operations do not wait");
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_says_when_to_come_again_and_has_no_effect() {
    for (retry_after, seconds) in [(0, "1"), (1500, "2"), (7000, "7")] {
        let fault = Fault::rate_limit(Duration::from_millis(retry_after)).on(Operation::CreateRun);
        let scene = server(&Faults::new([fault.times(1)])).scene(&[]).await;
        let reply = scene.try_start(json!({})).await;
        assert_eq!(reply.header("retry-after"), Some(seconds));
        assert_eq!(reply.refused(429)["code"], "rate_limit_exceeded");
        assert_eq!(scene.api.get(&scene.runs()).await.ok()["data"], json!([]));
        assert_eq!(scene.play(json!({})).await["status"], "completed");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_error_has_no_effect_either() {
    let faults = Faults::default();
    let api = server(&faults);
    faults.add(Fault::server_error().times(2));
    for path in ["/threads", "/v1/threads"] {
        let reply = api.send(Method::POST, path, "{}".into()).await;
        assert_eq!(reply.status(), 500);
        let body = to_bytes(reply.into_body(), 1000).await.unwrap();
        let error = &serde_json::from_slice::<Value>(&body).unwrap()["error"];
        assert_eq!((&error["type"], &error["param"]), (&"server_error".into(), &Value::Null));
    }
    api.post("/threads", json!({})).await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_cut_after_so_many_events_and_its_run_goes_on() {
    let whole = server(&Faults::default()).scene(&[]).await.stream(json!({})).await;
    for count in 0..whole.len() {
        let fault = Fault::cut_after_events(count).on(Operation::CreateRun);
        let scene = server(&Faults::new([fault])).scene(&[]).await;
        let (text, cut) = read(stream(&scene).await.into_body()).await;
        assert!(cut);
        let names: Vec<&str> =
            text.lines().filter_map(|line| line.strip_prefix("event: ")).collect();
        let expected: Vec<&str> = whole[..count].iter().map(|event| event.name.as_str()).collect();
        assert_eq!(names, expected);
        assert!(text.is_empty() || text.ends_with("\n\n"), "an event is cut: {text}");
        let run = scene.api.get(&scene.runs()).await.ok()["data"][0].clone();
        assert_eq!(scene.settle(&run).await["status"], "completed");
    }
}

#[tokio::test(start_paused = true)]
async fn comments_are_no_events_to_be_counted() {
    let turn = Turn::say("It is sunny.").after(Duration::from_secs(50));
    let faults = Faults::new([Fault::cut_after_events(4).on(Operation::CreateRun)]);
    let builder = Server::builder().model(Scripted::new([turn])).faults(faults);
    let scene = Api::built(builder).scene(&[]).await;
    let (text, cut) = read(stream(&scene).await.into_body()).await;
    assert!(cut);
    let comments = text.lines().filter(|line| *line == ":").count();
    assert_eq!((text.matches("event: ").count(), comments), (4, 3));
}

#[tokio::test(start_paused = true)]
async fn any_reply_is_cut_after_so_many_bytes() {
    let fault = |count| Faults::new([Fault::cut_after_bytes(count)]);
    for count in [0, 1, 50] {
        let reply = server(&fault(count)).send(Method::POST, "/threads", "{}".into()).await;
        let (text, cut) = read(reply.into_body()).await;
        assert_eq!((text.len(), cut), (count, true));
    }
    let reply = server(&fault(10_000)).send(Method::POST, "/threads", "{}".into()).await;
    assert!(!read(reply.into_body()).await.1, "it is shorter");

    let faults = Faults::new([Fault::cut_after_bytes(777).on(Operation::CreateRun)]);
    let scene = server(&faults).scene(&[]).await;
    let (text, cut) = read(stream(&scene).await.into_body()).await;
    assert_eq!((text.len(), cut), (777, true));
}

#[tokio::test(start_paused = true)]
async fn malformed_json_is_all_but_its_last_byte() {
    let faults = Faults::new([Fault::malformed_json().on(Operation::RetrieveThread).times(1)]);
    let api = server(&faults);
    let thread = api.post("/threads", json!({})).await.ok();
    let path = format!("/threads/{}", id(&thread));
    let reply = api.send(Method::GET, &path, Body::empty()).await;
    assert_eq!(reply.status(), 200);
    let (text, cut) = read(reply.into_body()).await;
    assert!(!cut);
    assert_eq!(serde_json::from_str::<Value>(&format!("{text}}}")).unwrap(), thread);
    assert_eq!(api.get(&path).await.ok(), thread);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_event_is_the_only_one() {
    let whole = server(&Faults::default()).scene(&[]).await.stream(json!({})).await;
    for number in 1..whole.len() {
        let fault = Fault::malformed_event(number).on(Operation::CreateRun);
        let scene = server(&Faults::new([fault])).scene(&[]).await;
        let (text, cut) = read(stream(&scene).await.into_body()).await;
        assert!(!cut);
        let data: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(data.len(), whole.len());
        let broken = data.iter().enumerate().filter(|(index, data)| {
            serde_json::from_str::<Value>(data).is_err() && index + 1 != whole.len()
        });
        assert_eq!(broken.map(|(index, _)| index + 1).collect::<Vec<_>>(), [number]);
    }
}

#[tokio::test(start_paused = true)]
async fn faults_of_streams_leave_other_replies_alone_and_the_other_way_round() {
    let faults = Faults::new([Fault::cut_after_events(0), Fault::malformed_event(1)]);
    let scene = server(&faults).scene(&[]).await;
    assert_eq!(scene.play(json!({})).await["status"], "completed");
    let faults = Faults::new([Fault::malformed_json().on(Operation::CreateRun)]);
    let scene = server(&faults).scene(&[]).await;
    assert_eq!(scene.stream(json!({})).await.last().unwrap().name, "done");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_operation_has_faults_only_if_all_have() {
    let some = server(&Faults::new([Fault::server_error().on(Operation::CreateRun)]));
    assert_eq!(some.get("/nothing").await.refused(404)["code"], "unknown_url");
    let all = server(&Faults::new([Fault::rate_limit(Duration::ZERO)]));
    let reply = all.send(Method::GET, "/threads/thread_x", Body::empty()).await;
    assert_eq!(reply.status(), 429);
}

//! Where the operations are, and what the headers of replies say.

use std::collections::HashSet;
use std::time::Duration;

use crate::harness::{Api, breathe, id};
use axum::Router;
use axum::http::Method;
use runstep_server::model::{Offline, Scripted, Turn};
use runstep_server::{Operation, Server};
use serde_json::{Value, json};

const POLL: &str = "openai-poll-after-ms";

#[tokio::test(start_paused = true)]
async fn every_operation_is_under_both_prefixes() {
    let call = || Turn::call("weather", json!({}));
    for prefix in ["", "/v1"] {
        let api = Api::scripted([call(), Turn::say("Done."), call(), Turn::say("Done.")]);
        let scene = api.scene(&["weather"]).await;
        let at = |path: &str| format!("{prefix}{path}");
        let post = async |path: &str, body| api.post(&at(path), body).await.ok();
        let get = async |path: &str| api.get(&at(path)).await.ok();
        let delete = async |path: &str| api.delete(&at(path)).await.ok();

        let assistant = post("/assistants", json!({"model": "m"})).await;
        let path = format!("/assistants/{}", id(&assistant));
        assert_eq!(get(&path).await, assistant);
        assert_eq!(get("/assistants").await["data"][0], assistant);
        assert_eq!(post(&path, json!({"name": "n"})).await["name"], "n");
        assert_eq!(delete(&path).await["object"], "assistant.deleted");
        let thread = post("/threads", json!({})).await;
        let path = format!("/threads/{}", id(&thread));
        assert_eq!(get(&path).await, thread);
        assert_eq!(post(&path, json!({})).await, thread);
        assert_eq!(delete(&path).await["object"], "thread.deleted");
        let body = json!({"role": "user", "content": "Hi"});
        let message = post(&scene.messages(), body).await;
        let path = format!("{}/{}", scene.messages(), id(&message));
        assert_eq!(get(&path).await, message);
        assert_eq!(get(&scene.messages()).await["data"][0], message);
        assert_eq!(post(&path, json!({})).await, message);
        assert_eq!(delete(&path).await["object"], "thread.message.deleted");

        let run = post(&scene.runs(), scene.body(json!({}))).await;
        breathe().await;
        let waiting = get(&scene.run_path(&run, "")).await;
        assert_eq!(get(&scene.runs()).await["data"], json!([waiting]));
        let steps = get(&scene.run_path(&run, "/steps")).await;
        let path = format!("/steps/{}", id(&steps["data"][0]));
        assert_eq!(get(&scene.run_path(&run, &path)).await, steps["data"][0]);
        let outputs = crate::harness::outputs_for(&waiting, &["sun"]);
        post(&scene.run_path(&run, "/submit_tool_outputs"), outputs).await;
        breathe().await;
        let updated = post(&scene.run_path(&run, ""), json!({"metadata": {"a": "b"}})).await;
        assert_eq!(updated["status"], "completed");

        let run = post("/threads/runs", scene.body(json!({}))).await;
        let thread = run["thread_id"].as_str().unwrap();
        let path = format!("/threads/{thread}/runs/{}/cancel", id(&run));
        assert_eq!(post(&path, json!({})).await["status"], "cancelling");
    }
}

#[tokio::test(start_paused = true)]
async fn both_prefixes_lead_to_the_same_objects() {
    let api = Api::new(Offline::new());
    let thread = api.post("/threads", json!({})).await.ok();
    assert_eq!(api.get(&format!("/v1/threads/{}", id(&thread))).await.ok(), thread);
}

#[tokio::test(start_paused = true)]
async fn threads_and_the_word_runs_are_told_apart() {
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let api = &scene.api;
    for prefix in ["", "/v1"] {
        let run = api.post(&format!("{prefix}/threads/runs"), scene.body(json!({}))).await.ok();
        assert_eq!(run["object"], "thread.run");
        let thread = api.get(&format!("{prefix}/threads/{}", scene.thread)).await.ok();
        assert_eq!(thread["object"], "thread");
        for path in ["/threads/runs/runs", "/threads/runs/messages", "/threads/runs/runs/run_x"] {
            let error = api.get(&format!("{prefix}{path}")).await.refused(404);
            assert_eq!(error["message"], "No thread found with id 'runs'.");
        }
        for reply in [
            api.get(&format!("{prefix}/threads/runs")).await,
            api.delete(&format!("{prefix}/threads/runs")).await,
        ] {
            assert_eq!(reply.refused(404)["message"], "No thread found with id 'runs'.");
        }
        let path = format!("{prefix}/threads/runs/runs");
        let error = api.post(&path, scene.body(json!({}))).await.refused(404);
        assert_eq!(error["message"], "No thread found with id 'runs'.");
    }
}

#[tokio::test(start_paused = true)]
async fn every_request_has_its_own_id() {
    // That there is one is checked with each reply of all tests.
    let scene = Api::new(Offline::new()).scene(&[]).await;
    let paths = [scene.runs(), scene.runs(), "/nothing".to_owned(), "/threads/x".to_owned()];
    let mut ids = HashSet::new();
    for path in &paths {
        let reply = scene.api.get(path).await;
        ids.insert(reply.header("x-request-id").unwrap().to_owned());
    }
    assert_eq!(ids.len(), paths.len());
}

#[tokio::test(start_paused = true)]
async fn only_a_run_under_way_says_when_to_ask_again() {
    let turns = [
        Turn::call("weather", json!({})).after(Duration::from_secs(5)),
        Turn::say("Done."),
        Turn::stall(),
    ];
    let scene = Api::scripted(turns).scene(&["weather"]).await;
    let created = scene.try_start(json!({})).await;
    assert_eq!(created.header(POLL), Some("100"));
    let run = created.ok();
    let get = async || scene.api.get(&scene.run_path(&run, "")).await;
    breathe().await;
    assert_eq!(get().await.header(POLL), Some("100"));
    let update = scene.api.post(&scene.run_path(&run, ""), json!({})).await;
    assert_eq!(update.header(POLL), Some("100"));

    let waiting = scene.settle(&run).await;
    assert_eq!(waiting["status"], "requires_action");
    assert_eq!(get().await.header(POLL), None);
    let submitted = scene.try_submit(&run, crate::harness::outputs_for(&waiting, &["sun"])).await;
    assert_eq!(submitted.header(POLL), Some("100"));
    scene.settle(&run).await;
    assert_eq!(get().await.header(POLL), None);
    let list = scene.api.get(&scene.runs()).await;
    assert_eq!(list.header(POLL), None);

    let run = scene.start(json!({})).await;
    assert_eq!(scene.cancel(&run).await.header(POLL), Some("100"));
    assert_eq!(scene.settle(&run).await["status"], "cancelled");
    assert_eq!(scene.cancel(&run).await.header(POLL), None);
}

#[tokio::test(start_paused = true)]
async fn the_pace_of_polling_can_be_set() {
    let builder = Server::builder()
        .model(Scripted::new([Turn::stall()]))
        .poll_after(Duration::from_millis(1500));
    let scene = Api::built(builder).scene(&[]).await;
    assert_eq!(scene.try_start(json!({})).await.header(POLL), Some("1500"));
}

/// Where a stream says that its run is.
async fn content_location(api: &Api, method: Method, path: &str, body: Value) -> String {
    let reply = api.send(method, path, body.to_string().into()).await;
    assert_eq!(reply.headers()["content-type"], "text/event-stream");
    reply.headers()["content-location"].to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_stream_names_its_run_by_the_path_under_which_it_was_asked_for() {
    let mut named = Vec::new();
    for prefix in ["", "/v1", "/tenant/v1"] {
        let turns = [Turn::call("weather", json!({})), Turn::say("Done."), Turn::say("Done.")];
        let app = Server::builder().model(Scripted::new(turns)).app().unwrap();
        let api = Api::of(Router::new().nest("/tenant", app.clone()).merge(app));
        let scene = api.scene(&["weather"]).await;
        let stream = scene.body(json!({"stream": true}));
        let post = async |path: &str, body: Value| {
            content_location(&api, Method::POST, &format!("{prefix}{path}"), body).await
        };
        let mut told = vec![post(&scene.runs(), stream.clone()).await];
        breathe().await;
        let run = api.get(&scene.runs()).await.ok()["data"][0].clone();
        let waiting = scene.settle(&run).await;
        let resuming = api.with("accept", "text/event-stream").with("last-event-id", "1");
        let path = format!("{prefix}{}", scene.run_path(&run, ""));
        told.push(content_location(&resuming, Method::GET, &path, json!(null)).await);
        let outputs = crate::harness::outputs_for(&waiting, &["sun"]);
        let outputs = crate::harness::merged(outputs, json!({"stream": true}));
        told.push(post(&scene.run_path(&run, "/submit_tool_outputs"), outputs).await);
        assert_eq!(told, [path.clone(), path.clone(), path]);

        let of_thread_too = post("/threads/runs", stream).await;
        let ids: Vec<&str> = of_thread_too.rsplit('/').collect();
        let plain = api.get(of_thread_too.strip_prefix(prefix).unwrap()).await;
        assert_eq!(plain.header("content-location"), None);
        let run = plain.ok();
        assert_eq!([&run["id"], &run["thread_id"]], [ids[0], ids[2]]);
        named.push(of_thread_too.replace(ids[0], "RUN").replace(ids[2], "THREAD"));
    }
    insta::assert_snapshot!(named.join("\n"), @r"
    /threads/THREAD/runs/RUN
    /v1/threads/THREAD/runs/RUN
    /tenant/v1/threads/THREAD/runs/RUN
    ");
}

#[test]
fn the_document_tells_of_the_header_of_streams() {
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    for operation in Operation::ALL {
        let (method, path) = operation.place();
        let reply = &document["paths"][path][method.as_str().to_lowercase()]["responses"]["200"];
        let streams = reply["content"].get("text/event-stream").is_some();
        assert_eq!(reply["headers"].get("Content-Location").is_some(), streams, "{operation}");
    }
}

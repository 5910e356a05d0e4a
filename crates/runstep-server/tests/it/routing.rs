//! Paths of the operations, and response headers.

use std::collections::HashSet;
use std::time::Duration;

use axum::Router;
use axum::http::Method;
use runstep_server::model::{Offline, Scripted, Turn};
use runstep_server::{Operation, Server};
use serde_json::{Value, json};

use crate::harness::{Fixture, TestClient, id, merged, run_pending_tasks, tool_outputs_body};

const POLL_AFTER: &str = "openai-poll-after-ms";

/// What clients put before the path of an operation.
const PREFIXES: [&str; 7] = [
    "",
    "/v1",
    "/openai",
    "/openai/v1",
    "/openai/deployments/gpt-4o",
    "/api/projects/some%20project",
    "/api/projects/some%20project/openai/v1",
];

#[tokio::test(start_paused = true)]
async fn every_operation_is_served_with_the_prefixes_of_all_clients() {
    let call = || Turn::call("weather", json!({}));
    for prefix in PREFIXES {
        let client =
            TestClient::with_turns([call(), Turn::text("Done."), call(), Turn::text("Done.")]);
        let fixture = client.create_fixture(&["weather"]).await;
        let with_prefix = |path: &str| format!("{prefix}{path}");
        let post = async |path: &str, body| client.post(&with_prefix(path), body).await.ok();
        let get = async |path: &str| client.get(&with_prefix(path)).await.ok();
        let delete = async |path: &str| client.delete(&with_prefix(path)).await.ok();

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
        let message = post(&fixture.messages_path(), body).await;
        let path = fixture.message_path(&message);
        assert_eq!(get(&path).await, message);
        assert_eq!(get(&fixture.messages_path()).await["data"][0], message);
        assert_eq!(post(&path, json!({})).await, message);
        assert_eq!(delete(&path).await["object"], "thread.message.deleted");

        let run = post(&fixture.runs_path(), fixture.run_body(json!({}))).await;
        run_pending_tasks().await;
        let waiting = get(&fixture.run_path(&run, "")).await;
        assert_eq!(get(&fixture.runs_path()).await["data"], json!([waiting]));
        let steps = get(&fixture.run_path(&run, "/steps")).await;
        let path = format!("/steps/{}", id(&steps["data"][0]));
        assert_eq!(get(&fixture.run_path(&run, &path)).await, steps["data"][0]);
        let outputs = tool_outputs_body(&waiting, &["sun"]);
        post(&fixture.run_path(&run, "/submit_tool_outputs"), outputs).await;
        run_pending_tasks().await;
        let updated = post(&fixture.run_path(&run, ""), json!({"metadata": {"a": "b"}})).await;
        assert_eq!(updated["status"], "completed");

        let run = post("/threads/runs", fixture.run_body(json!({}))).await;
        let thread = run["thread_id"].as_str().unwrap();
        let path = format!("/threads/{thread}/runs/{}/cancel", id(&run));
        assert_eq!(post(&path, json!({})).await["status"], "cancelling");
    }
}

#[tokio::test(start_paused = true)]
async fn all_prefixes_share_objects() {
    let client = TestClient::with_model(Offline::new());
    let thread = client.post("/threads", json!({})).await.ok();
    for prefix in PREFIXES {
        let path = format!("{prefix}/threads/{}?api-version=2025-05-01", id(&thread));
        assert_eq!(client.get(&path).await.ok(), thread);
    }
}

#[tokio::test(start_paused = true)]
async fn only_post_of_threads_runs_creates_thread_and_run() {
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let client = &fixture.client;
    for prefix in ["", "/v1"] {
        let run =
            client.post(&format!("{prefix}/threads/runs"), fixture.run_body(json!({}))).await.ok();
        assert_eq!(run["object"], "thread.run");
        let thread = client.get(&format!("{prefix}/threads/{}", fixture.thread)).await.ok();
        assert_eq!(thread["object"], "thread");
        for path in ["/threads/runs/runs", "/threads/runs/messages", "/threads/runs/runs/run_x"] {
            client.get(&format!("{prefix}{path}")).await.expect_not_found("thread", "runs");
        }
        for response in [
            client.get(&format!("{prefix}/threads/runs")).await,
            client.delete(&format!("{prefix}/threads/runs")).await,
        ] {
            response.expect_not_found("thread", "runs");
        }
        let path = format!("{prefix}/threads/runs/runs");
        client.post(&path, fixture.run_body(json!({}))).await.expect_not_found("thread", "runs");
    }
}

#[tokio::test(start_paused = true)]
async fn every_response_has_a_unique_request_id() {
    // The harness checks that every response has one.
    let fixture = Fixture::with_model(Offline::new(), &[]).await;
    let paths =
        [fixture.runs_path(), fixture.runs_path(), "/nothing".to_owned(), "/threads/x".to_owned()];
    let mut ids = HashSet::new();
    for path in &paths {
        let response = fixture.client.get(path).await;
        ids.insert(response.header("x-request-id").unwrap().to_owned());
    }
    assert_eq!(ids.len(), paths.len());
}

#[tokio::test(start_paused = true)]
async fn only_queued_in_progress_and_cancelling_runs_carry_poll_after() {
    let turns = [
        Turn::call("weather", json!({})).initial_delay(Duration::from_secs(5)),
        Turn::text("Done."),
        Turn::stall(),
    ];
    let fixture = Fixture::with_turns(turns, &["weather"]).await;
    let created = fixture.try_create_run(json!({})).await;
    assert_eq!(created.header(POLL_AFTER), Some("100"));
    let run = created.ok();
    let get = async || fixture.client.get(&fixture.run_path(&run, "")).await;
    run_pending_tasks().await;
    assert_eq!(get().await.header(POLL_AFTER), Some("100"));
    let update = fixture.client.post(&fixture.run_path(&run, ""), json!({})).await;
    assert_eq!(update.header(POLL_AFTER), Some("100"));

    let waiting = fixture.wait_for_run(&run).await;
    assert_eq!(waiting["status"], "requires_action");
    assert_eq!(get().await.header(POLL_AFTER), None);
    let submitted = fixture.try_submit_outputs(&run, tool_outputs_body(&waiting, &["sun"])).await;
    assert_eq!(submitted.header(POLL_AFTER), Some("100"));
    fixture.wait_for_run(&run).await;
    assert_eq!(get().await.header(POLL_AFTER), None);
    let list = fixture.client.get(&fixture.runs_path()).await;
    assert_eq!(list.header(POLL_AFTER), None);

    let run = fixture.create_run(json!({})).await;
    assert_eq!(fixture.cancel_run(&run).await.header(POLL_AFTER), Some("100"));
    assert_eq!(fixture.wait_for_run(&run).await["status"], "cancelled");
    assert_eq!(fixture.cancel_run(&run).await.header(POLL_AFTER), None);
}

#[tokio::test(start_paused = true)]
async fn poll_after_is_configurable() {
    let builder = Server::builder()
        .model(Scripted::new([Turn::stall()]))
        .poll_after(Duration::from_millis(1500));
    let fixture = Fixture::from_builder(builder, &[]).await;
    assert_eq!(fixture.try_create_run(json!({})).await.header(POLL_AFTER), Some("1500"));
}

/// Sends a stream request; returns the `Content-Location` header.
async fn content_location(client: &TestClient, method: Method, path: &str, body: Value) -> String {
    let response = client.send(method, path, body.to_string().into()).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.headers()["content-location"].to_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn content_location_of_a_stream_uses_the_requested_prefix() {
    let mut patterns = Vec::new();
    for prefix in ["", "/v1", "/tenant/v1", "/openai/deployments/gpt-4o"] {
        let turns = [Turn::call("weather", json!({})), Turn::text("Done."), Turn::text("Done.")];
        let app = Server::builder().model(Scripted::new(turns)).app().unwrap();
        let client = TestClient::from_router(Router::new().nest("/tenant", app.clone()).merge(app));
        let fixture = client.create_fixture(&["weather"]).await;
        let stream = fixture.run_body(json!({"stream": true}));
        let post = async |path: &str, body: Value| {
            content_location(&client, Method::POST, &format!("{prefix}{path}"), body).await
        };
        let mut locations = vec![post(&fixture.runs_path(), stream.clone()).await];
        run_pending_tasks().await;
        let run = fixture.newest_run().await;
        let waiting = fixture.wait_for_run(&run).await;
        let resuming = client.resuming_after("1");
        let path = format!("{prefix}{}", fixture.run_path(&run, ""));
        locations.push(content_location(&resuming, Method::GET, &path, json!(null)).await);
        let outputs = tool_outputs_body(&waiting, &["sun"]);
        let outputs = merged(outputs, json!({"stream": true}));
        locations.push(post(&fixture.run_path(&run, "/submit_tool_outputs"), outputs).await);
        assert_eq!(locations, [path.clone(), path.clone(), path]);

        let location = post("/threads/runs", stream).await;
        let ids: Vec<&str> = location.rsplit('/').collect();
        let response = client.get(location.strip_prefix(prefix).unwrap()).await;
        assert_eq!(response.header("content-location"), None);
        let run = response.ok();
        assert_eq!([&run["id"], &run["thread_id"]], [ids[0], ids[2]]);
        patterns.push(location.replace(ids[0], "RUN").replace(ids[2], "THREAD"));
    }
    insta::assert_snapshot!(patterns.join("\n"), @r"
    /threads/THREAD/runs/RUN
    /v1/threads/THREAD/runs/RUN
    /tenant/v1/threads/THREAD/runs/RUN
    /openai/deployments/gpt-4o/threads/THREAD/runs/RUN
    ");
}

#[test]
fn specification_declares_content_location_for_streams() {
    let document: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    for operation in Operation::ALL {
        let (method, path) = (operation.method(), operation.path());
        let response = &document["paths"][path][method.as_str().to_lowercase()]["responses"]["200"];
        let streams = response["content"].get("text/event-stream").is_some();
        assert_eq!(response["headers"].get("Content-Location").is_some(), streams, "{operation}");
    }
}

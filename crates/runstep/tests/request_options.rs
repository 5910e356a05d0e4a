//! What can be said of a request, and what providers want with each.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::time::Duration;

use axum::body::Body;
use runstep::types::Run;
use runstep::{Client, ErrorKind, RetryPolicy};
use serde_json::json;
use support::script::{Act, Script};
use support::{KEY, Recorder, example, reply};

async fn retrieve(client: &Client) -> runstep::Result<Run> {
    client.runs("thread_abc123").retrieve("run_abc123").await
}

#[tokio::test]
async fn headers_and_query_of_the_client_go_with_every_request() {
    let server = Recorder::with_json(example("Run")).await;
    let client = server
        .builder()
        .header("X-Tenant", "harbour")
        .header("openai-beta", "assistants=v3")
        .query("api-version", "2024 05")
        .build()
        .unwrap();
    retrieve(&client).await.unwrap();
    client.runs("thread_abc123").create("asst_1").query("own", "1").await.unwrap();
    let one = client.runs("t").retrieve("r").header("x-tenant", "mine").query("api-version", "9");
    one.await.unwrap();
    let seen = server.seen();
    assert!(seen.iter().all(|request| request.header("openai-beta") == Some("assistants=v3")));
    let tenants: Vec<_> = seen.iter().map(|request| request.header("x-tenant").unwrap()).collect();
    assert_eq!(tenants, ["harbour", "harbour", "mine"]);
    let targets: Vec<_> = seen.iter().map(|request| request.target.as_str()).collect();
    assert_eq!(
        targets,
        [
            "/v1/threads/thread_abc123/runs/run_abc123?api-version=2024+05",
            "/v1/threads/thread_abc123/runs?api-version=2024+05&own=1",
            "/v1/threads/t/runs/r?api-version=2024+05&api-version=9",
        ]
    );
}

#[tokio::test]
async fn an_idempotency_key_of_the_callers_own_is_kept() {
    let server = Recorder::with_json(example("Run")).await;
    let create = server.client().runs("thread_abc123").create("asst_1");
    create.header("Idempotency-Key", "order-7").await.unwrap();
    let request = server.only_request();
    assert_eq!(request.headers.get_all("idempotency-key").iter().count(), 1);
    assert_eq!(request.header("idempotency-key"), Some("order-7"));
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_refused_and_its_value_not_shown() {
    let server = Recorder::with_json(example("Run")).await;
    let runs = server.client().runs("thread_abc123");
    for (name, value) in [("x-tenant", format!("{KEY}\n")), ("x tenant", KEY.to_owned())] {
        let request = runs.retrieve("run_abc123").header(name, value);
        let shown = format!("{request:?}");
        let error = request.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(&format!("`{name}`")), "{error}");
        let shown = format!("{shown} {error} {error:?}");
        assert!(!shown.contains(KEY), "{shown}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn a_request_may_have_a_timeout_of_its_own() {
    let server = Recorder::start(|_| {
        let never = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        reply(200, &[], Body::from_stream(never))
    })
    .await;
    let runs = server.client().runs("thread_abc123");
    let request = runs.retrieve("run_abc123").request_timeout(Duration::from_millis(30));
    let error = tokio::time::timeout(Duration::from_secs(20), request.into_future()).await;
    assert!(error.unwrap().unwrap_err().is_timeout());
}

#[tokio::test]
async fn a_request_may_have_more_time_than_the_client_gives() {
    let late = Act::Late(Duration::from_millis(500), example("Run").to_string());
    let slow = Script::of([late]).await;
    let client = slow.builder().timeout(Duration::from_millis(40));
    let client = client.retry_policy(RetryPolicy::none()).build().unwrap();
    let runs = client.runs("thread_abc123");
    assert!(runs.retrieve("run_abc123").await.unwrap_err().is_timeout());
    let patient = runs.retrieve("run_abc123").request_timeout(Duration::from_secs(20));
    assert_eq!(patient.await.unwrap().id, example("Run")["id"]);
}

#[tokio::test]
async fn what_came_with_the_value_can_be_had() {
    let headers = &[("x-request-id", "req_42"), ("X-RateLimit-Remaining", "7")];
    let body = example("Run").to_string();
    let server = Recorder::with_reply(202, headers, body).await;
    let response = server.client().runs("thread_abc123").create("asst_1").send().await.unwrap();
    assert_eq!((response.status(), response.request_id()), (202, Some("req_42")));
    assert_eq!(response.header("x-ratelimit-remaining"), Some("7"));
    assert_eq!(response.header("X-RATELIMIT-REMAINING"), Some("7"));
    assert_eq!(response.header("x-other"), None);
    assert_eq!(response.id, example("Run")["id"], "it can be used as the run");
    assert_eq!(response.value().id, response.id);
    assert_eq!(serde_json::to_value(response.into_value()).unwrap(), example("Run"));
    let list = Recorder::with_reply(200, headers, example("RunList").to_string()).await;
    let page = list.client().runs("thread_abc123").list().send().await.unwrap();
    assert_eq!((page.status(), page.request_id()), (200, Some("req_42")));
}

/// The document lists 200 only, but what was made with 201 has been made.
#[tokio::test]
async fn any_success_is_one() {
    for status in [200, 201, 202, 299] {
        let server = Recorder::with_reply(status, &[], example("Run").to_string()).await;
        assert_eq!(retrieve(&server.client()).await.unwrap().id, example("Run")["id"]);
        let server = Recorder::with_reply(status, &[], "{}").await;
        let error = retrieve(&server.client()).await.unwrap_err();
        assert!(error.is_decode(), "{error:?}");
        assert_eq!(error.status(), Some(status));
    }
}

#[tokio::test]
async fn azure_takes_its_key_and_version_with_every_request() {
    let path = "/threads/thread_abc123/runs/run_abc123?api-version=2024-05-01-preview";
    for (end, base) in [
        ("", "/openai"),
        ("/", "/openai"),
        ("/openai", "/openai"),
        ("/api/projects/harbour", "/api/projects/harbour"),
    ] {
        let server = Recorder::with_json(example("Run")).await;
        let endpoint = format!("{}{end}", server.host());
        let client = Client::azure(endpoint, "2024-05-01-preview");
        let client = client.api_key_header(KEY).build().unwrap();
        retrieve(&client).await.unwrap();
        let request = server.only_request();
        assert_eq!(request.target, format!("{base}{path}"));
        assert_eq!(request.header("api-key"), Some(KEY));
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("openai-beta"), Some("assistants=v2"));
    }
}

/// Every request of every resource, polls and pages too.
#[tokio::test]
async fn no_request_goes_without_the_version() {
    let server = Recorder::with_json(json!({})).await;
    let azure = Client::azure(server.host(), "v9").api_key_header(KEY);
    let client = azure.retry_policy(RetryPolicy::none()).build().unwrap();
    let (assistants, threads, messages) =
        (client.assistants(), client.threads(), client.messages("t"));
    let (runs, steps) = (client.runs("t"), client.runs("t").steps("r"));
    // An empty object is no reply to any of them, but each was sent.
    assert!(assistants.create("m").await.is_err());
    assert!(assistants.retrieve("a").await.is_err());
    assert!(assistants.list().await.is_err());
    assert!(assistants.update("a").await.is_err());
    assert!(assistants.delete("a").await.is_err());
    assert!(threads.create().await.is_err());
    assert!(threads.create_and_run("a").await.is_err());
    assert!(threads.retrieve("t").await.is_err());
    assert!(threads.update("t").await.is_err());
    assert!(threads.delete("t").await.is_err());
    assert!(messages.create("Hi").await.is_err());
    assert!(messages.list().run_id("r").await.is_err());
    assert!(messages.retrieve("m").await.is_err());
    assert!(messages.update("m").await.is_err());
    assert!(messages.delete("m").await.is_err());
    assert!(runs.create("a").include("x").await.is_err());
    assert!(runs.list().limit(3).items().try_next().await.is_err());
    assert!(runs.poll("r").await.is_err());
    assert!(runs.update("r").await.is_err());
    assert!(runs.submit_tool_outputs("r").await.is_err());
    assert!(runs.cancel("r").await.is_err());
    assert!(steps.list().await.is_err());
    assert!(steps.retrieve("s").include("x").await.is_err());
    let seen = server.seen();
    assert_eq!(seen.len(), 23);
    for request in seen {
        let (path, query) = request.target.split_once('?').unwrap();
        assert!(query.split('&').any(|pair| pair == "api-version=v9"), "{path}?{query}");
        assert_eq!(request.header("api-key"), Some(KEY));
    }
}

#[tokio::test]
async fn a_compatible_host_gets_v1_unless_it_has_a_path() {
    for (end, path) in [
        ("", "/v1/threads"),
        ("/", "/v1/threads"),
        ("/v1", "/v1/threads"),
        ("/api/v2/", "/api/v2/threads"),
    ] {
        let server = Recorder::with_json(example("Thread")).await;
        let client = Client::openai_compatible(format!("{}{end}", server.host()));
        client.api_key(KEY).build().unwrap().threads().create().await.unwrap();
        let request = server.only_request();
        assert_eq!(request.target, path, "{end:?}");
        assert_eq!(request.header("authorization"), Some(format!("Bearer {KEY}").as_str()));
    }
}

/// Also those that are no text, or come several times.
#[tokio::test]
async fn all_headers_of_a_reply_can_be_had() {
    let server = Recorder::start(|_| {
        let mut reply = support::json(&example("Run"));
        reply.headers_mut().append("x-warning", "one".parse().unwrap());
        let odd = axum::http::HeaderValue::from_bytes(b"\xff").unwrap();
        reply.headers_mut().append("x-warning", odd);
        reply
    })
    .await;
    let reply = server.client().runs("t").retrieve("r").send().await.unwrap();
    let warnings: Vec<&[u8]> =
        reply.headers().filter(|(name, _)| *name == "x-warning").map(|(_, value)| value).collect();
    assert_eq!(warnings, [b"one".as_slice(), b"\xff"]);
    assert!(reply.headers().any(|(name, _)| name == "content-type"));
}

//! Options of single requests, and the conventions of other providers.

use std::time::Duration;

use runstep::{Client, ErrorKind, RetryPolicy};
use serde_json::json;

use crate::harness::{
    API_KEY, Behavior, RecordingServer, ScriptedServer, example, hanging_response, json_response,
    retrieve_run,
};

#[tokio::test]
async fn client_headers_and_query_are_sent_with_every_request() {
    let server = RecordingServer::with_json(example("Run")).await;
    let client = server
        .builder()
        .header("X-Tenant", "harbour")
        .header("openai-beta", "assistants=v3")
        .query("api-version", "2024 05")
        .build()
        .unwrap();
    retrieve_run(&client).await.unwrap();
    client.runs("thread_abc123").create("asst_1").query("own", "1").await.unwrap();
    let request =
        client.runs("t").retrieve("r").header("x-tenant", "mine").query("api-version", "9");
    request.await.unwrap();
    let requests = server.requests();
    assert!(requests.iter().all(|request| request.header("openai-beta") == Some("assistants=v3")));
    let tenants: Vec<_> =
        requests.iter().map(|request| request.header("x-tenant").unwrap()).collect();
    assert_eq!(tenants, ["harbour", "harbour", "mine"]);
    let targets: Vec<_> = requests.iter().map(|request| request.target.as_str()).collect();
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
async fn callers_idempotency_key_is_kept() {
    let server = RecordingServer::with_json(example("Run")).await;
    let create = server.client().runs("thread_abc123").create("asst_1");
    create.header("Idempotency-Key", "order-7").await.unwrap();
    let request = server.only_request();
    assert_eq!(request.headers.get_all("idempotency-key").iter().count(), 1);
    assert_eq!(request.header("idempotency-key"), Some("order-7"));
}

#[tokio::test]
async fn invalid_header_is_rejected_and_its_value_not_shown() {
    let server = RecordingServer::with_json(example("Run")).await;
    let runs = server.client().runs("thread_abc123");
    for (name, value) in [("x-tenant", format!("{API_KEY}\n")), ("x tenant", API_KEY.to_owned())] {
        let request = runs.retrieve("run_abc123").header(name, value);
        let shown = format!("{request:?}");
        let error = request.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRequest);
        assert!(error.message().contains(&format!("`{name}`")), "{error}");
        let shown = format!("{shown} {error} {error:?}");
        assert!(!shown.contains(API_KEY), "{shown}");
    }
    assert_eq!(server.count(), 0);
}

#[tokio::test]
async fn request_timeout_can_be_shorter_than_clients() {
    let server = RecordingServer::start(|_| hanging_response()).await;
    let runs = server.client().runs("thread_abc123");
    let request = runs.retrieve("run_abc123").request_timeout(Duration::from_millis(30));
    let error = tokio::time::timeout(Duration::from_secs(20), request.into_future()).await;
    assert!(error.unwrap().unwrap_err().is_timeout());
}

#[tokio::test]
async fn request_timeout_can_be_longer_than_clients() {
    let delayed = Behavior::Delay(Duration::from_millis(500), example("Run").to_string());
    let slow = ScriptedServer::start([delayed]).await;
    let client = slow.builder().timeout(Duration::from_millis(40));
    let client = client.retry_policy(RetryPolicy::none()).build().unwrap();
    let runs = client.runs("thread_abc123");
    assert!(runs.retrieve("run_abc123").await.unwrap_err().is_timeout());
    let patient = runs.retrieve("run_abc123").request_timeout(Duration::from_secs(20));
    assert_eq!(patient.await.unwrap().id, example("Run")["id"]);
}

#[tokio::test]
async fn response_metadata_is_available() {
    let headers = &[("x-request-id", "req_42"), ("X-RateLimit-Remaining", "7")];
    let body = example("Run").to_string();
    let server = RecordingServer::with_response(202, headers, body.clone()).await;
    let response = server.client().runs("thread_abc123").create("asst_1").send().await.unwrap();
    assert_eq!((response.status(), response.request_id()), (202, Some("req_42")));
    assert_eq!(response.header("x-ratelimit-remaining"), Some("7"));
    assert_eq!(response.header("X-RATELIMIT-REMAINING"), Some("7"));
    assert_eq!(response.header("x-other"), None);
    assert_eq!(response.value().id, example("Run")["id"]);
    assert_eq!(response.body(), body.as_bytes());
    assert_eq!(serde_json::to_value(response.into_inner()).unwrap(), example("Run"));
    let list = RecordingServer::with_response(200, headers, example("RunList").to_string()).await;
    let page = list.client().runs("thread_abc123").list().send().await.unwrap();
    assert_eq!((page.status(), page.request_id()), (200, Some("req_42")));
    assert_eq!(page.body(), example("RunList").to_string().as_bytes());
    assert_eq!(page.clone().body(), page.body());
}

/// The bytes are those of the server, with white space and with fields that have no name here.
#[tokio::test]
async fn body_is_returned_as_received() {
    let mut run = example("Run");
    run["vendor_field"] = 7.into();
    let text = format!("\n{}\n", serde_json::to_string_pretty(&run).unwrap());
    let server = RecordingServer::with_response(200, &[], text.clone()).await;
    let response = server.client().runs("t").retrieve("r").send().await.unwrap();
    assert_eq!(response.body(), text.as_bytes());
}

/// The specification lists only status 200, but a run created with status 201 exists as well.
#[tokio::test]
async fn any_success_status_is_accepted() {
    for status in [200, 201, 202, 299] {
        let server = RecordingServer::with_response(status, &[], example("Run").to_string()).await;
        assert_eq!(retrieve_run(&server.client()).await.unwrap().id, example("Run")["id"]);
        let server = RecordingServer::with_response(status, &[], "{}").await;
        let error = retrieve_run(&server.client()).await.unwrap_err();
        assert!(error.is_decode(), "{error:?}");
        assert_eq!(error.status(), Some(status));
    }
}

#[tokio::test]
async fn azure_client_sends_key_and_version_to_its_base_path() {
    let path = "/threads/thread_abc123/runs/run_abc123?api-version=2024-05-01-preview";
    for (end, base) in [
        ("", "/openai"),
        ("/", "/openai"),
        ("/openai", "/openai"),
        ("/api/projects/harbour", "/api/projects/harbour"),
    ] {
        let server = RecordingServer::with_json(example("Run")).await;
        let endpoint = format!("{}{end}", server.origin());
        let client = Client::azure(endpoint, "2024-05-01-preview");
        let client = client.api_key_header(API_KEY).build().unwrap();
        retrieve_run(&client).await.unwrap();
        let request = server.only_request();
        assert_eq!(request.target, format!("{base}{path}"));
        assert_eq!(request.header("api-key"), Some(API_KEY));
        assert_eq!(request.header("authorization"), None);
        assert_eq!(request.header("openai-beta"), Some("assistants=v2"));
    }
}

/// Every request of every resource, including polls and pages.
#[tokio::test]
async fn azure_version_is_sent_with_every_request() {
    let server = RecordingServer::with_json(json!({})).await;
    let azure = Client::azure(server.origin(), "v9").api_key_header(API_KEY);
    let client = azure.retry_policy(RetryPolicy::none()).build().unwrap();
    let (assistants, threads, messages) =
        (client.assistants(), client.threads(), client.messages("t"));
    let (runs, steps) = (client.runs("t"), client.runs("t").steps("r"));
    // An empty object is not a valid response, but each request is sent.
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
    let requests = server.requests();
    assert_eq!(requests.len(), 23);
    for request in requests {
        let (path, query) = request.target.split_once('?').unwrap();
        assert!(query.split('&').any(|pair| pair == "api-version=v9"), "{path}?{query}");
        assert_eq!(request.header("api-key"), Some(API_KEY));
    }
}

#[tokio::test]
async fn openai_compatible_url_defaults_to_v1_path() {
    for (end, path) in [
        ("", "/v1/threads"),
        ("/", "/v1/threads"),
        ("/v1", "/v1/threads"),
        ("/api/v2/", "/api/v2/threads"),
    ] {
        let server = RecordingServer::with_json(example("Thread")).await;
        let client = Client::openai_compatible(format!("{}{end}", server.origin()));
        client.api_key(API_KEY).build().unwrap().threads().create().await.unwrap();
        let request = server.only_request();
        assert_eq!(request.target, path, "{end:?}");
        assert_eq!(request.header("authorization"), Some(format!("Bearer {API_KEY}").as_str()));
    }
}

/// Including headers that are not text, and repeated ones.
#[tokio::test]
async fn all_response_headers_are_available() {
    let server = RecordingServer::start(|_| {
        let mut response = json_response(&example("Run"));
        response.headers_mut().append("x-warning", "one".parse().unwrap());
        let not_utf8 = axum::http::HeaderValue::from_bytes(b"\xff").unwrap();
        response.headers_mut().append("x-warning", not_utf8);
        response
    })
    .await;
    let response = server.client().runs("t").retrieve("r").send().await.unwrap();
    let warnings: Vec<&[u8]> = response
        .headers()
        .filter(|(name, _)| *name == "x-warning")
        .map(|(_, value)| value)
        .collect();
    assert_eq!(warnings, [b"one".as_slice(), b"\xff"]);
    assert!(response.headers().any(|(name, _)| name == "content-type"));
}

//! Secrets in custom headers never appear in Debug output or errors.

use std::error::Error as _;
use std::time::Duration;

use runstep::tools::Toolbox;
use runstep::{Client, ErrorKind, RetryPolicy};

use crate::harness::{API_KEY, RecordingServer, run_with_status};

/// Headers that may contain a key.
const SENSITIVE_HEADERS: [&str; 4] = ["authorization", "api-key", "X-Api-Key", "cookie"];

/// Debug output of requests with a secret header, and of their responses and errors.
async fn debug_output(server: &RecordingServer, client: &Client, name: &str) -> String {
    let create = || client.runs("thread_1").create("asst_1").header(name, API_KEY);
    let tools = || Toolbox::new().function("now", || async { "12:00" });
    let timeout = Duration::from_millis(1);
    let mut shown = format!("{:?} {:#?}", create(), create().request_timeout(timeout));
    shown += &format!("{:?} {:?}", create().toolbox(&tools()), create().response_as::<u8>());
    shown += &format!("{:?}", create().toolbox(&tools()));
    shown += &format!("{:?}", create().toolbox(&tools()).response_as::<u8>());
    let threads = client.threads();
    shown += &format!("{:?}", threads.create_and_run("asst_1").header(name, API_KEY));
    shown += &format!("{:?}", client.assistants().list().header(name, API_KEY));
    let runs = client.runs("thread_1");
    shown += &format!("{:?}", runs.submit_tool_outputs("run_1").header(name, API_KEY));
    shown += &format!("{:?}", runs.poll("run_1").header(name, API_KEY).toolbox(&tools()));
    // Responses and their errors.
    match create().send().await {
        Ok(response) => shown += &format!("{response:?} {response:#?}"),
        Err(error) => shown += &format!("{error} {error:?} {:?}", error.source()),
    }
    match create().stream().await {
        Ok(events) => shown += &format!("{events:?}"),
        Err(error) => shown += &format!("{error} {error:#?} {:?}", error.source()),
    }
    match create().toolbox(&tools()).stream().await {
        Ok(events) => shown += &format!("{events:?}"),
        Err(error) => shown += &format!("{error} {error:#?}"),
    }
    // A value that is not a valid header.
    let before = server.count();
    let error = create().header(name, format!("{API_KEY}\n")).await.unwrap_err();
    assert_eq!((error.kind(), server.count()), (ErrorKind::InvalidRequest, before));
    shown + &format!("{error} {error:#?} {:?}", error.source())
}

#[tokio::test]
async fn custom_secret_header_is_sent_and_never_shown() {
    let unreachable_client = |value: &str, name: &str| {
        let builder = Client::builder("http://127.0.0.1:1/v1").retry_policy(RetryPolicy::none());
        builder.header(name, value)
    };

    let servers = [
        RecordingServer::with_json(run_with_status("completed")).await,
        RecordingServer::with_response(
            401,
            &[],
            r#"{"error": {"message": "No key was provided."}}"#,
        )
        .await,
        RecordingServer::with_response(200, &[("content-type", "text/event-stream")], "data: {")
            .await,
        RecordingServer::with_response(200, &[("content-type", "application/json")], "{").await,
        RecordingServer::with_response(307, &[("location", "http://127.0.0.2:1/")], "").await,
    ];
    for name in SENSITIVE_HEADERS {
        for server in &servers {
            let shown = debug_output(server, &server.client(), name).await;
            assert!(!shown.contains(API_KEY), "{name}: {shown}");
            let last = server.requests().pop().unwrap();
            assert_eq!(last.header(name), Some(API_KEY), "{name} was not sent");
        }
        let builder = unreachable_client(API_KEY, name);
        let shown = format!("{builder:?} {builder:#?}");
        let client = builder.build().unwrap();
        let shown = shown
            + &format!("{client:?} {client:#?}")
            + &debug_output(&servers[0], &client, name).await;
        assert!(!shown.contains(API_KEY), "{name}: {shown}");
        let error = unreachable_client(&format!("{API_KEY}\n"), name).build().unwrap_err();
        let shown = format!("{error} {error:#?}");
        assert!(!shown.contains(API_KEY), "{name}: {shown}");
    }
}

//! The running program: keys, limits, provider and logs.

use std::os::unix::fs::PermissionsExt as _;

use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

use crate::harness::upstream::{ReceivedRequest, Upstream, hello_response};
use crate::program::process::{Program, ProgramBuilder};

const ANY_PORT: [&str; 2] = ["--listen", "127.0.0.1:0"];

fn builder_with(flags: &[&str]) -> ProgramBuilder {
    ProgramBuilder::new(&[&ANY_PORT[..], flags].concat())
}

/// Sends a request with a key; returns the status and the body.
async fn request(
    program: &Program,
    path: &str,
    key: &str,
    body: Option<Value>,
) -> (StatusCode, Value) {
    let client = Client::builder().no_proxy().build().unwrap();
    let url = program.url(path);
    let builder = match body {
        Some(body) => client.post(url).body(body.to_string()),
        None => client.get(url),
    };
    let builder = builder.header("content-type", "application/json").bearer_auth(key);
    let response = builder.send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or_else(|_| text.into()))
}

#[tokio::test]
async fn keys_authenticate_and_separate_tenants() {
    let program = builder_with(&["--api-key-file", "keys"])
        .file("keys", "# first application\nfirst-key\n\n  second-key  \n")
        .serve();
    let (rejected, _) = request(&program, "/v1/threads", "other", Some(json!({}))).await;
    assert_eq!(rejected, 401);
    let (created, thread) = request(&program, "/v1/threads", "first-key", Some(json!({}))).await;
    assert_eq!(created, 200);
    let path = format!("/v1/threads/{}", thread["id"].as_str().unwrap());
    assert_eq!(request(&program, &path, "first-key", None).await.0, 200);
    assert_eq!(request(&program, &path, "second-key", None).await.0, 404);
}

#[tokio::test]
async fn configured_limits_are_applied() {
    let program = builder_with(&["--max-body-bytes", "1000"]).serve();
    let body = json!({"metadata": {"a": "x".repeat(2000)}});
    assert_eq!(request(&program, "/v1/threads", "", Some(body)).await.0, 413);
    assert_eq!(request(&program, "/healthz", "", None).await.0, 200);
}

#[tokio::test]
async fn readiness_is_asked_for_by_a_command() {
    let program = builder_with(&[]).serve();
    let address = program.url("").trim_start_matches("http://").trim_end_matches('/').to_owned();
    let ready = ProgramBuilder::new(&["--listen", &address, "ready"]).run_to_exit();
    assert_eq!(
        (ready.code, ready.output.as_str(), ready.errors.as_str()),
        (Some(0), "ready\n", "")
    );
    drop(program);
    let stopped = ProgramBuilder::new(&["--listen", &address, "ready"]).run_to_exit();
    assert_eq!(stopped.code, Some(1));
    let message = format!("the server at {address} is not ready");
    assert!(stopped.errors.contains(&message), "{}", stopped.errors);
}

#[tokio::test]
async fn runs_use_the_configured_provider() {
    let upstream = Upstream::new([hello_response()]).await;
    let flags =
        ["--upstream", upstream.url(), "--upstream-key-env", "KEY", "--model-map", "models.toml"];
    let mut program = builder_with(&flags)
        .file("models.toml", "default = \"llama3.2\"\n[models]\ngpt-4o = \"qwen2.5:7b\"\n")
        .env("KEY", "sk-upstream")
        .serve();
    let (_, assistant) =
        request(&program, "/v1/assistants", "", Some(json!({"model": "gpt-4o"}))).await;
    let messages = json!([{"role": "user", "content": "Hello"}]);
    let body = json!({
        "assistant_id": assistant["id"],
        "thread": {"messages": messages},
        "stream": true,
    });
    let (_, events) = request(&program, "/v1/threads/runs", "", Some(body)).await;
    let events = events.as_str().unwrap();
    assert!(events.contains("Hello ") && events.contains("thread.run.completed"), "{events}");
    let ReceivedRequest { head, body } = upstream.requests().remove(0);
    assert!(head.contains("authorization: Bearer sk-upstream\r\n"), "{head}");
    assert_eq!((&body["model"], &body["messages"]), (&json!("qwen2.5:7b"), &messages));
    let logs = program.errors();
    assert!(!logs.contains("sk-upstream"), "{logs}");
}

#[tokio::test]
async fn logs_are_written_to_standard_error() {
    let logs = async |flags: &[&str]| {
        let mut program = builder_with(flags).serve();
        request(&program, "/v1/threads/thread_x", "", None).await;
        program.errors()
    };
    let text = logs(&[]).await;
    assert!(text.contains(" INFO ") && text.contains("404"), "{text}");
    let json = logs(&["--log-format", "json"]).await;
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().any(|line| line["level"] == "INFO" && line["status"] == 404), "{json}");
    assert_eq!(logs(&["--log-level", "off"]).await, "");
    assert_eq!(logs(&["--log-level", "warn"]).await, "");
}

#[test]
fn world_readable_key_file_is_warned_about() {
    for (mode, warned) in [(0o644, true), (0o640, false)] {
        let builder = builder_with(&["--api-key-file", "keys"]).file("keys", "secret-key\n");
        let mode = std::fs::Permissions::from_mode(mode);
        std::fs::set_permissions(builder.path("keys"), mode).unwrap();
        let logs = builder.serve().errors();
        assert_eq!(logs.contains("all users of this machine can read"), warned, "{logs}");
        assert!(!logs.contains("secret-key"), "{logs}");
    }
}

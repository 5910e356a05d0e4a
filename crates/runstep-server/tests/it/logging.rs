//! What the server logs, and what it never logs.

use std::fs::File;
use std::io::Seek as _;
use std::sync::{Arc, LazyLock};

use runstep_server::Server;
use runstep_server::model::{Scripted, Turn};
use serde_json::json;
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Level};

use crate::harness::upstream::{MockResponse, Upstream};
use crate::harness::{Fixture, TestClient, id};

/// Records the logs of the current thread until the guard is dropped.
fn record_logs() -> (Arc<File>, DefaultGuard) {
    /// While a process has a single subscriber, a callsite that is first reached on a thread
    /// without one is disabled for all threads. A second subscriber prevents that, since
    /// other tests run on other threads.
    static SECOND_SUBSCRIBER: LazyLock<Dispatch> =
        LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
    LazyLock::force(&SECOND_SUBSCRIBER);
    let file = Arc::new(tempfile::tempfile().unwrap());
    let subscriber = tracing_subscriber::fmt().with_max_level(Level::TRACE).with_ansi(false);
    let subscriber = subscriber.with_writer(Arc::clone(&file)).finish();
    (file, tracing::subscriber::set_default(subscriber))
}

fn recorded_text(mut file: &File) -> String {
    file.rewind().unwrap();
    std::io::read_to_string(file).unwrap()
}

#[tokio::test(start_paused = true)]
async fn logs_contain_requests_and_runs_but_no_user_content() {
    const KEY: &str = "sk-secret-key";
    const TEXT: &str = "private user text";
    let (file, guard) = record_logs();
    let turn = Turn::text(TEXT).usage(12, 3);
    let builder = Server::builder().model(Scripted::new([turn])).api_keys([KEY]);
    let client = TestClient::from_builder(builder);
    let authorized = client
        .with_header("authorization", &format!("Bearer {KEY}"))
        .with_header("x-request-id", "my-request");
    let assistant = authorized.create_assistant(json!({"instructions": TEXT, "name": TEXT})).await;
    let thread = authorized.create_thread(TEXT).await;
    let fixture = Fixture { client: authorized, assistant, thread };
    let run = fixture.create_run_and_wait(json!({"metadata": {"secret": TEXT}})).await;
    let unauthorized = client.with_header("authorization", "Bearer wrong-key");
    unauthorized.get("/assistants").await.expect_error(401);
    drop(guard);

    let logs = recorded_text(&file);
    let run_line =
        format!("runstep_server::run: run ended run_id=\"{}\" status=completed", id(&run));
    let span = "request{request_id=\"my-request\" operation=\"createRun\"}";
    for expected in [
        &format!("{span}: runstep_server::http: response status=200 microseconds="),
        "runstep_server::http: response status=401",
        &run_line,
        "prompt_tokens=12 completion_tokens=3",
    ] {
        assert!(logs.contains(expected), "{expected} is not in {logs}");
    }
    for secret in [KEY, TEXT, "wrong-key"] {
        assert!(!logs.contains(secret), "{secret} is in {logs}");
    }
}

#[tokio::test]
async fn logs_contain_provider_failures_but_not_their_messages() {
    const TEXT: &str = "private user text";
    let busy = MockResponse::json(503, &json!({"error": {"message": TEXT}}));
    let upstream = Upstream::new([busy.clone(), busy]).await;
    let (file, guard) = record_logs();
    let model = upstream.builder().max_retries(1).build().unwrap();
    let client = TestClient::with_model(model);
    let assistant = client.create_assistant(json!({})).await;
    let thread = client.create_thread(TEXT).await;
    let run = Fixture { client, assistant, thread }.create_run_and_wait(json!({})).await;
    drop(guard);

    assert!(
        run["last_error"].to_string().contains(TEXT),
        "the provider does not repeat the text: {run}"
    );
    let logs = recorded_text(&file);
    assert!(logs.contains("kind=Server status=503 failures=1"), "{logs}");
    assert!(!logs.contains(TEXT), "{logs}");
}

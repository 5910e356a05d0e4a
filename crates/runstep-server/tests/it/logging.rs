//! What the server logs, and what it never logs.

use std::fmt::{Debug, Write as _};
use std::sync::{Arc, LazyLock, Mutex};

use runstep_server::Server;
use runstep_server::model::{ChatCompletions, Scripted, Turn};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, NoSubscriber};
use tracing::{Dispatch, Event, Metadata, Subscriber};

use crate::harness::{Fixture, TestClient, id};

/// A subscriber that writes all spans and events to one string.
#[derive(Clone, Default)]
struct LogRecorder(Arc<Mutex<String>>);

impl LogRecorder {
    /// Records the logs of the current thread until the guard is dropped.
    fn start() -> (Self, DefaultGuard) {
        /// While a process has a single subscriber, a callsite that is first reached on a thread
        /// without one is disabled for all threads. A second subscriber prevents that, since
        /// other tests run on other threads.
        static SECOND_SUBSCRIBER: LazyLock<Dispatch> =
            LazyLock::new(|| Dispatch::new(NoSubscriber::new()));
        LazyLock::force(&SECOND_SUBSCRIBER);
        let recorder = Self::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }
}

struct Fields<'a>(&'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for LogRecorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = self.0.lock().unwrap();
        write!(text, "{} span", span.metadata().target()).unwrap();
        span.record(&mut Fields(&mut text));
        text.push('\n');
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Fields(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        write!(text, "{}", event.metadata().target()).unwrap();
        event.record(&mut Fields(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn logs_contain_requests_and_runs_but_no_user_content() {
    const KEY: &str = "sk-secret-key";
    const TEXT: &str = "private user text";
    let (recorder, guard) = LogRecorder::start();
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

    let logs = recorder.0.lock().unwrap().clone();
    let run_line =
        format!("runstep_server::run message=run ended run_id=\"{}\" status=completed", id(&run));
    for expected in [
        "runstep_server::http span request_id=\"my-request\" operation=\"createRun\"",
        "runstep_server::http message=response status=200 microseconds=",
        "runstep_server::http message=response status=401",
        &run_line,
        "prompt_tokens=12 completion_tokens=3",
    ] {
        assert!(logs.contains(expected), "{expected} is not in {logs}");
    }
    for secret in [KEY, TEXT, "wrong-key"] {
        assert!(!logs.contains(secret), "{secret} is in {logs}");
    }
}

/// A provider that rejects every request with 503 and a message that repeats the request.
async fn echo_as_error(listener: TcpListener) {
    while let Ok((mut socket, _)) = listener.accept().await {
        let mut bytes = vec![0; 64 * 1024];
        let mut read = 0;
        while !bytes[..read].ends_with(b"}") {
            read += socket.read(&mut bytes[read..]).await.unwrap();
        }
        let body =
            json!({"error": {"message": String::from_utf8_lossy(&bytes[..read])}}).to_string();
        let length = body.len();
        let response = format!("HTTP/1.1 503 Busy\r\ncontent-length: {length}\r\n\r\n{body}");
        socket.write_all(response.as_bytes()).await.unwrap();
    }
}

#[tokio::test]
async fn logs_contain_provider_failures_but_not_their_messages() {
    const TEXT: &str = "private user text";
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1", listener.local_addr().unwrap());
    let provider = tokio::spawn(echo_as_error(listener));
    let (recorder, guard) = LogRecorder::start();
    let model = ChatCompletions::builder(&url).max_retries(1).build().unwrap();
    let client = TestClient::with_model(model);
    let assistant = client.create_assistant(json!({})).await;
    let thread = client.create_thread(TEXT).await;
    let run = Fixture { client, assistant, thread }.create_run_and_wait(json!({})).await;
    drop(guard);
    provider.abort();

    assert!(
        run["last_error"].to_string().contains(TEXT),
        "the provider does not repeat the text: {run}"
    );
    let logs = recorder.0.lock().unwrap().clone();
    assert!(logs.contains("kind=Server status=503 failures=1"), "{logs}");
    assert!(!logs.contains(TEXT), "{logs}");
}

//! Tracing spans and events of requests, without message texts and secrets.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use runstep::tools::{ToolContext, Toolbox};
use runstep::{Backoff, Client, IfActive, RetryPolicy};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::harness::{API_KEY, Behavior, ScriptedServer, example, fast_retries};

const TEXT: &str = "a confidential request text";
const RESPONSE_TEXT: &str = "a confidential response text";

/// A subscriber that records all spans and events.
///
/// It is installed for the current thread only: other tests run in the same process.
#[derive(Clone, Default)]
struct SpanRecorder(Arc<Mutex<Recording>>);

#[derive(Default)]
struct Recording {
    names: Vec<&'static str>,
    spans: Vec<BTreeMap<String, String>>,
    events: Vec<BTreeMap<String, String>>,
    /// Every field of every span and event, for the search for secrets.
    all: String,
}

/// Records fields by name, and as text.
struct Fields<'a>(&'a mut BTreeMap<String, String>, &'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        writeln!(self.1, "{field}: {value}").unwrap();
        self.0.insert(field.name().to_owned(), value.trim_matches('"').to_owned());
    }
}

impl Subscriber for SpanRecorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut recording = self.0.lock().unwrap();
        let recording = &mut *recording;
        let mut fields = BTreeMap::new();
        span.record(&mut Fields(&mut fields, &mut recording.all));
        recording.names.push(span.metadata().name());
        recording.spans.push(fields);
        Id::from_u64(recording.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut recording = self.0.lock().unwrap();
        let recording = &mut *recording;
        let number = usize::try_from(id.into_u64()).unwrap() - 1;
        values.record(&mut Fields(&mut recording.spans[number], &mut recording.all));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut recording = self.0.lock().unwrap();
        let recording = &mut *recording;
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields, &mut recording.all));
        if event.metadata().target().starts_with("runstep") {
            recording.events.push(fields);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl SpanRecorder {
    fn install() -> (Self, tracing::subscriber::DefaultGuard) {
        let recorder = Self::default();
        let guard = tracing::subscriber::set_default(recorder.clone());
        (recorder, guard)
    }

    /// The request spans as `name: value` lines, without the port.
    fn requests(&self) -> Vec<Vec<String>> {
        self.spans("runstep.request")
    }

    fn spans(&self, name: &str) -> Vec<Vec<String>> {
        let recording = self.0.lock().unwrap();
        let spans = recording.names.iter().zip(&recording.spans);
        let spans = spans.filter(|(span_name, _)| **span_name == name);
        let lines = |fields: &BTreeMap<String, String>| {
            let fields = fields.iter().filter(|(name, _)| *name != "server.port");
            fields.map(|(name, value)| format!("{name}: {value}")).collect()
        };
        spans.map(|(_, fields)| lines(fields)).collect()
    }

    fn events(&self) -> Vec<BTreeMap<String, String>> {
        self.0.lock().unwrap().events.clone()
    }

    fn assert_nothing_secret(&self) {
        let all = &self.0.lock().unwrap().all;
        for secret in [API_KEY, TEXT, RESPONSE_TEXT, "Bearer"] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
        assert!(all.contains("runstep") || all.contains("threads"), "nothing was recorded: {all}");
    }
}

fn ok() -> Behavior {
    let mut run = example("Run");
    run["instructions"] = RESPONSE_TEXT.into();
    Behavior::ok(run)
}

fn error(status: u16) -> Behavior {
    let body = format!(r#"{{"error": {{"message": "{RESPONSE_TEXT}", "code": "some_code"}}}}"#);
    Behavior::Respond { status, headers: Vec::new(), body }
}

#[tokio::test]
async fn span_has_request_and_response_fields() {
    let server = ScriptedServer::start([ok()]).await;
    let client = server.client();
    let (recorder, guard) = SpanRecorder::install();
    let create = client.runs("thread_1").create("asst_1").instructions(TEXT).user_message(TEXT);
    create.header("x-tenant", API_KEY).query("secret", API_KEY).extra("text", TEXT).await.unwrap();
    drop(guard);
    let requests = recorder.requests();
    assert_eq!(
        requests,
        [[
            "gen_ai.agent.id: asst_1",
            "gen_ai.conversation.id: thread_abc123",
            "http.request.method: POST",
            "http.response.status_code: 200",
            "otel.kind: client",
            "otel.name: threads.runs.create",
            "runstep.run.id: run_abc123",
            "server.address: 127.0.0.1",
            "url.template: /threads/{thread_id}/runs",
        ]]
    );
    recorder.assert_nothing_secret();
}

#[tokio::test]
async fn span_has_server_port() {
    let server = ScriptedServer::start([ok()]).await;
    let client = server.client();
    let (recorder, guard) = SpanRecorder::install();
    client.runs("thread_1").retrieve("run_1").await.unwrap();
    drop(guard);
    let port = recorder.0.lock().unwrap().spans[0]["server.port"].clone();
    assert!(server.base_url().ends_with(&format!(":{port}/v1")), "{port}");
}

#[tokio::test]
async fn span_of_custom_request_has_method_and_path() {
    let server = ScriptedServer::start([error(500), ok()]).await;
    let (recorder, _guard) = SpanRecorder::install();
    let request = server.client().request(runstep::reqwest::Method::PUT, "/threads/thread_1/files");
    request.body(TEXT).header("x-key", API_KEY).await.unwrap();
    let expected = [
        "http.request.method: PUT",
        "http.request.resend_count: 1",
        "http.response.status_code: 200",
        "otel.kind: client",
        "otel.name: PUT",
        "server.address: 127.0.0.1",
        "url.path: /v1/threads/thread_1/files",
    ];
    assert_eq!(recorder.requests(), [expected]);
    recorder.assert_nothing_secret();
}

#[tokio::test]
async fn span_has_resend_count() {
    let server = ScriptedServer::start([error(500), error(429), ok()]).await;
    let client = server.client();
    let (recorder, guard) = SpanRecorder::install();
    client.runs("thread_1").retrieve("run_1").await.unwrap();
    drop(guard);
    let requests = recorder.requests();
    assert_eq!(
        requests,
        [[
            "gen_ai.conversation.id: thread_1",
            "http.request.method: GET",
            "http.request.resend_count: 2",
            "http.response.status_code: 200",
            "otel.kind: client",
            "otel.name: threads.runs.retrieve",
            "runstep.run.id: run_1",
            "server.address: 127.0.0.1",
            "url.template: /threads/{thread_id}/runs/{run_id}",
        ]]
    );
    let events = recorder.events();
    let retries: Vec<_> =
        events.iter().map(|event| (event["attempt"].as_str(), event["status"].as_str())).collect();
    assert_eq!(retries, [("1", "500"), ("2", "429")]);
    assert!(events.iter().all(|event| event.contains_key("delay_ms")), "{events:?}");
    recorder.assert_nothing_secret();
}

#[tokio::test]
async fn span_has_error_type() {
    for (behavior, status, kind) in [
        (error(400), Some("400"), "400"),
        (error(401), Some("401"), "401"),
        (Behavior::ok(format!(r#"{{"name": "{RESPONSE_TEXT}"}}"#)), Some("200"), "decode"),
        (Behavior::Reset, None, "connection"),
    ] {
        let server = ScriptedServer::start([behavior.clone()]).await;
        let client = server.builder().retry_policy(RetryPolicy::none()).build().unwrap();
        let (recorder, guard) = SpanRecorder::install();
        client.threads().create().user_message(TEXT).await.unwrap_err();
        drop(guard);
        let requests = recorder.requests();
        let line = |name: &str| {
            let value = requests[0].iter().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            value.map(str::to_owned)
        };
        assert_eq!(line("error.type").as_deref(), Some(kind), "{behavior:?}");
        assert_eq!(line("http.response.status_code").as_deref(), status, "{behavior:?}");
        assert_eq!(line("http.request.resend_count"), None, "{behavior:?}");
        assert_eq!(line("otel.status_code").as_deref(), Some("ERROR"), "{behavior:?}");
        assert_eq!(line("otel.name").as_deref(), Some("threads.create"));
        recorder.assert_nothing_secret();
    }
}

#[tokio::test]
async fn timeout_is_recorded_as_error_type() {
    let server = ScriptedServer::start([Behavior::Hang]).await;
    let client = server.builder().timeout(std::time::Duration::from_millis(30)).build().unwrap();
    let (recorder, guard) = SpanRecorder::install();
    client.threads().create().await.unwrap_err();
    drop(guard);
    assert!(recorder.requests()[0].contains(&"error.type: timeout".to_owned()));
}

/// Each operation has its own name and route, and no span contains a text.
#[tokio::test]
async fn every_operation_has_its_own_span_name() {
    let server =
        ScriptedServer::start([Behavior::ok(format!(r#"{{"text": "{RESPONSE_TEXT}"}}"#))]).await;
    let delay = std::time::Duration::from_millis(1);
    let client: Client = server
        .builder()
        .retry_policy(fast_retries().max_attempts(1))
        .poll_backoff(Backoff::new(delay, delay))
        .build()
        .unwrap();
    let (recorder, guard) = SpanRecorder::install();
    let (assistants, threads) = (client.assistants(), client.threads());
    let (messages, runs) = (client.messages("t"), client.runs("t"));
    let steps = runs.steps("r");
    // The response does not decode, which does not matter here.
    drop(assistants.create("m").instructions(TEXT).name(TEXT).await);
    drop(assistants.retrieve("a").await);
    drop(assistants.list().await);
    drop(assistants.update("a").description(TEXT).await);
    drop(assistants.delete("a").await);
    drop(threads.create().user_message(TEXT).await);
    drop(threads.create_and_run("a").user_message(TEXT).await);
    drop(threads.retrieve("t").await);
    drop(threads.update("t").metadata_entry("k", TEXT).await);
    drop(threads.delete("t").await);
    drop(messages.create(TEXT).await);
    drop(messages.list().await);
    drop(messages.retrieve("m").await);
    drop(messages.update("m").metadata_entry("k", TEXT).await);
    drop(messages.delete("m").await);
    drop(runs.create("a").additional_instructions(TEXT).await);
    drop(runs.list().items().try_next().await);
    drop(runs.poll("r").await);
    drop(runs.update("r").metadata_entry("k", TEXT).await);
    drop(runs.submit_tool_outputs("r").output("c", TEXT).await);
    drop(runs.cancel("r").await);
    drop(steps.list().await);
    drop(steps.retrieve("s").await);
    drop(runs.ensure_idle(IfActive::Wait).await);
    drop(guard);
    let document: serde_json::Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let mut named = BTreeMap::new();
    for request in recorder.requests() {
        let line = |name: &str| {
            let start = format!("{name}: ");
            request.iter().find_map(|line| line.strip_prefix(&start)).unwrap().to_owned()
        };
        let (route, method) = (line("url.template"), line("http.request.method").to_lowercase());
        assert!(document["paths"][&route][&method].is_object(), "{method} {route}");
        named.insert(line("otel.name"), format!("{method} {route}"));
    }
    let routes: std::collections::BTreeSet<&String> = named.values().collect();
    assert_eq!((named.len(), routes.len()), (23, 23), "{named:?}");
    recorder.assert_nothing_secret();
}

#[tokio::test]
async fn tool_call_span_contains_no_arguments_or_output() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Arguments {
        text: String,
    }
    let tools = Toolbox::new()
        .function("echo", |args: Arguments| async move { args.text })
        .function("refuse", |args: Arguments| async move { Err::<String, _>(args.text) });
    let (recorder, guard) = SpanRecorder::install();
    let arguments = serde_json::json!({"text": TEXT});
    let context = || ToolContext::new("thread_1", "run_1", "call_1");
    tools.call_with("echo", arguments.clone(), context()).await.unwrap();
    tools.call_with("refuse", arguments.clone(), context()).await.unwrap_err();
    tools.call("echo", arguments).await.unwrap();
    drop(guard);
    let span_of_run = |name: &str, error: Option<&str>| {
        let mut fields = vec![
            "gen_ai.conversation.id: thread_1".to_owned(),
            "gen_ai.operation.name: execute_tool".to_owned(),
            "gen_ai.tool.call.id: call_1".to_owned(),
            format!("gen_ai.tool.name: {name}"),
            "gen_ai.tool.type: function".to_owned(),
            format!("otel.name: execute_tool {name}"),
            "runstep.run.id: run_1".to_owned(),
        ];
        fields.extend(error.map(|kind| format!("error.type: {kind}")));
        fields.sort();
        fields
    };
    let spans = recorder.spans("runstep.tool_call");
    assert_eq!(spans[0], span_of_run("echo", None));
    assert_eq!(spans[1], span_of_run("refuse", Some("handler")));
    let without_run = [
        "gen_ai.operation.name: execute_tool",
        "gen_ai.tool.name: echo",
        "gen_ai.tool.type: function",
        "otel.name: execute_tool echo",
    ];
    assert_eq!(spans[2], without_run);
    recorder.assert_nothing_secret();
}

/// The span of one request to a server with this response.
async fn span_of<T>(
    body: serde_json::Value,
    request: impl AsyncFnOnce(Client) -> runstep::Result<T>,
) -> Vec<String> {
    let server = ScriptedServer::start([Behavior::ok(body)]).await;
    let client = server.client();
    let (recorder, guard) = SpanRecorder::install();
    let _ = request(client).await;
    drop(guard);
    recorder.requests().swap_remove(0)
}

#[tokio::test]
async fn span_has_ids_of_created_objects() {
    let with = |name: &str, field: &str, value: &str| {
        let mut object = example(name);
        object[field] = value.into();
        object
    };
    let run = with("Run", "thread_id", "thread_new");
    let span = span_of(run, async |client| client.threads().create_and_run("asst_1").await).await;
    assert!(span.contains(&"gen_ai.conversation.id: thread_new".to_owned()), "{span:?}");
    assert!(span.contains(&"runstep.run.id: run_abc123".to_owned()), "{span:?}");
    let thread = with("Thread", "id", "thread_new");
    let span = span_of(thread, async |client| client.threads().create().await).await;
    assert!(span.contains(&"gen_ai.conversation.id: thread_new".to_owned()), "{span:?}");
    let message = with("Message", "id", "msg_new");
    let span = span_of(message, async |client| client.messages("t").create("Hi").await).await;
    assert!(span.contains(&"runstep.message.id: msg_new".to_owned()), "{span:?}");
    let assistant = with("Assistant", "id", "asst_new");
    let span = span_of(assistant, async |client| client.assistants().create("m").await).await;
    assert!(span.contains(&"gen_ai.agent.id: asst_new".to_owned()), "{span:?}");
}

#[tokio::test]
async fn span_has_ids_of_requested_step_and_message() {
    let empty = serde_json::json!({});
    let span =
        span_of(empty.clone(), async |client| client.runs("t").steps("r").retrieve("step_1").await);
    assert!(span.await.contains(&"runstep.step.id: step_1".to_owned()));
    let retrieve = async |client: Client| client.messages("t").retrieve("msg_1").await;
    let span = span_of(empty, retrieve).await;
    assert!(span.contains(&"runstep.message.id: msg_1".to_owned()), "{span:?}");
}

/// A request that fails before it is sent has a span with an error.
#[tokio::test]
async fn unsent_request_has_span_with_error() {
    let server = ScriptedServer::start([ok()]).await;
    let tokens = || async { Err::<runstep::AccessToken, _>(std::io::Error::other(API_KEY)) };
    let client = server.builder().token_provider(tokens).build().unwrap();
    let (recorder, guard) = SpanRecorder::install();
    client.threads().create().await.unwrap_err();
    server.client().threads().create().header("a b", "c").await.unwrap_err();
    drop(guard);
    for (span, kind) in recorder.requests().iter().zip(["authentication", "invalid_request"]) {
        assert!(span.contains(&format!("error.type: {kind}")), "{span:?}");
        assert!(span.contains(&"otel.status_code: ERROR".to_owned()), "{span:?}");
    }
    recorder.assert_nothing_secret();
    assert_eq!(server.count(), 0);
}

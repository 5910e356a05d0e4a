//! What a trace shows of each request, and what it never shows.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)] // helpers of tests

mod support;

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};

use runstep::tools::{ToolContext, Toolbox};
use runstep::{Backoff, Client, IfActive, RetryPolicy};
use support::script::{Act, Script, quick};
use support::{KEY, example};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const TEXT: &str = "a text that nobody else may read";
const REPLY: &str = "a text that the server wrote";

/// Keeps all spans of the client, and all that was said by anybody.
#[derive(Clone, Default)]
struct Keeper(Arc<Mutex<Kept>>);

#[derive(Default)]
struct Kept {
    names: Vec<&'static str>,
    spans: Vec<BTreeMap<String, String>>,
    events: Vec<BTreeMap<String, String>>,
    all: String,
}

struct Fields<'a>(&'a mut BTreeMap<String, String>, &'a mut String);

impl Visit for Fields<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let value = format!("{value:?}");
        writeln!(self.1, "{field}: {value}").unwrap();
        self.0.insert(field.name().to_owned(), value.trim_matches('"').to_owned());
    }
}

impl Subscriber for Keeper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut kept = self.0.lock().unwrap();
        let kept = &mut *kept;
        let mut fields = BTreeMap::new();
        span.record(&mut Fields(&mut fields, &mut kept.all));
        kept.names.push(span.metadata().name());
        kept.spans.push(fields);
        Id::from_u64(kept.spans.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        let mut kept = self.0.lock().unwrap();
        let kept = &mut *kept;
        let number = usize::try_from(id.into_u64()).unwrap() - 1;
        values.record(&mut Fields(&mut kept.spans[number], &mut kept.all));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut kept = self.0.lock().unwrap();
        let kept = &mut *kept;
        let mut fields = BTreeMap::new();
        event.record(&mut Fields(&mut fields, &mut kept.all));
        if event.metadata().target().starts_with("runstep") {
            kept.events.push(fields);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Keeper {
    fn keep() -> (Self, tracing::subscriber::DefaultGuard) {
        let keeper = Self::default();
        let guard = tracing::subscriber::set_default(keeper.clone());
        (keeper, guard)
    }

    /// The spans of requests, as `name: value` lines but for the port.
    fn requests(&self) -> Vec<Vec<String>> {
        self.spans("runstep.request")
    }

    fn spans(&self, name: &str) -> Vec<Vec<String>> {
        let kept = self.0.lock().unwrap();
        let spans = kept.names.iter().zip(&kept.spans);
        let spans = spans.filter(|(one, _)| **one == name);
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
        for secret in [KEY, TEXT, REPLY, "Bearer"] {
            assert!(!all.contains(secret), "{secret}: {all}");
        }
        assert!(all.contains("runstep") || all.contains("threads"), "there is something: {all}");
    }
}

fn told() -> Act {
    let mut run = example("Run");
    run["instructions"] = REPLY.into();
    Act::ok(run)
}

fn refused(status: u16) -> Act {
    let body = format!(r#"{{"error": {{"message": "{REPLY}", "code": "some_code"}}}}"#);
    Act::Reply { status, headers: Vec::new(), body }
}

#[tokio::test]
async fn a_span_tells_what_was_asked_and_what_came() {
    let server = Script::of([told()]).await;
    let client = server.client();
    let (keeper, guard) = Keeper::keep();
    let create = client.runs("thread_1").create("asst_1").instructions(TEXT).user_message(TEXT);
    create.header("x-tenant", KEY).query("secret", KEY).extra("text", TEXT).await.unwrap();
    drop(guard);
    let requests = keeper.requests();
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
    keeper.assert_nothing_secret();
}

#[tokio::test]
async fn the_servers_port_is_told() {
    let server = Script::of([told()]).await;
    let client = server.client();
    let (keeper, guard) = Keeper::keep();
    client.runs("thread_1").retrieve("run_1").await.unwrap();
    drop(guard);
    let port = keeper.0.lock().unwrap().spans[0]["server.port"].clone();
    assert!(server.url().ends_with(&format!(":{port}/v1")), "{port}");
}

#[tokio::test]
async fn a_span_tells_how_often_it_was_sent_again() {
    let server = Script::of([refused(500), refused(429), told()]).await;
    let client = server.client();
    let (keeper, guard) = Keeper::keep();
    client.runs("thread_1").retrieve("run_1").await.unwrap();
    drop(guard);
    let requests = keeper.requests();
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
    let events = keeper.events();
    let told: Vec<_> =
        events.iter().map(|one| (one["attempt"].as_str(), one["status"].as_str())).collect();
    assert_eq!(told, [("1", "500"), ("2", "429")]);
    assert!(events.iter().all(|event| event.contains_key("pause_ms")), "{events:?}");
    keeper.assert_nothing_secret();
}

#[tokio::test]
async fn a_span_tells_why_it_failed() {
    for (act, status, kind) in [
        (refused(400), Some("400"), "400"),
        (refused(401), Some("401"), "401"),
        (Act::ok(format!(r#"{{"id": "{REPLY}"}}"#)), Some("200"), "decode"),
        (Act::Reset, None, "connection"),
    ] {
        let server = Script::of([act.clone()]).await;
        let client = server.builder().retry_policy(RetryPolicy::none()).build().unwrap();
        let (keeper, guard) = Keeper::keep();
        client.threads().create().user_message(TEXT).await.unwrap_err();
        drop(guard);
        let requests = keeper.requests();
        let line = |name: &str| {
            let found = requests[0].iter().find_map(|line| line.strip_prefix(&format!("{name}: ")));
            found.map(str::to_owned)
        };
        assert_eq!(line("error.type").as_deref(), Some(kind), "{act:?}");
        assert_eq!(line("http.response.status_code").as_deref(), status, "{act:?}");
        assert_eq!(line("http.request.resend_count"), None, "{act:?}");
        assert_eq!(line("otel.status_code").as_deref(), Some("ERROR"), "{act:?}");
        assert_eq!(line("otel.name").as_deref(), Some("threads.create"));
        keeper.assert_nothing_secret();
    }
}

#[tokio::test]
async fn a_timeout_is_told() {
    let server = Script::of([Act::Hang]).await;
    let client = server.builder().timeout(std::time::Duration::from_millis(30)).build().unwrap();
    let (keeper, guard) = Keeper::keep();
    client.threads().create().await.unwrap_err();
    drop(guard);
    assert!(keeper.requests()[0].contains(&"error.type: timeout".to_owned()));
}

/// Each operation has a name and a route of its own, and whatever is asked shows no text.
#[tokio::test]
async fn every_operation_has_its_name() {
    let server = Script::of([Act::ok(format!(r#"{{"text": "{REPLY}"}}"#))]).await;
    let moment = std::time::Duration::from_millis(1);
    let client: Client = server
        .builder()
        .retry_policy(quick().attempts(1))
        .poll_backoff(Backoff::new(moment, moment))
        .build()
        .unwrap();
    let (keeper, guard) = Keeper::keep();
    let (assistants, threads) = (client.assistants(), client.threads());
    let (messages, runs) = (client.messages("t"), client.runs("t"));
    let steps = runs.steps("r");
    // The reply fits none of them, which is no matter here.
    drop(assistants.create("m").instructions(TEXT).name(TEXT).await);
    drop(assistants.retrieve("a").await);
    drop(assistants.list().await);
    drop(assistants.update("a").description(TEXT).await);
    drop(assistants.delete("a").await);
    drop(threads.create().user_message(TEXT).await);
    drop(threads.create_and_run("a").user_message(TEXT).await);
    drop(threads.retrieve("t").await);
    drop(threads.update("t").metadata("k", TEXT).await);
    drop(threads.delete("t").await);
    drop(messages.create(TEXT).await);
    drop(messages.list().await);
    drop(messages.retrieve("m").await);
    drop(messages.update("m").metadata("k", TEXT).await);
    drop(messages.delete("m").await);
    drop(runs.create("a").additional_instructions(TEXT).await);
    drop(runs.list().items().try_next().await);
    drop(runs.poll("r").await);
    drop(runs.update("r").metadata("k", TEXT).await);
    drop(runs.submit_tool_outputs("r").output("c", TEXT).await);
    drop(runs.cancel("r").await);
    drop(steps.list().await);
    drop(steps.retrieve("s").await);
    drop(runs.ensure_idle(IfActive::Wait).await);
    drop(guard);
    let document: serde_json::Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let mut named = BTreeMap::new();
    for request in keeper.requests() {
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
    keeper.assert_nothing_secret();
}

#[tokio::test]
async fn a_tool_call_has_a_span_without_what_it_takes_and_gives() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Arguments {
        text: String,
    }
    let tools = Toolbox::new()
        .function("echo", |args: Arguments| async move { args.text })
        .function("refuse", |args: Arguments| async move { Err::<String, _>(args.text) });
    let (keeper, guard) = Keeper::keep();
    let arguments = serde_json::json!({"text": TEXT});
    let context = || ToolContext::new("thread_1", "run_1", "call_1");
    tools.call_with("echo", arguments.clone(), context()).await.unwrap();
    tools.call_with("refuse", arguments.clone(), context()).await.unwrap_err();
    tools.call("echo", arguments).await.unwrap();
    drop(guard);
    let of_run = |name: &str, error: Option<&str>| {
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
    let spans = keeper.spans("runstep.tool_call");
    assert_eq!(spans[0], of_run("echo", None));
    assert_eq!(spans[1], of_run("refuse", Some("handler")));
    let alone = [
        "gen_ai.operation.name: execute_tool",
        "gen_ai.tool.name: echo",
        "gen_ai.tool.type: function",
        "otel.name: execute_tool echo",
    ];
    assert_eq!(spans[2], alone);
    keeper.assert_nothing_secret();
}

/// The one span of a request, which is sent to a server that replies with this.
async fn span_of<T>(
    reply: serde_json::Value,
    request: impl AsyncFnOnce(Client) -> runstep::Result<T>,
) -> Vec<String> {
    let server = Script::of([Act::ok(reply)]).await;
    let client = server.client();
    let (keeper, guard) = Keeper::keep();
    let _ = request(client).await;
    drop(guard);
    keeper.requests().swap_remove(0)
}

#[tokio::test]
async fn a_span_tells_the_ids_of_what_was_made() {
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
async fn a_span_tells_which_step_or_message_was_asked_for() {
    let none = serde_json::json!({});
    let span =
        span_of(none.clone(), async |client| client.runs("t").steps("r").retrieve("step_1").await);
    assert!(span.await.contains(&"runstep.step.id: step_1".to_owned()));
    let asked = async |client: Client| client.messages("t").retrieve("msg_1").await;
    let span = span_of(none, asked).await;
    assert!(span.contains(&"runstep.message.id: msg_1".to_owned()), "{span:?}");
}

/// What never leaves the client has an error too.
#[tokio::test]
async fn a_request_that_cannot_be_sent_is_told() {
    let server = Script::of([told()]).await;
    let tokens = || async { Err::<runstep::Token, _>(std::io::Error::other(KEY)) };
    let client = server.builder().token_callback(tokens).build().unwrap();
    let (keeper, guard) = Keeper::keep();
    client.threads().create().await.unwrap_err();
    server.client().threads().create().header("a b", "c").await.unwrap_err();
    drop(guard);
    for (span, kind) in keeper.requests().iter().zip(["authentication", "invalid_request"]) {
        assert!(span.contains(&format!("error.type: {kind}")), "{span:?}");
        assert!(span.contains(&"otel.status_code: ERROR".to_owned()), "{span:?}");
    }
    keeper.assert_nothing_secret();
    assert_eq!(server.count(), 0);
}

//! Responses of compatible servers, which lack properties or have other kinds of values.

use futures_util::StreamExt as _;
use runstep::types::{
    FunctionTool, MessageContent, RunErrorCode, RunStatus, StepDetails, StreamEvent, Tool, ToolCall,
};
use runstep::{ErrorKind, Page};
use serde_json::{Value, json};

use crate::harness::{EVENT_STREAM, RecordingServer, http_response, json_response, sse_event};

/// A message of a server that sends no status.
fn message(id: &str, text: &str) -> Value {
    json!({
        "id": id, "object": "thread.message", "created_at": 1, "thread_id": "thread_1", "role": "user",
        "content": [{"type": "text", "text": {"value": text}}],
    })
}

/// A page whose second entry has no id.
fn page_with_invalid_entry() -> Value {
    let invalid = json!({"object": "thread.message", "created_at": "yesterday"});
    let mut last = message("msg_3", "");
    last["content"] = Value::Null;
    json!({"object": "list", "data": [message("msg_1", "first"), invalid, last]})
}

async fn retrieve(run: Value) -> runstep::types::Run {
    let server = RecordingServer::with_json(run).await;
    server.client().runs("thread_1").retrieve("run_1").await.unwrap()
}

#[tokio::test]
async fn message_needs_no_status() {
    let list = json!({"object": "list", "data": [message("msg_1", "a")], "has_more": false});
    let server = RecordingServer::with_json(list).await;
    let page = server.client().messages("thread_1").list().await.unwrap();
    assert_eq!((page.data.len(), page.invalid.len()), (1, 0));
    assert_eq!((&page.data[0].status, page.data[0].text().as_str()), (&None, "a"));
    let MessageContent::Text(text) = &page.data[0].content[0] else { panic!("{page:?}") };
    assert!(text.text.annotations.is_empty());
}

#[tokio::test]
async fn invalid_entry_does_not_lose_its_page() {
    let server = RecordingServer::with_json(page_with_invalid_entry()).await;
    let page: Page<_> = server.client().messages("thread_1").list().await.unwrap();
    let ids: Vec<&str> = page.data.iter().map(|message| message.id.as_str()).collect();
    assert_eq!(ids, ["msg_1", "msg_3"]);
    assert!(page.data[1].content.is_empty());
    assert!(!page.has_more && page.next_cursor().is_none());
    let [invalid] = page.invalid.as_slice() else { panic!("{page:?}") };
    assert_eq!((invalid.index, &invalid.json["created_at"]), (1, &json!("yesterday")));
    insta::assert_snapshot!(
        invalid.to_string(),
        @r#"entry 1 of the page cannot be decoded: at the top level: missing field `id`; found: {"object":"thread.message","created_at":"yesterday"}"#
    );
}

/// Entries that `serde_json::Value` cannot hold, valid or not.
#[tokio::test]
async fn entry_that_a_value_cannot_hold_does_not_lose_its_page() {
    let run =
        |more: &str| format!(r#"{{"id":"run_1","thread_id":"thread_1","status":"queued"{more}}}"#);
    let nested = format!(r#"{{"x":{}1{}}}"#, "[".repeat(200), "]".repeat(200));
    let odd = r#","instructions":"a\ud83d""#;
    let cases = [
        (run(""), r#"{"x":"\ud83d"}"#.to_owned()),
        (run(""), r#"{"x":1e400}"#.to_owned()),
        (run(""), nested),
        (run(odd), r#"{"x":1}"#.to_owned()),
    ];
    for (valid, invalid) in cases {
        for (mark, other) in [("", ""), ("\u{feff}", ""), ("", r#""\ud83d":1,"#)] {
            let body =
                format!(r#"{mark}{{{other}"data":[{valid},{invalid},{valid}],"has_more":false}}"#);
            let headers = &[("content-type", "application/json")];
            let server = RecordingServer::with_response(200, headers, body.clone()).await;
            let runs = server.client().runs("thread_1");
            let page = runs.list().await.unwrap();
            assert_eq!((page.data.len(), page.invalid.len()), (2, 1), "{body}");
            let items: Vec<_> = runs.list().items().collect().await;
            let error = items[1].as_ref().unwrap_err();
            assert!(invalid.starts_with(error.body().unwrap().trim_end_matches('…')), "{error:?}");
            assert_eq!(items.len(), 3, "{body}");
        }
    }
}

#[tokio::test]
async fn invalid_item_is_an_error_in_its_place() {
    let server = RecordingServer::with_json(page_with_invalid_entry()).await;
    let items = server.client().messages("thread_1").list().items();
    let items: Vec<_> = items.collect().await;
    let ids: Vec<_> = items.iter().map(|item| item.as_ref().ok().map(|item| &*item.id)).collect();
    assert_eq!(ids, [Some("msg_1"), None, Some("msg_3")]);
    let error = items[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    assert!(error.body().unwrap().contains("yesterday"), "{error:?}");
}

/// The cursor is `last_id`, or the id of the last entry if that has one.
#[tokio::test]
async fn list_continues_after_an_invalid_last_entry() {
    for (last_id, id, cursor) in [
        (json!("msg_9"), Value::Null, "msg_9"),
        (Value::Null, json!("msg_8"), "msg_8"),
        (Value::Null, json!({"id": 1}), "msg_1"),
    ] {
        let server = RecordingServer::start(move |number| {
            // A message whose id is an object decodes; one whose id is null does not.
            let invalid = match &id {
                Value::String(id) => json!({"id": id, "thread_id": {"a": 1}, "content": 7}),
                _ => json!({"id": null}),
            };
            let first = json!({
                "data": [message("msg_1", "a"), invalid], "has_more": true, "last_id": last_id,
            });
            json_response(if number == 0 { &first } else { &Value::Null })
        })
        .await;
        let mut pages = server.client().messages("thread_1").list().pages();
        let page = pages.try_next().await.unwrap().unwrap();
        assert_eq!(page.next_cursor(), Some(cursor));
    }
}

#[tokio::test]
async fn outputs_of_the_code_interpreter_may_be_null() {
    let step = json!({
        "id": "step_1", "run_id": "run_1", "thread_id": "thread_1", "status": "in_progress",
        "step_details": {"type": "tool_calls", "tool_calls": [
            {"id": "call_1", "type": "code_interpreter", "code_interpreter": {"input": "1+1", "outputs": null}},
            {"id": "call_2", "type": "code_interpreter"},
            {"id": "call_3", "type": "file_search"},
        ]},
    });
    let server = RecordingServer::with_json(json!({"data": [step]})).await;
    let page = server.client().runs("thread_1").steps("run_1").list().await.unwrap();
    let StepDetails::ToolCalls(details) = &page.data[0].step_details else { panic!("{page:?}") };
    let [
        ToolCall::CodeInterpreter(first),
        ToolCall::CodeInterpreter(second),
        ToolCall::FileSearch(_),
    ] = details.tool_calls.as_slice()
    else {
        panic!("{page:?}");
    };
    assert!(first.code_interpreter.outputs.is_empty());
    assert_eq!(second.code_interpreter.input, "");
}

#[tokio::test]
async fn failed_run_needs_no_error_code_and_no_counts() {
    let run = retrieve(json!({
        "id": "run_1", "thread_id": "thread_1", "status": "failed",
        "last_error": {"code": null, "message": "The upstream is gone."},
        "usage": {"prompt_tokens": null, "completion_tokens": "12", "total_tokens": 12.0},
    }))
    .await;
    assert_eq!(run.status, RunStatus::Failed);
    let error = run.last_error.unwrap();
    assert_eq!((error.code, &*error.message), (None::<RunErrorCode>, "The upstream is gone."));
    let usage = run.usage.unwrap();
    let counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens);
    assert_eq!(counts, (None, Some(12), Some(12)));
}

#[tokio::test]
async fn arguments_may_be_an_object() {
    let run = retrieve(json!({
        "id": "run_1", "thread_id": "thread_1", "status": "requires_action",
        "required_action": {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": {"city": "Paris"}}},
        ]}},
    }))
    .await;
    assert_eq!(run.function_calls()[0].function.arguments, r#"{"city":"Paris"}"#);
}

#[tokio::test]
async fn unknown_properties_are_kept_and_written_back() {
    let sent = json!({
        "id": "run_1", "thread_id": "thread_1", "status": "completed",
        "tools": [{"type": "function", "function": {"name": "f"}, "defer_loading": true}],
        "usage": {"total_tokens": 12, "prompt_token_details": {"cached_tokens": 7}},
        "x_vendor_cost": 0.0012,
    });
    let run = retrieve(sent.clone()).await;
    assert_eq!(run.other()["x_vendor_cost"], 0.0012);
    let details = &run.usage.as_ref().unwrap().other()["prompt_token_details"];
    assert_eq!(details["cached_tokens"], 7);
    let written = serde_json::to_value(&run).unwrap();
    for name in ["tools", "usage", "x_vendor_cost"] {
        assert_eq!(written[name], sent[name], "{name}");
    }
}

/// Tools are read from an assistant, changed and sent back.
#[tokio::test]
async fn changed_tools_keep_their_unknown_properties() {
    let tools = json!([
        {"type": "function", "function": {"name": "f", "x": 1}, "defer_loading": true},
        {"type": "code_interpreter", "container": "auto"},
        {"type": "mcp", "server": "s"},
    ]);
    let server = RecordingServer::with_json(json!({"id": "asst_1", "tools": tools.clone()})).await;
    let assistants = server.client().assistants();
    let mut read = assistants.retrieve("asst_1").await.unwrap().tools;
    if let Tool::Function(FunctionTool { function, .. }) = &mut read[0] {
        function.description = Some("Changed.".to_owned());
    }
    assistants.update("asst_1").tools(read).await.unwrap();
    let sent: Value = serde_json::from_slice(&server.requests()[1].body).unwrap();
    let mut expected = tools;
    expected[0]["function"]["description"] = "Changed.".into();
    assert_eq!(sent["tools"], expected);
}

fn delta(content: Value) -> String {
    sse_event("thread.message.delta", &json!({"id": "msg_1", "delta": {"content": content}}))
}

async fn server_with_events(events: &[String]) -> RecordingServer {
    let run = |status: &str| json!({"id": "run_1", "thread_id": "thread_1", "status": status});
    let mut created = message("msg_1", "");
    created["content"] = json!([]);
    let events = [
        &[
            sse_event("thread.run.created", &run("queued")),
            sse_event("thread.message.created", &created),
        ],
        events,
        &[
            sse_event("thread.run.completed", &run("completed")),
            "event: done\ndata: [DONE]\n\n".to_owned(),
        ],
    ]
    .concat()
    .concat();
    RecordingServer::start(move |_| http_response(200, EVENT_STREAM, events.clone())).await
}

/// Parts without an index are in the place that they have in the delta.
#[tokio::test]
async fn delta_needs_no_index() {
    let text = |text: &str| json!({"type": "text", "text": {"value": text}});
    let events = [delta(json!([text("no ")])), delta(json!([text("index"), text("second")]))];
    let server = server_with_events(&events).await;
    let mut stream = server.client().runs("thread_1").create("asst_1").stream().await.unwrap();
    while stream.try_next().await.unwrap().is_some() {}
    let message = &stream.messages()[0];
    let texts: Vec<&str> = message
        .content
        .iter()
        .map(|part| match part {
            MessageContent::Text(part) => part.text.value.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(texts, ["no index", "second"]);
}

/// The event names the status that the message lacks.
#[tokio::test]
async fn completed_message_needs_no_status() {
    let completed = sse_event("thread.message.completed", &message("msg_1", "done"));
    let server = server_with_events(&[completed]).await;
    let mut stream = server.client().runs("thread_1").create("asst_1").stream().await.unwrap();
    while let Some(event) = stream.try_next().await.unwrap() {
        if let StreamEvent::MessageCompleted(message) = event {
            assert_eq!(message.status, None);
        }
    }
    assert_eq!(stream.messages()[0].status.as_ref().unwrap(), &"completed");
}

#[tokio::test]
async fn text_deltas_continue_after_an_invalid_event() {
    let text = |text: &str| json!([{"index": 0, "type": "text", "text": {"value": text}}]);
    let invalid = sse_event("thread.message.delta", &json!({"id": null, "delta": {}}));
    let server = server_with_events(&[delta(text("a")), invalid, delta(text("b"))]).await;
    let mut stream = server.client().runs("thread_1").create("asst_1").stream().await.unwrap();
    let items: Vec<_> = stream.text_deltas().collect().await;
    let texts: Vec<_> = items.iter().map(|item| item.as_deref().ok()).collect();
    assert_eq!(texts, [Some("a"), None, Some("b")]);
}

/// Only `serde_json` knows the text with which a long number is exact.
#[test]
fn other_serializers_get_values() {
    let run = br#"{"id":"run_1","thread_id":"thread_1","status":"queued",
        "trace_id":"1234567890123456","ts":1700000000.1234567}"#;
    let run: runstep::types::Run = serde_json::from_slice(run).unwrap();
    let yaml = serde_yaml_ng::to_string(&run).unwrap();
    let value: Value = serde_yaml_ng::from_str(&yaml).unwrap();
    assert_eq!(value["trace_id"], "1234567890123456");
    assert_eq!(value["ts"], json!(1_700_000_000.123_456_7));
}

#[tokio::test]
async fn error_after_a_byte_order_mark_is_an_api_error() {
    let headers = &[("content-type", "application/json")];
    let body = "\u{feff}{\"error\":{\"message\":\"No such run.\",\"code\":\"not_found\"}}";
    let server = RecordingServer::with_response(404, headers, body).await;
    let error = server.client().runs("thread_1").retrieve("run_1").await.unwrap_err();
    assert_eq!((error.code(), error.status()), (Some("not_found"), Some(404)));
}

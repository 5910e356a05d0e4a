//! Responses of a provider with built-in tools. Each event is checked against the table.

use std::collections::HashMap;

use runstep_server::Server;
use runstep_server::model::{Responses, UpstreamBuilder};
use serde_json::{Value, json};

use super::event_table;
use crate::harness::upstream::{MockResponse, Upstream};
use crate::harness::{Event, Fixture, TestClient};

/// A response as a sequence of events.
#[derive(Clone, Default)]
pub(super) struct Events {
    events: Vec<Value>,
    output: Vec<Value>,
}

impl Events {
    pub(super) fn new() -> Self {
        let response = json!({"object": "response", "status": "in_progress", "output": []});
        let created = json!({"type": "response.created", "response": response});
        let in_progress = json!({"type": "response.in_progress", "response": response});
        Self::default().event(created).event(in_progress)
    }

    /// Adds an event with its number.
    pub(super) fn event(mut self, mut event: Value) -> Self {
        event["sequence_number"] = self.events.len().into();
        event_table::check(&event);
        self.events.push(event);
        self
    }

    /// Adds an event of the current item.
    pub(super) fn part(self, name: &str, mut fields: Value) -> Self {
        let index = self.output.len();
        fields["type"] = format!("response.{name}").into();
        fields["output_index"] = index.into();
        fields["item_id"] = format!("item_{index}").into();
        self.event(fields)
    }

    fn added(self, item: Value) -> Self {
        let index = self.output.len();
        let kind = "response.output_item.added";
        self.event(json!({"type": kind, "output_index": index, "item": item}))
    }

    /// Adds the end of an item.
    pub(super) fn done(self, item: Value) -> Self {
        let index = self.output.len();
        let kind = "response.output_item.done";
        let mut events = self.event(json!({"type": kind, "output_index": index, "item": item}));
        events.output.push(item);
        events
    }

    /// Starts a message. Its parts and `end_message` follow.
    pub(super) fn message(self) -> Self {
        let id = format!("item_{}", self.output.len());
        let item = json!({"type": "message", "id": id, "role": "assistant",
            "status": "in_progress", "content": []});
        let part = json!({"type": "output_text", "text": "", "annotations": [], "logprobs": []});
        self.added(item).part("content_part.added", json!({"content_index": 0, "part": part}))
    }

    pub(super) fn delta(self, text: &str) -> Self {
        self.part("output_text.delta", json!({"content_index": 0, "delta": text, "logprobs": []}))
    }

    pub(super) fn annotation(self, index: u64, annotation: Value) -> Self {
        let fields =
            json!({"content_index": 0, "annotation_index": index, "annotation": annotation});
        self.part("output_text.annotation.added", fields)
    }

    pub(super) fn end_message(self, text: &str, annotations: Value) -> Self {
        let id = format!("item_{}", self.output.len());
        let part = json!({"type": "output_text", "text": text, "annotations": annotations, "logprobs": []});
        let item = json!({"type": "message", "id": id, "role": "assistant", "status": "completed",
            "content": [part]});
        self.part("output_text.done", json!({"content_index": 0, "text": text, "logprobs": []}))
            .part("content_part.done", json!({"content_index": 0, "part": part}))
            .done(item)
    }

    /// Adds a message of one part.
    pub(super) fn text(self, text: &str) -> Self {
        self.message().delta(text).end_message(text, json!([]))
    }

    /// Adds a refusal.
    pub(super) fn refusal(self, text: &str) -> Self {
        let item = |status: &str, content: Value| {
            json!({"type": "message", "id": "msg_1",
            "role": "assistant", "status": status, "content": content})
        };
        self.added(item("in_progress", json!([])))
            .part("refusal.delta", json!({"content_index": 0, "delta": text}))
            .part("refusal.done", json!({"content_index": 0, "refusal": text}))
            .done(item("completed", json!([{"type": "refusal", "refusal": text}])))
    }

    /// Adds reasoning with encrypted content.
    pub(super) fn reasoning(self, encrypted: &str) -> Self {
        let id = format!("rs_{}", self.output.len());
        let item = json!({"type": "reasoning", "id": id, "summary": [],
            "encrypted_content": encrypted});
        self.added(json!({"type": "reasoning", "id": id, "summary": []})).done(item)
    }

    /// Adds a function call.
    pub(super) fn function(self, name: &str, arguments: &str) -> Self {
        let item = |arguments: &str| {
            json!({"type": "function_call", "id": "fc_1",
            "call_id": "call_of_provider", "name": name, "arguments": arguments})
        };
        let (first, second) = arguments.split_at(arguments.len() / 2);
        self.added(item(""))
            .part("function_call_arguments.delta", json!({"delta": first}))
            .part("function_call_arguments.delta", json!({"delta": second}))
            .part("function_call_arguments.done", json!({"name": name, "arguments": arguments}))
            .done(item(arguments))
    }

    /// Adds a call of the code interpreter with these outputs.
    pub(super) fn code(self, code: &str, outputs: Value) -> Self {
        let item = |status: &str, code: &str, outputs: Value| {
            json!({
            "type": "code_interpreter_call", "id": "ci_1", "status": status,
            "container_id": "cntr_1", "code": code, "outputs": outputs})
        };
        let (first, second) = code.split_at(code.len() / 2);
        self.added(item("in_progress", "", Value::Null))
            .part("code_interpreter_call.in_progress", json!({}))
            .part("code_interpreter_call_code.delta", json!({"delta": first}))
            .part("code_interpreter_call_code.delta", json!({"delta": second}))
            .part("code_interpreter_call_code.done", json!({"code": code}))
            .part("code_interpreter_call.interpreting", json!({}))
            .part("code_interpreter_call.completed", json!({}))
            .done(item("completed", code, outputs))
    }

    /// Adds a file search with these results.
    pub(super) fn search(self, query: &str, results: Value) -> Self {
        let item = |status: &str, results: Value| {
            json!({"type": "file_search_call",
            "id": "fs_1", "status": status, "queries": [query], "results": results})
        };
        self.added(item("in_progress", Value::Null))
            .part("file_search_call.in_progress", json!({}))
            .part("file_search_call.searching", json!({}))
            .part("file_search_call.completed", json!({}))
            .done(item("completed", results))
    }

    /// The complete response that the last event has.
    pub(super) fn whole(&self, status: &str) -> Value {
        let usage = json!({"input_tokens": 20, "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 8, "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 28});
        json!({"id": "resp_1", "object": "response", "status": status, "output": self.output,
            "usage": usage, "error": null, "incomplete_details": null})
    }

    pub(super) fn complete(self) -> MockResponse {
        let response = self.whole("completed");
        self.event(json!({"type": "response.completed", "response": response})).response()
    }

    /// Ends the response early for a reason.
    pub(super) fn incomplete(self, reason: &str) -> MockResponse {
        let mut response = self.whole("incomplete");
        response["incomplete_details"] = json!({"reason": reason});
        self.event(json!({"type": "response.incomplete", "response": response})).response()
    }

    /// Ends the response with an error.
    pub(super) fn failed(self, code: &str, message: &str) -> MockResponse {
        let mut response = self.whole("failed");
        response["error"] = json!({"code": code, "message": message});
        self.event(json!({"type": "response.failed", "response": response})).response()
    }

    /// A stream of the events so far, which then ends.
    pub(super) fn response(self) -> MockResponse {
        self.open().end()
    }

    /// A stream of the events so far, which stays open.
    pub(super) fn open(self) -> MockResponse {
        self.events.into_iter().fold(MockResponse::stream(), |stream, event| {
            stream.text(&format!("event: {}\ndata: {event}\n\n", event["type"].as_str().unwrap()))
        })
    }
}

/// A builder of a model that uses this provider and retries without delay.
pub(super) fn builder(upstream: &Upstream) -> UpstreamBuilder<Responses> {
    let zero = std::time::Duration::ZERO;
    Responses::builder(upstream.url()).backoff(zero, zero).api_key("provider-key")
}

/// An assistant with these fields, and a thread, on a server whose model uses this provider without
/// retries.
pub(super) async fn fixture(upstream: &Upstream, assistant: Value) -> Fixture {
    let model = builder(upstream).max_retries(0).build().unwrap();
    let client = TestClient::from_builder(Server::builder().model(model));
    let assistant = client.create_assistant(assistant).await;
    let thread = client.create_thread("Hello there").await;
    Fixture { client, assistant, thread }
}

/// Tools with both built-in ones.
pub(super) fn built_in_tools() -> Value {
    json!({
        "tools": [{"type": "code_interpreter"}, {"type": "file_search"}],
        "tool_resources": {
            "code_interpreter": {"file_ids": ["file-data"]},
            "file_search": {"vector_store_ids": ["vs_manuals"]},
        },
    })
}

/// The data of the events with this name.
pub(super) fn data_of<'a>(events: &'a [Event], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event.name == name).map(|event| &event.data).collect()
}

/// The events with their data, without times. Ids are numbered.
pub(super) fn readable(events: &[Event]) -> Value {
    let mut ids = HashMap::new();
    let events = events.iter().map(|event| {
        let mut data = event.data.clone();
        normalize("", &mut data, &mut ids);
        // Only what a run adds is of interest.
        if event.name.starts_with("thread.run.") && !event.name.contains("step") {
            data = data["status"].clone();
        }
        json!({event.name.as_str(): data})
    });
    events.collect()
}

/// A value without times. Ids are numbered.
pub(super) fn normalized(mut value: Value) -> Value {
    normalize("", &mut value, &mut HashMap::new());
    value
}

fn normalize(name: &str, value: &mut Value, ids: &mut HashMap<String, String>) {
    const KINDS: [&str; 6] = ["asst", "thread", "run", "step", "msg", "call"];
    match value {
        _ if name.ends_with("_at") && value.is_i64() => *value = "[time]".into(),
        Value::String(id) => {
            let kind = id.split_once('_').map(|(kind, _)| kind.to_owned());
            if let Some(kind) = kind.filter(|kind| id.len() > 20 && KINDS.contains(&&**kind)) {
                let count = ids.len();
                let number = ids.entry(id.clone()).or_insert_with(|| format!("[{kind} {count}]"));
                *id = number.clone();
            }
        }
        Value::Object(members) => {
            members.iter_mut().for_each(|(name, member)| normalize(name, member, ids));
            members.sort_keys();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| normalize("", item, ids)),
        _ => {}
    }
}

/// Compares a value with its snapshot, which both test binaries share.
pub(super) fn assert_snapshot(name: &str, value: &Value) {
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_json_snapshot!(name, value);
    });
}

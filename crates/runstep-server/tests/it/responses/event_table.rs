//! The events that a provider may send, with the fields that its API requires of them.

use serde_json::Value;

/// The fields of all events of an item.
const ITEM: [&str; 2] = ["item_id", "output_index"];

/// Each event, whether it belongs to an item, and its further required fields.
const EVENTS: [(&str, bool, &[&str]); 29] = [
    ("response.created", false, &["response"]),
    ("response.queued", false, &["response"]),
    ("response.in_progress", false, &["response"]),
    ("response.completed", false, &["response"]),
    ("response.incomplete", false, &["response"]),
    ("response.failed", false, &["response"]),
    ("error", false, &["code", "message", "param"]),
    ("response.output_item.added", false, &["output_index", "item"]),
    ("response.output_item.done", false, &["output_index", "item"]),
    ("response.content_part.added", true, &["content_index", "part"]),
    ("response.content_part.done", true, &["content_index", "part"]),
    ("response.output_text.delta", true, &["content_index", "delta", "logprobs"]),
    ("response.output_text.done", true, &["content_index", "text", "logprobs"]),
    (
        "response.output_text.annotation.added",
        true,
        &["content_index", "annotation_index", "annotation"],
    ),
    ("response.refusal.delta", true, &["content_index", "delta"]),
    ("response.refusal.done", true, &["content_index", "refusal"]),
    ("response.function_call_arguments.delta", true, &["delta"]),
    ("response.function_call_arguments.done", true, &["name", "arguments"]),
    ("response.code_interpreter_call.in_progress", true, &[]),
    ("response.code_interpreter_call_code.delta", true, &["delta"]),
    ("response.code_interpreter_call_code.done", true, &["code"]),
    ("response.code_interpreter_call.interpreting", true, &[]),
    ("response.code_interpreter_call.completed", true, &[]),
    ("response.file_search_call.in_progress", true, &[]),
    ("response.file_search_call.searching", true, &[]),
    ("response.file_search_call.completed", true, &[]),
    ("response.reasoning_summary_text.delta", true, &["summary_index", "delta"]),
    ("response.reasoning_text.delta", true, &["content_index", "delta"]),
    ("response.web_search_call.searching", true, &[]),
];

/// The kinds of items, with their required fields.
const ITEMS: [(&str, &[&str]); 6] = [
    ("message", &["id", "role", "content", "status"]),
    ("function_call", &["call_id", "name", "arguments"]),
    ("code_interpreter_call", &["id", "status", "container_id", "code", "outputs"]),
    ("file_search_call", &["id", "status", "queries"]),
    ("reasoning", &["id", "summary"]),
    ("web_search_call", &["id", "status", "action"]),
];

/// The kinds of annotations, with their required fields.
const ANNOTATIONS: [(&str, &[&str]); 4] = [
    ("file_citation", &["file_id", "index", "filename"]),
    (
        "container_file_citation",
        &["container_id", "file_id", "start_index", "end_index", "filename"],
    ),
    ("url_citation", &["url", "start_index", "end_index", "title"]),
    ("file_path", &["file_id", "index"]),
];

/// Checks that a provider may send this event.
pub(super) fn check(event: &Value) {
    let name = event["type"].as_str().unwrap();
    let listed = EVENTS.iter().find(|(listed, ..)| *listed == name);
    let (_, is_part, fields) = listed.unwrap_or_else(|| panic!("{name} is not an event"));
    let item_fields = ITEM.iter().filter(|_| *is_part);
    for field in item_fields.chain(*fields).chain(&["sequence_number"]) {
        assert!(event.get(field).is_some(), "{name} has no {field}: {event}");
    }
    if let Some(item) = event.get("item") {
        check_kind(&ITEMS, item);
    }
    if let Some(annotation) = event.get("annotation") {
        check_kind(&ANNOTATIONS, annotation);
    }
}

fn check_kind(kinds: &[(&str, &[&str])], value: &Value) {
    let listed = kinds.iter().find(|(kind, _)| value["type"] == *kind);
    let (kind, fields) = listed.unwrap_or_else(|| panic!("unknown kind: {value}"));
    for field in *fields {
        assert!(value.get(field).is_some(), "{kind} has no {field}: {value}");
    }
}

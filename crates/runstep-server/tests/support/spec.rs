//! What the specification says of replies and events.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::StatusCode;
use jsonschema::Validator;
use serde_json::{Value, json};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(runstep_api::OPENAPI).unwrap());
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

fn validator(component: &str) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap();
    let made = validators.entry(component.to_owned()).or_insert_with(|| {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": format!("#/components/schemas/{component}"),
            "components": DOCUMENT["components"],
        });
        Arc::new(jsonschema::draft202012::new(&schema).unwrap())
    });
    Arc::clone(made)
}

/// Why a value does not fit a component of the specification; nothing if it does.
pub(crate) fn misfits(component: &str, value: &Value) -> Vec<String> {
    let validator = validator(component);
    let told =
        |error: jsonschema::ValidationError<'_>| format!("{}: {error}", error.instance_path());
    validator.iter_errors(value).map(told).collect()
}

#[track_caller]
pub(crate) fn check(what: &str, component: &str, value: &Value) {
    let misfits = misfits(component, value);
    assert!(misfits.is_empty(), "{what} is no {component}: {misfits:#?}\n{value:#}");
}

/// Which component a reply must be.
fn component(status: StatusCode, body: &Value) -> &'static str {
    let kind = |body: &Value| match body["object"].as_str() {
        Some("assistant") => "Assistant",
        Some("assistant.deleted") => "DeletedAssistant",
        Some("thread") => "Thread",
        Some("thread.deleted") => "DeletedThread",
        Some("thread.message") => "Message",
        Some("thread.message.deleted") => "DeletedMessage",
        Some("thread.run") => "Run",
        Some("thread.run.step") => "RunStep",
        other => panic!("unknown object {other:?}: {body}"),
    };
    if !status.is_success() {
        return "ErrorResponse";
    }
    match (body["object"].as_str(), body["data"].get(0)) {
        (Some("list"), None) => "RunList",
        (Some("list"), Some(first)) => match kind(first) {
            "Assistant" => "AssistantList",
            "Message" => "MessageList",
            "Run" => "RunList",
            "RunStep" => "RunStepList",
            other => panic!("there are no lists of {other}"),
        },
        _ => kind(body),
    }
}

#[track_caller]
pub(crate) fn check_reply(what: &str, status: StatusCode, body: &Value) {
    check(what, component(status, body), body);
    if !status.is_success() {
        let message = body["error"]["message"].as_str();
        assert!(message.is_some_and(|message| !message.is_empty()), "{what}: {body}");
    }
}

#[track_caller]
pub(crate) fn check_event(name: &str, data: &Value) {
    check(name, "StreamEvent", &json!({"event": name, "data": data}));
}

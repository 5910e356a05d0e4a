//! Validates responses and events against the OpenAPI document.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::{Method, StatusCode};
use jsonschema::Validator;
use runstep_server::Operation;
use serde_json::{Value, json};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(runstep_api::OPENAPI).unwrap());
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

fn validator(component: &str) -> Arc<Validator> {
    let mut validators = VALIDATORS.lock().unwrap();
    let validator = validators.entry(component.to_owned()).or_insert_with(|| {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": format!("#/components/schemas/{component}"),
            "components": DOCUMENT["components"],
        });
        Arc::new(jsonschema::draft202012::new(&schema).unwrap())
    });
    Arc::clone(validator)
}

/// Validates a value against a component schema; returns the errors.
pub(crate) fn schema_errors(component: &str, value: &Value) -> Vec<String> {
    let validator = validator(component);
    let errors = validator.iter_errors(value);
    errors.map(|error| format!("{}: {error}", error.instance_path())).collect()
}

#[track_caller]
fn assert_valid(source: &str, component: &str, value: &Value) {
    let errors = schema_errors(component, value);
    assert!(errors.is_empty(), "{source} is not a valid {component}: {errors:#?}\n{value:#}");
}

/// Finds the operation at a path, with or without a prefix.
fn operation(method: &Method, path: &str) -> Option<Operation> {
    let path = path.split('?').next().unwrap_or_default();
    let prefixes = ["/openai/deployments/gpt-4o", "/openai/v1", "/openai", "/v1"];
    let path = path.strip_prefix("/api/projects/some%20project").unwrap_or(path);
    let path = prefixes.iter().find_map(|prefix| path.strip_prefix(prefix)).unwrap_or(path);
    let matches = |template: &str| {
        let (template, path) = (template.split('/'), path.split('/'));
        template.clone().count() == path.clone().count()
            && template.zip(path).all(|(part, value)| part.starts_with('{') || part == value)
    };
    let operations = Operation::ALL.iter().copied();
    let found = operations.filter(|operation| {
        let (operation_method, template) = (operation.method(), operation.path());
        operation_method == *method && matches(template)
    });
    // Literal segments take precedence over parameters.
    found.min_by_key(|operation| operation.path().matches('{').count())
}

/// The response object of an operation and a status.
fn response(operation: Operation, status: StatusCode) -> &'static Value {
    let (method, path) = (operation.method(), operation.path());
    let method = method.as_str().to_lowercase();
    let responses = &DOCUMENT["paths"][path][method]["responses"];
    let exact = status.as_str();
    let range = format!("{}XX", &exact[..1]);
    let found = [exact, &range].into_iter().find_map(|status| responses.get(status));
    let response = found.unwrap_or_else(|| panic!("{operation} does not declare status {status}"));
    match response["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => response,
    }
}

/// The name of the component schema of a response with this media type.
fn component(operation: Operation, status: StatusCode, media_type: &str) -> &'static str {
    let reference = &response(operation, status)["content"][media_type]["schema"]["$ref"];
    let reference =
        reference.as_str().unwrap_or_else(|| panic!("{operation} does not declare {media_type}"));
    reference.rsplit('/').next().unwrap()
}

/// Validates a JSON response against the schema of its operation, which is returned.
#[track_caller]
pub(crate) fn check_response(
    method: &Method,
    path: &str,
    status: StatusCode,
    body: &Value,
) -> Option<Operation> {
    let source = format!("{method} {path}");
    let operation = operation(method, path);
    let component = operation
        .map_or("ErrorResponse", |operation| component(operation, status, "application/json"));
    assert_valid(&source, component, body);
    if !status.is_success() {
        let message = body["error"]["message"].as_str();
        assert!(message.is_some_and(|message| !message.is_empty()), "{source}: {body}");
    }
    operation
}

/// Checks that the specification lets the operation return an event stream.
#[track_caller]
pub(crate) fn check_stream(method: &Method, path: &str) {
    let operation = operation(method, path).unwrap();
    assert_eq!(component(operation, StatusCode::OK, "text/event-stream"), "StreamEvent");
}

/// Validates an event. Like clients, accepts an error both bare and as `{"error": …}`.
#[track_caller]
pub(crate) fn check_event(name: &str, data: &Value) {
    let data = if name == "error" { data.get(name).unwrap_or(data) } else { data };
    assert_valid(name, "StreamEvent", &json!({"event": name, "data": data}));
}

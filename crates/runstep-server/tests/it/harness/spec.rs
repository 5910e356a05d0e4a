//! What the specification says of replies and events.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, Mutex};

use axum::http::{Method, StatusCode};
use jsonschema::Validator;
use runstep_server::Operation;
use serde_json::{Value, json};

static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(runstep_api::OPENAPI).unwrap());
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
/// The operations whose replies were checked, and the statuses of these.
pub(crate) static SEEN: LazyLock<Mutex<BTreeSet<(&'static str, u16)>>> =
    LazyLock::new(Mutex::default);

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

/// The operation at a path, whether or not the path has the version in front.
pub(crate) fn operation(method: &Method, path: &str) -> Option<Operation> {
    let path = path.split('?').next().unwrap_or_default();
    let path = path.strip_prefix("/v1").unwrap_or(path);
    let fits = |place: &str| {
        let (one, other) = (place.split('/'), path.split('/'));
        one.clone().count() == other.clone().count()
            && one.zip(other).all(|(one, other)| one.starts_with('{') || one == other)
    };
    // What is written out goes before what is an id.
    let found = Operation::ALL.iter().filter(|operation| operation.place().0 == *method);
    found
        .copied()
        .filter(|operation| fits(operation.place().1))
        .min_by_key(|operation| operation.place().1.matches('{').count())
}

/// What the specification says of the reply to an operation.
fn response(operation: Operation, status: StatusCode) -> &'static Value {
    let (method, path) = operation.place();
    let method = method.as_str().to_lowercase();
    let responses = &DOCUMENT["paths"][path][method]["responses"];
    let exact = status.as_str();
    let kind = format!("{}XX", &exact[..1]);
    let found = [exact, &kind].into_iter().find_map(|status| responses.get(status));
    let response = found.unwrap_or_else(|| panic!("{operation} has no reply with status {status}"));
    match response["$ref"].as_str() {
        Some(reference) => DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap(),
        None => response,
    }
}

/// The component that a kind of content is.
fn component(operation: Operation, status: StatusCode, kind: &str) -> &'static str {
    let reference = &response(operation, status)["content"][kind]["schema"]["$ref"];
    let reference = reference.as_str().unwrap_or_else(|| panic!("{operation} replies no {kind}"));
    reference.rsplit('/').next().unwrap()
}

/// Checks a reply that is JSON against what its operation says.
#[track_caller]
pub(crate) fn check_reply(method: &Method, path: &str, status: StatusCode, body: &Value) {
    let what = format!("{method} {path}");
    let component = match operation(method, path) {
        Some(operation) => {
            SEEN.lock().unwrap().insert((operation.name(), status.as_u16()));
            component(operation, status, "application/json")
        }
        None => "ErrorResponse",
    };
    check(&what, component, body);
    if !status.is_success() {
        let message = body["error"]["message"].as_str();
        assert!(message.is_some_and(|message| !message.is_empty()), "{what}: {body}");
    }
}

/// Checks that an operation may reply with a stream.
#[track_caller]
pub(crate) fn check_stream(method: &Method, path: &str) {
    let operation = operation(method, path).unwrap();
    assert_eq!(component(operation, StatusCode::OK, "text/event-stream"), "StreamEvent");
}

/// Checks an event. As clients do, it takes an error out of the object that it may stand in.
#[track_caller]
pub(crate) fn check_event(name: &str, data: &Value) {
    let data = if name == "error" { data.get(name).unwrap_or(data) } else { data };
    check(name, "StreamEvent", &json!({"event": name, "data": data}));
}

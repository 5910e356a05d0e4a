//! The operations of `openapi/console.yaml`.

mod document;
mod events;
mod lists;
mod server;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

use axum::body::{Body, to_bytes};
use axum::http::{Method, StatusCode};
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::harness::TestClient;

const MAX_BODY: usize = 64 * 1024 * 1024;

/// The document, with the schemas of the other document that it refers to.
static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../openapi/console.yaml");
    let text = fs::read_to_string(path).unwrap().replace("'runs.yaml#/", "'#/");
    let mut document: Value = serde_yaml_ng::from_str(&text).unwrap();
    let runs: Value = serde_json::from_str(runstep_api::OPENAPI).unwrap();
    let schemas = document["components"]["schemas"].as_object_mut().unwrap();
    for (name, schema) in runs["components"]["schemas"].as_object().unwrap() {
        assert!(schemas.insert(name.clone(), schema.clone()).is_none(), "two schemas {name}");
    }
    document
});

static VALIDATORS: LazyLock<HashMap<&str, Validator>> = LazyLock::new(|| {
    let names =
        ["ThreadList", "RunPage", "RunCounts", "ServerInfo", "ConsoleEvent", "ErrorResponse"];
    let validator = |name: &'static str| {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "$ref": format!("#/components/schemas/{name}"),
            "components": DOCUMENT["components"],
        });
        (name, jsonschema::draft202012::new(&schema).unwrap())
    };
    names.into_iter().map(validator).collect()
});

#[track_caller]
fn assert_valid(schema: &str, value: &Value) {
    let errors: Vec<String> =
        VALIDATORS[schema].iter_errors(value).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "not a valid {schema}: {errors:#?}\n{value:#}");
}

/// Returns the name of the schema of a response.
fn schema_of(path: &str, status: StatusCode) -> &'static str {
    if !status.is_success() {
        return "ErrorResponse";
    }
    let path = path.strip_prefix("/v1").unwrap_or(path);
    let path = path.split('?').next().unwrap();
    let responses = &DOCUMENT["paths"][path]["get"]["responses"];
    let reference = &responses["200"]["content"]["application/json"]["schema"]["$ref"];
    reference
        .as_str()
        .unwrap_or_else(|| panic!("{path} is not specified"))
        .rsplit('/')
        .next()
        .unwrap()
}

/// Sends a request, and validates the response.
async fn get(client: &TestClient, path: &str) -> (u16, Value) {
    let response = client.send(Method::GET, path, Body::empty()).await;
    let status = response.status();
    let bytes = to_bytes(response.into_body(), MAX_BODY).await.unwrap();
    let body: Value = serde_json::from_slice(&bytes).unwrap();
    assert_valid(schema_of(path, status), &body);
    (status.as_u16(), body)
}

/// Sends a request that succeeds.
async fn get_ok(client: &TestClient, path: &str) -> Value {
    let (status, body) = get(client, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    body
}

/// Sends a request that is not valid. Returns the parameter and the code of the error.
async fn get_invalid(client: &TestClient, path: &str) -> (String, String) {
    let (status, body) = get(client, path).await;
    assert_eq!(status, 400, "{path}: {body}");
    let text = |name: &str| body["error"][name].as_str().unwrap_or_default().to_owned();
    (text("param"), text("code"))
}

fn ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|object| object["id"].as_str().unwrap()).collect()
}

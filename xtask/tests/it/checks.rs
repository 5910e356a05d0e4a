//! Errors about unsupported constructs have their location, and help.

use serde_json::{Value, json};
use xtask::codegen::{checks, document::Document};

use crate::{build, json_content, reference};

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Test", "version": "1" },
        "paths": { "/runs/{id}": { "get": {
            "operationId": "getRun",
            "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }],
            "responses": { "200": { "description": "", "content": json_content(reference("Run")) } },
        } } },
        "components": { "schemas": { "Run": { "type": "object", "properties": { "id": { "type": "string" } } } } },
    })
}

const GET: &str = "/paths/~1runs~1{id}/get";
const ID: &str = "/components/schemas/Run/properties/id";

#[test]
fn unchanged_document_is_supported() {
    build(document()).map(drop).unwrap();
}

#[test]
fn unsupported_constructs_are_rejected_with_their_location() {
    let cases: Vec<Vec<Value>> =
        serde_yaml_ng::from_str(include_str!("fixtures/checks.yaml")).unwrap();
    let mut errors = String::new();
    for case in cases {
        let pointer = |case: &Value| case.as_str().unwrap().replace("GET", GET).replace("ID", ID);
        let location = pointer(&case[0]);
        let mut document = document();
        let (parent, key) = location.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items.push(case[1].clone()),
            parent => parent[&key] = case[1].clone(),
        }
        let error = checks::check(&Document(document)).unwrap_err().to_string();
        let expected = pointer(case.last().filter(|_| case.len() > 2).unwrap_or(&case[0]));
        assert!(error.starts_with(&format!("at {expected}: ")), "{location}: {error}");
        errors.push_str(&format!("{error}\n"));
    }
    insta::assert_snapshot!(errors);
}

#[test]
fn duplicate_operation_id_is_rejected() {
    let mut document = document();
    let mut other = document["paths"]["/runs/{id}"].clone();
    other["get"]["operationId"] = json!("get_run");
    document["paths"]["/runs/{id}/again"] = other;
    let error = checks::check(&Document(document)).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "at /paths/~1runs~1{id}~1again/get/operationId: GET /runs/{id} has the same operation ID"
        ),
        "{error}"
    );
}

/// The client has the method `get_run`, and `get_run_request`, which builds its request.
#[test]
fn operation_id_with_the_name_of_a_request_function_is_rejected() {
    for (first, second) in [("getRun", "getRunRequest"), ("getRunRequest", "getRun")] {
        let mut document = document();
        document["paths"]["/runs/{id}"]["get"]["operationId"] = json!(first);
        let mut other = document["paths"]["/runs/{id}"].clone();
        other["get"]["operationId"] = json!(second);
        document["paths"]["/runs/{id}/again"] = other;
        let error = checks::check(&Document(document)).unwrap_err().to_string();
        assert!(
            error.starts_with("at /paths/~1runs~1{id}~1again/get/operationId: the client has"),
            "{error}"
        );
        assert!(error.contains("`get_run_request`"), "{error}");
    }
}

#[test]
fn path_item_that_is_a_reference_is_rejected() {
    let mut document = document();
    document["paths"]["/runs"] = json!({ "$ref": "#/paths/~1runs~1{id}" });
    let error = build(document).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("at /paths/~1runs/$ref: a path item that is a reference"), "{error}");
}

/// The checks do not find all errors. Others are located as far as the parser of `openapiv3` can.
#[test]
fn invalid_openapi_is_rejected_with_its_location() {
    let mut document = document();
    document["paths"]["/runs/{id}"]["get"]["tags"] = json!("runs");
    let error = build(document).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("at /paths/~1runs~1{id}/get/tags: "), "{error}");
    assert!(error.contains("not valid OpenAPI"), "{error}");
}

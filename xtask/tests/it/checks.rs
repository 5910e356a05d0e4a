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
    let get = |rest: &str| format!("{GET}{rest}");
    let id = |rest: &str| format!("{ID}{rest}");
    let parameter = |more: Value| {
        let mut parameter = json!({ "name": "x", "in": "query", "schema": {} });
        parameter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parameter
    };
    let response = |schema: Value| json!({ "description": "", "content": json_content(schema) });
    // Location and value of the construct, and the location in the error.
    let cases = [
        (get("/responses/201"), response(json!({})), get("/responses/201")),
        (get("/responses/204"), json!({ "description": "" }), get("/responses/204")),
        (get("/responses/most"), json!({}), get("/responses/most")),
        (
            get("/responses/200"),
            json!({ "$ref": "#/components/schemas/Run" }),
            get("/responses/200/$ref"),
        ),
        (
            get("/responses/200/content/application~1json"),
            json!({}),
            get("/responses/200/content/application~1json"),
        ),
        (
            get("/requestBody"),
            json!({ "content": { "text/csv": {} } }),
            get("/requestBody/content/text~1csv"),
        ),
        (get("/parameters/1"), parameter(json!({ "content": {} })), get("/parameters/1/content")),
        (get("/parameters/1"), parameter(json!({ "in": "cookie" })), get("/parameters/1/in")),
        (
            get("/parameters/1"),
            parameter(json!({ "style": "deepObject" })),
            get("/parameters/1/style"),
        ),
        (get("/parameters/1"), parameter(json!({ "name": "body" })), get("/parameters/1/name")),
        (
            get("/parameters/1"),
            parameter(json!({ "in": "path", "required": true })),
            get("/parameters"),
        ),
        (get("/parameters"), json!([]), get("")),
        (get("/operationId"), json!("new"), get("/operationId")),
        (get("/operationId"), json!("3d"), get("/operationId")),
        (id("/not"), json!({}), id("/not")),
        (id("/prefixItems"), json!([{}]), id("/prefixItems")),
        (id("/items"), json!([{}]), id("/items")),
        (id("/oneOf"), json!([]), id("/oneOf")),
        (id("/type"), json!("text"), id("/type")),
        (id("/enum"), json!([]), id("/enum")),
        (id("/$ref"), json!("#/components/schemas/Run/properties/id"), id("/$ref")),
        (id("/description"), json!(7), id("/description")),
        (id(""), json!(true), id("")),
        ("/components/schemas/run".to_owned(), json!({}), "/components/schemas/run".to_owned()),
        (
            "/components/schemas/Option".to_owned(),
            json!({}),
            "/components/schemas/Option".to_owned(),
        ),
        ("/components/schemas/R n".to_owned(), json!({}), "/components/schemas/R n".to_owned()),
        ("/info".to_owned(), json!(null), "/info".to_owned()),
    ];
    let mut errors = String::new();
    for (location, value, pointer) in cases {
        let mut document = document();
        let (parent, key) = location.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items.push(value),
            parent => parent[&key] = value,
        }
        let error = checks::check(&Document(document)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("at {pointer}: ")), "{location}: {error}");
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

//! What is not supported is told with its place, and with what to do.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::{Value, json};
use xtask::codegen::{self, Selection, document::Document, supported};

fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Test", "version": "1" },
        "paths": { "/runs/{id}": { "get": {
            "operationId": "getRun",
            "parameters": [{ "name": "id", "in": "path", "required": true, "schema": { "type": "string" } }],
            "responses": { "200": { "description": "", "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/Run" } } } } },
        } } },
        "components": { "schemas": { "Run": { "type": "object", "properties": { "id": { "type": "string" } } } } },
    })
}

const GET: &str = "/paths/~1runs~1{id}/get";
const ID: &str = "/components/schemas/Run/properties/id";

#[test]
fn the_document_without_a_change_is_supported() {
    let all = Selection { patterns: vec!["/**".to_owned()] };
    codegen::build_document(Document(document()), &all).map(drop).unwrap();
}

#[test]
fn each_construct_is_told_with_its_place() {
    let get = |rest: &str| format!("{GET}{rest}");
    let id = |rest: &str| format!("{ID}{rest}");
    let parameter = |more: Value| {
        let mut parameter = json!({ "name": "x", "in": "query", "schema": {} });
        parameter.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        parameter
    };
    let reply = |schema: Value| json!({ "description": "", "content": { "application/json": { "schema": schema } } });
    // Where it is put, what, and where it is told if that is another place.
    let cases = [
        (get("/responses/201"), reply(json!({})), get("/responses/201")),
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
    let mut told = String::new();
    for (place, value, pointer) in cases {
        let mut document = document();
        let (parent, key) = place.rsplit_once('/').unwrap();
        let key = key.replace("~1", "/");
        match document.pointer_mut(parent).unwrap() {
            Value::Array(items) => items.push(value),
            parent => parent[&key] = value,
        }
        let error = supported::check(&Document(document)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("at {pointer}: ")), "{place}: {error}");
        told.push_str(&format!("{error}\n"));
    }
    insta::assert_snapshot!(told);
}

#[test]
fn the_same_id_twice_is_told() {
    let mut document = document();
    let mut other = document["paths"]["/runs/{id}"].clone();
    other["get"]["operationId"] = json!("get_run");
    document["paths"]["/runs/{id}/again"] = other;
    let error = supported::check(&Document(document)).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "at /paths/~1runs~1{id}~1again/get/operationId: the id is also that of GET /runs/{id}"
        ),
        "{error}"
    );
}

#[test]
fn a_path_that_stands_elsewhere_is_told() {
    let mut document = document();
    document["paths"]["/runs"] = json!({ "$ref": "#/paths/~1runs~1{id}" });
    let all = Selection { patterns: vec!["/**".to_owned()] };
    let error =
        codegen::build_document(Document(document), &all).map(drop).unwrap_err().to_string();
    assert!(
        error.starts_with("at /paths/~1runs/$ref: a path that stands in another place"),
        "{error}"
    );
}

/// What the checks let through and the generator does not is named as far as its reader can.
#[test]
fn what_is_not_as_openapi_has_it_is_told_with_its_place() {
    let mut document = document();
    document["paths"]["/runs/{id}"]["get"]["tags"] = json!("runs");
    let all = Selection { patterns: vec!["/**".to_owned()] };
    let error =
        codegen::build_document(Document(document), &all).map(drop).unwrap_err().to_string();
    assert!(error.starts_with("at /paths/~1runs~1{id}/get/tags: "), "{error}");
    assert!(error.contains("it is not as OpenAPI has it"), "{error}");
}

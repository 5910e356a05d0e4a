//! Operations of vendors' documents that are not supported.

use serde_json::{Value, json};
use xtask::codegen::document::Document;
use xtask::codegen::{self, Generated, Selection, Skipped, build_supported};

use crate::small_documents::with_schemas;
use crate::{all_operations, json_content, reference};

fn thing() -> Value {
    json!({ "Thing": { "type": "object", "properties": { "id": { "type": "string" } } } })
}

fn response(schema: Value) -> Value {
    json!({ "200": { "description": "Success", "content": json_content(schema) } })
}

/// A document with `GET /things` and one more operation.
fn with_operation(path: &str, method: &str, operation: Value) -> Value {
    let mut document = with_schemas(thing());
    document["paths"][path][method] = operation;
    document
}

fn supported(document: Value) -> Generated {
    build_supported(Document(document), &all_operations()).unwrap()
}

/// The names of the generated methods.
fn operations(generated: &Generated) -> Vec<&str> {
    let operations = generated.document.operations();
    operations.map(|(.., operation)| operation["operationId"].as_str().unwrap()).collect()
}

#[test]
fn operations_that_are_not_supported_are_skipped_with_a_note() {
    let body = |kind: &str| json!({ "content": { kind: { "schema": { "type": "object" } } } });
    let header =
        json!([{ "name": "X-Ids", "in": "header", "schema": { "type": "array", "items": {} } }]);
    let inline = json!({ "type": "object", "properties": { "v": { "not": {} } } });
    for (method, operation, reason) in [
        (
            "post",
            json!({ "operationId": "upload", "requestBody": body("multipart/form-data"), "responses": response(reference("Thing")) }),
            "a request body of `multipart/form-data` is not supported, at /paths/~1x/post/requestBody/content/multipart~1form-data",
        ),
        (
            "get",
            json!({ "operationId": "list", "parameters": header, "responses": response(reference("Thing")) }),
            "a header that is a list or an object is not supported, at /paths/~1x/get/parameters/0/schema",
        ),
        (
            "trace",
            json!({ "operationId": "trace", "responses": response(reference("Thing")) }),
            "the HTTP method is not supported, at /paths/~1x/trace",
        ),
        (
            "get",
            json!({ "operationId": "odd", "responses": response(inline) }),
            "`not` is not supported, at /paths/~1x/get/responses/200/content/application~1json/schema/properties/v/not",
        ),
        (
            "get",
            json!({ "operationId": "get_thing", "responses": response(reference("Thing")) }),
            "GET /things has the same operation ID, at /paths/~1x/get/operationId",
        ),
    ] {
        let generated = supported(with_operation("/x", method, operation));
        assert_eq!(operations(&generated), ["getThing"]);
        let operation = format!("{} /x", method.to_uppercase());
        assert_eq!(generated.notes(), [format!("skipped {operation}: {reason}")]);
        assert_eq!(generated.skipped, [Skipped { operation, reason: reason.to_owned() }]);
        let files = codegen::render_crate(&crate::vendor(), &generated, "test").unwrap();
        let library = files.iter().find(|file| file.path.ends_with("lib.rs")).unwrap();
        assert!(library.text.contains("# Operations that are not included"), "{}", library.text);
    }
}

#[test]
fn all_operations_with_a_component_that_is_not_supported_are_skipped() {
    let mut document = with_operation(
        "/a",
        "get",
        json!({ "operationId": "a", "responses": response(reference("Odd")) }),
    );
    document["paths"]["/b"]["get"] = json!({ "operationId": "b", "responses": response(json!({ "type": "array", "items": reference("Odd") })) });
    document["components"]["schemas"]["Odd"] = json!({ "contains": {} });
    let generated = supported(document);
    let skipped: Vec<&str> = generated.skipped.iter().map(|it| it.operation.as_str()).collect();
    assert_eq!(skipped, ["GET /a", "GET /b"]);
    assert_eq!(operations(&generated), ["getThing"]);
}

#[test]
fn document_without_supported_operations_is_rejected() {
    let mut document = with_schemas(thing());
    document["paths"]["/things"]["get"]["parameters"] =
        json!([{ "name": "a", "in": "cookie", "schema": {} }]);
    let error = build_supported(Document(document), &all_operations()).err().unwrap().to_string();
    assert!(
        error.starts_with("at /paths/~1things/get/parameters/0/in: cookie parameters"),
        "{error}"
    );
}

#[test]
fn supported_document_is_generated_as_a_whole() {
    let generated = supported(with_schemas(thing()));
    assert!(generated.skipped.is_empty() && generated.notes().is_empty());
}

#[test]
fn objects_without_a_discriminator_are_an_error_or_maps() {
    let object =
        |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } } });
    let document = || {
        Document(with_schemas(json!({
            "Thing": { "oneOf": [{ "type": "string" }, reference("A"), reference("B")] },
            "A": object("a"), "B": object("b"),
        })))
    };
    let error = codegen::build_document(document(), &all_operations()).err().unwrap().to_string();
    assert!(error.contains("the objects of this union have no discriminator"), "{error}");
    let selection = Selection { allow_untyped: true, ..all_operations() };
    let generated = codegen::build_document(document(), &selection).unwrap();
    assert_eq!(
        generated.notes(),
        ["the objects of `Thing` have no discriminator, so that they are maps of JSON values"]
    );
}

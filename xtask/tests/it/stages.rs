//! Each stage and each lowering step on its own: the document before and after it.

use serde_json::{Map, Value, json};
use xtask::codegen::document::{Document, rust_name};
use xtask::codegen::{self, Error, boxing, enums, lower, names, optional_fields, select, unions};

use crate::{json_content, reference, selection};

fn document(schemas: Value) -> Document {
    Document(json!({
        "openapi": "3.1.0",
        "info": { "title": "Test", "version": "1" },
        "paths": {},
        "components": { "schemas": schemas },
    }))
}

fn schemas(document: &Document) -> Value {
    document.0.pointer("/components/schemas").cloned().unwrap_or_default()
}

fn fixtures(text: &str) -> Map<String, Value> {
    serde_yaml_ng::from_str(text).unwrap()
}

/// Returns the results of a function for schemas, with the name of each.
fn table(text: &str, run: fn(Document) -> Result<String, Error>) -> String {
    let results = fixtures(text).into_iter().map(|(name, schemas)| {
        let result = run(document(schemas)).unwrap_or_else(|error| error.to_string());
        format!("# {name}\n{result}\n")
    });
    results.collect()
}

/// Steps that do not change schemas. They have tests of their own.
const WITHOUT_FIXTURE: [&str; 1] = ["other bodies than JSON are dropped"];

#[test]
fn each_lowering_step_changes_its_fixture_and_is_idempotent() {
    let fixtures = fixtures(include_str!("fixtures/steps/lower.yaml"));
    for lower::Step { name, run: step, .. } in lower::STEPS {
        if WITHOUT_FIXTURE.contains(&name) {
            continue;
        }
        let before =
            document(fixtures.get(name).unwrap_or_else(|| panic!("no fixture for {name}")).clone());
        let after = step(before.clone()).unwrap();
        assert_ne!(before, after, "{name} changes nothing");
        insta::with_settings!({ description => name }, {
            insta::assert_snapshot!(name.replace(' ', "_"), format!("{:#}", schemas(&after)));
        });
        assert_eq!(step(after.clone()).unwrap(), after, "{name} is not idempotent");
    }
}

#[test]
fn schemas_after_all_lowering_steps() {
    insta::assert_snapshot!(table(include_str!("fixtures/steps/all.yaml"), |before| {
        Ok(format!("{:#}", schemas(&lower::lower(before)?)))
    }));
}

#[test]
fn only_json_success_responses_stay() {
    let mut before = document(json!({}));
    before.0["paths"] = json!({ "/runs": { "post": { "responses": {
        "200": { "description": "", "content": {
            "application/json": { "schema": {} }, "text/event-stream": { "schema": {} } } },
        "429": { "description": "", "content": json_content(json!({})) },
    } } } });
    let after = lower::lower(before).unwrap();
    let responses = &after.0["paths"]["/runs"]["post"]["responses"];
    assert_eq!(responses.as_object().unwrap().keys().collect::<Vec<_>>(), ["200"]);
    assert_eq!(
        responses["200"]["content"].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["application/json"]
    );
}

#[test]
fn inline_types_are_named_after_their_location_and_shared() {
    let detail = json!({ "type": "string", "enum": ["low", "high"] });
    let before = document(json!({
        "Image": { "type": "object", "properties": { "detail": detail, "object": { "type": "string", "enum": ["image"] } } },
        "Link": { "type": "object", "properties": { "detail": detail, "size": {
            "type": "object", "properties": { "unit": { "type": "string", "enum": ["mm", "in"] } } } } },
    }));
    let after = names::name_inline_types(before).unwrap();
    insta::assert_snapshot!(format!("{:#}", schemas(&after)));
}

#[test]
fn every_string_has_a_rust_name() {
    let names = ["thread.run", "self", "3d", "", "²nd", "it's \u{1F600}", "größe"].map(rust_name);
    assert_eq!(names, ["ThreadRun", "Self_", "Value3d", "Empty", "UB2nd", "ItS", "Größe"]);
}

#[test]
fn inline_types_of_operations_are_named() {
    let mode = json!({ "type": "string", "enum": ["a", "b"] });
    let object = json!({ "type": "object", "properties": { "mode": mode } });
    let content = |schema: Value| json!({ "content": json_content(schema) });
    // The document has no component schemas.
    let before = Document(json!({
        "paths": { "/runs": { "post": {
            "operationId": "startRun",
            "requestBody": content(object.clone()),
            "responses": { "200": content(json!({ "type": "array", "items": object })) },
        } } },
        "components": { "parameters": { "Order": { "name": "order", "in": "query", "schema": { "type": "string", "enum": ["up"] } } } },
    }));
    let after = names::name_inline_types(before).unwrap();
    let names: Vec<_> = schemas(&after).as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["StartRunBodyMode", "StartRunResponseItem", "Order"]);
    let body = after.0.pointer("/paths/~1runs/post/requestBody/content/application~1json/schema");
    assert_eq!(
        body.unwrap()["properties"]["mode"]["$ref"],
        "#/components/schemas/StartRunBodyMode"
    );
}

#[test]
fn unions_are_extracted_and_recursion_through_them_is_boxed() {
    insta::assert_snapshot!(table(include_str!("fixtures/steps/unions.yaml"), |before| {
        let (after, found) = unions::extract_unions(before, &codegen::Selection::default())?;
        let mut text = String::new();
        for unions::Union { name, tag, tagged, .. } in &found.unions {
            text.push_str(&format!("union {name} by {tag}\n"));
            for unions::Variant { name, value, body, .. } in tagged {
                text.push_str(&format!("    {name}({body}) = {value:?}\n"));
            }
        }
        let boxed = boxing::boxed_properties(&after, &found);
        Ok(format!("{text}boxed {boxed:?}\n{:#}", schemas(&after)))
    }));
}

#[test]
fn enums_used_only_by_unions_are_dropped_and_variant_names_are_distinct() {
    let before = document(json!({
        "Mode": { "type": "string", "enum": ["a.b", "a_b", "unknown", "3d", ""] },
        "Choice": { "oneOf": [reference("Word"), { "type": "array", "items": reference("Holder") }] },
        "Word": { "type": "string", "enum": ["auto"] },
        "Holder": { "type": "object", "properties": { "mode": reference("Mode") } },
    }));
    let found = enums::extract_enums(&before);
    assert_eq!(found.iter().map(|found| found.name.as_str()).collect::<Vec<_>>(), ["Mode"]);
    let names: Vec<_> = found[0].values.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["AB", "AB2", "UnknownValue", "Value3d", "Empty"]);
}

/// A document with a schema of a request, one of a response, and one of both.
fn with_directions() -> Document {
    let object = |extensions: Value| {
        let text = json!({ "type": "string" });
        let mut schema = json!({
            "type": "object",
            "required": ["id", "status", "model", "text", "tools", "usage", "limit"],
            "properties": {
                "id": text, "status": text, "model": text, "text": text,
                "tools": { "type": "array", "items": text },
                "usage": reference("Usage"),
                "limit": { "type": "string", "nullable": true },
            },
        });
        schema.as_object_mut().unwrap().extend(extensions.as_object().unwrap().clone());
        schema
    };
    let listed = json!({ "x-always-present": ["model"], "x-empty-if-absent": ["text", "usage"] });
    let mut document = document(json!({
        "Request": object(json!({})), "Response": object(json!({})), "Both": object(listed),
        "Usage": { "type": "object", "properties": {} },
    }));
    document.0["paths"] = json!({ "/runs": { "post": {
        "requestBody": { "content": json_content(json!({ "oneOf": [reference("Request"), reference("Both")] })) },
        "responses": { "200": { "content": json_content(json!({ "oneOf": [reference("Response"), reference("Both")] })) } },
    } } });
    document
}

#[test]
fn responses_need_only_what_identifies_an_object() {
    let after = optional_fields::make_optional(with_directions()).unwrap();
    let absent = |name: &str| {
        let schema = after.schema(name).unwrap();
        let properties = schema["properties"].as_object().unwrap().iter();
        let properties = properties.filter_map(|(name, property)| {
            let absent = property.get("x-absent")?.as_str()?;
            let is_nullable = property.get("nullable").is_some();
            assert_eq!(is_nullable, absent == "none", "{name}");
            Some(format!("{name}: {absent}"))
        });
        properties.collect::<Vec<_>>()
    };
    assert_eq!(absent("Request"), [""; 0]);
    assert_eq!(absent("Response"), ["model: none", "text: none", "tools: empty", "usage: none"]);
    assert_eq!(
        absent("Both"),
        ["id: none", "status: none", "text: empty", "tools: empty", "usage: empty"]
    );
}

#[test]
fn extensions_with_unknown_properties_are_rejected() {
    for (extension, value, expected) in [
        ("x-always-present", json!(["id", "name"]), "the schema has no property `name`"),
        ("x-empty-if-absent", json!("id"), "not a list of names"),
    ] {
        let mut before = with_directions();
        before.0["components"]["schemas"]["Response"][extension] = value;
        let error = optional_fields::make_optional(before).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
        let place = format!("/components/schemas/Response/{extension}");
        assert!(error.contains(&place), "{error}");
    }
}

#[test]
fn selection_is_by_path_and_includes_reachable_components() {
    let mut before = document(json!({
        "Run": { "type": "object", "properties": { "usage": reference("Usage") } },
        "Usage": { "type": "object" },
        "Image": { "type": "object" },
        "Happening": { "oneOf": [{ "type": "object", "properties": {
            "event": { "const": "run.made" }, "data": reference("Run") } }] },
        "Unrelated": { "oneOf": [{ "type": "object", "properties": {
            "event": { "const": "image.made" }, "data": reference("Image") } }] },
    }));
    let responses = |name: &str| json!({ "responses": { "200": { "content": json_content(reference(name)) } } });
    before.0["paths"] = json!({
        "/v1/threads/{id}/runs": { "parameters": [{ "name": "trace", "in": "query" }], "get": responses("Run"), "delete": responses("Run") },
        "/images": { "get": responses("Image") },
    });
    before.0["webhooks"] = json!({ "image_made": { "post": responses("Image") } });
    let selected =
        select::select_operations(before.clone(), &selection(&["GET /threads/**"])).unwrap();
    assert_eq!(
        schemas(&selected).as_object().unwrap().keys().collect::<Vec<_>>(),
        ["Run", "Usage", "Happening"]
    );
    assert!(selected.0.get("webhooks").is_none());
    let item = &selected.0["paths"]["/v1/threads/{id}/runs"];
    assert_eq!(item["get"]["operationId"], "get_v1_threads_id_runs");
    assert_eq!(item["get"]["parameters"][0]["name"], "trace");
    assert!(item.get("delete").is_none());
    let rest = select::select_operations(before.clone(), &selection(&["/**", "!/images"])).unwrap();
    assert_eq!(rest.0["paths"].as_object().unwrap().len(), 1);
    assert!(select::select_operations(before.clone(), &selection(&["/nothing"])).is_err());
    let error = select::select(before, &selection(&[])).unwrap_err().to_string();
    assert!(error.contains("the operation POST /threads/{}/runs is missing"), "{error}");
}

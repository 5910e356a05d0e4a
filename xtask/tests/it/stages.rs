//! Each stage and each lowering step on its own: the document before and after it.

use serde_json::{Map, Value, json};
use xtask::codegen::document::{Document, rust_name};
use xtask::codegen::{Error, boxing, enums, lower, names, optional_fields, select, unions};

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
        let (after, found) = unions::extract_unions(before)?;
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

#[test]
fn only_known_properties_of_runs_become_optional() {
    let object = |kind: &str| {
        json!({ "type": "object", "required": ["id", "model"], "properties": {
        "object": { "type": "string", "enum": [kind] }, "id": { "type": "string" }, "model": { "type": "string" },
        "tools": { "type": "array", "items": { "type": "string" } } } })
    };
    let before = document(json!({ "Run": object("thread.run"), "Assistant": object("assistant") }));
    let response_only = optional_fields::response_only_schemas(&before);
    let after = optional_fields::make_optional(before, &response_only);
    let nullable = |name: &str, property: &str| {
        after.schema(name).unwrap()["properties"][property].get("nullable").is_some()
    };
    assert!(nullable("Run", "model") && !nullable("Run", "id") && !nullable("Run", "tools"));
    assert!(!nullable("Assistant", "model"));
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

//! Each stage and each lowering step on its own: the document before and after it.

use serde_json::{Map, Value, json};
use xtask::codegen::document::{Document, rust_name};
use xtask::codegen::{boxing, enums, lower, names, optional_fields, select, unions};

use xtask::codegen::unions::discriminators::find_discriminator;

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

fn fixtures() -> Map<String, Value> {
    serde_yaml_ng::from_str(include_str!("fixtures/steps/lower.yaml")).unwrap()
}

/// Steps that do not change schemas. They have tests of their own.
const WITHOUT_FIXTURE: [&str; 1] = ["other bodies than JSON are dropped"];

#[test]
fn each_lowering_step_changes_its_fixture_and_is_idempotent() {
    let fixtures = fixtures();
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
fn type_that_is_only_null_is_rejected() {
    let before = document(json!({ "Run": { "properties": { "x": { "type": ["null"] } } } }));
    let error = lower::lower(before).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"
    at /components/schemas/Run/properties/x: null is the only type
      help: add the type of the other values
    ");
}

#[test]
fn recursive_composition_is_rejected() {
    let recursive = json!({ "Run": { "allOf": [reference("Run"), { "type": "object" }] } });
    let error = lower::lower(document(recursive)).unwrap_err().to_string();
    assert!(error.contains("/components/schemas/Run: `allOf` is recursive"), "{error}");
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
fn enums_of_other_values_than_strings_are_dropped() {
    let before = document(json!({
        "A": { "type": "object", "properties": { "yes": { "enum": [true] }, "two": { "type": "integer", "enum": [1, 2] }, "odd": { "enum": [1, "a"] } } },
    }));
    let after = lower::lower(before).unwrap();
    let properties = &after.schema("A").unwrap()["properties"];
    let expected = json!({ "yes": { "type": "boolean" }, "two": { "type": "integer", "format": "int64" }, "odd": {} });
    assert_eq!(properties, &expected);
}

#[test]
fn recursive_components_are_not_inlined() {
    let before = document(json!({
        "Nest": { "type": "array", "items": reference("Nest") },
        "Names": { "type": "array", "items": { "type": "string" } },
        "Runs": { "type": "array", "items": reference("Run") },
        "Run": { "type": "object", "properties": { "nest": reference("Nest"), "names": reference("Names"), "runs": reference("Runs") } },
    }));
    let after = lower::lower(before).unwrap();
    let components: Vec<_> = after.schemas().map(|(name, _)| name.as_str()).collect();
    // A list of runs inside a run is inlined: the run stays a reference.
    assert_eq!(components, ["Nest", "Run"]);
    let properties = &after.schema("Run").unwrap()["properties"];
    assert_eq!(properties["nest"], reference("Nest"));
    assert_eq!(properties["runs"]["items"], reference("Run"));
}

#[test]
fn recursion_through_a_union_is_boxed() {
    let object = |tag: &str| {
        json!({ "type": "object", "properties": {
        "type": { "type": "string", "enum": [tag] }, "inner": reference("Choice"), "all": { "type": "array", "items": reference("Choice") } } })
    };
    let before = document(json!({
        "Choice": { "oneOf": [reference("Not"), reference("Word")] },
        "Not": object("not"),
        "Word": { "type": "object", "properties": { "type": { "type": "string", "enum": ["word"] } } },
        "Holder": { "type": "object", "properties": { "choice": reference("Choice") } },
    }));
    let (after, found) = unions::extract_unions(before).unwrap();
    let boxed: Vec<_> = boxing::boxed_properties(&after, &found).into_iter().collect();
    assert_eq!(boxed, [("Not".to_owned(), "inner".to_owned())]);
}

#[test]
fn nested_unions_have_each_alternative_once() {
    let mut schemas = tagged_union();
    schemas["Part"] = json!({ "oneOf": [reference("Say"), reference("Other"), reference("Part")] });
    schemas["Other"] = json!({ "oneOf": [reference("Show"), reference("Part"), reference("Say")] });
    let (_, found) = unions::extract_unions(document(schemas)).unwrap();
    let values: Vec<_> =
        found.unions[0].tagged.iter().map(|variant| variant.value.as_str()).collect();
    assert_eq!(values, ["say", "show"]);
}

fn tagged_union() -> Value {
    let object = |tag: &str| {
        json!({ "type": "object", "required": ["type", "text"], "properties": {
        "type": { "type": "string", "enum": [tag] }, "text": { "type": "string" } } })
    };
    json!({
        "Part": { "oneOf": [reference("Say"), reference("Show")] },
        "Say": object("say"),
        "Show": object("show"),
        "Holder": { "type": "object", "properties": { "part": reference("Part") } },
    })
}

#[test]
fn discriminator_is_removed_from_the_objects_of_a_union() {
    let (after, found) = unions::extract_unions(document(tagged_union())).unwrap();
    let union = &found.unions[0];
    assert_eq!((union.name.as_str(), union.tag.as_str()), ("Part", "type"));
    let variants: Vec<_> = union
        .tagged
        .iter()
        .map(|variant| (&*variant.name, &*variant.value, &*variant.body))
        .collect();
    assert_eq!(variants, [("Say", "say", "Say"), ("Show", "show", "Show")]);
    let say = after.schema("Say").unwrap();
    assert!(say["properties"].get("type").is_none() && say["required"] == json!(["text"]), "{say}");
}

#[test]
fn object_that_is_also_used_outside_of_the_union_is_copied() {
    let mut schemas = tagged_union();
    schemas["Holder"]["properties"]["last"] = json!(reference("Say"));
    let (after, found) = unions::extract_unions(document(schemas)).unwrap();
    assert_eq!(found.unions[0].tagged[0].body, "PartSay");
    assert!(after.schema("Say").unwrap()["properties"].get("type").is_some());
    assert!(after.schema("PartSay").unwrap()["properties"].get("type").is_none());
}

#[test]
fn declared_discriminator_is_used() {
    let object = || json!({ "type": "object", "properties": { "kind": { "type": "string" } } });
    let schemas = json!({
        "Pet": {
            "oneOf": [reference("Cat"), reference("Dog")],
            "discriminator": { "propertyName": "kind", "mapping": {
                "feline": "#/components/schemas/Cat", "lion": "Cat", "hound": "#/components/schemas/Dog" } },
        },
        "Cat": object(),
        "Dog": object(),
    });
    let (_, found) = unions::extract_unions(document(schemas)).unwrap();
    let union = &found.unions[0];
    let values: Vec<_> =
        union.tagged.iter().map(|variant| (&*variant.value, &*variant.body)).collect();
    assert_eq!(
        (union.tag.as_str(), values.as_slice()),
        ("kind", [("feline", "Cat"), ("lion", "PetLion"), ("hound", "Dog")].as_slice())
    );
}

#[test]
fn any_property_with_distinct_constants_is_a_discriminator() {
    let object = |role: &str| json!({ "type": "object", "properties": { "role": { "const": role }, "id": {} } });
    let (user, agent) = (object("user"), object("agent"));
    let document = document(json!({}));
    let find =
        |first, second| find_discriminator(&document, &json!({}), &[(None, first), (None, second)]);
    assert_eq!(find(&user, &agent).unwrap().property, "role");
    assert_eq!(find(&user, &user), None);
}

#[test]
fn objects_without_discriminator_are_rejected() {
    let schemas = json!({
        "Choice": { "anyOf": [reference("A"), reference("B")] },
        "A": { "type": "object", "properties": { "a": { "type": "string" } } },
        "B": { "type": "object", "properties": { "b": { "type": "string" } } },
    });
    let error = unions::extract_unions(document(schemas)).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"
    at /components/schemas/Choice: the objects of this union have no discriminator
      help: add a required property `type` with a different constant to each
    ");
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

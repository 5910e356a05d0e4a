//! Each step by itself: what a document is before it, and after.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use serde_json::{Map, Value, json};
use xtask::codegen::document::{Document, rust_name};
use xtask::codegen::{enums, lower, names, recursion, select, tags, tolerate, unions};

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

/// The steps whose effect is not on schemas have tests of their own below.
const ELSEWHERE: [&str; 1] = ["only JSON bodies are left"];

#[test]
fn every_step_has_a_fixture_that_it_changes() {
    let fixtures = fixtures();
    for lower::Step { name, run: step, .. } in lower::STEPS {
        if ELSEWHERE.contains(&name) {
            continue;
        }
        let before =
            document(fixtures.get(name).unwrap_or_else(|| panic!("no fixture for {name}")).clone());
        let after = step(before.clone()).unwrap();
        assert_ne!(before, after, "{name} changes nothing");
        insta::with_settings!({ description => name }, {
            insta::assert_snapshot!(name.replace(' ', "_"), format!("{:#}", schemas(&after)));
        });
        // A step that has done its work has nothing left to do.
        assert_eq!(step(after.clone()).unwrap(), after, "{name} is not done after once");
    }
}

#[test]
fn a_type_that_is_only_null_is_refused_with_its_place() {
    let before = document(json!({ "Run": { "properties": { "x": { "type": ["null"] } } } }));
    let error = lower::lower(before).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"
    at /components/schemas/Run/properties/x: the type is only null
      help: give the type of the values that are not null
    ");
}

#[test]
fn a_composition_that_leads_in_a_circle_is_refused() {
    let circle = json!({ "Run": { "allOf": [{ "$ref": "#/components/schemas/Run" }, { "type": "object" }] } });
    let error = lower::lower(document(circle)).unwrap_err().to_string();
    assert!(error.contains("/components/schemas/Run: `allOf` leads in a circle"), "{error}");
}

#[test]
fn only_success_in_json_is_left_of_replies() {
    let reply =
        |schema: &str| json!({ "description": "", "content": { schema: { "schema": {} } } });
    let mut before = document(json!({}));
    before.0["paths"] = json!({ "/runs": { "post": { "responses": {
        "200": { "description": "", "content": {
            "application/json": { "schema": {} }, "text/event-stream": { "schema": {} } } },
        "429": reply("application/json"),
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
fn inline_types_are_named_after_their_place_and_shared() {
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
fn every_text_has_a_rust_name() {
    let names = ["thread.run", "self", "3d", "", "²nd", "it's \u{1F600}", "größe"].map(rust_name);
    assert_eq!(names, ["ThreadRun", "Self_", "Value3d", "Empty", "UB2nd", "ItS", "Größe"]);
}

#[test]
fn what_operations_hold_inline_gets_a_name_too() {
    let mode = json!({ "type": "string", "enum": ["a", "b"] });
    let object = json!({ "type": "object", "properties": { "mode": mode } });
    let content =
        |schema: &Value| json!({ "content": { "application/json": { "schema": schema } } });
    // A document may have no schemas of its own at all.
    let before = Document(json!({
        "paths": { "/runs": { "post": {
            "operationId": "startRun",
            "requestBody": content(&object),
            "responses": { "200": content(&json!({ "type": "array", "items": object })) },
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
fn listed_values_that_are_no_text_are_only_a_limit() {
    let before = document(json!({
        "A": { "type": "object", "properties": { "yes": { "enum": [true] }, "two": { "type": "integer", "enum": [1, 2] }, "odd": { "enum": [1, "a"] } } },
    }));
    let after = lower::lower(before).unwrap();
    let properties = &after.schema("A").unwrap()["properties"];
    let expected = json!({ "yes": { "type": "boolean" }, "two": { "type": "integer", "format": "int64" }, "odd": {} });
    assert_eq!(properties, &expected);
}

#[test]
fn what_leads_back_to_itself_is_not_written_in_place() {
    let to = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let before = document(json!({
        "Nest": { "type": "array", "items": to("Nest") },
        "Names": { "type": "array", "items": { "type": "string" } },
        "Runs": { "type": "array", "items": to("Run") },
        "Run": { "type": "object", "properties": { "nest": to("Nest"), "names": to("Names"), "runs": to("Runs") } },
    }));
    let after = lower::lower(before).unwrap();
    let left: Vec<_> = after.schemas().map(|(name, _)| name.as_str()).collect();
    // A list of runs within a run has an end: the run stays a reference.
    assert_eq!(left, ["Nest", "Run"]);
    let properties = &after.schema("Run").unwrap()["properties"];
    assert_eq!(properties["nest"], to("Nest"));
    assert_eq!(properties["runs"]["items"], to("Run"));
}

#[test]
fn what_is_within_itself_by_way_of_a_union_needs_a_box() {
    let to = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let object = |tag: &str| {
        json!({ "type": "object", "properties": {
        "type": { "type": "string", "enum": [tag] }, "inner": to("Choice"), "all": { "type": "array", "items": to("Choice") } } })
    };
    let before = document(json!({
        "Choice": { "oneOf": [to("Not"), to("Word")] },
        "Not": object("not"),
        "Word": { "type": "object", "properties": { "type": { "type": "string", "enum": ["word"] } } },
        "Holder": { "type": "object", "properties": { "choice": to("Choice") } },
    }));
    let (after, found) = unions::tag_unions(before).unwrap();
    let boxed: Vec<_> = recursion::boxed(&after, &found).into_iter().collect();
    assert_eq!(boxed, [("Not".to_owned(), "inner".to_owned())]);
}

#[test]
fn unions_within_one_another_give_each_alternative_once() {
    let to = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let mut schemas = tagged();
    schemas["Part"] = json!({ "oneOf": [to("Say"), to("Other"), to("Part")] });
    schemas["Other"] = json!({ "oneOf": [to("Show"), to("Part"), to("Say")] });
    let (_, found) = unions::tag_unions(document(schemas)).unwrap();
    let values: Vec<_> = found.unions[0].tagged.iter().map(|one| one.value.as_str()).collect();
    assert_eq!(values, ["say", "show"]);
}

fn tagged() -> Value {
    let object = |tag: &str| {
        json!({ "type": "object", "required": ["type", "text"], "properties": {
        "type": { "type": "string", "enum": [tag] }, "text": { "type": "string" } } })
    };
    json!({
        "Part": { "oneOf": [{ "$ref": "#/components/schemas/Say" }, { "$ref": "#/components/schemas/Show" }] },
        "Say": object("say"),
        "Show": object("show"),
        "Holder": { "type": "object", "properties": { "part": { "$ref": "#/components/schemas/Part" } } },
    })
}

#[test]
fn a_union_takes_the_tag_out_of_its_objects() {
    let (after, found) = unions::tag_unions(document(tagged())).unwrap();
    let union = &found.unions[0];
    assert_eq!((union.name.as_str(), union.tag.as_str()), ("Part", "type"));
    let variants: Vec<_> =
        union.tagged.iter().map(|one| (&*one.name, &*one.value, &*one.body)).collect();
    assert_eq!(variants, [("Say", "say", "Say"), ("Show", "show", "Show")]);
    let say = after.schema("Say").unwrap();
    assert!(say["properties"].get("type").is_none() && say["required"] == json!(["text"]), "{say}");
}

#[test]
fn an_object_that_is_used_by_itself_keeps_its_tag_and_gives_a_copy() {
    let mut schemas = tagged();
    schemas["Holder"]["properties"]["last"] = json!({ "$ref": "#/components/schemas/Say" });
    let (after, found) = unions::tag_unions(document(schemas)).unwrap();
    assert_eq!(found.unions[0].tagged[0].body, "PartSay");
    assert!(after.schema("Say").unwrap()["properties"].get("type").is_some());
    assert!(after.schema("PartSay").unwrap()["properties"].get("type").is_none());
}

#[test]
fn a_discriminator_names_the_tag_and_its_values() {
    let object = || json!({ "type": "object", "properties": { "kind": { "type": "string" } } });
    let schemas = json!({
        "Pet": {
            "oneOf": [{ "$ref": "#/components/schemas/Cat" }, { "$ref": "#/components/schemas/Dog" }],
            "discriminator": { "propertyName": "kind", "mapping": {
                "feline": "#/components/schemas/Cat", "lion": "Cat", "hound": "#/components/schemas/Dog" } },
        },
        "Cat": object(),
        "Dog": object(),
    });
    let (_, found) = unions::tag_unions(document(schemas)).unwrap();
    let union = &found.unions[0];
    let values: Vec<_> = union.tagged.iter().map(|one| (&*one.value, &*one.body)).collect();
    assert_eq!(
        (union.tag.as_str(), values.as_slice()),
        ("kind", [("feline", "Cat"), ("lion", "PetLion"), ("hound", "Dog")].as_slice())
    );
}

#[test]
fn objects_may_differ_by_any_property() {
    let object = |role: &str| json!({ "type": "object", "properties": { "role": { "const": role }, "id": {} } });
    let (user, agent) = (object("user"), object("agent"));
    let document = document(json!({}));
    let tag = tags::tell_apart(&document, &json!({}), &[(None, &user), (None, &agent)]).unwrap();
    assert_eq!(tag.property, "role");
    assert!(tags::tell_apart(&document, &json!({}), &[(None, &user), (None, &user)]).is_none());
}

#[test]
fn objects_that_nothing_tells_apart_are_refused_with_their_place() {
    let schemas = json!({
        "Choice": { "anyOf": [{ "$ref": "#/components/schemas/A" }, { "$ref": "#/components/schemas/B" }] },
        "A": { "type": "object", "properties": { "a": { "type": "string" } } },
        "B": { "type": "object", "properties": { "b": { "type": "string" } } },
    });
    let error = unions::tag_unions(document(schemas)).unwrap_err().to_string();
    insta::assert_snapshot!(error, @"
    at /components/schemas/Choice: nothing tells the objects of this choice apart
      help: give each a required property `type` with one value of its own
    ");
}

#[test]
fn enums_that_only_unions_used_are_gone_and_names_stay_apart() {
    let before = document(json!({
        "Mode": { "type": "string", "enum": ["a.b", "a_b", "unknown", "3d", ""] },
        "Choice": { "oneOf": [{ "$ref": "#/components/schemas/Word" }, { "type": "array", "items": { "$ref": "#/components/schemas/Holder" } }] },
        "Word": { "type": "string", "enum": ["auto"] },
        "Holder": { "type": "object", "properties": { "mode": { "$ref": "#/components/schemas/Mode" } } },
    }));
    let found = enums::open_enums(&before);
    assert_eq!(found.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["Mode"]);
    let names: Vec<_> = found[0].values.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["AB", "AB2", "UnknownValue", "Value3d", "Empty"]);
}

#[test]
fn what_providers_leave_out_of_runs_may_be_missing_and_nothing_else() {
    let object = |kind: &str| {
        json!({ "type": "object", "required": ["id", "model"], "properties": {
        "object": { "type": "string", "enum": [kind] }, "id": { "type": "string" }, "model": { "type": "string" },
        "tools": { "type": "array", "items": { "type": "string" } } } })
    };
    let before = document(json!({ "Run": object("thread.run"), "Assistant": object("assistant") }));
    let replies = tolerate::only_in_replies(&before);
    let after = tolerate::tolerate_missing(before, &replies);
    let nullable = |name: &str, property: &str| {
        after.schema(name).unwrap()["properties"][property].get("nullable").is_some()
    };
    assert!(nullable("Run", "model") && !nullable("Run", "id") && !nullable("Run", "tools"));
    assert!(!nullable("Assistant", "model"));
}

#[test]
fn selection_is_by_path_and_takes_along_what_is_reached() {
    let mut before = document(json!({
        "Run": { "type": "object", "properties": { "usage": { "$ref": "#/components/schemas/Usage" } } },
        "Usage": { "type": "object" },
        "Image": { "type": "object" },
        "Happening": { "oneOf": [{ "type": "object", "properties": {
            "event": { "const": "run.made" }, "data": { "$ref": "#/components/schemas/Run" } } }] },
        "Unrelated": { "oneOf": [{ "type": "object", "properties": {
            "event": { "const": "image.made" }, "data": { "$ref": "#/components/schemas/Image" } } }] },
    }));
    let reply = |name: &str| {
        json!({ "responses": { "200": { "content": { "application/json": {
        "schema": { "$ref": format!("#/components/schemas/{name}") } } } } } })
    };
    before.0["paths"] = json!({
        "/v1/threads/{id}/runs": { "parameters": [{ "name": "trace", "in": "query" }], "get": reply("Run"), "delete": reply("Run") },
        "/images": { "get": reply("Image") },
    });
    before.0["webhooks"] = json!({ "image_made": { "post": reply("Image") } });
    let selection = |patterns: &[&str]| select::Selection {
        patterns: patterns.iter().map(|one| (*one).to_owned()).collect(),
    };
    let kept = select::keep(before.clone(), &selection(&["GET /threads/**"])).unwrap();
    assert_eq!(
        schemas(&kept).as_object().unwrap().keys().collect::<Vec<_>>(),
        ["Run", "Usage", "Happening"]
    );
    assert!(kept.0.get("webhooks").is_none());
    let item = &kept.0["paths"]["/v1/threads/{id}/runs"];
    assert_eq!(item["get"]["operationId"], "get_v1_threads_id_runs");
    assert_eq!(item["get"]["parameters"][0]["name"], "trace");
    assert!(item.get("delete").is_none());
    let all = select::keep(before.clone(), &selection(&["/**", "!/images"])).unwrap();
    assert_eq!(all.0["paths"].as_object().unwrap().len(), 1);
    assert!(select::keep(before.clone(), &selection(&["/nothing"])).is_err());
    let error = select::select(before, &selection(&[])).unwrap_err().to_string();
    assert!(error.contains("the operation POST /threads/{}/runs is missing"), "{error}");
}

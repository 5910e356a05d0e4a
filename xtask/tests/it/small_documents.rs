//! Constructs of vendors' documents, one small document for each.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use xtask::codegen::{self, Error, Generated, Selection, read};

use crate::{all_operations, json_content, reference};

/// A document with one operation, which returns the component `Thing`.
pub(crate) fn with_schemas(schemas: Value) -> Value {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Test", "version": "1" },
        "paths": { "/things": { "get": {
            "operationId": "getThing",
            "responses": { "200": { "description": "A thing", "content": json_content(reference("Thing")) } },
        } } },
        "components": { "schemas": schemas },
    })
}

pub(crate) fn build(text: &str) -> Result<Generated, Error> {
    let document = read::read_text(Path::new("test.yaml"), text)?;
    codegen::build_document(document, &all_operations())
}

fn error_of(text: &str) -> String {
    build(text).err().unwrap().to_string()
}

fn structs(generated: &Generated) -> BTreeMap<String, Vec<String>> {
    let fields = generated.structs().map(|(name, item)| {
        let fields = item.fields.iter().filter_map(|field| Some(field.ident.as_ref()?.to_string()));
        (name, fields.filter(|name| name != "other").collect())
    });
    fields.collect()
}

fn types(generated: &Generated) -> Vec<String> {
    let mut names: Vec<String> = generated.structs().map(|(name, _)| name).collect();
    names.extend(generated.enums.iter().map(|it| it.name.clone()));
    names.extend(generated.unions.unions.iter().map(|it| it.name.clone()));
    names.sort();
    names
}

#[test]
fn bases_with_a_discriminator_become_unions() {
    let generated = build(include_str!("fixtures/inheritance.yaml")).unwrap();
    let [union] = generated.unions.unions.as_slice() else { panic!("{:?}", generated.unions) };
    assert_eq!((union.name.as_str(), union.tag.as_str()), ("Shape", "kind"));
    let variants: Vec<_> = union.tagged.iter().map(|it| (&*it.value, &*it.body)).collect();
    assert_eq!(
        variants,
        [
            ("circle", "ShapeCircle"),
            ("group", "Group"),
            ("polygon", "Polygon"),
            ("square", "Square")
        ]
    );
    let structs = structs(&generated);
    assert_eq!(structs["Drawing"], ["shape", "shapes", "hole"]);
    // A property that refers to a variant has its struct, with the discriminator.
    assert_eq!(structs["Circle"], ["kind", "color", "radius"]);
    assert_eq!(structs["ShapeCircle"], ["color", "radius"]);
    assert_eq!(structs["Square"], ["color", "sides", "side"]);
    assert_eq!(structs["Group"], ["members"]);
    assert!(!structs.contains_key("Shape"));
}

#[test]
fn base_that_is_a_variant_keeps_its_properties() {
    let mut document = with_schemas(json!({
        "Thing": { "type": "object", "properties": { "type": { "type": "string" }, "size": { "type": "string" } },
            "discriminator": { "propertyName": "type", "mapping": {
                "plain": "#/components/schemas/Thing", "big": "#/components/schemas/Big" } } },
        "Big": { "allOf": [reference("Thing"), { "properties": { "weight": { "type": "string" } } }] },
    }));
    let structs = structs(&build(&document.to_string()).unwrap());
    assert_eq!(
        (&structs["ThingObject"], &structs["Big"]),
        (&vec!["size".to_owned()], &vec!["size".to_owned(), "weight".to_owned()])
    );
    document["components"]["schemas"]["Thing"]["discriminator"]["mapping"]["big"] = "Bigger".into();
    let error = error_of(&document.to_string());
    assert!(
        error.starts_with(
            "at /components/schemas/Thing/discriminator/mapping/big: `Bigger` is not a component"
        ),
        "{error}"
    );
}

#[test]
fn properties_with_one_rust_name_are_kept_apart() {
    let document = with_schemas(json!({ "Thing": { "type": "object", "properties": {
        "fooBar": { "type": "string" }, "foo_bar": { "type": "string" }, "foo-bar": { "type": "string" },
        "type": { "type": "string" }, "type_": { "type": "string" }, "new": { "type": "string" },
        "other": { "type": "string" },
    } } }));
    let structs = structs(&build(&document.to_string()).unwrap());
    let expected = ["foo_bar", "foo_bar_", "foo_bar__", "type_", "type__", "new"];
    assert_eq!(structs["Thing"], [&expected[..], &["other_properties"]].concat());
}

#[test]
fn merge_keys_are_expanded() {
    let yaml = "x-base: &base { type: string, maxLength: 9 }\nx-more: &more { maxLength: 5, minLength: 1 }\n\
        x-one: { <<: *base, maxLength: 3 }\nx-two: { <<: [*base, *more] }\nopenapi: 3.1.0\npaths: {}\n";
    let document = read::read_text(Path::new("test.yaml"), yaml).unwrap().0;
    assert_eq!(document["x-one"], json!({ "type": "string", "maxLength": 3 }));
    assert_eq!(document["x-two"], json!({ "type": "string", "maxLength": 9, "minLength": 1 }));
    let error = read::read_text(Path::new("test.yaml"), "a: { <<: 7 }").unwrap_err().to_string();
    assert!(error.contains("must be a map or a list of maps, not 7"), "{error}");
}

#[test]
fn byte_order_mark_is_not_part_of_the_document() {
    let document = with_schemas(
        json!({ "Thing": { "type": "object", "properties": { "id": { "type": "string" } } } }),
    );
    for text in [document.to_string(), "openapi: 3.1.0\npaths: {}".to_owned()] {
        let marked = format!("\u{feff}{text}");
        let read = |text: &str| read::read_text(Path::new("test.yaml"), text).unwrap().0;
        assert_eq!(read(&marked), read(&text));
    }
}

#[test]
fn empty_documents_are_rejected_as_such() {
    for text in ["", "\n\n", "# nothing\n", "---\n# nothing\n...\n", "\u{feff}"] {
        let error = read::read_text(Path::new("test.yaml"), text).unwrap_err().to_string();
        assert!(
            error.starts_with("test.yaml: the document is empty\n  help: "),
            "{text:?}: {error}"
        );
    }
}

#[test]
fn keywords_that_would_be_ignored_are_rejected_with_their_place() {
    for (keyword, value) in [
        ("if", json!({ "properties": { "id": { "const": "a" } } })),
        ("then", json!({ "required": ["v"] })),
        ("else", json!({ "required": ["v"] })),
        ("patternProperties", json!({ "^x": { "type": "string" } })),
        ("dependentSchemas", json!({ "id": { "required": ["v"] } })),
        ("dependentRequired", json!({ "id": ["v"] })),
        ("contains", json!({ "type": "string" })),
    ] {
        let inner = json!({ "type": "object", keyword: value });
        let thing = json!({ "type": "object", "properties": { "v": inner } });
        let error = error_of(&with_schemas(json!({ "Thing": thing })).to_string());
        let expected = format!(
            "at /components/schemas/Thing/properties/v/{keyword}: `{keyword}` is not supported\n  help: "
        );
        assert!(error.starts_with(&expected), "{error}");
    }
}

/// Also if an earlier stage has moved the schema, or has rewritten it.
#[test]
fn errors_point_to_the_document_as_written() {
    let object =
        |name: &str| json!({ "type": "object", "properties": { name: { "type": "string" } } });
    let several = json!({ "oneOf": [object("a"), object("b")] });
    let any = json!({ "oneOf": [{ "type": "string" }, {}] });
    for (schema, expected) in [
        (json!({ "properties": { "v": several } }), "properties/v"),
        (json!({ "properties": { "a/b": { "items": several } } }), "properties/a~1b/items"),
        (json!({ "properties": { "v": any } }), "properties/v/oneOf/1"),
        (
            json!({ "properties": { "v": { "properties": { "w": any } } } }),
            "properties/v/properties/w/oneOf/1",
        ),
    ] {
        let error = error_of(&with_schemas(json!({ "Thing": schema })).to_string());
        let expected = format!("at /components/schemas/Thing/{expected}: ");
        assert!(error.starts_with(&expected), "{error}");
    }
}

#[test]
fn inline_types_have_names_without_numbers_and_repetitions() {
    let kind = |name: &str| json!({ "type": { "const": name }, "value": { "type": "string" } });
    let strategy = json!({ "oneOf": [
        { "title": "Auto Chunking Strategy", "type": "object", "required": ["type"], "properties": kind("auto") },
        { "title": "Static Chunking Strategy", "type": "object", "required": ["type"], "properties": kind("static") },
    ] });
    let values = |values: &[&str]| json!({ "type": "string", "enum": values });
    let document = with_schemas(json!({
        "Thing": { "type": "object", "properties": {
            "tool_calls": { "type": "array", "items": { "type": "object", "properties": {
                "outputs": { "type": "array", "items": { "type": "object", "properties": { "id": { "type": "string" } } } },
            } } },
            "stores": { "type": "array", "items": { "type": "object", "properties": { "chunking_strategy": strategy } } },
            "status": values(&["a", "b"]),
            "entries": { "type": "object", "additionalProperties": values(&["c", "d"]) },
            "tools": { "type": "array", "items": values(&["e", "f"]) },
            "chosen": { "oneOf": [
                { "type": "object", "required": ["kind"], "properties": { "kind": { "const": "x" }, "left": { "type": "string" } } },
                { "type": "object", "required": ["kind"], "properties": { "kind": { "const": "y" }, "right": { "type": "string" } } },
            ] },
        } },
        // These names are taken.
        "ThingStatus": { "type": "object", "properties": { "tool": reference("ThingTool"), "thing": reference("Thing") } },
        "ThingTool": values(&["g", "h"]),
    }));
    let mut document = document;
    document["paths"]["/things"]["put"] = json!({
        "operationId": "putThing",
        "responses": { "200": { "description": "A status", "content": json_content(reference("ThingStatus")) } },
    });
    let types = types(&build(&document.to_string()).unwrap());
    insta::assert_snapshot!(types.join("\n"));
    assert!(types.iter().all(|name| !name.ends_with(|last: char| last.is_ascii_digit())));
}

fn with_stream(document: &mut Value) {
    document["paths"]["/things"]["post"] = json!({
        "operationId": "createThing",
        "requestBody": { "content": json_content(json!({ "type": "object", "properties": { "stream": { "type": "boolean" } } })) },
        "responses": { "200": { "description": "A thing", "content": json_content(reference("Thing")) } },
    });
    document["components"]["schemas"]["ThingEvent"] = json!({ "oneOf": [
        { "type": "object", "required": ["event", "data"], "properties": { "event": { "const": "made" }, "data": reference("Thing") } },
        { "type": "object", "required": ["event", "data"], "properties": { "event": { "const": "done" }, "data": { "const": "[DONE]" } } },
    ] });
}

#[test]
fn selected_operations_get_a_method_that_streams() {
    let mut document = with_schemas(
        json!({ "Thing": { "type": "object", "properties": { "id": { "type": "string" } } } }),
    );
    with_stream(&mut document);
    let build = |streams: &[(&str, &str)]| {
        let streams = streams
            .iter()
            .map(|(operation, events)| ((*operation).to_owned(), (*events).to_owned()));
        let selection = Selection { streams: streams.collect(), ..all_operations() };
        codegen::build_document(codegen::document::Document(document.clone()), &selection)
    };
    let client = |generated: &Generated| prettyplease::unparse(&generated.code.client);
    let without = build(&[]).unwrap();
    assert!(!client(&without).contains("create_thing_stream"));
    assert_eq!(
        without.notes(),
        ["`create_thing` can stream, but its responses are only JSON: for a method \
          `create_thing_stream`, add `--stream create_thing=ThingEvent`"]
    );
    for name in ["create_thing", "createThing"] {
        let with = build(&[(name, "ThingEvent")]).unwrap();
        assert!(client(&with).contains("async fn create_thing_stream<"));
        assert!(with.notes().is_empty());
    }
    let error = build(&[("delete_thing", "ThingEvent")]).err().unwrap().to_string();
    assert!(
        error.contains("there is no operation `delete_thing`") && error.contains("create_thing"),
        "{error}"
    );
    let error = build(&[("create_thing", "Thing")]).err().unwrap().to_string();
    assert!(
        error.contains("`Thing` is not a union of events") && error.contains("ThingEvent"),
        "{error}"
    );
}

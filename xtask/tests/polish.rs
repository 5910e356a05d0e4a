//! What becomes of the generator's code, on a document that can be read at a glance.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::path::Path;

use serde_json::json;
use xtask::codegen::{
    self, Selection, document::Document, enums::OpenEnum, polish, render, unions,
};

/// Three objects and two operations: one that sends and reads, one that only reads.
fn document() -> Document {
    Document(json!({
        "openapi": "3.1.0",
        "info": { "title": "Test", "version": "1" },
        "paths": { "/runs/{run_id}": {
            "parameters": [{ "name": "run_id", "in": "path", "required": true, "schema": { "type": "string" } }],
            "post": {
                "operationId": "modifyRun",
                "requestBody": { "required": true, "content": { "application/json": { "schema": { "$ref": "#/components/schemas/ModifyRun" } } } },
                "responses": { "200": { "description": "A run", "content": {
                    "application/json": { "schema": { "$ref": "#/components/schemas/Run" } },
                    "text/event-stream": { "schema": { "type": "object" } },
                } } },
            },
            "delete": { "operationId": "deleteRun", "responses": { "204": { "description": "It is gone" } } },
        } },
        "components": { "schemas": {
            "ModifyRun": { "type": "object", "required": ["zeal", "count"], "properties": {
                "zeal": { "type": "string", "description": "How eager it is, 1 < 2.\nSee https://example.org." },
                "count": { "type": "integer", "minimum": 0 },
                "maxTokens": { "type": ["integer", "null"] },
                "tools": { "type": "array", "items": { "type": "string" } },
                "stream": { "type": "boolean", "default": false },
            } },
            "Run": { "type": "object", "required": ["object", "id", "tools", "usage"], "properties": {
                "object": { "const": "thread.run", "type": "string" },
                "id": { "type": "string" },
                "tools": { "type": "array", "items": { "type": "string" } },
                "usage": { "anyOf": [{ "$ref": "#/components/schemas/Usage" }, { "type": "null" }] },
                "parent": { "$ref": "#/components/schemas/Run" },
                "trail": { "$ref": "#/components/schemas/Trail" },
            } },
            "Trail": { "type": "array", "items": { "$ref": "#/components/schemas/Trail" } },
            "Usage": { "type": "object", "required": ["total"], "properties": { "total": { "type": "integer", "minimum": 0 } } },
        } },
    }))
}

fn built() -> codegen::Generated {
    let all = Selection { patterns: vec!["/**".to_owned()] };
    codegen::build_document(document(), &all).unwrap()
}

/// Fields come in the document's order; `new` takes what must be there, and what is sent has
/// setters; leaving out and null are two things in what is sent, and one in what is read; a constant
/// may be left out; a list that providers leave out is read as empty.
#[test]
fn structs() {
    insta::assert_snapshot!(prettyplease::unparse(&built().code.structs));
}

/// No `new` with its timeout of 15 s, no `api-version` header, and replies are read by our decoder.
/// What streams has a second method.
#[test]
fn client() {
    let text = prettyplease::unparse(&built().code.client);
    assert!(!text.contains("fn new("), "{text}");
    assert!(!text.contains("from_secs") && !text.contains("timeout"), "{text}");
    assert!(!text.contains("api-version") && !text.contains("header_map"), "{text}");
    assert!(text.contains("crate::decode::response(") && !text.contains("from_response"), "{text}");
    assert!(text.contains("async fn modify_run_stream<"), "{text}");
    assert!(text.contains("call::segment(run_id)") && !text.contains("encode_path("), "{text}");
    insta::assert_snapshot!(text);
}

/// A generator that decodes or names things in another way must not go unnoticed.
#[test]
fn a_method_that_does_not_decode_as_known_is_an_error() {
    let polished = |code: &str| {
        let document = document();
        let (replies, boxed, streams) = Default::default();
        let shapes = polish::Shapes {
            document: &document,
            enums: &[],
            replies: &replies,
            boxed: &boxed,
            streams: &streams,
        };
        polish::polish(code.parse().unwrap(), &shapes).map(drop)
    };
    polished("impl Client { pub async fn get(&self) { ResponseValue::from_response(x) } }")
        .unwrap();
    polished("impl Client { pub fn name(&self) {} }").unwrap();
    let error = polished("impl Client { pub async fn get(&self) { ResponseValue::decode(x) } }");
    let error = error.unwrap_err().to_string();
    assert!(error.contains("`get` has no `ResponseValue::from_response` to replace"), "{error}");
    let error = polished(
        "impl Client { pub async fn get(&self) { ResponseValue::empty(x); send(\"api-version\") } }",
    );
    assert!(error.unwrap_err().to_string().contains("`get` still sends `api-version`"));
    let error = polished("pub mod types { pub enum Odd {} pub struct Run { pub odd: Odd } }");
    assert!(error.unwrap_err().to_string().contains("it has an enum `Odd` that no step made"));
}

/// The macros' input, for each form that a union and an enum can have.
#[test]
fn unions_and_enums() {
    let variant = |name: &str, value: &str, body: &str| unions::Variant {
        name: name.to_owned(),
        description: None,
        value: value.to_owned(),
        body: body.to_owned(),
        boxed: body == "Run",
    };
    let pair = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    let mut generated = built();
    generated.enums = vec![
        OpenEnum {
            name: "Mode".to_owned(),
            description: Some("How it runs.\n\n    as code".to_owned()),
            values: vec![pair("Fast", "fast"), pair("Quoted", "with \"quotes\"")],
            constant: false,
        },
        OpenEnum {
            name: "RunObject".to_owned(),
            description: None,
            values: vec![pair("Run", "run")],
            constant: true,
        },
    ];
    generated.unions = unions::Unions {
        unions: vec![unions::Union {
            name: "Part".to_owned(),
            description: Some("A part".to_owned()),
            constants: vec![pair("Auto", "auto")],
            text: Some("Text".to_owned()),
            array: Some(pair("List", "Usage")),
            tag: "type".to_owned(),
            tagged: vec![variant("Say", "say", "say_it")],
            object: Some(pair("Usage", "Usage")),
        }],
        events: vec![unions::Events {
            name: "RunEvent".to_owned(),
            description: None,
            events: vec![variant("Made", "run.made", "Run")],
            plain: vec![variant("Done", "done", "[DONE]")],
        }],
    };
    let specification = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/vendor.yaml");
    let files = render::render(&specification, "my-api", &generated).unwrap();
    let text = |name: &str| {
        let file = files.iter().find(|file| file.path.ends_with(name)).unwrap();
        // The first lines name the document and its hash.
        let lines: Vec<&str> = file.text.lines().collect();
        assert!(
            lines[0]
                .starts_with("// @generated by `cargo xtask codegen` from vendor.yaml (sha256 ")
        );
        lines[2..].join("\n")
    };
    insta::assert_snapshot!(format!("{}\n\n{}", text("enums.rs"), text("unions.rs")));
}

/// The test of the examples uses the crate by its own name, and skips what became no type.
#[test]
fn examples() {
    let mut generated = built();
    for (name, examples) in
        [("Run", json!([{ "id": "run_1" }])), ("Trail", json!([[]])), ("Usage", json!("no list"))]
    {
        generated.original.schemas_mut().unwrap()[name]["examples"] = examples;
    }
    let schemas = generated.original.schemas_mut().unwrap();
    schemas.insert("Gone".to_owned(), json!({ "examples": [1] }));
    let files = codegen::examples::round_trips(
        "// A header.\n",
        "my-api",
        std::path::Path::new("tests/examples.rs"),
        &generated,
    );
    assert_eq!(files.len(), 2);
    assert!(files[0].text.contains("use my_api::types;"), "{}", files[0].text);
    assert!(files[0].text.ends_with("round_trip!(run, Run);\nround_trip!(trail, Trail);\n"));
}

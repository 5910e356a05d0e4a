//! The generated code of a small document.

use serde_json::{Value, json};
use xtask::codegen::document::Document;
use xtask::codegen::enums::OpenEnum;
use xtask::codegen::{Generated, render, rewrite, unions};

use crate::{build, json_content, reference, vendor};

/// A document with two operations, one of which has a request body.
fn document() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Test", "version": "1" },
        "paths": { "/runs/{run_id}": {
            "parameters": [{ "name": "run_id", "in": "path", "required": true, "schema": { "type": "string" } }],
            "post": {
                "operationId": "modifyRun",
                "requestBody": { "required": true, "content": json_content(reference("ModifyRun")) },
                "responses": { "200": { "description": "A run", "content": {
                    "application/json": { "schema": reference("Run") },
                    "text/event-stream": { "schema": { "type": "object" } },
                } } },
            },
            "delete": { "operationId": "deleteRun", "responses": { "204": { "description": "Deleted" } } },
        } },
        "components": { "schemas": {
            "ModifyRun": { "type": "object", "required": ["priority", "count"], "properties": {
                "priority": { "type": "string", "description": "Priority, 1 < 2.\nSee https://example.org." },
                "count": { "type": "integer", "minimum": 0 },
                "maxTokens": { "type": ["integer", "null"] },
                "tools": { "type": "array", "items": { "type": "string" } },
                "stream": { "type": "boolean", "default": false },
            } },
            "Run": { "type": "object", "required": ["object", "id", "tools", "usage"], "properties": {
                "object": { "const": "thread.run", "type": "string" },
                "id": { "type": "string" },
                "tools": { "type": "array", "items": { "type": "string" } },
                "usage": { "anyOf": [reference("Usage"), { "type": "null" }] },
                "parent": reference("Run"),
                "trail": reference("Trail"),
            } },
            "Trail": { "type": "array", "items": reference("Trail") },
            "Usage": { "type": "object", "required": ["total"], "properties": { "total": { "type": "integer", "minimum": 0 } } },
        } },
    })
}

fn generated() -> Generated {
    build(document()).unwrap()
}

/// Fields are in the document's order. `new` has the required fields; types in requests have setters,
/// and distinguish absent from null. Constants may be absent, and so may lists that providers omit.
#[test]
fn structs() {
    insta::assert_snapshot!(prettyplease::unparse(&generated().code.structs));
}

/// The client has no `new` with a timeout of 15 s, no `api-version` header, and our decoder.
/// Operations that stream have a second method.
#[test]
fn client() {
    let text = prettyplease::unparse(&generated().code.client);
    assert!(!text.contains("fn new("), "{text}");
    assert!(!text.contains("from_secs") && !text.contains("timeout"), "{text}");
    assert!(!text.contains("api-version") && !text.contains("header_map"), "{text}");
    assert!(text.contains("crate::decode::response(") && !text.contains("from_response"), "{text}");
    assert!(text.contains("async fn modify_run_stream<"), "{text}");
    assert!(text.contains("call::segment(run_id)") && !text.contains("encode_path("), "{text}");
    insta::assert_snapshot!(text);
}

/// A new version of progenitor may generate other code, which must be an error.
#[test]
fn unexpected_generated_code_is_an_error() {
    let rewrite = |code: &str| {
        let document = Document(document());
        let (response_only, boxed, event_streams) = Default::default();
        let context = rewrite::Context {
            document: &document,
            enums: &[],
            response_only: &response_only,
            boxed: &boxed,
            event_streams: &event_streams,
        };
        rewrite::rewrite(code.parse().unwrap(), &context).map(drop)
    };
    let method = |rest: &str| {
        let sends = "self.pre(&mut request, &info).await?; let result = self.exec(request, &info).await; \
                     self.post(&result, &info).await?; let response = result?;";
        rewrite(&format!("impl Client {{ pub async fn get(&self) {{ {sends} {rest} }} }}"))
    };
    method("ResponseValue::from_response(x)").unwrap();
    rewrite("impl Client { pub fn name(&self) {} }").unwrap();
    let error = method("ResponseValue::decode(x)").unwrap_err().to_string();
    assert!(error.contains("`get` has no `ResponseValue::from_response` to replace"), "{error}");
    let error = method("ResponseValue::empty(x); send(\"api-version\")").unwrap_err().to_string();
    assert!(error.contains("`get` still sends `api-version`"), "{error}");
    for (sends, reason) in [
        ("", "`get` does not call `pre`"),
        ("self.pre(&mut request, &info).await?; a();", "`get` sends its request in another way"),
        (
            "self.pre(&mut request, &info).await?; a(); b(); c();",
            "`get` sends its request in another way",
        ),
    ] {
        let code = format!(
            "impl Client {{ pub async fn get(&self) {{ {sends} ResponseValue::empty(x) }} }}"
        );
        let error = rewrite(&code).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    }
    let error = rewrite("pub mod types { pub enum Odd {} pub struct Run { pub odd: Odd } }");
    assert!(
        error.unwrap_err().to_string().contains("it has an enum `Odd` that no stage extracted")
    );
}

/// Input of the macros for all kinds of variants.
#[test]
fn unions_and_enums() {
    let variant = |name: &str, value: &str, body: &str| unions::Variant {
        name: name.to_owned(),
        description: None,
        value: value.to_owned(),
        body: body.to_owned(),
        boxed: body == "Run",
    };
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut generated = generated();
    generated.enums = vec![
        OpenEnum {
            name: "Mode".to_owned(),
            description: Some("Execution mode.\n\n    as code".to_owned()),
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
            scalars: Vec::new(),
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
    let files = render::render(&vendor(), "my-api", &generated).unwrap();
    let text = |name: &str| {
        let file = files.iter().find(|file| file.path.ends_with(name)).unwrap();
        // The header has the name of the document and its hash.
        let lines: Vec<&str> = file.text.lines().collect();
        assert!(
            lines[0]
                .starts_with("// @generated by `cargo xtask codegen` from vendor.yaml (sha256 ")
        );
        lines[2..].join("\n")
    };
    insta::assert_snapshot!(format!("{}\n\n{}", text("enums.rs"), text("unions.rs")));
}

/// The test of the examples uses the name of the crate, and skips schemas without a type.
#[test]
fn examples() {
    let mut generated = generated();
    for (name, examples) in
        [("Run", json!([{ "id": "run_1" }])), ("Trail", json!([[]])), ("Usage", json!("no list"))]
    {
        generated.original.schemas_mut().unwrap()[name]["examples"] = examples;
    }
    let schemas = generated.original.schemas_mut().unwrap();
    schemas.insert("Gone".to_owned(), json!({ "examples": [1] }));
    let files = render::round_trips(
        "// A header.\n",
        "my-api",
        std::path::Path::new("tests/examples.rs"),
        &generated,
    );
    assert_eq!(files.len(), 2);
    assert!(files[0].text.contains("use my_api::types;"), "{}", files[0].text);
    assert!(files[0].text.ends_with("round_trip!(run, Run);\nround_trip!(trail, Trail);\n"));
}

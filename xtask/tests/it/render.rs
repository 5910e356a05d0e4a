//! Code that restates facts of the specification: operations, limits, and request builders.

use serde_json::{Value, json};
use xtask::codegen::document::Document;
use xtask::codegen::{self, Generated, Selection, render};

use crate::{build, json_content, reference, repository};

/// Generates code from a document whose only operation has a body with these properties.
fn generated(properties: &Value, schemas: &Value) -> Generated {
    let mut schemas = schemas.clone();
    schemas["Body"] = json!({ "type": "object", "properties": properties });
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Test", "version": "1" },
        "paths": { "/things": { "post": {
            "operationId": "makeThing",
            "requestBody": { "content": json_content(reference("Body")) },
            "responses": { "200": { "description": "" } },
        } } },
        "components": { "schemas": schemas },
    });
    build(document).unwrap()
}

/// Renders the checks of a body with one property `x`, without line breaks.
fn check(property: &Value) -> String {
    let generated = generated(&json!({ "x": property }), &json!({}));
    let text = render::limits::render(&generated).unwrap();
    let (_, text) = text.split_once("Violation> {").unwrap();
    let (text, _) = text.split_once("Ok(())").unwrap();
    let text = text.replace("Limits::NONE", "").replace([' ', '\n'], "");
    let text = text.strip_prefix("field(\"x\",&self.x,&").unwrap_or(&text);
    text.replace("Limits{", "{").replace(",..}", "}").replace(",)?;", "").replace(")?;", "")
}

#[test]
fn limits_of_each_type_are_rendered() {
    let cases = [
        json!({ "type": "string", "minLength": 1, "maxLength": 9 }),
        json!({ "type": "string", "minLength": 2, "maxItems": 9 }),
        json!({ "type": "integer", "minimum": 1 }),
        json!({ "type": "integer", "minimum": -1.5, "maximum": 8 }),
        json!({ "type": "integer", "minimum": -9223372036854775808i64, "maximum": 1e30 }),
        json!({ "type": "number", "minimum": 2, "maximum": 2 }),
        json!({ "type": "number", "exclusiveMaximum": 1 }),
        json!({ "type": "number", "maximum": 1, "exclusiveMaximum": true }),
        json!({ "type": "number", "maximum": 1, "exclusiveMaximum": false }),
        json!({ "type": "number", "exclusiveMinimum": 0.5 }),
        json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
        json!({ "type": "array", "items": { "type": "string", "maxLength": 3 } }),
        json!({ "type": "object", "additionalProperties": { "type": "string", "maxLength": 3 },
            "maxProperties": 16, "propertyNames": { "maxLength": 64 } }),
        json!({ "type": "boolean" }),
    ];
    let rendered = cases.map(|property| format!("{property}\n    {}\n", check(&property)));
    insta::assert_snapshot!(rendered.concat());
}

#[test]
fn types_that_request_bodies_contain_are_validated() {
    let tagged = |kind: &str, property: Value| json!({ "type": "object", "properties": { "type": { "const": kind }, "x": property } });
    let schemas = json!({
        "Choice": { "oneOf": [reference("Free"), reference("Limited")] },
        "Free": tagged("free", json!({ "type": "string" })),
        // Recursive: it contains itself, and its limit only once.
        "Limited": tagged("limited", json!({ "type": "object", "properties": {
            "inner": reference("Choice"), "name": { "type": "string", "maxLength": 3 } } })),
        "Unlimited": { "type": "object", "properties": { "a": { "type": "string" } } },
        "Unused": { "type": "object", "properties": { "a": { "type": "string", "maxLength": 3 } } },
    });
    let body = json!({ "choice": reference("Choice"), "free": reference("Unlimited") });
    let text = render::limits::render(&generated(&body, &schemas)).unwrap();
    let types: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("impl Validate for types::")?.strip_suffix(" {"))
        .collect();
    assert_eq!(types, ["Free", "Limited", "LimitedX", "Unlimited", "Body", "Choice"]);
    let text = render::limits::render(&generated(&json!({}), &json!({}))).unwrap();
    assert_eq!(text.matches("impl Validate for types::Body").count(), 1);
}

#[test]
fn operation_without_sdk_name_has_its_id() {
    let generated = generated(&json!({}), &json!({}));
    let text = render::operations::render(&generated.original);
    let expected =
        "    /// `POST /things`\n    MakeThing = \"makeThing\" POST \"/things\" \"makeThing\",\n";
    assert!(text.contains(expected), "{text}");
    assert!(!text.contains("PAGE_LIMIT"), "{text}");
}

#[test]
fn operations_with_similar_ids_get_different_names() {
    let operation = |id: &str| json!({ "operationId": id });
    let document = Document(json!({ "paths": {
        "/a": { "get": operation("a1b"), "post": operation("a_1b") },
    } }));
    let text = render::operations::render(&document);
    assert!(text.contains("A1b = \"a1b\"") && text.contains("A1b2 = \"a_1b\""), "{text}");
}

#[test]
fn page_limit_is_left_out_if_operations_differ() {
    let list = |maximum: u64| {
        json!({ "operationId": format!("list{maximum}"), "parameters": [{ "name": "limit", "in": "query",
            "schema": { "type": "integer", "minimum": 1, "maximum": maximum, "default": 20 } }] })
    };
    let render = |second: u64| {
        let paths = json!({ "/a": { "get": list(100) }, "/b": { "get": list(second) } });
        render::operations::render(&Document(json!({ "paths": paths })))
    };
    assert!(render(100).contains("RangeInclusive<u64> = 1..=100;"));
    assert!(!render(50).contains("PAGE_LIMIT"));
}

#[test]
fn requests_have_setters_for_optional_parameters_and_properties() {
    let files =
        codegen::generate(&repository().join("openapi/runs.yaml"), &Selection::default()).unwrap();
    let requests = files.iter().find(|file| file.path.ends_with("requests.rs")).unwrap();
    let mut names = String::new();
    for line in requests.text.lines().map(str::trim) {
        if let Some(builder) = line.strip_prefix("impl ") {
            names.push_str(&format!("\n{}", builder.trim_end_matches(" {")));
        } else if let Some((name, _)) =
            line.strip_prefix("pub fn ").and_then(|line| line.split_once('('))
        {
            names.push_str(&format!(" {name}"));
        }
    }
    insta::assert_snapshot!(names.trim());
}

/// Renders the table of the command line for a body with these properties.
fn commands(properties: &Value) -> Result<String, codegen::Error> {
    let schemas = json!({
        "Text": { "type": "string", "enum": ["a", "b"] },
        "Texts": { "type": "object", "additionalProperties": { "type": "string" } },
        "Thing": { "type": "object", "properties": { "a": { "type": "string" } } },
    });
    Ok(render::command_line::render("", &generated(properties, &schemas))?.text)
}

#[test]
fn properties_with_one_value_become_flags() {
    let nullable = |schema: Value| json!({ "oneOf": [schema, { "type": "null" }] });
    let text = commands(&json!({
        "some_text": { "type": ["string", "null"], "description": "A text." },
        "choice": nullable(reference("Text")),
        "count": { "type": "integer" },
        "ratio": { "type": "number" },
        "stream": { "type": "boolean" },
        "pairs": nullable(reference("Texts")),
        "content": { "oneOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }] },
        "things": { "type": "array", "items": reference("Thing") },
        "thing": reference("Thing"),
    }))
    .unwrap();
    insta::assert_snapshot!(text);
}

#[test]
fn flags_of_an_operation_are_distinct() {
    for property in ["json", "base_url", "body"] {
        let error = commands(&json!({ property: { "type": "string" } })).unwrap_err();
        assert!(error.to_string().contains("has no free flag"), "{error}");
    }
    let same = json!({ "a_b": { "type": "string" }, "aB": { "type": "string" } });
    assert!(commands(&same).unwrap_err().to_string().contains("--a-b"));
}

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
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace("self.x.as_ref()", "VALUE")
}

#[test]
fn each_limit_becomes_a_check() {
    let cases = [
        (json!({ "type": "string", "minLength": 1, "maxLength": 9 }), "characters(value, 1..=9)"),
        (json!({ "type": "string", "minLength": 0 }), ""),
        (json!({ "type": "integer", "minimum": 1 }), "number(value, 1..)"),
        (json!({ "type": "integer", "minimum": 0 }), ""),
        (json!({ "type": "integer", "minimum": -1.5, "maximum": 8 }), "number(value, -1..=8)"),
        (json!({ "type": "integer", "minimum": -9223372036854775808i64, "maximum": 1e30 }), ""),
        (json!({ "type": "number", "minimum": 0, "maximum": 2 }), "number(value, 0.0..=2.0)"),
        (json!({ "type": "number", "exclusiveMaximum": 1 }), "number(value, ..1.0)"),
        (
            json!({ "type": "number", "maximum": 1, "exclusiveMaximum": true }),
            "number(value, ..1.0)",
        ),
        (
            json!({ "type": "number", "exclusiveMinimum": 0.5 }),
            "number(value, (std::ops::Bound::Excluded(0.5), std::ops::Bound::Unbounded))",
        ),
        (
            json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
            "items(value.len(), 1..)",
        ),
        (
            json!({ "type": "array", "items": { "type": "string", "maxLength": 3 } }),
            "each(value, |value| characters(value, ..=3))",
        ),
        (json!({ "type": "boolean" }), ""),
    ];
    for (property, expected) in cases {
        let expected = match expected {
            "" => String::new(),
            call => format!("field(\"x\", VALUE, |value| {call})?;"),
        };
        let found = check(&property).replace(", )", ")").replace("( ", "(");
        assert_eq!(found, expected, "{property}");
    }
}

#[test]
fn only_types_with_limits_and_request_bodies_are_validated() {
    let tagged = |kind: &str, property: Value| json!({ "type": "object", "properties": { "type": { "const": kind }, "x": property } });
    let schemas = json!({
        "Choice": { "oneOf": [reference("Free"), reference("Limited")] },
        "Free": tagged("free", json!({ "type": "string" })),
        // Recursive: it contains itself, and its limit only once.
        "Limited": tagged("limited", json!({ "type": "object", "properties": {
            "inner": reference("Choice"), "name": { "type": "string", "maxLength": 3 } } })),
        "Unlimited": { "type": "object", "properties": { "a": { "type": "string" } } },
    });
    let body = json!({ "choice": reference("Choice"), "free": reference("Unlimited") });
    let text = render::limits::render(&generated(&body, &schemas)).unwrap();
    let types: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("impl Validate for types::")?.strip_suffix(" {"))
        .collect();
    assert_eq!(types, ["Limited", "LimitedX", "Body", "Choice"]);
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

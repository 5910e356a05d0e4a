use serde_json::{Value, json};

use super::*;

/// A document with a small schema of each form that the real one has.
fn schemas() -> Schemas {
    let schemas = json!({
        "CreateRequest": {
            "type": "object",
            "additionalProperties": false,
            "required": ["model"],
            "properties": {
                "model": {"type": "string", "minLength": 1},
                "instructions": {"type": ["string", "null"], "maxLength": 10},
                "temperature": {"type": ["number", "null"], "minimum": 0, "maximum": 2},
                "count": {"type": "integer", "format": "int64", "minimum": 1, "maximum": 5},
                "parallel": {"type": "boolean", "default": true},
                "effort": {"oneOf": [{"$ref": "#/components/schemas/Effort"}, {"type": "null"}]},
                "tools": {"type": "array", "minItems": 1, "maxItems": 3, "items": {"$ref": "#/components/schemas/Tool"}},
                "metadata": {"oneOf": [{"$ref": "#/components/schemas/Metadata"}, {"type": "null"}]},
                "format": {"description": "A union in a union.", "oneOf": [{"$ref": "#/components/schemas/Format"}, {"type": "null"}]},
                "content": {"oneOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
                "resources": {"$ref": "#/components/schemas/Resources", "description": "Beside a reference."},
                "limited": {"$ref": "#/components/schemas/Word", "maxLength": 3},
                "mixed": {"allOf": [
                    {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"type": "object", "properties": {"b": {"type": "string"}}},
                ]},
                "node": {"$ref": "#/components/schemas/Node"},
            },
        },
        "Word": {"type": "string"},
        "Effort": {"type": "string", "enum": ["low", "medium", "high"]},
        "Metadata": {
            "type": "object",
            "maxProperties": 2,
            "propertyNames": {"maxLength": 4},
            "additionalProperties": {"type": "string", "maxLength": 3},
        },
        "Tool": {"oneOf": [
            {"$ref": "#/components/schemas/SearchTool"},
            {"$ref": "#/components/schemas/FunctionTool"},
        ]},
        "SearchTool": {
            "type": "object",
            "properties": {"type": {"type": "string", "const": "search"}},
            "required": ["type"],
        },
        "FunctionTool": {
            "type": "object",
            "properties": {
                "type": {"type": "string", "const": "function"},
                "function": {
                    "type": "object",
                    "properties": {
                        "name": {"type": "string"},
                        "parameters": {"type": "object", "additionalProperties": true},
                    },
                    "required": ["name"],
                },
            },
            "required": ["type", "function"],
        },
        "Format": {"oneOf": [
            {"type": "string", "const": "auto"},
            {"type": "object", "properties": {"type": {"const": "text"}}, "required": ["type"]},
            {"type": "object", "properties": {"type": {"const": "json"}}, "required": ["type"]},
        ]},
        "Resources": {
            "type": "object",
            "properties": {"ids": {"type": "array"}, "stores": {"type": "array"}, "name": {"type": "string"}},
            "oneOf": [{"required": ["ids"]}, {"required": ["stores"]}],
        },
        "Node": {
            "type": "object",
            "properties": {"next": {"oneOf": [{"$ref": "#/components/schemas/Node"}, {"type": "null"}]}},
        },
    });
    compile(&schemas, &["CreateRequest", "Node"])
}

fn document(schemas: &Value, request_bodies: &[&str]) -> String {
    let path = |name: &&str| {
        let schema = json!({"$ref": format!("#/components/schemas/{name}")});
        let body = json!({"content": {"application/json": {"schema": schema}}});
        (format!("/{name}"), json!({"post": {"requestBody": body}}))
    };
    let paths: serde_json::Map<String, Value> = request_bodies.iter().map(path).collect();
    json!({"paths": paths, "components": {"schemas": schemas}}).to_string()
}

fn compile(schemas: &Value, request_bodies: &[&str]) -> Schemas {
    Schemas::new(&document(schemas, request_bodies)).expect("a valid document")
}

fn validate(schemas: &Schemas, fields: &Value) -> Result<(), Violation> {
    let mut body = json!({"model": "m"});
    if let (Some(body), Some(fields)) = (body.as_object_mut(), fields.as_object()) {
        body.extend(fields.clone());
    }
    schemas.validate("CreateRequest", &body)
}

#[test]
fn valid_bodies_pass() {
    let schemas = schemas();
    let bodies = [
        json!({}),
        json!({"instructions": null, "temperature": 2, "count": 3.0, "parallel": false}),
        json!({"instructions": "éééééééééé", "temperature": 0.0, "effort": null}),
        json!({"effort": "low", "metadata": {"a": "b", "c": ""}, "content": "x"}),
        json!({"metadata": null, "format": null, "content": ["x"]}),
        json!({"format": "auto", "resources": {"ids": []}}),
        json!({"resources": {}}),
        json!({"format": {"type": "json"}, "limited": "abc", "mixed": {"a": "x", "b": "y"}}),
        json!({"tools": [{"type": "search"}, {"type": "function", "function": {"name": "f", "parameters": {"any": {"thing": 1}}}}]}),
        json!({"node": {"next": {"next": null}}}),
    ];
    for body in bodies {
        assert_eq!(validate(&schemas, &body), Ok(()), "{body}");
    }
}

#[test]
fn violations_name_the_field() {
    let function = |function: Value| json!({"tools": [{"type": "search"}, {"type": "function", "function": function}]});
    let bodies = [
        json!({"nonsense": 1}),
        json!({"model": 5}),
        json!({"model": ""}),
        json!({"parallel": null}),
        json!({"instructions": {}}),
        json!({"instructions": "ééééééééééé"}),
        json!({"temperature": 3}),
        json!({"temperature": -0.5}),
        json!({"count": 6}),
        json!({"count": 0}),
        json!({"count": 1.5}),
        json!({"effort": "max"}),
        json!({"effort": 1}),
        json!({"tools": []}),
        json!({"tools": [0, 0, 0, 0]}),
        json!({"tools": ["search"]}),
        json!({"tools": [{}]}),
        json!({"tools": [{"type": null}]}),
        json!({"tools": [{"type": "x".repeat(100)}]}),
        json!({"tools": [{"type": "search", "function": {}}]}),
        json!({"tools": [{"type": "function"}]}),
        function(json!({})),
        function(json!({"name": true})),
        function(json!({"name": "f", "color": 1})),
        json!({"metadata": {"a": "", "b": "", "c": ""}}),
        json!({"metadata": {"a": 1}}),
        json!({"metadata": {"a": "long"}}),
        json!({"metadata": {"abcde": ""}}),
        json!({"metadata": []}),
        json!({"format": "text"}),
        json!({"format": {"type": "xml"}}),
        json!({"format": 1}),
        json!({"content": {}}),
        json!({"content": ["a", 1]}),
        json!({"resources": {"name": "x"}}),
        json!({"resources": {"ids": [], "stores": []}}),
        json!({"limited": "abcd"}),
        json!({"limited": 1}),
        json!({"mixed": {}}),
        json!({"mixed": {"a": "x", "c": 1}}),
        json!({"node": {"next": {"next": {"last": 1}}}}),
    ];
    let schemas = schemas();
    let report = bodies.map(|fields| {
        let Violation { param, code, message } =
            validate(&schemas, &fields).expect_err(&fields.to_string());
        format!("{fields}\n  {param} ({code}): {message}\n")
    });
    insta::assert_snapshot!(report.concat());
}

#[test]
fn the_body_itself_is_checked() {
    let schemas = schemas();
    let violation = schemas.validate("CreateRequest", &json!([])).expect_err("an array");
    let message = "Invalid type for body: expected an object, but got an array instead.";
    assert_eq!(
        (violation.param.as_str(), violation.code, violation.message.as_str()),
        ("", "invalid_type", message)
    );
    let violation = schemas.validate("CreateRequest", &json!({})).expect_err("no model");
    assert_eq!(violation.message, "Missing required parameter: 'model'.");
    assert!(schemas.validate("Nothing", &json!({})).is_err());
}

#[test]
fn whole_numbers_are_written_as_integers_only_where_the_schema_says_so() {
    let schemas = json!({
        "Body": {
            "type": "object",
            "properties": {
                "count": {"$ref": "#/components/schemas/Count"},
                "limit": {"oneOf": [{"type": "integer"}, {"type": "null"}]},
                "share": {"type": ["integer", "number"]},
                "list": {"type": "array", "items": {"allOf": [{"type": ["integer", "null"]}]}},
                "pairs": {"type": "object", "additionalProperties": {"type": "integer"}},
                "pick": {"oneOf": [
                    {"type": "object", "properties": {"type": {"const": "free"}, "n": {"type": "number"}}},
                    {"type": "object", "properties": {"type": {"const": "whole"}, "n": {"type": "integer"}}},
                ]},
                "own": {"type": "object", "additionalProperties": true},
                "bare": {"type": "array"},
            },
        },
        "Count": {"type": "integer"},
    });
    let schemas = compile(&schemas, &["Body"]);
    let cases = [
        (r#"{"count":3.0}"#, r#"{"count":3}"#),
        (r#"{"count":-9e18}"#, r#"{"count":-9000000000000000000}"#),
        (r#"{"limit":3.0}"#, r#"{"limit":3}"#),
        (r#"{"limit":null}"#, r#"{"limit":null}"#),
        (r#"{"share":3.0}"#, r#"{"share":3.0}"#),
        (r#"{"list":[1.0,null,2]}"#, r#"{"list":[1,null,2]}"#),
        (r#"{"pairs":{"a":1.0}}"#, r#"{"pairs":{"a":1}}"#),
        (r#"{"pick":{"n":1.0,"type":"free"}}"#, r#"{"pick":{"n":1.0,"type":"free"}}"#),
        (r#"{"pick":{"n":1.0,"type":"whole"}}"#, r#"{"pick":{"n":1,"type":"whole"}}"#),
        (r#"{"own":{"count":3.0}}"#, r#"{"own":{"count":3.0}}"#),
        (r#"{"bare":[3.0]}"#, r#"{"bare":[3.0]}"#),
    ];
    for (text, expected) in cases {
        let mut value = serde_json::from_str(text).expect(text);
        assert_eq!(schemas.validate("Body", &value), Ok(()), "{text}");
        schemas.normalize_integers("Body", &mut value);
        assert_eq!(value.to_string(), expected);
    }
}

#[test]
fn long_keys_are_shortened() {
    let violation =
        validate(&schemas(), &json!({"x".repeat(1000): 1})).expect_err("an unknown key");
    assert_eq!(violation.param.chars().count(), 64);
    assert!(violation.message.len() < 200);
}

#[test]
fn deep_values_are_followed_as_far_as_json_goes() {
    let schemas = schemas();
    let text = format!("{}null{}", "{\"next\":".repeat(120), "}".repeat(120));
    let mut value: Value = serde_json::from_str(&text).expect("within the limit");
    assert_eq!(schemas.validate("Node", &value), Ok(()));
    value = json!({"next": {"next": 1}});
    assert_eq!(
        schemas.validate("Node", &value).map_err(|violation| violation.param),
        Err("next.next".to_owned())
    );
}

#[test]
fn invalid_documents_are_refused() {
    let cases = [
        (json!({"A": {"$ref": "#/components/schemas/B"}}), "/components/schemas/B"),
        (json!({"A": {"type": "text"}}), "the schema A"),
        (json!({"A": {"maxLength": "long"}}), "the schema A"),
        (json!({"A": {"allOf": [{"$ref": "#/components/schemas/B"}]}, "B": {}}), "allOf"),
    ];
    for (schemas, part) in cases {
        let error = Schemas::new(&document(&schemas, &["A"])).expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    }
    let error = Schemas::new("{}").expect_err("no schemas").to_string();
    assert!(error.contains("components/schemas"), "{error}");
    assert!(Schemas::new("{").is_err());
}

#[test]
fn the_embedded_specification_is_valid() {
    let schemas = Schemas::embedded().expect("a valid specification");
    assert_eq!(schemas.validators.len(), 10);
}

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
            "properties": {"ids": {"type": "array"}, "stores": {"type": "array"}},
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
    let long = "x".repeat(100);
    let function = |function: Value| json!({"tools": [{"type": "search"}, {"type": "function", "function": function}]});
    let cases = [
        (json!({"nonsense": 1}), "nonsense", "unknown_parameter", "Unknown parameter: 'nonsense'."),
        (
            json!({"model": 5}),
            "model",
            "invalid_type",
            "Invalid type for 'model': expected a string, but got an integer instead.",
        ),
        (
            json!({"model": ""}),
            "model",
            "string_below_min_length",
            "Invalid 'model': expected at least 1 character, but got 0 instead.",
        ),
        (
            json!({"parallel": null}),
            "parallel",
            "invalid_type",
            "Invalid type for 'parallel': expected a boolean, but got null instead.",
        ),
        (
            json!({"instructions": {}}),
            "instructions",
            "invalid_type",
            "Invalid type for 'instructions': expected one of a string or null, but got an object instead.",
        ),
        (
            json!({"instructions": "ééééééééééé"}),
            "instructions",
            "string_above_max_length",
            "Invalid 'instructions': expected at most 10 characters, but got 11 instead.",
        ),
        (
            json!({"temperature": 3}),
            "temperature",
            "number_above_max_value",
            "Invalid 'temperature': expected a number of at most 2, but got 3 instead.",
        ),
        (
            json!({"temperature": -0.5}),
            "temperature",
            "number_below_min_value",
            "Invalid 'temperature': expected a number of at least 0, but got -0.5 instead.",
        ),
        (
            json!({"count": 6}),
            "count",
            "integer_above_max_value",
            "Invalid 'count': expected an integer of at most 5, but got 6 instead.",
        ),
        (
            json!({"count": 0}),
            "count",
            "integer_below_min_value",
            "Invalid 'count': expected an integer of at least 1, but got 0 instead.",
        ),
        (
            json!({"count": 1.5}),
            "count",
            "invalid_type",
            "Invalid type for 'count': expected an integer, but got a number instead.",
        ),
        (
            json!({"effort": "max"}),
            "effort",
            "invalid_value",
            "Invalid value: 'max'. Supported values are: 'low', 'medium', and 'high'.",
        ),
        (
            json!({"effort": 1}),
            "effort",
            "invalid_type",
            "Invalid type for 'effort': expected one of a string or null, but got an integer instead.",
        ),
        (
            json!({"tools": []}),
            "tools",
            "array_below_min_length",
            "Invalid 'tools': expected at least 1 item, but got 0 instead.",
        ),
        (
            json!({"tools": [0, 0, 0, 0]}),
            "tools",
            "array_above_max_length",
            "Invalid 'tools': expected at most 3 items, but got 4 instead.",
        ),
        (
            json!({"tools": ["search"]}),
            "tools[0]",
            "invalid_type",
            "Invalid type for 'tools[0]': expected an object, but got a string instead.",
        ),
        (
            json!({"tools": [{}]}),
            "tools[0].type",
            "missing_required_parameter",
            "Missing required parameter: 'tools[0].type'.",
        ),
        (
            json!({"tools": [{"type": null}]}),
            "tools[0].type",
            "invalid_type",
            "Invalid type for 'tools[0].type': expected a string, but got null instead.",
        ),
        (
            json!({"tools": [{"type": long}]}),
            "tools[0].type",
            "invalid_value",
            &format!(
                "Invalid value: '{}…'. Supported values are: 'search' and 'function'.",
                "x".repeat(63)
            ),
        ),
        (
            json!({"tools": [{"type": "search", "function": {}}]}),
            "tools[0].function",
            "unknown_parameter",
            "Unknown parameter: 'tools[0].function'.",
        ),
        (
            json!({"tools": [{"type": "function"}]}),
            "tools[0].function",
            "missing_required_parameter",
            "Missing required parameter: 'tools[0].function'.",
        ),
        (
            function(json!({})),
            "tools[1].function.name",
            "missing_required_parameter",
            "Missing required parameter: 'tools[1].function.name'.",
        ),
        (
            function(json!({"name": true})),
            "tools[1].function.name",
            "invalid_type",
            "Invalid type for 'tools[1].function.name': expected a string, but got a boolean instead.",
        ),
        (
            function(json!({"name": "f", "color": 1})),
            "tools[1].function.color",
            "unknown_parameter",
            "Unknown parameter: 'tools[1].function.color'.",
        ),
        (
            json!({"metadata": {"a": "", "b": "", "c": ""}}),
            "metadata",
            "object_above_max_properties",
            "Invalid 'metadata': expected at most 2 properties, but got 3 instead.",
        ),
        (
            json!({"metadata": {"a": 1}}),
            "metadata.a",
            "invalid_type",
            "Invalid type for 'metadata.a': expected a string, but got an integer instead.",
        ),
        (
            json!({"metadata": {"a": "long"}}),
            "metadata.a",
            "string_above_max_length",
            "Invalid 'metadata.a': expected at most 3 characters, but got 4 instead.",
        ),
        (
            json!({"metadata": {"abcde": ""}}),
            "metadata",
            "string_above_max_length",
            "Invalid 'metadata': expected keys of at most 4 characters, but got one of 5 instead.",
        ),
        (
            json!({"metadata": []}),
            "metadata",
            "invalid_type",
            "Invalid type for 'metadata': expected one of an object or null, but got an array instead.",
        ),
        (
            json!({"format": "text"}),
            "format",
            "invalid_value",
            "Invalid value: 'text'. Supported values are: 'auto'.",
        ),
        (
            json!({"format": {"type": "xml"}}),
            "format.type",
            "invalid_value",
            "Invalid value: 'xml'. Supported values are: 'text' and 'json'.",
        ),
        (
            json!({"format": 1}),
            "format",
            "invalid_type",
            "Invalid type for 'format': expected one of a string, an object, or null, but got an integer instead.",
        ),
        (
            json!({"content": {}}),
            "content",
            "invalid_type",
            "Invalid type for 'content': expected one of a string or an array, but got an object instead.",
        ),
        (
            json!({"content": ["a", 1]}),
            "content[1]",
            "invalid_type",
            "Invalid type for 'content[1]': expected a string, but got an integer instead.",
        ),
        (
            json!({"resources": {}}),
            "resources",
            "missing_required_parameter",
            "Missing required parameter: exactly one of 'resources.ids' or 'resources.stores' must be given.",
        ),
        (
            json!({"resources": {"ids": [], "stores": []}}),
            "resources",
            "mutually_exclusive_parameters",
            "Mutually exclusive parameters: exactly one of 'resources.ids' or 'resources.stores' may be given.",
        ),
        (
            json!({"limited": "abcd"}),
            "limited",
            "string_above_max_length",
            "Invalid 'limited': expected at most 3 characters, but got 4 instead.",
        ),
        (
            json!({"limited": 1}),
            "limited",
            "invalid_type",
            "Invalid type for 'limited': expected a string, but got an integer instead.",
        ),
        (
            json!({"mixed": {}}),
            "mixed.a",
            "missing_required_parameter",
            "Missing required parameter: 'mixed.a'.",
        ),
        (
            json!({"mixed": {"a": "x", "c": 1}}),
            "mixed.c",
            "unknown_parameter",
            "Unknown parameter: 'mixed.c'.",
        ),
        (
            json!({"node": {"next": {"next": {"last": 1}}}}),
            "node.next.next.last",
            "unknown_parameter",
            "Unknown parameter: 'node.next.next.last'.",
        ),
    ];
    let schemas = schemas();
    for (fields, param, code, message) in cases {
        let violation = validate(&schemas, &fields).expect_err(&fields.to_string());
        assert_eq!(
            (violation.param.as_str(), violation.code, violation.message.as_str()),
            (param, code, message)
        );
    }
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

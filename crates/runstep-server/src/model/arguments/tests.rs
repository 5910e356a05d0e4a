use super::*;

fn generate(schema: &Value, text: &str) -> Value {
    let function = Function {
        name: "act".to_owned(),
        description: None,
        parameters: Some(schema.clone().into()),
        strict: true,
    };
    serde_json::from_str(&arguments(&function, text)).expect("arguments are JSON")
}

/// An object schema that requires all its properties.
fn object(properties: Value) -> Value {
    let required: Vec<&String> = properties.as_object().expect("an object").keys().collect();
    let required = json!(required);
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

#[track_caller]
fn assert_valid(schema: &Value, value: &Value) {
    let validator =
        jsonschema::options().should_validate_formats(true).build(schema).expect("a valid schema");
    if let Err(error) = validator.validate(value) {
        panic!("{value} does not match {schema}: {error}");
    }
}

#[test]
fn values_come_from_the_text() {
    let string = json!({"type": "string"});
    let integer = json!({"type": "integer"});
    let number = json!({"type": "number"});
    let cases = [
        (json!({"city": string}), "What is the weather in Paris?", json!({"city": "Paris"})),
        (
            json!({"city": string}),
            "How is the weather in San Francisco, please?",
            json!({"city": "San Francisco"}),
        ),
        (
            json!({"from": string, "to": string, "seats": integer}),
            "I want to fly from Los Angeles to New York with 2 friends.",
            json!({"from": "Los Angeles", "to": "New York", "seats": 2}),
        ),
        (json!({"query": string}), "find something", json!({"query": "query"})),
        (json!({"a": integer, "b": number}), "Add 3 and 4.5.", json!({"a": 3, "b": 4.5})),
        (
            json!({"days": {"type": "integer", "minimum": 1, "maximum": 7}, "year": integer}),
            "In 2026, what about the next 5 days?",
            json!({"days": 5, "year": 2026}),
        ),
        (
            json!({"unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}),
            "How warm is it, in Fahrenheit?",
            json!({"unit": "fahrenheit"}),
        ),
        (
            json!({"place": object(json!({"city": string, "floor": integer}))}),
            "It is in Lyon on floor 3",
            json!({"place": {"city": "Lyon", "floor": 3}}),
        ),
        (
            json!({"city": {"type": ["string", "null"]}}),
            "ask about Paris",
            json!({"city": "Paris"}),
        ),
        (
            json!({"temperature": number}),
            "How warm?\n{\"temperature\": 18.5, \"sky\": \"clear\"}",
            json!({"temperature": 18.5}),
        ),
    ];
    for (properties, text, expected) in cases {
        let schema = object(properties);
        let value = generate(&schema, text);
        assert_eq!(value, expected, "{text}");
        assert_valid(&schema, &value);
    }
}

#[test]
fn optional_properties_are_omitted() {
    let schema = json!({
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer", "default": 3}},
        "required": ["city"],
    });
    assert_eq!(generate(&schema, "weather in Paris for 2 days"), json!({"city": "Paris"}));
}

#[test]
fn schemas_supply_values_that_the_text_does_not() {
    let cases = [
        (json!({"type": "string", "default": "x"}), json!("x")),
        (json!({"type": "string", "examples": ["y", "z"]}), json!("y")),
        (json!({"const": {"a": [1]}}), json!({"a": [1]})),
        (json!({"enum": [7, 8]}), json!(7)),
        (json!({"type": "integer", "minimum": 10}), json!(10)),
        (json!({"type": "boolean"}), json!(false)),
        (json!({"type": "null"}), json!(null)),
        (json!({"type": "array", "items": {"type": "string"}}), json!([])),
        (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!("value")),
    ];
    for (schema, expected) in cases {
        let schema = object(json!({ "value": schema }));
        let value = generate(&schema, "nothing here");
        assert_eq!(value, json!({ "value": expected }), "{schema}");
        assert_valid(&schema, &value);
    }
}

#[test]
fn functions_without_parameters_have_no_arguments() {
    let function =
        Function { name: "now".to_owned(), description: None, parameters: None, strict: false };
    assert_eq!(arguments(&function, "What is the time in Paris?"), "{}");
    assert_eq!(generate(&json!({}), "Hello"), json!({}));
}

#[test]
fn values_match_ordinary_schemas() {
    let schemas = [
        json!({"type": "string", "minLength": 30, "maxLength": 31}),
        json!({"type": "string", "maxLength": 2}),
        json!({"type": "string", "format": "uuid"}),
        json!({"type": "string", "format": "ipv4"}),
        json!({"type": "string", "format": "time"}),
        json!({"type": "string", "format": "hostname"}),
        json!({"type": "string", "format": "email"}),
        json!({"type": "string", "format": "uri"}),
        json!({"type": "string", "format": "date"}),
        json!({"type": "string", "format": "date-time"}),
        json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
        json!({"type": "integer", "minimum": 7, "multipleOf": 5}),
        json!({"type": "integer", "maximum": -7}),
        json!({"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 1}),
        json!({"type": "integer", "exclusiveMaximum": 0, "multipleOf": 3}),
        json!({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": true}),
        json!({"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": true}),
        json!({"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": true}),
        json!({
            "type": "array",
            "prefixItems": [{"type": "string"}, {"type": "boolean"}],
            "items": false,
            "minItems": 2,
        }),
        json!({"type": "object", "required": ["extra"], "additionalProperties": {"type": "integer"}}),
        json!({"allOf": [
            {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
            {"properties": {"b": {}}, "required": ["b"]},
        ]}),
        json!({"oneOf": [
            {"type": "object", "properties": {"kind": {"const": "a"}}, "required": ["kind"]},
            {"type": "object", "properties": {"kind": {"const": "b"}, "size": {"type": "integer"}},
             "required": ["kind", "size"]},
        ]}),
        json!({"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
               "anyOf": [{"required": ["a"]}, {"required": ["b"]}]}),
        json!({"$ref": "#/$defs/point", "$defs": {
            "point": {"type": "object", "properties": {"x": {"$ref": "#/$defs/axis"}, "y": {"$ref": "#/$defs/axis"}}, "required": ["x", "y"]},
            "axis": {"type": "integer", "minimum": -9, "maximum": -8},
        }}),
        json!({"definitions": {"name": {"type": "string", "minLength": 1}},
               "type": "object", "properties": {"name": {"$ref": "#/definitions/name"}}, "required": ["name"]}),
        json!({"type": "object",
               "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
               "required": ["name", "children"], "additionalProperties": false}),
        json!({"type": "object", "properties": {"any": true}, "required": ["any"]}),
        json!(true),
    ];
    let texts =
        ["", "Ask Anna for 12 'red roses' from B or 5 bytes at 10:30, won't you? a 3.5 kind"];
    for schema in schemas {
        for text in texts {
            let value = value_for(&schema, text);
            assert_valid(&schema, &value);
            assert_eq!(value, value_for(&schema, text), "deterministic");
        }
    }
}

#[test]
fn hostile_schemas_have_bounded_values() {
    // About as deep as a request can be.
    let mut deep = json!({"type": "integer"});
    for _ in 0..62 {
        deep = json!({"type": "object", "properties": {"a": deep}, "required": ["a"]});
    }
    let mut wide = json!({"type": "integer"});
    for _ in 0..30 {
        wide =
            json!({"anyOf": [{"allOf": [wide, {"type": "null"}]}, {"type": "null", "const": 1}]});
    }
    let many_names: Vec<String> = (0..20_000).map(|number| format!("n{number}")).collect();
    let schemas = [
        deep,
        wide,
        json!({"$ref": "#"}),
        json!({"$ref": "#/$defs/a", "$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}}),
        json!({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}),
        json!({"allOf": [{"$ref": "#"}, {"$ref": "#"}], "anyOf": [{"$ref": "#"}, {"$ref": "#"}]}),
        json!({"type": "array", "items": {"$ref": "#"}, "minItems": 100}),
        json!({"type": "array", "minItems": 90, "items": {"anyOf": [{"$ref": "#"}, {"type": "integer"}]}}),
        json!({"type": "integer", "minimum": 5, "maximum": 1}),
        json!({"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 2}),
        json!({"type": "number", "minimum": 1e308, "multipleOf": 1e-308}),
        json!({"type": "number", "multipleOf": 0}),
        json!({"type": "string", "minLength": 5, "maxLength": 1}),
        json!({"type": "string", "minLength": 1e18}),
        json!({"type": "array", "minItems": u64::MAX, "items": {"type": "string"}}),
        json!({"type": "object", "minProperties": u64::MAX}),
        json!({"type": "object", "required": many_names}),
        json!({"enum": []}),
        json!({"type": []}),
        json!({"type": 7, "properties": 7, "required": 7, "items": 7, "enum": 7, "anyOf": 7, "$ref": 7}),
        json!({"type": "string", "pattern": "^(((a|b?){999999}){999999}){999999}$"}),
        json!({"const": 1, "enum": [2], "type": "string"}),
        json!(false),
        json!([]),
    ];
    let text = "'Ann \"Bob `Cy «Dee 'É' 1,,2 --3 4-5 = : :: a=b ".repeat(400);
    let start = std::time::Instant::now();
    for schema in schemas {
        let value = value_for(&schema, &text);
        assert!(value.to_string().len() < 1_000_000);
        generate(&schema, &text);
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}

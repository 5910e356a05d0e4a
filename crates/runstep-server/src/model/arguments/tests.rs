use serde_json::json;

use super::*;

fn arguments_for(schema: &Value, text: &str) -> Value {
    let function = Function {
        name: "act".to_owned(),
        description: None,
        parameters: schema.as_object().cloned(),
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
fn assert_fits(schema: &Value, value: &Value) {
    let validator =
        jsonschema::options().should_validate_formats(true).build(schema).expect("a valid schema");
    if let Err(error) = validator.validate(value) {
        panic!("{value} does not fit {schema}: {error}");
    }
}

#[test]
fn values_are_taken_from_the_text() {
    let string = json!({"type": "string"});
    let integer = json!({"type": "integer"});
    let number = json!({"type": "number"});
    let cases = [
        (json!({"city": string}), "What is the weather in Paris?", json!({"city": "Paris"})),
        (
            json!({"location": string}),
            "Weather in San Francisco, CA please",
            json!({"location": "San Francisco, CA"}),
        ),
        (
            json!({"from": string, "to": string, "seats": integer}),
            "I want to fly to New York from Los Angeles with 2 friends.",
            json!({"from": "Los Angeles", "to": "New York", "seats": 2}),
        ),
        (
            json!({"origin": string, "destination": string}),
            "Find trains between Berlin and Rome.",
            json!({"origin": "Berlin", "destination": "Rome"}),
        ),
        (
            json!({"title": string, "author": string}),
            "Add 'The Waves' by Virginia Woolf",
            json!({"title": "The Waves", "author": "Virginia Woolf"}),
        ),
        (json!({"city": string}), "Tell Anna the city: oslo", json!({"city": "oslo"})),
        (json!({"userName": string}), "The user name is bob.", json!({"userName": "bob"})),
        (json!({"query": string}), "tell me something", json!({"query": "query"})),
        (
            json!({"a": integer, "b": number, "limit": integer}),
            "Add 3 and 4.5, limit 10",
            json!({"a": 3, "b": 4.5, "limit": 10}),
        ),
        (
            json!({"days": {"type": "integer", "minimum": 1, "maximum": 7}, "year": integer}),
            "In 2026, what of the next 5 days?",
            json!({"days": 5, "year": 2026}),
        ),
        (
            json!({"unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}),
            "How warm is it, in Fahrenheit?",
            json!({"unit": "fahrenheit"}),
        ),
        (
            json!({
                "from_unit": {"enum": ["celsius", "kelvin", "fahrenheit"]},
                "to_unit": {"enum": ["celsius", "kelvin", "fahrenheit"]},
                "value": number,
            }),
            "Convert 20 degrees from kelvin to celsius.",
            json!({"from_unit": "kelvin", "to_unit": "celsius", "value": 20}),
        ),
        (
            json!({"urgent": {"type": "boolean"}, "private": {"type": "boolean"}}),
            "An urgent matter!",
            json!({"urgent": true, "private": false}),
        ),
        (
            json!({
                "email": {"type": "string", "format": "email"},
                "link": {"type": "string", "format": "uri"},
                "day": {"type": "string", "format": "date"},
                "at": {"type": "string", "format": "date-time"},
            }),
            "Send https://example.org/a?b=c to ann@example.org on 2026-02-28 (2026-02-28T10:30:00Z).",
            json!({
                "email": "ann@example.org",
                "link": "https://example.org/a?b=c",
                "day": "2026-02-28",
                "at": "2026-02-28T10:30:00Z",
            }),
        ),
        (
            json!({"cities": {"type": "array", "items": string}}),
            "Compare Paris, London and Rome.",
            json!({"cities": ["Paris", "London", "Rome"]}),
        ),
        (
            json!({"numbers": {"type": "array", "items": number}}),
            "sum up 1, 2.5 and 1,000",
            json!({"numbers": [1, 2.5, 1000]}),
        ),
        (
            json!({"zip": {"type": "string", "pattern": "^\\d{5}(-\\d{4})?$"}}),
            "Who lives in 94110?",
            json!({"zip": "94110"}),
        ),
        (
            json!({"place": object(json!({"city": string, "floor": integer}))}),
            "It is in Lyon on floor 3",
            json!({"place": {"city": "Lyon", "floor": 3}}),
        ),
        (
            json!({"city": {"type": ["string", "null"]}, "count": {"type": ["integer", "null"]}}),
            "ask about Paris",
            json!({"city": "Paris", "count": null}),
        ),
        (
            json!({"temperature": number}),
            "How warm?\n{\"temperature\": 18.5, \"sky\": \"clear\"}",
            json!({"temperature": 18.5}),
        ),
    ];
    for (properties, text, expected) in cases {
        let schema = object(properties);
        let value = arguments_for(&schema, text);
        assert_eq!(value, expected, "{text}");
        assert_fits(&schema, &value);
    }
}

#[test]
fn optional_properties_need_a_value_in_the_text() {
    let schema = json!({
        "type": "object",
        "properties": {
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "days": {"type": "integer", "default": 3},
            "city": {"type": "string"},
            "hourly": {"type": "boolean"},
        },
        "required": ["city"],
    });
    assert_eq!(arguments_for(&schema, "weather in Paris"), json!({"city": "Paris"}));
    assert_eq!(
        arguments_for(&schema, "hourly weather in Paris for 2 days in celsius"),
        json!({"unit": "celsius", "days": 2, "city": "Paris", "hourly": true})
    );
    let nothing_said = arguments_for(&schema, "");
    assert_eq!(nothing_said, json!({"city": "city"}));
}

#[test]
fn schemas_supply_what_the_text_does_not() {
    let cases = [
        (json!({"type": "string", "default": "x"}), json!("x")),
        (json!({"type": "string", "examples": [1, "y"]}), json!("y")),
        (json!({"type": "string", "default": "too long", "maxLength": 2}), json!("va")),
        (json!({"const": {"a": [1]}}), json!({"a": [1]})),
        (json!({"enum": [7, 8]}), json!(7)),
        (json!({"type": "integer", "minimum": 10}), json!(10)),
        (json!({"type": "boolean"}), json!(false)),
        (json!({"type": "null"}), json!(null)),
        (json!({"type": "array", "items": {"type": "string"}}), json!(["value"])),
        (json!({"anyOf": [{"type": "string"}, {"type": "null"}]}), json!(null)),
    ];
    for (schema, expected) in cases {
        let schema = object(json!({ "value": schema }));
        let value = arguments_for(&schema, "nothing here");
        assert_eq!(value, json!({ "value": expected }), "{schema}");
        assert_fits(&schema, &value);
    }
}

#[test]
fn functions_without_parameters_take_none() {
    let function =
        Function { name: "now".to_owned(), description: None, parameters: None, strict: false };
    assert_eq!(arguments(&function, "What is the time in Paris?"), "{}");
    assert_eq!(arguments_for(&json!({}), "Hello"), json!({}));
}

#[test]
fn all_kinds_of_schema_are_met() {
    let schemas = [
        json!({"type": "string", "minLength": 30, "maxLength": 31}),
        json!({"type": "string", "pattern": "^[A-Z]{2}-\\d+$", "minLength": 6}),
        json!({"type": "string", "pattern": "^(?:red|green) (dark|light)?\\.[a-f0-9_\\-]{4,}$"}),
        json!({"type": "string", "pattern": "^\\+?[1-9]\\d{1,14}$"}),
        json!({"type": "string", "format": "uuid"}),
        json!({"type": "string", "format": "ipv4"}),
        json!({"type": "string", "format": "time"}),
        json!({"type": "string", "format": "hostname"}),
        json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}),
        json!({"type": "integer", "minimum": 7, "multipleOf": 5}),
        json!({"type": "integer", "maximum": -7}),
        json!({"type": "number", "multipleOf": 0.25, "exclusiveMinimum": 1}),
        json!({"type": "integer", "exclusiveMaximum": 0, "multipleOf": 3}),
        json!({"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": true}),
        json!({"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": true}),
        json!({"type": "array", "items": {"type": "string"}, "minItems": 3, "uniqueItems": true}),
        json!({"type": "array", "items": {"type": "string", "pattern": "^\\d{2}$"}, "minItems": 3, "uniqueItems": true}),
        json!({
            "type": "array",
            "prefixItems": [{"type": "string"}, {"type": "boolean"}],
            "items": false,
        }),
        json!({"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}}),
        json!({"type": "object", "required": ["extra"], "additionalProperties": {"type": "integer"}}),
        json!({"allOf": [
            {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
            {"properties": {"a": {"minimum": 5, "type": "integer"}, "b": {}}, "required": ["b"]},
        ]}),
        json!({"oneOf": [{"type": "number"}, {"type": "integer"}, {"type": "string"}]}),
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
        json!({"type": "object", "properties": {"never": false, "any": true}, "required": ["any"]}),
        json!({"type": "object", "properties": {"a": {"default": 3, "type": "integer"}}, "required": ["a"]}),
        json!(true),
    ];
    let texts =
        ["", "Ask Anna for 12 'red roses' from B or 5 bytes at 10:30, won't you? a 3.5 kind"];
    for schema in schemas {
        for text in texts {
            let value = value_for(&schema, text);
            assert_fits(&schema, &value);
            assert_eq!(value, value_for(&schema, text), "the same again");
        }
    }
}

#[test]
fn recursive_schemas_come_to_an_end() {
    let schemas = [
        json!({"type": "object",
               "properties": {"name": {"type": "string"}, "children": {"type": "array", "items": {"$ref": "#"}}},
               "required": ["name", "children"], "additionalProperties": false}),
        json!({"$ref": "#/$defs/node", "$defs": {"node": {
            "type": "object",
            "properties": {"value": {"type": "integer"}, "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]}},
            "required": ["value", "next"]}}}),
        json!({"$ref": "#/$defs/node", "$defs": {"node": {
            "type": "object",
            "properties": {"value": {"type": "string"}, "left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}},
            "required": ["value"]}}}),
        json!({"type": "object", "properties": {"either": {"$ref": "#/$defs/tree"}}, "required": ["either"],
               "$defs": {"tree": {"anyOf": [
                   {"type": "array", "items": {"$ref": "#/$defs/tree"}, "minItems": 2},
                   {"type": "integer"}]}}}),
    ];
    for schema in schemas {
        assert_fits(&schema, &value_for(&schema, "Anna has 3 'books' and 4 cats"));
    }
}

#[test]
fn hostile_schemas_do_no_harm() {
    // About as deep as a request may be.
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
        json!({"oneOf": [{"type": "array", "minItems": 90, "items": {"anyOf": [{"$ref": "#"}, {"type": "integer"}]}},
                         {"type": "array", "minItems": 99, "items": {"type": "array", "minItems": 99, "items": {"type": "array", "minItems": 99, "items": {"$ref": "#"}}}}]}),
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
        json!({"type": "string", "pattern": "((((((((((a*)*)*)*)*)*)*)*)*)*)*$"}),
        json!({"type": "string", "pattern": "^(((a|b?){999999}){999999}){999999}$"}),
        json!({"type": "string", "pattern": "^(?=x)[a-z"}),
        json!({"type": "string", "pattern": "[]{"}),
        json!({"const": 1, "enum": [2], "type": "string"}),
        json!(false),
        json!([]),
    ];
    let text = "'Ann \"Bob `Cy «Dee 'É' 1,,2 --3 4-5 = : :: a=b ".repeat(400);
    let start = std::time::Instant::now();
    for schema in schemas {
        let value = value_for(&schema, &text);
        assert!(value.to_string().len() < 1_000_000);
        arguments_for(&schema, &text);
    }
    assert!(start.elapsed() < std::time::Duration::from_secs(20), "{:?}", start.elapsed());
}

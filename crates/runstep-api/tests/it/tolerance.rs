//! What a server may leave out or send in another form: every property of every object.

use serde_json::{Map, Value, json};

use crate::objects::OBJECTS;

fn document() -> Value {
    serde_json::from_str(runstep_api::OPENAPI).unwrap()
}

/// Returns a value with all properties of a schema.
fn whole(document: &Value, schema: &Value) -> Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return whole(document, document.pointer(&reference[1..]).unwrap());
    }
    for keyword in ["const", "default"] {
        if let Some(value) = schema.get(keyword) {
            return value.clone();
        }
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return values[0].clone();
    }
    for keyword in ["oneOf", "anyOf", "allOf"] {
        if let Some(alternatives) = schema.get(keyword).and_then(Value::as_array) {
            return whole(document, &alternatives[0]);
        }
    }
    let kind = schema.get("type").map(|kind| kind.as_array().map_or(kind, |kinds| &kinds[0]));
    match kind.and_then(Value::as_str) {
        Some("string") => "text".into(),
        Some("integer") => 7.into(),
        Some("number") => 0.5.into(),
        Some("boolean") => true.into(),
        Some("array") => json!([whole(document, &schema["items"])]),
        _ => match schema.get("properties").and_then(Value::as_object) {
            Some(properties) => {
                let entries = properties.iter();
                entries.map(|(name, schema)| (name.clone(), whole(document, schema))).collect()
            }
            None => json!({ "key": "value" }),
        },
    }
}

fn component<'a>(document: &'a Value, name: &str) -> &'a Value {
    &document["components"]["schemas"][name]
}

/// Adds a property to every object.
fn add_vendor_properties(value: &mut Value) {
    match value {
        Value::Object(properties) => {
            properties.values_mut().for_each(add_vendor_properties);
            // A map of metadata has only texts.
            if !properties.contains_key("key") {
                properties.insert("x_vendor".to_owned(), json!({ "cost": [0.5, null] }));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(add_vendor_properties),
        _ => {}
    }
}

#[test]
fn unknown_properties_of_every_object_are_written_back() {
    let document = document();
    for (name, _, rewritten) in OBJECTS {
        let mut value = whole(&document, component(&document, name));
        assert_eq!(rewritten(&value.to_string()), Ok(value.clone()), "{name}");
        add_vendor_properties(&mut value);
        assert_eq!(rewritten(&value.to_string()), Ok(value), "{name}");
    }
}

#[test]
fn required_properties_are_those_of_the_specification() {
    let document = document();
    for (name, required, _) in OBJECTS {
        let Some(listed) = component(&document, name).get("x-always-present") else { continue };
        let mut listed: Vec<&str> =
            listed.as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        // The discriminator is part of the union.
        listed.retain(|name| component(&document, name).is_null());
        let mut required = required.to_vec();
        listed.sort_unstable();
        required.sort_unstable();
        assert_eq!(required, listed, "{name}");
    }
}

/// Values of every kind, some of which convert to a number.
fn values() -> Vec<Value> {
    vec![
        Value::Null,
        true.into(),
        7.into(),
        7.0.into(),
        (-0.5).into(),
        1e300.into(),
        "".into(),
        "7".into(),
        "seven".into(),
        json!([]),
        json!([null]),
        json!([7, "a"]),
        json!([{}]),
        json!({}),
        json!({ "city": "Paris" }),
        json!({ "type": "function" }),
    ]
}

/// A property that is absent, null or of another kind never makes an object fail, unless it must be
/// present. Its value is written back.
#[test]
fn every_property_may_be_absent_null_or_of_another_kind() {
    let document = document();
    let (mut decoded, mut failed) = (0, 0);
    for (name, required, rewritten) in OBJECTS {
        let object: Map<String, Value> =
            whole(&document, component(&document, name)).as_object().unwrap().clone();
        for property in object.keys() {
            let mut check = |changed: &Map<String, Value>| {
                let text = Value::Object(changed.clone()).to_string();
                match rewritten(&text) {
                    Ok(written) => {
                        decoded += 1;
                        for (other, value) in changed {
                            let is_same = || {
                                written.get(other) == Some(value)
                                    || is_equivalent(&written, other, value)
                            };
                            assert!(is_same(), "{name}: {text} became {written}");
                        }
                    }
                    Err(error) => {
                        failed += 1;
                        assert!(required.contains(&property.as_str()), "{name}: {text}: {error}");
                        assert!(error.contains(&format!("`{property}")), "{name}: {text}: {error}");
                    }
                }
            };
            let mut changed = object.clone();
            changed.shift_remove(property);
            check(&changed);
            for value in values() {
                changed.insert(property.clone(), value);
                check(&changed);
            }
        }
    }
    assert!(decoded > 5000 && failed > 300, "{decoded} decoded, {failed} failed");
}

/// Returns whether a value was written in the form that the specification has: a text, a number, or
/// nothing for null.
fn is_equivalent(written: &Value, property: &str, value: &Value) -> bool {
    match (written.get(property), value) {
        (None, Value::Null) => true,
        // A null list is empty, and so are other properties with a neutral value.
        (Some(written), Value::Null) => {
            [json!([]), json!({}), json!(""), json!(0), json!(false)].contains(written)
                // A constant, such as `object`, is always written, and an object has its own.
                || written.is_string() || written.is_object()
        }
        (Some(Value::String(text)), value) => {
            serde_json::from_str::<Value>(text).ok().as_ref() == Some(value)
        }
        (Some(Value::Number(number)), value) => {
            let read = value.as_f64().or_else(|| value.as_str()?.parse().ok());
            read.is_some() && read == number.as_f64()
        }
        // An object without a property that has a neutral value has it when it is written.
        (Some(Value::Object(written)), Value::Object(value)) => {
            value.iter().all(|(name, value)| written.get(name) == Some(value))
        }
        (Some(Value::Array(written)), Value::Array(value)) => {
            written.len() == value.len()
                && written.iter().zip(value).all(|(written, value)| {
                    is_equivalent(&json!({ "item": written }), "item", value) || written == value
                })
        }
        _ => false,
    }
}

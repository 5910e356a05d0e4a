//! Writes whole numbers as integers where a schema says integer.

use serde_json::{Map, Number, Value};

use super::Schemas;
use super::document::{is_integer, resolve};

impl Schemas {
    /// Replaces whole floats by integers where the component's schema says integer. To JSON Schema
    /// `3.0` is an integer, but the API's types do not decode it as one. All other numbers stay as
    /// they are, such as those of a function's parameters. The body must be valid.
    pub(crate) fn normalize_integers(&self, component: &str, body: &mut Value) {
        // Most bodies have none. Searching for them is cheaper than looking up the schemas.
        if has_whole_float(body) {
            let schema = self.document.pointer(&format!("/components/schemas/{component}"));
            schema.into_iter().for_each(|schema| self.normalize(schema, body));
        }
    }

    fn normalize(&self, schema: &Value, value: &mut Value) {
        let Some(schema) = resolve(&self.document, schema) else { return };
        match value {
            Value::Number(number) if is_integer(schema) => normalize_integer(number),
            Value::Array(items) => {
                if let Some(schema) = schema.get("items") {
                    items.iter_mut().for_each(|item| self.normalize(schema, item));
                }
            }
            Value::Object(members) => {
                let properties = schema.get("properties");
                let others = schema.get("additionalProperties");
                for (name, member) in members {
                    let schema = properties.and_then(|properties| properties.get(name)).or(others);
                    schema.into_iter().for_each(|schema| self.normalize(schema, member));
                }
            }
            _ => {}
        }
        for keyword in ["allOf", "oneOf", "anyOf"] {
            let schemas = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
            for schema in schemas {
                if self.may_apply(schema, value) {
                    self.normalize(schema, value);
                }
            }
        }
    }

    /// Returns false for a variant whose discriminator `type` is not that of the value.
    fn may_apply(&self, schema: &Value, value: &Value) -> bool {
        self.may_have_tag(schema, value.get("type"))
    }

    /// Returns false for a variant whose discriminator `type` has another value.
    pub(super) fn may_have_tag(&self, schema: &Value, tag: Option<&Value>) -> bool {
        let expected = |schema: &Map<String, Value>| {
            let tag = schema.get("properties")?.get("type")?;
            resolve(&self.document, tag)?.get("const").cloned()
        };
        match (resolve(&self.document, schema).and_then(expected), tag) {
            (Some(expected), Some(actual)) => expected == *actual,
            _ => true,
        }
    }
}

fn has_whole_float(value: &Value) -> bool {
    match value {
        Value::Number(number) => whole_float(number).is_some(),
        Value::Array(items) => items.iter().any(has_whole_float),
        Value::Object(members) => members.values().any(has_whole_float),
        _ => false,
    }
}

fn whole_float(number: &Number) -> Option<f64> {
    number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0)
}

fn normalize_integer(number: &mut Number) {
    // All of these are exact as floats; the schemas reject anything larger.
    let exact = whole_float(number).filter(|float| float.abs() <= 2_f64.powi(63));
    if let Some(integer) = exact.and_then(|float| Number::from_i128(float as i128)) {
        *number = integer;
    }
}

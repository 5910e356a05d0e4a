//! Nulls that stand for what may be left out.

use serde_json::{Map, Value};

/// How deep values are looked into; deeper than any arguments are, so that no input overflows the
/// stack.
const DEPTH: usize = 128;

/// How many places of the schema are looked at in all. Variants that contain their own type double
/// the work with each level, so that a small value could take for ever.
const PLACES: usize = 100_000;

/// Takes the nulls out of a value that the schema does not allow where it allows nothing at all:
/// models write them, and in the strict subset they have no other way to leave something out.
///
/// Gives none if there was nothing to take out, or if it would take too long to know.
pub(crate) fn without_idle_nulls(schema: &Map<String, Value>, mut value: Value) -> Option<Value> {
    let mut walk = Walk { root: schema, taken: false, left: PLACES };
    walk.object(schema, &mut value, 0);
    (walk.taken && walk.left > 0).then_some(value)
}

struct Walk<'a> {
    root: &'a Map<String, Value>,
    taken: bool,
    /// How many places may still be looked at.
    left: usize,
}

impl<'a> Walk<'a> {
    fn value(&mut self, schema: &'a Value, value: &mut Value, depth: usize) {
        if let Value::Object(schema) = schema {
            self.object(schema, value, depth);
        }
    }

    fn object(&mut self, schema: &'a Map<String, Value>, value: &mut Value, depth: usize) {
        self.left = self.left.saturating_sub(1);
        if depth > DEPTH || self.left == 0 {
            return;
        }
        let deeper = depth + 1;
        if let Some(target) = self.referred(schema) {
            self.object(target, value, deeper);
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            for variant in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                if may_be(variant, value) {
                    self.value(variant, value, deeper);
                }
            }
        }
        match value {
            Value::Array(items) => {
                let Some(schema) = schema.get("items") else { return };
                items.iter_mut().for_each(|item| self.value(schema, item, deeper));
            }
            Value::Object(object) => {
                let Some(Value::Object(properties)) = schema.get("properties") else { return };
                let required = schema.get("required").and_then(Value::as_array);
                let is_required =
                    |name: &str| required.is_some_and(|names| names.iter().any(|one| one == name));
                object.retain(|name, value| {
                    let Some(schema) = properties.get(name) else { return true };
                    if !value.is_null() {
                        self.value(schema, value, deeper);
                        return true;
                    }
                    let keep = is_required(name) || self.allows_null(schema);
                    self.taken |= !keep;
                    keep
                });
            }
            _ => {}
        }
    }

    fn referred(&self, schema: &Map<String, Value>) -> Option<&'a Map<String, Value>> {
        let pointer = schema.get("$ref")?.as_str()?;
        match pointer.strip_prefix("#/$defs/") {
            Some(name) => self.root.get("$defs")?.get(name)?.as_object(),
            None => (pointer == "#").then_some(self.root),
        }
    }

    fn allows_null(&self, schema: &Value) -> bool {
        let Value::Object(schema) = schema else { return schema == &Value::Bool(true) };
        for keyword in ["anyOf", "oneOf"] {
            if let Some(Value::Array(variants)) = schema.get(keyword) {
                return variants.iter().any(|variant| self.allows_null(variant));
            }
        }
        match (schema.get("enum"), schema.get("const"), schema.get("type")) {
            (Some(Value::Array(values)), ..) => values.contains(&Value::Null),
            (_, Some(value), _) => value.is_null(),
            (.., Some(Value::Array(types))) => types.iter().any(|one| one == "null"),
            (.., Some(kind)) => kind == "null",
            // A type that contains itself is an object or an enum with variants of its own.
            _ => !schema.contains_key("$ref"),
        }
    }
}

/// Whether a variant's fixed properties, such as its tag, are those of the value.
fn may_be(variant: &Value, value: &Value) -> bool {
    let properties = variant.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().all(|(name, schema)| match schema.get("const") {
        Some(fixed) => value.get(name) == Some(fixed),
        None => true,
    })
}

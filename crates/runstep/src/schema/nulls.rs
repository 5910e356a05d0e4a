//! Removes nulls that stand for omitted values.

use serde_json::{Map, Value};

/// Maximum depth of the walk, so that no input overflows the stack.
const MAX_DEPTH: usize = 128;

/// Maximum number of visited schema nodes. Recursive variants double the work with each level, so
/// a small value could take exponential time.
const MAX_VISITS: usize = 100_000;

/// Removes nulls of optional properties whose schema does not allow null: models write them, and
/// the strict subset offers no other way to omit a value.
///
/// Returns `None` if there is nothing to remove, or if the walk exceeds its limit.
pub(crate) fn remove_optional_nulls(
    schema: &Map<String, Value>,
    mut value: Value,
) -> Option<Value> {
    let mut walk = Walk { root: schema, has_removed: false, visits_left: MAX_VISITS };
    walk.object(schema, &mut value, 0);
    (walk.has_removed && walk.visits_left > 0).then_some(value)
}

struct Walk<'a> {
    root: &'a Map<String, Value>,
    has_removed: bool,
    /// How many schema nodes may still be visited.
    visits_left: usize,
}

impl<'a> Walk<'a> {
    fn value(&mut self, schema: &'a Value, value: &mut Value, depth: usize) {
        if let Value::Object(schema) = schema {
            self.object(schema, value, depth);
        }
    }

    fn object(&mut self, schema: &'a Map<String, Value>, value: &mut Value, depth: usize) {
        self.visits_left = self.visits_left.saturating_sub(1);
        if depth > MAX_DEPTH || self.visits_left == 0 {
            return;
        }
        let deeper = depth + 1;
        if let Some(target) = self.resolve_reference(schema) {
            self.object(target, value, deeper);
        }
        for keyword in ["anyOf", "oneOf", "allOf"] {
            for variant in schema.get(keyword).and_then(Value::as_array).into_iter().flatten() {
                if may_match(variant, value) {
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
                let is_required = |name: &str| {
                    required.is_some_and(|names| names.iter().any(|required| required == name))
                };
                object.retain(|name, value| {
                    let Some(schema) = properties.get(name) else { return true };
                    if !value.is_null() {
                        self.value(schema, value, deeper);
                        return true;
                    }
                    let keep = is_required(name) || self.allows_null(schema);
                    self.has_removed |= !keep;
                    keep
                });
            }
            _ => {}
        }
    }

    fn resolve_reference(&self, schema: &Map<String, Value>) -> Option<&'a Map<String, Value>> {
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
            (.., Some(Value::Array(types))) => types.iter().any(|kind| kind == "null"),
            (.., Some(kind)) => kind == "null",
            // A recursive type is an object or an enum, which has variants of its own.
            _ => !schema.contains_key("$ref"),
        }
    }
}

/// Returns whether the constant properties of a variant, such as its tag, match the value.
fn may_match(variant: &Value, value: &Value) -> bool {
    let properties = variant.get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().all(|(name, schema)| match schema.get("const") {
        Some(fixed) => value.get(name) == Some(fixed),
        None => true,
    })
}

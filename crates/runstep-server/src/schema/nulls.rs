//! Removes nulls with which clients leave a property out.

use serde_json::{Map, Value};

use super::Schemas;
use super::document::resolve;

/// How deep a schema is searched for the properties of a value.
const MAX_DEPTH: usize = 8;

/// What the schemas of an object say about one of its properties.
#[derive(Default)]
struct Property<'a> {
    schemas: Vec<&'a Value>,
    is_required: bool,
}

impl Schemas {
    /// Removes the members that are null although the component's schema does not accept null, if
    /// they are optional. Applications and generated clients send them for "left out". Null stays where it has a meaning, and where it is an error.
    pub(crate) fn remove_nulls(&self, component: &str, body: &mut Value) {
        // Searching for a null is cheaper than looking up the schemas.
        if has_null(body) {
            let schema = self.document.pointer(&format!("/components/schemas/{component}"));
            schema.into_iter().for_each(|schema| self.remove(schema, body));
        }
    }

    fn remove(&self, schema: &Value, value: &mut Value) {
        match value {
            Value::Array(items) => {
                let mut item_schemas = Vec::new();
                self.for_each_schema(schema, None, MAX_DEPTH, &mut |schema| {
                    item_schemas.extend(schema.get("items"));
                });
                for item in items {
                    item_schemas.iter().for_each(|schema| self.remove(schema, item));
                }
            }
            Value::Object(members) => {
                let tag = members.get("type").cloned();
                members.retain(|name, member| {
                    let property = self.property(schema, tag.as_ref(), name);
                    let is_left_out = member.is_null()
                        && !property.is_required
                        && !property.schemas.is_empty()
                        && !property
                            .schemas
                            .iter()
                            .any(|schema| self.accepts_null(schema, MAX_DEPTH));
                    if !is_left_out {
                        property.schemas.iter().for_each(|schema| self.remove(schema, member));
                    }
                    !is_left_out
                });
            }
            _ => {}
        }
    }

    /// Returns what the schemas that may apply to an object say about a property. `tag` is the
    /// object's `type`.
    fn property<'a>(&'a self, schema: &'a Value, tag: Option<&Value>, name: &str) -> Property<'a> {
        let mut property = Property::default();
        self.for_each_schema(schema, tag, MAX_DEPTH, &mut |schema| {
            // Variants that only list required properties say nothing about null.
            let Some(own) = schema.get("properties").and_then(|all| all.get(name)) else { return };
            property.schemas.push(own);
            let required = schema.get("required").and_then(Value::as_array);
            property.is_required |= required.is_some_and(|all| all.iter().any(|one| one == name));
        });
        property
    }

    /// Calls a function with a schema, and with its parts and variants that may apply.
    fn for_each_schema<'a>(
        &'a self,
        schema: &'a Value,
        tag: Option<&Value>,
        depth: usize,
        function: &mut impl FnMut(&'a Map<String, Value>),
    ) {
        let Some(schema) = resolve(&self.document, schema).filter(|_| depth > 0) else { return };
        function(schema);
        for keyword in ["allOf", "oneOf", "anyOf"] {
            let parts = schema.get(keyword).and_then(Value::as_array).into_iter().flatten();
            for part in parts.filter(|part| self.may_have_tag(part, tag)) {
                self.for_each_schema(part, tag, depth - 1, function);
            }
        }
    }

    fn accepts_null(&self, schema: &Value, depth: usize) -> bool {
        let Some(schema) = resolve(&self.document, schema).filter(|_| depth > 0) else {
            return true;
        };
        let parts = |keyword: &str| schema.get(keyword).and_then(Value::as_array);
        let accepts = |part: &Value| self.accepts_null(part, depth - 1);
        schema.get("type").is_none_or(|kind| kind == "null" || has_null_type(kind))
            && parts("enum").is_none_or(|values| values.contains(&Value::Null))
            && schema.get("const").is_none_or(Value::is_null)
            && parts("allOf").is_none_or(|parts| parts.iter().all(accepts))
            && parts("oneOf").is_none_or(|variants| variants.iter().any(accepts))
            && parts("anyOf").is_none_or(|variants| variants.iter().any(accepts))
    }
}

fn has_null_type(kind: &Value) -> bool {
    kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"))
}

fn has_null(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.iter().any(has_null),
        Value::Object(members) => members.values().any(has_null),
        _ => false,
    }
}

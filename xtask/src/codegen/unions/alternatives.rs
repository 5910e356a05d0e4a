//! The alternatives of a union.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::codegen::document::{Document, target};
use crate::codegen::error::Error;
use crate::codegen::names::is_union;

/// An alternative of a union.
pub struct Alternative {
    /// JSON pointer to the schema.
    pub(super) pointer: String,
    /// The component, if it is one.
    pub(super) component: Option<String>,
    /// The schema.
    pub schema: Value,
}

impl Alternative {
    pub(super) fn is_object(&self) -> bool {
        let kind = self.schema.get("type");
        self.schema.get("properties").is_some() || kind.is_some_and(|kind| kind == "object")
    }

    /// Returns the component of an object.
    pub(super) fn object_component(&self) -> Result<String, Error> {
        self.component.clone().ok_or_else(|| {
            Error::at(
                self.pointer.clone(),
                "an object inside a union has no name",
                "move its schema to the components, and refer to it",
            )
        })
    }
}

/// Returns the unions that are not only an alternative of another one.
pub(super) fn outermost_unions(document: &Document) -> Vec<String> {
    let unions: Vec<&String> =
        document.schemas().filter(|(_, schema)| is_union(schema)).map(|(name, _)| name).collect();
    let mut nested: Vec<&str> = Vec::new();
    for name in &unions {
        let schema = document.schema(name);
        for key in ["oneOf", "anyOf"] {
            let list = schema.and_then(|schema| schema.get(key)?.as_array());
            nested.extend(list.into_iter().flatten().filter_map(target));
        }
    }
    let used = document.references_outside_unions();
    let outermost = |name: &&&String| !nested.contains(&name.as_str()) || used.contains(**name);
    unions.iter().filter(outermost).map(|name| (*name).clone()).collect()
}

/// Returns the alternatives of a union, with those of the unions in it.
pub fn alternatives(document: &Document, name: &str) -> Vec<Alternative> {
    let mut found = Vec::new();
    add_alternatives(document, name, &mut BTreeSet::new(), &mut found);
    found
}

/// Adds the alternatives of a union that was not visited before. Unions may contain one another.
fn add_alternatives(
    document: &Document,
    name: &str,
    visited: &mut BTreeSet<String>,
    found: &mut Vec<Alternative>,
) {
    if !visited.insert(name.to_owned()) {
        return;
    }
    let Some(union) = document.schema(name) else { return };
    for key in ["oneOf", "anyOf"] {
        let list = union.get(key).and_then(Value::as_array);
        for (index, alternative) in list.into_iter().flatten().enumerate() {
            match target(alternative).map(|name| (name, document.schema(name))) {
                Some((inner, Some(schema))) if is_union(schema) => {
                    add_alternatives(document, inner, visited, found);
                }
                Some((inner, Some(schema))) => {
                    if found.iter().all(|other| other.component.as_deref() != Some(inner)) {
                        found.push(Alternative {
                            pointer: format!("/components/schemas/{inner}"),
                            component: Some(inner.to_owned()),
                            schema: schema.clone(),
                        });
                    }
                }
                _ => found.push(Alternative {
                    pointer: format!("/components/schemas/{name}/{key}/{index}"),
                    component: None,
                    schema: alternative.clone(),
                }),
            }
        }
    }
}

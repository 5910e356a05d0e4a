//! The alternatives of a union.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::codegen::document::{self, Document, is_only_required, list, resolve_schema, target};
use crate::codegen::error::Error;
use crate::codegen::names::is_union;

/// An alternative of a union.
#[derive(Clone)]
pub struct Alternative<'a> {
    /// JSON pointer to the schema.
    pub(super) pointer: String,
    /// The component, if it is one.
    pub component: Option<&'a str>,
    /// The schema.
    pub schema: &'a Value,
}

impl Alternative<'_> {
    pub(super) fn is_object(&self) -> bool {
        let kind = self.schema.get("type");
        self.schema.get("properties").is_some() || kind.is_some_and(|kind| kind == "object")
    }

    /// Returns the component of an object.
    pub(super) fn object_component(&self) -> Result<String, Error> {
        self.component.map(str::to_owned).ok_or_else(|| {
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
    let nested: Vec<&str> = unions
        .iter()
        .filter_map(|name| document.schema(name))
        .flat_map(|schema| document::alternatives(schema).filter_map(target))
        .collect();
    let used = document.references_outside_unions();
    let outermost = |name: &&&String| !nested.contains(&name.as_str()) || used.contains(**name);
    unions.iter().filter(outermost).map(|name| (*name).clone()).collect()
}

/// Returns the alternatives of a union, with those of the unions in it.
pub fn alternatives<'a>(document: &'a Document, name: &'a str) -> Vec<Alternative<'a>> {
    let mut found = Vec::new();
    if let Some(schema) = document.schema(name) {
        let pointer = format!("/components/schemas/{name}");
        add_alternatives(document, pointer, schema, &mut BTreeSet::from([name]), &mut found);
    }
    found
}

/// Adds the alternatives of a schema, unless its component was visited before. Unions may contain
/// one another. A schema that is not a union is its own only alternative.
pub fn add_alternatives<'a>(
    document: &'a Document,
    pointer: String,
    schema: &'a Value,
    visited: &mut BTreeSet<&'a str>,
    found: &mut Vec<Alternative<'a>>,
) {
    let component = target(schema);
    if component.is_some_and(|name| !visited.insert(name)) {
        return;
    }
    let pointer = component.map_or(pointer, |name| format!("/components/schemas/{name}"));
    let schema = resolve_schema(document, schema);
    if document::alternatives(schema).all(is_only_required) {
        found.push(Alternative { pointer, component, schema });
        return;
    }
    for key in ["oneOf", "anyOf"] {
        for (index, alternative) in list(schema, key).iter().enumerate() {
            let pointer = format!("{pointer}/{key}/{index}");
            add_alternatives(document, pointer, alternative, visited, found);
        }
    }
}

//! Events of a stream: unions of `{event, data}` objects.

use serde_json::Map;

use super::alternatives::{Alternative, alternatives, outermost_unions};
use super::discriminators::constant;
use super::{Variant, distinct_names, title};
use crate::codegen::document::{Document, description, rust_name, target};

/// An event with more properties than this is boxed. Most events of a stream are small deltas, and
/// each is moved several times at the size of the largest variant.
const MAX_UNBOXED_PROPERTIES: usize = 4;

/// The events of a stream.
#[derive(Clone, Debug, PartialEq)]
pub struct Events {
    /// The Rust name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// Events whose data is an object.
    pub events: Vec<Variant>,
    /// Events whose data is a constant text, which is in `body`.
    pub plain: Vec<Variant>,
}

/// Returns the unions whose alternatives are all events, with the number of events. The document
/// need not be lowered.
pub fn event_unions(document: &Document) -> Vec<(usize, String)> {
    let counted = |name: String| {
        let found = events(document, &name, &alternatives(document, &name))?;
        Some((found.events.len() + found.plain.len(), name))
    };
    outermost_unions(document).into_iter().filter_map(counted).collect()
}

/// Returns the events of a union, if all its alternatives are events.
pub(super) fn events(
    document: &Document,
    name: &str,
    alternatives: &[Alternative],
) -> Option<Events> {
    let mut found = Events {
        name: rust_name(name),
        description: document.schema(name).and_then(description).map(str::to_owned),
        events: Vec::new(),
        plain: Vec::new(),
    };
    for alternative in alternatives {
        let event = constant(document, &alternative.schema, "event")?;
        let data = alternative.schema.get("properties")?.get("data")?;
        let mut variant = Variant {
            name: title(&alternative.schema).unwrap_or_else(|| rust_name(&event)),
            description: description(&alternative.schema).map(str::to_owned),
            value: event,
            body: String::new(),
            boxed: false,
        };
        if let Some(text) = constant(document, &alternative.schema, "data") {
            variant.body = text;
            found.plain.push(variant);
        } else {
            variant.body = target(data)?.to_owned();
            variant.boxed = count_properties(document, &variant.body) > MAX_UNBOXED_PROPERTIES;
            found.events.push(variant);
        }
    }
    if found.events.is_empty() && found.plain.is_empty() {
        return None;
    }
    distinct_names(found.events.iter_mut().chain(&mut found.plain));
    Some(found)
}

fn count_properties(document: &Document, component: &str) -> usize {
    let schema = document.schema(component);
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    properties.map_or(0, Map::len)
}

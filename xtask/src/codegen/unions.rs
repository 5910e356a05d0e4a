//! Step 4, tag unions: choices between schemas leave the document and become enums that look at
//! the one property, or the kind of JSON value, that tells the alternatives apart. The generator's
//! own enums try one alternative after the other, and their errors say nothing.

use serde_json::Value;

use super::document::{Document, description, referred, rust_name};
use super::enums::values;
use super::error::Error;
use super::names::{is_string_enum, is_union};

/// Properties that tell alternatives apart, in the order in which they are tried.
const TAGS: [&str; 3] = ["type", "object", "event"];

/// A choice between schemas.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Union {
    /// Its Rust name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Strings with a meaning: variant and value.
    pub constants: Vec<(String, String)>,
    /// The variant for any string.
    pub text: Option<String>,
    /// The variant for a list, and the type of its items.
    pub array: Option<(String, String)>,
    /// The property that tells the objects apart.
    pub tag: String,
    /// The objects that have it.
    pub tagged: Vec<Variant>,
    /// The variant for the only object, and its type, where nothing needs telling apart.
    pub object: Option<(String, String)>,
}

/// One alternative: a body under a tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The variant's Rust name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// The tag's value.
    pub value: String,
    /// The Rust type of what comes with it.
    pub body: String,
}

/// The events of a stream: a union whose alternatives are `{event, data}` pairs.
#[derive(Clone, Debug, PartialEq)]
pub struct Events {
    /// Its Rust name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Events with an object as data.
    pub events: Vec<Variant>,
    /// Events whose data is always the same text, which stands in `body`.
    pub plain: Vec<Variant>,
}

/// All unions of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unions {
    /// Unions of JSON values.
    pub unions: Vec<Union>,
    /// Event streams.
    pub events: Vec<Events>,
}

/// Finds the unions among the components, and takes the tag out of the objects that are told
/// apart by it: the enum writes and reads it.
pub fn tag_unions(mut document: Document) -> Result<(Document, Unions), Error> {
    let mut found = Unions::default();
    let mut untag: Vec<(String, String)> = Vec::new();
    let names: Vec<String> = document
        .schemas()
        .filter(|(_, schema)| is_union(schema))
        .map(|(name, _)| name.clone())
        .collect();
    for name in &names {
        let alternatives = alternatives(&document, name);
        if let Some(events) = events(&document, name, &alternatives) {
            found.events.push(events);
            continue;
        }
        let union = union(&document, name, &alternatives)?;
        for alternative in &alternatives {
            if let (Some(component), false) = (&alternative.component, union.tag.is_empty()) {
                untag.push((component.clone(), union.tag.clone()));
            }
        }
        found.unions.push(union);
    }
    untag.sort();
    untag.dedup();
    check_used_in_unions_only(&document, &untag)?;
    for (component, tag) in &untag {
        let schema = document.schemas_mut().and_then(|schemas| schemas.get_mut(component));
        let Some(schema) = schema.and_then(Value::as_object_mut) else { continue };
        let bare = match schema.get_mut("properties").and_then(Value::as_object_mut) {
            Some(properties) => properties.shift_remove(tag).is_some() && properties.is_empty(),
            None => false,
        };
        if bare {
            // The generator takes an object without properties for a map.
            schema.insert("additionalProperties".to_owned(), false.into());
        }
        if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
            required.retain(|name| name != tag);
        }
    }
    Ok((document, found))
}

struct Alternative {
    pointer: String,
    component: Option<String>,
    schema: Value,
}

/// The alternatives of a union, those of unions within it among them.
fn alternatives(document: &Document, name: &str) -> Vec<Alternative> {
    let mut found = Vec::new();
    let Some(union) = document.schema(name) else { return found };
    for key in ["oneOf", "anyOf"] {
        let list = union.get(key).and_then(Value::as_array);
        for (index, alternative) in list.into_iter().flatten().enumerate() {
            match referred(alternative).map(|name| (name, document.schema(name))) {
                Some((inner, Some(schema))) if is_union(schema) && inner != name => {
                    found.extend(alternatives(document, inner));
                }
                Some((inner, Some(schema))) => found.push(Alternative {
                    pointer: format!("/components/schemas/{inner}"),
                    component: Some(inner.to_owned()),
                    schema: schema.clone(),
                }),
                _ => found.push(Alternative {
                    pointer: format!("/components/schemas/{name}/{key}/{index}"),
                    component: None,
                    schema: alternative.clone(),
                }),
            }
        }
    }
    found
}

/// The one value that a property of a schema may have.
pub fn constant(document: &Document, schema: &Value, property: &str) -> Option<String> {
    let property = schema.get("properties")?.get(property)?;
    let property = match property.get("allOf").and_then(|list| list.get(0)).or(Some(property)) {
        Some(inner) => referred(inner).and_then(|name| document.schema(name)).unwrap_or(inner),
        None => property,
    };
    match property.get("enum")?.as_array()?.as_slice() {
        [Value::String(value)] => Some(value.clone()),
        _ => None,
    }
}

fn events(document: &Document, name: &str, alternatives: &[Alternative]) -> Option<Events> {
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
        };
        let inner = data.get("allOf").and_then(|list| list.get(0)).unwrap_or(data);
        if let Some(text) = constant(document, &alternative.schema, "data") {
            variant.body = text;
            found.plain.push(variant);
        } else {
            variant.body = rust_name(referred(inner)?);
            found.events.push(variant);
        }
    }
    Some(found)
}

fn title(schema: &Value) -> Option<String> {
    schema.get("title").and_then(Value::as_str).map(rust_name)
}

fn union(document: &Document, name: &str, alternatives: &[Alternative]) -> Result<Union, Error> {
    let mut union = Union {
        name: rust_name(name),
        description: document.schema(name).and_then(description).map(str::to_owned),
        ..Union::default()
    };
    let objects: Vec<&Alternative> =
        alternatives.iter().filter(|one| is_object(&one.schema)).collect();
    if let Some(tag) = shared_tag(document, &objects) {
        tag.clone_into(&mut union.tag);
        for object in &objects {
            let value = constant(document, &object.schema, tag).unwrap_or_default();
            union.tagged.push(Variant {
                name: title(&object.schema).unwrap_or_else(|| rust_name(&value)),
                description: description(&object.schema).map(str::to_owned),
                value,
                body: component_of(object)?,
            });
        }
    } else if let [object] = objects.as_slice() {
        let body = component_of(object)?;
        let short = body.strip_suffix(&union.name).or(body.strip_prefix(&union.name));
        let variant = short.filter(|short| !short.is_empty()).unwrap_or(&body).to_owned();
        union.object = Some((variant, body));
    } else if !objects.is_empty() {
        return Err(Error::at(
            format!("/components/schemas/{name}"),
            "nothing tells the objects of this choice apart",
            "give each a required property `type` with one value of its own",
        ));
    }
    for other in alternatives.iter().filter(|one| !is_object(&one.schema)) {
        if is_string_enum(&other.schema) {
            union.constants.extend(values(&other.schema));
        } else if other.schema.get("type").is_some_and(|kind| kind == "string") {
            union.text = Some(title(&other.schema).unwrap_or_else(|| "Text".to_owned()));
        } else if let Some(items) = other.schema.get("items") {
            let item = referred(items).ok_or_else(|| {
                Error::at(
                    format!("{}/items", other.pointer),
                    "the items of a list within a choice have no name",
                    "move their schema to the components and refer to it",
                )
            })?;
            let variant = title(&other.schema).unwrap_or_else(|| "List".to_owned());
            union.array = Some((variant, rust_name(item)));
        } else {
            return Err(Error::at(
                other.pointer.clone(),
                "an alternative that is no string, list or object",
                "leave it out, or describe it as one of these",
            ));
        }
    }
    Ok(union)
}

fn is_object(schema: &Value) -> bool {
    schema.get("properties").is_some() || schema.get("type").is_some_and(|kind| kind == "object")
}

fn component_of(alternative: &Alternative) -> Result<String, Error> {
    alternative.component.as_deref().map(rust_name).ok_or_else(|| {
        Error::at(
            alternative.pointer.clone(),
            "an object within a choice has no name",
            "move its schema to the components and refer to it",
        )
    })
}

/// The property by which all objects differ.
fn shared_tag(document: &Document, objects: &[&Alternative]) -> Option<&'static str> {
    TAGS.into_iter().find(|tag| {
        let mut values: Vec<String> = Vec::new();
        !objects.is_empty()
            && objects.iter().all(|object| match constant(document, &object.schema, tag) {
                Some(value) if !values.contains(&value) => {
                    values.push(value);
                    true
                }
                _ => false,
            })
    })
}

/// An object that loses its tag must not be used by itself, where nobody would write the tag.
fn check_used_in_unions_only(
    document: &Document,
    untagged: &[(String, String)],
) -> Result<(), Error> {
    let used = document.references_outside_unions();
    match untagged.iter().find(|(name, _)| used.contains(name)) {
        Some((name, tag)) => Err(Error::at(
            format!("/components/schemas/{name}"),
            format!("`{name}` is told apart by `{tag}` in a choice, and is used by itself as well"),
            "refer to the choice everywhere, or to a copy of the schema",
        )),
        None => Ok(()),
    }
}

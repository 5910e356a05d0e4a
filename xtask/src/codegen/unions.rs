//! Step 7, tag unions: choices between schemas leave the document and become enums that look at
//! the one property, or the kind of JSON value, that tells the alternatives apart. The generator's
//! own enums try one alternative after the other, and their errors say nothing.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::document::{Document, description, rust_name, target};
use super::enums::values;
use super::error::Error;
use super::names::{is_string_enum, is_union};
use super::tags::{constant, tell_apart};

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
    /// The component of what comes with it.
    pub body: String,
    /// Whether it is so large that it stands in a box.
    pub boxed: bool,
}

impl Variant {
    /// The Rust type of its body, as it stands in the variant.
    pub fn body_type(&self) -> String {
        let body = rust_name(&self.body);
        if self.boxed { format!("Box<{body}>") } else { body }
    }
}

/// An event with more properties than this stands in a box. Nearly all events of a stream are small
/// pieces, and each is moved several times: at the size of the largest, if that is not boxed.
const MAX_INLINE_PROPERTIES: usize = 4;

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
    let mut pairs: Vec<String> = Vec::new();
    for name in whole_unions(&document) {
        let alternatives = alternatives(&document, &name);
        if let Some(events) = events(&document, &name, &alternatives) {
            found.events.push(events);
            pairs.extend(alternatives.into_iter().filter_map(|alternative| alternative.component));
        } else {
            found.unions.push(union(&document, &name, &alternatives)?);
        }
    }
    let shared = document.references_outside_unions();
    if let Some(schemas) = document.schemas_mut() {
        // An event is a variant, and no object of its own.
        schemas.retain(|name, _| !pairs.contains(name) || shared.contains(name));
    }
    let mut bodies = Bodies::default();
    for union in &mut found.unions {
        let (name, tag) = (union.name.clone(), union.tag.clone());
        for variant in &mut union.tagged {
            variant.body = bodies.body(&mut document, &name, &tag, variant, &shared);
        }
    }
    Ok((document, found))
}

/// The unions that are not only a part of another one.
fn whole_unions(document: &Document) -> Vec<String> {
    let unions: Vec<&String> =
        document.schemas().filter(|(_, schema)| is_union(schema)).map(|(name, _)| name).collect();
    let mut parts: Vec<&str> = Vec::new();
    for name in &unions {
        let schema = document.schema(name);
        for key in ["oneOf", "anyOf"] {
            let list = schema.and_then(|schema| schema.get(key)?.as_array());
            parts.extend(list.into_iter().flatten().filter_map(target));
        }
    }
    let used = document.references_outside_unions();
    let whole = |name: &&&String| !parts.contains(&name.as_str()) || used.contains(**name);
    unions.iter().filter(whole).map(|name| (*name).clone()).collect()
}

/// The unions whose alternatives are all the events of a stream, in a document as it was read, each
/// with how many there are.
pub fn event_unions(document: &Document) -> Vec<(usize, String)> {
    let counted = |name: String| {
        let found = events(document, &name, &alternatives(document, &name))?;
        Some((found.events.len() + found.plain.len(), name))
    };
    whole_unions(document).into_iter().filter_map(counted).collect()
}

/// The objects that lost their tag, by the component they were made from.
#[derive(Default)]
struct Bodies {
    tags: BTreeMap<String, String>,
    /// Which variant's body each union has by now: a type stands for one variant only.
    within: BTreeSet<(String, String)>,
}

impl Bodies {
    /// The component of a variant without its tag. One that is used by itself as well, or under
    /// another tag, keeps its own and gives a copy.
    fn body(
        &mut self,
        document: &mut Document,
        union: &str,
        tag: &str,
        variant: &Variant,
        shared: &BTreeSet<String>,
    ) -> String {
        let component = &variant.body;
        let own = !shared.contains(component)
            && self.tags.get(component).is_none_or(|other| other == tag)
            && self.within.insert((union.to_owned(), component.clone()));
        let mut body = component.clone();
        let Some(schemas) = document.schemas_mut() else { return body };
        if !own {
            body = format!("{union}{}", variant.name);
            while schemas.contains_key(&body) {
                body.push_str("Body");
            }
            if let Some(copy) = schemas.get(component).cloned() {
                schemas.insert(body.clone(), copy);
            }
        } else if self.tags.insert(component.clone(), tag.to_owned()).is_some() {
            return body;
        }
        if let Some(Value::Object(schema)) = schemas.get_mut(&body) {
            without_tag(schema, tag);
        }
        body
    }
}

fn without_tag(schema: &mut Map<String, Value>, tag: &str) {
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

/// An alternative of a union.
pub struct Alternative {
    pointer: String,
    component: Option<String>,
    /// Its schema.
    pub schema: Value,
}

/// The alternatives of a union, those of unions within it among them.
pub fn alternatives(document: &Document, name: &str) -> Vec<Alternative> {
    let mut found = Vec::new();
    add_alternatives(document, name, &mut BTreeSet::new(), &mut found);
    found
}

/// A union that was met before adds nothing: the same alternatives would be there twice, or, where
/// unions have one another within them, without an end.
fn add_alternatives(
    document: &Document,
    name: &str,
    met: &mut BTreeSet<String>,
    found: &mut Vec<Alternative>,
) {
    if !met.insert(name.to_owned()) {
        return;
    }
    let Some(union) = document.schema(name) else { return };
    for key in ["oneOf", "anyOf"] {
        let list = union.get(key).and_then(Value::as_array);
        for (index, alternative) in list.into_iter().flatten().enumerate() {
            match target(alternative).map(|name| (name, document.schema(name))) {
                Some((inner, Some(schema))) if is_union(schema) => {
                    add_alternatives(document, inner, met, found);
                }
                Some((inner, Some(schema))) => {
                    if found.iter().all(|one| one.component.as_deref() != Some(inner)) {
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
            boxed: false,
        };
        if let Some(text) = constant(document, &alternative.schema, "data") {
            variant.body = text;
            found.plain.push(variant);
        } else {
            variant.body = target(data)?.to_owned();
            variant.boxed = properties(document, &variant.body) > MAX_INLINE_PROPERTIES;
            found.events.push(variant);
        }
    }
    if found.events.is_empty() && found.plain.is_empty() {
        return None;
    }
    tell_names_apart(found.events.iter_mut().chain(&mut found.plain));
    Some(found)
}

fn properties(document: &Document, component: &str) -> usize {
    let schema = document.schema(component);
    let properties = schema.and_then(|schema| schema.get("properties")?.as_object());
    properties.map_or(0, Map::len)
}

/// Gives variants that would have the same name, or that of the variant for what is not known, a
/// number.
fn tell_names_apart<'a>(variants: impl Iterator<Item = &'a mut Variant>) {
    let mut taken = BTreeSet::from(["Unknown".to_owned()]);
    for variant in variants {
        let wanted = variant.name.clone();
        let mut number = 2;
        while !taken.insert(variant.name.clone()) {
            variant.name = format!("{wanted}{number}");
            number += 1;
        }
    }
}

/// A title that is written as a Rust name is meant as one; any other is prose.
fn title(schema: &Value) -> Option<String> {
    let title = schema.get("title").and_then(Value::as_str)?;
    (rust_name(title) == title).then(|| title.to_owned())
}

fn union(document: &Document, name: &str, alternatives: &[Alternative]) -> Result<Union, Error> {
    let mut union = Union {
        name: rust_name(name),
        description: document.schema(name).and_then(description).map(str::to_owned),
        ..Union::default()
    };
    if alternatives.is_empty() {
        return Err(Error::at(
            format!("/components/schemas/{name}"),
            "a choice of nothing",
            "list what there is to choose from",
        ));
    }
    let objects: Vec<&Alternative> =
        alternatives.iter().filter(|one| is_object(&one.schema)).collect();
    let told: Vec<(Option<&str>, &Value)> =
        objects.iter().map(|object| (object.component.as_deref(), &object.schema)).collect();
    let whole = document.schema(name).unwrap_or(&Value::Null);
    if let Some(tag) = tell_apart(document, whole, &told) {
        union.tag = tag.property;
        for (position, value) in tag.values {
            let Some(object) = objects.get(position) else { continue };
            union.tagged.push(Variant {
                name: title(&object.schema).unwrap_or_else(|| rust_name(&value)),
                description: description(&object.schema).map(str::to_owned),
                value,
                body: component_of(object)?,
                boxed: false,
            });
        }
        tell_names_apart(union.tagged.iter_mut());
    } else if let [object] = objects.as_slice() {
        let body = rust_name(&component_of(object)?);
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
            let item = target(items).ok_or_else(|| {
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
    alternative.component.clone().ok_or_else(|| {
        Error::at(
            alternative.pointer.clone(),
            "an object within a choice has no name",
            "move its schema to the components and refer to it",
        )
    })
}

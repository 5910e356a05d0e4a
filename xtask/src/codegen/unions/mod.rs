//! Stage `unions`: extracts unions. They become enums that are decoded by their discriminator, or by
//! the kind of JSON value. Typify's untagged enums try one variant after the other, and their errors
//! have no reason.

mod alternatives;
pub mod discriminators;
mod events;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::document::{Document, description, is_true, kind, rust_name, target};
use super::enums::values;
use super::error::Error;
use super::names::{Names, is_string_enum};
use super::select::Selection;
use alternatives::outermost_unions;
use discriminators::find_discriminator;
use events::events;

pub use alternatives::{Alternative, add_alternatives, alternatives};
pub use events::{Events, event_unions};

/// A union.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Union {
    /// The Rust name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// String constants: variant and value.
    pub constants: Vec<(String, String)>,
    /// The variant for any string.
    pub text: Option<String>,
    /// The variant for a list, and the type of its items.
    pub array: Option<(String, String)>,
    /// The variants for integers, numbers and booleans, and their types.
    pub scalars: Vec<(String, String)>,
    /// The property that is the discriminator.
    pub tag: String,
    /// The objects that have it.
    pub tagged: Vec<Variant>,
    /// The variant and the type of the only object, which needs no discriminator.
    pub object: Option<(String, String)>,
}

/// A variant of a union, selected by a discriminator.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// The Rust name.
    pub name: String,
    /// The description.
    pub description: Option<String>,
    /// The value of the discriminator.
    pub value: String,
    /// The component of the variant's body.
    pub body: String,
    /// Whether the body is boxed because of its size.
    pub boxed: bool,
}

impl Union {
    /// Returns whether no property distinguishes its objects, so that they are JSON.
    pub fn is_untyped(&self) -> bool {
        self.object.as_ref().is_some_and(|(_, body)| body == OBJECT)
    }
}

impl Variant {
    /// Returns the Rust type of the variant's field.
    pub fn body_type(&self) -> String {
        let body = rust_name(&self.body);
        if self.boxed { format!("Box<{body}>") } else { body }
    }
}

/// All unions of a document.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unions {
    /// Unions of JSON values.
    pub unions: Vec<Union>,
    /// Unions of events.
    pub events: Vec<Events>,
}

/// Extracts the unions of a document, and removes the discriminator from their objects: the enum
/// reads and writes it.
///
/// Objects without a discriminator are an error, or JSON if the selection says so.
pub fn extract_unions(
    mut document: Document,
    selection: &Selection,
) -> Result<(Document, Unions), Error> {
    let mut found = Unions::default();
    let mut event_objects: Vec<String> = Vec::new();
    for name in outermost_unions(&document) {
        let alternatives = alternatives(&document, &name);
        if let Some(events) = events(&document, &name, &alternatives) {
            found.events.push(events);
            let components = alternatives.iter().filter_map(|event| event.component);
            event_objects.extend(components.map(str::to_owned));
        } else {
            found.unions.push(union(&document, &name, &alternatives, selection)?);
        }
    }
    let shared = document.references_outside_unions();
    if let Some(schemas) = document.schemas_mut() {
        // An event becomes a variant without a type of its own.
        schemas.retain(|name, _| !event_objects.contains(name) || shared.contains(name));
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

/// The components whose discriminator was removed.
#[derive(Default)]
struct Bodies {
    /// The removed property, by component.
    tags: BTreeMap<String, String>,
    /// Unions with the components that are bodies of their variants. A component is the body of only
    /// one variant, so that `From` is unambiguous.
    used: BTreeSet<(String, String)>,
}

impl Bodies {
    /// Returns the component of a variant's body, without the discriminator. A component that is
    /// also used elsewhere, or with another discriminator, is copied.
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
            && self.used.insert((union.to_owned(), component.clone()));
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
            remove_tag(schema, tag);
        }
        body
    }
}

fn remove_tag(schema: &mut Map<String, Value>, tag: &str) {
    let is_empty = match schema.get_mut("properties").and_then(Value::as_object_mut) {
        Some(properties) => properties.shift_remove(tag).is_some() && properties.is_empty(),
        None => false,
    };
    if is_empty {
        // Typify would generate a map for an object without properties.
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|name| name != tag);
    }
}

/// Makes variant names distinct, from each other and from the variant for unknown values.
fn distinct_names<'a>(variants: impl Iterator<Item = &'a mut Variant>) {
    let mut names = Names(BTreeSet::from(["Unknown".to_owned()]));
    for variant in variants {
        variant.name = names.distinct(&variant.name, &variant.name);
    }
}

/// Returns the title if it is a Rust name. Any other title is prose.
fn title(schema: &Value) -> Option<String> {
    let title = schema.get("title").and_then(Value::as_str)?;
    (rust_name(title) == title).then(|| title.to_owned())
}

/// The type of objects that no property distinguishes.
const OBJECT: &str = "serde_json::Map<String, serde_json::Value>";

/// The type of any value.
const ANY: &str = "serde_json::Value";

/// Returns the variant and the Rust type of a scalar other than a string.
fn scalar_type(kind: &str) -> Option<(&'static str, &'static str)> {
    match kind {
        "integer" => Some(("Integer", "i64")),
        "number" => Some(("Number", "f64")),
        "boolean" => Some(("Boolean", "bool")),
        _ => None,
    }
}

/// Returns the Rust type of the items of a list.
fn item_type(list: &Value) -> String {
    let items = list.get("items").unwrap_or(&Value::Null);
    match (target(items), kind(items)) {
        _ if is_true(items, "nullable") => ANY.to_owned(),
        (Some(component), _) => rust_name(component),
        (None, Some("string")) => "String".to_owned(),
        (None, Some(kind)) => scalar_type(kind).map_or(ANY, |(_, rust)| rust).to_owned(),
        (None, None) => ANY.to_owned(),
    }
}

fn union(
    document: &Document,
    name: &str,
    alternatives: &[Alternative<'_>],
    selection: &Selection,
) -> Result<Union, Error> {
    let mut union = Union {
        name: rust_name(name),
        description: document.schema(name).and_then(description).map(str::to_owned),
        ..Union::default()
    };
    if alternatives.is_empty() {
        return Err(Error::at(
            format!("/components/schemas/{name}"),
            "a union without alternatives",
            "list the alternatives",
        ));
    }
    let objects: Vec<&Alternative<'_>> =
        alternatives.iter().filter(|alternative| alternative.is_object()).collect();
    let schemas: Vec<(Option<&str>, &Value)> =
        objects.iter().map(|object| (object.component, object.schema)).collect();
    let schema = document.schema(name).unwrap_or(&Value::Null);
    if let Some(discriminator) = find_discriminator(document, schema, &schemas) {
        union.tag = discriminator.property;
        for (position, value) in discriminator.values {
            let Some(object) = objects.get(position) else { continue };
            union.tagged.push(Variant {
                name: title(object.schema).unwrap_or_else(|| rust_name(&value)),
                description: description(object.schema).map(str::to_owned),
                value,
                body: object.object_component()?,
                boxed: false,
            });
        }
        distinct_names(union.tagged.iter_mut());
    } else if let [object] = objects.as_slice() {
        let body = rust_name(&object.object_component()?);
        let short = body.strip_suffix(&union.name).or(body.strip_prefix(&union.name));
        // What is left of `Choice2` is not a name.
        let short = short.filter(|short| short.starts_with(|first: char| first.is_alphabetic()));
        let variant = short.unwrap_or(&body).to_owned();
        union.object = Some((variant, body));
    } else if !objects.is_empty() && selection.allow_untyped {
        union.object = Some(("Object".to_owned(), OBJECT.to_owned()));
    } else if !objects.is_empty() {
        return Err(Error::at(
            format!("/components/schemas/{name}"),
            "the objects of this union have no discriminator",
            "add a required property `type` with a different constant to each",
        ));
    }
    for other in alternatives.iter().filter(|alternative| !alternative.is_object()) {
        if is_string_enum(other.schema) {
            union.constants.extend(values(other.schema));
        } else if other.schema.get("type").is_some_and(|kind| kind == "string") {
            union.text = Some(title(other.schema).unwrap_or_else(|| "Text".to_owned()));
        } else if kind(other.schema) == Some("array") {
            let item = item_type(other.schema);
            let variant = title(other.schema).unwrap_or_else(|| "List".to_owned());
            union.array = Some(match union.array.take() {
                // The items of two kinds of lists.
                Some((variant, first)) if first != item => (variant, ANY.to_owned()),
                _ => (variant, item),
            });
        } else if let Some(scalar) = kind(other.schema).and_then(scalar_type) {
            let variant = title(other.schema).unwrap_or_else(|| scalar.0.to_owned());
            if !union.scalars.iter().any(|(_, kind)| kind == scalar.1) {
                union.scalars.push((variant, scalar.1.to_owned()));
            }
        } else {
            return Err(Error::at(
                other.pointer.clone(),
                "an alternative has no type",
                "remove it, or add its type",
            ));
        }
    }
    // An integer is also a number.
    union.scalars.sort_by_key(|(_, kind)| kind == "f64");
    let mut names = Names(BTreeSet::from(["Unknown".to_owned()]));
    names.0.extend(union.tagged.iter().map(|variant| variant.name.clone()));
    let constants = union.constants.iter_mut().map(|(name, _)| ("Constant", name));
    let object = union.object.iter_mut().map(|(name, _)| ("Object", name));
    let text = union.text.iter_mut().map(|name| ("String", name));
    let array = union.array.iter_mut().map(|(name, _)| ("List", name));
    let scalars = union.scalars.iter_mut().map(|(name, _)| ("Scalar", name));
    for (suffix, name) in constants.chain(object).chain(text).chain(array).chain(scalars) {
        let longer = format!("{name}{suffix}");
        *name = names.distinct(name, &longer);
    }
    Ok(union)
}

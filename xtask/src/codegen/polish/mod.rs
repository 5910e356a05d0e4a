//! Step 10, polish: the generator's syntax tree becomes code that one likes to read and to use.

mod client;
mod constructors;
mod fields;

pub use constructors::argument;
pub use fields::{type_named, wire_name};

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::quote;
use serde_json::Value;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Fields, File, Ident, Item, parse_quote};

use super::docs;
use super::document::{Document, rust_name};
use super::enums::OpenEnum;
use super::error::Error;
use super::tolerate;

/// The generator's output, in two files.
pub struct Code {
    /// The client with a method for each operation.
    pub client: File,
    /// The structs of the specification's objects.
    pub structs: File,
}

/// What the steps before found out about the types.
#[derive(Clone, Copy)]
pub struct Shapes<'a> {
    /// The document as it was generated from.
    pub document: &'a Document,
    /// The enums that stand in the place of the generator's own.
    pub enums: &'a [OpenEnum],
    /// The components that never go into a request.
    pub replies: &'a BTreeSet<String>,
    /// Properties that need a box, by the Rust name of their object.
    pub boxed: &'a BTreeSet<(String, String)>,
    /// The ids of the operations that can reply with a stream of events too.
    pub streams: &'a BTreeSet<String>,
}

/// Takes the generator's output apart, drops what nobody needs, and adds what is missing.
pub fn polish(tokens: TokenStream, shapes: &Shapes<'_>) -> Result<Code, Error> {
    let mut client: File = syn::parse2(tokens)?;
    let mut structs = Vec::new();
    client.items.retain_mut(|item| match item {
        Item::Mod(module) if module.ident == "types" => {
            structs = module.content.take().map(|(_, items)| items).unwrap_or_default();
            false
        }
        Item::Mod(module) => module.ident != "prelude",
        _ => true,
    });
    client::polish(&mut client, shapes.streams)?;
    let mut dropped = BTreeSet::new();
    let structs = polish_structs(structs, shapes, &mut dropped)?;
    let mut code = Code { client, structs: syn::parse2(quote!(#(#structs)*))? };
    for file in [&mut code.client, &mut code.structs] {
        ShortPaths.visit_file_mut(file);
        Docs.visit_file_mut(file);
        let mut missing = Missing { dropped: &dropped, found: None };
        missing.visit_file_mut(file);
        if let Some(name) = missing.found {
            return Err(Error::Unexpected(format!("it has an enum `{name}` that no step made")));
        }
    }
    Ok(code)
}

/// Only the structs stay: conversions between references, and an error for values that a type does
/// not take, belong to what earlier steps took out. They come in the document's order.
fn polish_structs(
    items: Vec<Item>,
    shapes: &Shapes<'_>,
    dropped: &mut BTreeSet<Ident>,
) -> Result<Vec<Item>, Error> {
    let Shapes { document, enums, replies, boxed, .. } = *shapes;
    let constants: BTreeSet<&str> =
        enums.iter().filter(|one| one.constant).map(|one| one.name.as_str()).collect();
    let named = document.schemas().enumerate();
    let schemas: BTreeMap<String, (usize, (&String, &Value))> =
        named.map(|(place, entry)| (rust_name(entry.0), (place, entry))).collect();
    let mut polished: Vec<(Option<usize>, Vec<Item>)> = Vec::new();
    for item in items {
        let mut item = match item {
            Item::Struct(item) => item,
            Item::Enum(item) => {
                dropped.insert(item.ident);
                continue;
            }
            _ => continue,
        };
        item.attrs.retain(|attribute| !fields::says(attribute, "deny_unknown_fields"));
        let found = schemas.get(&item.ident.to_string()).copied();
        let (place, shape) = match found {
            Some((place, (name, schema))) => {
                let shape = fields::Shape {
                    schema: Some(schema),
                    constants: &constants,
                    tolerant: tolerate::is_tolerated_object(document, schema),
                    sent: !replies.contains(name),
                };
                (Some(place), shape)
            }
            None => (
                None,
                fields::Shape { schema: None, constants: &constants, tolerant: false, sent: true },
            ),
        };
        if matches!(item.fields, Fields::Unnamed(_)) {
            // A list or a map that has itself within it: a name for it, and nothing to add to.
            polished.push((place, vec![Item::Struct(item)]));
            continue;
        }
        item.attrs.push(parse_quote!(#[non_exhaustive]));
        let mut items = Vec::new();
        if let Fields::Named(named) = &mut item.fields {
            let name = item.ident.to_string();
            let boxed = |property: &str| boxed.contains(&(name.clone(), property.to_owned()));
            fields::polish(named, &shape, &boxed);
        }
        let implementation = constructors::implementation(&item, &constants, shape.sent)?;
        items.push(Item::Struct(item));
        items.extend(implementation.map(Item::Impl));
        polished.push((place, items));
    }
    polished.sort_by_key(|(place, _)| place.unwrap_or(usize::MAX));
    Ok(polished.into_iter().flat_map(|(_, items)| items).collect())
}

/// Every choice that is used is one of our types by now: one of the generator's own would be missing.
struct Missing<'a> {
    dropped: &'a BTreeSet<Ident>,
    found: Option<Ident>,
}

impl VisitMut for Missing<'_> {
    fn visit_path_segment_mut(&mut self, segment: &mut syn::PathSegment) {
        if self.dropped.contains(&segment.ident) {
            self.found = Some(segment.ident.clone());
        }
        visit_mut::visit_path_segment_mut(self, segment);
    }
}

/// Writes `Option` for `::std::option::Option`, and a type of this crate without its module.
struct ShortPaths;

impl VisitMut for ShortPaths {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        visit_mut::visit_path_mut(self, path);
        let names: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        match names.as_slice() {
            ["std", _, "Option" | "Vec" | "String" | "Box"] | ["crate", "types", _] => {
                path.leading_colon = None;
                path.segments = path.segments.iter().skip(2).cloned().collect();
            }
            ["std" | "serde" | "serde_json" | "reqwest", _, ..] => path.leading_colon = None,
            _ => {}
        }
    }

    fn visit_attribute_mut(&mut self, attribute: &mut Attribute) {
        if let syn::Meta::List(list) = &mut attribute.meta {
            let text =
                list.tokens.to_string().replace("::std::option::", "").replace("::std::vec::", "");
            let text = text
                .replace(":: serde :: ", "serde::")
                .replace("\"::serde_json::", "\"serde_json::");
            if let Ok(tokens) = text.parse() {
                list.tokens = tokens;
            }
        }
    }
}

/// Brings doc comments into the usual form: a line an attribute, a space first, and no copy of the
/// JSON schema.
struct Docs;

impl VisitMut for Docs {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let mut polished = Vec::new();
        for attribute in attributes.drain(..) {
            let text = match &attribute.meta {
                syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                    syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => text.value(),
                    _ => continue,
                },
                _ => {
                    polished.push(attribute);
                    continue;
                }
            };
            let text = text.split("<details>").next().unwrap_or_default();
            for line in docs::lines(text) {
                polished.push(parse_quote!(#[doc = #line]));
            }
        }
        *attributes = polished;
    }
}

//! Stage `rewrite`: rewrites the syntax tree of the generated code.

mod client;
mod constructors;
mod fields;

pub use fields::{Form, WIRE, Wire, other_field, type_named, wire_name};

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use serde_json::Value;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Fields, File, Ident, Item, parse_quote};

use super::doc_comments;
use super::document::{Document, rust_name};
use super::enums::OpenEnum;
use super::error::Error;

/// The generated code, as two files.
pub struct Code {
    /// The client, with a method for each operation.
    pub client: File,
    /// The structs of the objects.
    pub structs: File,
}

impl Default for Code {
    fn default() -> Self {
        Self { client: parse_quote!(), structs: parse_quote!() }
    }
}

/// What earlier stages found out about the types.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The lowered document.
    pub document: &'a Document,
    /// The enums that replace those of typify.
    pub enums: &'a [OpenEnum],
    /// The component schemas that no request contains.
    pub response_only: &'a BTreeSet<String>,
    /// Properties that need a box, with the Rust name of their object.
    pub boxed: &'a BTreeSet<(String, String)>,
    /// The IDs of the operations that may respond with an event stream.
    pub event_streams: &'a BTreeSet<String>,
}

/// Splits the generated code into client and structs, drops unused items, and rewrites the rest.
pub fn rewrite(tokens: TokenStream, context: &Context<'_>) -> Result<Code, Error> {
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
    client::rewrite(&mut client, context.event_streams)?;
    let mut dropped = BTreeSet::new();
    let structs = rewrite_structs(structs, context, &mut dropped)?;
    let mut code = Code { client, structs: syn::parse2(quote!(#(#structs)*))? };
    for file in [&mut code.client, &mut code.structs] {
        ShortPaths.visit_file_mut(file);
        Docs.visit_file_mut(file);
        let mut missing = Missing { dropped: &dropped, found: None };
        missing.visit_file_mut(file);
        if let Some(name) = missing.found {
            return Err(Error::Unexpected(format!(
                "it has an enum `{name}` that no stage extracted"
            )));
        }
    }
    Ok(code)
}

/// Keeps only the structs, in the order of the document. Other items belong to types that earlier
/// stages replaced.
fn rewrite_structs(
    items: Vec<Item>,
    context: &Context<'_>,
    dropped: &mut BTreeSet<Ident>,
) -> Result<Vec<Item>, Error> {
    let Context { document, enums, response_only, boxed, .. } = *context;
    let constants: BTreeSet<&str> =
        enums.iter().filter(|kind| kind.constant).map(|kind| kind.name.as_str()).collect();
    let named = document.schemas().enumerate();
    let schemas: BTreeMap<String, (usize, (&String, &Value))> =
        named.map(|(position, entry)| (rust_name(entry.0), (position, entry))).collect();
    let mut rewritten: Vec<(Option<usize>, Vec<Item>)> = Vec::new();
    for item in items {
        let mut item = match item {
            Item::Struct(item) => item,
            Item::Enum(item) => {
                dropped.insert(item.ident);
                continue;
            }
            _ => continue,
        };
        item.attrs.retain(|attribute| !fields::contains(attribute, "deny_unknown_fields"));
        let found = schemas.get(&item.ident.to_string()).copied();
        let position = found.map(|(position, _)| position);
        // A type that is not a component, such as that of an inline body, may be in requests.
        let shape = fields::Shape {
            schema: found.map(|(_, (_, schema))| schema),
            constants: &constants,
            in_requests: found.is_none_or(|(_, (name, _))| !response_only.contains(name)),
        };
        let is_list_or_map = matches!(item.fields, Fields::Unnamed(_));
        let mut derives = vec![format_ident!("Debug")];
        // The clone of an object is rendered with its reading and writing.
        if !matches!(item.fields, Fields::Named(_)) {
            derives.push(format_ident!("Clone"));
        }
        if let Fields::Named(named) = &mut item.fields {
            let name = item.ident.to_string();
            let boxed = |property: &str| boxed.contains(&(name.clone(), property.to_owned()));
            fields::rewrite(named, &shape, &boxed)?;
            let mut properties = named.named.iter().filter_map(fields::Wire::of);
            // The default value is what an empty object decodes to. In a request it is not valid if
            // a property is required.
            if properties.all(|property| match shape.in_requests {
                true => !property.in_constructor,
                false => property.form != Form::Required,
            }) {
                derives.push(format_ident!("Default"));
            }
        }
        derives.push(format_ident!("PartialEq"));
        item.attrs.retain(|attribute| !attribute.path().is_ident("derive"));
        item.attrs.push(parse_quote!(#[derive(#(#derives),*)]));
        if is_list_or_map {
            // A recursive list or map is a tuple struct, which needs no more rewriting.
            item.attrs.retain(|attribute| !attribute.path().is_ident("serde"));
            rewritten.push((position, vec![Item::Struct(item)]));
            continue;
        }
        item.attrs.push(parse_quote!(#[non_exhaustive]));
        let implementation = constructors::implementation(&item, shape.in_requests)?;
        let items = vec![Item::Struct(item), Item::Impl(implementation)];
        rewritten.push((position, items));
    }
    rewritten.sort_by_key(|(position, _)| position.unwrap_or(usize::MAX));
    Ok(rewritten.into_iter().flat_map(|(_, items)| items).collect())
}

/// Finds a use of an enum that was dropped. All enums in use are replaced by earlier stages.
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

/// Shortens `::std::option::Option` to `Option`, and paths to types of this crate to their names.
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

/// Normalizes doc comments: one attribute for each line, with a leading space, and without the copy
/// of the JSON schema.
struct Docs;

impl VisitMut for Docs {
    fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
        let mut normalized = Vec::new();
        for attribute in attributes.drain(..) {
            let text = match &attribute.meta {
                syn::Meta::NameValue(pair) if pair.path.is_ident("doc") => match &pair.value {
                    syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => text.value(),
                    _ => continue,
                },
                _ => {
                    normalized.push(attribute);
                    continue;
                }
            };
            let text = text.split("<details>").next().unwrap_or_default();
            for line in doc_comments::lines(text) {
                normalized.push(parse_quote!(#[doc = #line]));
            }
        }
        *attributes = normalized;
    }
}

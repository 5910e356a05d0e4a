//! Step 9, polish: the generator's syntax tree becomes code that one likes to read and to use.

mod client;
mod constructors;
mod fields;

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Fields, File, Item, parse_quote};

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

/// Takes the generator's output apart, drops what nobody needs, and adds what is missing.
pub fn polish(
    tokens: TokenStream,
    document: &Document,
    enums: &[OpenEnum],
    replies: &BTreeSet<String>,
) -> Result<Code, Error> {
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
    client::polish(&mut client);
    let structs = polish_structs(structs, document, enums, replies);
    let mut code = Code { client, structs: parse_quote!(#(#structs)*) };
    for file in [&mut code.client, &mut code.structs] {
        ShortPaths.visit_file_mut(file);
        Docs.visit_file_mut(file);
    }
    Ok(code)
}

/// Only the structs stay: conversions between references, and an error for values that a type does
/// not take, belong to what earlier steps took out. They come in the document's order.
fn polish_structs(
    items: Vec<Item>,
    document: &Document,
    enums: &[OpenEnum],
    replies: &BTreeSet<String>,
) -> Vec<Item> {
    let constants: BTreeSet<&str> =
        enums.iter().filter(|one| one.constant).map(|one| one.name.as_str()).collect();
    let mut polished: Vec<(Option<usize>, Vec<Item>)> = Vec::new();
    for item in items {
        let Item::Struct(mut item) = item else { continue };
        item.attrs.retain(|attribute| !fields::says(attribute, "deny_unknown_fields"));
        item.attrs.push(parse_quote!(#[non_exhaustive]));
        let found =
            document.schemas().enumerate().find(|(_, (name, _))| item.ident == rust_name(name));
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
        let mut items = Vec::new();
        if let Fields::Named(named) = &mut item.fields {
            fields::polish(named, &shape);
        }
        let implementation = constructors::implementation(&item, &constants, shape.sent);
        items.push(Item::Struct(item));
        items.extend(implementation.map(Item::Impl));
        polished.push((place, items));
    }
    polished.sort_by_key(|(place, _)| place.unwrap_or(usize::MAX));
    polished.into_iter().flat_map(|(_, items)| items).collect()
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
            ["std", _, "Option" | "Vec" | "String"] | ["crate", "types", _] => {
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

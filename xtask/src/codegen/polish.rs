//! Step 8, polish: the generator's syntax tree becomes code that one likes to read and to use.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Field, Fields, File, ImplItem, Item, ItemStruct, Stmt, Type, parse_quote};

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
    polish_client(&mut client);
    let structs = polish_structs(structs, document, enums, replies);
    let mut code = Code { client, structs: parse_quote!(#(#structs)*) };
    for file in [&mut code.client, &mut code.structs] {
        ShortPaths.visit_file_mut(file);
        Docs.visit_file_mut(file);
    }
    Ok(code)
}

/// The constructor with the generator's timeout of 15 s goes: it cuts long requests and streams.
/// The `api-version` header goes too: it belongs to another kind of server.
fn polish_client(client: &mut File) {
    for item in &mut client.items {
        let Item::Impl(block) = item else { continue };
        block.attrs.clear();
        block
            .items
            .retain(|item| !matches!(item, ImplItem::Fn(function) if function.sig.ident == "new"));
        for item in &mut block.items {
            let ImplItem::Fn(function) = item else { continue };
            let headers = |statement: &Stmt| {
                let text = quote!(#statement).to_string();
                text.contains("header_map") && !text.contains("let mut request")
            };
            let others = function.block.stmts.iter().filter(|statement| headers(statement)).any(
                |statement| {
                    let text = quote!(#statement).to_string();
                    !text.starts_with("let mut header_map") && !text.contains("\"api-version\"")
                },
            );
            if !others {
                function.block.stmts.retain(|statement| !headers(statement));
                DropHeaderMap.visit_block_mut(&mut function.block);
            }
        }
    }
}

/// Takes `.headers(header_map)` out of a chain of calls.
struct DropHeaderMap;

impl VisitMut for DropHeaderMap {
    fn visit_expr_mut(&mut self, expression: &mut syn::Expr) {
        visit_mut::visit_expr_mut(self, expression);
        if let syn::Expr::MethodCall(call) = expression
            && call.method == "headers"
        {
            *expression = (*call.receiver).clone();
        }
    }
}

fn polish_structs(
    items: Vec<Item>,
    document: &Document,
    enums: &[OpenEnum],
    replies: &BTreeSet<String>,
) -> Vec<Item> {
    let constants: BTreeSet<&str> =
        enums.iter().filter(|one| one.constant).map(|one| one.name.as_str()).collect();
    let replies: BTreeSet<String> = replies.iter().map(|name| rust_name(name)).collect();
    let mut polished = Vec::new();
    for item in items {
        let Item::Struct(mut item) = item else { continue };
        item.attrs.retain(|attribute| !says(attribute, "deny_unknown_fields"));
        item.attrs.push(parse_quote!(#[non_exhaustive]));
        let schema = document.schemas().find(|(name, _)| item.ident == rust_name(name));
        let tolerant =
            schema.is_some_and(|(_, schema)| tolerate::is_tolerated_object(document, schema));
        let Fields::Named(fields) = &mut item.fields else {
            polished.push(Item::Struct(item));
            continue;
        };
        if let Some(properties) =
            schema.and_then(|(_, schema)| schema.get("properties")?.as_object())
        {
            let place =
                |field: &Field| properties.keys().position(|name| *name == wire_name(field));
            let mut ordered: Vec<Field> = fields.named.iter().cloned().collect();
            ordered.sort_by_key(place);
            fields.named = ordered.into_iter().collect();
        }
        for field in &mut fields.named {
            polish_field(field, &constants, tolerant);
        }
        let implementation =
            implementation(&item, &constants, !replies.contains(&item.ident.to_string()));
        polished.push(Item::Struct(item));
        polished.extend(implementation.map(Item::Impl));
    }
    polished
}

/// How a field is read: what may be null may be absent as well, some lists too, and what only tells the kind of an object may be left out.
fn polish_field(field: &mut Field, constants: &BTreeSet<&str>, tolerant: bool) {
    field.attrs.retain(|attribute| {
        !says(attribute, "Option :: deserialize") && !says(attribute, "Option::deserialize")
    });
    let list = type_named(&field.ty, "Vec").is_some();
    if list && tolerant && tolerate::PROPERTIES.contains(&wire_name(field).as_str()) {
        field.attrs.push(
            parse_quote!(#[serde(default, deserialize_with = "crate::wire::null_as_default")]),
        );
    }
    if is_constant(&field.ty, constants) {
        field.attrs.push(parse_quote!(#[serde(default)]));
    }
}

fn is_constant(kind: &Type, constants: &BTreeSet<&str>) -> bool {
    last_segment(kind).is_some_and(|segment| constants.contains(segment.ident.to_string().as_str()))
}

/// Whether an attribute's text has this in it.
fn says(attribute: &Attribute, text: &str) -> bool {
    !attribute.path().is_ident("doc") && quote!(#attribute).to_string().contains(text)
}

fn wire_name(field: &Field) -> String {
    let mut name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        let _ = attribute.parse_nested_meta(|meta| {
            if let (true, Ok(value)) = (meta.path.is_ident("rename"), meta.value()) {
                name = value.parse::<syn::LitStr>()?.value();
            }
            Ok(())
        });
    }
    name
}

/// `new` with what an object cannot do without, and for what callers send a method for each of
/// the other fields: the structs are open for new fields, so nobody can write them out.
fn implementation(
    item: &ItemStruct,
    constants: &BTreeSet<&str>,
    sent: bool,
) -> Option<syn::ItemImpl> {
    let name = &item.ident;
    let defaults = |field: &&Field| {
        is_constant(&field.ty, constants)
            || type_named(&field.ty, "Option").is_some()
            || field.attrs.iter().any(|attribute| says(attribute, "default"))
    };
    let fields: Vec<&Field> = item.fields.iter().collect();
    let mut functions: Vec<TokenStream> = Vec::new();
    if !fields.iter().all(defaults) {
        let (arguments, values): (Vec<TokenStream>, Vec<TokenStream>) = fields
            .iter()
            .map(|field| {
                let (ident, kind) = (&field.ident, &field.ty);
                if defaults(field) {
                    (quote!(), quote!(#ident: Default::default()))
                } else {
                    (quote!(#ident: impl Into<#kind>,), quote!(#ident: #ident.into()))
                }
            })
            .unzip();
        functions.push(quote! {
            /// With what it must have; the rest is left out.
            pub fn new(#(#arguments)*) -> Self {
                Self { #(#values),* }
            }
        });
    }
    for field in fields.iter().filter(|field| sent && defaults(field)) {
        let (ident, kind) = (&field.ident, &field.ty);
        let (kind, value) = match type_named(kind, "Option") {
            Some(inner) => (inner.clone(), quote!(Some(#ident.into()))),
            None => (kind.clone(), quote!(#ident.into())),
        };
        let text = format!(" Sets `{}`.", wire_name(field));
        functions.push(quote! {
            #[doc = #text]
            #[must_use]
            pub fn #ident(mut self, #ident: impl Into<#kind>) -> Self {
                self.#ident = #value;
                self
            }
        });
    }
    let allow = format_ident!("too_many_arguments");
    (!functions.is_empty()).then(|| {
        parse_quote! {
            #[allow(clippy::#allow)]
            impl #name {
                #(#functions)*
            }
        }
    })
}

fn last_segment(kind: &Type) -> Option<&syn::PathSegment> {
    match kind {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// What is within a type of this name.
fn type_named<'a>(kind: &'a Type, name: &str) -> Option<&'a Type> {
    let segment = last_segment(kind).filter(|segment| segment.ident == name)?;
    match &segment.arguments {
        syn::PathArguments::AngleBracketed(arguments) => {
            arguments.args.iter().find_map(|one| match one {
                syn::GenericArgument::Type(inner) => Some(inner),
                _ => None,
            })
        }
        _ => None,
    }
}

/// Writes `Option` for `::std::option::Option`, and a type of this crate without its module.
struct ShortPaths;

impl VisitMut for ShortPaths {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        visit_mut::visit_path_mut(self, path);
        let names: Vec<String> =
            path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let prelude = names.len() == 3
            && matches!(names[2].as_str(), "Option" | "Vec" | "String")
            && names[0] == "std";
        if prelude || (names.len() == 3 && names[..2] == ["crate", "types"]) {
            path.leading_colon = None;
            path.segments = path.segments.iter().skip(2).cloned().collect();
        } else if names.len() > 1
            && matches!(names[0].as_str(), "std" | "serde" | "serde_json" | "reqwest")
        {
            path.leading_colon = None;
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
            let text = text.split("<details>").next().unwrap_or_default().trim().to_owned();
            for line in text.lines() {
                let line =
                    if line.is_empty() { String::new() } else { format!(" {}", line.trim_end()) };
                polished.push(parse_quote!(#[doc = #line]));
            }
        }
        *attributes = polished;
    }
}

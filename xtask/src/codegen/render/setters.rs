//! Setters of the facade's request builders: a method for each optional property of a body.

use std::collections::BTreeSet;

use quote::{ToTokens as _, format_ident, quote};
use serde_json::Value;
use syn::visit_mut::{self, VisitMut};
use syn::{Field, Item, parse_quote};

use crate::codegen::document::rust_name;
use crate::codegen::error::Error;
use crate::codegen::rewrite::{argument, type_named, wire_name};
use crate::codegen::{File, Generated, RequestBody};

/// The file, relative to the generated crate.
const PATH: &str = "../runstep/src/resources/setters.rs";

const HEAD: &str = "//! Setters of request builders, by property of the request body.\n\n\
    use runstep_api::types;\n\n";

/// A property without a setter: the builder has the method `stream`.
const STREAM: &str = "stream";

/// Renders the setters for all operations with a request body.
pub(super) fn render(header: &str, generated: &Generated) -> Result<File, Error> {
    let structs = generated.code.structs.items.iter().filter_map(|item| match item {
        Item::Struct(item) => Some(item),
        _ => None,
    });
    let names: BTreeSet<String> = structs
        .clone()
        .map(|item| item.ident.to_string())
        .chain(generated.enums.iter().map(|open_enum| open_enum.name.clone()))
        .chain(generated.unions.unions.iter().map(|union| union.name.clone()))
        .collect();
    let mut blocks = Vec::new();
    for RequestBody { operation_id, name, schema } in generated.request_bodies() {
        let Some(item) = structs.clone().find(|item| item.ident == name) else { continue };
        let required = schema.get("required").and_then(Value::as_array);
        let optional = item.fields.iter().filter(|field| {
            let name = wire_name(field);
            let required =
                required.is_some_and(|names| names.iter().any(|required| *required == name));
            !required && name != STREAM
        });
        let setters: Vec<_> = optional.map(setter).collect();
        if !setters.is_empty() {
            let builder = format_ident!("{}", rust_name(operation_id));
            blocks.push(quote!(impl super::#builder { #(#setters)* }));
        }
    }
    let mut file: syn::File = parse_quote!(#(#blocks)*);
    Qualify { names }.visit_file_mut(&mut file);
    let text = format!("{header}\n{HEAD}{}", prettyplease::unparse(&file));
    Ok(File { path: PATH.into(), text })
}

/// Renders the setter of a field. A map of strings gets a second one that adds an entry.
fn setter(field: &Field) -> proc_macro2::TokenStream {
    let ident = &field.ident;
    let docs = field.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let wrapped = ["Option", "Field"].into_iter().find_map(|name| type_named(&field.ty, name));
    let kind = wrapped.unwrap_or(&field.ty);
    let (argument, _) = argument(ident, kind);
    let mut setter = quote! {
        #(#docs)*
        pub fn #ident(mut self, #ident: #argument) -> Self {
            self.body = self.body.#ident(#ident);
            self
        }
    };
    let map = kind.to_token_stream().to_string().ends_with("BTreeMap < String , String >");
    if let (Some(ident), true) = (ident, map) {
        let entry = format_ident!("{ident}_entry");
        let text = format!(
            " Adds an entry to [`{ident}`](Self::{ident}). An entry with the same key is replaced."
        );
        setter.extend(quote! {
            #[doc = #text]
            pub fn #entry(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                self.body.#ident.get_or_insert_default().insert(key.into(), value.into());
                self
            }
        });
    }
    setter
}

/// Qualifies the types of the API with their module.
struct Qualify {
    names: BTreeSet<String>,
}

impl VisitMut for Qualify {
    fn visit_path_mut(&mut self, path: &mut syn::Path) {
        visit_mut::visit_path_mut(self, path);
        if let Some(name) = path.get_ident().filter(|name| self.names.contains(&name.to_string())) {
            *path = parse_quote!(types::#name);
        }
    }
}

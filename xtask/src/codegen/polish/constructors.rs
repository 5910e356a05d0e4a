//! What makes structs from outside the crate.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Field, Ident, ItemStruct, Type};

use super::fields::{is_constant, says, type_named, wire_name};

/// `new` with what an object cannot do without, and for what callers send a method for each of
/// the other fields: the structs are open for new fields, so nobody can write them out.
pub(super) fn implementation(
    item: &ItemStruct,
    constants: &BTreeSet<&str>,
    sent: bool,
) -> Result<Option<syn::ItemImpl>, syn::Error> {
    let name = &item.ident;
    let defaults = |field: &&Field| {
        is_constant(&field.ty, constants)
            || ["Option", "Field"].iter().any(|name| type_named(&field.ty, name).is_some())
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
                    let (given, value) = argument(ident, kind);
                    let same = quote!(#ident).to_string() == value.to_string();
                    (quote!(#ident: #given,), if same { value } else { quote!(#ident: #value) })
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
        let wrapped = ["Option", "Field"].map(|name| type_named(kind, name));
        let (given, value) = argument(ident, wrapped.into_iter().flatten().next().unwrap_or(kind));
        let value = match wrapped {
            [Some(_), _] => quote!(Some(#value)),
            [None, Some(_)] => quote!(Field::Value(#value)),
            [None, None] => value,
        };
        let text = format!(" Sets `{}`.", wire_name(field));
        functions.push(quote! {
            #[doc = #text]
            #[must_use]
            pub fn #ident(mut self, #ident: #given) -> Self {
                self.#ident = #value;
                self
            }
        });
    }
    if functions.is_empty() {
        return Ok(None);
    }
    let implementation = quote! {
        #[allow(clippy::too_many_arguments)]
        impl #name {
            #(#functions)*
        }
    };
    syn::parse2(implementation).map(Some)
}

/// The type of an argument, and what makes the field's value of it. A literal would not become a
/// `u64` by `Into`, nor anything else a `bool`.
pub fn argument(ident: &Option<Ident>, kind: &Type) -> (TokenStream, TokenStream) {
    match quote!(#kind).to_string().as_str() {
        "u64" | "i64" | "bool" => (quote!(#kind), quote!(#ident)),
        _ => (quote!(impl Into<#kind>), quote!(#ident.into())),
    }
}

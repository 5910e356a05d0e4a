//! What makes structs from outside the crate.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Field, ItemStruct, parse_quote};

use super::fields::{is_constant, says, type_named, wire_name};

/// `new` with what an object cannot do without, and for what callers send a method for each of
/// the other fields: the structs are open for new fields, so nobody can write them out.
pub(super) fn implementation(
    item: &ItemStruct,
    constants: &BTreeSet<&str>,
    sent: bool,
) -> Option<syn::ItemImpl> {
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
        let (kind, value) = match (type_named(kind, "Option"), type_named(kind, "Field")) {
            (Some(inner), _) => (inner, quote!(Some(#ident.into()))),
            (None, Some(inner)) => (inner, quote!(Field::Value(#ident.into()))),
            (None, None) => (kind, quote!(#ident.into())),
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

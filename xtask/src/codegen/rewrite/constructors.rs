//! Constructors and setters.

use std::collections::BTreeSet;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Field, Ident, ItemStruct, Type};

use super::fields::{contains, is_constant, type_named, wire_name};

/// Returns `new`, with the required fields as arguments, and for types in requests a setter for
/// each other field. The structs are non-exhaustive, so struct literals do not work outside of the
/// crate.
pub(super) fn implementation(
    item: &ItemStruct,
    constants: &BTreeSet<&str>,
    in_requests: bool,
) -> Result<Option<syn::ItemImpl>, syn::Error> {
    let name = &item.ident;
    let defaults = |field: &&Field| {
        is_constant(&field.ty, constants)
            || ["Option", "Field"].iter().any(|name| type_named(&field.ty, name).is_some())
            || field.attrs.iter().any(|attribute| contains(attribute, "default"))
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
                    let (argument, value) = argument(ident, kind);
                    let same = quote!(#ident).to_string() == value.to_string();
                    (quote!(#ident: #argument,), if same { value } else { quote!(#ident: #value) })
                }
            })
            .unzip();
        functions.push(quote! {
            /// Creates a value with the required fields; optional fields are unset.
            pub fn new(#(#arguments)*) -> Self {
                Self { #(#values),* }
            }
        });
    }
    for field in fields.iter().filter(|field| in_requests && defaults(field)) {
        let (ident, kind) = (&field.ident, &field.ty);
        let (argument, value) = match ["Option", "Field"].map(|name| type_named(kind, name)) {
            [Some(inner), _] => optional_argument(ident, inner, true),
            [None, Some(inner)] => optional_argument(ident, inner, false),
            [None, None] => argument(ident, kind),
        };
        let text = format!(" Sets `{}`.", wire_name(field));
        functions.push(quote! {
            #[doc = #text]
            #[must_use]
            pub fn #ident(mut self, #ident: #argument) -> Self {
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

/// Returns the type of the argument of a setter, and the expression that converts it to the type of the
/// field. The argument is a value, an option, or an explicit null, which an `Option` cannot contain.
fn optional_argument(
    ident: &Option<Ident>,
    inner: &Type,
    is_option: bool,
) -> (TokenStream, TokenStream) {
    // The conversions of a box are those of its content.
    if let Some(content) = type_named(inner, "Box") {
        let boxed = if is_option {
            quote!(#ident.into().into_option().map(Box::new))
        } else {
            quote!(#ident.into().map(Box::new))
        };
        return (quote!(impl Into<Field<#content>>), boxed);
    }
    let into_option = is_option.then(|| quote!(.into_option()));
    (quote!(impl Into<Field<#inner>>), quote!(#ident.into()#into_option))
}

/// Returns the type of an argument, and the expression that converts it to the type of the field.
/// Integers and booleans have no conversion: the type of a literal would be ambiguous, and only
/// `bool` converts to `bool`.
fn argument(ident: &Option<Ident>, kind: &Type) -> (TokenStream, TokenStream) {
    match quote!(#kind).to_string().as_str() {
        "u64" | "i64" | "bool" => (quote!(#kind), quote!(#ident)),
        _ => (quote!(impl Into<#kind>), quote!(#ident.into())),
    }
}

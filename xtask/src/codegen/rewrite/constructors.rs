//! Constructors and setters.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{Field, Ident, ItemStruct, Type};

use super::fields::{Wire, other_field, type_named};

/// Returns `new`, with the properties that the document requires as arguments, and a setter for
/// each other field. Types that only responses contain have setters with the feature `test-util`. The structs are non-exhaustive, so struct literals do not work outside of the
/// crate.
pub(super) fn implementation(
    item: &ItemStruct,
    in_requests: bool,
) -> Result<syn::ItemImpl, syn::Error> {
    let name = &item.ident;
    let is_argument =
        |field: &Field| Wire::of(field).is_some_and(|property| property.in_constructor);
    let fields: Vec<&Field> = item.fields.iter().collect();
    let mut functions: Vec<TokenStream> = Vec::new();
    if fields.iter().any(|field| is_argument(field)) {
        let (arguments, values): (Vec<TokenStream>, Vec<TokenStream>) = fields
            .iter()
            .map(|field| {
                let (ident, kind) = (&field.ident, &field.ty);
                if !is_argument(field) {
                    return (quote!(), quote!(#ident: Default::default()));
                }
                let optional = type_named(kind, "Option");
                let (argument, value) = argument(ident, optional.unwrap_or(kind));
                let value = if optional.is_some() { quote!(Some(#value)) } else { value };
                let same = quote!(#ident).to_string() == value.to_string();
                (quote!(#ident: #argument,), if same { value } else { quote!(#ident: #value) })
            })
            .unzip();
        functions.push(quote! {
            /// Creates a value with the required fields; optional fields are unset.
            pub fn new(#(#arguments)*) -> Self {
                Self { #(#values),* }
            }
        });
    }
    // Programs create responses in their tests only.
    let condition = (!in_requests).then(|| quote!(#[cfg(feature = "test-util")]));
    for field in fields.iter().filter(|field| !is_argument(field)) {
        let Some(Wire { name: wire_name, .. }) = Wire::of(field) else { continue };
        let (ident, kind) = (&field.ident, &field.ty);
        let (argument, value) = match ["Option", "Field"].map(|name| type_named(kind, name)) {
            [Some(inner), _] => optional_argument(ident, inner, true),
            [None, Some(inner)] => optional_argument(ident, inner, false),
            [None, None] => argument(ident, kind),
        };
        // The constructor has this name.
        let setter = match ident {
            Some(ident) if ident == "new" => format_ident!("set_{ident}"),
            Some(ident) => ident.clone(),
            None => continue,
        };
        let text = format!(" Sets `{wire_name}`.");
        functions.push(quote! {
            #[doc = #text]
            #condition
            #[must_use]
            pub fn #setter(mut self, #ident: #argument) -> Self {
                self.#ident = #value;
                self
            }
        });
        if is_text_map(kind) && ident.is_some() {
            let entry = format_ident!("{}_entry", quote!(#ident).to_string());
            let text =
                format!(" Adds an entry to `{wire_name}`. An entry with the same key is replaced.");
            functions.push(quote! {
                #[doc = #text]
                #condition
                #[must_use]
                pub fn #entry(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                    self.#ident.get_or_insert_default().insert(key.into(), value.into());
                    self
                }
            });
        }
    }
    let other = other_field(&item.fields);
    let (other, other_mut) = (&other, format_ident!("{other}_mut"));
    functions.push(quote! {
        /// Returns the properties that the specification does not list, or of the wrong kind.
        pub fn #other(&self) -> &serde_json::Map<String, serde_json::Value> {
            self.#other.as_map()
        }

        /// Returns the properties that the specification does not list, to change them.
        pub fn #other_mut(&mut self) -> &mut serde_json::Map<String, serde_json::Value> {
            self.#other.as_map_mut()
        }
    });
    let implementation = quote! {
        #[allow(clippy::too_many_arguments)]
        impl #name {
            #(#functions)*
        }
    };
    syn::parse2(implementation)
}

/// Returns whether a field is an optional map of strings, such as metadata.
fn is_text_map(kind: &Type) -> bool {
    let inner = ["Option", "Field"].into_iter().find_map(|name| type_named(kind, name));
    inner.is_some_and(|inner| {
        let text = quote!(#inner).to_string().replace(' ', "").replace("::std::string::", "");
        text.contains("Map<String,String")
    })
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

//! How objects are read and written: an implementation of `Object` for each struct.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::visit_mut::VisitMut;
use syn::{Attribute, Field, Fields, File, ItemStruct};

use crate::codegen::Generated;
use crate::codegen::error::Error;
use crate::codegen::rewrite::{Form, WIRE, Wire, other_field};

const HEAD: &str = "//! How objects are read and written.\n\n#![allow(unused_imports, unused_variables)]\n#![allow(clippy::all)]\n\n\
    use crate::object::{Description, Object, newtypes, objects};\nuse crate::other::Other;\n\
    use crate::property_writer::{Output, PropertyWriter};\nuse crate::slot::{MapSlot, Slot};\n\
    use crate::structs::*;\nuse crate::wire::Wire;\n\n";

/// Renders the implementations.
pub(super) fn render(generated: &Generated) -> Result<String, Error> {
    let mut text = HEAD.to_owned();
    let structs = generated.structs().map(|(_, item)| item);
    let (objects, newtypes): (Vec<&ItemStruct>, Vec<&ItemStruct>) =
        structs.partition(|item| matches!(item.fields, Fields::Named(_)));
    for (name, items) in [("objects", &objects), ("newtypes", &newtypes)] {
        if !items.is_empty() {
            let names = items.iter().map(|item| format!("    {},\n", item.ident));
            let _ = writeln!(text, "{name}! {{\n{}}}\n", names.collect::<String>());
        }
    }
    let defaults = default_unions(generated, &objects);
    let implementations = objects.into_iter().map(implementation);
    let code: File = syn::parse2(quote!(#(#defaults)* #(#implementations)*))?;
    text.push_str(&prettyplease::unparse(&code));
    Ok(text)
}

/// Removes what only stages need from the structs.
pub(super) fn without_wire(mut structs: File) -> File {
    struct Remove;
    impl VisitMut for Remove {
        fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
            attributes.retain(|attribute| !attribute.path().is_ident(WIRE));
        }
    }
    Remove.visit_file_mut(&mut structs);
    structs
}

/// Implements `Default` for the unions that are the type of a property which may be absent.
fn default_unions(generated: &Generated, objects: &[&ItemStruct]) -> Vec<TokenStream> {
    let fields = objects.iter().flat_map(|item| &item.fields);
    let fields = fields
        .filter(|field| Wire::of(field).is_some_and(|property| property.form == Form::OrDefault));
    let types: BTreeSet<String> = fields
        .map(|field| {
            let kind = &field.ty;
            quote!(#kind).to_string()
        })
        .collect();
    let unions = generated.unions.unions.iter().filter(|union| types.contains(&union.name));
    unions
        .map(|union| {
            let name = format_ident!("{}", union.name);
            quote! {
                /// The default value is that of an absent property.
                impl Default for crate::unions::#name {
                    fn default() -> Self {
                        Self::Unknown(serde_json::Value::Null)
                    }
                }
            }
        })
        .collect()
}

fn implementation(item: &ItemStruct) -> TokenStream {
    let (name, other) = (&item.ident, other_field(&item.fields));
    let properties: Vec<(&Field, Wire)> =
        item.fields.iter().filter_map(|field| Some((field, Wire::of(field)?))).collect();
    let listed: Vec<&(&Field, Wire)> =
        properties.iter().filter(|(_, property)| property.form != Form::Rest).collect();
    let names = listed.iter().map(|(_, property)| &property.name);
    let required: Vec<bool> =
        listed.iter().map(|(_, property)| property.form == Form::Required).collect();
    let required_count = required.iter().filter(|is_required| **is_required).count();
    let required_count = proc_macro2::Literal::usize_unsuffixed(required_count);
    let arms = listed.iter().enumerate().map(|(position, (field, _))| {
        let ident = &field.ident;
        let position = proc_macro2::Literal::usize_unsuffixed(position);
        quote!(#position => Some(&mut self.#ident),)
    });
    let empty = properties.iter().map(|(field, _)| &field.ident);
    let writes = listed.iter().map(|(field, property)| {
        let (ident, name) = (&field.ident, &property.name);
        let write = format_ident!("{}", property.form.name());
        quote!(writer.#write(#name, &self.#ident)?;)
    });
    let rest = properties.iter().find(|(_, property)| property.form == Form::Rest);
    let read_rest = rest.map(|(field, _)| {
        let ident = &field.ident;
        quote! {
            fn rest(&mut self) -> Option<&mut dyn MapSlot> {
                Some(&mut self.#ident)
            }
        }
    });
    let write_rest = rest.map(|(field, _)| {
        let ident = &field.ident;
        quote!(writer.rest(&self.#ident)?;)
    });
    let text = name.to_string();
    let fields: Vec<_> = item.fields.iter().map(|field| &field.ident).collect();
    quote! {
        // A derived `clone` is compiled again in each part of a program that calls it.
        impl Clone for #name {
            fn clone(&self) -> Self {
                Self { #(#fields: self.#fields.clone(),)* }
            }
        }

        impl #name {
            fn empty() -> Self {
                Self { #(#empty: Wire::empty(),)* #other: Other::default() }
            }
        }

        impl Object for #name {
            const DESCRIPTION: Description = Description {
                name: #text,
                properties: &[#(#names),*],
                required: &[#(#required),*],
                required_count: #required_count,
            };

            fn property(&mut self, position: usize) -> Option<&mut dyn Slot> {
                match position {
                    #(#arms)*
                    _ => None,
                }
            }

            #read_rest

            fn write_properties<O: Output>(
                &self,
                writer: &mut PropertyWriter<'_, O>,
            ) -> Result<(), O::Error> {
                #(#writes)*
                #write_rest
                Ok(())
            }

            fn other_properties(&self) -> &Other {
                &self.#other
            }

            fn other_properties_mut(&mut self) -> &mut Other {
                &mut self.#other
            }
        }
    }
}

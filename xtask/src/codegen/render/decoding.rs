//! How objects are read and written: an implementation of `Object` for each struct.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::visit_mut::VisitMut;
use syn::{Attribute, Field, Fields, File, ItemStruct};

use crate::codegen::Generated;
use crate::codegen::error::Error;
use crate::codegen::rewrite::{Form, WIRE, Wire, other_field};

const HEAD: &str = "//! How objects are read and written.\n\n#![allow(unused_imports, unused_variables)]\n#![allow(clippy::all)]\n\n\
    use crate::incoming::Invalid;\nuse crate::object::{Object, newtypes, objects};\nuse crate::other::Other;\n\
    use crate::property_reader::PropertyReader;\nuse crate::property_writer::{Output, PropertyWriter};\nuse crate::structs::*;\n\n";

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
    let declarations = properties.iter().map(|(field, property)| {
        let ident = &field.ident;
        match property.form {
            Form::Field | Form::Rest => quote!(let mut #ident = Default::default();),
            _ => quote!(let mut #ident = None;),
        }
    });
    let arms = listed.iter().enumerate().map(|(position, (field, property))| {
        let ident = &field.ident;
        let position = proc_macro2::Literal::usize_unsuffixed(position);
        match property.form {
            Form::Required => quote!(#position => reader.required(&mut #ident)?,),
            _ => quote!(#position => reader.optional(&mut #ident)?,),
        }
    });
    let values = properties.iter().map(|(field, property)| {
        let ident = &field.ident;
        match property.form {
            Form::OrDefault | Form::UnlessDefault => quote!(#ident: #ident.unwrap_or_default(),),
            _ => quote!(#ident,),
        }
    });
    let required = properties.iter().filter(|(_, property)| property.form == Form::Required);
    let (required, required_names): (Vec<&Option<Ident>>, Vec<&String>) =
        required.map(|(field, property)| (&field.ident, &property.name)).unzip();
    let whole = quote!(Self { #(#values)* #other: reader.finish() });
    let value = match required.as_slice() {
        [] => quote! {
            *slot = Some(#whole);
            Ok(())
        },
        required => quote! {
            match (#(#required,)*) {
                (#(Some(#required),)*) => {
                    *slot = Some(#whole);
                    Ok(())
                }
                (#(#required,)*) => {
                    Err(reader.missing(&[#((#required_names, #required.is_none())),*]))
                }
            }
        },
    };
    let writes = listed.iter().map(|(field, property)| {
        let (ident, name) = (&field.ident, &property.name);
        let write = format_ident!("{}", property.form.name());
        quote!(writer.#write(#name, &self.#ident)?;)
    });
    let rest = properties.iter().find(|(_, property)| property.form == Form::Rest);
    let unknown = match rest {
        Some((field, _)) => {
            let ident = &field.ident;
            quote!(reader.rest(&mut #ident)?)
        }
        None => quote!(reader.unknown()?),
    };
    let write_rest = rest.map(|(field, _)| {
        let ident = &field.ident;
        quote!(writer.rest(&self.#ident)?;)
    });
    let text = name.to_string();
    quote! {
        impl Object for #name {
            const NAME: &'static str = #text;

            const NAMES: &'static [&'static str] = &[#(#names),*];

            fn read_properties(
                slot: &mut Option<Self>,
                reader: &mut PropertyReader<'_, '_>,
            ) -> Result<(), Invalid> {
                #(#declarations)*
                while let Some(property) = reader.next()? {
                    match property {
                        #(#arms)*
                        _ => #unknown,
                    }
                }
                #value
            }

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
        }
    }
}

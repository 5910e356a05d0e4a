//! Setters of request builders, and the types of their arguments.

use std::collections::BTreeSet;

use quote::quote;
use syn::{Field, ItemStruct, Type};

use super::requests::text;
use crate::codegen::Generated;
use crate::codegen::rewrite::{type_named, wire_name};
use crate::codegen::unions::Variant;

/// Types of fields whose arguments the SDK converts without generated code.
const NATIVE: [&str; 5] = ["String", "bool", "f64", "i64", "u64"];

/// A property without a setter: the builder has the method `stream`.
const STREAM: &str = "stream";

/// Returns whether a body has a property that requests a stream.
pub(super) fn has_stream_flag(body: &ItemStruct) -> bool {
    body.fields.iter().any(|field| wire_name(field) == STREAM)
}

/// Returns the fields that have a setter.
pub(super) fn optional_fields(body: &ItemStruct) -> impl Iterator<Item = &Field> {
    body.fields.iter().filter(|field| wrapped(field).is_some() && wire_name(field) != STREAM)
}

/// Returns the type of an optional field's value.
fn wrapped(field: &Field) -> Option<&Type> {
    ["Option", "Field"].into_iter().find_map(|name| type_named(&field.ty, name))
}

fn is_text_map(kind: &str) -> bool {
    kind.ends_with("BTreeMap < String , String >")
}

/// Renders what the SDK's conversions of arguments need to know about the types of fields.
pub(super) fn argument_types(types: &BTreeSet<String>, generated: &Generated) -> String {
    let mut code = String::new();
    for name in types {
        code.push_str(&format!("impl FieldType for {name} {{}}\n"));
        let union = generated.unions.unions.iter().find(|union| union.name == *name);
        let has_text = match union {
            Some(union) => union.text.is_some() || !union.constants.is_empty(),
            None => generated.enums.iter().any(|strings| strings.name == *name),
        };
        if has_text {
            code.push_str(&format!("impl TextFieldType for {name} {{}}\n"));
        }
        let Some(union) = union else { continue };
        let array = union.array.iter().map(|(_, item)| format!("Vec<{item}>"));
        let objects = union.object.iter().map(|(_, body)| body.clone());
        let bodies = union.tagged.iter().map(Variant::body_type).chain(objects).chain(array);
        for body in bodies {
            code.push_str(&format!(
                "#[diagnostic::do_not_recommend]
                impl IntoField<{name}> for {body} {{
                    #[inline]
                    fn into_field(self) -> std::result::Result<Field<{name}>, InvalidArgument> {{
                        Ok(Field::Value(self.into()))
                    }}
                }}\n"
            ));
        }
    }
    code
}

/// Renders the setter of a field. A map of strings gets a second one that adds an entry.
pub(super) fn setter(field: &Field) -> String {
    let docs = field.attrs.iter().filter(|attribute| attribute.path().is_ident("doc"));
    let docs = quote!(#(#docs)*);
    let (name, kind) = (text(&field.ident), wrapped(field).unwrap_or(&field.ty));
    let inner = text(type_named(kind, "Box").unwrap_or(kind));
    let is_collection = inner.starts_with("Vec <") || is_text_map(&inner);
    let (generic, kind_of_value) = if is_collection { ("<Kind>", ", Kind") } else { ("", "") };
    let mut setter = format!(
        "{docs} pub fn {name}{generic}(mut self, {name}: impl IntoField<{inner}{kind_of_value}>) -> Self {{
            let {name} = self.EXTRA_OPTIONS.field({wire:?}, {name});
            ROOT.body = ROOT.body.{name}({name});
            self
        }}",
        wire = wire_name(field),
    );
    if is_text_map(&inner) {
        setter.push_str(&format!(
            "/// Adds an entry to [`{name}`](Self::{name}). An entry with the same key is replaced.
            pub fn {name}_entry(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {{
                ROOT.body.{name}.get_or_insert_default().insert(key.into(), value.into());
                self
            }}"
        ));
    }
    setter
}

/// Returns the types of arguments of a body's setters, apart from those of Rust. A list has that of its
/// items.
pub(super) fn field_types(body: &ItemStruct) -> impl Iterator<Item = String> {
    let types = optional_fields(body).filter_map(wrapped);
    let types = types.map(|kind| type_named(kind, "Box").unwrap_or(kind));
    let types = types.map(|kind| text(type_named(kind, "Vec").unwrap_or(kind)));
    types.filter(|name| !NATIVE.contains(&&**name) && !is_text_map(name))
}

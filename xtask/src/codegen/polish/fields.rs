//! The fields of a struct: in which order, of which type, and how they are read.

use std::collections::BTreeSet;

use quote::quote;
use serde_json::Value;
use syn::{Attribute, Field, FieldsNamed, Type, parse_quote};

use crate::codegen::lower::LISTED;
use crate::codegen::tolerate;

/// What the document says about a struct.
pub(super) struct Shape<'a> {
    /// Its schema, if it has a name there.
    pub(super) schema: Option<&'a Value>,
    /// The enums of one value.
    pub(super) constants: &'a BTreeSet<&'a str>,
    /// Whether providers were seen to send it incomplete.
    pub(super) tolerant: bool,
    /// Whether it goes into requests.
    pub(super) sent: bool,
}

impl Shape<'_> {
    fn property(&self, name: &str) -> Option<&Value> {
        self.schema?.get("properties")?.get(name)
    }

    /// Whether leaving a property out and sending null are two things.
    fn tells_null_from_absent(&self, name: &str) -> bool {
        let Some(property) = self.property(name) else { return false };
        let required = self.schema.and_then(|schema| schema.get("required")?.as_array());
        let required = required.is_some_and(|names| names.iter().any(|one| one == name));
        let nullable = property.get("nullable") == Some(&Value::Bool(true));
        self.sent && !required && nullable && property.get(LISTED).is_none()
    }
}

/// Brings fields into the document's order. What may be null may be absent as well; in a request
/// the two are told apart. What only tells the kind of an object may be left out.
pub(super) fn polish(fields: &mut FieldsNamed, shape: &Shape<'_>, boxed: &dyn Fn(&str) -> bool) {
    let properties = shape.schema.and_then(|schema| schema.get("properties")?.as_object());
    if let Some(properties) = properties {
        let mut ordered: Vec<Field> = fields.named.iter().cloned().collect();
        ordered.sort_by_key(|field| properties.keys().position(|name| *name == wire_name(field)));
        fields.named = ordered.into_iter().collect();
    }
    for field in &mut fields.named {
        let name = wire_name(field);
        field.attrs.retain(|attribute| {
            !says(attribute, "Option :: deserialize") && !says(attribute, "Option::deserialize")
        });
        option_outside_of_box(field, &name);
        if boxed(&name) {
            match type_named(&field.ty, "Option") {
                Some(inner) => field.ty = parse_quote!(Option<Box<#inner>>),
                None => {
                    let inner = &field.ty;
                    field.ty = parse_quote!(Box<#inner>);
                }
            }
        }
        let list = type_named(&field.ty, "Vec").is_some();
        if list && shape.tolerant && tolerate::PROPERTIES.contains(&name.as_str()) {
            field.attrs.push(
                parse_quote!(#[serde(default, deserialize_with = "crate::field::null_as_default")]),
            );
        }
        if is_constant(&field.ty, shape.constants) {
            field.attrs.push(parse_quote!(#[serde(default)]));
        }
        if shape.tells_null_from_absent(&name)
            && let Some(inner) = type_named(&field.ty, "Option")
        {
            field.ty = parse_quote!(Field<#inner>);
            field.attrs.retain(|attribute| !says(attribute, "skip_serializing_if"));
            field
                .attrs
                .push(parse_quote!(#[serde(default, skip_serializing_if = "Field::is_absent")]));
        }
        // The name may have stood in an attribute that is gone.
        if wire_name(field) != name {
            field.attrs.push(parse_quote!(#[serde(rename = #name)]));
        }
    }
}

/// The generator puts the option into the box of what leads back to itself, and then writes null
/// where there is nothing.
fn option_outside_of_box(field: &mut Field, name: &str) {
    let option = type_named(&field.ty, "Box").and_then(|inner| type_named(inner, "Option"));
    let Some(inner) = option else { return };
    field.ty = parse_quote!(Option<Box<#inner>>);
    field.attrs.retain(|attribute| !attribute.path().is_ident("serde"));
    field.attrs.push(if field.ident.as_ref().is_some_and(|ident| ident != name) {
        parse_quote!(#[serde(rename = #name, skip_serializing_if = "Option::is_none")])
    } else {
        parse_quote!(#[serde(skip_serializing_if = "Option::is_none")])
    });
}

/// Whether a type is an enum of one value.
pub(super) fn is_constant(kind: &Type, constants: &BTreeSet<&str>) -> bool {
    last_segment(kind).is_some_and(|segment| constants.contains(segment.ident.to_string().as_str()))
}

/// Whether an attribute's text has this in it.
pub(super) fn says(attribute: &Attribute, text: &str) -> bool {
    !attribute.path().is_ident("doc") && quote!(#attribute).to_string().contains(text)
}

/// The name of a field on the wire.
pub fn wire_name(field: &Field) -> String {
    let mut name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        // What cannot be read is not a name.
        let _ = attribute.parse_nested_meta(|meta| {
            if let Ok(value) = meta.value() {
                let value = value.parse::<syn::LitStr>()?.value();
                if meta.path.is_ident("rename") {
                    name = value;
                }
            }
            Ok(())
        });
    }
    name
}

fn last_segment(kind: &Type) -> Option<&syn::PathSegment> {
    match kind {
        Type::Path(path) => path.path.segments.last(),
        _ => None,
    }
}

/// What is within a type of this name.
pub fn type_named<'a>(kind: &'a Type, name: &str) -> Option<&'a Type> {
    let segment = last_segment(kind).filter(|segment| segment.ident == name)?;
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|one| match one {
        syn::GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}

//! Fields of structs: their order, their types, and how they are decoded.

use std::collections::BTreeSet;

use quote::quote;
use serde_json::Value;
use syn::{Attribute, Field, FieldsNamed, Type, parse_quote};

use crate::codegen::lower::EMPTY_IS_NOT_ABSENT;
use crate::codegen::optional_fields::OPTIONAL_PROPERTIES;

/// The schema of a struct.
pub(super) struct Shape<'a> {
    /// The schema, if the struct is a component.
    pub(super) schema: Option<&'a Value>,
    /// The enums with one value.
    pub(super) constants: &'a BTreeSet<&'a str>,
    /// Whether providers are known to send it incomplete.
    pub(super) may_be_incomplete: bool,
    /// Whether requests contain it.
    pub(super) in_requests: bool,
}

impl Shape<'_> {
    fn property(&self, name: &str) -> Option<&Value> {
        self.schema?.get("properties")?.get(name)
    }

    /// Returns whether null and absent are different values of a property.
    fn distinguishes_null(&self, name: &str) -> bool {
        let Some(property) = self.property(name) else { return false };
        let required = self.schema.and_then(|schema| schema.get("required")?.as_array());
        let required = required.is_some_and(|names| names.iter().any(|required| required == name));
        let nullable = property.get("nullable") == Some(&Value::Bool(true));
        self.in_requests && !required && nullable && property.get(EMPTY_IS_NOT_ABSENT).is_none()
    }
}

/// Sorts fields in the document's order, and makes nullable fields optional. In requests, null and
/// absent are different values. Constants may be absent.
pub(super) fn rewrite(fields: &mut FieldsNamed, shape: &Shape<'_>, boxed: &dyn Fn(&str) -> bool) {
    let properties = shape.schema.and_then(|schema| schema.get("properties")?.as_object());
    if let Some(properties) = properties {
        let mut ordered: Vec<Field> = fields.named.iter().cloned().collect();
        ordered.sort_by_key(|field| properties.keys().position(|name| *name == wire_name(field)));
        fields.named = ordered.into_iter().collect();
    }
    for field in &mut fields.named {
        let name = wire_name(field);
        field.attrs.retain(|attribute| {
            !contains(attribute, "Option :: deserialize")
                && !contains(attribute, "Option::deserialize")
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
        if list && shape.may_be_incomplete && OPTIONAL_PROPERTIES.contains(&name.as_str()) {
            field.attrs.push(
                parse_quote!(#[serde(default, deserialize_with = "crate::field::null_as_default")]),
            );
        }
        if is_constant(&field.ty, shape.constants) {
            field.attrs.push(parse_quote!(#[serde(default)]));
        }
        if shape.distinguishes_null(&name)
            && let Some(inner) = type_named(&field.ty, "Option")
        {
            field.ty = parse_quote!(Field<#inner>);
            field.attrs.retain(|attribute| !contains(attribute, "skip_serializing_if"));
            field
                .attrs
                .push(parse_quote!(#[serde(default, skip_serializing_if = "Field::is_absent")]));
        }
        // The name may have been in an attribute that was removed.
        if wire_name(field) != name {
            field.attrs.push(parse_quote!(#[serde(rename = #name)]));
        }
    }
}

/// Moves the option out of the box of a recursive field. Typify has it inside, and would send null
/// for an absent field.
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

/// Returns whether a type is an enum with one value.
pub(super) fn is_constant(kind: &Type, constants: &BTreeSet<&str>) -> bool {
    last_segment(kind).is_some_and(|segment| constants.contains(segment.ident.to_string().as_str()))
}

/// Returns whether an attribute other than a doc comment contains a text.
pub(super) fn contains(attribute: &Attribute, text: &str) -> bool {
    !attribute.path().is_ident("doc") && quote!(#attribute).to_string().contains(text)
}

/// Returns the name of a field in JSON.
pub fn wire_name(field: &Field) -> String {
    let mut name = field.ident.as_ref().map(ToString::to_string).unwrap_or_default();
    for attribute in field.attrs.iter().filter(|attribute| attribute.path().is_ident("serde")) {
        // An attribute in another form has no name.
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

/// Returns the type argument of a type with this name.
pub fn type_named<'a>(kind: &'a Type, name: &str) -> Option<&'a Type> {
    let segment = last_segment(kind).filter(|segment| segment.ident == name)?;
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        syn::GenericArgument::Type(inner) => Some(inner),
        _ => None,
    })
}

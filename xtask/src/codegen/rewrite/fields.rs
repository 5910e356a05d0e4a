//! Fields of structs: their order, their types, and how they are decoded.

use std::collections::BTreeSet;

use quote::{format_ident, quote};
use serde_json::Value;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Field, Fields, FieldsNamed, Ident, Type, parse_quote};

use crate::codegen::document::{is_required, is_true};
use crate::codegen::error::Error;
use crate::codegen::lower::EMPTY_IS_NOT_ABSENT;
use crate::codegen::optional_fields::{ABSENT, EMPTY, NONE};

/// The attribute of a field with its name on the wire, how it is read and written, and whether it is an
/// argument of `new`. It is not part of the rendered code.
pub const WIRE: &str = "wire";

/// How a property is read and written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// It must be present.
    Required,
    /// It may be absent or null, and is not written without a value.
    Optional,
    /// It may be absent or null, and is written as null without a value.
    Nullable,
    /// If absent or null, it has the default value of its type.
    OrDefault,
    /// The same, but the default value is not written.
    UnlessDefault,
    /// Absent and null differ.
    Field,
    /// It contains the properties that the document does not list by name.
    Rest,
}

impl Form {
    const ALL: [(Self, &str); 7] = [
        (Self::Required, "required"),
        (Self::Optional, "optional"),
        (Self::Nullable, "nullable"),
        (Self::OrDefault, "or_default"),
        (Self::UnlessDefault, "unless_default"),
        (Self::Field, "field"),
        (Self::Rest, "rest"),
    ];

    /// Returns the name in attributes, which is that of the method of the writer.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(form, _)| *form == self).map_or("", |(_, name)| name)
    }
}

/// What a field is on the wire.
pub struct Wire {
    /// The name in JSON.
    pub name: String,
    /// How it is read and written.
    pub form: Form,
    /// Whether it is an argument of `new`.
    pub in_constructor: bool,
}

impl Wire {
    /// Returns what a field is on the wire, or `None` if it is not a property.
    pub fn of(field: &Field) -> Option<Self> {
        let mut wire = Self {
            name: field.ident.as_ref()?.to_string(),
            form: Form::Required,
            in_constructor: false,
        };
        let attribute = field.attrs.iter().find(|attribute| attribute.path().is_ident(WIRE))?;
        // The attribute is our own.
        let _ = attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident("name") {
                wire.name = meta.value()?.parse::<syn::LitStr>()?.value();
            } else if meta.path.is_ident("new") {
                wire.in_constructor = true;
            } else {
                let form = Form::ALL.into_iter().find(|(_, name)| meta.path.is_ident(name));
                wire.form = form.map_or(Form::Required, |(form, _)| form);
            }
            Ok(())
        });
        Some(wire)
    }

    fn attribute(&self) -> Attribute {
        let (name, form) = (&self.name, format_ident!("{}", self.form.name()));
        let attribute = format_ident!("{WIRE}");
        let new = self.in_constructor.then(|| quote!(, new));
        parse_quote!(#[#attribute(name = #name, #form #new)])
    }
}

/// Returns the name of a field in JSON.
pub fn wire_name(field: &Field) -> String {
    Wire::of(field).map(|wire| wire.name).unwrap_or_default()
}

/// The schema of a struct.
pub(super) struct Shape<'a> {
    /// The schema, if the struct is a component.
    pub(super) schema: Option<&'a Value>,
    /// The enums with one value.
    pub(super) constants: &'a BTreeSet<&'a str>,
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
        self.in_requests
            && !self.schema.is_some_and(|schema| is_required(schema, name))
            && is_true(property, "nullable")
            && property.get(EMPTY_IS_NOT_ABSENT).is_none()
    }
}

/// Sorts fields in the document's order, and makes nullable fields optional. In requests, null and
/// absent are different values. Constants may be absent. Serde's attributes are replaced by [`WIRE`].
pub(super) fn rewrite(
    fields: &mut FieldsNamed,
    shape: &Shape<'_>,
    boxed: &dyn Fn(&str) -> bool,
) -> Result<(), Error> {
    let properties = shape.schema.and_then(|schema| schema.get("properties")?.as_object());
    if let Some(properties) = properties {
        let mut ordered: Vec<Field> = fields.named.iter().cloned().collect();
        ordered
            .sort_by_key(|field| properties.keys().position(|name| *name == generated_name(field)));
        fields.named = ordered.into_iter().collect();
    }
    let mut taken: BTreeSet<String> = BTreeSet::new();
    for field in &mut fields.named {
        let name = generated_name(field);
        // Two properties may have the same name in Rust, such as `fooBar` and `foo_bar`.
        while let Some(ident) = &field.ident
            && !taken.insert(ident.to_string())
        {
            field.ident = Some(format_ident!("{ident}_"));
        }
        let serde = take_serde(field);
        let was_boxed = option_outside_of_box(field);
        if boxed(&name) {
            match type_named(&field.ty, "Option") {
                Some(inner) => field.ty = parse_quote!(Option<Box<#inner>>),
                None => {
                    let inner = &field.ty;
                    field.ty = parse_quote!(Box<#inner>);
                }
            }
        }
        if shape.distinguishes_null(&name)
            && let Some(inner) = type_named(&field.ty, "Option")
        {
            field.ty = parse_quote!(Field<#inner>);
        }
        if shape.in_requests {
            JsonObjects.visit_type_mut(&mut field.ty);
        }
        let is_constant = is_constant(&field.ty, shape.constants);
        let absent = shape.property(&name).and_then(|property| property.get(ABSENT)?.as_str());
        let is = |kind: &str| type_named(&field.ty, kind).is_some();
        let form = match absent {
            _ if serde.contains("flatten") => Form::Rest,
            _ if is("Field") => Form::Field,
            Some(NONE) if is("Option") => Form::Optional,
            // Any value may be null.
            Some(NONE) => Form::OrDefault,
            Some(EMPTY) => Form::OrDefault,
            _ if is_constant => Form::OrDefault,
            _ if serde.contains("is_empty") => Form::UnlessDefault,
            _ if is("Option") && (serde.contains("skip_serializing_if") || was_boxed) => {
                Form::Optional
            }
            _ if is("Option") => Form::Nullable,
            _ if serde.contains("default") => {
                let reason = format!("it has an unexpected default for `{name}`: {serde}");
                return Err(Error::Unexpected(reason));
            }
            _ => Form::Required,
        };
        let in_constructor = form == Form::Required || absent.is_some();
        field.attrs.push(Wire { name, form, in_constructor }.attribute());
    }
    let other = other_field(&Fields::Named(fields.clone()));
    fields.named.push(parse_quote!(pub(crate) #other: crate::other::Other));
    Ok(())
}

/// Returns the name of the field for properties that the document does not list: `other`, unless a
/// property has this name.
pub fn other_field(fields: &Fields) -> Ident {
    let is_taken = |name: &str| {
        let mut properties = fields.iter().filter(|field| Wire::of(field).is_some());
        properties.any(|field| field.ident.as_ref().is_some_and(|ident| ident == name))
    };
    let names = ["other", "other_properties", "unlisted_properties"];
    format_ident!("{}", names.into_iter().find(|name| !is_taken(name)).unwrap_or("other_"))
}

/// Removes serde's attributes from a field, and returns their text.
fn take_serde(field: &mut Field) -> String {
    let (serde, rest): (Vec<Attribute>, Vec<Attribute>) =
        field.attrs.drain(..).partition(|attribute| attribute.path().is_ident("serde"));
    field.attrs = rest;
    quote!(#(#serde)*).to_string()
}

/// Replaces maps of JSON values in requests by a type that any value converts to.
struct JsonObjects;

impl VisitMut for JsonObjects {
    fn visit_type_mut(&mut self, kind: &mut Type) {
        visit_mut::visit_type_mut(self, kind);
        if last_segment(kind).is_some_and(|segment| segment.ident == "Map") {
            *kind = parse_quote!(JsonObject);
        }
    }
}

/// Moves the option out of the box of a recursive field. Typify has it inside, and would send null
/// for an absent field.
fn option_outside_of_box(field: &mut Field) -> bool {
    let option = type_named(&field.ty, "Box").and_then(|inner| type_named(inner, "Option"));
    let Some(inner) = option else { return false };
    field.ty = parse_quote!(Option<Box<#inner>>);
    true
}

/// Returns whether a type is an enum with one value.
pub(super) fn is_constant(kind: &Type, constants: &BTreeSet<&str>) -> bool {
    last_segment(kind).is_some_and(|segment| constants.contains(segment.ident.to_string().as_str()))
}

/// Returns whether an attribute other than a doc comment contains a text.
pub(super) fn contains(attribute: &Attribute, text: &str) -> bool {
    !attribute.path().is_ident("doc") && quote!(#attribute).to_string().contains(text)
}

/// Returns the name of a field in JSON, from serde's attributes.
fn generated_name(field: &Field) -> String {
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

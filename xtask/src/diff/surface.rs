//! The public surface of a generated crate: what code that uses the crate can name.

use std::collections::{BTreeMap, BTreeSet};

use quote::{ToTokens, quote};
use serde_json::Value;
use syn::{FnArg, ImplItem, Item, ItemImpl, Visibility};

use crate::codegen::document::{Document, method_name, rust_name};
use crate::codegen::enums::OpenEnum;
use crate::codegen::render::{limits, operations};
use crate::codegen::unions::{Events, Union};
use crate::codegen::{Error, Generated};

/// The type with a method for each operation.
pub(super) const CLIENT: &str = "Client";
/// The enum with a variant for each operation.
pub(super) const OPERATION: &str = "Operation";

/// A public item, or a part of one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    /// The type that it belongs to.
    pub(super) owner: String,
    /// The name of a field, method, variant or trait; empty for the type itself.
    pub(super) member: String,
    /// The declaration.
    pub(super) text: String,
    /// The value on the wire that selects a variant; empty for others.
    pub(super) value: String,
}

/// All public items of a generated crate.
#[derive(Clone, Debug, Default)]
pub(super) struct Surface {
    pub(super) entries: BTreeSet<Entry>,
}

/// The traits and methods that each string enum has.
const ENUM_MEMBERS: [&str; 12] = [
    "AsRef<str>",
    "Clone",
    "Debug",
    "Display",
    "Eq",
    "From<&str>",
    "From<String>",
    "Hash",
    "Ord",
    "PartialEq",
    "PartialEq<str>",
    "as_str",
];
/// The traits that each union has.
const UNION_MEMBERS: [&str; 3] = ["Clone", "Debug", "PartialEq"];
/// The methods that each union of events has, beside the traits.
const EVENTS_MEMBERS: [&str; 3] = ["data", "decode", "event"];

impl Surface {
    /// Collects the public items of generated code.
    ///
    /// # Errors
    ///
    /// Returns an error if the code cannot be parsed.
    pub(super) fn of(generated: &Generated) -> Result<Self, Error> {
        let mut surface = Self::default();
        let arguments = path_arguments(&generated.original);
        surface.add_items(&generated.code.client.items, &arguments);
        surface.add_items(&generated.code.structs.items, &arguments);
        for text in [limits::render(generated)?, operations::render(&generated.original)] {
            surface.add_items(&syn::parse_file(&text)?.items, &arguments);
        }
        for operation in generated.original.operations().filter_map(|(.., value)| id(value)) {
            surface.add(OPERATION, &rust_name(operation), "variant", operation);
        }
        generated.enums.iter().for_each(|open_enum| surface.add_enum(open_enum));
        generated.unions.unions.iter().for_each(|union| surface.add_union(union));
        generated.unions.events.iter().for_each(|events| surface.add_events(events));
        Ok(surface)
    }

    /// Returns whether the crate has a type.
    pub(super) fn has_type(&self, name: &str) -> bool {
        self.members(name, "").next().is_some()
    }

    /// Returns the entries of a type with the name of a member: a field and its setter have the
    /// same.
    pub(super) fn members<'a>(
        &'a self,
        owner: &'a str,
        member: &'a str,
    ) -> impl Iterator<Item = &'a Entry> {
        let first =
            Entry { owner: owner.to_owned(), member: member.to_owned(), ..Entry::default() };
        let from = self.entries.range(first..);
        from.take_while(move |entry| entry.owner == owner && entry.member == member)
    }

    fn add(&mut self, owner: &str, member: &str, text: &str, value: &str) {
        let [owner, member, text, value] = [owner, member, text, value].map(str::to_owned);
        self.entries.insert(Entry { owner, member, text, value });
    }

    fn add_items(&mut self, items: &[Item], arguments: &PathArguments) {
        for item in items {
            match item {
                Item::Struct(item) if is_public(&item.vis) => {
                    let owner = item.ident.to_string();
                    self.add(&owner, "", "struct", "");
                    for name in derived(&item.attrs) {
                        self.add(&owner, &name, "impl", "");
                    }
                    for (position, field) in item.fields.iter().enumerate() {
                        let name = field.ident.as_ref().map(ToString::to_string);
                        if is_public(&field.vis) {
                            let name = name.unwrap_or_else(|| position.to_string());
                            self.add(&owner, &name, &text(&field.ty), "");
                        }
                    }
                }
                Item::Impl(item) => self.add_impl(item, arguments),
                _ => {}
            }
        }
    }

    fn add_impl(&mut self, item: &ItemImpl, arguments: &PathArguments) {
        let syn::Type::Path(owner) = item.self_ty.as_ref() else { return };
        let Some(owner) = owner.path.segments.last().map(|segment| segment.ident.to_string())
        else {
            return;
        };
        if let Some((path, _)) = &item.trait_ {
            if let Some(segment) = path.segments.last() {
                // Lifetimes do not distinguish implementations.
                let mut name = segment.ident.to_string();
                if let syn::PathArguments::AngleBracketed(list) = &segment.arguments {
                    let types = list.args.iter();
                    let types = types.filter(|it| !matches!(it, syn::GenericArgument::Lifetime(_)));
                    let types: Vec<String> = types.map(text).collect();
                    if !types.is_empty() {
                        name = format!("{name}<{}>", types.join(", "));
                    }
                }
                self.add(&owner, &name, "impl", "");
            }
            return;
        }
        for inner in &item.items {
            match inner {
                ImplItem::Fn(function) if is_public(&function.vis) => {
                    let mut signature = function.sig.clone();
                    let name = signature.ident.to_string();
                    if owner == CLIENT {
                        // The function that builds a request changes together with its method.
                        if signature.asyncness.is_none() && name.ends_with("_request") {
                            continue;
                        }
                        rename_path_arguments(&mut signature, arguments);
                    }
                    self.add(&owner, &name, &text(&signature), "");
                }
                ImplItem::Const(constant) if is_public(&constant.vis) => {
                    self.add(&owner, &constant.ident.to_string(), &text(&constant.ty), "");
                }
                _ => {}
            }
        }
    }

    fn add_enum(&mut self, open_enum: &OpenEnum) {
        let OpenEnum { name, values, constant, .. } = open_enum;
        self.add(name, "", "enum", "");
        self.add_all(name, &ENUM_MEMBERS);
        if *constant {
            self.add(name, "Default", "impl", "");
        }
        for (variant, value) in values {
            self.add(name, variant, "variant", value);
        }
    }

    fn add_union(&mut self, union: &Union) {
        let owner = &union.name;
        self.add(owner, "", "enum", "");
        self.add_all(owner, &UNION_MEMBERS);
        for (variant, value) in &union.constants {
            self.add(owner, variant, "variant", value);
        }
        if let Some(variant) = &union.text {
            self.add_variant(owner, variant, "String", "string");
            self.add(owner, "From<&str>", "impl", "");
        }
        if let Some((variant, item)) = &union.array {
            self.add_variant(owner, variant, &format!("Vec<{item}>"), "array");
        }
        for (variant, kind) in &union.scalars {
            self.add_variant(owner, variant, kind, "scalar");
        }
        for variant in &union.tagged {
            self.add_variant(owner, &variant.name, &variant.body_type(), &variant.value);
        }
        if let Some((variant, body)) = &union.object {
            self.add_variant(owner, variant, body, "object");
        }
    }

    fn add_events(&mut self, events: &Events) {
        let owner = &events.name;
        self.add(owner, "", "enum", "");
        self.add_all(owner, &UNION_MEMBERS);
        self.add_all(owner, &EVENTS_MEMBERS);
        for event in &events.events {
            self.add(owner, &event.name, &format!("({})", event.body_type()), &event.value);
        }
        for event in &events.plain {
            self.add(owner, &event.name, "variant", &event.value);
        }
    }

    fn add_variant(&mut self, owner: &str, variant: &str, body: &str, value: &str) {
        self.add(owner, variant, &format!("({body})"), value);
        self.add(owner, &format!("From<{body}>"), "impl", "");
    }

    fn add_all(&mut self, owner: &str, members: &[&str]) {
        members.iter().for_each(|member| self.add(owner, member, "impl", ""));
    }
}

/// The names of the arguments in the path, in order, by method.
type PathArguments = BTreeMap<String, Vec<String>>;

fn path_arguments(document: &Document) -> PathArguments {
    let operations = document.operations().filter_map(|(path, _, operation)| {
        let placeholders = path.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        let names = placeholders.map(|(name, _)| method_name(name)).collect();
        Some((method_name(id(operation)?), names))
    });
    operations.collect()
}

/// Replaces the names of arguments in the path by their position. They are not sent, so that
/// another name is the same method. Other names say what an argument means.
fn rename_path_arguments(signature: &mut syn::Signature, arguments: &PathArguments) {
    let name = signature.ident.to_string();
    let of_stream = || arguments.get(name.strip_suffix("_stream")?);
    let Some(names) = arguments.get(&name).or_else(of_stream) else {
        return;
    };
    for argument in &mut signature.inputs {
        let FnArg::Typed(argument) = argument else { continue };
        let position = names.iter().position(|name| *name == text(&argument.pat));
        if let Some(position) = position {
            let name = quote::format_ident!("path_{position}");
            *argument.pat = syn::parse_quote!(#name);
        }
    }
}

fn id(operation: &Value) -> Option<&str> {
    operation.get("operationId")?.as_str()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Returns the names of derived traits.
fn derived(attributes: &[syn::Attribute]) -> Vec<String> {
    let mut names = Vec::new();
    for attribute in attributes.iter().filter(|attribute| attribute.path().is_ident("derive")) {
        // The attribute was generated, and so is valid.
        let _ = attribute.parse_nested_meta(|meta| {
            names.extend(meta.path.segments.last().map(|segment| segment.ident.to_string()));
            Ok(())
        });
    }
    names
}

/// Returns code as text, with the spaces of formatted code.
fn text(code: &impl ToTokens) -> String {
    const SPACES: [(&str, &str); 9] = [
        (" :: ", "::"),
        (":: ", "::"),
        (" <", "<"),
        ("< ", "<"),
        (" >", ">"),
        (" ,", ","),
        (" : ", ": "),
        ("& ", "&"),
        (" (", "("),
    ];
    let spaced = quote!(#code).to_string();
    SPACES.iter().fold(spaced, |text, (from, to)| text.replace(from, to))
}

//! The public API of the generated crate, one line for each item, so that a review shows the effect
//! of a change of the specification.

use std::fmt::Write as _;

use quote::ToTokens;
use syn::{FnArg, ImplItem, Item, ReturnType, Visibility};

use crate::codegen::Generated;

/// Lists all types, fields, variants and methods.
pub fn list(generated: &Generated) -> String {
    let mut text = String::new();
    for item in generated.code.client.items.iter().chain(&generated.code.structs.items) {
        match item {
            Item::Struct(item) => {
                let name = &item.ident;
                let _ = writeln!(text, "struct {name}");
                let fields = item.fields.iter().enumerate();
                for (position, field) in fields.filter(|(_, field)| is_public(&field.vis)) {
                    let ident = field.ident.as_ref().map(ToString::to_string);
                    let field_name = ident.unwrap_or_else(|| position.to_string());
                    let _ = writeln!(text, "    {name}.{field_name}: {}", plain(&field.ty));
                }
            }
            Item::Impl(block) if block.trait_.is_none() => {
                let owner = plain(&block.self_ty);
                for item in &block.items {
                    if let ImplItem::Fn(function) = item {
                        method(&mut text, &owner, function);
                    }
                }
            }
            _ => {}
        }
    }
    for open_enum in &generated.enums {
        let name = &open_enum.name;
        let _ = writeln!(text, "enum {name}");
        for (variant, value) in &open_enum.values {
            let _ = writeln!(text, "    {name}::{variant} = {value:?}");
        }
    }
    for union in &generated.unions.unions {
        let name = &union.name;
        let _ = writeln!(text, "union {name}");
        for (variant, value) in &union.constants {
            let _ = writeln!(text, "    {name}::{variant} = {value:?}");
        }
        if let Some(variant) = &union.text {
            let _ = writeln!(text, "    {name}::{variant}(String)");
        }
        if let Some((variant, item)) = &union.array {
            let _ = writeln!(text, "    {name}::{variant}(Vec<{item}>)");
        }
        for variant in &union.tagged {
            let (tag, value) = (&union.tag, &variant.value);
            let body = variant.body_type();
            let _ = writeln!(text, "    {name}::{}({body}) = {tag} {value:?}", variant.name);
        }
        if let Some((variant, body)) = &union.object {
            let _ = writeln!(text, "    {name}::{variant}({body})");
        }
    }
    for events in &generated.unions.events {
        let name = &events.name;
        let _ = writeln!(text, "events {name}");
        for event in &events.events {
            let body = event.body_type();
            let _ = writeln!(text, "    {name}::{}({body}) = {:?}", event.name, event.value);
        }
        for event in &events.plain {
            let _ = writeln!(text, "    {name}::{} = {:?}", event.name, event.value);
        }
    }
    text
}

fn method(text: &mut String, owner: &str, function: &syn::ImplItemFn) {
    if !is_public(&function.vis) {
        return;
    }
    let arguments: Vec<String> = function
        .sig
        .inputs
        .iter()
        .filter_map(|argument| match argument {
            FnArg::Receiver(_) => None,
            FnArg::Typed(argument) => {
                Some(format!("{}: {}", plain(&argument.pat), plain(&argument.ty)))
            }
        })
        .collect();
    let result = match &function.sig.output {
        ReturnType::Default => String::new(),
        ReturnType::Type(_, kind) => format!(" -> {}", plain(kind)),
    };
    let _ = writeln!(text, "    {owner}::{}({}){result}", function.sig.ident, arguments.join(", "));
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

/// Formats tokens without superfluous spaces.
fn plain(tokens: &impl ToTokens) -> String {
    let text = tokens.to_token_stream().to_string();
    let mut plain =
        text.replace(" :: ", "::").replace("& 'a ", "&").replace(" < ", "<").replace(" >", ">");
    for (spaced, close) in
        [(" ,", ","), ("< ", "<"), ("& ", "&"), (" (", "("), ("( ", "("), (" )", ")")]
    {
        plain = plain.replace(spaced, close);
    }
    plain
}

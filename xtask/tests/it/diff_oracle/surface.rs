//! The public items of a generated crate, read from its files. It shares no code with the command.

use std::collections::BTreeSet;
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Fields, FnArg, ImplItem, Item, PatType, Visibility};
use xtask::codegen;

use crate::all_operations;

/// Generates a crate from a file, and returns its public items, each as one line.
pub(super) fn surface(specification: &Path) -> BTreeSet<String> {
    let files = codegen::generate_crate(specification, &all_operations(), "oracle").unwrap();
    let mut found = BTreeSet::new();
    for file in &files {
        let name = file.path.to_string_lossy();
        if ["client.rs", "structs.rs", "enums.rs", "unions.rs", "limits.rs", "operations.rs"]
            .iter()
            .any(|end| name.ends_with(&format!("src/{end}")))
        {
            for item in syn::parse_file(&file.text).unwrap().items {
                collect(&item, &mut found);
            }
        }
    }
    assert!(found.len() > 3, "the crate has no public items: {found:?}");
    found
}

fn text(code: &impl ToTokens) -> String {
    code.to_token_stream().to_string()
}

fn is_public(visibility: &Visibility) -> bool {
    matches!(visibility, Visibility::Public(_))
}

fn collect(item: &Item, found: &mut BTreeSet<String>) {
    match item {
        Item::Struct(item) if is_public(&item.vis) => {
            let name = &item.ident;
            found.insert(format!("struct {name}"));
            for attribute in &item.attrs {
                if let (true, syn::Meta::List(list)) =
                    (attribute.path().is_ident("derive"), &attribute.meta)
                {
                    let derived = list.tokens.to_string();
                    for path in derived.split(',') {
                        let last = path.rsplit("::").next().unwrap().trim();
                        found.insert(format!("impl {last} for {name}"));
                    }
                }
            }
            if let Fields::Named(fields) = &item.fields {
                for field in fields.named.iter().filter(|field| is_public(&field.vis)) {
                    let field_name = field.ident.as_ref().unwrap();
                    found.insert(format!("{name}.{field_name}: {}", text(&field.ty)));
                }
            } else {
                found.insert(format!("{name} {}", text(&item.fields)));
            }
        }
        Item::Impl(item) => {
            let owner = text(&item.self_ty);
            let owner = owner.rsplit("::").next().unwrap().trim();
            if let Some(path) = item.trait_.as_ref().map(|(path, _)| path) {
                let segment = path.segments.last().unwrap();
                let name = match text(segment) {
                    generic if generic.contains('\'') => segment.ident.to_string(),
                    name => name,
                };
                found.insert(format!("impl {name} for {owner}"));
            }
            for inner in &item.items {
                if let ImplItem::Fn(method) = inner
                    && is_public(&method.vis)
                {
                    let body = text(&method.block);
                    let argument = |argument: &FnArg| match argument {
                        FnArg::Typed(argument) => named_argument(argument, &body),
                        FnArg::Receiver(receiver) => text(receiver),
                    };
                    let arguments: Vec<String> = method.sig.inputs.iter().map(argument).collect();
                    let (name, output) = (&method.sig.ident, text(&method.sig.output));
                    found.insert(format!("{owner}::{name}({}){output}", arguments.join(", ")));
                }
            }
        }
        Item::Macro(item) => collect_macro(item, found),
        _ => {}
    }
}

/// Returns an argument with its name, which says what it means: two arguments of one type can change
/// places. The name of an argument in the path means nothing.
fn named_argument(argument: &PatType, body: &str) -> String {
    let (name, kind) = (text(&argument.pat), text(&argument.ty));
    match body.contains(&format!("segment ({name})")) {
        true => kind,
        false => format!("{name}: {kind}"),
    }
}

/// Collects the variants that the input of a macro defines: names before `=` or in braces.
fn collect_macro(item: &syn::ItemMacro, found: &mut BTreeSet<String>) {
    let kind = text(&item.mac.path);
    let tokens: Vec<TokenTree> = item.mac.tokens.clone().into_iter().collect();
    let named = tokens.iter().position(|token| token.to_string() == "enum");
    let (owner, body) = match named {
        Some(at) => (tokens[at + 1].to_string(), group(&tokens[at + 2])),
        None => ("Operation".to_owned(), item.mac.tokens.clone()),
    };
    found.insert(format!("enum {owner}"));
    if kind == "constant" {
        found.insert(format!("impl Default for {owner}"));
    }
    found.insert(format!("methods of {} {owner}", kind.replace("constant", "open_enum")));
    collect_variants(&owner, body, found);
}

fn group(token: &TokenTree) -> TokenStream {
    match token {
        TokenTree::Group(group) => group.stream(),
        _ => TokenStream::new(),
    }
}

fn collect_variants(owner: &str, body: TokenStream, found: &mut BTreeSet<String>) {
    let tokens: Vec<TokenTree> = body.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Ident(name) = token else { continue };
        match (tokens.get(at + 1), tokens.get(at + 2)) {
            // A section of a union.
            (Some(TokenTree::Group(section)), _) if section.to_string().starts_with('{') => {
                let inner: Vec<TokenTree> = section.stream().into_iter().collect();
                match inner.as_slice() {
                    [TokenTree::Ident(text)] => {
                        found.insert(format!("{owner}::{text}(String)"));
                    }
                    _ => collect_variants(owner, section.stream(), found),
                }
            }
            (Some(TokenTree::Literal(_)), Some(section @ TokenTree::Group(_))) => {
                collect_variants(owner, group(section), found);
            }
            (Some(TokenTree::Group(body)), _) => {
                found.insert(format!("{owner}::{name}{body}"));
            }
            (Some(TokenTree::Punct(punct)), _) if punct.as_char() == '=' => {
                found.insert(format!("{owner}::{name}"));
            }
            _ => {}
        }
    }
}

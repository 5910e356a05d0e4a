//! Step 8, generate: hands the document to progenitor, with our types in place of its own wherever
//! an earlier step made one.

use proc_macro2::TokenStream;
use std::panic::{self, AssertUnwindSafe};

use progenitor_impl::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypeImpl};
use quote::quote;
use serde_json::json;

use super::document::{Document, rust_name};
use super::enums::OpenEnum;
use super::error::Error;
use super::unions::Unions;

/// The client and the types as progenitor writes them.
pub fn generate(
    document: &Document,
    unions: &Unions,
    enums: &[OpenEnum],
) -> Result<TokenStream, Error> {
    let ours: Vec<&str> = unions
        .unions
        .iter()
        .map(|union| union.name.as_str())
        .chain(unions.events.iter().map(|events| events.name.as_str()))
        .chain(enums.iter().map(|one| one.name.as_str()))
        .collect();

    let mut settings = GenerationSettings::default();
    settings
        .with_interface(InterfaceStyle::Positional)
        .with_hooks(HooksMode::Expected)
        .with_inner_type(quote!(crate::CallOptions))
        .with_map_type("::std::collections::BTreeMap")
        .with_derive("PartialEq");
    for name in &ours {
        let impls = [TypeImpl::Display, TypeImpl::FromStr];
        settings.with_replacement(name, format!("crate::types::{name}"), impls.into_iter().take(0));
    }

    let mut document = document.clone();
    for (name, schema) in document.schemas_mut().into_iter().flatten() {
        if ours.contains(&rust_name(name).as_str()) {
            *schema = json!({});
        }
    }
    let refused = |error: &dyn std::fmt::Display| Error::Generator(error.to_string());
    let specification: openapiv3::OpenAPI =
        serde_json::from_value(document.0).map_err(|error| refused(&error))?;
    let generate = || Generator::new(&settings).generate_tokens(&specification);
    match quietly(generate) {
        Ok(tokens) => tokens.map_err(|error| refused(&error)),
        Err(panic) => Err(Error::Generator(panic)),
    }
}

/// Runs what panics where it meets something that it does not handle, and gives the panic's words.
fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    panic::set_hook(hook);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let words = text.or_else(|| payload.downcast_ref::<&str>().copied());
        words.unwrap_or("it stopped without a word").to_owned()
    })
}

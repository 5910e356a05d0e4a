//! Step 9, generate: hands the document to progenitor, with our types in place of its own wherever
//! an earlier step made one.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

use openapiv3::{OpenAPI, Operation, ReferenceOr, Schema};
use proc_macro2::TokenStream;
use progenitor_impl::{GenerationSettings, Generator, HooksMode, InterfaceStyle, TypeImpl};
use quote::quote;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use serde_path_to_error::Segment;

use super::document::{Document, is_method, push, rust_name};
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
    let specification: OpenAPI = serde_json::from_value(document.0.clone())
        .map_err(|error| misread(&document.0).unwrap_or_else(|| refused(&error)))?;
    let generate = || Generator::new(&settings).generate_tokens(&specification);
    match quietly(generate) {
        Ok(tokens) => tokens.map_err(|error| refused(&error)),
        Err(panic) => Err(Error::Generator(panic)),
    }
}

/// The innermost place at which the document is not as the generator's reader has it. The reader
/// itself loses sight of places on its way in, so it gets one operation or schema after the other.
fn misread(document: &Value) -> Option<Error> {
    fn read<T: DeserializeOwned>(at: &[&str], value: &Value) -> Option<Error> {
        let error = serde_path_to_error::deserialize::<_, T>(value).err()?;
        let mut pointer = String::new();
        for token in at {
            push(&mut pointer, token);
        }
        for segment in error.path().iter().filter(|segment| !matches!(segment, Segment::Unknown)) {
            push(&mut pointer, &segment.to_string());
        }
        let reason = format!("it is not as OpenAPI has it: {}", error.inner());
        Some(Error::at(pointer, reason, "mend what is at that place, or right below it"))
    }
    let map =
        |pointer: &str| document.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    for (name, schema) in map("/components/schemas") {
        let error = read::<ReferenceOr<Schema>>(&["components", "schemas", name], schema);
        if error.is_some() {
            return error;
        }
    }
    for (path, item) in map("/paths") {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if is_method(method) {
                let error = read::<Operation>(&["paths", path, method], operation);
                if error.is_some() {
                    return error;
                }
            }
        }
    }
    read::<OpenAPI>(&[], document)
}

thread_local! {
    /// Whether a panic of this thread is about to become an error, and needs no words of its own.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs what panics where it meets something that it does not handle, and gives the panic's words.
fn quietly<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // The hook is the whole program's, and other threads have panics to tell of.
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                before(panic);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let words = text.or_else(|| payload.downcast_ref::<&str>().copied());
        words.unwrap_or("it stopped without a word").to_owned()
    })
}

//! Stage `generate`: runs progenitor, with our types instead of its own wherever an earlier stage
//! extracted one.

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

use super::document::{Document, below, push, rust_name};
use super::enums::OpenEnum;
use super::error::Error;
use super::unions::Unions;

/// Returns the client and the types that progenitor generates.
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
        .chain(enums.iter().map(|open_enum| open_enum.name.as_str()))
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
    let rejected = |error: &dyn std::fmt::Display| Error::Generator(error.to_string());
    let specification: OpenAPI = serde_json::from_value(document.0.clone())
        .map_err(|error| locate_error(&document).unwrap_or_else(|| rejected(&error)))?;
    let generate = || Generator::new(&settings).generate_tokens(&specification);
    match catch_panic(generate) {
        Ok(tokens) => tokens.map_err(|error| rejected(&error)),
        Err(panic) => Err(Error::Generator(panic)),
    }
}

/// Returns the innermost location at which the document is not valid OpenAPI. `openapiv3` does not
/// track locations through its untagged enums, so each operation and schema is parsed on its own.
fn locate_error(document: &Document) -> Option<Error> {
    fn parse<T: DeserializeOwned>(at: &[&str], value: &Value) -> Option<Error> {
        let error = serde_path_to_error::deserialize::<_, T>(value).err()?;
        let mut pointer = below("", at);
        for segment in error.path().iter().filter(|segment| !matches!(segment, Segment::Unknown)) {
            push(&mut pointer, &segment.to_string());
        }
        let reason = format!("not valid OpenAPI: {}", error.inner());
        Some(Error::at(pointer, reason, "correct the value there, or below"))
    }
    for (name, schema) in document.schemas() {
        let error = parse::<ReferenceOr<Schema>>(&["components", "schemas", name], schema);
        if error.is_some() {
            return error;
        }
    }
    let document_error = || parse::<OpenAPI>(&[], &document.0);
    document
        .operations()
        .find_map(|(path, method, operation)| {
            parse::<Operation>(&["paths", path, method], operation)
        })
        .or_else(document_error)
}

thread_local! {
    /// Whether a panic of this thread becomes an error, so that its message need not be printed.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs a function, and returns the message of a panic as an error. Progenitor panics at some
/// constructs that it does not support.
fn catch_panic<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    // The hook is global, and panics of other threads must still be printed.
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
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without a message").to_owned()
    })
}

//! Stage `checks`: rejects what no stage and no generator supports, before the document changes.
//! Progenitor would panic, or fail without a location.

mod operations;
mod schemas;

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Document, below, rust_name};
use super::error::Error;

/// Checks the selected document.
pub fn check(document: &Document) -> Result<(), Error> {
    if !document.0.get("info").is_some_and(Value::is_object) {
        return Err(Error::at(
            "/info",
            "the document has no `info`",
            "add `info` with `title` and `version`",
        ));
    }
    operations::check(document)?;
    names(document)?;
    schemas::check(document)
}

/// Types that the generated code refers to without a path.
const RESERVED: [&str; 12] = [
    "Box", "Default", "Err", "Field", "From", "Into", "None", "Ok", "Option", "Some", "String",
    "Vec",
];

/// Checks that components have different, valid Rust names.
fn names(document: &Document) -> Result<(), Error> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for (name, _) in document.schemas() {
        let reject = |reason: String| {
            let pointer = below("/components/schemas", &[name]);
            Err(Error::at(pointer, reason, "rename the component, and update references to it"))
        };
        let spelled =
            name.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        if !spelled || !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return reject(
                "the name of a component must start with a letter, and contain only letters, digits, `.`, `_` and `-`"
                    .to_owned(),
            );
        }
        let rust = rust_name(name);
        if RESERVED.contains(&rust.as_str()) {
            return reject(format!("the name of the component would shadow Rust's `{rust}`"));
        }
        if let Some(other) = taken.insert(rust, name) {
            return reject(format!("the component has the same Rust name as `{other}`"));
        }
    }
    Ok(())
}

/// Resolves a value that may be a reference to a component of a kind. Returns the JSON pointer of
/// the component, too.
fn resolve<'a>(
    document: &'a Document,
    kind: &str,
    pointer: String,
    value: &'a Value,
) -> Result<(String, &'a Value), Error> {
    let (mut pointer, mut value) = (pointer, value);
    // This ends, since `read` rejects cyclic references.
    while let Some(reference) = value.get("$ref") {
        let components = format!("#/components/{kind}/");
        let target = reference.as_str().filter(|target| {
            target.strip_prefix(&components).is_some_and(|name| !name.contains(['/', '~']))
        });
        let Some((target, found)) =
            target.and_then(|target| Some((target, document.resolve(target)?)))
        else {
            return Err(Error::at(
                below(&pointer, &["$ref"]),
                format!("the reference {reference} is not to a component in `{kind}`"),
                format!("move the target to `/components/{kind}`, and refer to it there"),
            ));
        };
        (pointer, value) = (target.trim_start_matches('#').to_owned(), found);
    }
    Ok((pointer, value))
}

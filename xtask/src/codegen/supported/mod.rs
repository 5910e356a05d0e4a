//! Step 3, supported: what neither a step nor the generator can take is told with its place, before
//! anything is changed. The generator itself would only stop, and not say where.

mod operations;
mod schemas;

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::{Document, push, rust_name};
use super::error::Error;

/// Looks through everything that is selected.
pub fn check(document: &Document) -> Result<(), Error> {
    if !document.0.get("info").is_some_and(Value::is_object) {
        return Err(Error::at(
            "/info",
            "the document does not say what it is",
            "add `info` with a `title` and a `version`",
        ));
    }
    operations::check(document)?;
    names(document)?;
    schemas::check(document)
}

/// Names of types of which the generated code makes use without a path.
const RESERVED: [&str; 12] = [
    "Box", "Default", "Err", "Field", "From", "Into", "None", "Ok", "Option", "Some", "String",
    "Vec",
];

/// Components become types: they need names of their own as Rust writes them.
fn names(document: &Document) -> Result<(), Error> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    for (name, _) in document.schemas() {
        let refused = |reason: String| {
            let mut pointer = "/components/schemas".to_owned();
            push(&mut pointer, name);
            Err(Error::at(
                pointer,
                reason,
                "give the component, and what refers to it, another name",
            ))
        };
        let spelled =
            name.chars().all(|letter| letter.is_ascii_alphanumeric() || "._-".contains(letter));
        if !spelled || !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return refused(
                "a component's name has other marks than letters, digits, `.`, `_` and `-`, or does not begin with a letter"
                    .to_owned(),
            );
        }
        let rust = rust_name(name);
        if RESERVED.contains(&rust.as_str()) {
            return refused(format!("the component would hide Rust's own `{rust}`"));
        }
        if let Some(other) = taken.insert(rust, name) {
            return refused(format!("the component gets the same Rust name as `{other}`"));
        }
    }
    Ok(())
}

/// A pointer with more tokens at its end.
fn below(pointer: &str, tokens: &[&str]) -> String {
    let mut pointer = pointer.to_owned();
    for token in tokens {
        push(&mut pointer, token);
    }
    pointer
}

/// What stands at a place, or the component of a kind that it refers to, with the pointer of it.
fn resolved<'a>(
    document: &'a Document,
    kind: &str,
    pointer: String,
    value: &'a Value,
) -> Result<(String, &'a Value), Error> {
    let (mut pointer, mut value) = (pointer, value);
    // `read` refuses references that lead in a circle.
    while let Some(reference) = value.get("$ref") {
        let components = format!("#/components/{kind}/");
        let target = reference.as_str().filter(|target| {
            target.strip_prefix(&components).is_some_and(|name| !name.contains(['/', '~']))
        });
        let Some((target, found)) = target.and_then(|one| Some((one, document.resolve(one)?)))
        else {
            return Err(Error::at(
                below(&pointer, &["$ref"]),
                format!("the reference {reference} leads to none of the components' `{kind}`"),
                format!("move what it means to `/components/{kind}`, and refer to that"),
            ));
        };
        (pointer, value) = (target.trim_start_matches('#').to_owned(), found);
    }
    Ok((pointer, value))
}

//! Step 1, read: text to document. Refuses early what no later step could mend.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::document::Document;
use super::error::Error;

/// Reads a YAML or JSON document and checks that it is OpenAPI 3.0 or 3.1 whose references all
/// lead somewhere within it.
pub fn read(path: &Path) -> Result<Document, Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    read_text(path, &text)
}

/// Reads a document from its text; the path is for messages.
pub fn read_text(path: &Path, text: &str) -> Result<Document, Error> {
    let document = Document(parse(path, text)?);
    check_version(&document)?;
    check_references(&document)?;
    Ok(document)
}

fn parse(path: &Path, text: &str) -> Result<Value, Error> {
    let syntax = |reason: String| Error::Syntax { path: path.to_owned(), reason };
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| syntax(error.to_string()))
    } else {
        serde_yaml_ng::from_str(text)
            .map(|Yaml(value)| value)
            .map_err(|error| syntax(error.to_string()))
    }
}

fn check_version(document: &Document) -> Result<(), Error> {
    let take = "give an OpenAPI 3.0.x or 3.1.x document";
    match document.0.get("openapi") {
        Some(Value::String(version))
            if version.starts_with("3.0.") || version.starts_with("3.1.") =>
        {
            Ok(())
        }
        Some(version) => {
            Err(Error::at("/openapi", format!("version {version} is not supported"), take))
        }
        None if document.0.get("swagger").is_some() => Err(Error::at(
            "/swagger",
            "this is a Swagger 2 document",
            "convert it to OpenAPI 3 first",
        )),
        None => Err(Error::at("", "there is no `openapi` version", take)),
    }
}

fn check_references(document: &Document) -> Result<(), Error> {
    for (pointer, target) in document.references() {
        if !target.starts_with("#/") {
            return Err(Error::at(
                pointer,
                format!("the reference `{target}` leads out of the document"),
                "bundle the document into one file first",
            ));
        }
        if document.resolve(&target).is_none() {
            return Err(Error::at(
                pointer,
                format!("the reference `{target}` leads nowhere"),
                "add what it names, or mend the name",
            ));
        }
        if circles(document, &target) {
            return Err(Error::at(
                pointer,
                format!("the reference `{target}` leads in a circle, and never to a thing"),
                "describe what it is in one of the places on the way",
            ));
        }
    }
    Ok(())
}

/// Whether a reference leads back to itself by way of things that are nothing but references.
fn circles(document: &Document, target: &str) -> bool {
    let mut met = BTreeSet::new();
    let mut next = Some(target);
    while let Some(one) = next {
        if !met.insert(one) {
            return true;
        }
        next = document.resolve(one).and_then(bare_reference);
    }
    false
}

/// Where something leads that is a reference, alone or with words about its place.
fn bare_reference(value: &Value) -> Option<&str> {
    if let Some(target) = value.get("$ref").and_then(Value::as_str) {
        return Some(target);
    }
    match value.get("allOf")?.as_array()?.as_slice() {
        [only] => only.get("$ref")?.as_str(),
        _ => None,
    }
}

/// YAML as JSON. Numbers beyond 64 bits, which documents give as limits, become floating ones, and
/// keys that look like numbers, as the status codes of replies do, stay text.
struct Yaml(Value);

impl<'de> Deserialize<'de> for Yaml {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(YamlVisitor).map(Yaml)
    }
}

struct YamlVisitor;

impl<'de> Visitor<'de> for YamlVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what JSON can say")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok((value as f64).into())
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok((value as f64).into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Yaml(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some((Yaml(key), Yaml(value))) = entries.next_entry()? {
            let key = match key {
                Value::String(text) => text,
                other => other.to_string(),
            };
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` is given twice")));
            }
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

//! Stage `read`: parses a document, and rejects references that no stage could resolve.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::document::{Document, reference};
use super::error::Error;

/// Reads a YAML or JSON document, and checks that it is OpenAPI 3.0 or 3.1 and that all references
/// resolve within it.
pub fn read(path: &Path) -> Result<Document, Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    read_text(path, &text)
}

/// Parses a document. The path is only for error messages.
pub fn read_text(path: &Path, text: &str) -> Result<Document, Error> {
    let document = Document(parse(path, text)?);
    check_version(&document)?;
    check_references(&document)?;
    Ok(document)
}

fn parse(path: &Path, text: &str) -> Result<Value, Error> {
    let syntax = |reason: String| Error::Syntax { path: path.to_owned(), reason };
    // Some editors write a byte order mark, which is not part of the document.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| syntax(error.to_string()));
    }
    let has_content = |line: &str| {
        !matches!(line.trim(), "" | "---" | "...") && !line.trim_start().starts_with('#')
    };
    if !text.lines().any(has_content) {
        return Err(Error::Empty(path.to_owned()));
    }
    serde_yaml_ng::from_str(text)
        .map(|Yaml(value)| value)
        .map_err(|error| syntax(error.to_string()))
}

/// The key whose value is merged into a map: `<<: *defaults`.
const MERGE: &str = "<<";

/// Adds the entries of merged maps, unless the map has the key. Of several maps, earlier ones take
/// precedence.
fn merge(map: &mut Map<String, Value>, merged: Value) -> Result<(), String> {
    match merged {
        Value::Object(entries) => {
            for (key, value) in entries {
                map.entry(key).or_insert(value);
            }
            Ok(())
        }
        Value::Array(maps) => maps.into_iter().try_for_each(|inner| merge(map, inner)),
        other => Err(format!(
            "the value of a merge key `<<` must be a map or a list of maps, not {other}"
        )),
    }
}

fn check_version(document: &Document) -> Result<(), Error> {
    let help = "use an OpenAPI 3.0.x or 3.1.x document";
    match document.0.get("openapi") {
        Some(Value::String(version))
            if version.starts_with("3.0.") || version.starts_with("3.1.") =>
        {
            Ok(())
        }
        Some(version) => {
            Err(Error::at("/openapi", format!("version {version} is not supported"), help))
        }
        None if document.0.get("swagger").is_some() => Err(Error::at(
            "/swagger",
            "this is a Swagger 2 document",
            "convert it to OpenAPI 3 first",
        )),
        None => Err(Error::at("", "the field `openapi` is missing", help)),
    }
}

fn check_references(document: &Document) -> Result<(), Error> {
    for (pointer, target) in document.references() {
        if !target.starts_with("#/") {
            return Err(Error::at(
                pointer,
                format!("the reference `{target}` is to another document"),
                "bundle the document into one file first",
            ));
        }
        if document.resolve(&target).is_none() {
            return Err(Error::at(
                pointer,
                format!("the reference `{target}` does not resolve"),
                "add the component, or correct the name",
            ));
        }
        if is_cycle(document, &target) {
            return Err(Error::at(
                pointer,
                format!("the reference `{target}` leads back to itself"),
                "replace one of the references by a schema",
            ));
        }
    }
    Ok(())
}

/// Returns whether a chain of components that are only references returns to its start.
fn is_cycle(document: &Document, target: &str) -> bool {
    let mut visited = BTreeSet::new();
    let mut next = Some(target);
    while let Some(target) = next {
        if !visited.insert(target) {
            return true;
        }
        next = document.resolve(target).and_then(reference);
    }
    false
}

/// YAML as JSON. Numbers beyond 64 bits, which some documents have as limits, become floats. Keys
/// that look like numbers, such as status codes, stay strings.
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
        f.write_str("a JSON value")
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

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(Yaml(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        let mut merged = None;
        while let Some((Yaml(key), Yaml(value))) = entries.next_entry()? {
            let key = match key {
                Value::String(text) => text,
                other => other.to_string(),
            };
            if key == MERGE && merged.is_none() {
                merged = Some(value);
                continue;
            }
            if key == MERGE || map.contains_key(&key) {
                return Err(A::Error::custom(format!("duplicate key `{key}`")));
            }
            map.insert(key, value);
        }
        if let Some(merged) = merged {
            merge(&mut map, merged).map_err(A::Error::custom)?;
        }
        Ok(Value::Object(map))
    }
}

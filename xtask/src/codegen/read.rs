//! Step 1, read: text to document. Refuses early what no later step could mend.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::document::Document;
use super::error::Error;

/// Reads a YAML or JSON document and checks that it is OpenAPI 3.0 or 3.1 whose references all
/// lead somewhere within it.
pub fn read(path: &Path) -> Result<Document, Error> {
    let text =
        fs::read_to_string(path).map_err(|source| Error::File { path: path.to_owned(), source })?;
    let document = Document(parse(path, &text)?);
    check_version(&document)?;
    check_references(&document)?;
    Ok(document)
}

fn parse(path: &Path, text: &str) -> Result<Value, Error> {
    let syntax = |reason: String| Error::Syntax { path: path.to_owned(), reason };
    if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|error| syntax(error.to_string()))
    } else {
        serde_yaml_ng::from_str(text).map_err(|error| syntax(error.to_string()))
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
    }
    Ok(())
}

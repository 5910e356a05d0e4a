//! What limits values: for those who send, and so for the server, but for no type.

use serde_json::Value;

use super::each_schema;
use crate::codegen::document::Document;
use crate::codegen::error::Error;

/// Limits are for those who send; a reply beyond them must still decode, so types carry none.
/// Defaults go too: what a caller leaves out stays out of the request, for the server to fill in.
pub(super) fn limits_are_dropped(document: Document) -> Result<Document, Error> {
    const LIMITS: [&str; 13] = [
        "maxLength",
        "minLength",
        "pattern",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "maxItems",
        "minItems",
        "uniqueItems",
        "maxProperties",
        "minProperties",
        "multipleOf",
        "default",
    ];
    each_schema(document, &mut |_, schema| {
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        for key in LIMITS {
            map.remove(key);
        }
        if map.get("additionalProperties") == Some(&Value::Bool(false)) {
            map.remove("additionalProperties");
        }
        // A union whose alternatives only say which properties must be there is a limit as well.
        if map.contains_key("properties") {
            for key in ["oneOf", "anyOf"] {
                let limits = map.get(key).and_then(Value::as_array).is_some_and(|alternatives| {
                    alternatives.iter().all(|alternative| {
                        alternative
                            .as_object()
                            .is_some_and(|inner| inner.keys().all(|key| key == "required"))
                    })
                });
                if limits {
                    map.remove(key);
                }
            }
        }
        if map.get("type").is_some_and(|kind| kind == "string") {
            map.remove("format");
        }
        Ok(())
    })
}

/// An integer that cannot be negative is a u64, any other an i64, whatever the document's format.
pub(super) fn integers_get_their_width(document: Document) -> Result<Document, Error> {
    each_schema(document, &mut |_, schema| {
        let Some(map) = schema.as_object_mut() else { return Ok(()) };
        let minimum = map.remove("minimum");
        if map.get("type").is_some_and(|kind| kind == "integer") {
            let positive = |minimum: Value| minimum.as_f64().is_some_and(|minimum| minimum >= 0.0);
            let known = map.get("format").is_some_and(|format| format == "uint64");
            let counts = minimum.map_or(known, positive);
            map.insert("format".to_owned(), if counts { "uint64" } else { "int64" }.into());
        }
        Ok(())
    })
}

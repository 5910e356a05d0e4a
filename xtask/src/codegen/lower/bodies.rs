//! What bodies are: JSON.

use serde_json::Value;

use crate::codegen::document::{Document, push};
use crate::codegen::error::Error;

/// The generator takes one success reply of one media type. Event streams are read by the facade,
/// and an error's body too, since a proxy or a provider may send anything in it.
pub(super) fn only_json_bodies_are_left(mut document: Document) -> Result<Document, Error> {
    let paths = document.0.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
                responses.retain(|status, _| status.starts_with('2'));
                for response in responses.values_mut() {
                    prefer_json(response);
                }
            }
            let Some(body) = operation.get_mut("requestBody") else { continue };
            prefer_json(body);
            let kinds = body.get("content").and_then(Value::as_object);
            if let Some((kind, _)) = kinds.into_iter().flatten().find(|(kind, _)| *kind != JSON) {
                let mut pointer = String::new();
                for token in ["paths", path, method, "requestBody", "content", kind] {
                    push(&mut pointer, token);
                }
                return Err(Error::at(
                    pointer,
                    format!("a request body of `{kind}` is not supported"),
                    format!(
                        "leave the operation out: --select '!{} {path}'",
                        method.to_uppercase()
                    ),
                ));
            }
        }
    }
    Ok(document)
}

const JSON: &str = "application/json";

/// Of several forms of a body, the one in JSON.
fn prefer_json(body: &mut Value) {
    if let Some(content) = body.get_mut("content").and_then(Value::as_object_mut)
        && content.contains_key(JSON)
    {
        content.retain(|kind, _| kind == JSON);
    }
}

//! Checks of operations: IDs, parameters, bodies and responses.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToSnakeCase as _;
use serde_json::Value;

use super::resolve;
use crate::codegen::document::{Document, below, is_true, kind, method_name, resolve_schema};
use crate::codegen::error::Error;
use crate::codegen::lower::JSON;

/// Names of methods and fields that the generated client already has.
const RESERVED: [&str; 9] =
    ["new", "new_with_client", "api_version", "baseurl", "client", "inner", "pre", "post", "exec"];

/// Methods that `reqwest::Client` has no function for.
const UNSUPPORTED_METHODS: [&str; 2] = ["options", "trace"];

pub(super) fn check(document: &Document) -> Result<(), Error> {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for (path, method, operation) in document.operations() {
        let checked = Operation {
            document,
            pointer: below("", &["paths", path, method]),
            name: format!("{} {path}", method.to_uppercase()),
            path,
        };
        if !operation.is_object() {
            return checked.reject(&[], "an operation must be an object");
        }
        if UNSUPPORTED_METHODS.contains(&method) {
            return checked.reject(&[], "the HTTP method is not supported");
        }
        checked.id(operation, &mut ids)?;
        checked.parameters(operation)?;
        checked.body(operation)?;
        checked.responses(operation)?;
    }
    Ok(())
}

/// An operation and its location.
struct Operation<'a> {
    document: &'a Document,
    pointer: String,
    name: String,
    path: &'a str,
}

impl Operation<'_> {
    fn reject<T>(&self, tokens: &[&str], reason: impl Into<String>) -> Result<T, Error> {
        Err(self.error(below(&self.pointer, tokens), reason))
    }

    fn error(&self, pointer: String, reason: impl Into<String>) -> Error {
        let help = format!("change it, or exclude the operation: --select '!{}'", self.name);
        Error::at(pointer, reason, help)
    }

    fn id(&self, operation: &Value, ids: &mut BTreeMap<String, String>) -> Result<(), Error> {
        let id = match operation.get("operationId") {
            Some(Value::String(id)) => id,
            Some(_) => return self.reject(&["operationId"], "an operation ID must be a string"),
            None => return Ok(()),
        };
        let method = method_name(id);
        if !method.starts_with(|first: char| first.is_ascii_alphabetic()) || !method.is_ascii() {
            return self.reject(
                &["operationId"],
                "the operation ID is not usable as the name of a method",
            );
        }
        if RESERVED.contains(&method.as_str()) {
            return self.reject(
                &["operationId"],
                format!("the client already has a method or field `{method}`"),
            );
        }
        let other = match method.strip_suffix("_request") {
            Some(other) => other.to_owned(),
            None => format!("{method}_request"),
        };
        if let Some(path) = ids.get(&other) {
            let name = if other.len() > method.len() { &other } else { &method };
            let reason = format!(
                "the client has `{name}` twice, because the method of another operation ({path}) has a \
                 function that builds its request"
            );
            return self.reject(&["operationId"], reason);
        }
        if let Some(other) = ids.insert(method, self.name.clone()) {
            return self.reject(&["operationId"], format!("{other} has the same operation ID"));
        }
        Ok(())
    }

    fn parameters(&self, operation: &Value) -> Result<(), Error> {
        let mut path_parameters: BTreeSet<&str> = BTreeSet::new();
        let mut arguments: BTreeSet<String> = BTreeSet::from(["body".to_owned()]);
        let list = match operation.get("parameters") {
            None => &[],
            Some(Value::Array(list)) => list.as_slice(),
            Some(_) => return self.reject(&["parameters"], "parameters must be a list"),
        };
        for (index, parameter) in list.iter().enumerate() {
            let index = index.to_string();
            let pointer = below(&self.pointer, &["parameters", &index]);
            let (pointer, parameter) = resolve(self.document, "parameters", pointer, parameter)?;
            let reject =
                |tokens: &[&str], reason: &str| Err(self.error(below(&pointer, tokens), reason));
            let Some(name) = parameter.get("name").and_then(Value::as_str) else {
                return reject(&[], "a parameter has no name");
            };
            let required = is_true(parameter, "required");
            let default_style = match parameter.get("in").and_then(Value::as_str) {
                Some("path") if !required => {
                    return reject(&[], "a path parameter must have `required: true`");
                }
                Some("path") => {
                    path_parameters.insert(name);
                    "simple"
                }
                Some("query") => "form",
                Some("header") => "simple",
                Some("cookie") => {
                    return reject(&["in"], "cookie parameters are not supported");
                }
                _ => {
                    return reject(
                        &["in"],
                        "a parameter must be in the path, the query or a header",
                    );
                }
            };
            if parameter.get("content").is_some() {
                return reject(
                    &["content"],
                    "a parameter with `content` instead of `schema` is not supported",
                );
            }
            if !parameter.get("schema").is_some_and(Value::is_object) {
                return reject(&[], "a parameter has no schema");
            }
            if parameter.get("style").is_some_and(|style| style != default_style) {
                return reject(&["style"], "this parameter style is not supported");
            }
            let schema = parameter.get("schema").unwrap_or(&Value::Null);
            if parameter.get("in").is_some_and(|place| place == "header")
                && matches!(kind(resolve_schema(self.document, schema)), Some("array" | "object"))
            {
                return reject(
                    &["schema"],
                    "a header that is a list or an object is not supported",
                );
            }
            if !arguments.insert(name.to_snake_case()) {
                return reject(
                    &["name"],
                    "the parameter has the same argument name as another parameter, or as the `body`",
                );
            }
        }
        self.template(&path_parameters)
    }

    /// Checks that the placeholders of a path are its path parameters.
    fn template(&self, parameters: &BTreeSet<&str>) -> Result<(), Error> {
        let mut named = BTreeSet::new();
        for (before, after) in self.path.match_indices('{').map(|(at, _)| self.path.split_at(at)) {
            let name = after.get(1..).and_then(|rest| Some(rest.split_once('}')?.0));
            let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(['{', '/']))
            else {
                return self
                    .reject(&[], format!("the path has an unclosed brace after `{before}`"));
            };
            if !named.insert(name) {
                return self.reject(&[], format!("the path has `{{{name}}}` twice"));
            }
            if !parameters.contains(name) {
                return self
                    .reject(&[], format!("the path has `{{{name}}}`, but no such path parameter"));
            }
        }
        match parameters.iter().find(|name| !named.contains(*name)) {
            Some(name) => self.reject(
                &["parameters"],
                format!("the path has no placeholder for the parameter `{name}`"),
            ),
            None => Ok(()),
        }
    }

    fn body(&self, operation: &Value) -> Result<(), Error> {
        let Some(body) = operation.get("requestBody") else { return Ok(()) };
        let pointer = below(&self.pointer, &["requestBody"]);
        let (pointer, body) = resolve(self.document, "requestBodies", pointer, body)?;
        if self.json(&pointer, body)?.is_some() {
            return Ok(());
        }
        match body.get("content").and_then(Value::as_object).and_then(|kinds| kinds.keys().next()) {
            Some(kind) => Err(self.error(
                below(&pointer, &["content", kind]),
                format!("a request body of `{kind}` is not supported"),
            )),
            None => Err(self.error(pointer, "a request body has no content")),
        }
    }

    /// Returns the JSON schema of a body, if the body may be JSON.
    fn json<'a>(&self, pointer: &str, body: &'a Value) -> Result<Option<&'a Value>, Error> {
        let Some(content) = body.get("content") else { return Ok(None) };
        let Some(media) = content.get(JSON) else { return Ok(None) };
        let reject =
            |tokens: &[&str], reason: &str| Err(self.error(below(pointer, tokens), reason));
        if media
            .get("encoding")
            .is_some_and(|encoding| encoding.as_object().is_none_or(|map| !map.is_empty()))
        {
            return reject(&["content", JSON, "encoding"], "an `encoding` is not supported");
        }
        match media.get("schema") {
            Some(schema) => Ok(Some(schema)),
            None => reject(&["content", JSON], "a JSON body has no schema"),
        }
    }

    /// Checks responses. A method has one return type, so all success responses must be equal.
    fn responses(&self, operation: &Value) -> Result<(), Error> {
        let Some(responses) = operation.get("responses").and_then(Value::as_object) else {
            return self.reject(&["responses"], "an operation has no responses");
        };
        let mut first: Option<(&String, Option<&Value>)> = None;
        for (status, response) in responses {
            let pointer = below(&self.pointer, &["responses", status]);
            let valid = match status.as_str() {
                "default" | "1XX" | "2XX" | "3XX" | "4XX" | "5XX" => true,
                code => code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit()),
            };
            if !valid {
                return self.reject(&["responses", status], "this is not a status code");
            }
            if !status.starts_with('2') {
                continue;
            }
            let (location, response) =
                resolve(self.document, "responses", pointer.clone(), response)?;
            if !response.is_object() {
                return Err(self.error(location, "a response must be an object"));
            }
            let schema = self.json(&location, response)?;
            match first {
                None => first = Some((status, schema)),
                Some((_, other)) if other == schema => {}
                Some((other, _)) => {
                    return Err(self.error(
                        pointer,
                        format!("the success responses {other} and {status} differ"),
                    ));
                }
            }
        }
        Ok(())
    }
}

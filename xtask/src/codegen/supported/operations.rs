//! Operations: parameters, bodies and replies.

use std::collections::{BTreeMap, BTreeSet};

use heck::ToSnakeCase as _;
use serde_json::Value;

use super::{below, resolved};
use crate::codegen::document::{Document, is_method};
use crate::codegen::error::Error;
use crate::codegen::lower::JSON;

/// Names that the client has for something else.
const RESERVED: [&str; 9] =
    ["new", "new_with_client", "api_version", "baseurl", "client", "inner", "pre", "post", "exec"];

pub(super) fn check(document: &Document) -> Result<(), Error> {
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    let paths = document.0.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if !is_method(method) {
                continue;
            }
            let place = Operation {
                document,
                pointer: below("", &["paths", path, method]),
                name: format!("{} {path}", method.to_uppercase()),
                path,
            };
            if !operation.is_object() {
                return place.refuse(&[], "an operation is no object");
            }
            place.id(operation, &mut ids)?;
            place.parameters(operation)?;
            place.body(operation)?;
            place.replies(operation)?;
        }
    }
    Ok(())
}

/// An operation, and where it is.
struct Operation<'a> {
    document: &'a Document,
    pointer: String,
    name: String,
    path: &'a str,
}

impl Operation<'_> {
    fn refuse<T>(&self, tokens: &[&str], reason: impl Into<String>) -> Result<T, Error> {
        Err(self.error(below(&self.pointer, tokens), reason))
    }

    fn error(&self, pointer: String, reason: impl Into<String>) -> Error {
        let help = format!("mend it, or leave the operation out: --select '!{}'", self.name);
        Error::at(pointer, reason, help)
    }

    fn id(&self, operation: &Value, ids: &mut BTreeMap<String, String>) -> Result<(), Error> {
        let id = match operation.get("operationId") {
            Some(Value::String(id)) => id,
            Some(_) => return self.refuse(&["operationId"], "an operation's id is no text"),
            None => return Ok(()),
        };
        // The generator writes an id as the name of a method.
        let method = id.replace(|letter: char| !letter.is_alphanumeric(), "_").to_snake_case();
        if !method.starts_with(|first: char| first.is_ascii_alphabetic()) || !method.is_ascii() {
            return self.refuse(&["operationId"], "an operation's id that is no name for a method");
        }
        if RESERVED.contains(&method.as_str()) {
            return self.refuse(
                &["operationId"],
                format!("the client's method `{method}` is something else"),
            );
        }
        if let Some(other) = ids.insert(method, self.name.clone()) {
            return self.refuse(&["operationId"], format!("the id is also that of {other}"));
        }
        Ok(())
    }

    fn parameters(&self, operation: &Value) -> Result<(), Error> {
        let mut within_path: BTreeSet<&str> = BTreeSet::new();
        let mut known: BTreeSet<String> = BTreeSet::from(["body".to_owned()]);
        let list = match operation.get("parameters") {
            None => &[],
            Some(Value::Array(list)) => list.as_slice(),
            Some(_) => return self.refuse(&["parameters"], "parameters are no list"),
        };
        for (index, parameter) in list.iter().enumerate() {
            let index = index.to_string();
            let pointer = below(&self.pointer, &["parameters", &index]);
            let (pointer, parameter) = resolved(self.document, "parameters", pointer, parameter)?;
            let refuse =
                |tokens: &[&str], reason: &str| Err(self.error(below(&pointer, tokens), reason));
            let Some(name) = parameter.get("name").and_then(Value::as_str) else {
                return refuse(&[], "a parameter has no name");
            };
            let required = parameter.get("required") == Some(&Value::Bool(true));
            let usual = match parameter.get("in").and_then(Value::as_str) {
                Some("path") if !required => {
                    return refuse(&[], "a parameter of the path is not `required: true`");
                }
                Some("path") => {
                    within_path.insert(name);
                    "simple"
                }
                Some("query") => "form",
                Some("header") => "simple",
                Some("cookie") => {
                    return refuse(&["in"], "parameters in cookies are not supported");
                }
                _ => return refuse(&["in"], "a parameter is in none of path, query and header"),
            };
            if parameter.get("content").is_some() {
                return refuse(
                    &["content"],
                    "a parameter with `content` instead of `schema` is not supported",
                );
            }
            if !parameter.get("schema").is_some_and(Value::is_object) {
                return refuse(&[], "a parameter has no schema");
            }
            if parameter.get("style").is_some_and(|style| style != usual) {
                return refuse(&["style"], "this style of a parameter is not supported");
            }
            if !known.insert(name.to_snake_case()) {
                return refuse(
                    &["name"],
                    "the parameter becomes an argument of the same name as another one, or as `body`",
                );
            }
        }
        self.template(&within_path)
    }

    /// What stands in braces in a path, and the parameters that go there.
    fn template(&self, parameters: &BTreeSet<&str>) -> Result<(), Error> {
        let mut named = BTreeSet::new();
        for (before, after) in self.path.match_indices('{').map(|(at, _)| self.path.split_at(at)) {
            let name = after.get(1..).and_then(|rest| Some(rest.split_once('}')?.0));
            let Some(name) = name.filter(|name| !name.is_empty() && !name.contains(['{', '/']))
            else {
                return self.refuse(&[], format!("the path has an open brace after `{before}`"));
            };
            if !named.insert(name) {
                return self.refuse(&[], format!("`{{{name}}}` is in the path twice"));
            }
            if !parameters.contains(name) {
                return self
                    .refuse(&[], format!("no parameter says what `{{{name}}}` in the path is"));
            }
        }
        match parameters.iter().find(|name| !named.contains(*name)) {
            Some(name) => self.refuse(
                &["parameters"],
                format!("the parameter `{name}` has no place in the path"),
            ),
            None => Ok(()),
        }
    }

    fn body(&self, operation: &Value) -> Result<(), Error> {
        let Some(body) = operation.get("requestBody") else { return Ok(()) };
        let pointer = below(&self.pointer, &["requestBody"]);
        let (pointer, body) = resolved(self.document, "requestBodies", pointer, body)?;
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

    /// The schema of a body's JSON, if it has any.
    fn json<'a>(&self, pointer: &str, body: &'a Value) -> Result<Option<&'a Value>, Error> {
        let Some(content) = body.get("content") else { return Ok(None) };
        let Some(media) = content.get(JSON) else { return Ok(None) };
        let refuse =
            |tokens: &[&str], reason: &str| Err(self.error(below(pointer, tokens), reason));
        if media
            .get("encoding")
            .is_some_and(|encoding| encoding.as_object().is_none_or(|map| !map.is_empty()))
        {
            return refuse(&["content", JSON, "encoding"], "an `encoding` is not supported");
        }
        match media.get("schema") {
            Some(schema) => Ok(Some(schema)),
            None => refuse(&["content", JSON], "a body of JSON has no schema"),
        }
    }

    /// A method gives one type: the replies of success have to be the same.
    fn replies(&self, operation: &Value) -> Result<(), Error> {
        let Some(replies) = operation.get("responses").and_then(Value::as_object) else {
            return self.refuse(&["responses"], "an operation has no responses");
        };
        let mut first: Option<(&String, Option<&Value>)> = None;
        for (status, reply) in replies {
            let pointer = below(&self.pointer, &["responses", status]);
            let number = match status.as_str() {
                "default" | "1XX" | "2XX" | "3XX" | "4XX" | "5XX" => true,
                code => code.len() == 3 && code.bytes().all(|digit| digit.is_ascii_digit()),
            };
            if !number {
                return self.refuse(&["responses", status], "this is no status of a reply");
            }
            if !status.starts_with('2') {
                continue;
            }
            let (place, reply) = resolved(self.document, "responses", pointer.clone(), reply)?;
            if !reply.is_object() {
                return Err(self.error(place, "a reply is no object"));
            }
            let schema = self.json(&place, reply)?;
            match first {
                None => first = Some((status, schema)),
                Some((_, other)) if other == schema => {}
                Some((other, _)) => {
                    return Err(self.error(
                        pointer,
                        format!("several replies of success, of which {status} is not the same as {other}"),
                    ));
                }
            }
        }
        Ok(())
    }
}

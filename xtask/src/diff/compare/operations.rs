//! Operations, their parameters, bodies and responses.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::change::{Breaks, ChangeKind};
use super::super::{keywords, security};
use super::{At, Comparison, Pair, entries};
use crate::codegen::document::{Document, is_true, reference, reference_to, rust_name};
use crate::codegen::select::path_shape;

impl<'a> Comparison<'a> {
    pub(in super::super) fn operations(&mut self) {
        let (old, new) = (operations(self.old), operations(self.new));
        for (key, (name, before)) in &old {
            if !new.contains_key(key) {
                self.start(name, operation_id(before));
                let removed = ChangeKind::of_type(Breaks::Always, "operation removed");
                self.record(At::request(""), removed);
            }
        }
        for (key, (name, after)) in &new {
            match old.get(key) {
                None => {
                    self.start(name, operation_id(after));
                    let added = ChangeKind::of_values(Breaks::Never, "operation added");
                    self.record(At::request(""), added);
                }
                Some((_, before)) => {
                    self.start(name, operation_id(before));
                    let ids = (operation_id(before).to_owned(), operation_id(after).to_owned());
                    self.found.operation_ids.insert(ids);
                    self.operation(before, after);
                }
            }
        }
    }

    fn operation(&mut self, before: &Value, after: &Value) {
        let (old, new) = (self.old, self.new);
        let deprecated = [before, after].map(|operation| is_true(operation, "deprecated"));
        if let Some(kind) = keywords::deprecation(deprecated) {
            self.record(At::request(""), kind);
        }
        // Most documents have one requirement for all operations.
        let pair = Some(("security".to_owned(), "security".to_owned()));
        self.inside_component(At::request(""), pair, |this| {
            for kind in security::changes([old, new], [before, after]) {
                this.record(At::request(""), kind);
            }
        });
        self.parameters(&parameters(old, before), &parameters(new, after));
        self.request_body([before.get("requestBody"), after.get("requestBody")]);
        self.responses(before, after);
    }

    fn request_body(&mut self, [before, after]: [Option<&Value>; 2]) {
        let at = At::request("request");
        self.inside_component(at, pair([before, after]), |this| {
            let (before, after) = (resolved(this.old, before), resolved(this.new, after));
            match (before.is_null(), after.is_null()) {
                (true, false) => {
                    let wire =
                        if is_true(after, "required") { Breaks::Always } else { Breaks::Never };
                    this.record(at, ChangeKind::of_type(wire, "request body added"));
                }
                (false, true) => {
                    this.record(at, ChangeKind::of_type(Breaks::Always, "request body removed"));
                }
                (true, true) => {}
                (false, false) => {
                    let required = [before, after].map(|body| is_true(body, "required"));
                    this.record_required(At::request("request body"), required);
                    this.contents(at, "Body", before, after);
                }
            }
        });
    }

    fn responses(&mut self, before: &Value, after: &Value) {
        let (old, new) = (self.old, self.new);
        let (before, after) = (entries(before, "responses"), entries(after, "responses"));
        let statuses: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for status in statuses {
            let location = format!("response {status}");
            let at = At::response(&location);
            let is_success = status.starts_with('2') || status == "default";
            match (before.get(status), after.get(status)) {
                (Some(before), Some(after)) => {
                    self.inside_component(at, pair([Some(before), Some(after)]), |this| {
                        let (before, after) = (old.resolved(before), new.resolved(after));
                        this.contents(at, "Response", before, after);
                    });
                }
                // The types of error responses are not part of the methods.
                (Some(before), None) => {
                    let shared = reference(before).map(|name| (name.to_owned(), String::new()));
                    self.inside_component(at, shared, |this| {
                        // A released program handles a status that no longer occurs.
                        let removed = ChangeKind {
                            in_code: is_success,
                            ..ChangeKind::of_values(Breaks::Never, "status removed")
                        };
                        this.record(at, removed);
                    });
                }
                (None, Some(after)) => {
                    let wire = if is_success { Breaks::Always } else { Breaks::Never };
                    let shared = reference(after).map(|name| (String::new(), name.to_owned()));
                    self.inside_component(at, shared, |this| {
                        let added = ChangeKind {
                            in_code: is_success,
                            ..ChangeKind::of_values(wire, "status added")
                        };
                        this.record(at, added);
                    });
                }
                (None, None) => {}
            }
        }
    }

    fn parameters(&mut self, before: &Parameters<'_>, after: &Parameters<'_>) {
        for location in before.keys().filter(|location| !after.contains_key(*location)) {
            let removed = ChangeKind::of_type(Breaks::Always, "parameter removed");
            self.record(At::request(location), removed);
        }
        for (location, (name, parameter)) in after {
            let (at, required) = (At::request(location), is_true(parameter, "required"));
            let Some((other_name, other)) = before.get(location) else {
                self.record(
                    at,
                    if required {
                        ChangeKind::of_type(Breaks::Always, "required parameter added")
                    } else {
                        ChangeKind::of_type(Breaks::Never, "parameter added")
                    },
                );
                continue;
            };
            let pair = other_name.zip(*name);
            let pair = pair.map(|(old, new)| (old.to_owned(), new.to_owned()));
            self.inside_component(at, pair, |this| {
                this.record_required(at, [is_true(other, "required"), required]);
                let schemas = [*other, *parameter].map(|parameter| parameter.get("schema"));
                let [old, new] = schemas.map(|schema| schema.unwrap_or(&Value::Null));
                for kind in keywords::annotations([other, old], [parameter, new]) {
                    this.record(at, kind);
                }
                this.schemas(at, old, new, required);
            });
        }
    }

    /// Compares bodies by media type. Types of inline objects are named after the operation, with a
    /// suffix.
    fn contents(&mut self, at: At<'_>, suffix: &str, before: &Value, after: &Value) {
        let (before, after) = (entries(before, "content"), entries(after, "content"));
        for kind in before.keys().filter(|kind| !after.contains_key(*kind)) {
            self.record(at, ChangeKind::of_type(Breaks::Always, format!("`{kind}` removed")));
        }
        let type_name = format!("{}{suffix}", rust_name(&self.operation_id));
        for (kind, media) in &after {
            let Some(other) = before.get(kind) else {
                let wire = if before.is_empty() { Breaks::InResponses } else { Breaks::Never };
                self.record(at, ChangeKind::of_type(wire, format!("`{kind}` added")));
                continue;
            };
            if let (Some(old), Some(new)) = (other.get("schema"), media.get("schema")) {
                self.schemas(At { type_name: Some(&type_name), ..at }, old, new, true);
            }
        }
    }

    /// Compares the events of streams, which are the unions with these names. Operations need not
    /// refer to them.
    pub(in super::super) fn events(&mut self, old: Option<String>, new: Option<String>) {
        self.start("stream events", "");
        let type_name = old.as_deref().map(rust_name);
        let at = At { type_name: type_name.as_deref(), ..At::response("") };
        match (old, new) {
            (Some(old), Some(new)) => {
                let [old, new] = [old, new].map(|name| reference_to(&name));
                self.schemas(At::response("event"), &old, &new, true);
            }
            (Some(_), None) => {
                self.record(at, ChangeKind::of_type(Breaks::Always, "events removed"));
            }
            (None, Some(_)) => {
                self.record(at, ChangeKind::of_values(Breaks::Never, "events added"));
            }
            (None, None) => {}
        }
    }
}

/// The parameters of an operation, and the components that they are, by location. Those in the path
/// are matched by position, since their names are not sent.
type Parameters<'a> = BTreeMap<String, (Option<&'a str>, &'a Value)>;

fn parameters<'a>(document: &'a Document, operation: &'a Value) -> Parameters<'a> {
    let list = operation.get("parameters").and_then(Value::as_array);
    let located = list.into_iter().flatten().filter_map(|parameter| {
        let component = reference(parameter);
        let parameter = document.resolved(parameter);
        let kind = parameter.get("in")?.as_str().filter(|kind| *kind != "path")?;
        let name = parameter.get("name")?.as_str()?;
        Some((format!("{kind} parameter `{name}`"), (component, parameter)))
    });
    located.collect()
}

/// Returns the operations by path and method, with the name to show.
fn operations(document: &Document) -> BTreeMap<(String, String), (String, &Value)> {
    let operations = document.operations().map(|(path, method, operation)| {
        let name = format!("{} {path}", method.to_uppercase());
        ((path_shape(path), method.to_owned()), (name, operation))
    });
    operations.collect()
}

fn operation_id(operation: &Value) -> &str {
    operation.get("operationId").and_then(Value::as_str).unwrap_or_default()
}

/// Returns the names of two components that are not schemas, if both values refer to one.
fn pair([old, new]: [Option<&Value>; 2]) -> Option<Pair> {
    let [old, new] = [old, new].map(|value| value.and_then(reference));
    Some((old?.to_owned(), new?.to_owned()))
}

/// Resolves a reference object. Returns null if there is no value.
fn resolved<'a>(document: &'a Document, value: Option<&'a Value>) -> &'a Value {
    value.map_or(&Value::Null, |value| document.resolved(value))
}

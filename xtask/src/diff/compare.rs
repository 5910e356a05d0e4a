//! Compares two documents. Operations are matched by path, properties by name and alternatives by
//! discriminator, but never by the names of components.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::alternatives::{self, Alternatives};
use super::change::{Change, ChangeKind, Direction};
use super::limits;
use crate::codegen::document::{Document, target};
use crate::codegen::lower::OPEN;
use crate::codegen::select::path_shape;

/// A comparison in progress.
pub(super) struct Comparison<'a> {
    old: &'a Document,
    new: &'a Document,
    changes: Vec<Change>,
    /// The index in `changes` of each change inside a shared schema.
    shared: BTreeMap<(Shared, String, Direction, ChangeKind), usize>,
    /// Pairs of components that were compared for the current operation, by direction.
    compared: BTreeSet<(String, String, Direction)>,
    operation: String,
    /// The innermost pair of components that is being compared, and the length of its location.
    component: Option<(Shared, usize)>,
}

/// The names of a component in the old document and in the new one.
type Shared = (String, String);

impl<'a> Comparison<'a> {
    pub(super) fn new(old: &'a Document, new: &'a Document) -> Self {
        Self {
            old,
            new,
            changes: Vec::new(),
            shared: BTreeMap::new(),
            compared: BTreeSet::new(),
            operation: String::new(),
            component: None,
        }
    }

    /// Returns the changes, in the order of the operations.
    pub(super) fn changes(self) -> Vec<Change> {
        self.changes
    }

    /// Records a change. A change inside a schema that operations share is recorded once, for the
    /// first of them, with the names of the others.
    fn record(&mut self, location: &str, direction: Direction, kind: ChangeKind) {
        if let Some((shared, length)) = &self.component {
            let rest = location.get(*length..).unwrap_or_default().to_owned();
            let key = (shared.clone(), rest, direction, kind.clone());
            let next = self.changes.len();
            let first = *self.shared.entry(key).or_insert(next);
            if let Some(change) = self.changes.get_mut(first) {
                if change.operation != self.operation && !change.also.contains(&self.operation) {
                    change.also.push(self.operation.clone());
                }
                return;
            }
        }
        let (operation, location) = (self.operation.clone(), location.to_owned());
        self.changes.push(Change { operation, location, direction, kind, also: Vec::new() });
    }

    fn start(&mut self, operation: &str) {
        operation.clone_into(&mut self.operation);
        self.compared.clear();
    }

    pub(super) fn operations(&mut self) {
        let (old, new) = (operations(self.old), operations(self.new));
        for (key, (name, _)) in &old {
            if !new.contains_key(key) {
                self.start(name);
                self.record("", Direction::Request, ChangeKind::OperationRemoved);
            }
        }
        for (key, (name, after)) in &new {
            self.start(name);
            match old.get(key) {
                None => self.record("", Direction::Request, ChangeKind::OperationAdded),
                Some((_, before)) => self.operation(before, after),
            }
        }
    }

    fn operation(&mut self, before: &Value, after: &Value) {
        let (old, new) = (self.old, self.new);
        self.parameters(&parameters(old, before), &parameters(new, after));
        let (body_before, body_after) =
            (resolved(old, before.get("requestBody")), resolved(new, after.get("requestBody")));
        let required = |body: &Value| body.get("required") == Some(&Value::Bool(true));
        match (required(body_before), required(body_after)) {
            (false, true) if !body_before.is_null() => {
                self.record("request body", Direction::Request, ChangeKind::Required);
            }
            (true, false) if !body_after.is_null() => {
                self.record("request body", Direction::Request, ChangeKind::Optional);
            }
            _ => {}
        }
        self.contents("request", Direction::Request, body_before, body_after);
        let (before, after) = (responses_of(before), responses_of(after));
        let statuses: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for status in statuses.into_iter().filter(|status| status.starts_with('2')) {
            let (before, after) =
                (resolved(old, before.get(status)), resolved(new, after.get(status)));
            self.contents(&format!("response {status}"), Direction::Response, before, after);
        }
    }

    fn parameters(&mut self, before: &Parameters<'_>, after: &Parameters<'_>) {
        let location = |key: &(String, String)| format!("{} parameter `{}`", key.0, key.1);
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            self.record(&location(key), Direction::Request, ChangeKind::ParameterRemoved);
        }
        for (key, parameter) in after {
            let required =
                |parameter: &Value| parameter.get("required") == Some(&Value::Bool(true));
            let Some(other) = before.get(key) else {
                let kind = ChangeKind::ParameterAdded { required: required(parameter) };
                self.record(&location(key), Direction::Request, kind);
                continue;
            };
            match (required(other), required(parameter)) {
                (false, true) => {
                    self.record(&location(key), Direction::Request, ChangeKind::Required)
                }
                (true, false) => {
                    self.record(&location(key), Direction::Request, ChangeKind::Optional)
                }
                _ => {}
            }
            if let (Some(old), Some(new)) = (other.get("schema"), parameter.get("schema")) {
                self.schemas(&location(key), Direction::Request, old, new, required(parameter));
            }
        }
    }

    fn contents(&mut self, location: &str, direction: Direction, before: &Value, after: &Value) {
        let media_types = |body: &Value| {
            body.get("content").and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let (before, after) = (media_types(before), media_types(after));
        for kind in before.keys().filter(|kind| !after.contains_key(*kind)) {
            self.record(location, direction, ChangeKind::ContentRemoved(kind.clone()));
        }
        for (kind, media) in &after {
            match before.get(kind) {
                None => self.record(location, direction, ChangeKind::ContentAdded(kind.clone())),
                Some(other) => {
                    if let (Some(old), Some(new)) = (other.get("schema"), media.get("schema")) {
                        self.schemas(location, direction, old, new, true);
                    }
                }
            }
        }
    }

    /// Compares the events of streams. Operations need not refer to them.
    pub(super) fn events(&mut self, old: Option<&'a Value>, new: Option<&'a Value>) {
        self.start("stream events");
        match (old, new) {
            (Some(old), Some(new)) => self.schemas("event", Direction::Response, old, new, true),
            (Some(_), None) => self.record("", Direction::Response, ChangeKind::EventsRemoved),
            (None, Some(_)) => self.record("", Direction::Response, ChangeKind::EventsAdded),
            (None, None) => {}
        }
    }

    fn schemas(
        &mut self,
        location: &str,
        direction: Direction,
        before: &Value,
        after: &Value,
        required: bool,
    ) {
        let nullable = |schema: &Value| schema.get("nullable") == Some(&Value::Bool(true));
        match (nullable(before), nullable(after)) {
            (false, true) => self.record(location, direction, ChangeKind::Nullable { required }),
            (true, false) => self.record(location, direction, ChangeKind::NotNullable { required }),
            _ => {}
        }
        self.compare_types(location, direction, before, after);
    }

    /// Compares schemas except for `nullable`.
    fn compare_types(
        &mut self,
        location: &str,
        direction: Direction,
        before: &Value,
        after: &Value,
    ) {
        let names = match (target(before), target(after)) {
            (Some(old), Some(new)) => Some((old.to_owned(), new.to_owned())),
            _ => None,
        };
        self.compare_named_schemas(location, direction, names, before, after);
    }

    /// Compares schemas that may be components. A pair of components is compared once.
    fn compare_named_schemas(
        &mut self,
        location: &str,
        direction: Direction,
        names: Option<Shared>,
        before: &Value,
        after: &Value,
    ) {
        let Some(names) = names else {
            return self.compare_contents(location, direction, before, after);
        };
        if self.compared.insert((names.0.clone(), names.1.clone(), direction)) {
            let outer = self.component.replace((names, location.len()));
            self.compare_contents(location, direction, before, after);
            self.component = outer;
        }
    }

    fn compare_contents(
        &mut self,
        location: &str,
        direction: Direction,
        before: &Value,
        after: &Value,
    ) {
        let (old, new) = (resolve_schema(self.old, before), resolve_schema(self.new, after));
        for kind in limits::changes(old, new) {
            self.record(location, direction, kind);
        }
        let (before, after) =
            (Alternatives::of(self.old, before), Alternatives::of(self.new, after));
        if before.is_union() || after.is_union() {
            self.unions(location, direction, &before, &after);
            return;
        }
        let kinds = (alternatives::kind(old), alternatives::kind(new));
        if let (Some(from), Some(to)) = kinds
            && from != to
        {
            let (from, to) = (from.to_owned(), to.to_owned());
            self.record(location, direction, ChangeKind::Type { from, to });
            return;
        }
        self.values(location, direction, old, new);
        self.properties(location, direction, old, new);
        if let (Some(old), Some(new)) = (old.get("items"), new.get("items")) {
            self.schemas(&format!("{location}[]"), direction, old, new, true);
        }
        if let (Some(old), Some(new)) = (values_schema(old), values_schema(new)) {
            self.schemas(&format!("{location}{{}}"), direction, old, new, true);
        }
    }

    /// Compares the alternatives with the same discriminator. A schema that is not a union counts
    /// as a union of one.
    fn unions(
        &mut self,
        location: &str,
        direction: Direction,
        before: &Alternatives<'_>,
        after: &Alternatives<'_>,
    ) {
        match (before.keys().count() > 1, after.keys().count() > 1) {
            (false, true) => self.record(location, direction, ChangeKind::BecameUnion),
            (true, false) => self.record(location, direction, ChangeKind::NoLongerUnion),
            _ => {}
        }
        for key in before.keys().filter(|key| !after.has(key)) {
            self.record(location, direction, ChangeKind::VariantRemoved(key.clone()));
        }
        for (key, new) in after.iter() {
            match before.get(key) {
                None => self.record(location, direction, ChangeKind::VariantAdded(key.clone())),
                Some(old) => {
                    let inner = format!("{location}<{key}>");
                    let names = match (old.component, new.component) {
                        (Some(old), Some(new)) => Some((old.to_owned(), new.to_owned())),
                        _ => None,
                    };
                    self.compare_named_schemas(&inner, direction, names, old.schema, new.schema);
                }
            }
        }
    }

    fn values(&mut self, location: &str, direction: Direction, old: &Value, new: &Value) {
        let values = |schema: &Value| -> Option<Vec<String>> {
            let values = schema.get("enum")?.as_array()?;
            Some(
                values
                    .iter()
                    .map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
                    .collect(),
            )
        };
        let open = |schema: &Value| schema.get("enum").is_none() || schema.get(OPEN).is_some();
        let without = |from: &[String], of: &[String]| -> Vec<String> {
            from.iter().filter(|value| !of.contains(value)).cloned().collect()
        };
        match (values(old), values(new)) {
            (Some(before), Some(after)) => {
                let (removed, added) = (without(&before, &after), without(&after, &before));
                if !removed.is_empty() {
                    self.record(
                        location,
                        direction,
                        ChangeKind::ValuesRemoved { values: removed, open: open(new) },
                    );
                }
                if !added.is_empty() {
                    self.record(location, direction, ChangeKind::ValuesAdded(added));
                }
                match (open(old), open(new)) {
                    (true, false) => self.record(location, direction, ChangeKind::ValuesClosed),
                    (false, true) => self.record(location, direction, ChangeKind::ValuesOpened),
                    _ => {}
                }
            }
            (None, Some(values)) => {
                self.record(
                    location,
                    direction,
                    ChangeKind::ValuesListed { values, open: open(new) },
                );
            }
            (Some(_), None) => self.record(location, direction, ChangeKind::ValuesNoLongerListed),
            (None, None) => {}
        }
    }

    fn properties(&mut self, location: &str, direction: Direction, old: &Value, new: &Value) {
        let properties = |schema: &Value| {
            schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let (before, after): (Map<String, Value>, Map<String, Value>) =
            (properties(old), properties(new));
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.record(&format!("{location} .{name}"), direction, ChangeKind::PropertyRemoved);
        }
        for (name, property) in &after {
            let inner = format!("{location} .{name}");
            let Some(other) = before.get(name) else {
                let kind = ChangeKind::PropertyAdded { required: is_required(new, name) };
                self.record(&inner, direction, kind);
                continue;
            };
            let required = is_required(new, name);
            match (is_required(old, name), required) {
                (false, true) => self.record(&inner, direction, ChangeKind::Required),
                (true, false) => self.record(&inner, direction, ChangeKind::Optional),
                _ => {}
            }
            self.schemas(&inner, direction, other, property, required);
        }
    }
}

type Parameters<'a> = BTreeMap<(String, String), &'a Value>;

/// Returns the query and header parameters of an operation, by location and name.
fn parameters<'a>(document: &'a Document, operation: &'a Value) -> Parameters<'a> {
    let list = operation.get("parameters").and_then(Value::as_array);
    let resolved = list.into_iter().flatten().map(|parameter| resolved(document, Some(parameter)));
    resolved
        .filter_map(|parameter| {
            let location = parameter.get("in")?.as_str().filter(|location| *location != "path")?;
            Some(((location.to_owned(), parameter.get("name")?.as_str()?.to_owned()), parameter))
        })
        .collect()
}

/// Returns the operations by path and method, with the name to show.
fn operations(document: &Document) -> BTreeMap<(String, String), (String, &Value)> {
    let operations = document.operations().map(|(path, method, operation)| {
        let name = format!("{} {path}", method.to_uppercase());
        ((path_shape(path), method.to_owned()), (name, operation))
    });
    operations.collect()
}

fn responses_of(operation: &Value) -> Map<String, Value> {
    operation.get("responses").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Resolves a reference object. Returns null if there is no value.
fn resolved<'a>(document: &'a Document, value: Option<&'a Value>) -> &'a Value {
    value.map_or(&Value::Null, |value| document.resolved(value))
}

/// Resolves a schema that is a reference to a component.
pub(super) fn resolve_schema<'a>(document: &'a Document, schema: &'a Value) -> &'a Value {
    target(schema).and_then(|name| document.schema(name)).unwrap_or(schema)
}

fn values_schema(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|inner| inner.is_object())
}

fn is_required(schema: &Value, name: &str) -> bool {
    let names = schema.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|required| required == name))
}

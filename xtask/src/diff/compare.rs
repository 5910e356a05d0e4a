//! Compares two documents. Operations are matched by path, properties by name and alternatives by
//! discriminator, but never by the names of components.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::alternatives::Alternatives;
use super::change::{Breaks, Change, ChangeKind, Direction, Effect};
use super::limits;
use crate::codegen::document::{Document, is_required, is_true, kind, resolve_schema, target};
use crate::codegen::lower::OPEN;
use crate::codegen::select::path_shape;

/// A comparison in progress.
pub(super) struct Comparison<'a> {
    old: &'a Document,
    new: &'a Document,
    changes: Vec<Change>,
    /// The index in `changes` of each change inside a shared schema, by location inside it and
    /// description.
    shared: BTreeMap<(Shared, String, Direction, String), usize>,
    /// Pairs of components that were compared for the current operation, by direction.
    compared: BTreeSet<(Shared, Direction)>,
    operation: String,
    /// The innermost pair of components that is being compared, and the length of its location.
    component: Option<(Shared, usize)>,
}

/// The names of a component in the old document and in the new one.
type Shared = (String, String);

/// The location of a value in an operation, and the direction in which it is sent.
#[derive(Clone, Copy)]
struct At<'a> {
    location: &'a str,
    direction: Direction,
}

const fn request(location: &str) -> At<'_> {
    At { location, direction: Direction::Request }
}

const fn response(location: &str) -> At<'_> {
    At { location, direction: Direction::Response }
}

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
    fn record(&mut self, at: At<'_>, kind: ChangeKind) {
        let ChangeKind { callers, wire, text } = kind;
        if let Some((shared, length)) = &self.component {
            let rest = at.location.get(*length..).unwrap_or_default().to_owned();
            let key = (shared.clone(), rest, at.direction, text.clone());
            let next = self.changes.len();
            let first = *self.shared.entry(key).or_insert(next);
            if let Some(change) = self.changes.get_mut(first) {
                if change.operation != self.operation && !change.also.contains(&self.operation) {
                    change.also.push(self.operation.clone());
                }
                return;
            }
        }
        self.changes.push(Change {
            operation: self.operation.clone(),
            location: at.location.to_owned(),
            text,
            callers: Effect::new(callers, at.direction),
            wire: Effect::new(wire, at.direction),
            also: Vec::new(),
        });
    }

    /// Records `on` if a property of a schema has become true, and `off` if it no longer is.
    fn record_toggle(
        &mut self,
        at: At<'_>,
        [old, new]: [bool; 2],
        on: (Breaks, Breaks, &str),
        off: (Breaks, Breaks, &str),
    ) {
        if old != new {
            let (callers, wire, text) = if new { on } else { off };
            self.record(at, ChangeKind::new(callers, wire, text));
        }
    }

    fn record_required(&mut self, at: At<'_>, required: [bool; 2]) {
        self.record_toggle(
            at,
            required,
            (Breaks::Always, Breaks::InRequests, "required now"),
            (Breaks::Always, Breaks::InResponses, "optional now"),
        );
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
                self.record(request(""), ChangeKind::breaking("operation removed"));
            }
        }
        for (key, (name, after)) in &new {
            self.start(name);
            match old.get(key) {
                None => self.record(request(""), ChangeKind::compatible("operation added")),
                Some((_, before)) => self.operation(before, after),
            }
        }
    }

    fn operation(&mut self, before: &Value, after: &Value) {
        let (old, new) = (self.old, self.new);
        self.parameters(&parameters(old, before), &parameters(new, after));
        let (body_before, body_after) =
            (resolved(old, before.get("requestBody")), resolved(new, after.get("requestBody")));
        if !body_before.is_null() && !body_after.is_null() {
            let required = [body_before, body_after].map(|body| is_true(body, "required"));
            self.record_required(request("request body"), required);
        }
        self.contents(request("request"), body_before, body_after);
        let (before, after) = (entries(before, "responses"), entries(after, "responses"));
        let statuses: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for status in statuses.into_iter().filter(|status| status.starts_with('2')) {
            let (before, after) =
                (resolved(old, before.get(status)), resolved(new, after.get(status)));
            self.contents(response(&format!("response {status}")), before, after);
        }
    }

    fn parameters(&mut self, before: &Parameters<'_>, after: &Parameters<'_>) {
        for location in before.keys().filter(|location| !after.contains_key(*location)) {
            self.record(request(location), ChangeKind::breaking("parameter removed"));
        }
        for (location, parameter) in after {
            let (at, required) = (request(location), is_true(parameter, "required"));
            let Some(other) = before.get(location) else {
                self.record(
                    at,
                    if required {
                        ChangeKind::breaking("required parameter added")
                    } else {
                        ChangeKind::new(Breaks::Always, Breaks::Never, "parameter added")
                    },
                );
                continue;
            };
            self.record_required(at, [is_true(other, "required"), required]);
            if let (Some(old), Some(new)) = (other.get("schema"), parameter.get("schema")) {
                self.schemas(at, old, new, required);
            }
        }
    }

    fn contents(&mut self, at: At<'_>, before: &Value, after: &Value) {
        let (before, after) = (entries(before, "content"), entries(after, "content"));
        for kind in before.keys().filter(|kind| !after.contains_key(*kind)) {
            self.record(at, ChangeKind::breaking(format!("`{kind}` removed")));
        }
        for (kind, media) in &after {
            let Some(other) = before.get(kind) else {
                self.record(at, ChangeKind::compatible(format!("`{kind}` added")));
                continue;
            };
            if let (Some(old), Some(new)) = (other.get("schema"), media.get("schema")) {
                self.schemas(at, old, new, true);
            }
        }
    }

    /// Compares the events of streams. Operations need not refer to them.
    pub(super) fn events(&mut self, old: Option<&'a Value>, new: Option<&'a Value>) {
        self.start("stream events");
        match (old, new) {
            (Some(old), Some(new)) => self.schemas(response("event"), old, new, true),
            (Some(_), None) => self.record(response(""), ChangeKind::breaking("events removed")),
            (None, Some(_)) => self.record(response(""), ChangeKind::compatible("events added")),
            (None, None) => {}
        }
    }

    fn schemas(&mut self, at: At<'_>, before: &Value, after: &Value, required: bool) {
        // The type of an optional field in a response is the same with null and without.
        let callers = if required { Breaks::Always } else { Breaks::InRequests };
        let wire = if required { Breaks::InResponses } else { Breaks::Never };
        self.record_toggle(
            at,
            [before, after].map(|schema| is_true(schema, "nullable")),
            (callers, wire, "may be null now"),
            (callers, Breaks::InRequests, "may no longer be null"),
        );
        self.compare_types(at, [target(before), target(after)], before, after);
    }

    /// Compares schemas, which may be components, except for `nullable`. A pair of components is
    /// compared once.
    fn compare_types(
        &mut self,
        at: At<'_>,
        components: [Option<&str>; 2],
        before: &Value,
        after: &Value,
    ) {
        let [Some(old), Some(new)] = components else {
            return self.compare_contents(at, before, after);
        };
        let names = (old.to_owned(), new.to_owned());
        if self.compared.insert((names.clone(), at.direction)) {
            let outer = self.component.replace((names, at.location.len()));
            self.compare_contents(at, before, after);
            self.component = outer;
        }
    }

    fn compare_contents(&mut self, at: At<'_>, before: &Value, after: &Value) {
        let (old, new) = (resolve_schema(self.old, before), resolve_schema(self.new, after));
        for kind in limits::changes(old, new) {
            self.record(at, kind);
        }
        let (before, after) =
            (Alternatives::of(self.old, before), Alternatives::of(self.new, after));
        if before.is_union || after.is_union {
            self.unions(at, &before, &after);
            return;
        }
        if let (Some(from), Some(to)) = (kind(old), kind(new))
            && from != to
        {
            let wire = match (from, to) {
                ("integer", "number") => Breaks::InResponses,
                ("number", "integer") => Breaks::InRequests,
                _ => Breaks::Always,
            };
            let text = format!("type changed from {from} to {to}");
            self.record(at, ChangeKind::new(Breaks::Always, wire, text));
            return;
        }
        self.values(at, old, new);
        self.properties(at, old, new);
        for (keyword, suffix) in [("items", "[]"), ("additionalProperties", "{}")] {
            let [old, new] = [old, new].map(|schema| schema.get(keyword));
            if let (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) = (old, new) {
                let location = format!("{}{suffix}", at.location);
                self.schemas(At { location: &location, ..at }, old, new, true);
            }
        }
    }

    /// Compares the alternatives with the same discriminator. A schema that is not a union counts
    /// as a union of one.
    fn unions(&mut self, at: At<'_>, before: &Alternatives<'_>, after: &Alternatives<'_>) {
        self.record_toggle(
            at,
            [before, after].map(|alternatives| alternatives.keys().count() > 1),
            (Breaks::Always, Breaks::InResponses, "became a union"),
            (Breaks::Always, Breaks::Never, "no longer a union"),
        );
        for key in before.keys().filter(|key| after.get(key).is_none()) {
            let text = format!("alternative removed: `{key}`");
            self.record(at, ChangeKind::new(Breaks::Always, Breaks::InRequests, text));
        }
        for (key, new) in after.iter() {
            let Some(old) = before.get(key) else {
                self.record(at, ChangeKind::compatible(format!("alternative added: `{key}`")));
                continue;
            };
            let location = format!("{}<{key}>", at.location);
            let components = [old.component, new.component];
            let at = At { location: &location, ..at };
            self.compare_types(at, components, old.schema, new.schema);
        }
    }

    fn values(&mut self, at: At<'_>, old: &Value, new: &Value) {
        // Other values than the listed ones may be valid, too.
        let [was_open, is_open] =
            [old, new].map(|schema| schema.get("enum").is_none() || schema.get(OPEN).is_some());
        let fewer = if is_open { Breaks::Never } else { Breaks::InRequests };
        let (before, after) = match (values(old), values(new)) {
            (Some(before), Some(after)) => (before, after),
            (None, Some(values)) => {
                let change = if is_open {
                    "values listed, other values still allowed"
                } else {
                    "string became an enum"
                };
                let text = format!("{change}: {}", join_names(&values));
                return self.record(at, ChangeKind::new(Breaks::Always, fewer, text));
            }
            (Some(_), None) => {
                let text = "enum became a string";
                return self.record(at, ChangeKind::new(Breaks::Always, Breaks::Never, text));
            }
            (None, None) => return,
        };
        let without = |from: &[String], of: &[String]| -> Vec<String> {
            from.iter().filter(|value| !of.contains(value)).cloned().collect()
        };
        let (removed, added) = (without(&before, &after), without(&after, &before));
        if !removed.is_empty() {
            let text = format!("values removed: {}", join_names(&removed));
            self.record(at, ChangeKind::new(Breaks::Always, fewer, text));
        }
        if !added.is_empty() {
            let text = format!("values added: {}", join_names(&added));
            self.record(at, ChangeKind::compatible(text));
        }
        self.record_toggle(
            at,
            [was_open, is_open],
            (Breaks::Always, Breaks::Never, "allows other values now"),
            (Breaks::Always, Breaks::InRequests, "no longer allows other values"),
        );
    }

    fn properties(&mut self, at: At<'_>, old: &Value, new: &Value) {
        let (before, after) = (entries(old, "properties"), entries(new, "properties"));
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            let location = format!("{} .{name}", at.location);
            let at = At { location: &location, ..at };
            self.record(at, ChangeKind::breaking("property removed"));
        }
        for (name, property) in &after {
            let location = format!("{} .{name}", at.location);
            let at = At { location: &location, ..at };
            let required = is_required(new, name);
            match before.get(name) {
                Some(other) => {
                    self.record_required(at, [is_required(old, name), required]);
                    self.schemas(at, other, property, required);
                }
                None if required => {
                    let (callers, wire) = (Breaks::InRequests, Breaks::InRequests);
                    self.record(at, ChangeKind::new(callers, wire, "required property added"));
                }
                None => self.record(at, ChangeKind::compatible("property added")),
            }
        }
    }
}

/// The query and header parameters of an operation, by location.
type Parameters<'a> = BTreeMap<String, &'a Value>;

fn parameters<'a>(document: &'a Document, operation: &'a Value) -> Parameters<'a> {
    let list = operation.get("parameters").and_then(Value::as_array);
    let resolved = list.into_iter().flatten().map(|parameter| document.resolved(parameter));
    let located = resolved.filter_map(|parameter| {
        let kind = parameter.get("in")?.as_str().filter(|kind| *kind != "path")?;
        let name = parameter.get("name")?.as_str()?;
        Some((format!("{kind} parameter `{name}`"), parameter))
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

/// Returns the entries of an object inside a value.
fn entries(value: &Value, key: &str) -> Map<String, Value> {
    value.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Returns the listed values of a schema.
fn values(schema: &Value) -> Option<Vec<String>> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Some(schema.get("enum")?.as_array()?.iter().map(text).collect())
}

/// Formats a list of names. Long lists are truncated.
fn join_names(names: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown: Vec<String> = names.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

/// Resolves a reference object. Returns null if there is no value.
fn resolved<'a>(document: &'a Document, value: Option<&'a Value>) -> &'a Value {
    value.map_or(&Value::Null, |value| document.resolved(value))
}

//! Walks through two documents side by side. What belongs together is found by path, by name of
//! property and by tag, never by the names of components.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::change::{Change, Direction, What};
use super::limits;
use super::variants::{self, Variants};
use crate::codegen::document::{Document, is_method, target};
use crate::codegen::lower::OPEN;
use crate::codegen::select::shape;

/// Two documents on their way through the comparison.
pub(super) struct Comparison<'a> {
    old: &'a Document,
    new: &'a Document,
    changes: Vec<Change>,
    /// Where in `changes` each change within a shared schema is, by the schema.
    shared: BTreeMap<(Shared, String, Direction, What), usize>,
    /// Pairs of components that were compared in this operation already, for each direction.
    seen: BTreeSet<(String, String, Direction)>,
    operation: String,
    /// The innermost pair of components that is being compared, and how long the place of it is.
    within: Option<(Shared, usize)>,
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
            seen: BTreeSet::new(),
            operation: String::new(),
            within: None,
        }
    }

    /// What was found, in the order of the operations.
    pub(super) fn changes(self) -> Vec<Change> {
        self.changes
    }

    /// A change within a schema that operations share is told once, under the first of them, and
    /// names the others.
    fn say(&mut self, place: &str, direction: Direction, what: What) {
        if let Some((shared, length)) = &self.within {
            let rest = place.get(*length..).unwrap_or_default().to_owned();
            let key = (shared.clone(), rest, direction, what.clone());
            let next = self.changes.len();
            let first = *self.shared.entry(key).or_insert(next);
            if let Some(change) = self.changes.get_mut(first) {
                if change.operation != self.operation && !change.also.contains(&self.operation) {
                    change.also.push(self.operation.clone());
                }
                return;
            }
        }
        let (operation, place) = (self.operation.clone(), place.to_owned());
        self.changes.push(Change { operation, place, direction, what, also: Vec::new() });
    }

    fn begin(&mut self, operation: &str) {
        operation.clone_into(&mut self.operation);
        self.seen.clear();
    }

    pub(super) fn operations(&mut self) {
        let (old, new) = (operations(self.old), operations(self.new));
        for (key, (name, _)) in &old {
            if !new.contains_key(key) {
                self.begin(name);
                self.say("", Direction::Request, What::OperationRemoved);
            }
        }
        for (key, (name, after)) in &new {
            self.begin(name);
            match old.get(key) {
                None => self.say("", Direction::Request, What::OperationAdded),
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
                self.say("request body", Direction::Request, What::Required);
            }
            (true, false) if !body_after.is_null() => {
                self.say("request body", Direction::Request, What::Optional);
            }
            _ => {}
        }
        self.contents("request", Direction::Request, body_before, body_after);
        let (before, after) = (replies_of(before), replies_of(after));
        let statuses: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for status in statuses.into_iter().filter(|status| status.starts_with('2')) {
            let (before, after) =
                (resolved(old, before.get(status)), resolved(new, after.get(status)));
            self.contents(&format!("reply {status}"), Direction::Reply, before, after);
        }
    }

    fn parameters(&mut self, before: &Parameters<'_>, after: &Parameters<'_>) {
        let place = |key: &(String, String)| format!("{} parameter `{}`", key.0, key.1);
        for key in before.keys().filter(|key| !after.contains_key(*key)) {
            self.say(&place(key), Direction::Request, What::ParameterRemoved);
        }
        for (key, parameter) in after {
            let required =
                |parameter: &Value| parameter.get("required") == Some(&Value::Bool(true));
            let Some(other) = before.get(key) else {
                let what = What::ParameterAdded { required: required(parameter) };
                self.say(&place(key), Direction::Request, what);
                continue;
            };
            match (required(other), required(parameter)) {
                (false, true) => self.say(&place(key), Direction::Request, What::Required),
                (true, false) => self.say(&place(key), Direction::Request, What::Optional),
                _ => {}
            }
            if let (Some(old), Some(new)) = (other.get("schema"), parameter.get("schema")) {
                self.schemas(&place(key), Direction::Request, old, new, required(parameter));
            }
        }
    }

    fn contents(&mut self, place: &str, direction: Direction, before: &Value, after: &Value) {
        let kinds = |body: &Value| {
            body.get("content").and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let (before, after) = (kinds(before), kinds(after));
        for kind in before.keys().filter(|kind| !after.contains_key(*kind)) {
            self.say(place, direction, What::ContentRemoved(kind.clone()));
        }
        for (kind, media) in &after {
            match before.get(kind) {
                None => self.say(place, direction, What::ContentAdded(kind.clone())),
                Some(other) => {
                    if let (Some(old), Some(new)) = (other.get("schema"), media.get("schema")) {
                        self.schemas(place, direction, old, new, true);
                    }
                }
            }
        }
    }

    /// Compares the events of streams, which operations need not refer to.
    pub(super) fn events(&mut self, old: Option<&'a Value>, new: Option<&'a Value>) {
        self.begin("stream events");
        match (old, new) {
            (Some(old), Some(new)) => self.schemas("event", Direction::Reply, old, new, true),
            (Some(_), None) => self.say("", Direction::Reply, What::EventsRemoved),
            (None, Some(_)) => self.say("", Direction::Reply, What::EventsAdded),
            (None, None) => {}
        }
    }

    fn schemas(
        &mut self,
        place: &str,
        direction: Direction,
        before: &Value,
        after: &Value,
        required: bool,
    ) {
        let nullable = |schema: &Value| schema.get("nullable") == Some(&Value::Bool(true));
        match (nullable(before), nullable(after)) {
            (false, true) => self.say(place, direction, What::Nullable { required }),
            (true, false) => self.say(place, direction, What::NotNullable { required }),
            _ => {}
        }
        self.contents_of(place, direction, before, after);
    }

    /// Compares what schemas say, whether or not their places may be null.
    fn contents_of(&mut self, place: &str, direction: Direction, before: &Value, after: &Value) {
        let names = match (target(before), target(after)) {
            (Some(old), Some(new)) => Some((old.to_owned(), new.to_owned())),
            _ => None,
        };
        self.named_contents_of(place, direction, names, before, after);
    }

    /// Compares what schemas say that may be components, which are compared once.
    fn named_contents_of(
        &mut self,
        place: &str,
        direction: Direction,
        names: Option<Shared>,
        before: &Value,
        after: &Value,
    ) {
        let Some(names) = names else {
            return self.contents_within(place, direction, before, after);
        };
        if self.seen.insert((names.0.clone(), names.1.clone(), direction)) {
            let outer = self.within.replace((names, place.len()));
            self.contents_within(place, direction, before, after);
            self.within = outer;
        }
    }

    fn contents_within(
        &mut self,
        place: &str,
        direction: Direction,
        before: &Value,
        after: &Value,
    ) {
        let (old, new) = (followed(self.old, before), followed(self.new, after));
        for what in limits::changes(old, new) {
            self.say(place, direction, what);
        }
        let (before, after) = (Variants::of(self.old, before), Variants::of(self.new, after));
        if before.is_choice() || after.is_choice() {
            self.choices(place, direction, &before, &after);
            return;
        }
        let kinds = (variants::kind(old), variants::kind(new));
        if let (Some(from), Some(to)) = kinds
            && from != to
        {
            let (from, to) = (from.to_owned(), to.to_owned());
            self.say(place, direction, What::Type { from, to });
            return;
        }
        self.values(place, direction, old, new);
        self.properties(place, direction, old, new);
        if let (Some(old), Some(new)) = (old.get("items"), new.get("items")) {
            self.schemas(&format!("{place}[]"), direction, old, new, true);
        }
        if let (Some(old), Some(new)) = (inner_schema(old), inner_schema(new)) {
            self.schemas(&format!("{place}{{}}"), direction, old, new, true);
        }
    }

    /// Alternatives that are told apart the same way are compared one by one. An object by itself
    /// is a choice of one.
    fn choices(
        &mut self,
        place: &str,
        direction: Direction,
        before: &Variants<'_>,
        after: &Variants<'_>,
    ) {
        match (before.keys().count() > 1, after.keys().count() > 1) {
            (false, true) => self.say(place, direction, What::BecameChoice),
            (true, false) => self.say(place, direction, What::NoLongerChoice),
            _ => {}
        }
        for key in before.keys().filter(|key| !after.has(key)) {
            self.say(place, direction, What::VariantRemoved(key.clone()));
        }
        for (key, new) in after.iter() {
            match before.get(key) {
                None => self.say(place, direction, What::VariantAdded(key.clone())),
                Some(old) => {
                    let inner = format!("{place}<{key}>");
                    let names = match (old.component, new.component) {
                        (Some(old), Some(new)) => Some((old.to_owned(), new.to_owned())),
                        _ => None,
                    };
                    self.named_contents_of(&inner, direction, names, old.schema, new.schema);
                }
            }
        }
    }

    fn values(&mut self, place: &str, direction: Direction, old: &Value, new: &Value) {
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
        let less = |from: &[String], of: &[String]| -> Vec<String> {
            from.iter().filter(|value| !of.contains(value)).cloned().collect()
        };
        match (values(old), values(new)) {
            (Some(before), Some(after)) => {
                let (removed, added) = (less(&before, &after), less(&after, &before));
                if !removed.is_empty() {
                    self.say(
                        place,
                        direction,
                        What::ValuesRemoved { values: removed, open: open(new) },
                    );
                }
                if !added.is_empty() {
                    self.say(place, direction, What::ValuesAdded(added));
                }
                match (open(old), open(new)) {
                    (true, false) => self.say(place, direction, What::ValuesClosed),
                    (false, true) => self.say(place, direction, What::ValuesOpened),
                    _ => {}
                }
            }
            (None, Some(values)) => {
                self.say(place, direction, What::ValuesListed { values, open: open(new) });
            }
            (Some(_), None) => self.say(place, direction, What::ValuesNoLongerListed),
            (None, None) => {}
        }
    }

    fn properties(&mut self, place: &str, direction: Direction, old: &Value, new: &Value) {
        let properties = |schema: &Value| {
            schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
        };
        let (before, after): (Map<String, Value>, Map<String, Value>) =
            (properties(old), properties(new));
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            self.say(&format!("{place} .{name}"), direction, What::PropertyRemoved);
        }
        for (name, property) in &after {
            let inner = format!("{place} .{name}");
            let Some(other) = before.get(name) else {
                let what = What::PropertyAdded { required: is_required(new, name) };
                self.say(&inner, direction, what);
                continue;
            };
            let required = is_required(new, name);
            match (is_required(old, name), required) {
                (false, true) => self.say(&inner, direction, What::Required),
                (true, false) => self.say(&inner, direction, What::Optional),
                _ => {}
            }
            self.schemas(&inner, direction, other, property, required);
        }
    }
}

type Parameters<'a> = BTreeMap<(String, String), &'a Value>;

/// The parameters of an operation that have a name on the wire.
fn parameters<'a>(document: &'a Document, operation: &'a Value) -> Parameters<'a> {
    let list = operation.get("parameters").and_then(Value::as_array);
    let resolved = list.into_iter().flatten().map(|parameter| resolved(document, Some(parameter)));
    resolved
        .filter_map(|parameter| {
            let place = parameter.get("in")?.as_str().filter(|place| *place != "path")?;
            Some(((place.to_owned(), parameter.get("name")?.as_str()?.to_owned()), parameter))
        })
        .collect()
}

/// Operations by method and shape of path, with the name to show.
fn operations(document: &Document) -> BTreeMap<(String, String), (String, &Value)> {
    let mut found = BTreeMap::new();
    let paths = document.0.get("paths").and_then(Value::as_object);
    for (path, item) in paths.into_iter().flatten() {
        for (method, operation) in item.as_object().into_iter().flatten() {
            if is_method(method) {
                let name = format!("{} {path}", method.to_uppercase());
                found.insert((shape(path), method.clone()), (name, operation));
            }
        }
    }
    found
}

fn replies_of(operation: &Value) -> Map<String, Value> {
    operation.get("responses").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// What stands at a place, or what it refers to; null where there is nothing.
fn resolved<'a>(document: &'a Document, value: Option<&'a Value>) -> &'a Value {
    let reference = value.and_then(|value| value.get("$ref")?.as_str());
    reference.and_then(|reference| document.resolve(reference)).or(value).unwrap_or(&Value::Null)
}

/// The schema that another one refers to.
pub(super) fn followed<'a>(document: &'a Document, schema: &'a Value) -> &'a Value {
    target(schema).and_then(|name| document.schema(name)).unwrap_or(schema)
}

fn inner_schema(schema: &Value) -> Option<&Value> {
    schema.get("additionalProperties").filter(|inner| inner.is_object())
}

fn is_required(schema: &Value, name: &str) -> bool {
    let names = schema.get("required").and_then(Value::as_array);
    names.is_some_and(|names| names.iter().any(|one| one == name))
}

//! Compares two documents. Operations are matched by path, properties by name and alternatives by
//! discriminator, but never by the names of components.

mod operations;
mod schemas;
mod unions;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::change::{Change, ChangeKind, Direction, Effect};
use crate::codegen::document::Document;

/// A comparison in progress.
pub(super) struct Comparison<'a> {
    old: &'a Document,
    new: &'a Document,
    found: Differences,
    /// The index in `changes` of each change inside a shared component, by location inside it and
    /// description.
    shared: BTreeMap<(Pair, String, String), usize>,
    /// Pairs of components that were compared for the current operation, by direction.
    compared: BTreeSet<(Pair, Direction)>,
    operation: String,
    /// The ID of the current operation in the old document.
    operation_id: String,
    /// The innermost pair of components that is being compared, and the length of its location.
    component: Option<(Pair, usize)>,
}

/// A name in the old document, and the name of the same thing in the new one.
pub(super) type Pair = (String, String);

/// All differences between two documents.
#[derive(Default)]
pub(super) struct Differences {
    /// The changes, in the order of the operations.
    pub(super) changes: Vec<Located>,
    /// The names of schemas with the same location.
    pub(super) components: BTreeSet<Pair>,
    /// The operation IDs with the same method and path.
    pub(super) operation_ids: BTreeSet<Pair>,
}

/// A change, with the part of the generated code that may depend on it.
pub(super) struct Located {
    pub(super) change: Change,
    /// Whether the generated code can depend on it.
    pub(super) in_code: bool,
    /// The IDs of the operations, in the old document.
    pub(super) operation_ids: BTreeSet<String>,
    /// The Rust name of the old type, if the change is inside one.
    pub(super) type_name: Option<String>,
    /// The property, or the key of the alternative, if the change is inside one.
    pub(super) member: Option<String>,
}

/// The location of a value in an operation, and the direction in which it is sent.
#[derive(Clone, Copy)]
struct At<'a> {
    location: &'a str,
    direction: Direction,
    type_name: Option<&'a str>,
    member: Option<&'a str>,
}

impl<'a> At<'a> {
    const fn request(location: &'a str) -> Self {
        Self { location, direction: Direction::Request, type_name: None, member: None }
    }

    const fn response(location: &'a str) -> Self {
        Self { location, direction: Direction::Response, type_name: None, member: None }
    }
}

impl<'a> Comparison<'a> {
    pub(super) fn new(old: &'a Document, new: &'a Document) -> Self {
        Self {
            old,
            new,
            found: Differences::default(),
            shared: BTreeMap::new(),
            compared: BTreeSet::new(),
            operation: String::new(),
            operation_id: String::new(),
            component: None,
        }
    }

    pub(super) fn finish(self) -> Differences {
        self.found
    }

    /// Records a change. A change inside a component that operations share is recorded once, where
    /// it breaks something or else for the first of them, with the names of the others.
    fn record(&mut self, at: At<'_>, kind: ChangeKind) {
        let ChangeKind { wire, in_code, text } = kind;
        let wire = Effect::new(wire, at.direction);
        if let Some((shared, length)) = &self.component {
            let rest = at.location.get(*length..).unwrap_or_default().to_owned();
            let next = self.found.changes.len();
            let key = (shared.clone(), rest, text.clone());
            let first = *self.shared.entry(key).or_insert(next);
            if let Some(Located { change, operation_ids, .. }) = self.found.changes.get_mut(first) {
                operation_ids.insert(self.operation_id.clone());
                let mut other = self.operation.clone();
                if wire > change.wire {
                    change.wire = wire;
                    at.location.clone_into(&mut change.location);
                    std::mem::swap(&mut change.operation, &mut other);
                }
                if other != change.operation && !change.also.contains(&other) {
                    change.also.push(other);
                }
                let operation = change.operation.clone();
                change.also.retain(|other| *other != operation);
                return;
            }
        }
        self.found.changes.push(Located {
            change: Change {
                operation: self.operation.clone(),
                location: at.location.to_owned(),
                text,
                callers: Effect::Compatible,
                wire,
                also: Vec::new(),
            },
            in_code,
            operation_ids: BTreeSet::from([self.operation_id.clone()]),
            type_name: at.type_name.map(str::to_owned),
            member: at.member.map(str::to_owned),
        });
    }

    /// Records `on` if a property of a schema has become true, and `off` if it no longer is.
    fn record_toggle(
        &mut self,
        at: At<'_>,
        [old, new]: [bool; 2],
        on: ChangeKind,
        off: ChangeKind,
    ) {
        if old != new {
            self.record(at, if new { on } else { off });
        }
    }

    /// Starts an operation, or another heading without an ID.
    fn start(&mut self, operation: &str, id: &str) {
        operation.clone_into(&mut self.operation);
        id.clone_into(&mut self.operation_id);
        self.compared.clear();
    }

    /// Compares what two components contain, other than schemas. Changes in them are recorded once.
    fn inside_component(
        &mut self,
        at: At<'_>,
        pair: Option<Pair>,
        compare: impl FnOnce(&mut Self),
    ) {
        let outer = match pair {
            Some(pair) => self.component.replace((pair, at.location.len())),
            None => self.component.take(),
        };
        compare(self);
        self.component = outer;
    }
}

/// Returns the entries of an object inside a value.
fn entries(value: &Value, key: &str) -> Map<String, Value> {
    value.get(key).and_then(Value::as_object).cloned().unwrap_or_default()
}

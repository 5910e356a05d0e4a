//! Schemas and their properties.

use serde_json::Value;

use super::super::alternatives::Alternatives;
use super::super::change::{Breaks, ChangeKind};
use super::super::keywords;
use super::{At, Comparison, entries};
use crate::codegen::document::{is_required, is_true, kind, resolve_schema, rust_name, target};
use crate::codegen::names::{is_string_enum, is_union};

impl Comparison<'_> {
    pub(super) fn record_required(&mut self, at: At<'_>, required: [bool; 2]) {
        self.record_toggle(
            at,
            required,
            ChangeKind::of_type(Breaks::InRequests, "required now"),
            ChangeKind::of_type(Breaks::InResponses, "optional now"),
        );
    }

    pub(super) fn schemas(&mut self, at: At<'_>, before: &Value, after: &Value, required: bool) {
        // An optional property that is null decodes like an absent one.
        let wire = if required { Breaks::InResponses } else { Breaks::Never };
        self.record_toggle(
            at,
            [before, after].map(|schema| is_true(schema, "nullable")),
            ChangeKind::of_type(wire, "may be null now"),
            ChangeKind::of_type(Breaks::InRequests, "may no longer be null"),
        );
        let components = [target(before), target(after)];
        match components {
            // A map, a list, a number or a string has no type of its own.
            [Some(old), Some(_)] if has_type(resolve_schema(self.old, before)) => {
                let type_name = rust_name(old);
                let at = At { type_name: Some(&type_name), member: None, ..at };
                self.compare_types(at, components, before, after);
            }
            _ => self.compare_types(at, components, before, after),
        }
    }

    /// Compares schemas, which may be components, except for `nullable`. A pair of components is
    /// compared once.
    pub(super) fn compare_types(
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
        self.found.components.insert(names.clone());
        if self.compared.insert((names.clone(), at.direction)) {
            self.inside_component(at, Some(names), |this| this.compare_contents(at, before, after));
        }
    }

    fn compare_contents(&mut self, at: At<'_>, before: &Value, after: &Value) {
        let (old, new) = (resolve_schema(self.old, before), resolve_schema(self.new, after));
        let (before, after) =
            (Alternatives::of(self.old, before), Alternatives::of(self.new, after));
        if before.is_union || after.is_union {
            self.unions(at, &before, &after);
            return;
        }
        match (kind(old), kind(new)) {
            (Some(from), Some(to)) if from != to => {
                let wire = match (from, to) {
                    ("integer", "number") => Breaks::InResponses,
                    ("number", "integer") => Breaks::InRequests,
                    _ => Breaks::Always,
                };
                let text = format!("type changed from {from} to {to}");
                return self.record(at, ChangeKind::of_type(wire, text));
            }
            (Some(from), None) => {
                let text = format!("any value allowed, was {from}");
                return self.record(at, ChangeKind::of_type(Breaks::InResponses, text));
            }
            (None, Some(to)) => {
                let text = format!("only {to} allowed, was any value");
                return self.record(at, ChangeKind::of_type(Breaks::InRequests, text));
            }
            _ => {}
        }
        for kind in keywords::changes(old, new) {
            self.record(at, kind);
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

    fn properties(&mut self, at: At<'_>, old: &Value, new: &Value) {
        let (before, after) = (entries(old, "properties"), entries(new, "properties"));
        for name in before.keys().filter(|name| !after.contains_key(*name)) {
            let location = format!("{} .{name}", at.location);
            let at = At { location: &location, member: Some(name), ..at };
            // A request with it is not valid if the server rejects unknown properties, and has
            // another meaning if it ignores them.
            self.record(at, ChangeKind::of_type(Breaks::Always, "property removed"));
        }
        for (name, property) in &after {
            let location = format!("{} .{name}", at.location);
            let at = At { location: &location, member: Some(name), ..at };
            let required = is_required(new, name);
            match before.get(name) {
                Some(other) => {
                    self.record_required(at, [is_required(old, name), required]);
                    let (old, new) =
                        (resolve_schema(self.old, other), resolve_schema(self.new, property));
                    for kind in keywords::annotations([other, old], [property, new]) {
                        self.record(at, kind);
                    }
                    self.schemas(at, other, property, required);
                }
                None if required => {
                    let kind = ChangeKind::of_type(Breaks::InRequests, "required property added");
                    self.record(at, kind);
                }
                None => self.record(at, ChangeKind::of_type(Breaks::Never, "property added")),
            }
        }
    }
}

fn has_type(schema: &Value) -> bool {
    schema.get("properties").is_some() || is_union(schema) || is_string_enum(schema)
}

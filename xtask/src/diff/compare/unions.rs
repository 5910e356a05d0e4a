//! Unions and listed values.

use serde_json::Value;

use super::super::alternatives::Alternatives;
use super::super::change::{Breaks, ChangeKind};
use super::{At, Comparison};
use crate::codegen::document::{kind, rust_name};
use crate::codegen::lower::OPEN;

impl Comparison<'_> {
    /// Compares the alternatives with the same discriminator. A schema that is not a union counts
    /// as a union of one.
    pub(super) fn unions(
        &mut self,
        at: At<'_>,
        before: &Alternatives<'_>,
        after: &Alternatives<'_>,
    ) {
        self.record_toggle(
            at,
            [before, after].map(|alternatives| alternatives.keys().count() > 1),
            ChangeKind::of_type(Breaks::InResponses, "became a union"),
            ChangeKind::of_type(Breaks::Never, "no longer a union"),
        );
        for key in before.keys().filter(|key| after.get(key).is_none()) {
            let text = format!("alternative removed: `{key}`");
            let at = At { member: at.member.or(Some(key)), ..at };
            self.record(at, ChangeKind::of_type(Breaks::InRequests, text));
        }
        for (key, new) in after.iter() {
            let Some(old) = before.get(key) else {
                let text = format!("alternative added: `{key}`");
                self.record(at, compatible(text));
                continue;
            };
            let location = format!("{}<{key}>", at.location);
            let components = [old.component, new.component];
            let mut at = At { location: &location, ..at };
            // Values of a string are variants of the union, and objects have a type of their own.
            let object = old.component.filter(|_| kind(old.schema) == Some("object"));
            let type_name = object.map(rust_name);
            if type_name.is_some() {
                at = At { type_name: type_name.as_deref(), member: None, ..at };
            }
            self.compare_types(at, components, old.schema, new.schema);
        }
    }

    pub(super) fn values(&mut self, at: At<'_>, old: &Value, new: &Value) {
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
                return self.record(at, ChangeKind::of_type(fewer, text));
            }
            (Some(_), None) => {
                return self.record(at, ChangeKind::of_type(Breaks::Never, "enum became a string"));
            }
            (None, None) => return,
        };
        let without = |from: &[String], of: &[String]| -> Vec<String> {
            from.iter().filter(|value| !of.contains(value)).cloned().collect()
        };
        let (removed, added) = (without(&before, &after), without(&after, &before));
        if !removed.is_empty() {
            let text = format!("values removed: {}", join_names(&removed));
            self.record(at, ChangeKind::of_type(fewer, text));
        }
        if !added.is_empty() {
            let text = format!("values added: {}", join_names(&added));
            // A constant has a default value, and an enum has none.
            self.record(at, ChangeKind { in_code: before.len() == 1, ..compatible(text) });
        }
        self.record_toggle(
            at,
            [was_open, is_open],
            ChangeKind::of_type(Breaks::Never, "allows other values now"),
            ChangeKind::of_type(Breaks::InRequests, "no longer allows other values"),
        );
    }
}

fn compatible(text: String) -> ChangeKind {
    ChangeKind::of_values(Breaks::Never, text)
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

//! The effects of changes on callers, which follow from the public surfaces of both crates.
//!
//! What the new crate lacks is attributed to the change of the document that caused it. What no
//! change explains becomes a change of its own: names that differ although the wire does not.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::change::{Change, Effect};
use super::compare::{Differences, Located};
use super::surface::{CLIENT, Entry, OPERATION, Surface};
use crate::codegen::Error;
use crate::codegen::document::{Document, method_name, rust_name, schema_name};

/// The heading of changes that are only in the generated code.
const HEADING: &str = "generated code";

/// Sets the effects on callers, and adds the changes of names.
pub(super) fn attribute(
    document: &Document,
    mut found: Differences,
    old: &Surface,
    new: &Surface,
) -> Vec<Change> {
    let renames = Renames::of(&found, old, new);
    let lost: Vec<Entry> =
        old.entries.iter().filter(|entry| !renames.has_counterpart(entry, new)).cloned().collect();
    let mut explained = BTreeSet::new();
    let mut broken_members: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for located in found.changes.iter_mut().filter(|located| located.in_code) {
        for (index, entry) in lost.iter().enumerate() {
            if located.covers(entry, old, new) {
                located.change.callers = Effect::Breaking;
                explained.insert(index);
                broken_members.entry(&entry.owner).or_default().insert(&entry.member);
            }
        }
    }
    // Types that were only reachable through what has changed.
    let reached: BTreeSet<String> = found
        .changes
        .iter()
        .filter(|located| located.change.callers == Effect::Breaking)
        .flat_map(|located| located.reached_types(document))
        .collect();
    let is_removed = |owner: &str| !new.has_type(renames.type_name(owner));
    for (index, entry) in lost.iter().enumerate() {
        let with_type = is_removed(&entry.owner) && reached.contains(&entry.owner);
        // Constructors and derived traits depend on the other members of their type.
        let members = broken_members.get(entry.owner.as_str());
        let is_derived = entry.member == "new" || entry.text == "impl";
        let with_member = is_derived
            && members.is_some_and(|members| members.iter().any(|it| *it != entry.member));
        if with_type || with_member {
            explained.insert(index);
        }
    }
    let unexplained =
        lost.iter().enumerate().filter(|(index, _)| !explained.contains(index)).map(|(_, it)| it);
    let mut changes: Vec<Change> =
        found.changes.into_iter().map(|located| located.change).collect();
    changes.extend(renames.changes());
    changes.extend(name_changes(unexplained, &renames, new));
    changes
}

/// Marks the effects on callers as unknown, since code cannot be generated from a document. Documents
/// that differ have at least one change, because what prevents the code may be what differs.
pub(super) fn unknown(found: Differences, documents_differ: bool, error: &Error) -> Vec<Change> {
    let set = |Located { mut change, in_code, .. }: Located| {
        if in_code {
            change.callers = Effect::Unknown;
        }
        change
    };
    let mut changes: Vec<Change> = found.changes.into_iter().map(set).collect();
    if documents_differ {
        // Names may differ, too.
        let error = error.to_string();
        let reason = error.lines().next().unwrap_or_default();
        let text = format!("not compared, since a document does not generate: {reason}");
        changes.push(Change { callers: Effect::Unknown, ..change(String::new(), text) });
    }
    changes
}

impl Located {
    /// Returns whether a change is the reason for what the new crate lacks.
    fn covers(&self, entry: &Entry, old: &Surface, new: &Surface) -> bool {
        let type_name = self.type_name.as_deref().filter(|name| old.has_type(name));
        let Some(owner) = type_name else {
            return self.operation_ids.iter().any(|id| {
                let method = method_name(id);
                match entry.owner.as_str() {
                    CLIENT => entry.member == method || entry.member == format!("{method}_stream"),
                    OPERATION => entry.member == rust_name(id) && self.location_is_operation(),
                    owner => owner == rust_name(id) + "Body" || owner == rust_name(id) + "Response",
                }
            });
        };
        if owner != entry.owner {
            return false;
        }
        let Some(member) = self.member.as_deref() else { return true };
        if entry.member == "new" {
            return changed_arguments(entry, new).iter().any(|name| is_same_name(name, member));
        }
        entry.value == member || is_same_name(&entry.member, member)
    }

    fn location_is_operation(&self) -> bool {
        self.change.location.is_empty()
    }

    /// Returns the Rust names of all types that are part of what has changed, in the old document.
    fn reached_types(&self, document: &Document) -> BTreeSet<String> {
        let component = self.type_name.as_ref().and_then(|name| {
            document.schemas().find(|(component, _)| rust_name(component) == *name)
        });
        let roots: Vec<&Value> = match (component, &self.member) {
            (Some((_, schema)), Some(member)) => {
                let property = schema.get("properties").and_then(|all| all.get(member));
                vec![property.unwrap_or(schema)]
            }
            (Some((_, schema)), None) => vec![schema],
            (None, _) => {
                let operations = document.operations().map(|(.., operation)| operation);
                let is_own = |operation: &&Value| {
                    let id = operation.get("operationId").and_then(Value::as_str);
                    id.is_some_and(|id| self.operation_ids.contains(id))
                };
                operations.filter(is_own).collect()
            }
        };
        let references = roots.iter().flat_map(|root| document.reachable(root));
        let mut types: BTreeSet<String> =
            references.filter_map(|target| schema_name(&target).map(rust_name)).collect();
        types.extend(self.type_name.clone());
        types
    }
}

/// Returns the arguments of a constructor that the new one has not, or with another type.
fn changed_arguments(entry: &Entry, new: &Surface) -> BTreeSet<String> {
    let arguments = |text: &str| -> BTreeSet<String> {
        let inside = text.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')'));
        let list = inside.map_or("", |(inside, _)| inside);
        list.split(", ").map(str::to_owned).collect()
    };
    let after = new.members(&entry.owner, &entry.member).next();
    let after = after.map(|other| arguments(&other.text));
    let (before, after) = (arguments(&entry.text), after.unwrap_or_default());
    let changed = before.symmetric_difference(&after);
    changed.filter_map(|argument| Some(argument.split_once(':')?.0.to_owned())).collect()
}

/// Returns whether an identifier is the Rust name of a property, or the setter for its entries.
fn is_same_name(identifier: &str, property: &str) -> bool {
    let is_name = |identifier: &str| {
        let identifier = identifier.strip_prefix("r#").unwrap_or(identifier).trim_end_matches('_');
        identifier == method_name(property).trim_end_matches('_') || identifier == property
    };
    is_name(identifier) || identifier.strip_suffix("_entry").is_some_and(is_name)
}

/// Names that differ although they name the same thing on the wire.
struct Renames {
    types: BTreeMap<String, String>,
    methods: BTreeMap<String, String>,
    operations: BTreeMap<String, String>,
}

impl Renames {
    fn of(found: &Differences, old: &Surface, new: &Surface) -> Self {
        let pairs = |pairs: &BTreeSet<(String, String)>, rename: &dyn Fn(&str) -> String| {
            let renamed = pairs.iter().map(|(old, new)| (rename(old), rename(new)));
            one_to_one(renamed.collect())
        };
        let mut types = pairs(&found.components, &rust_name);
        types.retain(|before, after| {
            old.has_type(before)
                && new.has_type(after)
                && !old.has_type(after)
                && !new.has_type(before)
        });
        let is_distinct = |(before, after): &(String, String)| before != after;
        let ids: Vec<_> = found.operation_ids.iter().filter(|pair| is_distinct(pair)).collect();
        let methods = |suffix: &str| {
            let method = |id: &str| method_name(id) + suffix;
            ids.iter().map(|(old, new)| (method(old), method(new))).collect::<Vec<_>>()
        };
        let has = |surface: &Surface, owner: &str, member: &str| {
            surface.members(owner, member).next().is_some()
        };
        let visible = |owner: &str, (before, after): &(String, String)| {
            before != after
                && has(old, owner, before)
                && has(new, owner, after)
                && !has(old, owner, after)
                && !has(new, owner, before)
        };
        let methods = methods("").into_iter().chain(methods("_stream"));
        let operations = ids.iter().map(|(old, new)| (rust_name(old), rust_name(new)));
        Self {
            types,
            methods: methods.filter(|pair| visible(CLIENT, pair)).collect(),
            operations: operations.filter(|pair| visible(OPERATION, pair)).collect(),
        }
    }

    fn type_name<'a>(&'a self, name: &'a str) -> &'a str {
        self.types.get(name).map_or(name, String::as_str)
    }

    /// Returns an entry with its new names.
    fn apply(&self, entry: &Entry) -> Entry {
        let mut entry = entry.clone();
        let members = match entry.owner.as_str() {
            CLIENT => Some(&self.methods),
            OPERATION => Some(&self.operations),
            _ => None,
        };
        if let Some(name) = members.and_then(|members| members.get(&entry.member)) {
            entry.text =
                replace_words(&entry.text, &|word| (word == entry.member).then(|| name.clone()));
            entry.member.clone_from(name);
        }
        let types = |word: &str| self.types.get(word).cloned();
        entry.owner = replace_words(&entry.owner, &types);
        entry.text = replace_words(&entry.text, &types);
        // The name of a trait contains types, but that of a field or variant does not.
        if entry.text == "impl" {
            entry.member = replace_words(&entry.member, &types);
        }
        entry
    }

    /// Returns whether the new crate has an entry, with its new names. The operation ID that a
    /// variant stands for may differ.
    fn has_counterpart(&self, entry: &Entry, new: &Surface) -> bool {
        let renamed = self.apply(entry);
        new.members(&renamed.owner, &renamed.member).any(|it| it.text == renamed.text)
    }

    fn changes(&self) -> Vec<Change> {
        let types = self.types.iter().map(|(old, new)| format!("type `{old}` is now `{new}`"));
        let methods =
            self.methods.iter().map(|(old, new)| format!("method `{old}` is now `{new}`"));
        let operations = self
            .operations
            .iter()
            .map(|(old, new)| format!("`{OPERATION}::{old}` is now `{OPERATION}::{new}`"));
        types.chain(methods).chain(operations).map(|text| change(String::new(), text)).collect()
    }
}

/// Returns the pairs whose names occur in no other pair.
fn one_to_one(pairs: BTreeSet<(String, String)>) -> BTreeMap<String, String> {
    let only = |(before, after): &&(String, String)| {
        let shares = |(old, new): &&(String, String)| (old == before) != (new == after);
        before != after && !pairs.iter().any(|pair| shares(&pair))
    };
    pairs.iter().filter(only).cloned().collect()
}

/// Replaces whole words of code.
fn replace_words(text: &str, replacement: &dyn Fn(&str) -> Option<String>) -> String {
    let is_word = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut replaced = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        replaced.push_str(&replacement(word).unwrap_or_else(|| word.to_owned()));
        let end = after.find(is_word).unwrap_or(after.len());
        let (between, after) = after.split_at(end);
        replaced.push_str(between);
        rest = after;
    }
    replaced
}

/// Returns a change for each member that the new crate lacks, or one for a whole type.
fn name_changes<'a>(
    lost: impl Iterator<Item = &'a Entry>,
    renames: &Renames,
    new: &Surface,
) -> Vec<Change> {
    let mut types: BTreeMap<&str, BTreeMap<&str, &Entry>> = BTreeMap::new();
    for entry in lost {
        // A field and its setter have the same name, and are one change.
        types.entry(&entry.owner).or_default().entry(&entry.member).or_insert(entry);
    }
    let mut changes = Vec::new();
    for (owner, members) in types {
        if !new.has_type(renames.type_name(owner)) && owner != CLIENT && owner != OPERATION {
            changes.push(change(String::new(), format!("type `{owner}` removed")));
            continue;
        }
        for (member, entry) in members {
            let name = renames.type_name(owner);
            let location = format!("{owner}::{member}");
            let same_value = |it: &&Entry| {
                it.owner == name && !entry.value.is_empty() && it.value == entry.value
            };
            changes.push(if entry.text == "impl" {
                change(owner.to_owned(), format!("`{member}` no longer implemented"))
            } else if let Some(other) = new.members(name, member).next() {
                let (before, after) = (strip(&entry.text), strip(&other.text));
                change(location, format!("type changed from `{before}` to `{after}`"))
            } else if let Some(other) = new.entries.iter().find(same_value) {
                let text = format!("`{location}` is now `{name}::{}`", other.member);
                change(String::new(), text)
            } else {
                change(location, "removed".to_owned())
            });
        }
    }
    changes
}

/// Returns a type without the parentheses of a variant.
fn strip(text: &str) -> &str {
    text.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(text)
}

fn change(location: String, text: String) -> Change {
    Change {
        operation: HEADING.to_owned(),
        location,
        text,
        callers: Effect::Breaking,
        wire: Effect::Compatible,
        also: Vec::new(),
    }
}

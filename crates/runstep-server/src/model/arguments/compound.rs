//! Makes objects and arrays.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::fit::{count, list};
use super::{Generator, Made, Origin, Place};

/// The longest list that is made, whatever a schema demands.
const ITEMS: usize = 100;
/// How often another value is tried where a list must have distinct ones.
const ATTEMPTS: usize = 4;
/// How many things a list takes from the conversation.
const FOUND_ITEMS: usize = 20;

impl<'a> Generator<'a, '_> {
    pub(super) fn object(&mut self, schemas: &[&'a Map<String, Value>]) -> Option<Made> {
        let shape = Shape::of(schemas);
        let mut made: BTreeMap<usize, (&'a str, Value)> = BTreeMap::new();
        let mut origin = Origin::Invented;
        // What must be there takes its pick of the conversation first.
        for (position, name) in shape.names.iter().enumerate() {
            if shape.required.contains(name) {
                let place = Place::member(name);
                let member = self.make(&Shape::schemas_of(schemas, name), place)?;
                origin = origin.max(member.origin);
                made.insert(position, (name, member.value));
            }
        }
        for (position, name) in shape.names.iter().enumerate() {
            if shape.required.contains(name) || made.len() >= shape.most {
                continue;
            }
            let mark = self.finder.mark();
            let place = Place::member(name);
            match self.make(&Shape::schemas_of(schemas, name), place) {
                Some(member)
                    if member.origin == Origin::Conversation || made.len() < shape.least =>
                {
                    origin = origin.max(member.origin);
                    made.insert(position, (name, member.value));
                }
                _ => self.finder.release(mark),
            }
        }
        let mut value: Map<String, Value> =
            made.into_values().map(|(name, value)| (name.to_owned(), value)).collect();
        for number in 1..=shape.least.min(ITEMS) {
            let name = format!("property_{number}");
            if value.len() < shape.least && !value.contains_key(&name) {
                let place = Place::member(&name);
                let member = self.make(&Shape::schemas_of(schemas, &name), place)?;
                value.insert(name, member.value);
            }
        }
        let origin = if origin == Origin::Conversation { origin } else { Origin::Invented };
        Some(Made { value: Value::Object(value), origin })
    }

    pub(super) fn array(
        &mut self,
        schemas: &[&'a Map<String, Value>],
        place: Place<'_>,
    ) -> Option<Made> {
        let counts =
            |keyword: &'static str| schemas.iter().filter_map(move |schema| count(schema, keyword));
        let least = counts("minItems").max().unwrap_or(0);
        let most = counts("maxItems").min().unwrap_or(usize::MAX).min(ITEMS);
        let firsts = schemas.iter().filter_map(|schema| list(schema, "prefixItems"));
        let firsts = firsts.map(Vec::len).max().unwrap_or(0);
        let has_items = firsts > 0 || schemas.iter().any(|schema| schema.contains_key("items"));
        let distinct =
            schemas.iter().any(|schema| schema.get("uniqueItems") == Some(&Value::Bool(true)));
        let mut items: Vec<Value> = Vec::new();
        let mut origin = Origin::Invented;
        for position in 0..most {
            let needed = position < least.max(firsts).max(usize::from(has_items));
            if !needed && (position >= FOUND_ITEMS || origin != Origin::Conversation) {
                break;
            }
            let schemas: Vec<&'a Value> = schemas
                .iter()
                .filter_map(|schema| {
                    let first = list(schema, "prefixItems").and_then(|firsts| firsts.get(position));
                    first.or_else(|| schema.get("items"))
                })
                .collect();
            let mark = self.finder.mark();
            let mut made = None;
            for attempt in 0..ATTEMPTS {
                let place = Place { name: place.name, before: Some(&items), attempt };
                made = self.make(&schemas, place);
                if !distinct || made.as_ref().is_none_or(|made| !items.contains(&made.value)) {
                    break;
                }
                made = None;
            }
            let Some(made) = made else { break };
            let compound = made.value.is_object() || made.value.is_array();
            let wanted =
                made.origin == Origin::Conversation && !compound && !items.contains(&made.value);
            if !needed && !wanted {
                self.finder.release(mark);
                break;
            }
            if made.origin == Origin::Conversation {
                origin = made.origin;
            }
            items.push(made.value);
        }
        (items.len() >= least.min(most)).then_some(Made { value: Value::Array(items), origin })
    }
}

/// What some schemas say together about an object's properties.
struct Shape<'a> {
    names: Vec<&'a str>,
    required: BTreeSet<&'a str>,
    least: usize,
    most: usize,
}

impl<'a> Shape<'a> {
    fn of(schemas: &[&'a Map<String, Value>]) -> Self {
        let required: Vec<&'a str> = schemas
            .iter()
            .filter_map(|schema| list(schema, "required"))
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let declared = schemas.iter().filter_map(|schema| schema.get("properties")?.as_object());
        let declared = declared.flat_map(Map::keys).map(String::as_str);
        let mut seen = BTreeSet::new();
        let names = declared.chain(required.iter().copied()).filter(|name| seen.insert(*name));
        let counts =
            |keyword: &'static str| schemas.iter().filter_map(move |schema| count(schema, keyword));
        Self {
            names: names.collect(),
            required: required.iter().copied().collect(),
            least: counts("minProperties").max().unwrap_or(0),
            most: counts("maxProperties").min().unwrap_or(usize::MAX),
        }
    }

    fn schemas_of(schemas: &[&'a Map<String, Value>], name: &str) -> Vec<&'a Value> {
        let of_one = |schema: &&'a Map<String, Value>| {
            let declared = schema.get("properties").and_then(|properties| properties.get(name));
            // Which pattern a name has is not looked into.
            let others = || {
                let free = !schema.contains_key("patternProperties");
                schema.get("additionalProperties").filter(|_| free)
            };
            declared.or_else(others)
        };
        schemas.iter().filter_map(of_one).collect()
    }
}

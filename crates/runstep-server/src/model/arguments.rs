//! Makes values that fit a JSON schema, out of what the user wrote where that is possible.
//!
//! Schemas come from requests: depth, work and size are bounded whatever they say. Where a schema
//! cannot be met within those bounds, or at all, the value is the nearest harmless one.

mod finder;
mod fit;
mod leaf;
mod pattern;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use self::finder::Finder;
use self::fit::{Fit, Range, allows_kind, count, list};
use self::leaf::{Text, invent_number};
use super::Function;

/// How deep values may lie within each other.
const DEPTH: usize = 64;
/// Schemas that one value may take, each use counted.
const STEPS: usize = 20_000;
/// Schemas that may hold for one place at once.
const TOGETHER: usize = 128;
/// The longest list that is made, whatever a schema demands.
const ITEMS: usize = 100;
/// How often another value is tried where a list must have distinct ones.
const ATTEMPTS: usize = 4;
/// How many things a list takes from the conversation.
const FOUND_ITEMS: usize = 20;

/// Arguments for a call of the function, as JSON text.
pub(super) fn arguments(function: &Function, conversation_text: &str) -> String {
    let Some(parameters) = &function.parameters else { return "{}".to_owned() };
    let schema = Value::Object(parameters.clone());
    match Generator::new(&schema, conversation_text).value() {
        Some(value) => value.to_string(),
        None => "{}".to_owned(),
    }
}

/// A value that fits the schema.
pub(super) fn value_for(schema: &Value, conversation_text: &str) -> Value {
    Generator::new(schema, conversation_text).value().unwrap_or(Value::Null)
}

struct Generator<'a, 't> {
    root: &'a Value,
    fit: Fit<'a>,
    finder: Finder<'t>,
    steps: usize,
    /// The schemas of the places around the present one. A place with the schemas of one around it
    /// would go on for ever; every value that ends can do without.
    around: Vec<Vec<usize>>,
}

struct Made {
    value: Value,
    origin: Origin,
}

/// Where a value comes from, in order of preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Origin {
    Invented,
    Null,
    Schema,
    Conversation,
}

/// What a value is for.
#[derive(Clone, Copy)]
struct Place<'n> {
    name: &'n str,
    /// The items before it, for items of a list.
    before: Option<&'n [Value]>,
    /// How often a value for this place was refused already.
    attempt: usize,
}

impl<'n> Place<'n> {
    fn member(name: &'n str) -> Self {
        Self { name, before: None, attempt: 0 }
    }

    /// A number by which values that are made up differ.
    fn nth(self) -> usize {
        self.before.map_or(0, <[Value]>::len) + self.attempt
    }
}

/// The schemas that hold for one place.
#[derive(Clone, Default)]
struct View<'a> {
    schemas: Vec<&'a Map<String, Value>>,
    choices: Vec<Choice<'a>>,
}

#[derive(Clone, Copy)]
struct Choice<'a> {
    branches: &'a [Value],
    exactly_one: bool,
}

impl<'a, 't> Generator<'a, 't> {
    fn new(root: &'a Value, text: &'t str) -> Self {
        Self {
            root,
            fit: Fit::new(root),
            finder: Finder::new(text),
            steps: STEPS,
            around: Vec::new(),
        }
    }

    fn value(mut self) -> Option<Value> {
        self.make(&[self.root], Place::member("")).map(|made| made.value)
    }

    /// Makes a value that fits all the schemas; nothing if there is none or it would not end.
    fn make(&mut self, schemas: &[&'a Value], place: Place<'_>) -> Option<Made> {
        let mut view = View::default();
        self.expand(schemas, &mut view)?;
        let addresses = view.schemas.iter().map(|schema| std::ptr::from_ref(*schema).addr());
        let mut identity: Vec<usize> = addresses.collect();
        identity.sort_unstable();
        let endless = !identity.is_empty() && self.around.contains(&identity);
        if endless || self.around.len() >= DEPTH {
            return None;
        }
        self.around.push(identity);
        let made = self.choose(view, place);
        self.around.pop();
        made
    }

    /// Adds schemas to a view, with all that they refer to; nothing if one accepts no value.
    fn expand(&mut self, schemas: &[&'a Value], view: &mut View<'a>) -> Option<()> {
        let mut waiting: Vec<&'a Value> = schemas.iter().rev().copied().collect();
        while let Some(schema) = waiting.pop() {
            self.steps = self.steps.checked_sub(1)?;
            let schema = match schema {
                Value::Object(schema) => schema,
                Value::Bool(false) => return None,
                _ => continue,
            };
            if view.schemas.iter().any(|known| std::ptr::eq(*known, schema)) {
                continue;
            }
            if view.schemas.len() >= TOGETHER {
                return None;
            }
            view.schemas.push(schema);
            let reference = schema.get("$ref").and_then(Value::as_str);
            waiting.extend(reference.and_then(|reference| self.fit.target(reference)));
            waiting.extend(list(schema, "allOf").into_iter().flatten().rev());
            for (keyword, exactly_one) in [("anyOf", false), ("oneOf", true)] {
                let branches = list(schema, keyword);
                view.choices.extend(branches.map(|branches| Choice { branches, exactly_one }));
            }
        }
        Some(())
    }

    /// Takes the best of the alternatives that the schemas leave.
    fn choose(&mut self, mut view: View<'a>, place: Place<'_>) -> Option<Made> {
        let Some(choice) = view.choices.pop() else { return self.build(&view.schemas, place) };
        let mark = self.finder.mark();
        let mut best: Option<Made> = None;
        let mut ambiguous: Option<Made> = None;
        for branch in choice.branches {
            self.finder.release(mark);
            let mut view = view.clone();
            if self.expand(&[branch], &mut view).is_none() {
                continue;
            }
            let Some(made) = self.choose(view, place) else { continue };
            let fits = |branch: &&Value| self.fit.fits(branch, &made.value);
            if choice.exactly_one && choice.branches.iter().filter(fits).take(2).count() != 1 {
                ambiguous.get_or_insert(made);
                continue;
            }
            if made.origin == Origin::Conversation {
                return Some(made);
            }
            if best.as_ref().is_none_or(|best| made.origin > best.origin) {
                best = Some(made);
            }
        }
        self.finder.release(mark);
        best.or(ambiguous)
    }

    fn build(&mut self, schemas: &[&'a Map<String, Value>], place: Place<'_>) -> Option<Made> {
        let given = |generator: &Self| {
            let named = schemas.iter().filter_map(|schema| schema.get("default"));
            let examples =
                schemas.iter().filter_map(|schema| list(schema, "examples")).flatten();
            named.chain(examples).find(|value| generator.fits(schemas, value)).cloned()
        };
        let constant = schemas.iter().find_map(|schema| schema.get("const"));
        let members = schemas.iter().find_map(|schema| list(schema, "enum"));
        if let Some(members) =
            constant.map(std::slice::from_ref).or(members.map(Vec::as_slice))
        {
            let members = members.iter().take(STEPS).filter(|member| self.fits(schemas, member));
            let mut members: Vec<&Value> = members.collect();
            let is_new = |member: &&Value| !place.before.unwrap_or_default().contains(member);
            if members.iter().any(is_new) {
                members.retain(is_new);
            }
            if let Some(value) = self.finder.member(&members) {
                return Some(Made { value: value.clone(), origin: Origin::Conversation });
            }
            if let Some(value) = given(self) {
                return Some(Made { value, origin: Origin::Schema });
            }
            let null = members.iter().find(|member| member.is_null());
            let value = null.or_else(|| members.first()).copied()?.clone();
            let origin = if value.is_null() { Origin::Null } else { Origin::Invented };
            return Some(Made { value, origin });
        }
        let mut best: Option<Made> = None;
        let mark = self.finder.mark();
        for kind in self.kinds(schemas) {
            self.finder.release(mark);
            let Some(made) = self.of_kind(kind, schemas, place) else { continue };
            if made.origin == Origin::Conversation {
                return Some(made);
            }
            if best.as_ref().is_none_or(|best| made.origin > best.origin) {
                best = Some(made);
            }
        }
        match given(self) {
            Some(value) => Some(Made { value, origin: Origin::Schema }),
            None => best,
        }
    }

    fn fits(&self, schemas: &[&'a Map<String, Value>], value: &Value) -> bool {
        schemas.iter().all(|schema| self.fit.fits_object(schema, value))
    }

    /// The kinds of value that may be tried, in order.
    fn kinds(&self, schemas: &[&'a Map<String, Value>]) -> Vec<&'a str> {
        let listed = schemas.iter().find_map(|schema| schema.get("type"));
        let mut kinds: Vec<&'a str> = match listed {
            Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).take(8).collect(),
            Some(kind) => kind.as_str().into_iter().collect(),
            None => {
                let has = |keywords: &[&str]| {
                    schemas.iter().any(|schema| keywords.iter().any(|word| schema.contains_key(*word)))
                };
                let kind = if has(&["properties", "required", "additionalProperties"]) {
                    "object"
                } else if has(&["items", "prefixItems", "minItems"]) {
                    "array"
                } else if has(&["minimum", "maximum", "exclusiveMinimum", "multipleOf"]) {
                    "number"
                } else if self.around.len() > 1 || has(&["minLength", "pattern", "format"]) {
                    "string"
                } else {
                    // The whole answer, of which nothing is known.
                    "object"
                };
                vec![kind]
            }
        };
        // Where one schema says number and another integer, both hold for integers.
        if kinds.contains(&"number") && !kinds.contains(&"integer") {
            kinds.push("integer");
        }
        kinds.retain(|kind| schemas.iter().all(|schema| allows_kind(schema, kind)));
        kinds
    }

    fn of_kind(
        &mut self,
        kind: &str,
        schemas: &[&'a Map<String, Value>],
        place: Place<'_>,
    ) -> Option<Made> {
        let found = |value: Value| Made { value, origin: Origin::Conversation };
        let invented = |value: Value| Made { value, origin: Origin::Invented };
        let nth = place.nth();
        let made = match kind {
            "object" => return self.object(schemas),
            "array" => return self.array(schemas, place),
            "null" => Made { value: Value::Null, origin: Origin::Null },
            "boolean" => {
                if place.before.is_none() && self.finder.mentions(place.name) {
                    found(true.into())
                } else {
                    invented(false.into())
                }
            }
            "integer" | "number" => {
                let range = Range::of(schemas.iter().copied());
                let whole = kind == "integer";
                let taken = self.finder.number(place.name, |number| {
                    let number = number.as_f64().unwrap_or(f64::NAN);
                    range.contains(number) && (!whole || number.fract() == 0.0)
                });
                match taken {
                    Some(number) => found(Value::Number(number)),
                    None => invented(Value::Number(invent_number(&range, whole, nth)?)),
                }
            }
            "string" => {
                let text = Text::of(schemas);
                match text.find(place.name, &mut self.finder) {
                    Some(text) => found(text.into()),
                    None => invented(text.invent(place.name, nth)?.into()),
                }
            }
            _ => return None,
        };
        Some(made)
    }

    fn object(&mut self, schemas: &[&'a Map<String, Value>]) -> Option<Made> {
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
        let mut value: Map<String, Value> = made
            .into_values()
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        for number in 1..=shape.least.min(ITEMS) {
            let name = format!("property_{number}");
            if value.len() < shape.least && !value.contains_key(&name) {
                let place = Place::member(&name);
                let member = self.make(&Shape::schemas_of(schemas, &name), place)?;
                value.insert(name, member.value);
            }
        }
        let origin =
            if origin == Origin::Conversation { origin } else { Origin::Invented };
        Some(Made { value: Value::Object(value), origin })
    }

    fn array(&mut self, schemas: &[&'a Map<String, Value>], place: Place<'_>) -> Option<Made> {
        let counts = |keyword: &'static str| {
            schemas.iter().filter_map(move |schema| count(schema, keyword))
        };
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
            let wanted = made.origin == Origin::Conversation
                && !compound
                && !items.contains(&made.value);
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
        let counts = |keyword: &'static str| {
            schemas.iter().filter_map(move |schema| count(schema, keyword))
        };
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

#[cfg(test)]
mod tests;

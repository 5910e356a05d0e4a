//! Makes values that fit a JSON schema, out of what the user wrote where that is possible.
//!
//! Schemas come from requests: depth, work and size are bounded whatever they say. Where a schema
//! cannot be met within those bounds, or at all, the value is the nearest harmless one.

mod compound;
mod finder;
mod fit;
mod leaf;
mod pattern;

use serde_json::{Map, Value};

use self::finder::Finder;
use self::fit::{Fit, Range, allows_kind, list};
use self::leaf::{Text, invent_number};
use super::Function;

/// How deep values and choices may lie within each other.
const DEPTH: usize = 48;
/// Schemas that one value may take, each use counted.
const STEPS: usize = 10_000;
/// Schemas that may hold for one place at once.
const TOGETHER: usize = 128;

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
    depth: usize,
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
            depth: 0,
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
        if endless {
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
        if self.depth >= DEPTH {
            return None;
        }
        self.depth += 1;
        let made = match view.choices.pop() {
            Some(choice) => self.choose_branch(choice, &view, place),
            None => self.build(&view.schemas, place),
        };
        self.depth -= 1;
        made
    }

    fn choose_branch(
        &mut self,
        choice: Choice<'a>,
        view: &View<'a>,
        place: Place<'_>,
    ) -> Option<Made> {
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
            let examples = schemas.iter().filter_map(|schema| list(schema, "examples")).flatten();
            named.chain(examples).find(|value| generator.fits(schemas, value)).cloned()
        };
        let constant = schemas.iter().find_map(|schema| schema.get("const"));
        let members = schemas.iter().find_map(|schema| list(schema, "enum"));
        if let Some(members) = constant.map(std::slice::from_ref).or(members.map(Vec::as_slice)) {
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
                    schemas
                        .iter()
                        .any(|schema| keywords.iter().any(|word| schema.contains_key(*word)))
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
                let text = Text::of(schemas, place.before.unwrap_or_default());
                match text.find(place.name, &mut self.finder) {
                    Some(text) => found(text.into()),
                    None => invented(text.invent(place.name, nth)?.into()),
                }
            }
            _ => return None,
        };
        Some(made)
    }
}

#[cfg(test)]
mod tests;

//! Whether a value fits a schema, as far as the generator needs to know.

use std::cell::Cell;

use serde_json::{Map, Value};

use super::pattern::Pattern;

/// How deep a test goes into schemas and values.
const DEPTH: usize = 64;
/// Work that all tests of one answer may take.
const STEPS: usize = 50_000;

/// Tests values against schemas of one document.
#[derive(Debug)]
pub(super) struct Fit<'a> {
    root: &'a Value,
    steps: Cell<usize>,
}

impl<'a> Fit<'a> {
    /// Tests against the schemas of this document.
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, steps: Cell::new(STEPS) }
    }

    /// What a `$ref` leads to; references out of the document lead nowhere.
    pub(super) fn target(&self, reference: &str) -> Option<&'a Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }

    /// Whether the value fits the schema.
    pub(super) fn fits(&self, schema: &Value, value: &Value) -> bool {
        self.schema(schema, value, 0)
    }

    /// Whether the value fits a schema that is an object.
    pub(super) fn fits_object(&self, schema: &Map<String, Value>, value: &Value) -> bool {
        self.keywords(schema, value, 0)
    }

    fn schema(&self, schema: &Value, value: &Value, depth: usize) -> bool {
        match schema {
            Value::Object(schema) => self.keywords(schema, value, depth),
            Value::Bool(accepts) => *accepts,
            _ => true,
        }
    }

    fn keywords(&self, schema: &Map<String, Value>, value: &Value, depth: usize) -> bool {
        let steps = self.steps.get();
        if depth > DEPTH || steps == 0 {
            return false;
        }
        self.steps.set(steps - 1);
        kind_fits(schema, value)
            && schema.get("const").is_none_or(|constant| constant == value)
            && list(schema, "enum").is_none_or(|members| members.contains(value))
            && self.combinations(schema, value, depth + 1)
            && match value {
                Value::Number(number) => {
                    Range::of(std::iter::once(schema)).contains(number.as_f64().unwrap_or(f64::NAN))
                }
                Value::String(text) => string_fits(schema, text),
                Value::Array(items) => self.items(schema, items, depth + 1),
                Value::Object(members) => self.members(schema, members, depth + 1),
                Value::Null | Value::Bool(_) => true,
            }
    }

    fn combinations(&self, schema: &Map<String, Value>, value: &Value, depth: usize) -> bool {
        let fits = |schema: &&Value| self.schema(schema, value, depth);
        let reference = schema.get("$ref").and_then(Value::as_str);
        reference.and_then(|reference| self.target(reference)).is_none_or(|target| fits(&target))
            && list(schema, "allOf").is_none_or(|all| all.iter().all(|schema| fits(&schema)))
            && list(schema, "anyOf").is_none_or(|any| any.iter().any(|schema| fits(&schema)))
            && list(schema, "oneOf").is_none_or(|one| one.iter().filter(fits).take(2).count() == 1)
            && schema.get("not").is_none_or(|not| !fits(&not))
    }

    fn items(&self, schema: &Map<String, Value>, items: &[Value], depth: usize) -> bool {
        let first = list(schema, "prefixItems").map_or(&[][..], Vec::as_slice);
        let rest = schema.get("items");
        let repeated = |position: usize, item: &Value| {
            items.iter().skip(position + 1).any(|other| other == item)
        };
        let distinct = schema.get("uniqueItems") == Some(&Value::Bool(true));
        length_fits(schema, items.len(), "minItems", "maxItems")
            && items.iter().enumerate().all(|(position, item)| {
                let schema = first.get(position).or(rest);
                schema.is_none_or(|schema| self.schema(schema, item, depth))
                    && !(distinct && repeated(position, item))
            })
    }

    fn members(
        &self,
        schema: &Map<String, Value>,
        members: &Map<String, Value>,
        depth: usize,
    ) -> bool {
        let properties = schema.get("properties").and_then(Value::as_object);
        let other = schema.get("additionalProperties");
        let required = list(schema, "required").map_or(&[][..], Vec::as_slice);
        length_fits(schema, members.len(), "minProperties", "maxProperties")
            && required.iter().filter_map(Value::as_str).all(|name| members.contains_key(name))
            && members.iter().all(|(name, value)| {
                let schema = properties.and_then(|properties| properties.get(name)).or(other);
                schema.is_none_or(|schema| self.schema(schema, value, depth))
            })
    }
}

/// The list under a keyword.
pub(super) fn list<'a>(schema: &'a Map<String, Value>, keyword: &str) -> Option<&'a Vec<Value>> {
    schema.get(keyword).and_then(Value::as_array)
}

/// The count under a keyword. A count too large for the machine is as good as the largest.
pub(super) fn count(schema: &Map<String, Value>, keyword: &str) -> Option<usize> {
    let count = schema.get(keyword)?;
    match count.as_u64() {
        Some(count) => Some(usize::try_from(count).unwrap_or(usize::MAX)),
        // `as` keeps within the integer's bounds.
        None => count.as_f64().filter(|count| *count >= 0.0).map(|count| count as usize),
    }
}

/// Whether a schema lets in values of a kind.
pub(super) fn allows_kind(schema: &Map<String, Value>, kind: &str) -> bool {
    let same = |listed: &Value| {
        listed
            .as_str()
            .is_some_and(|listed| listed == kind || (listed == "number" && kind == "integer"))
    };
    match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.iter().any(same),
        Some(kind) => same(kind),
        None => true,
    }
}

fn kind_fits(schema: &Map<String, Value>, value: &Value) -> bool {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::Number(number) => {
            let whole = number.as_f64().is_some_and(|number| number.fract() == 0.0);
            if whole { "integer" } else { "number" }
        }
    };
    allows_kind(schema, kind)
}

fn length_fits(schema: &Map<String, Value>, length: usize, least: &str, most: &str) -> bool {
    count(schema, least).is_none_or(|least| length >= least)
        && count(schema, most).is_none_or(|most| length <= most)
}

fn string_fits(schema: &Map<String, Value>, text: &str) -> bool {
    let pattern = schema.get("pattern").and_then(Value::as_str);
    length_fits(schema, text.chars().count(), "minLength", "maxLength")
        && pattern.and_then(Pattern::read).is_none_or(|pattern| pattern.accepts(text))
}

/// The numbers that some schemas let in together.
#[derive(Debug)]
pub(super) struct Range {
    /// The lowest number.
    pub(super) least: Option<f64>,
    /// The highest number.
    pub(super) most: Option<f64>,
    /// All numbers are higher than this.
    pub(super) above: Option<f64>,
    /// All numbers are lower than this.
    pub(super) below: Option<f64>,
    /// All numbers are multiples of these.
    pub(super) steps: Vec<f64>,
}

impl Range {
    /// What these schemas let in together.
    pub(super) fn of<'s>(schemas: impl Iterator<Item = &'s Map<String, Value>> + Clone) -> Self {
        let bounds = |keyword: &'static str| {
            schemas.clone().filter_map(move |schema| schema.get(keyword)?.as_f64())
        };
        Self {
            least: bounds("minimum").reduce(f64::max),
            most: bounds("maximum").reduce(f64::min),
            above: bounds("exclusiveMinimum").reduce(f64::max),
            below: bounds("exclusiveMaximum").reduce(f64::min),
            steps: bounds("multipleOf").filter(|step| *step > 0.0).collect(),
        }
    }

    /// Whether a number is let in.
    pub(super) fn contains(&self, number: f64) -> bool {
        number.is_finite()
            && self.least.is_none_or(|least| number >= least)
            && self.most.is_none_or(|most| number <= most)
            && self.above.is_none_or(|above| number > above)
            && self.below.is_none_or(|below| number < below)
            && self.steps.iter().all(|step| {
                let times = number / step;
                (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0)
            })
    }
}

//! Generates values that match a JSON schema, for the arguments of function calls.
//!
//! Covers the keywords of ordinary schemas, without `pattern`, `not` and conditions. The work is
//! bounded, because the schemas come from clients.

use serde_json::{Map, Number, Value, json};

use super::request::Function;

/// The depth of a value. Deeper values are null.
const MAX_DEPTH: usize = 32;
/// The number of schemas to visit, each visit counted.
const MAX_VISITS: usize = 20_000;
/// The length of an array.
const MAX_ITEMS: usize = 200;
/// The length of all generated strings.
const MAX_CHARACTERS: usize = 100_000;

/// Generates arguments for a function call, as JSON text. `text` is the user's message.
pub(super) fn arguments(function: &Function, text: &str) -> String {
    let Some(parameters) = &function.parameters else { return "{}".to_owned() };
    value_for(&parameters.to_value(), text).to_string()
}

/// Generates a value that matches the schema, with words and numbers from the text where possible.
pub(super) fn value_for(schema: &Value, text: &str) -> Value {
    let mut generator = Generator {
        root: schema,
        text,
        names: proper_names(text),
        numbers: numbers(text),
        remaining: MAX_VISITS,
        remaining_characters: MAX_CHARACTERS,
    };
    match generator.merged(schema, 0) {
        // Arguments without a schema are an empty object.
        merged if merged.is_empty() => json!({}),
        merged => generator.value(&merged, "value", 0),
    }
}

struct Generator<'a> {
    root: &'a Value,
    text: &'a str,
    /// Proper names of the text that no value has used yet.
    names: Vec<String>,
    /// Numbers of the text that no value has used yet.
    numbers: Vec<Number>,
    /// How many more schemas can be visited.
    remaining: usize,
    /// How many more characters can be generated.
    remaining_characters: usize,
}

impl Generator<'_> {
    /// Combines a schema with its reference, all its `allOf`, and the first of its `anyOf` and
    /// `oneOf`.
    fn merged(&mut self, schema: &Value, depth: usize) -> Map<String, Value> {
        let is_allowed = depth < MAX_DEPTH && self.remaining > 0;
        let Some(schema) = schema.as_object().filter(|_| is_allowed) else { return Map::new() };
        self.remaining -= 1;
        let root = self.root;
        let reference = schema.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|path| root.pointer(path.strip_prefix('#')?));
        let list = |keyword| schema.get(keyword).and_then(Value::as_array);
        let all = list("allOf").into_iter().flatten();
        let first = ["anyOf", "oneOf"].into_iter().filter_map(|keyword| list(keyword)?.first());
        let mut merged = schema.clone();
        for keyword in ["$ref", "allOf", "anyOf", "oneOf"] {
            merged.remove(keyword);
        }
        for part in target.into_iter().chain(all).chain(first) {
            for (keyword, value) in self.merged(part, depth + 1) {
                match (merged.get_mut(&keyword), value) {
                    (Some(Value::Object(known)), Value::Object(more)) => known.extend(more),
                    (Some(Value::Array(known)), Value::Array(more)) if keyword == "required" => {
                        known.extend(more);
                    }
                    // The stricter of two types.
                    (Some(known), value) if keyword == "type" && known == "number" => {
                        *known = value
                    }
                    (Some(_), _) => {}
                    (None, value) => {
                        merged.insert(keyword, value);
                    }
                }
            }
        }
        merged
    }

    /// Generates a value for a merged schema. `name` is the name of the property.
    fn value(&mut self, schema: &Map<String, Value>, name: &str, depth: usize) -> Value {
        if depth > MAX_DEPTH || self.remaining == 0 {
            return Value::Null;
        }
        self.remaining -= 1;
        if let Some(value) = self.listed_value(schema) {
            return value;
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => self.number(schema, true),
            "number" => self.number(schema, false),
            "boolean" => Value::Bool(false),
            "null" => Value::Null,
            _ => Value::String(self.string(schema, name)),
        }
    }

    /// Returns a value that the schema itself contains. A member of `enum` that the text mentions
    /// has priority over the default.
    fn listed_value(&self, schema: &Map<String, Value>) -> Option<Value> {
        let first = |keyword| schema.get(keyword)?.as_array()?.first();
        let members = schema.get("enum").and_then(Value::as_array).into_iter().flatten();
        let text = self.text.to_lowercase();
        let mentioned =
            members.filter_map(|member| Some((member, member.as_str()?.to_lowercase())));
        let mut mentioned =
            mentioned.filter(|(_, word)| !word.is_empty() && text.contains(word.as_str()));
        let value = schema
            .get("const")
            .or_else(|| mentioned.next().map(|(member, _)| member))
            .or_else(|| schema.get("default"))
            .or_else(|| first("examples"))
            .or_else(|| first("enum"));
        value.cloned()
    }

    /// Generates the required properties.
    fn object(&mut self, schema: &Map<String, Value>, depth: usize) -> Value {
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        let mut object = Map::new();
        for name in required.filter_map(Value::as_str) {
            let property = schema.get("properties").and_then(|properties| properties.get(name));
            let property = property.or_else(|| schema.get("additionalProperties"));
            let property = self.merged(property.unwrap_or(&Value::Null), 0);
            let value = self.value(&property, name, depth + 1);
            object.insert(name.to_owned(), value);
        }
        Value::Object(object)
    }

    /// Generates the shortest array.
    fn array(&mut self, schema: &Map<String, Value>, name: &str, depth: usize) -> Value {
        let count = schema.get("minItems").and_then(Value::as_u64).unwrap_or_default();
        let count = usize::try_from(count).unwrap_or(MAX_ITEMS).min(MAX_ITEMS);
        let prefix = schema.get("prefixItems").and_then(Value::as_array);
        let is_unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let mut items: Vec<Value> = Vec::new();
        for position in 0..count.min(self.remaining) {
            let item =
                prefix.and_then(|prefix| prefix.get(position)).or_else(|| schema.get("items"));
            let mut item = self.merged(item.unwrap_or(&Value::Null), 0);
            if is_unique {
                make_distinct(&mut item, &items);
            }
            let name =
                if position == 0 { name.to_owned() } else { format!("{name} {}", position + 1) };
            items.push(self.value(&item, &name, depth + 1));
        }
        Value::Array(items)
    }

    /// Takes a number of the text within the bounds, or generates the one closest to zero.
    fn number(&mut self, schema: &Map<String, Value>, is_integer: bool) -> Value {
        let bound = |keyword| schema.get(keyword).and_then(Value::as_f64);
        let step = bound("multipleOf").filter(|step| *step > 0.0);
        let step = step.or(is_integer.then_some(1.0));
        let gap = step.unwrap_or(0.5);
        let minimum = bound("minimum").or(bound("exclusiveMinimum").map(|bound| bound + gap));
        let maximum = bound("maximum").or(bound("exclusiveMaximum").map(|bound| bound - gap));
        let fits = |number: &Number| {
            number.as_f64().is_some_and(|number| {
                minimum.is_none_or(|minimum| number >= minimum)
                    && maximum.is_none_or(|maximum| number <= maximum)
                    && step.is_none_or(|step| number % step == 0.0)
            })
        };
        if let Some(position) = self.numbers.iter().position(fits) {
            return Value::Number(self.numbers.remove(position));
        }
        let mut number = 0_f64.max(minimum.unwrap_or(0.0)).min(maximum.unwrap_or(f64::MAX));
        if let Some(step) = step {
            let steps = number / step;
            number = step * if number > 0.0 { steps.ceil() } else { steps.floor() };
        }
        if number.fract() == 0.0 && number.abs() < 2_f64.powi(53) {
            return json!(number as i64);
        }
        Number::from_f64(number).map_or(json!(0), Value::Number)
    }

    /// Takes a proper name of the text if it fits, or uses the name of the property.
    fn string(&mut self, schema: &Map<String, Value>, name: &str) -> String {
        let limit = self.remaining_characters;
        let length = |keyword| {
            let length = schema.get(keyword).and_then(Value::as_f64);
            length.map(|length| (length as usize).min(limit))
        };
        let (shortest, longest) = (length("minLength").unwrap_or(0), length("maxLength"));
        if let Some(format) = schema.get("format").and_then(Value::as_str)
            && let Some((_, example)) = FORMATS.iter().find(|(name, _)| *name == format)
        {
            return (*example).to_owned();
        }
        let fits = |text: &String| {
            let length = text.chars().count();
            length >= shortest && longest.is_none_or(|longest| length <= longest)
        };
        if let Some(position) = self.names.iter().position(fits) {
            return self.names.remove(position);
        }
        let mut text: String = name.chars().take(longest.unwrap_or(limit)).collect();
        let missing = shortest.saturating_sub(text.chars().count());
        text.extend(std::iter::repeat_n('x', missing));
        self.remaining_characters = limit.saturating_sub(text.chars().count());
        text
    }
}

/// Examples of strings with a `format`.
const FORMATS: [(&str, &str); 8] = [
    ("date", "2026-01-01"),
    ("date-time", "2026-01-01T00:00:00Z"),
    ("email", "user@example.com"),
    ("hostname", "example.com"),
    ("ipv4", "192.0.2.1"),
    ("time", "00:00:00Z"),
    ("uri", "https://example.com"),
    ("uuid", "00000000-0000-4000-8000-000000000000"),
];

/// Returns the type of the value to generate.
fn kind(schema: &Map<String, Value>) -> &str {
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => kinds.first(),
        kind => kind,
    };
    let has = |keywords: &[&str]| keywords.iter().any(|keyword| schema.contains_key(*keyword));
    match kind.and_then(Value::as_str) {
        Some(kind) => kind,
        None if has(&["properties", "required", "additionalProperties"]) => "object",
        None if has(&["items", "prefixItems", "minItems"]) => "array",
        None if has(&["minimum", "maximum", "multipleOf"]) => "number",
        None => "string",
    }
}

/// Restricts the schema of an item to values that the array does not contain yet.
fn make_distinct(item: &mut Map<String, Value>, items: &[Value]) {
    if let Some(Value::Array(members)) = item.get_mut("enum") {
        members.retain(|member| !items.contains(member));
    } else if let Some(last) = items.iter().filter_map(Value::as_f64).max_by(f64::total_cmp) {
        item.insert("minimum".to_owned(), json!(last + 1.0));
    }
}

/// Finds words that begin with a capital letter but not a sentence, such as `New York`.
fn proper_names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    let (mut starts_sentence, mut continues_name) = (true, false);
    for token in text.split_whitespace() {
        let word = token.trim_matches(|character: char| !character.is_alphanumeric());
        let is_name = word.chars().next().is_some_and(char::is_uppercase) && word != "I";
        if is_name && !starts_sentence {
            match names.last_mut().filter(|_| continues_name) {
                Some(name) => *name = format!("{name} {word}"),
                None => names.push(word.to_owned()),
            }
        }
        continues_name = is_name && !starts_sentence && token.ends_with(word);
        starts_sentence = token.ends_with(['.', '!', '?', ':']);
    }
    names
}

/// Finds the numbers of a text.
fn numbers(text: &str) -> Vec<Number> {
    let is_part = |character: char| character.is_ascii_digit() || ".-".contains(character);
    let tokens = text.split(|character| !is_part(character));
    tokens.filter_map(|token| token.trim_end_matches(['.', '-']).parse().ok()).collect()
}

#[cfg(test)]
mod tests;

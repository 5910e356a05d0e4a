//! The validator's errors as the API words them.

use jsonschema::error::{TypeKind, ValidationErrorKind as Kind};
use jsonschema::paths::LocationSegment;
use jsonschema::{JsonType, ValidationError};
use serde_json::Value;

use super::document::is_integer;
use super::variants;
use crate::text::shorten;

/// How many characters of a value or key a message repeats.
const MAX_ECHO: usize = 64;

/// The reason why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The invalid field, such as `tools[0].function.name`; empty for the body itself.
    pub(crate) param: String,
    /// The API's error code.
    pub(crate) code: &'static str,
    /// The message for a person.
    pub(crate) message: String,
}

impl Violation {
    pub(super) fn unknown_component(name: &str) -> Self {
        let message = format!("There is no schema named '{name}'.");
        Self { param: String::new(), code: "invalid_value", message }
    }

    /// Translates an error. The document is the one that the schema belongs to.
    pub(super) fn new(error: &ValidationError<'_>, document: &Value) -> Self {
        let path = Path::of(error);
        let value = error.instance().as_ref();
        let count = || size(value).to_string();
        let bound = |code, bound: String| path.out_of_bounds(code, &bound, &count());
        match error.kind() {
            Kind::Type { kind } => path.wrong_type(&types(kind), value),
            Kind::Constant { expected_value } => path.unsupported(&[expected_value], value),
            Kind::Enum { options } => path
                .unsupported(&options.as_array().into_iter().flatten().collect::<Vec<_>>(), value),
            Kind::Required { property } => path.missing(property.as_str().unwrap_or_default()),
            Kind::AdditionalProperties { unexpected }
            | Kind::UnevaluatedProperties { unexpected } => {
                path.unknown(unexpected.first().map_or("", String::as_str))
            }
            Kind::MaxLength { limit } => {
                bound("string_above_max_length", at_most(*limit, "character", "characters"))
            }
            Kind::MinLength { limit } => {
                bound("string_below_min_length", at_least(*limit, "character", "characters"))
            }
            Kind::MaxItems { limit } => {
                bound("array_above_max_length", at_most(*limit, "item", "items"))
            }
            Kind::MinItems { limit } => {
                bound("array_below_min_length", at_least(*limit, "item", "items"))
            }
            Kind::MaxProperties { limit } => {
                bound("object_above_max_properties", at_most(*limit, "property", "properties"))
            }
            Kind::Maximum { limit } => {
                let (noun, code) = match is_of_integer(error, document) {
                    true => ("an integer", "integer_above_max_value"),
                    false => ("a number", "number_above_max_value"),
                };
                path.out_of_bounds(code, &format!("{noun} of at most {limit}"), &value.to_string())
            }
            Kind::Minimum { limit } => {
                let (noun, code) = match is_of_integer(error, document) {
                    true => ("an integer", "integer_below_min_value"),
                    false => ("a number", "number_below_min_value"),
                };
                path.out_of_bounds(code, &format!("{noun} of at least {limit}"), &value.to_string())
            }
            Kind::PropertyNames { error } => match error.kind() {
                Kind::MaxLength { limit } => {
                    let bound = format!("keys of {}", at_most(*limit, "character", "characters"));
                    let actual = format!("one of {}", size(error.instance()));
                    path.out_of_bounds("string_above_max_length", &bound, &actual)
                }
                _ => path.invalid(error),
            },
            Kind::OneOfNotValid { context } | Kind::AnyOf { context } => {
                variants::violation(error, context, document)
            }
            Kind::OneOfMultipleValid { .. } => {
                let message = format!(
                    "Mutually exclusive parameters: exactly one of {} may be given.",
                    path.alternatives(&variants::required_groups(error, document))
                );
                path.violation("mutually_exclusive_parameters", message)
            }
            _ => path.invalid(error),
        }
    }
}

/// The path of a value in the body, such as `tools[0].function.name`; empty for the body itself.
#[derive(Clone)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn of(error: &ValidationError<'_>) -> Self {
        error.instance_path().segments().fold(Self(String::new()), |path, segment| match segment {
            LocationSegment::Property(name) => path.member(&name),
            LocationSegment::Index(position) => Self(format!("{}[{position}]", path.0)),
        })
    }

    pub(super) fn member(&self, name: &str) -> Self {
        let name = shorten(name, MAX_ECHO);
        Self(if self.0.is_empty() { name.into_owned() } else { format!("{}.{name}", self.0) })
    }

    fn quoted(&self) -> String {
        if self.0.is_empty() { "body".to_owned() } else { format!("'{}'", self.0) }
    }

    fn violation(&self, code: &'static str, message: String) -> Violation {
        Violation { param: self.0.clone(), code, message }
    }

    pub(super) fn missing(&self, name: &str) -> Violation {
        let path = self.member(name);
        let message = format!("Missing required parameter: '{}'.", path.0);
        path.violation("missing_required_parameter", message)
    }

    fn unknown(&self, name: &str) -> Violation {
        let path = self.member(name);
        let message = format!("Unknown parameter: '{}'.", path.0);
        path.violation("unknown_parameter", message)
    }

    pub(super) fn wrong_type(&self, expected: &[JsonType], value: &Value) -> Violation {
        let names: Vec<_> =
            TYPE_NAMES.iter().filter(|(known, _)| expected.contains(known)).collect();
        let expected = match &names[..] {
            [(_, name)] => (*name).to_owned(),
            names => {
                let names: Vec<String> = names.iter().map(|(_, name)| (*name).to_owned()).collect();
                format!("one of {}", joined(&names, "or"))
            }
        };
        let path = self.quoted();
        let actual = type_name(value);
        let message =
            format!("Invalid type for {path}: expected {expected}, but got {actual} instead.");
        self.violation("invalid_type", message)
    }

    pub(super) fn unsupported(&self, supported: &[&Value], value: &Value) -> Violation {
        let supported: Vec<String> = supported.iter().map(|value| quoted_value(value)).collect();
        let message = format!(
            "Invalid value: {}. Supported values are: {}.",
            quoted_value(value),
            joined(&supported, "and")
        );
        self.violation("invalid_value", message)
    }

    /// `bound` is such as `at most 20 items`, and `actual` what the request has instead.
    fn out_of_bounds(&self, code: &'static str, bound: &str, actual: &str) -> Violation {
        let (path, actual) = (self.quoted(), shorten(actual, MAX_ECHO));
        self.violation(code, format!("Invalid {path}: expected {bound}, but got {actual} instead."))
    }

    /// Groups of properties of which one must be given.
    pub(super) fn none_of(&self, groups: &[Vec<String>]) -> Violation {
        let message = format!(
            "Missing required parameter: exactly one of {} must be given.",
            self.alternatives(groups)
        );
        self.violation("missing_required_parameter", message)
    }

    fn alternatives(&self, groups: &[Vec<String>]) -> String {
        let quoted = |name: &String| self.member(name).quoted();
        let groups: Vec<String> = groups
            .iter()
            .map(|group| group.iter().map(quoted).collect::<Vec<_>>().join(" with "))
            .collect();
        joined(&groups, "or")
    }

    /// An error of a kind that the specification's request bodies do not have yet.
    fn invalid(&self, error: &ValidationError<'_>) -> Violation {
        let reason = shorten(&error.masked().to_string(), 2 * MAX_ECHO).into_owned();
        self.violation("invalid_value", format!("Invalid {}: {reason}.", self.quoted()))
    }
}

/// In the order in which messages list them.
const TYPE_NAMES: [(JsonType, &str); 7] = [
    (JsonType::String, "a string"),
    (JsonType::Integer, "an integer"),
    (JsonType::Number, "a number"),
    (JsonType::Boolean, "a boolean"),
    (JsonType::Array, "an array"),
    (JsonType::Object, "an object"),
    (JsonType::Null, "null"),
];

pub(super) fn types(kind: &TypeKind) -> Vec<JsonType> {
    match kind {
        TypeKind::Single(name) => vec![*name],
        TypeKind::Multiple(names) => names.iter().collect(),
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
        // 3.0 is an integer in JSON Schema.
        Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => "an integer",
        Value::Number(_) => "a number",
    }
}

/// Returns whether the schema with the violated bound is one of integers.
fn is_of_integer(error: &ValidationError<'_>, document: &Value) -> bool {
    let keyword = error.schema_path().as_str();
    let schema = keyword.rsplit_once('/').and_then(|(schema, _)| document.pointer(schema));
    schema.and_then(Value::as_object).is_some_and(is_integer)
}

/// How many characters, items or properties a value has.
fn size(value: &Value) -> usize {
    match value {
        Value::String(text) => text.chars().count(),
        Value::Array(items) => items.len(),
        Value::Object(members) => members.len(),
        _ => 0,
    }
}

fn at_most(limit: u64, one: &str, several: &str) -> String {
    format!("at most {limit} {}", if limit == 1 { one } else { several })
}

fn at_least(limit: u64, one: &str, several: &str) -> String {
    format!("at least {limit} {}", if limit == 1 { one } else { several })
}

fn quoted_value(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", shorten(text, MAX_ECHO)),
        other => shorten(&other.to_string(), MAX_ECHO).into_owned(),
    }
}

fn joined(parts: &[String], conjunction: &str) -> String {
    match parts {
        [] => "nothing".to_owned(),
        [only] => only.clone(),
        [first, second] => format!("{first} {conjunction} {second}"),
        [first @ .., last] => format!("{}, {conjunction} {last}", first.join(", ")),
    }
}

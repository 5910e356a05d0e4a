//! Violations and how the API words them.

use jsonschema::JsonType;
use jsonschema::error::TypeKind;
use jsonschema::paths::{Location, LocationSegment};
use serde_json::Value;

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
}

/// The path of a value in the body, such as `tools[0].function.name`; empty for the body itself.
#[derive(Clone)]
pub(super) struct Path(String);

impl Path {
    pub(super) fn new(location: &Location) -> Self {
        location.segments().fold(Self(String::new()), |path, segment| match segment {
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

    pub(super) fn violation(&self, code: &'static str, message: String) -> Violation {
        Violation { param: self.0.clone(), code, message }
    }

    pub(super) fn missing(&self, name: &str) -> Violation {
        let path = self.member(name);
        let message = format!("Missing required parameter: '{}'.", path.0);
        path.violation("missing_required_parameter", message)
    }

    pub(super) fn unknown(&self, name: &str) -> Violation {
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
    pub(super) fn out_of_bounds(&self, code: &'static str, bound: &str, actual: &str) -> Violation {
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

    pub(super) fn alternatives(&self, groups: &[Vec<String>]) -> String {
        let quoted = |name: &String| self.member(name).quoted();
        let groups: Vec<String> = groups
            .iter()
            .map(|group| group.iter().map(quoted).collect::<Vec<_>>().join(" with "))
            .collect();
        joined(&groups, "or")
    }

    /// Words an error of a kind that the specification's request bodies do not have yet.
    pub(super) fn invalid(&self, reason: &str) -> Violation {
        let reason = shorten(reason, 2 * MAX_ECHO);
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

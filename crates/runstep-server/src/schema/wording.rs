//! How violations are told.

use serde_json::Value;

use super::{Kind, Violation};
use crate::text::shortened;

/// How much of a value or key is repeated in a message, in characters.
const ECHO: usize = 64;

/// Where in a body a value is.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Body,
    Member(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl Path<'_> {
    pub(super) fn is_body(&self) -> bool {
        matches!(self, Self::Body)
    }

    fn write(&self, text: &mut String) {
        match self {
            Self::Body => {}
            Self::Member(parent, name) => {
                parent.write(text);
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(&shortened(name, ECHO));
            }
            Self::Item(parent, position) => {
                parent.write(text);
                text.push_str(&format!("[{position}]"));
            }
        }
    }

    fn param(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    /// The path in quotes, as messages name it.
    fn quoted(&self) -> String {
        if self.is_body() { "body".to_owned() } else { format!("'{}'", self.param()) }
    }
}

pub(super) fn missing(parent: &Path<'_>, name: &str) -> Violation {
    let param = Path::Member(parent, name).param();
    let message = format!("Missing required parameter: '{param}'.");
    Violation { param, code: "missing_required_parameter", message }
}

pub(super) fn unknown(parent: &Path<'_>, name: &str) -> Violation {
    let param = Path::Member(parent, name).param();
    let message = format!("Unknown parameter: '{param}'.");
    Violation { param, code: "unknown_parameter", message }
}

pub(super) fn wrong_type(path: &Path<'_>, expected: &[Kind], value: &Value) -> Violation {
    let names: Vec<&str> = expected.iter().map(|kind| kind_name(*kind)).collect();
    let expected = match &names[..] {
        [one] => (*one).to_owned(),
        several => format!("one of {}", joined(several, "or")),
    };
    let message = format!(
        "Invalid type for {}: expected {expected}, but got {} instead.",
        path.quoted(),
        kind_name(Kind::of(value))
    );
    Violation { param: path.param(), code: "invalid_type", message }
}

pub(super) fn wrong_value(path: &Path<'_>, supported: &[&Value], value: &Value) -> Violation {
    let supported: Vec<String> = supported.iter().map(|value| quoted_value(value)).collect();
    let supported: Vec<&str> = supported.iter().map(String::as_str).collect();
    let message = format!(
        "Invalid value: {}. Supported values are: {}.",
        quoted_value(value),
        joined(&supported, "and")
    );
    Violation { param: path.param(), code: "invalid_value", message }
}

/// A bound that was not kept: `bound` is such as `at most 20 items`, `got` what there was instead.
pub(super) fn out_of_bounds(
    path: &Path<'_>,
    code: &'static str,
    bound: &str,
    got: &str,
) -> Violation {
    let message = format!(
        "Invalid {}: expected {bound}, but got {} instead.",
        path.quoted(),
        shortened(got, ECHO)
    );
    Violation { param: path.param(), code, message }
}

pub(super) fn none_of(path: &Path<'_>, groups: &[Vec<String>]) -> Violation {
    let names = group_names(path, groups);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = format!(
        "Missing required parameter: exactly one of {} must be given.",
        joined(&names, "or")
    );
    Violation { param: path.param(), code: "missing_required_parameter", message }
}

pub(super) fn several_of(path: &Path<'_>, groups: &[Vec<String>]) -> Violation {
    let names = group_names(path, groups);
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let message = format!(
        "Mutually exclusive parameters: exactly one of {} may be given.",
        joined(&names, "or")
    );
    Violation { param: path.param(), code: "mutually_exclusive_parameters", message }
}

fn group_names(path: &Path<'_>, groups: &[Vec<String>]) -> Vec<String> {
    let name = |name: &String| Path::Member(path, name).quoted();
    groups.iter().map(|group| group.iter().map(name).collect::<Vec<_>>().join(" with ")).collect()
}

/// A count with its unit, such as `1 item` and `2 items`.
pub(super) fn counted(count: u64, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::String => "a string",
        Kind::Integer => "an integer",
        Kind::Number => "a number",
        Kind::Boolean => "a boolean",
        Kind::Array => "an array",
        Kind::Object => "an object",
        Kind::Null => "null",
    }
}

fn quoted_value(value: &Value) -> String {
    match value {
        Value::String(text) => format!("'{}'", shortened(text, ECHO)),
        other => shortened(&other.to_string(), ECHO).into_owned(),
    }
}

fn joined(parts: &[&str], conjunction: &str) -> String {
    match parts {
        [] => "nothing".to_owned(),
        [one] => (*one).to_owned(),
        [one, other] => format!("{one} {conjunction} {other}"),
        [first @ .., last] => format!("{}, {conjunction} {last}", first.join(", ")),
    }
}

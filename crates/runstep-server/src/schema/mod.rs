//! Checks request bodies against the schemas of the OpenAPI document, so that a refusal names the
//! field at fault.
//!
//! The document's schemas are compiled once, into nodes that refer to each other by number.

mod check;
mod compile;
mod integers;
mod wording;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde_json::Value;

/// Whether an object whose schema lists properties, and does not say what of others, lets no
/// others in.
///
/// JSON Schema would let them in. Here that would drop a field in silence that the server does not
/// support, and a caller would never learn of it. `additionalProperties: true` still lets in
/// anything.
const CLOSED_UNLESS_TOLD: bool = true;

/// The compiled schemas of an OpenAPI document.
#[derive(Debug)]
pub(crate) struct Schemas {
    nodes: Vec<Node>,
    components: BTreeMap<String, usize>,
}

/// Why a body is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The field at fault, such as `tools[0].function.name`; empty for the body itself.
    pub(crate) param: String,
    /// What is wrong, for programs.
    pub(crate) code: &'static str,
    /// What is wrong, for people.
    pub(crate) message: String,
}

/// Why a document cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaError(String);

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for SchemaError {}

impl Schemas {
    /// Compiles the schemas under `components` of an OpenAPI 3.1 document in JSON.
    ///
    /// A keyword that is not understood is an error, lest it be ignored in silence.
    pub(crate) fn new(openapi: &str) -> Result<Self, SchemaError> {
        compile::compile(openapi)
    }

    /// Checks a value against the component schema of that name.
    pub(crate) fn check(&self, component: &str, value: &Value) -> Result<(), Violation> {
        match self.components.get(component) {
            Some(&node) => self.check_body(node, value),
            None => Err(Violation {
                param: String::new(),
                code: "invalid_value",
                message: format!("There is no schema named '{component}'."),
            }),
        }
    }

    /// Writes as integers the whole numbers of a value that was checked, where the component says
    /// integer: to the specification `3.0` is one, to the types that are made from it it is not.
    /// Everywhere else numbers stay as they came.
    pub(crate) fn write_integers(&self, component: &str, value: &mut Value) {
        if let Some(&node) = self.components.get(component) {
            self.write_integers_of_body(node, value);
        }
    }

    fn node(&self, number: usize) -> Option<&Node> {
        self.nodes.get(number)
    }
}

/// One schema. Other schemas are named by their numbers.
#[derive(Debug, Default)]
struct Node {
    kinds: Option<Vec<Kind>>,
    /// From `enum` or `const`.
    members: Option<Vec<Value>>,
    properties: BTreeMap<String, usize>,
    required: Vec<String>,
    additional: Additional,
    most_properties: Option<u64>,
    longest_key: Option<u64>,
    shortest: Option<u64>,
    longest: Option<u64>,
    items: Option<usize>,
    fewest_items: Option<u64>,
    most_items: Option<u64>,
    least: Option<f64>,
    most: Option<f64>,
    /// From `$ref` and `allOf`.
    all: Vec<usize>,
    /// From `oneOf` and `anyOf`.
    union: Option<Vec<usize>>,
    /// Groups of properties of which exactly one must be there in full.
    exclusive: Vec<Vec<String>>,
}

/// What an object's unlisted properties must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Additional {
    /// The schema does not say.
    #[default]
    Untold,
    Any,
    None,
    Schema(usize),
}

/// A kind of JSON value. Integers are numbers too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    String,
    Integer,
    Number,
    Boolean,
    Array,
    Object,
    Null,
}

impl Kind {
    fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
            // 3.0 is an integer in JSON Schema.
            Value::Number(number) if number.as_f64().is_some_and(|n| n.fract() == 0.0) => {
                Self::Integer
            }
            Value::Number(_) => Self::Number,
        }
    }

    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            "array" => Self::Array,
            "object" => Self::Object,
            "null" => Self::Null,
            _ => return None,
        })
    }

    fn is_among(self, kinds: &[Self]) -> bool {
        kinds.contains(&self) || (self == Self::Integer && kinds.contains(&Self::Number))
    }
}

impl Node {
    /// Whether a number must be an integer.
    fn is_whole(&self) -> bool {
        self.kinds
            .as_ref()
            .is_some_and(|kinds| kinds.contains(&Kind::Integer) && !kinds.contains(&Kind::Number))
    }

    /// Whether an object's properties may be listed in several schemas.
    fn is_composed(&self) -> bool {
        let own = usize::from(!self.properties.is_empty());
        own + self.all.len() + usize::from(self.union.is_some()) > 1
    }

    /// Schemas that hold for the same value as this one.
    fn beside(&self) -> impl Iterator<Item = usize> + '_ {
        self.all.iter().chain(self.union.iter().flatten()).copied()
    }
}

/// Adds a schema's number, and those of all that hold beside it, to a set.
fn reach(nodes: &[Node], number: usize, reached: &mut BTreeSet<usize>) {
    let mut waiting = vec![number];
    while let Some(number) = waiting.pop() {
        if reached.insert(number) {
            waiting.extend(nodes.get(number).into_iter().flat_map(Node::beside));
        }
    }
}

#[cfg(test)]
mod tests;

//! Why a value does not decode.

use crate::json::{Json, Kind};

/// Why a value does not decode.
#[derive(Debug)]
pub struct Mismatch(Box<Reason>);

#[derive(Debug)]
struct Reason {
    /// From the value to the whole.
    path: Vec<Step>,
    text: String,
}

#[derive(Debug)]
enum Step {
    Property(String),
    Index(usize),
}

impl Mismatch {
    fn new(text: String) -> Self {
        Self(Box::new(Reason { path: Vec::new(), text }))
    }

    /// The value is of the wrong kind.
    #[cold]
    #[inline(never)]
    pub(crate) fn kind(found: Json<'_>, expected: &str) -> Self {
        let text = crate::decode::excerpt(found.text());
        let found = match found.kind() {
            Kind::Null => "null".to_owned(),
            Kind::Boolean => format!("boolean `{text}`"),
            Kind::Number if text.contains(['.', 'e', 'E']) => format!("floating point `{text}`"),
            Kind::Number => format!("integer `{text}`"),
            Kind::String => format!("string {text}"),
            Kind::List => "sequence".to_owned(),
            Kind::Object => "map".to_owned(),
        };
        Self::new(format!("invalid type: {found}, expected {expected}"))
    }

    pub(crate) fn too_deep() -> Self {
        Self::new("the value is nested too deeply".to_owned())
    }

    pub(crate) fn missing(property: &str) -> Self {
        Self::new(format!("missing field `{property}`"))
    }

    pub(crate) fn inside(mut self, property: &str) -> Self {
        self.0.path.push(Step::Property(property.to_owned()));
        self
    }

    pub(crate) fn at(mut self, index: usize) -> Self {
        self.0.path.push(Step::Index(index));
        self
    }

    /// Returns a text with the path and an excerpt of the value.
    pub(crate) fn describe(&self, whole: Json<'_>) -> String {
        let mut path = String::new();
        let mut value = Some(whole);
        for step in self.0.path.iter().rev() {
            value = value.and_then(|value| match step {
                Step::Property(name) => {
                    let mut entries = value.entries()?.into_iter().rev();
                    entries.find(|(key, _)| key == name).map(|(_, value)| value)
                }
                Step::Index(index) => value.items()?.get(*index).copied(),
            });
            match step {
                Step::Property(name) if path.is_empty() => path.push_str(name),
                Step::Property(name) => path.extend([".", name]),
                Step::Index(index) => path.push_str(&format!("[{index}]")),
            }
        }
        let location =
            if path.is_empty() { "the top level".to_owned() } else { format!("`{path}`") };
        let found = value.unwrap_or(whole).excerpt();
        format!("at {location}: {}; found: {found}", self.0.text)
    }
}

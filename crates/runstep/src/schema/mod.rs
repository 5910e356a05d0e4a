//! JSON schemas of Rust types, as models are told them.

mod nulls;
mod strict;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

pub(crate) use strict::strict;

/// The longest name of a function or of a form of answers.
const NAME: usize = 64;

/// What a type looks like as JSON.
#[derive(Clone, Debug)]
pub(crate) struct TypeSchema {
    /// The type's own name.
    pub(crate) name: String,
    /// The type's documentation.
    pub(crate) description: Option<String>,
    /// The schema, without the two above.
    pub(crate) schema: Map<String, Value>,
}

/// A part of a type that cannot be said as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unfit {
    /// The JSON path of the values that the part is about, such as `$.items[*].labels`.
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// The schema of a type, as what is read into it must look.
///
/// Types within it are written where they are used, because not every provider follows references;
/// only a type that contains itself keeps one.
pub(crate) fn schema_of<T: JsonSchema>() -> TypeSchema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    // It has a title at least, so it is an object.
    let mut schema = schema.as_object().cloned().unwrap_or_default();
    let name = match schema.remove("title") {
        Some(Value::String(title)) => title,
        _ => T::schema_name().into_owned(),
    };
    let description = match schema.remove("description") {
        Some(Value::String(description)) => Some(description),
        _ => None,
    };
    TypeSchema { name, description, schema }
}

/// Decodes what a model wrote after a schema.
pub(crate) fn decode<T: DeserializeOwned>(
    schema: &Map<String, Value>,
    text: &str,
) -> Result<T, serde_json::Error> {
    runstep_api::decode(text.as_bytes()).or_else(|error| {
        let Ok(value) = serde_json::from_str(text) else { return Err(error) };
        let Some(value) = nulls::without_idle_nulls(schema, value) else { return Err(error) };
        runstep_api::decode(value.to_string().as_bytes())
    })
}

/// The schema of a function that takes nothing.
pub(crate) fn schema_of_nothing() -> TypeSchema {
    let schema = Map::from_iter([
        ("type".to_owned(), Value::from("object")),
        ("properties".to_owned(), Value::Object(Map::new())),
    ]);
    TypeSchema { name: String::new(), description: None, schema }
}

/// Whether values are objects, as the arguments of a function and the answers of a model must be.
pub(crate) fn check_object(schema: &Map<String, Value>) -> Result<(), Unfit> {
    let reason = match schema.get("type") {
        Some(Value::String(kind)) if kind == "object" => return Ok(()),
        Some(kind) => format!("must be an object, and is of type {kind}; put it into a struct"),
        None => "must be an object, and may be of several types; put it into a struct".to_owned(),
    };
    Err(Unfit { path: "$".to_owned(), reason })
}

/// Whether a name can be sent: letters, digits, `_` and `-`, up to 64 of them.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if let Some(wrong) = name.chars().find(|character| !may_be_in_name(*character)) {
        return Err(format!("a name has only ASCII letters, digits, `_` and `-`, not {wrong:?}"));
    }
    if name.len() > NAME {
        return Err(format!("a name may have {NAME} characters, and this has {}", name.len()));
    }
    Ok(())
}

/// A type's name as one that can be sent.
pub(crate) fn as_name(name: &str) -> String {
    let one = |character| if may_be_in_name(character) { character } else { '_' };
    name.chars().take(NAME).map(one).collect()
}

fn may_be_in_name(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// All that is unfit, in one sentence.
pub(crate) fn sentence(unfit: &[Unfit]) -> String {
    let parts: Vec<String> =
        unfit.iter().map(|part| format!("`{}` {}", part.path, part.reason)).collect();
    parts.join("; ")
}

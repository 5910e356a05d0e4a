//! JSON schemas of Rust types, for models.

mod nulls;
mod strict;

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::join;
pub(crate) use strict::to_strict;

/// Maximum length of the name of a function or of a response format.
const MAX_NAME: usize = 64;

/// The JSON schema of a type.
#[derive(Clone, Debug)]
pub(crate) struct TypeSchema {
    /// The name of the type.
    pub(crate) name: String,
    /// The documentation of the type.
    pub(crate) description: Option<String>,
    /// The schema without the two above.
    pub(crate) schema: Map<String, Value>,
}

/// A part of a schema that violates a requirement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SchemaViolation {
    /// The JSON path of the values that the part describes, such as `$.items[*].labels`.
    pub(crate) path: String,
    pub(crate) reason: String,
}

/// Returns the schema of a type for deserialization.
///
/// Types are inlined, because not every provider supports references. Only recursive types use
/// them.
pub(crate) fn type_schema<T: JsonSchema>() -> TypeSchema {
    let mut settings = SchemaSettings::draft2020_12();
    settings.meta_schema = None;
    settings.inline_subschemas = true;
    let schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    // A root schema has a title, so it is an object.
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

/// Returns the JSON schema of a type as a [`Toolbox`](crate::tools::Toolbox) sends it for a function
/// with these arguments that is not strict. The name and the documentation of the type itself are not
/// part of it.
///
/// ```
/// use runstep::schemars::JsonSchema;
/// use runstep::tools::schema_of;
/// use runstep::types::FunctionDefinition;
///
/// #[derive(JsonSchema)]
/// # #[schemars(crate = "runstep::schemars")]
/// # #[allow(dead_code)]
/// struct GetWeather {
///     /// City name, such as Paris
///     city: String,
/// }
///
/// let function = FunctionDefinition::new("get_weather").parameters(schema_of::<GetWeather>());
/// assert_eq!(function.parameters.unwrap()["required"][0], "city");
/// ```
pub fn schema_of<T: JsonSchema>() -> Map<String, Value> {
    type_schema::<T>().schema
}

/// Decodes JSON that a model generated for a schema.
pub(crate) fn decode<T: DeserializeOwned>(
    schema: &Map<String, Value>,
    text: &str,
) -> Result<T, serde_json::Error> {
    runstep_api::decode_any(text.as_bytes()).or_else(|error| {
        let Ok(value) = serde_json::from_str(text) else { return Err(error) };
        let Some(value) = nulls::remove_optional_nulls(schema, value) else { return Err(error) };
        runstep_api::decode_any(value.to_string().as_bytes())
    })
}

/// Returns the schema of a function without arguments.
pub(crate) fn empty_schema() -> TypeSchema {
    let schema = Map::from_iter([
        ("type".to_owned(), Value::from("object")),
        ("properties".to_owned(), Value::Object(Map::new())),
    ]);
    TypeSchema { name: String::new(), description: None, schema }
}

/// Checks that values are objects, as required for arguments and answers.
pub(crate) fn check_object(schema: &Map<String, Value>) -> Result<(), SchemaViolation> {
    let reason = match schema.get("type") {
        Some(Value::String(kind)) if kind == "object" => return Ok(()),
        Some(kind) => format!("must be an object, not of type {kind}; wrap it in a struct"),
        None => "must be an object, not a union of types; wrap it in a struct".to_owned(),
    };
    Err(SchemaViolation { path: "$".to_owned(), reason })
}

/// Checks that a name is valid: up to 64 letters, digits, `_` and `-`.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    if let Some(invalid) = name.chars().find(|character| !is_name_character(*character)) {
        return Err(format!(
            "the name contains {invalid:?}; only ASCII letters, digits, `_` and `-` are allowed"
        ));
    }
    if name.len() > MAX_NAME {
        return Err(format!(
            "the name has {} characters; at most {MAX_NAME} are allowed",
            name.len()
        ));
    }
    Ok(())
}

/// Converts the name of a type to a valid name.
pub(crate) fn to_valid_name(name: &str) -> String {
    let replace = |character| if is_name_character(character) { character } else { '_' };
    name.chars().take(MAX_NAME).map(replace).collect()
}

fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// Joins all violations to one sentence.
pub(crate) fn join_violations(violations: &[SchemaViolation]) -> String {
    let parts: Vec<String> =
        violations.iter().map(|part| format!("`{}` {}", part.path, part.reason)).collect();
    join(&parts, "; ")
}

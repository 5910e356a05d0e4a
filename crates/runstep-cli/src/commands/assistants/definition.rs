//! The file of an assistant.

use std::path::Path;

use serde_json::{Map, Value};

use crate::commands::api::operation::Operation;
use crate::commands::api::operations::OPERATIONS;
use crate::error::CliError;
use crate::input::{self, MAX_ASSISTANT_KIB};

/// The key with the id of the assistant.
const ID: &str = "id";
/// The key with a file of instructions, relative to the file of the assistant.
const INSTRUCTIONS_FILE: &str = "instructions_file";

/// An assistant as its file describes it.
pub(super) struct Definition {
    /// The id, if the file has one. Otherwise the name identifies the assistant.
    pub(super) id: Option<String>,
    /// The properties of the request body.
    pub(super) properties: Map<String, Value>,
}

/// Reads a file of an assistant, or of its instructions.
pub(super) fn read(path: &Path) -> Result<String, CliError> {
    input::read_file(path, MAX_ASSISTANT_KIB)
}

impl Definition {
    /// Reads a file. Properties that the API does not have are an error: they are misspelled.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        let invalid = |reason: String| CliError::InvalidFile { path: path.to_owned(), reason };
        let text = read(path)?;
        let mut properties: Map<String, Value> =
            toml::from_str(&text).map_err(|error| invalid(error.to_string()))?;
        let known = body_properties();
        let is_known =
            |name: &str| known.contains(&name) || name == ID || name == INSTRUCTIONS_FILE;
        if let Some(name) = properties.keys().find(|name| !is_known(name)) {
            let reason = format!(
                "`{name}` is not a property of an assistant; expected {}",
                known.join(", ")
            );
            return Err(invalid(reason));
        }
        let id = match properties.shift_remove(ID) {
            None => None,
            Some(Value::String(id)) => Some(id),
            Some(other) => return Err(invalid(format!("`id` is {other}; expected a text"))),
        };
        if let Some(file) = properties.shift_remove(INSTRUCTIONS_FILE) {
            let Some(file) = file.as_str() else {
                return Err(invalid(format!("`{INSTRUCTIONS_FILE}` is {file}; expected a path")));
            };
            if properties.contains_key("instructions") {
                return Err(invalid(format!(
                    "it has both `instructions` and `{INSTRUCTIONS_FILE}`"
                )));
            }
            let instructions = read(&path.parent().unwrap_or(Path::new("")).join(file))?;
            properties.insert("instructions".to_owned(), instructions.trim_end().into());
        }
        if id.is_none() && properties.get("name").and_then(Value::as_str).is_none() {
            return Err(invalid("it has neither an `id` nor a `name`".to_owned()));
        }
        Ok(Self { id, properties })
    }
}

/// Returns the properties of an assistant in requests.
fn body_properties() -> Vec<&'static str> {
    let create = OPERATIONS.iter().find(|operation| operation.id == "createAssistant");
    create.map(Operation::body_properties).unwrap_or_default()
}

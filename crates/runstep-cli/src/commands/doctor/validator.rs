//! Compares responses with the specification.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::error::CliError;

/// The dialect of the schemas.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The schemas of the specification.
pub(super) struct Validator {
    components: Value,
    compiled: HashMap<String, Option<jsonschema::Validator>>,
}

impl Validator {
    pub(super) fn new() -> Result<Self, CliError> {
        let mut document: Value = serde_json::from_str(runstep::OPENAPI)?;
        let components = document.get_mut("components").map(Value::take).unwrap_or_default();
        Ok(Self { components, compiled: HashMap::new() })
    }

    /// Returns where a value deviates from a schema, and how. Values are left out: they are private.
    pub(super) fn violations(&mut self, schema: &str, value: &Value) -> Vec<String> {
        let components = &self.components;
        let compiled = self.compiled.entry(schema.to_owned()).or_insert_with(|| {
            let root = json!({
                "$schema": DIALECT,
                "$ref": format!("#/components/schemas/{schema}"),
                "components": components,
            });
            jsonschema::draft202012::new(&root).ok()
        });
        let Some(compiled) = compiled else {
            return vec![format!("the schema `{schema}` cannot be used")];
        };
        let errors = compiled.iter_errors(value).map(|error| {
            let path = error.instance_path().to_string();
            let path =
                if path.is_empty() { "the response".to_owned() } else { format!("`{path}`") };
            format!("{path}: {}", error.masked())
        });
        errors.collect()
    }
}

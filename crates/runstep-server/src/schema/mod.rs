//! Validates request bodies against the schemas of the OpenAPI document, with errors in the words
//! of the API.
//!
//! The `jsonschema` crate validates. This module prepares the schemas ([`document`]), turns the
//! validator's errors into the API's codes, parameters and messages ([`translate`], [`wording`]),
//! removes nulls ([`nulls`]) and normalizes integers ([`integers`]).

mod document;
mod integers;
mod nulls;
mod translate;
mod wording;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

pub(crate) use wording::Violation;

/// The schemas of the specification that the crate was built with. Compiling them takes
/// milliseconds, so servers of one process share them.
static EMBEDDED: LazyLock<Result<Schemas, SchemaError>> =
    LazyLock::new(|| Schemas::new(runstep_api::OPENAPI));

/// The compiled schemas of an OpenAPI document's request bodies.
#[derive(Debug)]
pub(crate) struct Schemas {
    document: Value,
    validators: BTreeMap<String, Validator>,
}

/// The reason why an OpenAPI document cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct SchemaError(String);

impl Schemas {
    /// Returns the schemas of the embedded specification.
    pub(crate) fn embedded() -> Result<&'static Self, SchemaError> {
        EMBEDDED.as_ref().map_err(Clone::clone)
    }

    /// Compiles the schemas of all request bodies of an OpenAPI 3.1 document in JSON.
    fn new(openapi: &str) -> Result<Self, SchemaError> {
        let (document, components) = document::prepare(openapi)?;
        let compile = |component: String| {
            let schema = document::root(&document, &component);
            let validator = jsonschema::draft202012::new(&schema)
                .map_err(|error| SchemaError(format!("the schema {component}: {error}")))?;
            Ok((component, validator))
        };
        let validators = components.into_iter().map(compile).collect::<Result<_, _>>()?;
        Ok(Self { document, validators })
    }

    /// Validates the body of a request against the component schema of that name.
    pub(crate) fn validate(&self, component: &str, body: &Value) -> Result<(), Violation> {
        let Some(validator) = self.validators.get(component) else {
            return Err(Violation::unknown_component(component));
        };
        validator.validate(body).map_err(|error| translate::violation(&error, &self.document))
    }
}

#[cfg(test)]
mod tests;

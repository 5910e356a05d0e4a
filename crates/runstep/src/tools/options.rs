//! Options of a function in a toolbox.

use std::time::Duration;

/// Options of one function.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ToolOptions {
    pub(super) description: Option<String>,
    pub(super) strict: bool,
    pub(super) timeout: Option<Duration>,
}

impl ToolOptions {
    /// Sets the description for the model. Default: the documentation of the arguments' type.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Sets whether the provider enforces the schema exactly. Default: false.
    ///
    /// The schema is converted to the strict subset: every property is required, no others are allowed,
    /// optional values may be null, and constraints of numbers and strings are moved to descriptions.
    /// For a type that the subset cannot express, such as a map, [`Toolbox::check`](crate::tools::Toolbox::check) returns an error.
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Sets the timeout of a call. Default: until the run expires or the caller's deadline passes.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

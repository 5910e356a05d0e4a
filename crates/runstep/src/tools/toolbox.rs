//! A toolbox: Rust functions by name.

use std::fmt;
use std::sync::Arc;

use runstep_api::types::Tool;
use serde::Deserialize as _;
use serde_json::Value;

use super::context::ToolContext;
use super::error::ToolError;
use super::function::Function;
use super::handler::Handler;
use super::options::ToolOptions;
use crate::error::{Error, ErrorKind, Result, join};

/// Rust functions that a model may call, and other tools.
///
/// Names and schemas come from the functions' types. If one of them is not valid, for example a
/// type without a strict schema, [`check`](Self::check) and every use of the toolbox return an
/// error, before a run is created.
///
/// Cheap to clone. Create it once and use it for many runs.
///
/// ```
/// use runstep::schemars::JsonSchema;
/// use runstep::tools::Toolbox;
/// use serde::Deserialize;
/// use serde_json::json;
///
/// /// Current weather in a city
/// #[derive(Deserialize, JsonSchema)]
/// # #[schemars(crate = "runstep::schemars")]
/// struct GetWeather {
///     /// City name, such as Paris
///     city: String,
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> runstep::Result<()> {
/// let tools = Toolbox::new().function("get_weather", |args: GetWeather| async move {
///     format!("18 degrees in {}", args.city)
/// });
///
/// // Calls the function as a run does, without a run:
/// let output = tools.call("get_weather", json!({"city": "Paris"})).await?;
/// assert_eq!(output, "18 degrees in Paris");
/// # Ok(())
/// # }
/// ```
#[must_use = "a toolbox does nothing until it is passed to a run"]
pub struct Toolbox<S = ()> {
    state: Arc<S>,
    tools: Arc<ToolSet>,
}

/// The contents of a toolbox, independent of the type of its state.
#[derive(Clone, Default)]
pub(super) struct ToolSet {
    functions: Vec<Arc<Function>>,
    other_tools: Vec<Tool>,
    /// Why parts of the contents are not valid.
    errors: Vec<String>,
}

impl Toolbox {
    /// Creates an empty toolbox without state.
    pub fn new() -> Self {
        Self::with_state(Arc::new(()))
    }
}

impl Default for Toolbox {
    fn default() -> Self {
        Self::new()
    }
}

impl<S: Send + Sync + 'static> Toolbox<S> {
    /// Creates an empty toolbox whose functions can take this state as `Arc<S>`.
    pub fn with_state(state: Arc<S>) -> Self {
        Self { state, tools: Arc::default() }
    }

    /// Adds a function. Its name has up to 64 ASCII letters, digits, `_` and `-`.
    ///
    /// See [`Handler`] for the allowed parameters and return types.
    pub fn function<M>(self, name: impl Into<String>, function: impl Handler<S, M>) -> Self {
        self.function_with(name, ToolOptions::default(), function)
    }

    /// Adds a function with options.
    ///
    /// ```
    /// # use runstep::schemars::JsonSchema;
    /// use std::time::Duration;
    /// use runstep::tools::{ToolOptions, Toolbox};
    /// # #[derive(serde::Deserialize, JsonSchema)]
    /// # #[schemars(crate = "runstep::schemars")]
    /// # struct Search { query: String }
    ///
    /// async fn search(args: Search) -> Result<Vec<String>, std::io::Error> {
    ///     Ok(vec![format!("a page about {}", args.query)])
    /// }
    ///
    /// let options = ToolOptions::default().timeout(Duration::from_secs(20)).strict(true);
    /// let tools = Toolbox::new().function_with("search", options, search);
    /// # tools.check().unwrap();
    /// ```
    pub fn function_with<M>(
        mut self,
        name: impl Into<String>,
        options: ToolOptions,
        function: impl Handler<S, M>,
    ) -> Self {
        let name = name.into();
        let state = Arc::clone(&self.state);
        let tools = Arc::make_mut(&mut self.tools);
        if tools.functions.iter().any(|function| function.name() == name) {
            tools.errors.push(format!("tool `{name}`: the name is used twice"));
        }
        match Function::new(name, options, state, function) {
            Ok(function) => tools.functions.push(Arc::new(function)),
            Err(error) => tools.errors.push(error),
        }
        self
    }

    /// Adds a tool that the provider executes, such as
    /// [`CodeInterpreterTool`](crate::types::CodeInterpreterTool), or a function without a handler.
    ///
    /// A call of a function without a handler is deferred: the loop stops with a
    /// [`SuspendedRun`](super::SuspendedRun), and [`Runs::resume`](crate::Runs::resume) answers it.
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        Arc::make_mut(&mut self.tools).other_tools.push(tool.into());
        self
    }

    /// Adds a tool that this version does not know, as it is on the wire.
    ///
    /// ```
    /// use runstep::tools::Toolbox;
    /// use serde_json::json;
    ///
    /// let tools = Toolbox::new().raw(json!({"type": "bing_grounding", "count": 3}));
    /// # tools.check().unwrap();
    /// ```
    pub fn raw(mut self, tool: Value) -> Self {
        let tools = Arc::make_mut(&mut self.tools);
        match Tool::deserialize(&tool) {
            // Keep the JSON if decoding it would lose a property.
            Ok(known) if is_json_of(&known, &tool) => tools.other_tools.push(known),
            _ => tools.other_tools.push(Tool::Unknown(tool)),
        }
        self
    }

    /// Checks whether all tools are valid.
    ///
    /// # Errors
    ///
    /// Returns [`ErrorKind::Configuration`] with the name of each invalid tool, the JSON path of the
    /// invalid part, and the reason: an invalid name, arguments that are not an object, or a type
    /// without a strict schema. Every use of the toolbox returns the same error.
    pub fn check(&self) -> Result<()> {
        self.tools.check()
    }

    /// Returns the tool definitions, for an assistant. Runs with the toolbox receive them anyway.
    ///
    /// # Errors
    ///
    /// Returns the error of [`check`](Self::check).
    pub fn definitions(&self) -> Result<Vec<Tool>> {
        self.tools.definitions()
    }

    /// Calls a function as a run does: decodes the arguments, enforces the timeout and catches panics.
    ///
    /// # Errors
    ///
    /// Returns an error with a [`tool_error`](Error::tool_error) if the call fails.
    pub async fn call(&self, name: &str, arguments: Value) -> Result<String> {
        self.call_with(name, arguments, ToolContext::default()).await
    }

    /// Calls a function with a given context.
    ///
    /// # Errors
    ///
    /// Returns an error with a [`tool_error`](Error::tool_error) if the call fails.
    pub async fn call_with(
        &self,
        name: &str,
        arguments: Value,
        context: ToolContext,
    ) -> Result<String> {
        self.call_text(name, arguments.to_string(), context).await
    }

    /// Calls a function with arguments as JSON text, as a model generates them; they may be invalid.
    ///
    /// ```
    /// use runstep::tools::{ToolErrorKind, Toolbox};
    /// use serde_json::Value;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> runstep::Result<()> {
    /// # use std::collections::BTreeMap;
    /// let tools = Toolbox::new()
    ///     .function("count", |args: BTreeMap<String, Value>| async move { args.len().to_string() });
    ///
    /// assert_eq!(tools.call_raw("count", r#"{"a": 1, "b": 2}"#).await?, "2");
    /// let error = tools.call_raw("count", r#"{"a": "#).await.unwrap_err();
    /// assert_eq!(error.tool_error().unwrap().kind(), ToolErrorKind::Arguments);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Returns an error with a [`tool_error`](Error::tool_error) if the call fails.
    pub async fn call_raw(&self, name: &str, arguments: &str) -> Result<String> {
        self.call_text(name, arguments.to_owned(), ToolContext::default()).await
    }

    async fn call_text(
        &self,
        name: &str,
        arguments: String,
        context: ToolContext,
    ) -> Result<String> {
        self.check()?;
        let function = self.tools.find(name, context.call_id())?;
        Ok(function.call(arguments, context, None).await?)
    }

    pub(super) fn tools(&self) -> Arc<ToolSet> {
        Arc::clone(&self.tools)
    }
}

impl ToolSet {
    pub(super) fn check(&self) -> Result<()> {
        if self.errors.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Configuration, join(&self.errors, "\n")))
    }

    pub(super) fn definitions(&self) -> Result<Vec<Tool>> {
        self.check()?;
        let functions = self.functions.iter().map(|function| function.tool());
        Ok(functions.chain(self.other_tools.iter().cloned()).collect())
    }

    /// Returns whether a function was declared with [`Toolbox::tool`], so that it has no handler.
    pub(super) fn has_no_handler(&self, name: &str) -> bool {
        let is_declared =
            |tool: &Tool| matches!(tool, Tool::Function(tool) if tool.function.name == name);
        !self.functions.iter().any(|function| function.name() == name)
            && self.other_tools.iter().any(is_declared)
    }

    pub(super) fn find(
        &self,
        name: &str,
        call_id: &str,
    ) -> std::result::Result<&Arc<Function>, ToolError> {
        let names = || self.functions.iter().map(|function| function.name());
        let found = self.functions.iter().find(|function| function.name() == name);
        found.ok_or_else(|| ToolError::unknown(name, call_id, names()))
    }
}

impl<S> Clone for Toolbox<S> {
    fn clone(&self) -> Self {
        Self { state: Arc::clone(&self.state), tools: Arc::clone(&self.tools) }
    }
}

/// Shows the names of the tools, not the state.
impl<S> fmt::Debug for Toolbox<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> =
            self.tools.functions.iter().map(|function| function.name()).collect();
        f.debug_struct("Toolbox")
            .field("functions", &names)
            .field("other_tools", &self.tools.other_tools)
            .field("errors", &self.tools.errors)
            .finish_non_exhaustive()
    }
}

fn is_json_of(tool: &Tool, expected: &Value) -> bool {
    let json = runstep_api::encode(tool);
    runstep_api::parse_value(&json).is_ok_and(|json| json == *expected)
}

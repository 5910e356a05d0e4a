//! Rust functions by the names that a model calls them by.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use runstep_api::types::Tool;
use serde::Deserialize as _;
use serde_json::Value;

use super::context::ToolContext;
use super::error::ToolError;
use super::function::Function;
use super::handler::Handler;
use crate::error::{Error, ErrorKind, Result};

/// Rust functions that a model may call, and other tools beside them.
///
/// Names and schemas come from the functions' types. What is wrong with one of them, such as a type
/// that cannot be strict, is an error of [`check`](Self::check), and of everything that uses the
/// toolbox: no run is started with it.
///
/// Cheap to clone, and made to be kept for many runs.
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
/// // As a run calls it, without a run:
/// let output = tools.call("get_weather", json!({"city": "Paris"})).await?;
/// assert_eq!(output, "18 degrees in Paris");
/// # Ok(())
/// # }
/// ```
#[must_use = "a toolbox does nothing until a run is given it"]
pub struct Toolbox<S = ()> {
    state: Arc<S>,
    contents: Arc<Contents>,
}

/// What is in a toolbox, whatever its state.
#[derive(Clone, Default)]
pub(super) struct Contents {
    functions: Vec<Arc<Function>>,
    others: Vec<Tool>,
    /// What is wrong with what was put in.
    wrong: Vec<String>,
}

/// How one function is offered and called.
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct ToolOptions {
    pub(super) description: Option<String>,
    pub(super) strict: bool,
    pub(super) timeout: Option<Duration>,
}

impl ToolOptions {
    /// What the function does, for the model. Default: the documentation of its arguments' type.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// Whether the provider holds the model to the schema exactly. Default: no.
    ///
    /// The schema is brought into the strict subset: every property is required, no others are
    /// allowed, what was optional may be null instead, and limits of numbers and texts are told in
    /// descriptions. A type that it cannot express, such as a map, is an error of
    /// [`Toolbox::check`].
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// How long a call may take. Default: until the run expires, or the caller's deadline.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl Toolbox {
    /// An empty toolbox, whose functions share no state.
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
    /// An empty toolbox, whose functions may take this state as `Arc<S>`.
    pub fn with_state(state: Arc<S>) -> Self {
        Self { state, contents: Arc::default() }
    }

    /// Adds a function by a name of up to 64 ASCII letters, digits, `_` and `-`.
    ///
    /// See [`Handler`] for what it may take and give back.
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
        let contents = Arc::make_mut(&mut self.contents);
        if contents.functions.iter().any(|one| one.name() == name) {
            contents.wrong.push(format!("tool `{name}`: there is another of this name"));
        }
        match Function::new(name, options, state, function) {
            Ok(function) => contents.functions.push(Arc::new(function)),
            Err(wrong) => contents.wrong.push(wrong),
        }
        self
    }

    /// Adds a tool that the provider carries out itself, such as
    /// [`CodeInterpreterTool`](crate::types::CodeInterpreterTool), or a function that the program
    /// answers in another way.
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        Arc::make_mut(&mut self.contents).others.push(tool.into());
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
        let contents = Arc::make_mut(&mut self.contents);
        match Tool::deserialize(&tool) {
            // What a known tool does not tell must not be lost.
            Ok(known) if serde_json::to_value(&known).is_ok_and(|same| same == tool) => {
                contents.others.push(known);
            }
            _ => contents.others.push(Tool::Unknown(tool)),
        }
        self
    }

    /// Whether everything in the toolbox can be offered to a model.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Configuration`] that names each tool, the JSON path of the part that is wrong,
    /// and why: a name that cannot be sent, arguments that are no object, or a type that cannot be
    /// strict. Everything that uses the toolbox gives the same error.
    pub fn check(&self) -> Result<()> {
        self.contents.check()
    }

    /// The tools as the API has them, for an assistant that keeps them; a run is given them anyway.
    ///
    /// # Errors
    ///
    /// See [`check`](Self::check).
    pub fn definitions(&self) -> Result<Vec<Tool>> {
        self.contents.definitions()
    }

    /// Calls a function as a run does, without a run: the arguments are decoded, the timeout holds,
    /// a panic is caught.
    ///
    /// # Errors
    ///
    /// [`Error::tool_error`] says why the call gave no output.
    pub async fn call(&self, name: &str, arguments: Value) -> Result<String> {
        self.call_with(name, arguments, ToolContext::default()).await
    }

    /// Calls a function in a context of the test's own.
    ///
    /// # Errors
    ///
    /// [`Error::tool_error`] says why the call gave no output.
    pub async fn call_with(
        &self,
        name: &str,
        arguments: Value,
        context: ToolContext,
    ) -> Result<String> {
        self.check()?;
        let function = self.contents.find(name, context.call_id())?;
        Ok(function.call(arguments.to_string(), context, None).await?)
    }

    pub(super) fn contents(&self) -> Arc<Contents> {
        Arc::clone(&self.contents)
    }
}

impl Contents {
    pub(super) fn check(&self) -> Result<()> {
        if self.wrong.is_empty() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Configuration, self.wrong.join("\n")))
    }

    pub(super) fn definitions(&self) -> Result<Vec<Tool>> {
        self.check()?;
        let functions = self.functions.iter().map(|function| function.tool());
        Ok(functions.chain(self.others.iter().cloned()).collect())
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
        Self { state: Arc::clone(&self.state), contents: Arc::clone(&self.contents) }
    }
}

/// Shows the names, and not the state.
impl<S> fmt::Debug for Toolbox<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.contents.functions.iter().map(|one| one.name()).collect();
        f.debug_struct("Toolbox")
            .field("functions", &names)
            .field("others", &self.contents.others)
            .field("wrong", &self.contents.wrong)
            .finish_non_exhaustive()
    }
}

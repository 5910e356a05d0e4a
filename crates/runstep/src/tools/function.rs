//! A function of a toolbox: its definition and its execution.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use runstep_api::types::{FunctionDefinition, FunctionTool, Tool};
use tokio::time::Instant;
use tracing::Instrument as _;
use tracing::field::Empty;

use super::context::ToolContext;
use super::error::ToolError;
use super::handler::{ArgumentsSchema, Handler};
use super::options::ToolOptions;
use super::output::HandlerError;
use crate::schema::{
    SchemaViolation, check_name, check_object, decode, join_violations, to_strict,
};

/// A type-erased function.
type ErasedHandler = dyn Fn(&str, ToolContext) -> OutputFuture + Send + Sync;
type OutputFuture = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>>;

/// Why a function returned no output.
enum Failure {
    Arguments(serde_json::Error),
    Handler(HandlerError),
}

/// A function of a toolbox.
pub(super) struct Function {
    definition: FunctionDefinition,
    timeout: Option<Duration>,
    handler: Box<ErasedHandler>,
}

impl Function {
    /// Creates a function, or returns why its name or its types are not valid.
    pub(super) fn new<S, M, H>(
        name: String,
        options: ToolOptions,
        state: Arc<S>,
        function: H,
    ) -> Result<Self, String>
    where
        S: Send + Sync + 'static,
        H: Handler<S, M>,
    {
        let invalid = |reason: String| format!("tool `{name}`: {reason}");
        check_name(&name).map_err(invalid)?;
        let ArgumentsSchema(arguments) = H::schema();
        let schema = arguments.schema;
        let violation = |context: &str, parts: &[SchemaViolation]| {
            invalid(format!("{context}: {}", join_violations(parts)))
        };
        check_object(&schema).map_err(|part| violation("invalid arguments", &[part]))?;
        let parameters = match options.strict {
            true => to_strict(&schema)
                .map_err(|parts| violation("the schema cannot be strict", &parts))?,
            false => schema.clone(),
        };
        let mut definition = FunctionDefinition::new(&name).parameters(parameters);
        definition.description = options.description.or(arguments.description);
        if options.strict {
            definition = definition.strict(true);
        }
        let handler = move |arguments: &str, context: ToolContext| -> OutputFuture {
            let arguments = match arguments.trim() {
                "" => "{}", // from a call of a function without arguments
                arguments => arguments,
            };
            match decode(&schema, arguments) {
                Ok(arguments) => {
                    let output = function.call(arguments, Arc::clone(&state), context);
                    Box::pin(output.map(|output| output.map_err(Failure::Handler)))
                }
                Err(error) => Box::pin(std::future::ready(Err(Failure::Arguments(error)))),
            }
        };
        Ok(Self { definition, timeout: options.timeout, handler: Box::new(handler) })
    }

    pub(super) fn name(&self) -> &str {
        &self.definition.name
    }

    /// Returns the definition for the model.
    pub(super) fn tool(&self) -> Tool {
        FunctionTool::new(self.definition.clone()).into()
    }

    /// Calls the function within its timeout, and until `deadline` at the latest.
    pub(super) async fn call(
        &self,
        arguments: String,
        context: ToolContext,
        deadline: Option<Instant>,
    ) -> Result<String, ToolError> {
        let name = self.name();
        let span = tracing::info_span!(
            "runstep.tool_call",
            otel.name = format!("execute_tool {name}"),
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = name,
            gen_ai.tool.r#type = "function",
            gen_ai.tool.call.id = non_empty(context.call_id()),
            gen_ai.conversation.id = non_empty(context.thread_id()),
            runstep.run.id = non_empty(context.run_id()),
            error.r#type = Empty,
        );
        let output = self.call_until(arguments, context, deadline).instrument(span.clone()).await;
        if let Err(error) = &output {
            span.record("error.type", error.kind().as_str());
        }
        output
    }

    async fn call_until(
        &self,
        arguments: String,
        context: ToolContext,
        deadline: Option<Instant>,
    ) -> Result<String, ToolError> {
        let (name, call_id) = (self.name(), context.call_id().to_owned());
        // Unless the function returns an output, cancel the work that it has started elsewhere.
        let cancel_guard = context.cancellation().clone().drop_guard();
        // Unwind safe: the function shares no state with the toolbox itself.
        let output = AssertUnwindSafe(async move { (self.handler)(&arguments, context).await });
        let own_deadline = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let output = output.catch_unwind();
        let output = match own_deadline.into_iter().chain(deadline).min() {
            Some(limit) => tokio::time::timeout_at(limit, output).await,
            None => Ok(output.await),
        };
        match output {
            Ok(Ok(Ok(output))) => {
                cancel_guard.disarm();
                Ok(output)
            }
            Ok(Ok(Err(Failure::Arguments(error)))) => {
                Err(ToolError::arguments(name, &call_id, error))
            }
            Ok(Ok(Err(Failure::Handler(error)))) => Err(ToolError::handler(name, &call_id, error)),
            Ok(Err(panic)) => Err(ToolError::panic(name, &call_id, panic.as_ref())),
            Err(_) => match self.timeout {
                Some(timeout) if own_deadline <= deadline || deadline.is_none() => {
                    Err(ToolError::timeout(name, &call_id, timeout))
                }
                _ => Err(ToolError::deadline_exceeded(name, &call_id)),
            },
        }
    }
}

/// Returns an id, or `None` if the call does not belong to a run.
fn non_empty(id: &str) -> Option<&str> {
    (!id.is_empty()).then_some(id)
}

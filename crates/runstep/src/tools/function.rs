//! One function: how it is offered, and one call of it.

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
use super::output::HandlerError;
use super::toolbox::ToolOptions;
use crate::schema::{Unfit, check_name, check_object, decode, sentence, strict};

/// A function with its types forgotten.
type Run = dyn Fn(&str, ToolContext) -> Output + Send + Sync;
type Output = Pin<Box<dyn Future<Output = Result<String, Failure>> + Send>>;

/// Why a function gave no output.
enum Failure {
    Arguments(serde_json::Error),
    Handler(HandlerError),
}

/// A function of a toolbox.
pub(super) struct Function {
    definition: FunctionDefinition,
    timeout: Option<Duration>,
    run: Box<Run>,
}

impl Function {
    /// A function, or what is wrong with it.
    pub(super) fn new<S, M, H>(
        name: String,
        options: ToolOptions,
        state: Arc<S>,
        handler: H,
    ) -> Result<Self, String>
    where
        S: Send + Sync + 'static,
        H: Handler<S, M>,
    {
        let wrong = |what: String| format!("tool `{name}`: {what}");
        check_name(&name).map_err(wrong)?;
        let ArgumentsSchema(arguments) = H::schema();
        let schema = arguments.schema;
        let unfit = |what: &str, parts: &[Unfit]| wrong(format!("{what}: {}", sentence(parts)));
        check_object(&schema).map_err(|part| unfit("its arguments cannot be sent", &[part]))?;
        let parameters = match options.strict {
            true => strict(&schema).map_err(|parts| unfit("it cannot be strict", &parts))?,
            false => schema.clone(),
        };
        let mut definition = FunctionDefinition::new(&name).parameters(parameters);
        definition.description = options.description.or(arguments.description);
        if options.strict {
            definition = definition.strict(true);
        }
        let run = move |arguments: &str, context: ToolContext| -> Output {
            let arguments = match arguments.trim() {
                "" => "{}", // of a function that takes nothing
                arguments => arguments,
            };
            match decode(&schema, arguments) {
                Ok(arguments) => {
                    let output = handler.call(arguments, Arc::clone(&state), context);
                    Box::pin(output.map(|output| output.map_err(Failure::Handler)))
                }
                Err(error) => Box::pin(std::future::ready(Err(Failure::Arguments(error)))),
            }
        };
        Ok(Self { definition, timeout: options.timeout, run: Box::new(run) })
    }

    pub(super) fn name(&self) -> &str {
        &self.definition.name
    }

    /// The function as it is offered to a model.
    pub(super) fn tool(&self) -> Tool {
        FunctionTool::new(self.definition.clone()).into()
    }

    /// Calls the function, under its timeout and until a time at the latest.
    pub(super) async fn call(
        &self,
        arguments: String,
        context: ToolContext,
        until: Option<Instant>,
    ) -> Result<String, ToolError> {
        let name = self.name();
        let span = tracing::info_span!(
            "runstep.tool_call",
            otel.name = format!("execute_tool {name}"),
            gen_ai.operation.name = "execute_tool",
            gen_ai.tool.name = name,
            gen_ai.tool.r#type = "function",
            gen_ai.tool.call.id = known(context.call_id()),
            gen_ai.conversation.id = known(context.thread_id()),
            runstep.run.id = known(context.run_id()),
            error.r#type = Empty,
        );
        let output = self.bounded(arguments, context, until).instrument(span.clone()).await;
        if let Err(error) = &output {
            span.record("error.type", error.kind().as_str());
        }
        output
    }

    async fn bounded(
        &self,
        arguments: String,
        context: ToolContext,
        until: Option<Instant>,
    ) -> Result<String, ToolError> {
        let (name, call_id) = (self.name(), context.call_id().to_owned());
        // Whatever way this ends but with an output, what the function has started must know.
        let cancelled = context.cancellation().clone().drop_guard();
        // The function has no part in the toolbox's own state, which so cannot be half changed.
        let output = AssertUnwindSafe(async move { (self.run)(&arguments, context).await });
        let own = self.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let output = output.catch_unwind();
        let output = match own.into_iter().chain(until).min() {
            Some(limit) => tokio::time::timeout_at(limit, output).await,
            None => Ok(output.await),
        };
        match output {
            Ok(Ok(Ok(output))) => {
                cancelled.disarm();
                Ok(output)
            }
            Ok(Ok(Err(Failure::Arguments(error)))) => {
                Err(ToolError::arguments(name, &call_id, error))
            }
            Ok(Ok(Err(Failure::Handler(error)))) => Err(ToolError::handler(name, &call_id, error)),
            Ok(Err(panic)) => Err(ToolError::panic(name, &call_id, panic.as_ref())),
            Err(_) => match self.timeout {
                Some(timeout) if own <= until || until.is_none() => {
                    Err(ToolError::timeout(name, &call_id, timeout))
                }
                _ => Err(ToolError::late(name, &call_id)),
            },
        }
    }
}

/// An id, unless no run makes the call.
fn known(id: &str) -> Option<&str> {
    (!id.is_empty()).then_some(id)
}

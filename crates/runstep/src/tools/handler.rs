//! Which Rust functions can be tools.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::context::ToolContext;
use super::output::{HandlerError, IntoOutput};
use crate::schema::{TypeSchema, empty_schema, type_schema};

/// The future of a function's output.
pub type OutputFuture = Pin<Box<dyn Future<Output = Result<String, HandlerError>> + Send>>;

/// An async function that can be a tool.
///
/// Its parameters are its arguments, of a type that is [`DeserializeOwned`] and [`JsonSchema`],
/// optionally followed by the toolbox's state and by a [`ToolContext`]. A function without any
/// parameters is allowed, too. It returns an [`IntoOutput`], and its future is [`Send`].
///
/// ```
/// # use std::sync::Arc;
/// # use runstep::tools::{ToolContext, Toolbox};
/// # use runstep::schemars::JsonSchema;
/// # use serde::Deserialize;
/// # struct Db;
/// # #[derive(Deserialize, JsonSchema)]
/// # #[schemars(crate = "runstep::schemars")]
/// # struct Find { name: String }
/// let tools = Toolbox::with_state(Arc::new(Db))
///     .function("now", || async { "12:00" })
///     .function("echo", |find: Find| async move { find.name })
///     .function("find", |find: Find, db: Arc<Db>| async move { find.name })
///     .function("wait", |find: Find, db: Arc<Db>, context: ToolContext| async move {
///         context.call_id().to_owned()
///     });
/// # tools.check().unwrap();
/// ```
///
/// The type parameter `M` distinguishes these forms; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "this function cannot be a tool",
    note = "a tool is an async function whose parameters are its arguments (`Deserialize` and \
            `JsonSchema`), optionally `Arc` of the toolbox's state, and optionally a `ToolContext`; \
            it returns text, `Json(value)` or a `Result`, and its future is `Send`"
)]
pub trait Handler<S, M>: Send + Sync + 'static {
    /// The type that the arguments are decoded to.
    type Arguments: DeserializeOwned;

    #[doc(hidden)]
    fn schema() -> ArgumentsSchema;

    /// Calls the function.
    fn call(&self, arguments: Self::Arguments, state: Arc<S>, context: ToolContext)
    -> OutputFuture;
}

#[doc(hidden)]
pub struct ArgumentsSchema(pub(super) TypeSchema);

impl<S, F, Fut> Handler<S, ()> for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoOutput> + Send + 'static,
{
    type Arguments = serde::de::IgnoredAny;

    fn schema() -> ArgumentsSchema {
        ArgumentsSchema(empty_schema())
    }

    fn call(&self, _: Self::Arguments, _: Arc<S>, _: ToolContext) -> OutputFuture {
        into_output_future(self())
    }
}

/// Implements [`Handler`] for functions with arguments and further parameters.
macro_rules! handler {
    ($state:ident, $context:ident => $($parameter:ident: $Parameter:ty),*) => {
        impl<S, F, A, Fut> Handler<S, (A, $($Parameter,)*)> for F
        where
            S: Send + Sync + 'static,
            F: Fn(A, $($Parameter),*) -> Fut + Send + Sync + 'static,
            A: DeserializeOwned + JsonSchema,
            Fut: Future<Output: IntoOutput> + Send + 'static,
        {
            type Arguments = A;

            fn schema() -> ArgumentsSchema {
                ArgumentsSchema(type_schema::<A>())
            }

            #[allow(unused_variables, reason = "not every form uses both")]
            fn call(&self, arguments: A, $state: Arc<S>, $context: ToolContext) -> OutputFuture {
                into_output_future(self(arguments, $($parameter),*))
            }
        }
    };
}

handler!(state, context =>);
handler!(state, context => context: ToolContext);
handler!(state, context => state: Arc<S>);
handler!(state, context => state: Arc<S>, context: ToolContext);

fn into_output_future(future: impl Future<Output: IntoOutput> + Send + 'static) -> OutputFuture {
    Box::pin(async move { future.await.into_output() })
}

//! Which Rust functions can be tools.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use super::context::ToolContext;
use super::output::{HandlerError, IntoOutput};
use crate::schema::{TypeSchema, schema_of, schema_of_nothing};

/// The output of a function, to come.
pub type OutputFuture = Pin<Box<dyn Future<Output = Result<String, HandlerError>> + Send>>;

/// An async function that can be a tool.
///
/// It takes its arguments, of a type that is [`DeserializeOwned`] and [`JsonSchema`], then the
/// toolbox's state if it wants it, then a [`ToolContext`] if it wants that; or nothing at all. It
/// gives back what is [`IntoOutput`], and its future is [`Send`].
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
/// The parameter `M` tells these forms apart; it is always inferred.
#[diagnostic::on_unimplemented(
    message = "this cannot be a tool",
    note = "a tool is an async function of its arguments (`Deserialize` and `JsonSchema`), then of \
            `Arc` of the toolbox's state and of a `ToolContext` if it wants them; it gives back \
            text, `Json(value)` or a `Result`, and its future is `Send`"
)]
pub trait Handler<S, M>: Send + Sync + 'static {
    /// What the arguments are decoded into.
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
        ArgumentsSchema(schema_of_nothing())
    }

    fn call(&self, _: Self::Arguments, _: Arc<S>, _: ToolContext) -> OutputFuture {
        output_of(self())
    }
}

/// The forms with arguments, and what they take after them.
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
                ArgumentsSchema(schema_of::<A>())
            }

            #[allow(unused_variables, reason = "not every form takes both")]
            fn call(&self, arguments: A, $state: Arc<S>, $context: ToolContext) -> OutputFuture {
                output_of(self(arguments, $($parameter),*))
            }
        }
    };
}

handler!(state, context =>);
handler!(state, context => context: ToolContext);
handler!(state, context => state: Arc<S>);
handler!(state, context => state: Arc<S>, context: ToolContext);

fn output_of(future: impl Future<Output: IntoOutput> + Send + 'static) -> OutputFuture {
    Box::pin(async move { future.await.into_output() })
}

//! Rust functions as tools: [`Toolbox`] has them, and a run given it has its calls answered.
//!
//! See [`docs::tools`](crate::docs::tools) for how the loop decides.

mod answer;
mod context;
mod error;
mod event;
mod function;
mod handler;
mod output;
mod policy;
mod request;
mod round;
mod rounds;
mod settings;
mod stream;
mod submit;
mod toolbox;

pub use context::ToolContext;
pub use error::{ToolError, ToolErrorKind};
pub use event::{Approval, FunctionCall, ToolEvent};
pub use handler::{Handler, OutputFuture};
pub use output::{HandlerError, IntoOutput, Json};
pub use policy::FailurePolicy;
pub(crate) use request::TakesTools;
pub use request::WithToolbox;
pub use settings::{DEFAULT_CONCURRENCY, DEFAULT_MAX_ROUNDS};
pub use stream::{ToolStream, ToolStreamEvent};
pub use toolbox::{ToolOptions, Toolbox};

//! Rust functions as tools: [`Toolbox`] has them, and a run given it has its calls answered.
//!
//! See [`docs::tools`](crate::docs::tools) for how the loop decides.

mod context;
mod error;
mod function;
mod handler;
mod output;
mod toolbox;

pub use context::ToolContext;
pub use error::{ToolError, ToolErrorKind};
pub use handler::{Handler, OutputFuture};
pub use output::{HandlerError, IntoOutput, Json};
pub use toolbox::{ToolOptions, Toolbox};

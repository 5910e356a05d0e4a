//! Rust functions as tools: a [`Toolbox`] contains functions, and a run with a toolbox has its calls
//! executed.
//!
//! See [`docs::tools`](crate::docs::tools) for the details of the loop.

mod context;
mod error;
mod event;
mod function;
mod handler;
mod options;
mod output;
mod policy;
mod polling;
mod request;
mod resume;
mod round;
mod rounds;
mod settings;
mod stream;
mod submission;
mod tool_run;
mod toolbox;

pub use crate::schema::schema_of;
pub use crate::suspended::{Approval, PendingCall, SuspendedRun};
pub use context::ToolContext;
pub use error::{ToolError, ToolErrorKind};
pub use event::ToolEvent;
pub use handler::{Handler, OutputFuture};
pub use options::ToolOptions;
pub use output::{HandlerError, IntoOutput, Json};
pub use policy::FailurePolicy;
pub use request::{AcceptsToolbox, HasToolbox, WithToolbox};
pub use resume::{ResumeRun, ResumeRunParams};
pub use settings::{DEFAULT_CONCURRENCY, DEFAULT_MAX_ROUNDS};
pub use stream::{ToolStream, ToolStreamEvent};
/// The token of [`ToolContext::cancellation`], from the `tokio-util` crate.
pub use tokio_util::sync::CancellationToken;
pub use tool_run::ToolRun;
pub use toolbox::Toolbox;

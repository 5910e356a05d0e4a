//! The Rust SDK of the Run and Run Step API: assistants run on threads, call your functions and
//! tell what they did step by step.
//!
//! ```no_run
//! use runstep::prelude::*;
//!
//! # async fn example() -> runstep::Result<()> {
//! let client = runstep::Client::from_env()?;
//! let runs = client.runs("thread_abc123");
//!
//! let run = runs.create("asst_abc123").additional_instructions("Answer in French.").await?;
//! let run = runs.poll(&run.id).await?; // the end, or requires_action
//! for call in run.function_calls() {
//!     println!("{}({})", call.function.name, call.function.arguments);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Everything starts at a [`Client`]. Its requests are builders: what the API requires is in the
//! call, the rest are methods, and nothing is sent before they are awaited.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `rustls` | yes | TLS, by rustls |

mod assistants;
mod client;
mod environment;
mod error;
mod error_body;
mod extensions;
mod id;
mod messages;
mod poll;
mod reply;
mod request;
mod runs;
mod steps;
mod threads;

pub use assistants::{Assistants, CreateAssistant, RetrieveAssistant};
pub use client::{Client, ClientBuilder, DEFAULT_TIMEOUT};
pub use error::{Error, ErrorKind, Result};
pub use extensions::{MessageExt, RunExt};
pub use messages::{CreateMessage, ListMessages, Messages, RetrieveMessage};
pub use poll::{DEFAULT_DEADLINE, Poll, RunUpdates};
pub use request::ResponseFuture;
pub use runs::{CancelRun, CreateRun, ListRuns, RetrieveRun, Runs, SubmitToolOutputs, UpdateRun};
/// The API's objects, enums and unions.
pub use runstep_api::types;
pub use steps::{ListSteps, RetrieveStep, Steps};
pub use threads::{CreateThread, CreateThreadAndRun, RetrieveThread, Threads};

/// What makes the API's objects answer questions: `use runstep::prelude::*`.
pub mod prelude {
    pub use crate::extensions::{MessageExt as _, RunExt as _};
}

/// The README's code, compiled as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

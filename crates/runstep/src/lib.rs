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
//! | `native-tls` | no | TLS, by the system's library |
//! | `chrono` | no | chrono's types in arguments of [tools] and in answers |
//! | `uuid` | no | uuid's types likewise |
//!
//! # More
//!
//! [Polling](docs::polling), [streaming](docs::streaming), [functions as tools](docs::tools),
//! [errors and retries](docs::errors), [providers](docs::providers).

mod assistants;
mod auth;
mod backoff;
mod base_url;
mod builder;
mod client;
pub mod docs;
mod environment;
mod error;
mod error_body;
mod extensions;
mod headers;
mod id;
mod idle;
mod limits;
mod list;
mod messages;
mod operation;
mod options;
mod poll;
mod reply;
mod request;
mod response;
mod retry;
mod runs;
mod schema;
mod step_calls;
mod steps;
mod stream;
mod structured;
mod threads;
pub mod tools;

pub use assistants::{
    Assistants, CreateAssistant, DeleteAssistant, ListAssistants, RetrieveAssistant,
    UpdateAssistant,
};
pub use auth::Token;
pub use backoff::Backoff;
pub use builder::{ClientBuilder, DEFAULT_TIMEOUT};
pub use client::Client;
pub use error::{ActiveRun, Error, ErrorKind, Result};
pub use extensions::{MessageDeltaExt, MessageExt, Outcome, RunExt};
pub use idle::{EnsureIdle, IfActive};
pub use list::Items;
pub use messages::{
    CreateMessage, DeleteMessage, ListMessages, Messages, RetrieveMessage, UpdateMessage,
};
pub use poll::{
    AndPoll, DEFAULT_DEADLINE, Poll, PollAll, PollErrorPolicy, Polled, RunEnd, RunRef, RunUpdate,
    RunUpdates,
};
pub use request::ResponseFuture;
pub use response::Response;
pub use retry::RetryPolicy;
pub use runs::{CancelRun, CreateRun, ListRuns, RetrieveRun, Runs, SubmitToolOutputs, UpdateRun};
/// An event of a stream; see [`RunStream`].
pub use runstep_api::types::StreamEvent as RunEvent;
/// A field of a request that may be left out or sent as null, and the API's objects, enums and
/// unions.
pub use runstep_api::{Field, types};
/// Derives the schemas of tools and answers. A program that does not name the crate itself says
/// `#[schemars(crate = "runstep::schemars")]`.
pub use schemars;
pub use steps::{ListSteps, RetrieveStep, Steps};
pub use stream::{
    CollectedRun, DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_EVENT_BYTES, EventDecoder, EventTooLong,
    OpenStream, RunStream, RunStreamEnd, ServerSentEvent, TextDeltas,
};
pub use structured::{Answer, AnswerStream, ResponseAs};
pub use threads::{
    CreateThread, CreateThreadAndRun, DeleteThread, RetrieveThread, Threads, UpdateThread,
};

/// What makes the API's objects answer questions: `use runstep::prelude::*`.
pub mod prelude {
    pub use crate::extensions::{MessageDeltaExt as _, MessageExt as _, RunExt as _};
}

/// The README's code, compiled as it stands there.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
pub struct Readme;

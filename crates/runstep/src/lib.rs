//! The Rust SDK for the Run and Run Step API: run assistants on threads, let them call your
//! functions, and follow every step.
//!
//! ```no_run
//! # async fn example() -> runstep::Result<()> {
//! let client = runstep::Client::from_env()?;
//! let runs = client.runs("thread_abc123");
//!
//! let run = runs.create("asst_abc123").additional_instructions("Answer in French.").await?;
//! let run = runs.poll(&run.id).await?; // until it ends or requires action
//! for call in run.function_calls() {
//!     println!("{}({})", call.function.name, call.function.arguments);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Start with a [`Client`]. Each request is a builder: required values are arguments, optional
//! values are methods, and the request is sent when it is awaited.
//!
//! # Features
//!
//! | feature | default | what it does |
//! | --- | --- | --- |
//! | `rustls` | yes | TLS with rustls. Without any TLS only plain HTTP works, as to a server on the same machine |
//! | `native-tls` | no | TLS with the library of the operating system |
//! | `tools` | yes | Rust functions as [tools], and structured answers; builds schemars |
//! | `http2` | no | HTTP/2, if the server offers it: concurrent requests share a connection |
//! | `chrono` | no | chrono types in the arguments of tools and in structured answers |
//! | `uuid` | no | uuid types in the same places |
//! | `test-util` | no | errors and recorded streams for the tests of an application |
//!
//! # Guides

#![cfg_attr(docsrs, feature(doc_cfg))]

mod arguments;
mod client;
pub mod docs;
mod error;
mod headers;
mod into_completed;
mod pagination;
mod polling;
mod resources;
mod run_ref;
mod run_request;
#[cfg(feature = "tools")]
mod schema;
mod step_calls;
mod streaming;
#[cfg(feature = "tools")]
mod structured;
#[cfg(feature = "tools")]
mod suspended;
mod time;
#[cfg(feature = "tools")]
pub mod tools;
mod transport;

pub use arguments::{IntoField, IntoId};
/// The bytes of a body, from the `bytes` crate.
pub use bytes::Bytes;
pub use client::{AccessToken, Client, ClientBuilder, DEFAULT_TIMEOUT};
pub use error::{ActiveRun, Error, ErrorKind, Result};
pub use into_completed::IntoCompleted;
pub use pagination::{InvalidEntry, Items, Page, Pages};
pub use polling::{
    EnsureIdle, EnsureIdleParams, IfActive, Poll, PollAll, PollParams, PollTarget, PolledRun,
    RunUpdate, RunUpdates, WatchRun,
};
/// The HTTP client: `Method`, `Client` and `ClientBuilder` are part of the API of this crate.
pub use reqwest;
pub use resources::*;
pub use run_ref::RunRef;
pub use run_request::{
    AwaitRun, DEFAULT_DEADLINE, DEFAULT_IDLE_TIMEOUT, DEFAULT_MAX_EVENT_BYTES, Plain, PlainMode,
    RunMode, RunRequest, StartRun,
};
/// The specification that the types are generated from: an OpenAPI document as JSON.
pub use runstep_api::OPENAPI;
/// An event of a run; see [`RunStream`].
pub use runstep_api::types::StreamEvent as RunEvent;
/// A request field that distinguishes "left out" from null, the status of a run with its data, and
/// the objects, enums and unions of the API.
pub use runstep_api::{Field, Outcome, types};
/// Derives the schemas of tools and structured answers. A crate that does not depend on schemars
/// itself adds `#[schemars(crate = "runstep::schemars")]`.
#[cfg(feature = "tools")]
pub use schemars;
/// The type of API keys and tokens, from the `secrecy` crate: `String` and `&str` convert to it. Its
/// memory is wiped when it is dropped, and `Debug` does not show the secret.
pub use secrecy::SecretString;
pub use streaming::{
    CollectedRun, FollowRun, FollowRunParams, RunEventSource, RunStream, StreamEnd, TextDeltas,
};
#[cfg(feature = "tools")]
pub use structured::{AcceptsAnswer, Answer, AnswerStream, Typed};
pub use transport::{Backoff, PollErrorPolicy, Response, ResponseFuture, RetryPolicy};

/// Compiles the code examples of the README and of the documents for migrations.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
#[doc = include_str!("../../../docs/migrating-from-async-openai.md")]
#[doc = include_str!("../../../docs/migrating-from-python.md")]
pub struct Readme;

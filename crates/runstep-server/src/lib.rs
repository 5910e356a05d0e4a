//! A server of the Run and Run Step API, for tests and for hosting: official clients talk to it
//! unmodified.
//!
//! ```
//! use runstep_server::Server;
//! use runstep_server::model::{Scripted, Turn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), runstep_server::StartError> {
//! let model = Scripted::new([Turn::say("It is sunny.")]);
//! let server = Server::builder().model(model).spawn().await?;
//! let base_url = server.base_url(); // give this to a client
//! # Ok(())
//! # }
//! ```
//!
//! It serves the whole API: the nine operations on runs and their steps, and their companions, which
//! create, list, retrieve, update and delete assistants, threads and messages (threads have no list).
//! Paths are the same under `/` and under `/v1`. Objects are kept in memory until they are deleted.
//!
//! What it cannot honour is refused with a 400 that names it: the tools `code_interpreter` and
//! `file_search`, tool resources, attachments, and content that the model cannot take.
//!
//! # In a test
//!
//! - [`Server::builder`] with a [`model::Scripted`] says what the model answers,
//!   [`ManualClock`] when runs expire, and [`Faults`] what goes wrong.
//! - [`ServerBuilder::spawn`] serves on a free port; [`ServerBuilder::app`] is an
//!   [`axum::Router`] without a socket.
//!
//! # In operation
//!
//! - `GET /healthz` tells that it runs, `GET /readyz` that it takes requests, and `GET /metrics` its
//!   figures, in the text format of Prometheus. The first two need no key. While it shuts down it
//!   refuses connections.
//! - Each reply has an `x-request-id`: the client's if it sent one of at most 128 letters, digits
//!   and `-_.:/+=@`, else one that the server makes.
//! - It logs by `tracing`: `runstep_server::http` has a line for each request, in a span with its
//!   id and operation, and `runstep_server::run` one for each run that ends. Keys and what people
//!   write are never logged.
//!
//! # Streams
//!
//! Each event has an `id:`, which is its number within its run. A stream that was lost goes on with
//! a `GET` of the run that has `Accept: text/event-stream` and the last number as `Last-Event-ID`.
//! Events are kept while a run is active, and for a minute after, as long as they are not too many;
//! else the answer is the run, as without these headers. A comment goes out after 15 s of silence. A
//! run goes on whether or not somebody listens; each leg of one that is read too slowly waits for
//! half a minute in all.

mod clock;
mod engine;
mod events;
mod faults;
mod http;
mod ids;
mod metrics;
pub mod model;
mod schema;
mod server;
mod store;
mod text;

pub use clock::ManualClock;
pub use faults::{Fault, Faults};
pub use http::Operation;
pub use server::{RunningServer, Server, ServerBuilder, StartError};
